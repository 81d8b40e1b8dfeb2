"""A result of DuckDB, printed as table | json | csv, or written to a Parquet file; ids whole in each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import pyarrow.parquet as pq

from crantdb.cli.output import output_for
from crantdb.warehouse.durable import file_asked_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb

    from crantdb.cli.settings import Settings

BATCH_ROWS = 10_000


def give(settings: Settings, relation: duckdb.DuckDBPyRelation, path: Path | None = None) -> None:
    """Print a result, or write it to a file, as the settings say.

    Args:
        settings: what every verb understands.
        relation: the result.
        path: where Parquet goes; None for the other outputs.

    Raises:
        click.UsageError: when Parquet is asked for without a path, or a path given with another output.
    """
    check_path(settings, path)
    reader = relation.to_arrow_reader(BATCH_ROWS)
    if path is not None:
        settings.say(f"wrote {write_parquet(reader, path):,} rows to {path}")
    else:
        output_for(settings.output).rows(reader.schema.names, rows(reader))


def check_path(settings: Settings, path: Path | None) -> None:
    """Refuse Parquet without a path, and a path without Parquet.

    Raises:
        click.UsageError: for either.
    """
    if (settings.output == "parquet") != (path is not None):
        msg = "--output parquet goes with -o PATH, and -o PATH with --output parquet"
        raise click.UsageError(msg)


def rows(reader: Any) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - pyarrow is untyped
    """Yield the rows of a result as Python values, a batch at a time."""
    for batch in reader:
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def write_parquet(reader: Any, path: Path) -> int:  # noqa: ANN401 - pyarrow is untyped
    """Write a result to a Parquet file, whole or not at all; return its rows."""
    written = 0
    with (
        file_asked_for(path) as handle,
        pq.ParquetWriter(handle, reader.schema, compression="zstd") as writer,
    ):
        for batch in reader:
            writer.write_batch(batch)
            written += batch.num_rows
    return written
