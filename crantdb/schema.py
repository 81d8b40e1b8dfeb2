"""Declared tables: names, types and comments, read from `schemas/*.sql` by DuckDB itself."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from crantdb.assets import sql_texts


@dataclass(frozen=True, slots=True)
class DeclaredColumn:
    """A declared column.

    Attributes:
        name: its name.
        type: its DuckDB type.
        nullable: whether NULL may stand in it.
        comment: what it is, with its unit.
    """

    name: str
    type: str
    nullable: bool
    comment: str


@dataclass(frozen=True, slots=True)
class DeclaredTable:
    """A table to which crantdb itself gives meaning.

    Attributes:
        name: its name: the file's name.
        comment: what a row of it is.
        columns: its columns, in order.
        text: the statements that declare it, as in the file.
    """

    name: str
    comment: str
    columns: tuple[DeclaredColumn, ...]
    text: str


def declared_tables() -> dict[str, DeclaredTable]:
    """Return every declared table by name."""
    con = duckdb.connect(":memory:")
    try:
        return {name: _read(con, name, text) for name, text in sql_texts("schemas").items()}
    finally:
        con.close()


def _read(con: duckdb.DuckDBPyConnection, name: str, text: str) -> DeclaredTable:
    """Let DuckDB read one declaration, and ask it what it understood."""
    con.execute(text)
    [(comment,)] = con.execute("SELECT comment FROM duckdb_tables() WHERE schema_name = 'main' AND table_name = ?", [name]).fetchall()
    rows = con.execute(
        "SELECT column_name, data_type, is_nullable, comment FROM duckdb_columns() "
        "WHERE schema_name = 'main' AND table_name = ? ORDER BY column_index",
        [name],
    ).fetchall()
    columns = tuple(DeclaredColumn(column, kind, nullable, said or "") for column, kind, nullable, said in rows)
    return DeclaredTable(name, comment or "", columns, text)
