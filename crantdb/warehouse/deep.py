"""The deep part of `verify`: what is in the files. Each is decoded once, batch by batch; memory stays bounded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from crantdb.warehouse.state import LOG, Column

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from crantdb.warehouse.state import DataFile, TableState

BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class Content:
    """What decoding a file showed.

    Attributes:
        fault: what is wrong with it, or None.
        ends: its first and last row, the columns of its sort order only; None without rows or order.
    """

    fault: str | None
    ends: pa.Table | None = None


def look_into(path: Path, file: DataFile, table: TableState) -> Content:
    """Decode a file, and compare its columns, rows, key range and order with its manifest."""
    try:
        content = pq.ParquetFile(path)
        names = content.schema_arrow.names
        wanted = [column.name for column in table.columns]
        # Below layers a file may be of a version that had further columns.
        if names != wanted and (table.layers is None or not set(wanted) <= set(names)):
            return Content(f"has the columns {names}, not those of its manifest")
        seen = _Seen(table)
        for batch in content.iter_batches(BATCH_ROWS):
            seen.add(batch)
    except (pa.ArrowException, OSError) as error:
        return Content(f"cannot be decoded: {error}")
    return Content(seen.fault(file), seen.ends)


class _Seen:
    """What was seen of a file so far."""

    def __init__(self, table: TableState) -> None:
        self._key = table.sort_key
        self._order = order_of(table)
        self._strict = is_strict(table)
        self._rows = 0
        self._low: int | None = None
        self._high: int | None = None
        self._disorder: int | None = None
        self.ends: pa.Table | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in the next rows."""
        if not batch.num_rows:
            return
        if self._key is not None and batch.num_rows > batch[self._key].null_count:
            both = pc.min_max(batch[self._key]).as_py()
            self._low = both["min"] if self._low is None else min(self._low, both["min"])
            self._high = both["max"] if self._high is None else max(self._high, both["max"])
        if self._order:
            self._follow(pa.Table.from_batches([batch]).select(self._order))
        self._rows += batch.num_rows

    def _follow(self, rows: pa.Table) -> None:
        """Check that rows go on where those before ended."""
        before = 0 if self.ends is None else 1
        joined = rows if self.ends is None else pa.concat_tables([self.ends.slice(1), rows])
        at = first_disorder(joined, strict=self._strict)
        if at is not None and self._disorder is None:
            self._disorder = self._rows + at - before
        first = rows.slice(0, 1) if self.ends is None else self.ends.slice(0, 1)
        # Taken, not sliced: a slice would keep the whole batch in memory.
        self.ends = pa.concat_tables([first, rows.slice(rows.num_rows - 1)]).take([0, 1])

    def fault(self, file: DataFile) -> str | None:
        """Return what differs from the manifest, or None."""
        if self._rows != file.rows:
            return f"holds {self._rows:,} rows, its manifest says {file.rows:,}"
        if self._key is not None and (self._low, self._high) != (file.key_min, file.key_max):
            return (
                f"holds {self._key} from {self._low} to {self._high}, its manifest says {file.key_min} to "
                f"{file.key_max}"
            )
        if self._disorder is not None:
            return f"is not sorted by {', '.join(self._order)}: row {self._disorder:,} is out of order"
        return None


def order_of(table: TableState) -> tuple[str, ...]:
    """Return the columns a table says it is sorted by; before orders were written down, that was its key."""
    return table.sort_order or ((table.sort_key,) if table.sort_key else ())


def parts_of(table: TableState) -> Iterator[tuple[DataFile, TableState]]:
    """Yield each file of a table that is kept as layers, with a table as which it can be read."""
    if table.layers is None:
        return
    gone = replace(table, columns=(Column("id", "BIGINT"),), sort_key="id", sort_order=("id",), layers=None)
    for step in table.layers.steps:
        yield from ((file, table) for file in step.rows)
        yield from ((file, gone) for file in step.dropped)
    yield from ((file, table) for file in table.layers.base)


def is_strict(table: TableState) -> bool:
    """Tell whether no two rows of a table may be alike in all columns of its order: so in all but views and logs."""
    return table.kind not in {"view", LOG}


def between_files(table: TableState, contents: Mapping[str, Content]) -> tuple[str, str] | None:
    """Return the first file of a table that does not go on where the one before ended, and what is wrong; or None."""
    if table.kind == LOG:  # each file is in order by itself
        return None
    known = [(file.path, contents[file.path].ends) for file in table.files if file.path in contents]
    ends = [(path, end) for path, end in known if end is not None]
    for (before, last), (path, first) in pairwise(ends):
        if (
            first_disorder(pa.concat_tables([last.slice(1), first.slice(0, 1)]), strict=is_strict(table))
            is not None
        ):
            name = before.rsplit("/", 1)[-1]
            return path, f"does not go on in {', '.join(order_of(table))} where {name} ends"
    return None


def first_disorder(rows: pa.Table, *, strict: bool) -> int | None:
    """Return the first row that should not come after the one before it; None when all are in order.

    Rows are compared column by column, NULL after every value.

    Args:
        rows: columns of whole numbers, texts or times, in the sequence in which they are compared.
        strict: whether a row like the one before is out of order too.
    """
    alike: NDArray[np.bool_] = np.ones(max(rows.num_rows - 1, 0), dtype=bool)
    wrong = np.zeros_like(alike)
    for column in rows.columns:
        null = column.is_null().to_numpy()
        greater, equal = _steps(column)
        falls = (null[:-1] & ~null[1:]) | (~null[:-1] & ~null[1:] & greater)
        wrong |= alike & falls
        alike &= (null[:-1] == null[1:]) & (null[:-1] | equal)
    if strict:
        wrong |= alike
    found = np.flatnonzero(wrong)
    return int(found[0]) + 1 if found.size else None


def _steps(column: pa.ChunkedArray) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell of each value but the last whether it is greater than, and whether it equals, the one after it.

    What is said of a step from or to NULL means nothing.
    """
    if pa.types.is_integer(column.type):
        values = pc.fill_null(column, 0).to_numpy()
        return values[:-1] > values[1:], values[:-1] == values[1:]
    before, after = column.slice(0, max(len(column) - 1, 0)), column.slice(1)
    greater, equal = pc.greater(before, after), pc.equal(before, after)
    return pc.fill_null(greater, False).to_numpy(), pc.fill_null(equal, False).to_numpy()
