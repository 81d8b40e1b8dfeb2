"""The functions' borders: empty answers, ids in every form, thresholds in their order, and crantpy's own shapes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import duckdb
import networkx as nx
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

import crantdb
from crantdb.analysis.answers import exact_pandas
from crantdb.errors import BadArgument, NotAnId
from tests.analysis.making import add_brain, synapses_of_edges
from tests.warehouse.making import ROOT, make_warehouse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

A, B, C, D = (ROOT + number for number in (1, 2, 3, 4))
EDGES = [(A, B, 5), (A, C, 2), (B, A, 1), (B, B, 3), (C, A, 4), (D, A, 1), (0, A, 6), (C, 0, 2)]


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """Connect to a brain of four neurons, an autapse and root 0."""
    warehouse = make_warehouse(tmp_path_factory.mktemp("four"))
    known = [
        {"root_id": root, "cell_type": name, "side": "left"} for root, name in ((A, "a"), (B, "b"), (D, None))
    ]
    add_brain(warehouse, synapses_of_edges(EDGES, unresolved=2), known)
    with crantdb.connect(warehouse.root) as made:
        yield made


@pytest.fixture(scope="module")
def sizes(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Return every synapse's id, roots and size, as the warehouse's mirror has them."""
    query = "SELECT id, pre_pt_root_id AS pre, post_pt_root_id AS post, size FROM cave.syn WHERE pre_pt_root_id IS NOT NULL"
    return con.sql(query).df()


EMPTY: dict[str, Callable[[duckdb.DuckDBPyConnection, Any], Any]] = {
    "get_synapses": lambda con, ids: crantdb.get_synapses(con, ids, ids, update_ids=False),
    "get_connectivity": lambda con, ids: crantdb.get_connectivity(con, ids, update_ids=False),
    "get_synapse_counts": lambda con, ids: crantdb.get_synapse_counts(con, ids, update_ids=False),
    "sparse": lambda con, ids: crantdb.sparse_adjacency(con, ids, update_ids=False).to_polars(),
}


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize("ids", [[77], []], ids=["an unknown id", "no id"])
def test_empty_answers_keep_columns_and_types(
    con: duckdb.DuckDBPyConnection, name: str, ids: list[int]
) -> None:
    """Nothing found is a frame with the columns and types of a full one."""
    full, empty = EMPTY[name](con, [A, B]), EMPTY[name](con, ids)
    if name == "sparse":
        full = empty = empty.select("pre")
    assert empty.schema == full.schema
    if name in {"get_synapses", "get_connectivity"}:
        assert empty.height == 0 < full.height


def test_empty_pandas_keeps_columns_and_types(con: duckdb.DuckDBPyConnection) -> None:
    """An empty pandas frame has int64 ids too."""
    found = crantdb.get_connectivity(con, 77, update_ids=False, output="pandas")
    assert isinstance(found, pd.DataFrame)
    assert list(found.dtypes) == [np.int64] * 3


FORMS = {
    "an int": A,
    "text": str(A),
    "text with blanks": f" {A} ",
    "numpy's int": np.int64(A),
    "a list": [A, A],
    "a tuple": (A,),
    "a set": {A},
    "int64": np.array([A]),
    "uint64": np.array([A], np.uint64),
    "objects": np.array([A], object),
    "text in an array": np.array([str(A)]),
    "a polars series": pl.Series([A]),
    "a pandas series": pd.Series([A]),
    "a pandas column of text": pd.Series([str(A)], dtype=object),
    "an Arrow array": pa.array([A]),
    "a generator": (one for one in [A]),
}


@pytest.mark.parametrize("form", FORMS)
def test_ids_in_every_form(con: duckdb.DuckDBPyConnection, form: str) -> None:
    """An id is taken as a number or text, alone or in any list, array or series; repeats count once."""
    found = crantdb.get_synapse_counts(con, FORMS[form])
    assert isinstance(found, pl.DataFrame)
    assert found.rows() == [(A, 7, 6, 2, 3)]


@pytest.mark.parametrize(
    "bad",
    [
        float(A),
        [float(A)],
        np.array([A], float),
        pd.Series([A, None]),
        "1.5",
        "5.76e17",
        True,
        [True],
        -1,
        2**63,
        "",
        [None],
    ],
    ids=str,
)
def test_what_is_no_id_is_refused(con: duckdb.DuckDBPyConnection, bad: Any) -> None:
    """Floats, bools, text that is no number, negatives and what is beyond int64 are errors, never a neighbour's id."""
    with pytest.raises(NotAnId):
        crantdb.get_connectivity(con, bad)


@pytest.mark.parametrize("threshold", [1, 2, 3])
@pytest.mark.parametrize("min_size", [None, 200, 500.5, 2000])
@pytest.mark.parametrize("clean", [True, False])
def test_size_then_clean_then_threshold(
    con: duckdb.DuckDBPyConnection,
    sizes: pd.DataFrame,
    threshold: int,
    min_size: float | None,
    *,
    clean: bool,
) -> None:
    """Synapses are dropped by size first, then autapses and root 0, then pairs by what is left: edges and rows agree."""
    kept = sizes if min_size is None else sizes[sizes["size"] >= min_size]
    if clean:
        kept = kept[(kept["pre"] != kept["post"]) & (kept["pre"] != 0) & (kept["post"] != 0)]
    counts = kept.groupby(["pre", "post"]).size()
    counts = counts[counts >= threshold]
    truth = sorted((*map(int, pair), int(n)) for pair, n in counts.items())
    rules: Any = {"threshold": threshold, "min_size": min_size, "clean": clean}
    assert sorted(crantdb.get_connectivity(con, **rules).rows()) == truth
    assert sorted(crantdb.get_connectivity(con, [A, B, C, D, 0], **rules).rows()) == truth
    rows = crantdb.get_synapses(con, [A, B, C, D, 0], **rules)
    pairs = zip(kept["pre"], kept["post"], strict=True)
    alive = kept[np.array([pair in counts.index for pair in pairs], bool)]
    assert rows.get_column("id").sort().to_list() == sorted(alive["id"])  # type: ignore[union-attr]
    arguments = f"min_synapses := {threshold}" + (f", min_size := {min_size}" if min_size else "")
    arguments += "" if clean else ", keep_autapses := true, keep_root_zero := true"
    found = con.sql(f"SELECT id FROM synapses_of([{A}, {B}, {C}, {D}, 0], {arguments})").fetchall()
    assert sorted(found) == [(one,) for one in sorted(alive["id"])]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pre=st.lists(st.sampled_from([A, B, C, D, 77]), unique=True),
    post=st.lists(st.sampled_from([A, B, C, D, 78]), unique=True),
    symmetric=st.booleans(),
)
def test_any_matrix(
    con: duckdb.DuckDBPyConnection, pre: list[int], post: list[int], *, symmetric: bool
) -> None:
    """For any lists, every cell is the count of the edge from its row to its column, in the order given."""
    truth = {(a, b): n for a, b, n in EDGES if a != b and 0 not in {a, b} and a in pre and b in post}
    found = crantdb.sparse_adjacency(con, pre, post, symmetric=symmetric, update_ids=False)
    rows, columns = found.pre_ids.tolist(), found.post_ids.tolist()
    if symmetric:
        assert rows == columns == list(dict.fromkeys([*pre, *post]))
    else:
        assert (rows, columns) == (pre, post)
    dense = found.matrix.toarray()
    assert {
        (a, b): n for a, row in zip(rows, dense, strict=True) for b, n in zip(columns, row, strict=True) if n
    } == truth


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    whole=st.none() | st.permutations([A, B, C, D, 77]),
    pre=st.none() | st.lists(st.sampled_from([A, B, C, D, 0, 7, 78]), unique=True),
    post=st.none() | st.lists(st.sampled_from([A, B, C, D, 77, 2**63 - 1]), unique=True),
)
def test_a_part_of_a_matrix_in_memory(
    con: duckdb.DuckDBPyConnection, whole: list[int] | None, pre: list[int] | None, post: list[int] | None
) -> None:
    """What is cut out of a matrix in memory has the cells of the whole one, zeros for ids that it does not have."""
    brain = crantdb.sparse_adjacency(con, whole, update_ids=False)
    truth = {(a, b): n for a, b, n in EDGES if a != b and 0 not in {a, b} and (whole is None or a in whole)}
    found = brain.among(*(None if ids is None else np.array(ids, np.int64) for ids in (pre, post)))
    rows, columns = found.pre_ids.tolist(), found.post_ids.tolist()
    assert rows == (brain.pre_ids.tolist() if pre is None else pre)
    assert columns == (brain.post_ids.tolist() if post is None else post)
    assert found.matrix.shape == (len(rows), len(columns))
    assert found.matrix.dtype == np.int64
    dense = found.matrix.toarray()
    assert all(dense[i, j] == truth.get((a, b), 0) for i, a in enumerate(rows) for j, b in enumerate(columns))


def test_a_dense_matrix_that_no_memory_holds_is_refused() -> None:
    """The dense matrix of a whole large brain is refused with what it would take; the sparse one stands."""
    ids = np.arange(1, 120_001)
    brain = crantdb.SparseAdjacency(csr_array((len(ids), len(ids)), dtype=np.int64), ids, ids)
    for dense in (brain.to_polars, brain.to_pandas):
        with pytest.raises(BadArgument, match=r"120,000 x 120,000 neurons would take 115 GB"):
            dense()
    assert brain.among(ids[:2], ids[:3]).to_pandas().shape == (2, 3)


# --- like crantpy ------------------------------------------------------------------------------------


def test_adjacency_like_crantpy(con: duckdb.DuckDBPyConnection) -> None:
    """Like crantpy, a matrix has the neurons that turn up, ascending; nothing found: zeros for those asked for."""
    found = crantdb.get_adjacency(con, [C, A, D], [B, A, C], like="crantpy")
    assert isinstance(found, pd.DataFrame)
    assert (list(found.index), list(found.columns)) == ([A, C, D], [A, B, C])
    assert found.to_numpy().tolist() == [[0, 5, 2], [4, 0, 0], [1, 0, 0]]
    square = crantdb.get_adjacency(con, [D, C], [B, A], symmetric=True, like="crantpy")
    assert isinstance(square, pd.DataFrame)
    assert list(square.index) == list(square.columns) == [A, C, D]
    nothing = crantdb.get_adjacency(con, [D, B], [C], like="crantpy")
    assert isinstance(nothing, pd.DataFrame)
    assert (list(nothing.index), list(nothing.columns), nothing.to_numpy().sum()) == ([B, D], [C], 0)


def test_connectivity_like_crantpy(con: duckdb.DuckDBPyConnection) -> None:
    """Like crantpy, the edge list is pandas, strongest first."""
    found = crantdb.get_connectivity(con, B, like="crantpy")
    assert isinstance(found, pd.DataFrame)
    assert list(found.columns) == ["pre", "post", "weight"]
    assert found.to_numpy().tolist() == [[A, B, 5], [B, A, 1]]


def test_counts_like_crantpy(con: duckdb.DuckDBPyConnection) -> None:
    """Like crantpy, `pre` and `post` count downstream and upstream partners, under the index neuron_id."""
    found = crantdb.get_synapse_counts(con, [B, A], like="crantpy")
    assert isinstance(found, pd.DataFrame)
    assert (found.index.name, list(found.columns)) == ("neuron_id", ["pre", "post"])
    assert found.to_dict("index") == {B: {"pre": 1, "post": 1}, A: {"pre": 2, "post": 3}}


def test_synapses_like_crantpy(con: duckdb.DuckDBPyConnection) -> None:
    """Like crantpy, the roots come first and positions are lists of whole voxels; in nm on request."""
    found = crantdb.get_synapses(con, A, B, like="crantpy")
    in_nm = crantdb.get_synapses(con, A, B, like="crantpy", return_pixels=False)
    plain = crantdb.get_synapses(con, A, B, output="pandas")
    assert isinstance(found, pd.DataFrame)
    assert isinstance(in_nm, pd.DataFrame)
    assert isinstance(plain, pd.DataFrame)
    assert list(found.columns[:3]) == ["pre_pt_root_id", "post_pt_root_id", "id"]
    for point in ("pre", "post", "ctr"):
        nm = plain[[f"{point}_{axis}_nm" for axis in "xyz"]].to_numpy()
        assert np.array_equal(np.array(list(in_nm[f"{point}_pt_position"])), nm)
        assert [list(row) for row in (nm // (8, 8, 42)).astype(int)] == list(found[f"{point}_pt_position"])


def test_pixels_round_down_without_crantpy_too(con: duckdb.DuckDBPyConnection) -> None:
    """return_pixels gives voxels of the size said, rounded down, in columns without `_nm`."""
    nm, pixels = (crantdb.get_synapses(con, A, return_pixels=p, voxel_nm=(16, 16, 42)) for p in (False, True))
    assert isinstance(nm, pl.DataFrame)
    assert isinstance(pixels, pl.DataFrame)
    assert pixels.schema["ctr_x"] == pl.Int64
    assert pixels.get_column("ctr_x").to_list() == [int(x // 16) for x in nm.get_column("ctr_x_nm")]
    assert not [name for name in pixels.columns if name.endswith("_nm")]


# --- refused -----------------------------------------------------------------------------------------

REFUSED: dict[str, Callable[[Any], object]] = {
    "no neurons": crantdb.get_synapses,
    "no direction": lambda con: crantdb.get_connectivity(con, A, upstream=False, downstream=False),
    "a text as threshold": lambda con: crantdb.get_connectivity(con, A, threshold="2; DROP"),  # type: ignore[arg-type]
    "a float as threshold": lambda con: crantdb.get_connectivity(con, A, threshold=1.5),  # type: ignore[arg-type]
    "a text as size": lambda con: crantdb.get_synapses(con, A, min_size="1"),  # type: ignore[arg-type]
    "a size that is none": lambda con: crantdb.get_synapses(con, A, min_size=float("nan")),
    "another likeness": lambda con: crantdb.get_adjacency(con, A, like="fafbseg"),  # type: ignore[arg-type]
    "another likeness of synapses": lambda con: crantdb.get_synapses(con, A, like="x"),  # type: ignore[arg-type]
    "another likeness of connections": lambda con: crantdb.get_connectivity(con, A, like="x"),  # type: ignore[arg-type]
    "another likeness of counts": lambda con: crantdb.get_synapse_counts(con, A, like="x"),  # type: ignore[arg-type]
    "another library": lambda con: crantdb.get_connectivity(con, A, output="dask"),  # type: ignore[arg-type]
    "another library for a matrix": lambda con: crantdb.get_adjacency(con, A, output="dask"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("case", REFUSED)
def test_nonsense_is_refused(con: duckdb.DuckDBPyConnection, case: str) -> None:
    """What makes no sense is a ValueError that says what would."""
    with pytest.raises(BadArgument) as error:
        REFUSED[case](con)
    assert isinstance(error.value, ValueError)


@pytest.mark.parametrize("hops", [0, 7, -1])
def test_paths_are_bounded(con: duckdb.DuckDBPyConnection, hops: int) -> None:
    """More hops than six, or none, are refused by the macro."""
    with pytest.raises(duckdb.Error, match="from 1 to 6"):
        con.sql(f"FROM paths({A}, {B}, max_hops := {hops})").fetchall()


def test_a_level_that_is_not_there(con: duckdb.DuckDBPyConnection) -> None:
    """A level of annotation that does not exist is an error that names those there are."""
    with pytest.raises(duckdb.Error, match="cell_class"):
        con.sql("FROM type_connectivity('cel_type')").fetchall()


@pytest.mark.parametrize(
    "call", ["downstream(5.0)", "adjacency([1, 2.5])", "partners('x')", "synapses_of([true])"]
)
def test_macros_refuse_what_is_no_id(con: duckdb.DuckDBPyConnection, call: str) -> None:
    """A float in a macro's list is refused, as it would bend every id beside it."""
    with pytest.raises(duckdb.Error, match="whole number"):
        con.sql(f"FROM {call}").fetchall()


# --- pandas, networkx --------------------------------------------------------------------------------


def test_pandas_is_exact_beside_nulls() -> None:
    """A NULL beside an id makes pandas' Int64, never a float: the id keeps its last digit."""
    rows = pl.DataFrame(
        {"id": [ROOT + 1, None], "whole": [1, 2], "x": [0.5, None], "text": ["a", None], "yes": [True, None]}
    )
    found = exact_pandas(rows)
    assert (str(found["id"].dtype), str(found["whole"].dtype)) == ("Int64", "int64")
    assert int(found["id"][0]) == ROOT + 1
    assert found["id"][1] is pd.NA
    assert (found["text"].tolist(), found["yes"].tolist()) == (["a", None], [True, None])


def test_moments_are_moments_in_pandas() -> None:
    """A moment keeps its zone and its microseconds, a day is one to count with, NULL is NaT: never a column of objects."""
    at = datetime(2026, 2, 1, 7, 5, 18, 84051, tzinfo=UTC)
    found = exact_pandas(pl.DataFrame({"at": [at, None], "day": [at.date(), None], "took": [at - at, None]}))
    assert str(found["at"].dtype) == "datetime64[us, UTC]"
    assert found["at"][0] == at
    assert (found["day"].dt.year[0], found["took"].dt.total_seconds()[0]) == (2026, 0)
    assert found.isna().to_numpy().tolist() == [[False] * 3, [True] * 3]


def test_graph_of_the_whole_brain(con: duckdb.DuckDBPyConnection) -> None:
    """Without neurons the graph is the brain's; a neuron asked for without a connection is a node of its own."""
    graph = crantdb.connectivity_graph(con)
    truth = nx.DiGraph()
    truth.add_weighted_edges_from((a, b, n) for a, b, n in EDGES if a != b and 0 not in {a, b})
    assert nx.utils.edges_equal(graph.edges(data=True), truth.edges(data=True), directed=True)
    assert graph.nodes[A] == {"cell_type": "a", "side": "left"}
    alone = crantdb.connectivity_graph(con, [D, B])
    assert (set(alone.nodes), alone.number_of_edges()) == ({D, B}, 0)


def test_an_id_of_another_kind_is_mapped_and_said(con: duckdb.DuckDBPyConnection) -> None:
    """A supervoxel given for a root is brought to its root where the warehouse knows it, and a warning names both."""
    query = (
        "SELECT pre_pt_supervoxel_id FROM synapses WHERE pre_pt_root_id = ? AND post_pt_root_id = ? LIMIT 1"
    )
    [(supervoxel,)] = con.sql(query, params=[A, B]).fetchall()
    with pytest.warns(crantdb.IdsMapped, match=f"{supervoxel}") as heard:
        found = crantdb.get_synapse_counts(con, supervoxel)
    mapping = heard[0].message.mapping  # type: ignore[union-attr]
    assert isinstance(found, pl.DataFrame)
    assert (
        found.get_column("root_id").to_list() == mapping.get_column("new_id").fill_null(supervoxel).to_list()
    )
