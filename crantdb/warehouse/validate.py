"""Validation: a staged table becomes a valid one, or a `ValidationError` says which promise broke.

Every promise is a counting query. What a server itself got wrong, and we cannot mend, is an exception:
counted, and kept with the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from crantdb.errors import ValidationError
from crantdb.warehouse.state import Column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
) -> ValidTable:
    """Check a staged table against its promises.

    Args:
        staged: the table. That its key rises (and is unique) was checked when it was joined.
        rows_expected: the rows its source said it has.
        constraints: promises about every row.
        exceptions: conditions to count, by name.

    Raises:
        ValidationError: for the first promise that is broken, with the count and up to five examples.
    """
    if staged.rows != rows_expected:
        promise = f"has the {rows_expected:,} rows its source counted (got {staged.rows:,})"
        raise ValidationError(staged.key.table, promise, abs(staged.rows - rows_expected))
    con = duckdb.connect(":memory:")
    # Else footers decide without a look at the rows, and a footer's least and greatest value leave NaN out.
    con.execute("SET disabled_optimizers = 'statistics_propagation'")
    try:
        con.from_parquet([str(file.path) for file in staged.files], hive_partitioning=False).create_view(
            "staged"
        )
        for constraint in constraints:
            _check(con, staged, constraint)
        counted = _count(con, exceptions or {})
        columns = tuple(Column(name, kind) for name, kind, *_ in con.sql("DESCRIBE staged").fetchall())
    finally:
        con.close()
    return ValidTable(staged, columns, rows_expected, {name: n for name, n in counted.items() if n})


def _check(con: duckdb.DuckDBPyConnection, staged: StagedTable, constraint: Constraint) -> None:
    """Raise when a row breaks a promise."""
    breaks = f"FROM staged WHERE NOT coalesce(({constraint.holds}), false)"
    [(count,)] = con.sql(f"SELECT count(*) {breaks}").fetchall()
    if count:
        shown = staged.key.sort_key
        examples = con.sql(f'SELECT "{shown}" {breaks} LIMIT 5').fetchall() if shown else []
        raise ValidationError(staged.key.table, constraint.name, count, [value for (value,) in examples])


def _count(con: duckdb.DuckDBPyConnection, exceptions: Mapping[str, str]) -> dict[str, int]:
    """Count every exception in one pass."""
    if not exceptions:
        return {}
    counts = ", ".join(f"count(*) FILTER (WHERE {condition})" for condition in exceptions.values())
    [row] = con.sql(f"SELECT {counts} FROM staged").fetchall()
    return dict(zip(exceptions, row, strict=True))


def total_of(staged: StagedTable, column: str) -> int:
    """Return the sum of a whole-number column of a staged table."""
    con = duckdb.connect(":memory:")
    try:
        rows = con.from_parquet([str(file.path) for file in staged.files], hive_partitioning=False)
        [(total,)] = rows.aggregate(f'coalesce(sum("{column}"), 0)::BIGINT').fetchall()
    finally:
        con.close()
    return int(total)
