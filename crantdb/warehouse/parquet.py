"""How crantdb writes Parquet: bytes that depend on the rows and their order alone.

Whatever differs between two runs of one version lives in manifests. So the same rows give the same
bytes, however they were cut into pieces and whenever the run was killed (same pyarrow release).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from crantdb.warehouse.durable import HashingFile, new_file

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path
    from types import TracebackType

ROW_GROUP_ROWS = 131_072
"""Rows of a row group: best for point lookups in both DuckDB and polars."""

FILE_ROWS = 32 * 1024 * 1024
"""Rows of a file at the most."""


class TableWriter:
    """Writes one Parquet file, row group by row group, and sums it on the way; the footer comes with the block's end.

    Args:
        handle: the file, open for writing.
        schema: the file's schema, without metadata.
        bare: columns without a codec over their encoding: faster to read from end to end, and larger.
    """

    def __init__(self, handle: HashingFile, schema: pa.Schema, bare: Collection[str] = ()) -> None:
        self.rows = 0
        self._handle = handle
        self._writer = pq.ParquetWriter(
            pa.PythonFile(handle, mode="w"),
            schema,
            **_codecs(schema, bare),
            use_dictionary=[field.name for field in schema if _is_text(field.type)],
            column_encoding={field.name: code for field in schema if (code := _encoding(field.type))},
            data_page_version="2.0",
            write_page_index=True,
        )

    def write(self, row_group: pa.Table) -> None:
        """Append one row group."""
        self._writer.write_table(row_group.combine_chunks(), row_group_size=ROW_GROUP_ROWS)
        self.rows += row_group.num_rows

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Closed in any case: else pyarrow does so whenever it is collected, into a file that is gone.
        if kind is not None:
            self._handle.give_up()
        self._writer.close()


def _codecs(schema: pa.Schema, bare: Collection[str]) -> dict[str, Any]:
    """Return what compresses which column; `bare` ones stand in a schema without nested columns."""
    if not bare:
        return {"compression": "zstd", "compression_level": 1}
    dressed = [name for name in schema.names if name not in bare]
    return {
        "compression": dict.fromkeys(bare, "none") | dict.fromkeys(dressed, "zstd"),
        "compression_level": dict.fromkeys(dressed, 1),
    }


def _is_text(kind: pa.DataType) -> bool:
    """Tell whether a type repeats itself enough for a dictionary."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _encoding(kind: pa.DataType) -> str | None:
    """Return the encoding that suits a type (measured: ids and positions delta, floats split)."""
    if pa.types.is_int32(kind) or pa.types.is_int64(kind) or pa.types.is_timestamp(kind):
        return "DELTA_BINARY_PACKED"
    if pa.types.is_floating(kind):
        return "BYTE_STREAM_SPLIT"
    return None


def in_row_groups(tables: Iterable[pa.Table], rows: int = ROW_GROUP_ROWS) -> Iterator[pa.Table]:
    """Cut a stream of tables anew into tables of exactly `rows` rows; the last may be shorter."""
    waiting: list[pa.Table] = []
    count = 0
    for table in tables:
        waiting.append(table)
        count += table.num_rows
        if count < rows:
            continue
        joined = pa.concat_tables(waiting)
        whole = count - count % rows
        for start in range(0, whole, rows):
            yield joined.slice(start, rows)
        waiting, count = [joined.slice(whole)], count - whole
    if count:
        yield pa.concat_tables(waiting)


def write_one(path: Path, table: pa.Table) -> tuple[int, str]:
    """Write a whole table as one file, durable when this returns.

    Returns:
        The file's bytes and its SHA-256.

    Raises:
        StorageError: when the disk refuses.
    """
    with new_file(path) as raw:
        handle = HashingFile(raw)
        with TableWriter(handle, table.schema) as writer:
            for group in in_row_groups([table]):
                writer.write(group)
    return handle.size, handle.sha256


def bounds(column: pa.ChunkedArray) -> tuple[int | None, int | None]:
    """Return the lowest and highest value of an integer column (None, None without values)."""
    both = pc.min_max(column).as_py()
    return both["min"], both["max"]
