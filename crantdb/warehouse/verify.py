"""Verify: is every file what its manifest says? Reads, never writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from crantdb.errors import CorruptWarehouse, WarehouseTooNew
from crantdb.warehouse.durable import sha256_of
from crantdb.warehouse.snapshot import read_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.snapshot import DataFile, TableState


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be: which file, and what."""

    path: Path
    what: str


@dataclass(frozen=True, slots=True)
class Checked:
    """One file looked at: its path, its size, and what was found (nothing when all is well)."""

    path: Path
    bytes: int
    finding: Finding | None


def verify(warehouse: Warehouse, *, deep: bool = False) -> Iterator[Checked]:
    """Check every manifest and every file that any of them lists.

    Args:
        warehouse: which.
        deep: also decode every file and check its rows, its columns and its key range against the manifest.

    Yields:
        Each file as it was checked: first the manifests, then the data files, each once.
    """
    listed: dict[str, tuple[DataFile, TableState]] = {}
    for number in warehouse.numbers():
        path = warehouse.manifest(number)
        try:
            snapshot = read_manifest(path)
        except (CorruptWarehouse, WarehouseTooNew) as error:
            yield Checked(path, path.stat().st_size, Finding(path, str(error)))
            continue
        yield Checked(path, path.stat().st_size, None)
        for state in snapshot.states():
            for table in state.tables.values():
                listed |= {file.path: (file, table) for file in table.files}
    for file, table in listed.values():
        path = warehouse.root / file.path
        what = _fault(path, file) or (_deep_fault(path, file, table) if deep else None)
        yield Checked(path, file.bytes, None if what is None else Finding(path, f"{what} ({table.key})"))


def _fault(path: Path, file: DataFile) -> str | None:
    """Return what is wrong with a file's bytes, or None."""
    try:
        size = path.stat().st_size
        if size != file.bytes:
            return f"has {size:,} bytes, its manifest says {file.bytes:,}"
        if sha256_of(path) != file.sha256:
            return "is damaged: its SHA-256 is not the manifest's"
    except FileNotFoundError:
        return "is gone"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return None


def _deep_fault(path: Path, file: DataFile, table: TableState) -> str | None:
    """Return what is wrong with a file's rows, or None."""
    try:
        content = pq.ParquetFile(path)
        names = content.schema_arrow.names
        if names != [column.name for column in table.columns]:
            return f"has the columns {names}, not those of its manifest"
        rows, low, high = _measure(content, table.sort_key)
    except (pa.ArrowException, OSError) as error:
        return f"cannot be decoded: {error}"
    if rows != file.rows:
        return f"holds {rows:,} rows, its manifest says {file.rows:,}"
    if table.sort_key is not None and (low, high) != (file.key_min, file.key_max):
        return (
            f"holds {table.sort_key} from {low} to {high}, its manifest says {file.key_min} to {file.key_max}"
        )
    return None


def _measure(content: pq.ParquetFile, key: str | None) -> tuple[int, int | None, int | None]:
    """Decode a file; return its rows and the lowest and highest key."""
    rows = 0
    low: int | None = None
    high: int | None = None
    for batch in content.iter_batches():
        rows += batch.num_rows
        if key is not None and batch.num_rows > batch[key].null_count:
            both = pc.min_max(batch[key]).as_py()
            low = both["min"] if low is None else min(low, both["min"])
            high = both["max"] if high is None else max(high, both["max"])
    return rows, low, high
