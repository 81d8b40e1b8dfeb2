"""Every object of sql/: described, free of traps, there on an empty snapshot, and true to its own version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crantdb.schema import declarations
from crantdb.warehouse.qualify import ROOMS, sql_objects, statements
from tests.sql import connectivity_calls, id_calls, l2_calls, region_calls, version_calls
from tests.warehouse.making import ROOT

if TYPE_CHECKING:
    import duckdb

    from crantdb.warehouse.qualify import SqlObject

OBJECTS = {item.name: item for item in sql_objects()}
RELATIONS = sorted(set(declarations()) | {name for name, item in OBJECTS.items() if item.room == "views"})

IDS = {"main": range(1, 10), "v2": range(1, 10), "v1": range(1, 5)}
SHIFT = {"main": 2, "v2": 2, "v1": 1}


@pytest.fixture(params=sorted(OBJECTS))
def item(request: pytest.FixtureRequest) -> SqlObject:
    """Return each object of sql/."""
    return OBJECTS[request.param]


def rows(con: duckdb.DuckDBPyConnection, query: str) -> list[tuple[object, ...]]:
    """Return a query's rows."""
    return con.sql(query).fetchall()


def test_a_file_makes_the_object_of_its_name(item: SqlObject) -> None:
    """A file begins with a comment, makes one object of the file's name, comments it, and names no schema."""
    made, said = statements(item.text)
    kind = {"functions": "MACRO", "views": "VIEW", "macros": "MACRO"}[item.room]
    assert item.text.startswith("-- ")
    assert made.startswith(f"CREATE OR REPLACE {kind} {item.name}")
    assert said.startswith(f"COMMENT ON {kind} ")
    assert f" {item.name} IS '" in said
    assert "main." not in item.text


def test_every_object_has_a_comment_in_the_catalog(empty: duckdb.DuckDBPyConnection, item: SqlObject) -> None:
    """`crantdb macros` and a shell can say what each object is: its comment is in the catalog."""
    source = "duckdb_views()" if item.room == "views" else "duckdb_functions()"
    name = "view_name" if item.room == "views" else "function_name"
    found = rows(empty, f"SELECT comment FROM {source} WHERE {name} = '{item.name}' AND schema_name = 'main'")
    assert found
    assert all(comment for (comment,) in found)


def test_no_parameter_is_called_like_a_column(two: duckdb.DuckDBPyConnection, item: SqlObject) -> None:
    """DuckDB matches every row when a macro's parameter bears a column's name: none does, of any table or view."""
    columns = {
        str(name).casefold() for (name,) in rows(two, "SELECT DISTINCT column_name FROM duckdb_columns()")
    }
    query = f"SELECT parameters FROM duckdb_functions() WHERE function_name = '{item.name}'"
    taken = [name for (names,) in rows(two, query) for name in names if str(name).casefold() in columns]  # type: ignore[attr-defined]
    assert taken == []


@pytest.mark.parametrize("name", RELATIONS)
def test_on_nothing_every_relation_stands_typed(
    empty: duckdb.DuckDBPyConnection, two: duckdb.DuckDBPyConnection, name: str
) -> None:
    """A table that was never synced stands as an empty one with the declared types, and views over it load."""
    nothing, full = empty.sql(f"FROM {name}"), two.sql(f"FROM {name}")
    assert len(nothing.fetchall()) == (1 if name in {"snapshot", "snapshots"} else 0)
    types = dict(zip(full.columns, map(str, full.types), strict=True))
    found = dict(zip(nothing.columns, map(str, nothing.types), strict=True))
    assert found.items() <= types.items()


CALLS = (
    id_calls.CALLS
    | connectivity_calls.CALLS
    | l2_calls.CALLS
    | region_calls.CALLS
    | version_calls.CALLS
    | {
        "asks_all": (
            "SELECT {s}.asks_all(NULL) AS a, {s}.asks_all([]) AS b, {s}.asks_all((SELECT list(i) FROM range(0) AS t(i))) AS c",
            lambda _: [(True, False, False)],
        ),
        "annotation_history": ("FROM {s}.annotation_history('r')", lambda _: []),
        "id_chunk": (
            f"SELECT id, layer, segment FROM {{s}}.id_chunk([{2**56 + 5}])",
            lambda _: [(2**56 + 5, 1, 5)],
        ),
        "id_layer": (f"SELECT {{s}}.id_layer({ROOT})", lambda _: [(8,)]),
        "nm_to_voxel": ("SELECT {s}.nm_to_voxel(84.5, 42)", lambda _: [(2,)]),
        "voxel_to_nm": ("SELECT {s}.voxel_to_nm(2, 42)", lambda _: [(84.0,)]),
        "whole_id": (f"SELECT {{s}}.whole_id('{ROOT + 1}')", lambda _: [(ROOT + 1,)]),
        "synapse": (
            "SELECT id, pre_pt_root_id, pre_x_nm, ctr_z_nm, gaba FROM {s}.synapse([9, 3, 3, 77]) ORDER BY id",
            lambda s: [
                (i, ROOT + SHIFT[s] + i, 8.0 * (i + SHIFT[s]), 42.0 * (i + SHIFT[s]), 0.5)
                for i in (3, 9)
                if i in IDS[s]
            ],
        ),
        "synapses": (
            "SELECT id, pre_pt_root_id, post_pt_supervoxel_id, post_y_nm FROM {s}.synapses ORDER BY id",
            lambda s: [(i, ROOT + SHIFT[s] + i, 2**56 + i, 8.0 * (i + SHIFT[s])) for i in IDS[s]],
        ),
        "synapses_by_post": (
            "SELECT id, post_pt_root_id, ctr_z_nm FROM {s}.synapses_by_post ORDER BY id",
            lambda s: [(i, ROOT + SHIFT[s] + i, 42.0 * (i + SHIFT[s])) for i in IDS[s]],
        ),
    }
)
"""How each object is called, and what it gives in each schema. An object without a line here fails its test."""


@pytest.mark.parametrize("schema", ["main", "v1", "v2"])
def test_an_object_gives_its_own_versions_rows(
    two: duckdb.DuckDBPyConnection, item: SqlObject, schema: str
) -> None:
    """Called in a version's schema, every view and macro gives that version's rows, whatever stands in main."""
    assert item.name in CALLS, f"say in CALLS how {item.name} is called and what it gives"
    query, expected = CALLS[item.name]
    assert rows(two, query.format(s=schema)) == expected(schema)


@pytest.mark.parametrize("schema", ["v1", "v2"])
def test_no_object_reaches_into_another_version(two: duckdb.DuckDBPyConnection, schema: str) -> None:
    """No view or macro of a version's schema names main, or a mirror of another version."""
    views = rows(two, f"SELECT view_name, sql FROM duckdb_views() WHERE schema_name = '{schema}'")
    query = f"SELECT function_name, macro_definition FROM duckdb_functions() WHERE schema_name = '{schema}'"
    other = {"v1": "v2", "v2": "v1"}[schema]
    found = [
        name for name, text in [*views, *rows(two, query)] if {"main.", '"main"', other} & _parts(str(text))
    ]
    assert views
    assert found == []


def _parts(text: str) -> set[str]:
    """Return which tell-tale parts a definition holds; a DuckDB before 2.0 writes ``[…]`` as its own ``main.list_value``."""
    text = text.replace("main.list_value(", "list_value(")
    return {part for part in ("main.", '"main"', "v1", "v2") if part in text}


@pytest.mark.parametrize("schema", ["main", "v1", "v2"])
def test_edges_and_ids_are_their_own_versions(two: duckdb.DuckDBPyConnection, schema: str) -> None:
    """The tables beside the views hold the version's own rows too."""
    roots = [ROOT + SHIFT[schema] + i for i in IDS[schema]]
    for name in ("edges", "edges_by_post"):
        query = (
            f"SELECT pre_root_id, post_root_id, syn_count, size_sum FROM {schema}.{name} ORDER BY pre_root_id"
        )
        assert rows(two, query) == [(r, r, 1, float(i)) for r, i in zip(roots, IDS[schema], strict=True)]
    query = f"FROM {schema}.synapse_ids ORDER BY id"
    assert rows(two, query) == [(i, r, r) for r, i in zip(roots, IDS[schema], strict=True)]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT whole_id(576460752303423567.0)",
        "SELECT whole_id(5.7e17)",
        "SELECT whole_id(1::FLOAT)",
        "SELECT whole_id(true)",
        "SELECT whole_id('1.5')",
        "SELECT whole_id('1e3')",
        "SELECT whole_id('')",
        "SELECT id_layer(1.5)",
        "FROM id_chunk([72057594037927941, 1.5])",
        "FROM synapse([3, 4.0])",
        "SELECT whole_id(value) FROM (VALUES (1.5::DOUBLE)) AS one(value)",
    ],
)
def test_an_id_that_is_no_whole_number_is_refused(two: duckdb.DuckDBPyConnection, query: str) -> None:
    """One float in a list bends every id in it: floats, decimals, bools and text that is not digits are errors."""
    import duckdb as engine  # noqa: PLC0415 - its error class only

    with pytest.raises(engine.Error):
        rows(two, query)


def test_ids_of_every_whole_type_are_taken(two: duckdb.DuckDBPyConnection) -> None:
    """Integers of any width, digits with blanks, and NULL are taken as they are."""
    query = f"SELECT whole_id({ROOT + 1}), whole_id(7::UTINYINT), whole_id(' {ROOT + 3} '), whole_id(NULL::BIGINT)"
    assert rows(two, query) == [(ROOT + 1, 7, ROOT + 3, None)]


def test_id_chunk_keeps_the_order_asked(two: duckdb.DuckDBPyConnection) -> None:
    """One row an id, in the order given, repeated ids repeated; an id of an unknown layer has no chunk."""
    asked = [2**56 + 5, ROOT, 2**56 + 5, 99 << 56]
    found = rows(two, f"SELECT id, layer FROM id_chunk({asked})")
    assert found == [(2**56 + 5, 1), (ROOT, 8), (2**56 + 5, 1), (99 << 56, None)]
    assert rows(two, "FROM id_chunk([]::BIGINT[])") == []


def test_every_file_of_sql_is_an_object() -> None:
    """No file lies in sql/ outside the rooms that the catalog reads, and no two objects share a name."""
    from crantdb.assets import folder  # noqa: PLC0415 - for this one look

    place = folder("sql")
    found = [
        entry.name for room in ROOMS for entry in (place / room).iterdir() if entry.name.endswith(".sql")
    ]
    assert sorted(entry.name for entry in place.iterdir() if entry.name != "README.md") == sorted(ROOMS)
    assert len(found) == len(OBJECTS) == len(set(found))
