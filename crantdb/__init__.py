"""A local analytical warehouse of a CAVE connectome: complete, of one moment, exact, offline.

    import crantdb

    con = crantdb.connect("data")
    con.sql("FROM snapshot").show()

The names load when first used, so that importing costs nothing and `crantdb --help` answers at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crantdb.errors import CrantdbError
    from crantdb.warehouse.catalog import connect, scan

__all__ = ["CrantdbError", "connect", "scan"]


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for."""
    rooms = {
        "CrantdbError": "crantdb.errors",
        "connect": "crantdb.warehouse.catalog",
        "scan": "crantdb.warehouse.catalog",
    }
    if name not in rooms:
        msg = f"module 'crantdb' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(rooms[name]), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
