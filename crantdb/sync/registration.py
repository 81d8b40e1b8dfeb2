"""After the commit: the files for other programs, kept in step with the current snapshot."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import duckdb

from crantdb.errors import StorageError
from crantdb.warehouse.register import register

if TYPE_CHECKING:
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import Snapshot


def keep_registered(warehouse: Warehouse, snapshot: Snapshot) -> None:
    """Write `crantdb.duckdb` and `crantdb.sql` unless they were written since the snapshot was.

    A sync that was killed or met a full disk behind its commit leaves them of the snapshot before; the next
    one, which has nothing else to do, then writes them.

    Raises:
        StorageError: when the disk refuses; the snapshot is committed all the same.
        WarehouseBusy: when a program holds `crantdb.duckdb` open for writing.
    """
    if _is_registered(warehouse, snapshot):
        return
    try:
        register(warehouse.root)
    except (duckdb.IOException, duckdb.FatalException, duckdb.TransactionException) as error:
        msg = (
            f"snapshot {snapshot.number} is committed and whole, but {warehouse.database} for other programs could "
            f"not be written: {' '.join(str(error).split())}. Free some space, then run `crantdb register`"
        )
        raise StorageError(msg) from error


def _is_registered(warehouse: Warehouse, snapshot: Snapshot) -> bool:
    """Tell whether both files are there and were written after the snapshot's manifest."""
    with contextlib.suppress(FileNotFoundError):
        committed = warehouse.manifest(snapshot.number).stat().st_mtime_ns
        derived = (warehouse.database, warehouse.init_sql)
        return all(path.stat().st_mtime_ns >= committed for path in derived)
    return False
