"""Rollback: the content of an earlier snapshot as a new one."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from crantdb.errors import CorruptWarehouse, WarehouseTooNew
from crantdb.warehouse.commit import write_manifest
from crantdb.warehouse.manifest import read_manifest, tool_version
from crantdb.warehouse.snapshot import read_snapshot
from crantdb.warehouse.state import LOG, Snapshot, renumbered

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import TableState


def rollback(warehouse: Warehouse, number: int) -> Snapshot:
    """Make an earlier snapshot's content current again, as a new snapshot; logs stay as they are now: they are facts.

    Args:
        warehouse: where.
        number: the snapshot whose content to take.

    Raises:
        NoSuchSnapshot: when there is none of that number.
        CorruptWarehouse: when a file it lists is gone or of another size.
        CommitConflict: when another commit took the number first.
    """
    target = read_snapshot(warehouse, number)
    check_files(warehouse, target)
    numbers = warehouse.numbers()
    last = numbers[-1]
    again = replace(
        target,
        parent=last,
        # A version whose snapshot has expired since is no longer kept.
        versions={version: n for version, n in target.versions.items() if n in numbers},
        operation=f"rollback to {number}",
        committed_at=datetime.now(UTC),
        tool=tool_version(),
        shared=dict(sorted({**target.shared, **_newest_logs(warehouse, numbers)}.items())),
    )
    return write_manifest(warehouse, renumbered(again, last + 1))


def check_files(warehouse: Warehouse, snapshot: Snapshot) -> None:
    """Check that every file a snapshot's own states list is there in its size.

    Raises:
        CorruptWarehouse: for the first that is not.
    """
    for table in snapshot.tables():
        for file in table.needed:
            path = warehouse.root / file.path
            size = _size(path)
            if size != file.bytes:
                what = "is gone" if size is None else f"has {size:,} bytes, not {file.bytes:,}"
                msg = f"{path} {what}: snapshot {snapshot.number} needs it for {table.key}"
                raise CorruptWarehouse(msg, path=path)


def _size(path: Path) -> int | None:
    """Return a file's size, or None when it is gone."""
    return path.stat().st_size if path.is_file() else None


def _newest_logs(warehouse: Warehouse, numbers: Sequence[int]) -> dict[str, TableState]:
    """Return the logs of the newest snapshot that can be read and whose files of them are whole."""
    for number in reversed(numbers):
        with contextlib.suppress(CorruptWarehouse, WarehouseTooNew, FileNotFoundError):
            tables = read_manifest(warehouse.manifest(number)).shared
            logs = {key: table for key, table in tables.items() if table.kind == LOG}
            files = (file for table in logs.values() for file in table.files)
            if all(_size(warehouse.root / file.path) == file.bytes for file in files):
                return logs
    return {}
