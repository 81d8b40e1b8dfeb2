"""The current snapshot's catalog, built once: a connection copies it, which takes a fraction of making it anew.

Derived, like `crantdb.duckdb`, and never the truth: its name says of what it was made, down to the text of every
macro, so that a file of the right name is right, and any other is not looked at.
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING

import duckdb

from crantdb.assets import folder
from crantdb.warehouse.durable import neighbour, storage_errors
from crantdb.warehouse.relations import literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import Snapshot

_READ_ONLY = 0o444
_PREFIX, _ENDING = ".catalog-", ".duckdb"


def prebuilt_path(place: Warehouse, snapshot: Snapshot) -> Path:
    """Return where the catalog of a snapshot's main version lies when it was built."""
    said = [str(place.root), snapshot.number, place.numbers(), duckdb.__version__, snapshot.committed_at]
    digest = hashlib.sha256(repr([*said, sorted(_texts())]).encode()).hexdigest()[:16]
    return place.root / f"{_PREFIX}{digest}{_ENDING}"


def _texts() -> Iterator[tuple[str, str]]:
    """Yield the name and a digest of every text that a catalog is made of."""
    todo: list[tuple[str, Traversable]] = [("sql", folder("sql")), ("schemas", folder("schemas"))]
    while todo:
        name, place = todo.pop()
        for entry in place.iterdir():
            below = f"{name}/{entry.name}"
            if entry.is_dir():
                todo.append((below, entry))
            elif entry.name.endswith(".sql"):
                yield below, hashlib.sha256(entry.read_bytes()).hexdigest()


def write_prebuilt(place: Warehouse, snapshot: Snapshot, statements: Sequence[str]) -> Path:
    """Build the catalog of a snapshot's main version, and forget those of others.

    Args:
        place: the warehouse.
        snapshot: the current snapshot.
        statements: what makes its catalog in an empty database.

    Returns:
        Where it lies.

    Raises:
        StorageError: when the disk refuses.
    """
    target = prebuilt_path(place, snapshot)
    fresh = neighbour(target)
    with storage_errors(target):
        try:
            with contextlib.closing(duckdb.connect(":memory:")) as con:
                con.execute(f"ATTACH {literal(str(fresh))} AS built")
                con.execute("USE built")
                con.execute(";\n".join(["BEGIN", *statements, "COMMIT"]))
                con.execute("USE memory")
                con.execute("DETACH built")
            fresh.chmod(_READ_ONLY)
            fresh.replace(target)
        finally:
            fresh.unlink(missing_ok=True)
            fresh.with_name(fresh.name + ".wal").unlink(missing_ok=True)
    for other in place.root.glob(f"{_PREFIX}*{_ENDING}"):
        if other != target:
            other.unlink(missing_ok=True)
    return target


def copied(con: duckdb.DuckDBPyConnection, place: Warehouse, snapshot: Snapshot) -> bool:
    """Copy the catalog of a snapshot's main version into an empty connection; tell whether there was one."""
    source = prebuilt_path(place, snapshot)
    if not source.is_file():
        return False
    try:
        con.execute(f"ATTACH {literal(str(source))} AS prebuilt (READ_ONLY)")
    except duckdb.Error:  # damaged, or being replaced: it is made anew
        return False
    try:
        con.execute("COPY FROM DATABASE prebuilt TO memory")
    finally:
        con.execute("DETACH prebuilt")
    return True
