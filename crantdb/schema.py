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


def declared_columns(*tables: str) -> dict[str, tuple[DeclaredColumn, ...]]:
    """Return the columns of declared tables, in order, by table.

    Raises:
        KeyError: when no such table is declared.
    """
    texts = declarations()
    con = duckdb.connect(":memory:")
    try:
        con.execute(";\n".join(texts[table] for table in tables))
        described = {table: con.sql(f'DESCRIBE "{table}"').fetchall() for table in tables}
    finally:
        con.close()
    return {
        table: tuple(DeclaredColumn(name, kind, null == "YES") for name, kind, null, *_ in rows)
        for table, rows in described.items()
    }
