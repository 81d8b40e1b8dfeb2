"""Tables that a sync makes itself: filled as declared, so that DuckDB holds them to it, then staged and valid."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from crantdb.errors import ValidationError
from crantdb.schema import declarations
from crantdb.warehouse.commit import TableFacts
from crantdb.warehouse.staging import StagingKey
from crantdb.warehouse.state import LOG
from crantdb.warehouse.validate import validate
from crantdb.warehouse.whole import stage_whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crantdb.sync.coming import Coming, Made, Opened


def declare(con: duckdb.DuckDBPyConnection, table: str) -> None:
    """Create a declared table, empty, with its constraints."""
    con.execute(declarations()[table].split("\nCOMMENT ON")[0])


def fill(con: duckdb.DuckDBPyConnection, table: str, query: str) -> None:
    """Put a query's rows into a declared table, column by name.

    Raises:
        ValidationError: when a row breaks what is declared.
    """
    try:
        con.execute(f"INSERT INTO main.{table} BY NAME ({query})")
    except duckdb.ConstraintException as error:
        raise ValidationError(table, str(error).splitlines()[0], 1) from error


def staged(
    coming: Coming,
    there: Opened,
    table: str,
    *,
    order: Sequence[str],
    key: str | None = None,
    completeness: str,
    exceptions: Mapping[str, int] | None = None,
    source: Mapping[str, object] | None = None,
    log: bool = False,
) -> Made:
    """Stage the rows of a table of `main`.

    Args:
        coming: what the snapshot will be.
        there: where the table is.
        table: its name.
        order: the columns to sort by.
        key: the whole-number column whose ranges files record: the first of `order`, or None.
        completeness: how it is known to be complete, in words.
        exceptions: what was found wrong, counted.
        source: what the manifest is to say of how it was made.
        log: rows of no version, to be appended to the log of that name.

    Raises:
        StorageError: when the disk refuses.
    """
    by = ", ".join(f'"{column}" NULLS LAST' for column in order)
    rows = there.con.sql(f"FROM main.{table} ORDER BY {by}").to_arrow_table()
    schema = pa.schema([_plain(column) for column in rows.schema])
    staging_key = StagingKey(
        server=coming.server,
        datastack=coming.datastack,
        schema="history" if log else "derived",
        table=table,
        version=None if log else coming.version,
        as_of="" if log else coming.as_of.isoformat(),
        sort_key=key,
        unique=False,
    )
    made = stage_whole(coming.warehouse, staging_key, schema, [rows.cast(schema)], order=tuple(order))
    valid = replace(
        validate(made, rows_expected=made.rows, con=there.con),
        exceptions={name: count for name, count in (exceptions or {}).items() if count},
    )
    facts = TableFacts(
        kind=LOG if log else "derived",
        source=dict(source or {}),
        fetched_at=datetime.now(UTC),
        as_of=None if log else coming.as_of,
        completeness=completeness,
    )
    return valid, facts


def _plain(field: pa.Field) -> pa.Field:
    """Return a column as the files have it: nullable, without metadata."""
    return pa.field(field.name, field.type)
