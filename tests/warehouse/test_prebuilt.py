"""A catalog built beforehand gives what one made anew gives, and is never taken for what it is not."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from crantdb.errors import CorruptWarehouse
from crantdb.warehouse import catalog
from crantdb.warehouse.catalog import connect
from crantdb.warehouse.layout import Warehouse
from crantdb.warehouse.prebuilt import prebuilt_path
from crantdb.warehouse.register import register
from crantdb.warehouse.snapshot import read_snapshot
from tests.warehouse.making import add, cells, copy_of, make_warehouse, synapse_rows

if TYPE_CHECKING:
    from pathlib import Path

LISTS = (
    "SELECT schema_name, view_name, column_count, comment FROM duckdb_views() WHERE NOT internal ORDER BY ALL",
    # The words of a macro: DuckDB writes what stands behind EXCLUDE in any order, and before 2.0 it writes some words of
    # a macro that it read from a file in another way.
    """SELECT schema_name, function_name, function_type, parameters, comment,
    list_sort(regexp_extract_all(regexp_replace(macro_definition, '"|MATERIALIZED|CROSS JOIN', '', 'g'), '[^\\s,()]+')) FROM duckdb_functions() WHERE NOT internal ORDER BY ALL""",
    "SELECT schema_name, table_name, column_name, data_type, is_nullable FROM duckdb_columns() WHERE NOT internal ORDER BY ALL",
    "SELECT schema_name, table_name, sql FROM duckdb_tables() ORDER BY ALL",
    "FROM tables ORDER BY ALL",
    "FROM snapshot",
    "FROM snapshots ORDER BY ALL",
    "FROM cells ORDER BY ALL",
)


@pytest.fixture(scope="module")
def unregistered(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Return a warehouse of two versions, which no test changes."""
    place = make_warehouse(tmp_path_factory.mktemp("unregistered"))
    add(place, {"cells": cells(range(10))}, 1)
    add(place, {"cells": cells(range(20)), "syn": synapse_rows(range(1, 30))}, 2)
    return place


@pytest.fixture
def registered(unregistered: Warehouse, tmp_path: Path) -> Warehouse:
    """Return a warehouse of two versions, registered."""
    place = copy_of(unregistered, tmp_path / "wh")
    register(place.root)
    return place


def answers(place: Warehouse) -> list[Any]:
    """Return every list of what stands in a connection, and a table's rows."""
    with contextlib.closing(connect(place.root)) as con:
        return [con.sql(query).fetchall() for query in LISTS]


def making_nothing(*_: Any, **__: Any) -> list[str]:
    """Stand in for what makes a catalog, where none is to be made."""
    msg = "the catalog was made anew"
    raise AssertionError(msg)


def test_it_is_what_one_made_anew_is(registered: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Views, macros, tables with their rows, comments: a copied catalog is the one that is made without it."""
    with monkeypatch.context() as patch:
        patch.setattr(catalog, "catalog_statements", making_nothing)
        copied = answers(registered)
    prebuilt_path(registered, read_snapshot(registered)).unlink()
    assert answers(registered) == copied


def test_a_connection_from_it_is_an_ordinary_one(registered: Warehouse) -> None:
    """A user may make tables and views in it, and nothing of the catalog's file stays attached."""
    with contextlib.closing(connect(registered.root)) as con:
        con.execute("CREATE TABLE mine AS SELECT count(*) AS n FROM cells")
        con.execute("CREATE VIEW theirs AS FROM mine")
        assert con.sql("FROM theirs").fetchall() == [(20,)]
        attached = con.sql("SELECT database_name FROM duckdb_databases() WHERE NOT internal").fetchall()
    assert attached == [("memory",)]


@pytest.mark.parametrize("asked", [{"snapshot": 1}, {"version": 1}, {"versions": [1]}], ids=str)
def test_another_snapshot_or_version_is_made_anew(
    registered: Warehouse, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any]
) -> None:
    """It stands for the main version of the current snapshot alone."""
    monkeypatch.setattr(catalog, "catalog_statements", making_nothing)
    with pytest.raises(AssertionError, match="made anew"):
        connect(registered.root, **asked)


def test_after_a_commit_it_is_not_looked_at(registered: Warehouse) -> None:
    """A snapshot that nobody registered yet is made anew; `register` leaves one catalog, the new one."""
    add(registered, {"cells": cells(range(30))}, 3)
    assert answers(registered)[-1] != []
    with contextlib.closing(connect(registered.root)) as con:
        assert con.sql("SELECT count(*) FROM cells").fetchall() == [(30,)]
    register(registered.root)
    found = list(registered.root.glob(".catalog-*"))
    assert found == [prebuilt_path(registered, read_snapshot(registered))]


def test_a_moved_warehouse_does_not_take_it(registered: Warehouse) -> None:
    """It holds absolute paths: after a move it is not looked at."""
    moved = Warehouse(registered.root.with_name("moved"))
    registered.root.rename(moved.root)
    with contextlib.closing(connect(moved.root)) as con:
        assert con.sql("SELECT count(*) FROM cells").fetchall() == [(20,)]


def test_a_damaged_one_is_passed_over(registered: Warehouse) -> None:
    """What is no database is passed over, and the connection is made without it."""
    path = prebuilt_path(registered, read_snapshot(registered))
    path.chmod(0o644)
    path.write_bytes(b"no database at all")
    with contextlib.closing(connect(registered.root)) as con:
        assert con.sql("SELECT count(*) FROM cells").fetchall() == [(20,)]


def test_a_lost_file_is_still_named_at_once(registered: Warehouse) -> None:
    """A data file that is gone is an error when connecting, as it is without a catalog."""
    [file] = read_snapshot(registered).main.tables["cave.cells"].files
    (registered.root / file.path).unlink()
    with pytest.raises(CorruptWarehouse, match="cannot be read"):
        connect(registered.root)
