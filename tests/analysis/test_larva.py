"""A real brain: every answer equals what pandas and networkx make of the raw text, from SQL, polars and Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import pandas as pd
import polars as pl
import pytest

import crantdb

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from tests.analysis.larva import Larva


def rows(con: duckdb.DuckDBPyConnection, query: str, *params: object) -> list[tuple[Any, ...]]:
    """Return a query's rows."""
    return con.sql(query, params=list(params)).fetchall()


def tuples(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Return a frame's rows as plain tuples."""
    return [tuple(row) for row in frame.itertuples(index=False, name=None)]


def by_weight(frame: pd.DataFrame) -> pd.DataFrame:
    """Return edges as `get_connectivity` orders them."""
    return frame.sort_values(["weight", "pre", "post"], ascending=[False, True, True])


@pytest.fixture(scope="module")
def busiest(larva: Larva) -> list[int]:
    """Return the forty neurons with the most synapses, and one without any."""
    totals = larva.clean.groupby("pre")["weight"].sum().sort_values(ascending=False)
    return [*map(int, totals.index[:40]), 7]


@pytest.mark.parametrize("threshold", [1, 5, 20])
def test_the_whole_brains_edges(con: duckdb.DuckDBPyConnection, larva: Larva, threshold: int) -> None:
    """The whole brain's edge list is the text's, autapses left out, at every threshold, to the last edge."""
    kept = larva.clean[larva.clean["weight"] >= threshold]
    found = crantdb.get_connectivity(con, threshold=threshold)
    assert isinstance(found, pl.DataFrame)
    assert found.rows() == tuples(by_weight(kept))
    total = rows(con, f"SELECT count(*), sum(weight)::BIGINT FROM adjacency(min_synapses := {threshold})")
    assert total == [(len(kept), int(kept["weight"].sum()))]


def test_autapses_and_root_zero_are_kept_on_request(con: duckdb.DuckDBPyConnection, larva: Larva) -> None:
    """clean=False keeps what the text has as autapses, and the synapses from root 0."""
    found = crantdb.get_connectivity(con, clean=False)
    autapses = found.filter(pl.col("pre") == pl.col("post")).select("pre", "weight").sort("pre")
    raw = larva.edges[larva.edges["pre"] == larva.edges["post"]].sort_values("pre")
    assert autapses.rows() == tuples(raw[["pre", "weight"]])
    zero = found.filter((pl.col("pre") == 0) | (pl.col("post") == 0))
    assert zero.rows() == [(0, int(larva.edges["post"].iloc[0]), 500)]
    assert found.height == len(larva.edges) + 1


@pytest.mark.parametrize("threshold", [1, 4])
def test_degrees(con: duckdb.DuckDBPyConnection, larva: Larva, threshold: int) -> None:
    """Each neuron's synapses and partners, out and in, are networkx' degrees, weighted and not."""
    graph = larva.graph(threshold)
    found = rows(con, f"FROM synapse_counts(min_synapses := {threshold}) ORDER BY root_id")
    truth = [
        (
            n,
            graph.out_degree(n, "weight"),
            graph.in_degree(n, "weight"),
            graph.out_degree(n),
            graph.in_degree(n),
        )
        for n in sorted(graph)
    ]
    assert found == truth


def test_counts_asked_for(con: duckdb.DuckDBPyConnection, larva: Larva, busiest: list[int]) -> None:
    """Counts of given neurons come in the order given, zeros for the one that has none, which is named."""
    graph = larva.graph()
    with pytest.warns(crantdb.IdsMapped, match="1 unknown to it.*: 7") as heard:
        found = crantdb.get_synapse_counts(con, busiest)
    assert isinstance(found, pl.DataFrame)
    truth = [(n, graph.out_degree(n, "weight"), graph.in_degree(n)) for n in busiest[:-1]] + [(7, 0, 0)]
    assert found.select("root_id", "out_synapses", "upstream_partners").rows() == truth
    assert heard[0].message.mapping.get_column("old_id").to_list() == [7]  # type: ignore[union-attr]
    assert heard[0].filename == __file__


def test_adjacency_is_the_texts_matrix(
    con: duckdb.DuckDBPyConnection, larva: Larva, busiest: list[int]
) -> None:
    """A matrix has the neurons asked for in the order given, zeros filled, in polars, pandas and scipy alike."""
    known = busiest[:-1]
    truth = (
        larva.clean.pivot_table(index="pre", columns="post", values="weight", aggfunc="sum", fill_value=0)
        .reindex(index=known, columns=known[::-1], fill_value=0)
        .to_numpy()
    )
    wide = crantdb.get_adjacency(con, known, known[::-1])
    assert isinstance(wide, pl.DataFrame)
    assert wide.columns == ["pre", *map(str, known[::-1])]
    assert wide.get_column("pre").to_list() == known
    assert np.array_equal(wide.drop("pre").to_numpy(), truth)
    pandas = crantdb.get_adjacency(con, known, known[::-1], output="pandas")
    assert isinstance(pandas, pd.DataFrame)
    assert (list(pandas.index), list(pandas.columns)) == (known, known[::-1])
    assert pandas.index.dtype == pandas.columns.dtype == np.int64
    assert np.array_equal(pandas.to_numpy(), truth)
    sparse = crantdb.sparse_adjacency(con, known, known[::-1])
    assert np.array_equal(sparse.matrix.toarray(), truth)
    assert sparse.matrix.nnz == np.count_nonzero(truth)


def test_the_whole_brain_as_a_sparse_matrix(con: duckdb.DuckDBPyConnection, larva: Larva) -> None:
    """The whole brain's matrix is networkx' own, on the same neurons."""
    graph = larva.graph()
    found = crantdb.sparse_adjacency(con, symmetric=True)
    nodes = found.pre_ids.tolist()
    assert sorted(nodes) == sorted(graph)
    truth = nx.to_scipy_sparse_array(graph, nodelist=nodes, weight="weight", dtype=np.int64)
    assert abs(found.matrix - truth).sum() == 0


@pytest.mark.parametrize(
    ("level", "column"), [("cell_class", "cell_class"), ("cell_type", "cell_type"), ("side", "side")]
)
@pytest.mark.parametrize("threshold", [1, 3])
def test_class_to_class(
    con: duckdb.DuckDBPyConnection, larva: Larva, level: str, column: str, threshold: int
) -> None:
    """The sums from class to class are those of two merges and a groupby in pandas, at every level."""
    names = larva.neurons.set_index("root_id")[column].replace("", None)
    kept = larva.clean[larva.clean["weight"] >= threshold]
    kept = kept.assign(a=kept["pre"].map(names), b=kept["post"].map(names)).dropna(subset=["a", "b"])
    truth = kept.groupby(["a", "b"]).agg(
        weight=("weight", "sum"), n=("weight", "size"), pre=("pre", "nunique"), post=("post", "nunique")
    )
    found = rows(
        con,
        f"FROM type_connectivity('{level}', min_synapses := {threshold}) WHERE pre_type <> '' AND post_type <> '' ",
    )
    assert sorted(found) == sorted(tuples(truth.reset_index()))


def test_types_and_their_sizes(con: duckdb.DuckDBPyConnection, larva: Larva) -> None:
    """Each class is as large as the table of neurons has it, by side too, and tells as much as its neurons do."""
    told = larva.clean.groupby("pre")["weight"].sum()
    frame = larva.neurons.assign(told=larva.neurons["root_id"].map(told).fillna(0).astype(int))
    truth = {
        label: (len(part), int((part["side"] == "left").sum()), int(part["told"].sum()))
        for label, part in frame.groupby("cell_class")
    }
    found = rows(con, "SELECT label, neurons, left_neurons, out_synapses FROM type_counts('cell_class')")
    assert {label: tuple(values) for label, *values in found} == truth


@pytest.mark.parametrize("threshold", [1, 5])
def test_reciprocity(con: duckdb.DuckDBPyConnection, larva: Larva, threshold: int) -> None:
    """The pairs that talk both ways are networkx', and so is the reciprocity of the whole."""
    graph = larva.graph(threshold)
    truth = sorted(
        (a, b, graph[a][b]["weight"], graph[b][a]["weight"])
        for a, b in graph.edges
        if a < b and graph.has_edge(b, a)
    )
    assert sorted(rows(con, f"FROM reciprocal(min_synapses := {threshold})")) == truth
    [stats] = con.sql(f"FROM connectome_stats(min_synapses := {threshold})").pl().to_dicts()
    assert stats["reciprocal_connections"] == 2 * len(truth)
    assert stats["reciprocity"] == pytest.approx(nx.overall_reciprocity(graph), rel=1e-12)
    assert stats["density"] == pytest.approx(nx.density(graph), rel=1e-12)
    assert (stats["neurons"], stats["connections"]) == (graph.number_of_nodes(), graph.number_of_edges())
    assert stats["synapses"] == graph.size("weight")
    assert (stats["root_zero_synapses"], stats["unresolved_synapses"]) == (500, 300)


@pytest.mark.parametrize(("hops", "threshold"), [(1, 1), (2, 1), (3, 8), (4, 15)])
def test_paths(con: duckdb.DuckDBPyConnection, larva: Larva, hops: int, threshold: int) -> None:
    """The ways from some neurons to others are networkx' simple paths, with the weights on them."""
    graph = larva.graph(threshold)
    strongest = sorted(graph.edges(data="weight"), key=lambda edge: (-edge[2], edge[0], edge[1]))
    origins, targets = [edge[0] for edge in strongest[:3]], [edge[1] for edge in strongest[20:24]]
    truth = {
        tuple(path): tuple(graph[a][b]["weight"] for a, b in nx.utils.pairwise(path))
        for origin in set(origins)
        for target in set(targets) - {origin}
        for path in nx.all_simple_paths(graph, origin, target, cutoff=hops)
    }
    query = f"FROM paths(?, ?, max_hops := {hops}, min_synapses := {threshold})"
    found = rows(con, query, origins, targets)
    assert {tuple(row[3]): tuple(row[4]) for row in found} == truth
    assert len(found) == len(truth)
    assert all(row[:3] == (row[3][0], row[3][-1], len(row[3]) - 1) and row[5] == min(row[4]) for row in found)
    assert truth or hops == 1


def test_partners(con: duckdb.DuckDBPyConnection, larva: Larva, busiest: list[int]) -> None:
    """A neuron's partners are the text's, with the share of all it says or hears, and what the table calls them."""
    neuron = busiest[0]
    names = larva.neurons.set_index("root_id")["cell_type"].to_dict()
    clean = larva.clean
    told, heard = clean[clean["pre"] == neuron], clean[clean["post"] == neuron]
    truth = [
        ("downstream", post, weight, weight / told["weight"].sum(), names.get(post))
        for _, post, weight in tuples(told)
        if weight >= 3
    ] + [
        ("upstream", pre, weight, weight / heard["weight"].sum(), names.get(pre))
        for pre, _, weight in tuples(heard)
        if weight >= 3
    ]
    query = f"SELECT direction, partner, weight, share, cell_type FROM partners({neuron}, min_synapses := 3)"
    found = rows(con, query)
    assert sorted(found) == sorted(truth)
    assert [row[2] for row in found if row[0] == "upstream"] == sorted(
        (row[2] for row in truth if row[0] == "upstream"), reverse=True
    )


def test_shared_partners(con: duckdb.DuckDBPyConnection, larva: Larva, busiest: list[int]) -> None:
    """Partners that at least five of ten neurons have are those of a groupby in pandas, up- and downstream."""
    wanted = busiest[:10]
    truth = []
    for direction, mine, other in (("downstream", "pre", "post"), ("upstream", "post", "pre")):
        kept = larva.clean[larva.clean[mine].isin(wanted)]
        counts = kept.groupby(other).agg(
            n=("weight", "size"), weight=("weight", "sum"), least=("weight", "min")
        )
        truth += [(direction, *row) for row in tuples(counts[counts["n"] >= 5].reset_index())]
    query = "SELECT direction, partner, neurons, weight, weakest FROM shared_partners(?, min_shared := 5)"
    found = rows(con, query, wanted)
    assert sorted(found) == sorted(truth)
    assert truth


def test_synapses_of_a_neuron(con: duckdb.DuckDBPyConnection, larva: Larva, busiest: list[int]) -> None:
    """A neuron's synapses come each once, as many as the text says; by a list of pairs of neurons they are whole rows."""
    one, two = busiest[:2]
    clean = larva.clean
    mine = clean[clean["pre"].isin([one, two]) | clean["post"].isin([one, two])]
    found = con.sql("FROM synapses_of(?)", params=[[one, two]]).pl()
    assert found.height == found.get_column("id").n_unique() == mine["weight"].sum()
    pairs = found.group_by("pre_pt_root_id", "post_pt_root_id").len().rows()
    assert sorted(pairs) == sorted(tuples(mine))
    between = crantdb.get_synapses(con, [one, two])
    assert isinstance(between, pl.DataFrame)
    assert between.height == clean[clean["pre"].isin([one, two])]["weight"].sum()
    assert between.columns == con.sql("FROM synapses LIMIT 0").columns
    onto = crantdb.get_synapses(con, post_ids=[one], threshold=3)
    heard = clean[(clean["post"] == one) & (clean["weight"] >= 3)]
    assert onto.height == heard["weight"].sum()


def test_the_graph(con: duckdb.DuckDBPyConnection, larva: Larva, busiest: list[int]) -> None:
    """The networkx export among neurons is the subgraph of the text's graph; nodes carry their annotation."""
    known = busiest[:-1]
    truth = larva.graph().subgraph(known)
    found = crantdb.connectivity_graph(con, known)
    assert set(found.nodes) == set(known)
    assert nx.utils.edges_equal(found.edges(data=True), truth.edges(data=True), directed=True)
    names = larva.neurons.set_index("root_id")["cell_type"].to_dict()
    assert {n: data.get("cell_type") for n, data in found.nodes(data=True)} == {
        n: names.get(n) for n in known
    }


def test_five_thousand_ids(con: duckdb.DuckDBPyConnection, larva: Larva, tmp_path: Path) -> None:
    """Five thousand ids in a list give one answer from Python, from a bound list, written out, and from a file."""
    many = sorted({*larva.edges["pre"], *larva.edges["post"]})
    many += list(range(1, 5001 - len(many)))
    (tmp_path / "ids.csv").write_text("root_id\n" + "\n".join(map(str, many)))
    kept = larva.clean[larva.clean["pre"].isin(many) & larva.clean["post"].isin(many)]
    truth = (len(kept), int(kept["weight"].sum()))
    query = "SELECT count(*), sum(weight)::BIGINT FROM adjacency({0}, {0})"
    file = f"(SELECT list(root_id) FROM read_csv('{tmp_path}/ids.csv'))"
    assert rows(con, query.format("?"), many, many) == [truth]
    assert rows(con, query.format(str(many))) == [truth]
    assert rows(con, query.format(file)) == [truth]
    found = crantdb.sparse_adjacency(con, np.array(many), np.array(many), update_ids=False)
    assert found.matrix.shape == (5000, 5000)
    assert (found.matrix.nnz, int(found.matrix.sum())) == truth


def test_polars_gives_the_same(brain: Path, con: duckdb.DuckDBPyConnection) -> None:
    """Where a macro is a scan with a filter, polars on the same files gives the same rows."""
    edges = crantdb.scan("edges", brain).filter(
        (pl.col("syn_count") >= 3)
        & (pl.col("pre_root_id") != pl.col("post_root_id"))
        & (pl.col("pre_root_id") != 0)
    )
    mine = edges.select(pre="pre_root_id", post="post_root_id", weight="syn_count").collect()
    found = crantdb.get_connectivity(con, threshold=3)
    assert isinstance(found, pl.DataFrame)
    assert sorted(mine.rows()) == sorted(found.rows())
