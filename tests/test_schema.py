"""Declared tables: every file of schemas/ says what each of its columns is, and DuckDB reads it."""

from __future__ import annotations

import duckdb
import pytest

from crantdb.schema import DeclaredColumn, declarations, declared_columns
from crantdb.warehouse.qualify import statements
from crantdb.warehouse.relations import free_in_main

TABLES = sorted(declarations())


@pytest.fixture(params=TABLES)
def table(request: pytest.FixtureRequest) -> str:
    """Return each declared table's name."""
    return str(request.param)


def test_a_file_declares_the_table_of_its_name(table: str) -> None:
    """A file creates exactly one table, of the file's name, and comments nothing but it."""
    text = declarations()[table]
    first, *others = statements(text)
    assert text.startswith("-- ")
    assert first.startswith(f"CREATE TABLE {table} (")
    heads = (f"COMMENT ON TABLE {table} ", f"COMMENT ON COLUMN {table}.")
    assert [statement for statement in others if not statement.startswith(heads)] == []


def test_every_table_and_column_has_a_comment(table: str) -> None:
    """Nothing declared goes without a word of what it is."""
    with duckdb.connect(":memory:") as con:
        con.execute(declarations()[table])
        [(said,)] = con.sql("SELECT comment FROM duckdb_tables() WHERE NOT internal").fetchall()
        query = "SELECT column_name FROM duckdb_columns() WHERE comment IS NULL AND NOT internal"
        bare = con.sql(query).fetchall()
    assert said
    assert bare == []


def test_columns_are_those_of_the_declaration(table: str) -> None:
    """`declared_columns` gives names, types and nullability in DuckDB's own words and order."""
    with duckdb.connect(":memory:") as con:
        con.execute(declarations()[table])
        query = f"SELECT name, type, NOT \"notnull\" FROM pragma_table_info('main.{table}') ORDER BY cid"
        found = [DeclaredColumn(*row) for row in con.sql(query).fetchall()]
    assert list(declared_columns(table)[table]) == found
    assert found


def test_an_id_is_declared_as_int64(table: str) -> None:
    """No declared column that holds ids is of any type but BIGINT, but for those of SeaTable's rows, which are texts."""
    ids = [c for c in declared_columns(table)[table] if c.name == "id" or c.name.endswith(("_id", "_ids"))]
    ids = [c for c in ids if c.name not in {"_id", "row_id", "table_id", "annotation_ids"}]
    assert [c for c in ids if c.type.removesuffix("[]") != "BIGINT"] == []


def test_a_declared_name_is_kept_free_in_main(table: str) -> None:
    """No mirrored table of a declared name can hide the declared one."""
    theirs, ours = free_in_main({"cave.x": table.upper()}, declarations()), f"derived.{table}"
    assert theirs == {}
    assert free_in_main({ours: table}, declarations()) == {ours: table}


def test_what_is_not_declared_is_a_key_error() -> None:
    """Asking for a table that is not declared says which."""
    with pytest.raises(KeyError, match="nonsense"):
        declared_columns("nonsense")
