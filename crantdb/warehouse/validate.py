"""Validation: a staged table becomes a valid one, or a `ValidationError` says which promise broke.

Every promise is a counting query. What a server itself got wrong, and we cannot mend, is an exception:
counted, and kept with the table.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from crantdb.errors import ValidationError
from crantdb.warehouse.relations import literal
from crantdb.warehouse.state import Column

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from crantdb.warehouse.staging import StagedTable


@dataclass(frozen=True, slots=True)
class Constraint:
    """A promise about every row.

    Attributes:
        name: the promise in words.
        holds: a DuckDB condition over the table's columns; a row for which it is not true breaks the promise.
    """

    name: str
    holds: str


@dataclass(frozen=True, slots=True)
class ValidTable:
    """A staged table whose every promise was checked. Made by `validate` alone.

    Attributes:
        staged: the table.
        columns: its columns with their DuckDB types.
        rows_expected: the rows its source said it has: as many as it holds.
        exceptions: what was counted, by name; zero counts are left out.
    """

    staged: StagedTable
    columns: tuple[Column, ...]
    rows_expected: int
    exceptions: Mapping[str, int]


def validate(
    staged: StagedTable,
    *,
    rows_expected: int,
    constraints: Sequence[Constraint] = (),
    exceptions: Mapping[str, str] | None = None,
    con: duckdb.DuckDBPyConnection | None = None,
) -> ValidTable:
    """Check a staged table against its promises.

    Args:
        staged: the table. That its key rises (and is unique) was checked when it was joined.
        rows_expected: the rows its source said it has.
        constraints: promises about every row.
        exceptions: conditions to count, by name.
        con: the connection that counts, nothing of which is changed; one of its own by default, which takes longer
            to open than a small table to check.

    Raises:
        ValidationError: for the first promise that is broken, with the count and up to five examples.
    """
    if staged.rows != rows_expected:
        promise = f"has the {rows_expected:,} rows its source counted (got {staged.rows:,})"
        raise ValidationError(staged.key.table, promise, abs(staged.rows - rows_expected))
    with _counting(con) as counting:
        rows = _rows(counting, staged)
        for constraint in constraints:
            _check(rows, staged, constraint)
        counted = _count(rows, exceptions or {})
        columns = tuple(Column(name, str(kind)) for name, kind in zip(rows.columns, rows.types, strict=True))
    return ValidTable(staged, columns, rows_expected, {name: n for name, n in counted.items() if n})


def total_of(staged: StagedTable, column: str, con: duckdb.DuckDBPyConnection) -> int:
    """Return the sum of a whole-number column of a staged table."""
    [(total,)] = _rows(con, staged).aggregate(f'coalesce(sum("{column}"), 0)::BIGINT').fetchall()
    return int(total)


@contextlib.contextmanager
def _counting(con: duckdb.DuckDBPyConnection | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give the connection, or one of its own that is closed again; meanwhile it looks at every row.

    Else footers decide without a look at the rows, and a footer's least and greatest value leave NaN out.
    """
    if con is None:
        with contextlib.closing(duckdb.connect(":memory:")) as own, _counting(own) as counting:
            yield counting
        return
    [(before,)] = con.execute("SELECT current_setting('disabled_optimizers')").fetchall()
    con.execute("SET disabled_optimizers = 'statistics_propagation'")
    try:
        yield con
    finally:
        con.execute(f"SET disabled_optimizers = {literal(before)}")


def _rows(con: duckdb.DuckDBPyConnection, staged: StagedTable) -> duckdb.DuckDBPyRelation:
    """Return the rows of a staged table."""
    return con.from_parquet([str(file.path) for file in staged.files], hive_partitioning=False)


def _check(rows: duckdb.DuckDBPyRelation, staged: StagedTable, constraint: Constraint) -> None:
    """Raise when a row breaks a promise."""
    breaking = rows.filter(f"NOT coalesce(({constraint.holds}), false)")
    [(count,)] = breaking.aggregate("count(*)").fetchall()
    if count:
        shown = staged.key.sort_key
        examples = breaking.project(f'"{shown}"').limit(5).fetchall() if shown else []
        raise ValidationError(staged.key.table, constraint.name, count, [value for (value,) in examples])


def _count(rows: duckdb.DuckDBPyRelation, exceptions: Mapping[str, str]) -> dict[str, int]:
    """Count every exception in one pass."""
    if not exceptions:
        return {}
    counts = ", ".join(f"count(*) FILTER (WHERE {condition})" for condition in exceptions.values())
    [row] = rows.aggregate(counts).fetchall()
    return dict(zip(exceptions, row, strict=True))
