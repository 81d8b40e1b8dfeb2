"""Streams of rows into the files of a table: in row groups, cut into files, summed, with key ranges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crantdb.warehouse.durable import HashingFile, new_file
from crantdb.warehouse.parquet import FILE_ROWS, ROW_GROUP_ROWS, TableWriter, bounds

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

FULL_ROWS = 20 * 1024 * 1024
"""From this many rows on, a file ends where its key changes, so that one key lies in one file."""


@dataclass(frozen=True, slots=True)
class StagedFile:
    """One finished file of a staged table: absolute path and what a manifest will say of it."""

    path: Path
    rows: int
    bytes: int
    sha256: str
    key_min: int | None
    key_max: int | None


class FileWriter:
    """Writes a stream of rows, already in order, into the files of a table.

    Where rows are cut into row groups and files depends on the rows alone, not on how they come in.

    Args:
        folder: where the files go; made when missing.
        stem: what their names begin with.
        schema: the table's columns.
        key: the column the rows are sorted by first, whose range each file records; None without one.
        full_rows: from this many rows on a file ends at the next change of the key.
        file_rows: a file never has more rows.
        group_rows: rows of a row group, which are in memory together; `ROW_GROUP_ROWS` by default.
        bare: columns without a codec (see `TableWriter`).
    """

    def __init__(
        self,
        folder: Path,
        stem: str,
        schema: pa.Schema,
        *,
        key: str | None,
        full_rows: int = FULL_ROWS,
        file_rows: int = FILE_ROWS,
        group_rows: int | None = None,
        bare: Collection[str] = (),
    ) -> None:
        self._folder = folder
        self._stem = stem
        self._schema = schema
        self._key = key
        self._full_rows = full_rows
        self._file_rows = file_rows
        self._group_rows = group_rows or ROW_GROUP_ROWS
        self._bare = bare

    def write(self, tables: Iterable[pa.Table]) -> tuple[StagedFile, ...]:
        """Write everything; return the files, at least one.

        Raises:
            StorageError: when the disk refuses.
        """
        source = _Source(tables, self._schema)
        files: list[StagedFile] = []
        while not files or source.has_more():
            files.append(self._write_file(source, len(files)))
        return tuple(files)

    def _write_file(self, source: _Source, number: int) -> StagedFile:
        """Write one file."""
        path = self._folder / f"{self._stem}-part-{number:05d}.parquet"
        low: int | None = None
        high: int | None = None
        last: int | None = None
        with new_file(path) as raw:
            handle = HashingFile(raw)
            with TableWriter(handle, self._schema, self._bare) as writer:
                while source.has_more() and writer.rows < self._file_rows:
                    group, ends = self._next_group(source, writer.rows, last)
                    if self._key is not None and group.num_rows:
                        start, end = bounds(group[self._key])
                        low, high = (start if low is None else low), (high if end is None else end)
                        last = int(_comparable(group[self._key].slice(group.num_rows - 1))[0])
                    if group.num_rows:
                        writer.write(group)
                    if ends:
                        break
        return StagedFile(path, writer.rows, handle.size, handle.sha256, low, high)

    def _next_group(self, source: _Source, written: int, last: int | None) -> tuple[pa.Table, bool]:
        """Return the next row group of a file, and whether the file ends with it."""
        group = source.peek(min(self._group_rows, self._file_rows - written))
        if self._key is None or written + group.num_rows <= self._full_rows:
            source.skip(group.num_rows)
            return group, False
        cut = _first_change(group[self._key], max(0, self._full_rows - written), last)
        taken = group if cut is None else group.slice(0, cut)
        source.skip(taken.num_rows)
        return taken, cut is not None


class _Source:
    """A stream of tables that can be read by rows."""

    def __init__(self, tables: Iterable[pa.Table], schema: pa.Schema) -> None:
        self._tables: Iterator[pa.Table] = iter(tables)
        self._waiting = schema.empty_table()

    def peek(self, rows: int) -> pa.Table:
        """Return the next rows, fewer only at the end, without taking them."""
        self._fill(rows)
        return self._waiting.slice(0, rows)

    def skip(self, rows: int) -> None:
        """Take rows that were seen."""
        self._waiting = self._waiting.slice(rows)

    def has_more(self) -> bool:
        """Tell whether rows are left."""
        self._fill(1)
        return bool(self._waiting.num_rows)

    def _fill(self, rows: int) -> None:
        """Wait until so many rows are here, or no more come."""
        parts = [self._waiting]
        count = self._waiting.num_rows
        while count < rows and (table := next(self._tables, None)) is not None:
            parts.append(table)
            count += table.num_rows
        full = [part for part in parts if part.num_rows]
        if len(parts) > 1 and full:
            self._waiting = pa.concat_tables(full)


def _first_change(column: pa.ChunkedArray, start: int, last: int | None) -> int | None:
    """Return the first position, from `start` on, where the key differs from the one before; None when none does."""
    values = _comparable(column)
    before = np.concatenate([[values[0] if last is None else last], values[:-1]])
    changes = np.flatnonzero(values[start:] != before[start:])
    return int(changes[0]) + start if changes.size else None


def _comparable(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return keys as numbers, NULL as the highest: so that a run of NULLs is one key too."""
    return np.asarray(pc.fill_null(column, np.iinfo(np.int64).max))
