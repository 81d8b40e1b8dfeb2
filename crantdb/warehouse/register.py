"""Register: a snapshot as a DuckDB file and as a text of SQL, for other programs. Derived, never the truth."""

from __future__ import annotations

import errno
import fcntl
from typing import TYPE_CHECKING

import duckdb

from crantdb.errors import WarehouseBusy
from crantdb.warehouse.durable import neighbour, storage_errors, sync_folder, write_bytes
from crantdb.warehouse.layout import open_warehouse
from crantdb.warehouse.prebuilt import write_prebuilt
from crantdb.warehouse.relations import literal
from crantdb.warehouse.snapshot import read_snapshot
from crantdb.warehouse.statements import catalog_statements, further_statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from crantdb.warehouse.layout import Warehouse

STORAGE_VERSION = "v1.2.0"
"""The storage format of `crantdb.duckdb`: any DuckDB since 1.2 opens it."""


def register(warehouse: str | Path) -> tuple[Path, Path]:
    """Write `crantdb.duckdb` and `crantdb.sql` for the current snapshot, with every kept version.

    A hidden third file, `.catalog-….duckdb`, is what `connect` copies rather than make every view and macro anew.
    All are built beside and swapped in: a program that reads the old one keeps it until it opens anew.
    Their paths are absolute: register again after the folder has moved.

    Returns:
        The paths of the two files.

    Raises:
        WarehouseBusy: when a program holds `crantdb.duckdb` open for writing.
        StorageError: when the disk refuses.
        NotAWarehouse, NoSuchSnapshot, CorruptWarehouse: as `connect`.
    """
    place = open_warehouse(warehouse)
    snapshot = read_snapshot(place)
    others = sorted(version for version in snapshot.versions if version != snapshot.main.version)
    text = catalog_statements(place, snapshot)
    prebuilt = write_prebuilt(place, snapshot, text)
    further = further_statements(place, snapshot, others)
    _write_database(place, prebuilt, further)
    head = (
        f"-- Snapshot {snapshot.number} of {place.root}, for `duckdb -init {place.init_sql.name}`.\n"
        f"-- Derived by `crantdb register`; never the truth.\n"
    )
    write_bytes(
        place.init_sql, (head + "".join(f"{statement};\n" for statement in [*text, *further])).encode()
    )
    return place.database, place.init_sql


def _write_database(place: Warehouse, prebuilt: Path, further: Sequence[str]) -> None:
    """Build the database file beside the old one, from the prebuilt catalog and more statements, and swap it in."""
    fresh = neighbour(place.database)
    with storage_errors(place.database):
        try:
            con = duckdb.connect(":memory:")
            try:
                con.execute(
                    f"ATTACH {literal(str(fresh))} AS built (STORAGE_VERSION {literal(STORAGE_VERSION)})"
                )
                con.execute(f"ATTACH {literal(str(prebuilt))} AS prebuilt (READ_ONLY)")
                con.execute("COPY FROM DATABASE prebuilt TO built")
                con.execute("DETACH prebuilt")
                con.execute("USE built")
                con.execute(";\n".join(["BEGIN", *further, "COMMIT"]))
                con.execute("USE memory")
                con.execute("DETACH built")
            finally:
                con.close()
            _clear_wal(place.database)
            fresh.replace(place.database)
            sync_folder(place.root)
        finally:
            fresh.unlink(missing_ok=True)
            fresh.with_name(fresh.name + ".wal").unlink(missing_ok=True)


def _clear_wal(database: Path) -> None:
    """Remove the write-ahead log a killed shell left, which DuckDB would replay into the new file.

    A shell that is still there would write its log there later: then nothing may be swapped.
    """
    if database.exists() and _is_written(database):
        msg = (
            f"{database} is open for writing in another program, which would write into the new one. "
            f"Close that program (open it read-only: duckdb -readonly), then run `crantdb register`"
        )
        raise WarehouseBusy(msg)
    database.with_name(database.name + ".wal").unlink(missing_ok=True)


def _is_written(path: Path) -> bool:
    """Tell whether another process has a file locked for writing, as DuckDB has a database that it may change."""
    with path.open("rb") as handle:
        try:
            fcntl.lockf(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno in {errno.EACCES, errno.EAGAIN}
        fcntl.lockf(handle, fcntl.LOCK_UN)
    return False
