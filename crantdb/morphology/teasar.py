"""TEASAR on the L2 graph, as CAVE's skeleton service does it: longest paths, each with its surroundings taken out."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from crantdb.morphology.spanning import parts_of, symmetric

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

INVALIDATION_NM = 7500.0


def teasar_edges(
    count: int,
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    length: NDArray[np.float64],
    *,
    invalidation_nm: float = INVALIDATION_NM,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the edges of the paths (starts, ends) and, for each node, the node on a path that stands for it.

    Args:
        count: number of nodes.
        low: the smaller end of each edge; (low, high) must ascend.
        high: the larger end.
        length: lengths of the edges in nm; they are rounded to float32, as the service has them.
        invalidation_nm: nodes within this distance of a path, along the graph, need no path of their own.
    """
    # A length of 0 would be no edge at all; the least positive number is one that changes no sum.
    weight = np.maximum(length.astype(np.float32).astype(np.float64), np.finfo(np.float64).tiny)
    matrix = symmetric(count, low, high, weight)
    walk = _Walk(matrix, invalidation_nm)
    starts, ends = [], []
    for first in np.unique(parts_of(count, low, high), return_index=True)[1].tolist():
        for path in walk.paths(first):
            starts.append(path[:-1])
            ends.append(path[1:])
    empty = np.empty(0, dtype=np.int64)
    return np.concatenate([empty, *starts]), np.concatenate([empty, *ends]), np.array(walk.stands)


class _Walk:
    """A graph while its paths are found, in plain lists: the searches are short, and arrays cost more than they save.

    Args:
        matrix: the graph, both directions.
        invalidation_nm: how far along the graph a path stands for its surroundings.
    """

    def __init__(self, matrix: csr_array, invalidation_nm: float) -> None:
        self._matrix, self._limit = matrix, invalidation_nm
        starts, ends, weights = matrix.indptr.tolist(), matrix.indices.tolist(), matrix.data.tolist()
        self._near = [
            list(zip(ends[one:other], weights[one:other], strict=True)) for one, other in pairwise(starts)
        ]
        self._distance = [float("inf")] * len(self._near)
        """Of each node to the nearest path."""
        self.stands = list(range(len(self._near)))
        """The path node nearest to each node."""
        self._when: dict[int, int] = {}
        """The nodes on paths, and in which order they came."""

    def paths(self, start: int) -> list[NDArray[np.int64]]:
        """Return the paths of the part of `start`, from their targets to where they meet an earlier one."""
        root, from_root = _far_point(self._matrix, start)
        self._when[root] = len(self._when)
        # Targets from the farthest down; among equals the smallest node.
        targets = np.flatnonzero(np.isfinite(from_root))
        targets = targets[np.argsort(-from_root[targets], kind="stable")]
        found = []
        for target in targets.tolist():
            if target == root or self._distance[target] <= self._limit:
                continue
            path = self._to_visited(target)
            for node in path[:-1]:
                self._when[node] = len(self._when)
            self._invalidate(path)
            found.append(np.array(path, dtype=np.int64))
        return found

    def _to_visited(self, target: int) -> list[int]:
        """Return the shortest path from a target to a node on an earlier path (the first that came among equals)."""
        best, before, heap = {target: 0.0}, {target: target}, [(0.0, target)]
        end, reach = -1, float("inf")
        while heap and heap[0][0] <= reach:
            distance, node = heappop(heap)
            if distance > best[node]:
                continue
            if node in self._when:
                if end < 0 or self._when[node] < self._when[end]:
                    end, reach = node, distance
                continue
            for other, weight in self._near[node]:
                further = distance + weight
                if further < best.get(other, float("inf")):
                    best[other], before[other] = further, node
                    heappush(heap, (further, other))
        path = [end]
        while path[-1] != target:
            path.append(before[path[-1]])
        return path[::-1]

    def _invalidate(self, path: list[int]) -> None:
        """Note for the nodes around a path that it is the nearest, where it is.

        A node that is no nearer to this path than to an earlier one is not searched beyond: from there the earlier
        search went at least as far.
        """
        heap = [(0.0, node) for node in sorted(path) if self._distance[node] > 0]
        for _, node in heap:
            self._distance[node], self.stands[node] = 0.0, node
        while heap:
            distance, node = heappop(heap)
            if distance > self._distance[node]:
                continue
            for other, weight in self._near[node]:
                further = distance + weight
                if further < self._distance[other] and further <= self._limit:
                    self._distance[other], self.stands[other] = further, self.stands[node]
                    heappush(heap, (further, other))


def _far_point(matrix: csr_array, start: int) -> tuple[int, NDArray[np.float64]]:
    """Return an end of a longest shortest path and all distances from it."""
    from scipy.sparse.csgraph import dijkstra  # noqa: PLC0415 (takes a while to load)

    span, root, at = -1.0, start, start
    distance = np.empty(0)
    while True:
        found = dijkstra(matrix, directed=True, indices=at)
        reachable = np.where(np.isfinite(found), found, -1.0)
        far = int(np.argmax(reachable))
        if reachable[far] <= span:
            return root, distance
        span, root, distance = float(reachable[far]), at, found
        at = far
