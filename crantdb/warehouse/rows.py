"""The rows of a table, however it is kept: as files of its own, or as layers over those of a newer version."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import polars as pl

from crantdb.warehouse.relations import ident, literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import duckdb

    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import DataFile, Layers, TableState


RANGE_ROWS = 4_000_000
"""Rows that are compared at once, about."""


def rows_sql(warehouse: Warehouse, table: TableState) -> str:
    """Return a SELECT that gives a table's rows, its columns in their order.

    A filter put around it reaches the files: of layers too.
    """
    columns = [column.name for column in table.columns]
    if table.layers is None:
        return f"SELECT {_listed(columns)} FROM {_read(_paths(warehouse, table.files))}"
    return " UNION ALL ".join(
        _without(columns, _paths(warehouse, files), _paths(warehouse, dropped))
        for files, dropped in _parts(table.layers)
    )


def scan_rows(warehouse: Warehouse, table: TableState) -> pl.LazyFrame:
    """Return a LazyFrame over a table's rows."""
    if table.layers is None:
        return _scanned(_paths(warehouse, table.files))
    columns = [column.name for column in table.columns]
    parts = []
    for files, dropped in _parts(table.layers):
        rows = _scanned(_paths(warehouse, files)).select(columns)
        gone = _paths(warehouse, dropped)
        parts.append(rows.join(_scanned(gone).select("id"), on="id", how="anti") if gone else rows)
    return pl.concat(parts)


def needed_paths(warehouse: Warehouse, table: TableState) -> list[str]:
    """Return the absolute path of every file that it takes to read a table."""
    return _paths(warehouse, table.needed)


def key_ranges(con: duckdb.DuckDBPyConnection, relation: str, key: str, rows: int) -> Iterator[str]:
    """Yield conditions on a whole-number column that cut a relation into ranges of about `RANGE_ROWS` rows each.

    Together they hold for every value, NULL included, each value in one range.
    """
    parts = math.ceil(rows / RANGE_ROWS)
    cuts: list[int] = []
    if parts > 1:
        shares = [number / parts for number in range(1, parts)]
        [(found,)] = con.sql(
            f'SELECT approx_quantile("{key}", {shares}) FROM {relation} WHERE "{key}" > 1'
        ).fetchall()
        cuts = sorted(set(found or ()))
    for low, high in zip([None, *cuts], [*cuts, None], strict=True):
        limits = [f'"{key}" >= {low}'] if low is not None else []
        limits += [f'"{key}" < {high}'] if high is not None else []
        inside = " AND ".join(limits) or "true"
        yield f'({inside} OR "{key}" IS NULL)' if high is None else inside


def _parts(layers: Layers) -> Iterator[tuple[tuple[DataFile, ...], list[DataFile]]]:
    """Yield the base and the rows of each step, each with what those behind it drop; empty ones are left out."""
    files = (layers.base, *(step.rows for step in layers.steps))
    for number, rows in enumerate(files):
        behind = [file for step in layers.steps[number:] for file in step.dropped if file.rows]
        if number == 0 or any(file.rows for file in rows):
            yield rows, behind


def _without(columns: Sequence[str], paths: Sequence[str], dropped: Sequence[str]) -> str:
    """Return the SELECT of files' rows but for those whose id is dropped."""
    rows = f"SELECT {_listed(columns)} FROM {_read(paths)}"
    return f"{rows} ANTI JOIN (SELECT id FROM {_read(dropped)}) AS dropped USING (id)" if dropped else rows


def _read(paths: Sequence[str]) -> str:
    """Return the call that reads files."""
    return f"read_parquet({literal(list(paths))}, hive_partitioning = false)"


def _scanned(paths: Sequence[str]) -> pl.LazyFrame:
    """Return a LazyFrame over files."""
    return pl.scan_parquet(list(paths), hive_partitioning=False, glob=False)


def _listed(columns: Iterable[str]) -> str:
    """Return columns as they are selected."""
    return ", ".join(map(ident, columns))


def _paths(warehouse: Warehouse, files: Iterable[DataFile]) -> list[str]:
    """Return the absolute paths of files."""
    root: Path = warehouse.root
    return [str(root / file.path) for file in files]
