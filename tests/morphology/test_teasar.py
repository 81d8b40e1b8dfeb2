"""TEASAR beside the published algorithm, written plainly with networkx."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest

from crantdb.morphology.teasar import teasar_edges


def plain(graph: nx.Graph, invalidation: float) -> tuple[set[frozenset[int]], dict[int, int]]:
    """Return the links of the paths and the path node of each node, step by step as the method is described."""
    at, span = 0, -1.0
    while True:
        distance, route = nx.single_source_dijkstra(graph, at)
        far = max(sorted(distance), key=lambda node: distance[node])
        if distance[far] <= span:
            break
        root, span, from_root, routes, at = at, distance[far], distance, route, far
    assert routes[root] == [root]
    valid, visited = set(graph) - {root}, {root}
    links, best = set(), {}
    while valid:
        target = max(sorted(valid), key=lambda node: from_root[node])
        distance, route = nx.single_source_dijkstra(graph, target)
        path = route[min(visited, key=lambda node: distance[node])]
        links |= {frozenset(pair) for pair in itertools.pairwise(path)}
        visited |= set(path)
        reach, source = nx.multi_source_dijkstra(graph, set(path), cutoff=invalidation)
        for node, away in reach.items():
            valid.discard(node)
            if away < best.get(node, (np.inf, 0))[0]:
                best[node] = (away, source[node][0])
    return links, {node: stands for node, (_, stands) in best.items()}


@pytest.mark.parametrize("seed", range(8))
def test_as_described(seed: int) -> None:
    """The paths and what each stands for are those of the plain method, on graphs full of circles."""
    rng = np.random.default_rng(seed)
    count = 250
    before = np.maximum(0, np.arange(count) - rng.integers(1, 6, count))
    xyz = np.zeros((count, 3))
    for node in range(1, count):
        xyz[node] = xyz[before[node]] + rng.normal(0, 1_500, 3)
    extra = rng.integers(6, count, 60)
    pairs = np.concatenate(
        [np.stack([np.arange(1, count), before[1:]], 1), np.stack([extra, extra - rng.integers(1, 6, 60)], 1)]
    )
    pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    length = np.linalg.norm(xyz[pairs[:, 0]] - xyz[pairs[:, 1]], axis=1).astype(np.float32).astype(np.float64)
    graph = nx.Graph()
    graph.add_weighted_edges_from(
        zip(pairs[:, 0].tolist(), pairs[:, 1].tolist(), length.tolist(), strict=True)
    )
    links, stands = plain(graph, 7_500)
    start, end, ours = teasar_edges(count, pairs[:, 0], pairs[:, 1], length)
    assert {frozenset(pair) for pair in zip(start.tolist(), end.tolist(), strict=True)} == links
    assert ours.tolist() == [stands[node] for node in range(count)]


def test_points_on_one_spot() -> None:
    """Nodes at one position, whose links have no length, are linked all the same."""
    low, high = np.array([0, 0, 1, 2]), np.array([1, 2, 2, 3])
    start, end, stands = teasar_edges(4, low, high, np.zeros(4), invalidation_nm=0.0)
    assert len(start) == 3
    assert len(np.unique(np.concatenate([start, end]))) == 4
    assert stands.tolist() == [0, 1, 2, 3]
