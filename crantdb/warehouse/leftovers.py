"""Data files that no snapshot lists: found, and deleted when they are due."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from crantdb.warehouse.durable import storage_errors, sync_folder
from crantdb.warehouse.layout import relative
from crantdb.warehouse.ledger import read_ledger, write_ledger
from crantdb.warehouse.staging import staged

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import Snapshot

_OURS = re.compile(r".+-part-[0-9]+\.parquet")


@dataclass(frozen=True, slots=True)
class Leftover:
    """A data file that no kept manifest lists: its path, its bytes, and since when it is so."""

    path: Path
    bytes: int
    since: datetime


def files_listed(snapshots: Collection[Snapshot]) -> set[str]:
    """Return the paths of every data file that any of the snapshots lists."""
    return {file.path for snapshot in snapshots for table in snapshot.tables() for file in table.needed}


def leftovers(
    warehouse: Warehouse, staying: Sequence[Snapshot], since: dict[str, datetime]
) -> list[Leftover]:
    """Return the data files on disk that no staying snapshot lists.

    One that the ledger does not know was never in a snapshot: a kill left it between link and manifest. Its
    age is then that of the link. Files of a version that is being staged are left alone, as the next try
    takes up what lies there.
    """
    listed = files_listed(staying)
    keys = staged(warehouse)
    busy = {f"version={key.version}" for key in keys if key.version is not None}
    shared = [warehouse.shared_folder(k.schema, k.table, k.base, None) for k in keys if k.version is None]
    result = []
    for path in _data_files(warehouse):
        name = relative(warehouse, path)
        if name in listed or path.parent.name in busy or any(map(path.is_relative_to, shared)):
            continue
        try:
            found = path.stat()
        except FileNotFoundError:  # as above
            continue
        made = datetime.fromtimestamp(max(found.st_mtime, found.st_ctime), UTC)
        result.append(Leftover(path, found.st_size, since.get(name, made)))
    return result


def _data_files(warehouse: Warehouse) -> Iterator[Path]:
    """Yield every file of ours below `tables`; whatever else somebody put there is not ours to judge."""
    for folder, inner, names in os.walk(warehouse.root / "tables"):
        inner.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if _OURS.fullmatch(name) and not path.is_symlink():
                yield path


def delete(warehouse: Warehouse, files: Sequence[Leftover]) -> None:
    """Delete files, and folders that are empty then; the ledger forgets those that are gone, by whose hand ever."""
    for file in files:
        with storage_errors(file.path):
            file.path.unlink(missing_ok=True)
    for folder in {file.path.parent for file in files}:
        _remove_empty(folder, top=warehouse.root / "tables")
    before = read_ledger(warehouse)
    after = {
        n: replace(e, files=tuple(f for f in e.files if (warehouse.root / f).exists()))
        for n, e in before.items()
    }
    if after != before:
        write_ledger(warehouse, after)


def _remove_empty(folder: Path, *, top: Path) -> None:
    """Remove a folder and those above it, up to `top`, as far as they are empty; the rest is made durable."""
    with contextlib.suppress(OSError):
        while folder != top:
            folder.rmdir()
            folder = folder.parent
    with contextlib.suppress(FileNotFoundError):
        sync_folder(folder)
