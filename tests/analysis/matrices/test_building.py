"""What a nested matrix holds: every way to build it, against sums made pair by pair."""

from __future__ import annotations

from collections import Counter

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crantdb.analysis.matrices.directed import DirectedNestedMatrix
from crantdb.analysis.matrices.nested import NestedMatrix
from crantdb.errors import BadArgument, NotAnId
from tests.analysis.matrices.frames import ROOT, annotated, edge_list, synapses, totals

ANNOTATED = annotated([(1, "A"), (2, "A"), (3, "B"), (4, None)])
EDGES = [(1, 2, 5), (1, 3, 7), (2, 3, 1), (3, 4, 2), (4, 9, 6), (1, 2, 1)]

edges_drawn = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(0, 50)), max_size=40)
types_drawn = st.dictionaries(st.integers(0, 8), st.sampled_from(["A", "B", "ER1", None]), min_size=1)


@given(edges_drawn, types_drawn, st.sampled_from(["annotated_only", "all"]))
def test_a_matrix_holds_every_pairs_weight(
    edges: list[tuple[int, int, int]], types: dict[int, str | None], scope: str
) -> None:
    """Each cell is the sum of the pair's rows; neurons are those of the edges in scope; nothing is lost or added."""
    matrix = NestedMatrix.from_connectivity(
        edge_list(edges),
        annotated(list(types.items())),
        annotation_scope=scope,  # type: ignore[arg-type]
    )
    kept = [edge for edge in edges if scope == "all" or {edge[0], edge[1]} <= set(types)]
    wanted = totals(kept)
    assert set(matrix.ordered_neurons) == {ROOT + end for edge in kept for end in edge[:2]}
    found = {
        (pre, post): matrix.array[row, column]
        for row, pre in enumerate(matrix.ordered_neurons)
        for column, post in enumerate(matrix.ordered_neurons)
    }
    assert {pair: weight for pair, weight in found.items() if weight} == {
        p: w for p, w in wanted.items() if w
    }
    by_type: Counter[tuple[str, str]] = Counter()
    cells: Counter[tuple[str, str]] = Counter()
    for (pre, post), weight in found.items():
        if types.get(pre - ROOT) and types.get(post - ROOT):
            pair = str(types[pre - ROOT]), str(types[post - ROOT])
            by_type[pair] += weight
            cells[pair] += 1
    for pair, weight in by_type.items():
        assert matrix.sum_type_matrix[pair] == weight
        assert matrix.mean_type_matrix[pair] == pytest.approx(weight / cells[pair])
    assert matrix.sum_type_matrix.array.size == len(matrix.type_boundaries) ** 2


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), max_size=40),
    st.sampled_from(["relative_outgoing", "relative_incoming", "count"]),
    st.sampled_from(["selected", "all"]),
)
def test_relative_weights_are_shares(pairs: list[tuple[int, int]], mode: str, scope: str) -> None:
    """A relative weight is the pair's synapses by the source's (or target's), of those shown or of all given."""
    shown = annotated([(1, "A"), (2, "A"), (3, "B")])
    matrix = NestedMatrix.from_synapses(
        synapses(pairs),
        shown,
        weight_mode=mode,  # type: ignore[arg-type]
        normalization_scope=scope,  # type: ignore[arg-type]
    )
    inside = [pair for pair in pairs if max(pair) <= 3]
    base = inside if scope == "selected" else pairs
    end = {"relative_outgoing": 0, "relative_incoming": 1}.get(mode)
    for pair, count in Counter(inside).items():
        total = 1 if end is None else sum(other[end] == pair[end] for other in base)
        assert matrix.matrix[ROOT + pair[0], ROOT + pair[1]] == pytest.approx(count / total)
    assert np.count_nonzero(matrix.array) == len(set(inside))


def test_every_kind_of_frame_gives_the_same_matrix() -> None:
    """Polars, lazy, pandas, Arrow, a DuckDB relation, any known names, an adjacency: one matrix."""
    polars = edge_list(EDGES)
    wanted = NestedMatrix.from_connectivity(polars, ANNOTATED, annotation_scope="all")
    adjacency = wanted.matrix
    con = duckdb.connect(":memory:")
    con.register("edges", polars.to_arrow())
    frames = [
        polars.lazy(),
        polars.to_pandas(),
        polars.to_arrow(),
        con.sql("FROM edges"),
        polars.rename({"pre": "source", "post": "target", "weight": "n_syn"}),
        polars.rename({"pre": "pre_root_id", "post": "post_root_id", "weight": "syn_count"}),
        polars.rename({"pre": "type.from", "post": "type.to"}),
        polars.with_columns(pl.col("pre", "post").cast(pl.String)),
        polars.with_columns(pl.col("pre").cast(pl.UInt64)),
        adjacency,
        adjacency.polars(),
        adjacency.pandas(),
    ]
    for frame in frames:
        made = NestedMatrix.from_connectivity(frame, ANNOTATED.to_pandas(), annotation_scope="all")
        assert made.ordered_neurons == wanted.ordered_neurons
        assert made.array.tolist() == wanted.array.tolist()
    con.close()


def test_ids_are_never_bent() -> None:
    """Neighbouring ids of 18 digits stay apart, through polars and pandas and in every label."""
    rows = annotated([(0, "A"), (1, "A"), (2, "A")])
    matrix = NestedMatrix.from_connectivity(edge_list([(0, 1, 1), (1, 2, 2)]), rows)
    assert matrix.ordered_neurons == (ROOT, ROOT + 1, ROOT + 2)
    frame = matrix.matrix.pandas()
    assert frame.index.dtype == np.int64
    assert frame.columns.tolist() == list(matrix.ordered_neurons)
    assert frame.loc[ROOT + 1, ROOT + 2] == 2
    assert matrix.matrix.polars().schema["pre_root_id"] == pl.Int64
    assert matrix.edges().rows() == [(ROOT, ROOT + 1, 1), (ROOT + 1, ROOT + 2, 2)]
    with pytest.raises(NotAnId):
        NestedMatrix.from_connectivity(
            edge_list(EDGES).with_columns(pl.col("pre").cast(pl.Float64)), ANNOTATED
        )


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (pl.DataFrame({"a": ["x"], "b": ["y"]}), "neither an edge list"),
        (edge_list(EDGES).with_columns(source="pre", target="post"), "two ways"),
        (edge_list(EDGES).with_columns(n_syn="weight"), "which is the weight"),
        (edge_list(EDGES).with_columns(weight=pl.lit(None, pl.Int64)), "NULL"),
        (edge_list(EDGES).with_columns(weight=pl.lit("3")), "no numbers"),
        (pl.DataFrame({"row": [1, 1], "1": [0, 0], "2": [0, 0]}), "more than one row"),
        (pd.DataFrame([[0, 1]], index=[1], columns=[1, 1]), "one column"),
        ([(1, 2, 3)], "list"),
    ],
)
def test_connections_that_could_be_misread_are_refused(frame: object, said: str) -> None:
    """Columns that are none, or could be read in two ways, weights that are unknown, labels that repeat: refused."""
    with pytest.raises(BadArgument, match=said):
        NestedMatrix.from_connectivity(frame, ANNOTATED)


def test_synapses_count_once_and_can_be_summed() -> None:
    """A synapse that comes twice counts once; mode `column` sums a column; modes and columns must fit each other."""
    rows = synapses([(1, 2), (1, 2), (2, 3)], size=[2.5, 4.0, 1.0])
    twice = pl.concat([rows, rows])
    counted = NestedMatrix.from_synapses(twice, ANNOTATED, weight_mode="count")
    assert counted.matrix[ROOT + 1, ROOT + 2] == 2
    assert counted.array.dtype == np.int64
    summed = NestedMatrix.from_synapses(twice, ANNOTATED, weight_mode="column", weight_column="size")
    assert summed.matrix[ROOT + 1, ROOT + 2] == 6.5
    assert NestedMatrix.from_synapses(rows, ANNOTATED).matrix[ROOT + 1, ROOT + 2] == 1.0
    wrong = [
        {"weight_mode": "column"},
        {"weight_mode": "count", "weight_column": "size"},
        {"weight_mode": "sum"},
        {"normalization_scope": "some"},
        {"annotation_scope": "typed"},
        {"weight_mode": "column", "weight_column": "mass"},
        {"pre_col": "before"},
    ]
    for options in wrong:
        with pytest.raises(BadArgument):
            NestedMatrix.from_synapses(rows, ANNOTATED, **options)


def test_a_matrix_cannot_be_changed() -> None:
    """Numbers, labels, blocks and attributes are read-only; what is taken out of it is a copy or read-only too."""
    source = np.array([[0, 1], [2, 0]])
    matrix = NestedMatrix(source, {"A": (0, 2)}, [1, 2], {1: "A", 2: "A"})
    source[0, 1] = 99
    assert matrix.array[0, 1] == 1
    for array in (
        matrix.array,
        matrix.matrix.array,
        matrix.sum_type_matrix.array,
        matrix.mean_type_matrix.array,
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 5
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.setflags(write=True)
    with pytest.raises(TypeError):
        matrix.type_boundaries["B"] = (0, 1)  # type: ignore[index]
    with pytest.raises(TypeError):
        matrix.neuron_to_type[1] = "B"  # type: ignore[index]
    with pytest.raises(AttributeError, match="read-only"):
        matrix.weight = "sizes"
    with pytest.raises(AttributeError, match="read-only"):
        del matrix.weight
    frame = matrix.matrix.pandas()
    frame.iloc[0, 1] = 77
    assert matrix.array[0, 1] == 1


@pytest.mark.parametrize(
    ("values", "blocks", "ids", "types"),
    [
        ([[1]], {"A": (0, 1)}, [1, 2], {1: "A"}),
        ([[1, 2], [3, 4]], {"A": (1, 2)}, [1, 2], {2: "A"}),
        ([[1, 2], [3, 4]], {"A": (0, 3)}, [1, 2], {1: "A", 2: "A"}),
        ([[1, 2], [3, 4]], {"A": (0, 2)}, [1, 2], {1: "A", 2: "B"}),
        ([[1, 2], [3, 4]], {}, [1, 1], {}),
        ([["a", "b"], ["c", "d"]], {}, [1, 2], {}),
    ],
)
def test_a_matrix_that_contradicts_itself_is_refused(
    values: list[list[object]], blocks: dict[str, tuple[int, int]], ids: list[int], types: dict[int, str]
) -> None:
    """Shape, blocks and types must agree: gaps, strays, repeats and texts are refused."""
    with pytest.raises(BadArgument):
        NestedMatrix(values, blocks, ids, types)


def test_relative_weights_of_rows() -> None:
    """Each row adds up to 1, by neuron and by type; a row of nothing stays 0."""
    matrix = NestedMatrix.from_connectivity(edge_list([(1, 2, 1), (1, 3, 3)]), ANNOTATED)
    shares = matrix.get_relative_weights()
    assert shares[ROOT + 1, ROOT + 3] == 0.75
    assert shares.array.sum(axis=1).tolist() == [1.0, 0.0, 0.0]
    assert matrix.get_relative_weights(by_type=True)["A", "B"] == 0.75


def test_directed_axes_are_chosen_and_ordered_by_themselves() -> None:
    """Types and ids of one axis are joined; an axis without a choice shows all; each has its own order and blocks."""
    matrix = DirectedNestedMatrix.from_connectivity(
        edge_list(EDGES),
        ANNOTATED,
        source_types="B",
        source_ids=[ROOT + 1, ROOT + 77],
        target_order=["B"],
        annotation_scope="all",
    )
    assert matrix.source_neurons == (ROOT + 1, ROOT + 3, ROOT + 77)
    assert matrix.target_neurons == (ROOT + 3, ROOT + 2, ROOT + 4, ROOT + 9)
    assert matrix.source_type_boundaries == {"A": (0, 1), "B": (1, 2)}
    assert matrix.target_type_boundaries == {"B": (0, 1), "A": (1, 2)}
    assert matrix.array.tolist() == [[7, 6, 0, 0], [0, 0, 2, 0], [0, 0, 0, 0]]
    assert matrix.sum_type_matrix["A", "B"] == 7
    assert matrix.target_neuron_to_type[ROOT + 3] == "B"
    with pytest.raises(BadArgument, match="'Z'"):
        DirectedNestedMatrix.from_connectivity(edge_list(EDGES), ANNOTATED, source_types=["Z"])


def test_directed_relative_weights_of_what_is_shown_or_of_all() -> None:
    """`selected` divides by what goes to the targets shown, `all` by everything the source gives."""
    rows = synapses([(1, 2), (1, 3), (1, 3), (1, 9)])
    shown = {"source_ids": [ROOT + 1], "target_types": ["B"]}
    selected = DirectedNestedMatrix.from_synapses(rows, ANNOTATED, **shown)
    every = DirectedNestedMatrix.from_synapses(rows, ANNOTATED, normalization_scope="all", **shown)
    assert (selected.array.tolist(), every.array.tolist()) == ([[1.0]], [[0.5]])


def test_nothing_makes_an_empty_matrix() -> None:
    """Without a connection the matrix is there, with no neurons, and its type matrices too."""
    matrix = NestedMatrix.from_connectivity(edge_list([]), ANNOTATED)
    assert matrix.array.shape == (0, 0)
    assert matrix.sum_type_matrix.polars().shape == (0, 1)
    alone = NestedMatrix.from_connectivity(edge_list([]), ANNOTATED, neurons=[ROOT + 1, ROOT + 3])
    assert alone.array.tolist() == [[0, 0], [0, 0]]
    assert alone.sum_type_matrix.array.tolist() == [[0, 0], [0, 0]]


def test_a_matrix_that_no_memory_holds_is_refused() -> None:
    """A matrix of a whole large brain is refused with what it would take, before anything is taken."""
    with pytest.raises(BadArgument, match="20 GB"):
        DirectedNestedMatrix.from_connectivity(
            edge_list([]), ANNOTATED, source_ids=range(50_000), target_ids=range(50_000)
        )


def test_crantpys_older_names_are_known() -> None:
    """Parameters as crantpy's page has them do the same; both names at once, and strange ones, are refused."""
    edges = edge_list(EDGES)
    square = NestedMatrix.from_connectivity(edges, ANNOTATED, type_order=["B"])
    assert list(square.type_boundaries) == ["B", "A"]
    older = DirectedNestedMatrix.from_connectivity(
        edges, ANNOTATED, source_neurons=[ROOT + 1], type_order=["B"], target_type_order=["A"]
    )
    newer = DirectedNestedMatrix.from_connectivity(
        edges, ANNOTATED, source_ids=[ROOT + 1], order=["B"], target_order=["A"]
    )
    assert (older.source_neurons, older.target_neurons) == (newer.source_neurons, newer.target_neurons)
    for wrong in (
        {"source_ids": [1], "source_neurons": [1]},
        {"order": ["A"], "type_order": ["A"]},
        {"sources": [1]},
    ):
        with pytest.raises(BadArgument):
            DirectedNestedMatrix.from_connectivity(edges, ANNOTATED, **wrong)
    with pytest.raises(BadArgument):
        NestedMatrix.from_synapses(synapses([(1, 2)]), ANNOTATED, order=["A"], type_order=["A"])
