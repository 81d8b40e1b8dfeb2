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
        # Not DESCRIBE: of a table that is called `tables`, it lists all tables. Not duckdb_columns(): slow.
        described = {table: con.execute(_COLUMNS, [table]).fetchall() for table in tables}
    finally:
        con.close()
    return {table: tuple(DeclaredColumn(*row) for row in rows) for table, rows in described.items()}


_COLUMNS = "SELECT name, type, NOT \"notnull\" FROM pragma_table_info('main.' || ?) ORDER BY cid"
