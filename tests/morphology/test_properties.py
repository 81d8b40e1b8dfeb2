"""What holds of every skeleton, whatever the graph."""

from __future__ import annotations

import math

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crantdb.errors import NoSkeleton
from crantdb.morphology.prune import largest_part, prune_twigs
from crantdb.morphology.skeleton import Method, Missing, NodeFlag, Skeleton, skeletonize
from crantdb.morphology.swc import to_swc

from .conftest import CRANTB
from .graphs import Dirty, dirty_graphs

METHODS = st.sampled_from(["mst", "teasar", "bfs"])
WAYS = st.sampled_from(["interpolate", "drop"])


def of(
    graph: Dirty, method: Method = "mst", missing: Missing = "interpolate", *, heal: bool = True
) -> Skeleton:
    """Return the skeleton of a graph on CRANTb's grid; its paths stand for 2 µm around them."""
    return skeletonize(
        graph.edges,
        graph.ids,
        graph.xyz,
        graph.radius,
        grid=CRANTB,
        method=method,
        missing=missing,
        heal=heal,
        invalidation_nm=2_000,
    )


def as_networkx(graph: Dirty) -> nx.Graph:
    """Return the graph with lengths, for networkx' own algorithms."""
    out = nx.Graph()
    out.add_nodes_from(graph.ids.tolist())
    at = dict(zip(graph.ids.tolist(), graph.xyz, strict=True))
    for a, b in graph.edges.tolist():
        if a != b:
            x, y, z = (at[a] - at[b]).tolist()
            out.add_edge(a, b, weight=math.sqrt(x * x + y * y + z * z))
    return out


def assert_forest(skeleton: Skeleton, parts: int) -> None:
    """Check that a skeleton is a forest of so many trees, parents first, each L2 id once, all finite."""
    count = len(skeleton)
    assert (skeleton.parent < np.arange(count)).all()
    assert len(skeleton.roots) == parts
    assert len(np.unique(skeleton.l2_id)) == count
    assert np.isfinite(skeleton.xyz_nm).all()
    assert (np.isfinite(skeleton.radius_nm) & (skeleton.radius_nm >= 1)).all()
    assert skeleton.member_node.max() < count
    own = np.searchsorted(skeleton.member_l2, skeleton.l2_id)
    assert (skeleton.member_node[own] == np.arange(count)).all()


@given(dirty_graphs(missing=True), METHODS, WAYS)
@settings(max_examples=150, deadline=None)
def test_one_tree_whatever_the_graph(graph: Dirty, method: Method, missing: Missing) -> None:
    """Circles, repetitions, self-loops, parts and missing data: there is one tree over what has a position."""
    skeleton = of(graph, method, missing)
    assert_forest(skeleton, 1)
    facts = skeleton.facts
    assert facts.missing == int(np.isnan(graph.xyz[:, 0]).sum())
    assert facts.interpolated + facts.dropped == facts.missing
    assert (skeleton.member_node < 0).sum() == facts.dropped
    if method != "teasar":
        assert len(skeleton) == len(graph.ids) - facts.dropped


@given(dirty_graphs(), METHODS)
@settings(max_examples=80, deadline=None)
def test_parts_left_apart(graph: Dirty, method: Method) -> None:
    """Without healing there is a tree for each part of the graph, and no link that the graph has not."""
    skeleton = of(graph, method, heal=False)
    theirs = as_networkx(graph)
    assert_forest(skeleton, nx.number_connected_components(theirs))
    assert skeleton.facts.parts == len(skeleton.roots)
    child = np.flatnonzero(skeleton.parent >= 0)
    for node in child.tolist():
        assert theirs.has_edge(int(skeleton.l2_id[node]), int(skeleton.l2_id[skeleton.parent[node]]))
    assert not skeleton.flags.any()


@given(dirty_graphs())
@settings(max_examples=80, deadline=None)
def test_length_is_the_shortest_trees(graph: Dirty) -> None:
    """The length is that of networkx' minimum spanning forest, and the links across gaps are the shortest ones."""
    apart, healed = of(graph, heal=False), of(graph)
    theirs = as_networkx(graph)
    least = nx.minimum_spanning_tree(theirs).size(weight="weight")
    assert apart.cable_nm == pytest.approx(least, rel=1e-9, abs=1e-6)
    bridge = (healed.flags & NodeFlag.BRIDGE) > 0
    assert int(bridge.sum()) == healed.facts.bridges == apart.facts.parts - 1
    # All pairs with the graph's own links for nothing: what the shortest tree then pays is what the gaps cost.
    every = nx.Graph()
    every.add_nodes_from(range(len(graph.ids)))
    gap = np.linalg.norm(graph.xyz[:, None] - graph.xyz[None], axis=2)
    place = {l2_id: at for at, l2_id in enumerate(graph.ids.tolist())}
    every.add_weighted_edges_from((i, j, gap[i, j]) for i in range(len(gap)) for j in range(i))
    for a, b in theirs.edges:
        every.add_edge(place[a], place[b], weight=0.0)
    cost = nx.minimum_spanning_tree(every).size(weight="weight")
    assert healed.length_nm[bridge].sum() == pytest.approx(cost, rel=1e-9, abs=1e-6)


@given(dirty_graphs())
@settings(max_examples=80, deadline=None)
def test_of_equal_lengths_the_smaller_ids(graph: Dirty) -> None:
    """The links are those of a plain search: shortest first, of equal ones that with the smaller id, then the larger."""
    theirs = as_networkx(graph)
    part = {node: node for node in theirs}
    expected = set()
    rows = ((data["weight"], min(a, b), max(a, b)) for a, b, data in theirs.edges(data=True))
    for _, low, high in sorted(rows):
        if part[low] != part[high]:
            expected.add((low, high))
            gone, stays = part[high], part[low]
            part = {node: stays if each == gone else each for node, each in part.items()}
    skeleton = of(graph, heal=False)
    child = np.flatnonzero(skeleton.parent >= 0)
    ends = np.sort(np.stack([skeleton.l2_id[child], skeleton.l2_id[skeleton.parent[child]]], axis=1), axis=1)
    assert {(low, high) for low, high in ends.tolist()} == expected


@given(dirty_graphs(missing=True), METHODS, WAYS, st.integers(0, 1_000))
@settings(max_examples=120, deadline=None)
def test_bytes_do_not_depend_on_the_telling(
    graph: Dirty, method: Method, missing: Missing, seed: int
) -> None:
    """SWC is the same to the byte when ids and edges come in another order, flipped and twice."""
    assert to_swc(of(graph, method, missing)) == to_swc(of(graph.shuffled(seed), method, missing))


@given(dirty_graphs(), METHODS, st.data())
@settings(max_examples=80, deadline=None)
def test_root_where_asked(graph: Dirty, method: Method, data: st.DataObject) -> None:
    """The root is the node nearest the point that was given, and no other node is nearer."""
    point = graph.xyz[data.draw(st.integers(0, len(graph.ids) - 1))] + data.draw(st.integers(0, 900))
    skeleton = skeletonize(
        graph.edges,
        graph.ids,
        graph.xyz,
        method=method,
        root_at=point,
        collapse_nm=0,
        invalidation_nm=2_000,
        root_within_nm=1e9,
    )
    gap = np.linalg.norm(skeleton.xyz_nm - point, axis=1)
    assert gap[0] == gap.min()
    assert (skeleton.facts.root_rule, skeleton.soma) == ("point", 0)
    assert skeleton.facts.root_distance_nm == pytest.approx(gap[0])


@given(dirty_graphs(), st.data())
@settings(max_examples=60, deadline=None)
def test_another_root_is_the_same_tree(graph: Dirty, data: st.DataObject) -> None:
    """Whatever the root, the links and their length are the same."""

    def links(skeleton: Skeleton) -> set[frozenset[int]]:
        child = np.flatnonzero(skeleton.parent >= 0)
        pairs = zip(
            skeleton.l2_id[child].tolist(), skeleton.l2_id[skeleton.parent[child]].tolist(), strict=True
        )
        return {frozenset(pair) for pair in pairs}

    point = graph.xyz[data.draw(st.integers(0, len(graph.ids) - 1))]
    other = skeletonize(graph.edges, graph.ids, graph.xyz, graph.radius, root_at=point)
    assert links(other) == links(of(graph))
    assert other.cable_nm == pytest.approx(of(graph).cable_nm, rel=1e-12)


@given(dirty_graphs(missing=True))
@settings(max_examples=120, deadline=None)
def test_missing_ids_lie_in_their_own_chunk(graph: Dirty) -> None:
    """An interpolated node lies inside the chunk of its L2 id, on whole nm, flagged; the others where they were."""
    skeleton = of(graph)
    placed = (skeleton.flags & NodeFlag.INTERPOLATED) > 0
    lower = CRANTB.lower_nm(skeleton.l2_id)
    at = skeleton.xyz_nm
    assert ((at >= lower) & (at < lower + np.array(CRANTB.chunk_nm)))[placed].all()
    assert (at == np.rint(at))[placed].all()
    true = graph.xyz[np.searchsorted(graph.ids, skeleton.l2_id)]
    assert np.isnan(true[placed]).all()
    assert (true == at)[~placed].all()


@given(dirty_graphs(missing=True))
@settings(max_examples=80, deadline=None)
def test_dropped_ids_are_passed_over(graph: Dirty) -> None:
    """Links that pass over dropped ids join what these ids joined; all others are the graph's, or flagged."""
    skeleton = of(graph, missing="drop", heal=False)
    theirs = as_networkx(graph)
    lost = set(graph.ids[np.isnan(graph.xyz[:, 0])].tolist())
    for node in np.flatnonzero(skeleton.parent >= 0).tolist():
        a, b = int(skeleton.l2_id[node]), int(skeleton.l2_id[skeleton.parent[node]])
        if skeleton.flags[node] & NodeFlag.CONTRACTED:
            assert not theirs.has_edge(a, b)
            assert nx.has_path(theirs.subgraph(lost | {a, b}), a, b)
        else:
            assert theirs.has_edge(a, b)
    known = [part - lost for part in nx.connected_components(theirs)]
    assert len(skeleton.roots) == sum(1 for part in known if part)


@given(dirty_graphs(), st.floats(1, 20_000))
@settings(max_examples=80, deadline=None)
def test_pruned_twigs(graph: Dirty, limit: float) -> None:
    """Pruning takes off whole end twigs that are shorter than the limit, nothing else, and keeps every member."""
    full = of(graph)
    pruned = prune_twigs(full, limit)
    assert_forest(pruned, 1)
    assert (pruned.member_node >= 0).all()
    assert pruned.facts.pruned == len(full) - len(pruned)
    kept = set(pruned.l2_id.tolist())
    for tip in np.flatnonzero(full.children == 0).tolist():
        node, length = tip, 0.0
        while full.parent[node] >= 0:
            length += full.length_nm[node]
            if full.children[full.parent[node]] > 1:
                break
            node = int(full.parent[node])
        twig = full.parent[node] >= 0 and len(full) > 1
        assert (int(full.l2_id[tip]) in kept) == (not twig or length >= limit)


@given(dirty_graphs())
@settings(max_examples=40, deadline=None)
def test_largest_part(graph: Dirty) -> None:
    """The largest part of a forest is one tree with the nodes of the graph's largest part."""
    part = largest_part(of(graph, heal=False))
    assert_forest(part, 1)
    assert len(part) == max(len(nodes) for nodes in nx.connected_components(as_networkx(graph)))
    assert (part.member_node >= 0).sum() == len(part)


def test_around_a_dropped_id_by_the_shortest_links() -> None:
    """The neighbours of a dropped id are linked along their shortest tree, in whatever order their ids are."""
    ids = CRANTB.layout.make(2, np.zeros((6, 3), np.int64), np.arange(1, 7))
    xyz = np.array([[0.0, 0, 0], [4_000, 0, 0], [1_000, 0, 0], [np.nan, 0, 0], [3_000, 0, 0], [2_000, 0, 0]])
    skeleton = skeletonize([[ids[3], each] for each in np.delete(ids, 3)], ids, xyz, missing="drop")
    assert skeleton.l2_id.tolist() == ids[[0, 2, 5, 4, 1]].tolist()
    assert skeleton.cable_nm == 4_000
    assert skeleton.flags.tolist() == [0] + [NodeFlag.CONTRACTED] * 4


def test_nothing_known_anywhere() -> None:
    """A neuron none of whose ids has a position has no skeleton, and says so; chunk centres are not invented."""
    with pytest.raises(NoSkeleton, match="none of the neuron's 2 L2 ids has a position"):
        skeletonize(np.empty((0, 2)), [5, 6], np.full((2, 3), np.nan), grid=CRANTB)


@pytest.mark.parametrize("method", ["mst", "teasar", "bfs"])
def test_a_path_of_100000(method: Method) -> None:
    """A path of 100,000 nodes, far deeper than Python recurses, is one tree with its ends where they are."""
    count = 100_000
    ids = CRANTB.layout.make(2, np.zeros((count, 3), np.int64), np.arange(1, count + 1))
    xyz = np.stack([np.arange(count) * 10.0, np.zeros(count), np.zeros(count)], axis=1)
    skeleton = skeletonize(np.stack([ids[1:], ids[:-1]], axis=1), ids, xyz, method=method)
    assert (len(skeleton), skeleton.tips, skeleton.branch_points) == (count, 1, 0)
    assert skeleton.cable_nm == pytest.approx(10.0 * (count - 1))
    assert int(skeleton.l2_id[0]) == ids[0]


def test_a_star_of_1000() -> None:
    """A star of a thousand rays around a missing id is whole, interpolated or dropped."""
    ids = CRANTB.layout.make(2, np.ones((1_001, 3), np.int64), np.arange(1, 1_002))
    xyz = CRANTB.lower_nm(ids) + np.random.default_rng(0).integers(0, 8_000, (1_001, 3))
    xyz[500] = np.nan
    edges = np.stack([np.delete(ids, 500), np.full(1_000, ids[500])], axis=1)
    placed = skeletonize(edges, ids, xyz, grid=CRANTB)
    dropped = skeletonize(edges, ids, xyz, missing="drop")
    assert_forest(placed, 1)
    assert_forest(dropped, 1)
    assert (len(placed), len(dropped), dropped.facts.bridges) == (1_001, 1_000, 0)
