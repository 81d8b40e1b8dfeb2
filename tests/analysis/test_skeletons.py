"""Skeletons and all that is made of L2 data, from a mirror whose server is gone."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import navis
import numpy as np
import polars as pl
import pytest

import crantdb
import crantdb.sync.l2
import crantdb.sync.run
from crantdb.analysis.attached import SynapseChoice, attach_synapses, read_synapses
from crantdb.analysis.l2_info import (
    find_anchor_loc,
    get_l2_chunk_info,
    get_l2_dotprops,
    get_l2_graph,
    get_l2_info,
)
from crantdb.analysis.mapping import IdsMapped
from crantdb.analysis.skeletons import (
    SkeletonOptions,
    get_compartments,
    get_l2_skeleton,
    get_l2_skeletons,
    skeletons_of,
)
from crantdb.analysis.swc import SwcWish, write_swc
from crantdb.errors import NoSkeleton
from crantdb.morphology.store import grid_of
from crantdb.sandbox import Sandbox
from crantdb.sandbox.l2cache import CacheState
from tests.sync.l2_bench import L2Bench, l2_bench, small_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb

    from crantdb.sandbox.history import History


@dataclass(frozen=True)
class Mirror:
    """A warehouse whose server is gone.

    Attributes:
        con: a connection to it.
        bench: the warehouse, and the world that it mirrors.
        roots: the version's roots, all mirrored, the largest first.
    """

    con: duckdb.DuckDBPyConnection
    bench: L2Bench
    roots: list[int]

    @property
    def history(self) -> History:
        """The world's history."""
        assert self.bench.world.chunkedgraph is not None
        return self.bench.world.chunkedgraph


def mirrored_world(folder: Path, *parts: int, **gaps: object) -> L2Bench:
    """Mirror a small world, its L2 data in so many parts as there are numbers, up to so many roots each."""
    world = small_world(**gaps)
    with pytest.MonkeyPatch.context() as patch, Sandbox(world) as sandbox:
        for module in (crantdb.sync.run, crantdb.sync.l2):
            patch.setattr(module, "keep_registered", lambda *_: None)
        bench = l2_bench(folder, sandbox, world)
        bench.mirror(5, ("nuclei_v1", "synapses_v2"))
        roots = bench.latest()
        for end in parts or (len(roots),):
            bench.l2(roots[:end])
    return bench


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    """Return the mirror of a world whose cache lacks a few ids."""
    bench = mirrored_world(tmp_path_factory.mktemp("mirror") / "wh", missing_share=0.01)
    history = bench.world.chunkedgraph
    assert history is not None
    roots = sorted(bench.latest(), key=lambda root: -len(history.roots[root].pieces))
    with crantdb.connect(bench.warehouse.root) as con:
        yield Mirror(con, bench, roots)


def test_a_skeleton_is_a_neuron_of_navis(mirror: Mirror) -> None:
    """It has the root id as its id, nm as units, a soma, and a node for every L2 id, whose cable the tables know."""
    root = mirror.roots[0]
    neuron = get_l2_skeleton(mirror.con, root)
    assert isinstance(neuron, navis.TreeNeuron)
    assert (neuron.id, str(neuron.units)) == (root, "1 nanometer")
    assert sorted(neuron.nodes["l2_id"]) == sorted(
        mirror.history.l2_leaves(mirror.history.roots[root]).tolist()
    )
    [(cable, rule)] = mirror.con.sql(
        f"SELECT cable_mst_nm, root_rule FROM neuron_metrics WHERE root_id = {root}"
    ).fetchall()
    assert np.isclose(neuron.cable_length, cable, rtol=1e-5)
    assert rule == "point"
    assert int(neuron.soma[0] if np.ndim(neuron.soma) else neuron.soma) == int(neuron.root[0]) == 1


def test_python_and_sql_make_the_same_tree(mirror: Mirror) -> None:
    """The skeleton of Python and that of the macro are the same nodes with the same parents."""
    for root in mirror.roots[:3]:
        nodes = get_l2_skeleton(mirror.con, root).nodes
        rows = mirror.con.sql(
            f"SELECT node_id, parent_id, l2_id, x_nm, radius_nm FROM skeleton({root})"
        ).fetchall()
        made = nodes[["node_id", "parent_id", "l2_id", "x", "radius"]].itertuples(index=False, name=None)
        assert list(made) == rows


def test_options_make_other_skeletons(mirror: Mirror) -> None:
    """Methods keep fewer nodes, or are longer; missing ids can be dropped; a point can be the root."""
    root = mirror.roots[0]
    plain = get_l2_skeleton(mirror.con, root)
    teasar, bfs, dropped = (
        get_l2_skeleton(mirror.con, root, options)
        for options in (
            SkeletonOptions(method="teasar"),
            SkeletonOptions(method="bfs"),
            SkeletonOptions(missing="drop"),
        )
    )
    [(lost,)] = mirror.con.sql(f"SELECT missing FROM neuron_metrics WHERE root_id = {root}").fetchall()
    assert teasar.n_nodes < plain.n_nodes
    assert bfs.cable_length >= plain.cable_length * (1 - 1e-9)
    assert (dropped.n_nodes, lost > 0) == (plain.n_nodes - lost, True)
    tip = plain.nodes[plain.nodes["type"] == "end"].iloc[0]
    rooted = get_l2_skeleton(mirror.con, root, root_at=tip[["x", "y", "z"]].to_numpy(float))
    assert rooted.nodes.set_index("node_id").loc[int(rooted.root[0]), "l2_id"] == tip["l2_id"]


def test_many_come_in_the_order_given(mirror: Mirror) -> None:
    """Skeletons stand in the order in which neurons were given, each once."""
    wanted = [mirror.roots[3], mirror.roots[0], mirror.roots[3], mirror.roots[1]]
    found = get_l2_skeletons(mirror.con, wanted)
    assert list(found.id) == [mirror.roots[3], mirror.roots[0], mirror.roots[1]]


def test_what_is_not_mirrored_is_told_or_omitted(mirror: Mirror) -> None:
    """A root without L2 data is an error that says how to get them, or left out; it never becomes a stub."""
    strange = mirror.roots[0] + 2**40
    with pytest.warns(IdsMapped), pytest.raises(NoSkeleton, match=f"crantdb sync l2 {strange}"):
        get_l2_skeletons(mirror.con, [mirror.roots[0], strange])
    found = get_l2_skeletons(mirror.con, [mirror.roots[0], strange], omit_failures=True, update_ids=False)
    assert list(found.id) == [mirror.roots[0]]


def test_synapses_keep_their_ids_and_places(mirror: Mirror) -> None:
    """Every synapse of a neuron is a connector with CAVE's id, at its exact position, on an L2 id of its own chunk."""
    root = mirror.roots[0]
    neuron = get_l2_skeleton(mirror.con, root, attach_synapses=True)
    for side, other in (("pre", "post"), ("post", "pre")):
        rows = mirror.con.sql(
            f"""SELECT id, {side}_x_nm, {side}_y_nm, {side}_z_nm, {side}_pt_supervoxel_id FROM synapses
            WHERE {side}_pt_root_id = {root} AND {other}_pt_root_id NOT IN (0, {root}) ORDER BY id"""
        ).fetchall()
        made = neuron.connectors[neuron.connectors["type"] == side].sort_values("connector_id")
        places = made[["connector_id", "x", "y", "z"]].itertuples(index=False, name=None)
        assert list(places) == [row[:4] for row in rows]
        assert rows
        grid = grid_of(mirror.con)
        l2_ids = neuron.nodes.set_index("node_id").loc[made["node_id"], "l2_id"].to_numpy()
        there = grid.keys(l2_ids, 2) == grid.keys(np.array([row[4] for row in rows]), 1)
        assert there[made["rule"].to_numpy() == 2].all()
        assert (made["rule"] == 2).mean() > 0.95


def test_most_synapses_find_their_true_chunk(mirror: Mirror) -> None:
    """Of the neuron's L2 ids in its chunk, the nearest is mostly the one that the synapse's supervoxel belongs to."""
    root = mirror.roots[0]
    neuron = get_l2_skeleton(mirror.con, root, attach_synapses=True)
    made = neuron.connectors[neuron.connectors["type"] == "pre"]
    rows = mirror.con.sql(
        f"SELECT id, pre_pt_supervoxel_id FROM synapses WHERE pre_pt_root_id = {root}"
    ).fetchall()
    voxels = dict(rows)
    version = mirror.bench.world.version(5)
    at = round(version.time_stamp.timestamp() * 1e6)
    true = mirror.history.l2_at([voxels[i] for i in made["connector_id"]], at)
    got = neuron.nodes.set_index("node_id").loc[made["node_id"], "l2_id"].to_numpy()
    assert (got == true).mean() > 0.5


def test_mirrored_l2_ids_make_it_exact(tmp_path: Path) -> None:
    """Where the L2 ids of synapses are mirrored, every synapse is on the node of its own, and the rule says so."""
    world = small_world()
    with pytest.MonkeyPatch.context() as patch, Sandbox(world) as sandbox:
        for module in (crantdb.sync.run, crantdb.sync.l2):
            patch.setattr(module, "keep_registered", lambda *_: None)
        bench = l2_bench(tmp_path / "wh", sandbox, world)
        bench.warehouse.config.write_text(bench.warehouse.config.read_text() + "synapses = true\n")
        bench.mirror(5, ("synapses_v2",))
        root = bench.latest(least=100)[0]
        bench.l2([root])
    with crantdb.connect(bench.warehouse.root) as con:
        made = get_l2_skeleton(con, root, attach_synapses=True)
        known = con.sql("FROM l2_supervoxels").fetchall()
        voxels = dict(
            con.sql(f"SELECT id, pre_pt_supervoxel_id FROM synapses WHERE pre_pt_root_id = {root}").fetchall()
        )
    assert set(made.connectors["rule"]) == {1}
    pre = made.connectors[made.connectors["type"] == "pre"]
    l2_ids = made.nodes.set_index("node_id").loc[pre["node_id"], "l2_id"]
    assert {(voxels[i], l2) for i, l2 in zip(pre["connector_id"], l2_ids, strict=True)} <= set(known)


def test_attaching_later_is_the_same(mirror: Mirror) -> None:
    """Synapses attached to neurons that are there already are those attached when they are made; the old stay."""
    bare = get_l2_skeletons(mirror.con, mirror.roots[:2])
    made = attach_synapses(mirror.con, bare)
    whole = get_l2_skeletons(mirror.con, mirror.roots[:2], attach_synapses=True)
    for one, other in zip(made, whole, strict=True):
        assert one.connectors.equals(other.connectors)
    assert not bare[0].has_connectors
    assert isinstance(attach_synapses(mirror.con, bare[0]), navis.TreeNeuron)


def test_a_neuron_of_another_origin_gets_the_nearest_node(mirror: Mirror) -> None:
    """Where nodes have no L2 ids, a synapse goes to the nearest node, as far as the limit allows."""
    neuron = get_l2_skeleton(mirror.con, mirror.roots[0])
    neuron.nodes = neuron.nodes.drop(columns="l2_id")
    made = attach_synapses(mirror.con, neuron, SynapseChoice(max_distance_nm=1500.0)).connectors
    every = attach_synapses(mirror.con, neuron, SynapseChoice(max_distance_nm=1e9)).connectors
    assert set(made["rule"]) == set(every["rule"]) == {3}
    assert 0 < len(made) < len(every)
    assert made["distance_nm"].max() < 1500


def test_synapses_can_be_chosen(mirror: Mirror) -> None:
    """Size, direction, autapses and the fewest synapses of a pair are obeyed."""
    root = mirror.roots[0]
    count = "SELECT count(*) FROM synapses WHERE pre_pt_root_id = {} AND {}"
    for choice, words in (
        (SynapseChoice(post=False, min_size=40), f"size >= 40 AND post_pt_root_id NOT IN (0, {root})"),
        (SynapseChoice(post=False, clean=False), "true"),
    ):
        [(expected,)] = mirror.con.sql(count.format(root, words)).fetchall()
        assert len(read_synapses(mirror.con, [root], choice)) == expected > 0
    often = read_synapses(mirror.con, [root], SynapseChoice(threshold=3))
    assert often.group_by("side", "partner").len()["len"].min() >= 3
    assert len(read_synapses(mirror.con, [])) == 0


def test_info_is_what_the_tables_add_up_to(mirror: Mirror) -> None:
    """Counts, sums and cable of `get_l2_info` are those of SQL; a neuron that is not mirrored has NULL."""
    wanted = [mirror.roots[1], mirror.roots[0], mirror.roots[0] + 2**40]
    found = get_l2_info(mirror.con, wanted, update_ids=False)
    assert found["root_id"].to_list() == wanted
    for row in found.head(2).iter_rows(named=True):
        [(ids, lost, size, cable, low)] = mirror.con.sql(
            f"""SELECT l2_count, missing, volume_nm3 / 1e9, cable_mst_nm / 1e3, x_min_nm FROM neuron_metrics
            WHERE root_id = {row["root_id"]}"""
        ).fetchall()
        assert (row["l2_chunks"], row["chunks_missing"]) == (ids, lost)
        assert np.allclose([row["size_um3"], row["length_um"], row["bounds_nm"][0]], [size, cable, low])
    assert set(found.row(2)[1:]) == {None}


def test_chunk_info_keeps_what_is_missing(mirror: Mirror) -> None:
    """There is a row for every L2 id, also for those of which the cache knows nothing; ids are whole numbers."""
    found = get_l2_chunk_info(mirror.con, mirror.roots[:2])
    [(ids, lost)] = mirror.con.sql(
        f"SELECT sum(l2_count), sum(missing) FROM neuron_metrics WHERE root_id IN {tuple(mirror.roots[:2])}"
    ).fetchall()
    assert (len(found), found["x_nm"].null_count()) == (ids, lost)
    assert found.schema["l2_id"] == pl.Int64
    assert found["root_id"].to_list() == sorted(found["root_id"].to_list(), key=mirror.roots.index)


def test_an_anchor_is_inside_its_neuron(mirror: Mirror) -> None:
    """The anchor is the representative point of the largest chunk, in the order asked for."""
    wanted = mirror.roots[:3][::-1]
    found = find_anchor_loc(mirror.con, [*wanted, 5], update_ids=False)
    assert found["root_id"].to_list() == [*wanted, 5]
    assert found.row(3) == (5, None, None, None, None)
    for row in found.head(3).iter_rows(named=True):
        [expected] = mirror.con.sql(
            f"SELECT x_nm, y_nm, z_nm FROM l2_chunks({row['root_id']}) ORDER BY size_nm3 DESC NULLS LAST, l2_id LIMIT 1"
        ).fetchall()
        assert (row["x_nm"], row["y_nm"], row["z_nm"]) == expected


def test_graphs_are_the_mirrored_edges(mirror: Mirror) -> None:
    """Nodes and edges are the root's; a single chunk is a graph of one node; lengths are there where both ends are."""
    alone = [root for root in mirror.roots if len(mirror.history.roots[root].pieces) == 1][:1]
    graphs = get_l2_graph(mirror.con, [*mirror.roots[:1], *alone])
    assert list(graphs) == [*mirror.roots[:1], *alone]
    graph = graphs[mirror.roots[0]]
    rows = mirror.con.sql(f"FROM l2_graph({mirror.roots[0]})").fetchall()
    assert {tuple(sorted(edge)) for edge in graph.edges} == {(a, b) for a, b, _ in rows}
    lengths = {(a, b): length for a, b, length in rows if length is not None}
    assert all(np.isclose(graph.edges[edge]["length"], length) for edge, length in lengths.items())
    assert 0 < len(lengths) < len(rows)
    assert all(len(graphs[root]) == 1 for root in alone)


def test_dotprops_have_a_point_and_a_direction(mirror: Mirror) -> None:
    """Chunks with axes become points with unit vectors; small ones are left out, and a share can be drawn."""
    root = mirror.roots[0]
    [(usable, big)] = mirror.con.sql(
        f"SELECT count(pca), count(pca) FILTER (WHERE size_nm3 >= 1e9) FROM l2_chunks({root})"
    ).fetchall()
    whole, large, some = (
        get_l2_dotprops(mirror.con, [root], **options)[0]
        for options in ({}, {"min_size_nm3": 1e9}, {"sample": 0.5})
    )
    assert (len(whole.points), len(large.points), len(some.points)) == (usable, big, usable // 2)
    assert np.allclose(np.linalg.norm(whole.vect, axis=1), 1)


def test_compartments_count_every_attached_synapse(mirror: Mirror) -> None:
    """Axon and dendrite of a split neuron hold most of its synapses, and the index is between 0 and 1."""
    found = get_compartments(mirror.con, mirror.roots[:2])
    rows = read_synapses(mirror.con, mirror.roots[:2])
    for row in found.iter_rows(named=True):
        counted = sum(row[name] for name in found.columns if name.endswith("put"))
        assert 0 < counted <= len(rows.filter(pl.col("root_id") == row["root_id"]))
        assert 0 <= row["segregation_index"] <= 1


def test_swc_is_written_once_and_left_alone_then(mirror: Mirror, tmp_path: Path) -> None:
    """Every neuron gets a file named by its root id; a second run writes none; navis reads what Python makes."""
    first, second = (write_swc(mirror.con, mirror.roots, tmp_path / "swc") for _ in range(2))
    assert sorted(first.written) == second.kept == sorted(mirror.roots)
    assert (first.failed, second.written) == ({}, [])
    assert {path.name for path in (tmp_path / "swc").iterdir()} == {f"{root}.swc" for root in mirror.roots}
    root = mirror.roots[0]
    read = navis.read_swc(tmp_path / "swc" / f"{root}.swc")
    made = get_l2_skeleton(mirror.con, root)
    assert (read.n_nodes, read.id, str(read.units)) == (made.n_nodes, str(root), "1 nanometer")
    assert np.isclose(read.cable_length, made.cable_length, rtol=1e-5)


def test_swc_bytes_depend_on_the_neuron_alone(mirror: Mirror, tmp_path: Path) -> None:
    """Mirrored in other parts, on another day, in another warehouse: the same neuron gives the same bytes."""
    bench = mirrored_world(tmp_path / "other", 9, 3, 30, missing_share=0.01)
    write_swc(mirror.con, mirror.roots[:5], tmp_path / "here")
    with crantdb.connect(bench.warehouse.root) as con:
        write_swc(con, mirror.roots[:5][::-1], tmp_path / "there")
    for root in mirror.roots[:5]:
        here, there = ((tmp_path / name / f"{root}.swc").read_bytes() for name in ("here", "there"))
        assert here == there
        assert b"2026-" not in here


def test_swc_follows_what_is_asked_and_known(tmp_path: Path) -> None:
    """Another method makes other files; so do L2 ids that came since; neurons that did not change keep theirs."""
    world = small_world(missing_share=0.02)
    with pytest.MonkeyPatch.context() as patch, Sandbox(world) as sandbox:
        for module in (crantdb.sync.run, crantdb.sync.l2):
            patch.setattr(module, "keep_registered", lambda *_: None)
        bench = l2_bench(tmp_path / "wh", sandbox, world)
        bench.mirror(5)
        roots = bench.latest(least=20)
        bench.l2(roots)
        with crantdb.connect(bench.warehouse.root) as con:
            lost = con.sql("SELECT root_id FROM neuron_metrics WHERE missing > 0 ORDER BY root_id").fetchall()
            write_swc(con, roots, tmp_path / "swc")
            again = write_swc(con, roots, tmp_path / "swc", SwcWish(SkeletonOptions(method="teasar")))
            assert sorted(again.written) == roots
            write_swc(con, roots, tmp_path / "swc")
        sandbox.replace(replace(world, l2=CacheState()))
        bench.l2(roots)
    with crantdb.connect(bench.warehouse.root) as con:
        report = write_swc(con, roots, tmp_path / "swc")
    assert report.written == [root for (root,) in lost]
    assert report.kept == sorted(set(roots) - set(report.written))


def test_swc_into_a_zip_with_failures_told(mirror: Mirror, tmp_path: Path) -> None:
    """A zip holds a file for each neuron that has a skeleton; one without has a reason and no file, not a stub."""
    report = write_swc(mirror.con, [*mirror.roots[:3], 5], tmp_path / "all.zip", SwcWish(units="um"))
    assert sorted(report.written) == sorted(mirror.roots[:3])
    assert set(report.failed) == {5}
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert sorted(archive.namelist()) == sorted(f"{root}.swc" for root in mirror.roots[:3])
        assert b"micrometer" in archive.read(f"{mirror.roots[0]}.swc")


def test_synapses_beside_swc_name_their_nodes(mirror: Mirror, tmp_path: Path) -> None:
    """The table beside the files has every synapse once a side, with a node of the file or none, and a compartment."""
    root = mirror.roots[0]
    write_swc(mirror.con, [root], tmp_path / "swc", SwcWish(synapses=SynapseChoice()))
    table = pl.read_parquet(tmp_path / "swc" / "synapses.parquet")
    rows = read_synapses(mirror.con, [root])
    assert (
        table.select("side", "synapse_id").rows()
        == rows.select("side", "id").sort("side", descending=True).rows()
    )
    nodes = get_l2_skeleton(mirror.con, root).nodes
    assert set(table["node_id"].drop_nulls()) <= set(nodes["node_id"])
    assert set(table["compartment"]) <= {0, 1, 2, 3, 4, 7}
    assert {2, 3} <= set(table["compartment"])


def test_nothing_is_made_of_nothing(mirror: Mirror, tmp_path: Path) -> None:
    """No neurons: no files, no rows, no error."""
    assert list(skeletons_of(mirror.con, [])) == []
    assert write_swc(mirror.con, [], tmp_path / "swc").written == []
    assert len(get_l2_chunk_info(mirror.con, [])) == len(get_compartments(mirror.con, [])) == 0
    assert get_l2_info(mirror.con, []).is_empty()
