"""Ids that break others: each has its row, none an exception; a list that has been through a float is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crantdb.analysis.idmap import id_list, ids_at, ids_at_all
from crantdb.errors import BadArgument, NoSuchSnapshot, NotAnId
from tests.ids.chain import micros, moment
from tests.ids.conftest import VERSIONS, Chain

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def root(mirrored: Chain) -> int:
    """Return a root that stands at the main version, with a nucleus."""
    return mirrored.truth.root(nucleus_supervoxel(mirrored), VERSIONS)


def nucleus_supervoxel(mirrored: Chain) -> int:
    """Return the supervoxel of the first nucleus."""
    table = mirrored.stack.versions[-1].table("nuclei_v1")
    assert table is not None
    return int(table.rows["pt_supervoxel_id"][0].as_py())


def mapped(con: duckdb.DuckDBPyConnection, ids: object) -> list[tuple[Any, ...]]:
    """Return what ids become: new id, method, kind."""
    rows = ids_at(con, ids)
    assert isinstance(rows, pl.DataFrame)
    return rows.select("new_id", "method", "kind").rows()


def test_every_bad_id_has_its_row(con: duckdb.DuckDBPyConnection, root: int) -> None:
    """NULL, '', '0', 1, damaged, beyond int64, negative, words: each says what it is, and the good ones stay good.

    Text that may be a row's `_id` and is none here is unknown, without a word on why.
    """
    same = (root, "identity", "unchanged")
    cases: list[tuple[object, tuple[Any, ...]]] = [
        (str(root), same),
        (None, (None, "empty", "unknown")),
        ("", (None, "empty", "unknown")),
        (" \t", (None, "empty", "unknown")),
        ("0", (None, "empty", "unknown")),
        (0, (None, "empty", "unknown")),
        ("1", (None, "not an id", "unknown")),
        (1, (None, "not an id", "unknown")),
        ("5.764607526e17", (None, "damaged", "unknown")),
        ("5.76461E+17", (None, "damaged", "unknown")),
        (f"{root}.0", (None, "damaged", "unknown")),
        ("99999999999999999999", (None, "not an id", "unknown")),
        (str(2**63), (None, "not an id", "unknown")),
        ("-5", (None, "not an id", "unknown")),
        ("5,764607526E+17", (None, "damaged", "unknown")),
        ("see notes", (None, "not an id", "unknown")),
        ("576,460,752,303,423,567", (None, "not an id", "unknown")),
        (f"'{root}", (None, "not an id", "unknown")),
        ("'; DROP TABLE edges; --", (None, "not an id", "unknown")),
        ("QtfYxPmoRaiFyQPObaENTg", (None, None, "unknown")),
        ("NA", (None, "empty", "unknown")),
        ("<NA>", (None, "empty", "unknown")),
        ("nan", (None, "empty", "unknown")),
        ("000", (None, "empty", "unknown")),
        ("01", (None, "not an id", "unknown")),
        (f"  {root} ", same),
        (f"\u00a0{root}\n", same),
        (root, same),
        (root, same),
    ]
    assert mapped(con, [asked for asked, _ in cases]) == [expected for _, expected in cases]


@pytest.mark.parametrize(
    "form",
    [
        lambda ids: ids,
        tuple,
        lambda ids: np.array(ids, dtype=np.int64),
        lambda ids: np.array(ids, dtype=np.uint64),
        lambda ids: np.array(ids, dtype=object),
        lambda ids: np.array(ids).astype(str),
        pl.Series,
        lambda ids: pl.Series(ids, dtype=pl.UInt64),
        pd.Series,
        lambda ids: pd.Series([*ids], dtype="Int64"),
        pd.Index,
        pa.array,
        lambda ids: pa.chunked_array([ids]),
        lambda ids: (one for one in ids),
        lambda ids: [f"{one}" for one in ids],
        lambda ids: [str(one).encode() for one in ids],
    ],
)
def test_ids_are_taken_in_every_form(
    con: duckdb.DuckDBPyConnection, mirrored: Chain, root: int, form: Callable[[list[int]], object]
) -> None:
    """Lists, arrays of both signs, columns of pandas, polars and Arrow, text, bytes: the same rows, duplicates kept."""
    ids = [root, mirrored.stood()[0], nucleus_supervoxel(mirrored), root]
    assert mapped(con, form(ids)) == mapped(con, ids)
    assert [new for new, *_ in mapped(con, ids)][::3] == [root, root]


@pytest.mark.parametrize(
    "ids",
    [
        [576460752303423567, 1.5],
        [5.764607526e17],
        np.array([576460752303423567.0]),
        np.array([True]),
        pd.Series([576460752303423567, None]),
        pl.Series([576460752303423567, None], dtype=pl.Float64),
        pa.array([1.5]),
        [True],
        1.5,
        [object()],
        object(),
    ],
)
def test_a_list_with_a_float_is_refused(con: duckdb.DuckDBPyConnection, ids: object) -> None:
    """One float turns every id of its array into a neighbour's: Python and SQL refuse the whole."""
    with pytest.raises(NotAnId):
        ids_at(con, ids)
    with pytest.raises(NotAnId):
        ids_at_all(con, ids)


@pytest.mark.parametrize(
    "ids",
    [
        "[576460752303423567, 1.5]",
        "[5.7e17]",
        "[NULL]::DOUBLE[]",
        "[576460752303423567::DECIMAL(18, 0)]",
        "(SELECT list(pre_root_id::DOUBLE) FROM edges)",
        "[true]",
        "[1::FLOAT]",
        "2.5",
        "[DATE '2026-01-01']",
        "[TIMESTAMP '2026-01-01']",
        "[uuid()]",
        "MAP {5: 6}",
    ],
)
@pytest.mark.parametrize("macro", ["ids_at", "ids_at_all", "ids_given"])
def test_sql_refuses_it_too(con: duckdb.DuckDBPyConnection, ids: str, macro: str) -> None:
    """The macros look at the type of the list, before a value of it is read: whole numbers and text are taken, nothing else."""
    with pytest.raises(duckdb.Error, match="ids must be whole numbers or text"):
        con.sql(f"FROM {macro}({ids})").fetchall()


@pytest.mark.parametrize(
    "form",
    [
        "{0}::UBIGINT, 5::UBIGINT",
        "{0}::HUGEINT, 5::HUGEINT",
        "{0}::UHUGEINT",
        "'{0}', NULL",
        "'{0}'::JSON",
        "' {0} '::BLOB",
        "'{0}'::ENUM('{0}', 'x')",
        "[{0}], [{0}]",
    ],
)
def test_sql_takes_whole_numbers_and_text_of_every_type(
    con: duckdb.DuckDBPyConnection, root: int, form: str
) -> None:
    """Signed, unsigned and wide numbers, text, JSON, bytes and enumerations, nested or not."""
    [first, *_] = con.sql(f"SELECT new_id, method FROM ids_at([{form.format(root)}])").fetchall()
    assert first == (root, "identity")


def test_uint64_beyond_int64_is_no_id(con: duckdb.DuckDBPyConnection, root: int) -> None:
    """An unsigned id with the top bit set has no int64: it is told, and the others of its array are as they should be."""
    assert mapped(con, np.array([root, 2**64 - 1], dtype=np.uint64)) == [
        (root, "identity", "unchanged"),
        (None, "not an id", "unknown"),
    ]


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**70, -(2**70)])
def test_numbers_beyond_int64_are_no_ids(con: duckdb.DuckDBPyConnection, root: int, number: int) -> None:
    """A Python integer of whatever size stands in a list without harm."""
    assert mapped(con, [number, root]) == [(None, "not an id", "unknown"), (root, "identity", "unchanged")]


def test_nothing_gives_nothing(con: duckdb.DuckDBPyConnection) -> None:
    """An empty list, and an empty array of whatever type, has no rows and the usual columns."""
    for nothing in ([], (), np.array([]), np.array([], dtype=np.int64), pl.Series([], dtype=pl.Int64)):
        rows = ids_at(con, nothing)
        assert isinstance(rows, pl.DataFrame)
        assert rows.height == 0
        assert rows.columns[:6] == ["old_id", "new_id", "method", "confidence", "changed", "kind"]


def test_a_million_at_once(con: duckdb.DuckDBPyConnection, mirrored: Chain) -> None:
    """A million ids, most of them unknown, come back in their order."""
    stood = mirrored.stood()
    ids = np.arange(2**59 + 2**40, 2**59 + 2**40 + 1_000_000, dtype=np.int64)
    ids[:: 1_000_000 // len(stood)][: len(stood)] = stood
    rows = ids_at(con, ids)
    assert isinstance(rows, pl.DataFrame)
    assert np.array_equal(rows.get_column("old_id").to_numpy(), ids)
    assert rows.filter(pl.col("kind") != "unknown").height >= len(stood) * 0.9


def test_results_name_their_moment_and_stay_exact(con: duckdb.DuckDBPyConnection, mirrored: Chain) -> None:
    """Every row says which version and which µs; in pandas a NULL makes no float of the ids beside it."""
    ids = [*mirrored.stood()[:20], 12345]
    for version in (3, VERSIONS):
        rows = ids_at(con, ids, materialization=version)
        assert isinstance(rows, pl.DataFrame)
        assert set(rows.select("version", "as_of").rows()) == {
            (version, moment(version).replace(tzinfo=None))
        }
    frame = ids_at(con, ids, output="pandas")
    assert isinstance(frame, pd.DataFrame)
    assert str(frame["new_id"].dtype) == "Int64"
    assert frame["new_id"].isna().any()
    same = ids_at(con, ids)
    assert [None if pd.isna(one) else int(one) for one in frame["new_id"]] == same["new_id"].to_list()


def test_a_version_that_is_not_held_is_told(con: duckdb.DuckDBPyConnection) -> None:
    """Asking for a version that the connection does not hold, or for `live`, is an error that says what to do."""
    with pytest.raises(NoSuchSnapshot, match="versions="):
        ids_at(con, [1], materialization=99)
    with pytest.raises(BadArgument, match="live"):
        ids_at(con, [1], materialization="live")  # type: ignore[arg-type]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.none(),
            st.text(max_size=24),
            st.integers(-(2**70), 2**70),
            st.from_regex(r"\d{17,20}", fullmatch=True),
        )
    )
)
def test_no_list_of_text_and_numbers_is_an_exception(
    con: duckdb.DuckDBPyConnection, ids: list[object]
) -> None:
    """Whatever stands in a list of integers and text, there is a row for each, in order, and no id is invented."""
    rows = ids_at(con, ids)
    assert isinstance(rows, pl.DataFrame)
    assert rows.height == len(ids)
    assert rows.get_column("old_id").to_list() == id_list(ids) or rows.height == 0 or _as_text(ids, rows)
    known = rows.filter(pl.col("new_id").is_not_null())
    assert set(known.get_column("kind")) <= {"unchanged", "edited", "merged into"} | {
        kind for kind in known.get_column("kind") if kind.startswith("split into")
    }


def _as_text(ids: list[object], rows: pl.DataFrame) -> bool:
    """Tell whether a list with a number beyond int64 came back as text."""
    return rows.get_column("old_id").to_list() == [None if one is None else str(one) for one in ids]


def test_things_lead_to_their_roots(con: duckdb.DuckDBPyConnection, mirrored: Chain, root: int) -> None:
    """Supervoxels of points and of synapses and nuclei are taken beside roots, in one list, at every version."""
    truth = mirrored.truth
    synapse = mirrored.stack.versions[-1].table("synapses_v2")
    assert synapse is not None
    of_synapse = next(s for s in synapse.rows["pre_pt_supervoxel_id"].to_pylist() if s)
    of_nucleus = nucleus_supervoxel(mirrored)
    for version in (4, VERSIONS):
        rows = ids_at(con, [of_synapse, of_nucleus, 2], materialization=version)
        assert isinstance(rows, pl.DataFrame)
        nuclei = mirrored.stack.versions[version - 1].table("nuclei_v1")
        assert nuclei is not None
        second = nuclei.rows["pt_root_id"][nuclei.rows["id"].to_pylist().index(2)].as_py()
        assert rows.select("new_id", "method").rows() == [
            (truth.root(of_synapse, version), "supervoxel"),
            (truth.root(of_nucleus, version), "supervoxel"),
            (second, "nucleus"),
        ]
    assert truth.history.roots[root].is_latest(micros(moment(VERSIONS)))
