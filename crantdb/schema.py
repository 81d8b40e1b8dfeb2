"""Declared tables: those to which crantdb itself gives meaning, read from `schemas/*.sql` by DuckDB itself."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from crantdb.assets import sql_texts


@dataclass(frozen=True, slots=True)
class DeclaredColumn:
    """A declared column: its name, its DuckDB type, and whether NULL may stand in it."""

    name: str
    type: str
    nullable: bool


def declarations() -> dict[str, str]:
    """Return the text of every declaration (one CREATE TABLE and its comments), by table name."""
    return sql_texts("schemas")


def declared_columns(table: str) -> tuple[DeclaredColumn, ...]:
    """Return the columns of a declared table, in order.

    Raises:
        KeyError: when no such table is declared.
    """
    text = declarations()[table]
    con = duckdb.connect(":memory:")
    try:
        con.execute(text)
        rows = con.sql(f'DESCRIBE "{table}"').fetchall()
    finally:
        con.close()
    return tuple(DeclaredColumn(name, kind, null == "YES") for name, kind, null, *_ in rows)
