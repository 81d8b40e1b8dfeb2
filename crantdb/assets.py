"""Finds `sql/` and `schemas/`: inside an installed package, else beside it in a checkout."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


def folder(name: str) -> Traversable:
    """Return the folder `sql` or `schemas`.

    Raises:
        FileNotFoundError: when neither place has it: the installation is broken.
    """
    installed = files("crantdb") / name
    if installed.is_dir():
        return installed
    checkout = Path(__file__).resolve().parent.parent / name
    if checkout.is_dir():
        return checkout
    msg = f"crantdb's {name}/ folder is missing from the installation. Reinstall: pip install --force-reinstall crantdb"
    raise FileNotFoundError(msg)


def sql_texts(name: str, *rooms: str) -> dict[str, str]:
    """Return the text of every ``.sql`` file in a folder (or in one of its rooms), by file name without ending."""
    place = folder(name)
    for room in rooms:
        place = place / room
    found = (entry for entry in place.iterdir() if entry.name.endswith(".sql"))
    return {
        entry.name.removesuffix(".sql"): entry.read_text("utf-8")
        for entry in sorted(found, key=lambda e: e.name)
    }
