"""From a complete graph to its tree, not yet rooted: gaps bridged, cycles broken by one of three methods."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from crantdb.morphology.graph import distances
from crantdb.morphology.rooting import Forest
from crantdb.morphology.spanning import bridges, parts_of, shortest_tree
from crantdb.morphology.teasar import teasar_edges
from crantdb.morphology.tree import NodeFlag

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crantdb.morphology.graph import Graph
    from crantdb.morphology.missing import Filled


@dataclass(frozen=True, slots=True)
class Links:
    """Edges of a graph: (low, high) ascend; kind says which are none of the L2 graph's.

    Attributes:
        low: the smaller end, (e,).
        high: the larger end, (e,).
        kind: 0, `NodeFlag.BRIDGE` or `NodeFlag.CONTRACTED`, (e,).
    """

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    kind: NDArray[np.uint8]

    def kind_of(self, start: NDArray[np.int64], end: NDArray[np.int64], count: int) -> NDArray[np.uint8]:
        """Return the kind of edges that are among these, given by their ends in any direction."""
        if not self.kind.any():
            return np.zeros(len(start), dtype=np.uint8)
        wanted = np.minimum(start, end) * count + np.maximum(start, end)
        return self.kind[np.searchsorted(self.low * count + self.high, wanted)]


@dataclass(frozen=True, eq=False)
class Tree:
    """A tree, or a forest where parts are left apart.

    Attributes:
        node: the graph's nodes that are nodes of the tree, ascending, (k,).
        low: smaller end of each edge, as place in `node`; (low, high) ascend.
        high: larger end.
        stands: for each of the graph's nodes the place in `node` that stands for it, (n,).
        links: all edges of which the tree's are some.
        parts: connected parts before gaps were bridged.
        bridges: links made across gaps.
        longest_bridge_nm: the longest of them.
        cycles: independent cycles of the graph.
    """

    node: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    stands: NDArray[np.int64]
    links: Links
    parts: int
    bridges: int
    longest_bridge_nm: float
    cycles: int

    @property
    def whole(self) -> bool:
        """Whether it is one tree."""
        return len(self.low) == len(self.node) - 1

    def of_nodes(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the rows of the graph's nodes that are nodes of the tree."""
        return values if len(self.node) == len(values) else values[self.node]

    @cached_property
    def forest(self) -> Forest:
        """The tree, to be rooted."""
        return Forest(len(self.node), self.low, self.high)

    @cached_property
    def part(self) -> NDArray[np.int64]:
        """The part of each node, (k,)."""
        return parts_of(len(self.node), self.low, self.high)


def tree_of(filled: Filled, method: str, *, heal: bool, invalidation_nm: float) -> Tree:
    """Return the tree of a complete graph.

    Args:
        filled: the graph, positions everywhere.
        method: ``mst``, ``teasar`` or ``bfs``.
        heal: whether parts are linked by the shortest links.
        invalidation_nm: for ``teasar``.
    """
    graph = filled.graph
    length = graph.lengths()
    kind = np.where(filled.contracted, np.uint8(NodeFlag.CONTRACTED), np.uint8(0))
    kept = shortest_tree(graph.n, graph.low, graph.high, length)
    parts = graph.n - len(kept)
    cycles = len(graph.low) - len(kept)
    links = Links(graph.low, graph.high, kind)
    if method == "mst":
        links = Links(graph.low[kept], graph.high[kept], kind[kept])
    made, longest = 0, 0.0
    if parts > 1 and heal:
        links, made, longest = _bridged(graph, links)
        length = distances(graph.xyz, links.low, links.high)
    everything = np.arange(graph.n)
    node, low, high, stands = everything, links.low, links.high, everything
    if method == "bfs":
        low, high = _breadth(graph.n, links)
    elif method == "teasar":
        node, low, high, stands = _teasar(graph.n, links, length, invalidation_nm)
    return Tree(node, low, high, stands, links, parts, made, longest, cycles)


def _bridged(graph: Graph, links: Links) -> tuple[Links, int, float]:
    """Return the edges with links across all gaps, how many were made, and the longest of them."""
    start, end = bridges(graph.xyz, parts_of(graph.n, links.low, links.high))
    longest = float(distances(graph.xyz, start, end).max())
    low = np.concatenate([links.low, np.minimum(start, end)])
    high = np.concatenate([links.high, np.maximum(start, end)])
    kind = np.concatenate([links.kind, np.full(len(start), NodeFlag.BRIDGE, dtype=np.uint8)])
    order = np.lexsort((high, low))
    return Links(low[order], high[order], kind[order]), len(start), longest


def _breadth(count: int, links: Links) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the edges of a search in breadth from the smallest node of each part."""
    part = parts_of(count, links.low, links.high)
    roots = np.unique(part, return_index=True)[1]
    _, before = Forest(count, links.low, links.high).search(np.sort(roots))
    child = np.flatnonzero(before >= 0)
    return _ascending(child, before[child].astype(np.int64))


def _teasar(
    count: int, links: Links, length: NDArray[np.float64], invalidation_nm: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the nodes on paths, the edges between them, and which of them stands for each node."""
    start, end, stands = teasar_edges(count, links.low, links.high, length, invalidation_nm=invalidation_nm)
    node = np.unique(np.concatenate([start, end, stands]))
    low, high = _ascending(np.searchsorted(node, start), np.searchsorted(node, end))
    return node, low, high, np.searchsorted(node, stands)


def _ascending(
    start: NDArray[np.int64], end: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return edges with the smaller end first, ascending."""
    low, high = np.minimum(start, end), np.maximum(start, end)
    order = np.lexsort((high, low))
    return low[order], high[order]
