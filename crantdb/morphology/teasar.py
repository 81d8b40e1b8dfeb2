"""TEASAR on the L2 graph, as CAVE's skeleton service does it: longest paths, each with its surroundings taken out."""

from __future__ import annotations

from dataclasses import dataclass
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
    part = parts_of(count, low, high)
    starts, ends, stands = [], [], np.arange(count)
    nearest = np.full(count, np.inf)
    for first in np.unique(part, return_index=True)[1].tolist():
        for path in _paths(matrix, first, invalidation_nm, nearest, stands):
            starts.append(path[:-1])
            ends.append(path[1:])
    empty = np.empty(0, dtype=np.int64)
    return np.concatenate([empty, *starts]), np.concatenate([empty, *ends]), stands


@dataclass(slots=True)
class _Walk:
    """One part of the graph while its paths are found.

    Attributes:
        matrix: the graph, both directions.
        from_root: distance of each node from the root, infinite outside the part.
        before: predecessor of each node on the way from the root.
        visited: nodes on paths, and the root.
        when: in which order they came.
    """

    matrix: csr_array
    from_root: NDArray[np.float64]
    before: NDArray[np.int32]
    visited: NDArray[np.bool_]
    when: NDArray[np.int64]

    def path(self, target: int) -> NDArray[np.int64]:
        """Return the shortest path from a target to the first node on an earlier path, both included."""
        from scipy.sparse.csgraph import dijkstra  # noqa: PLC0415 (takes a while to load)

        joint = target
        while not self.visited[joint]:
            joint = int(self.before[joint])
        limit = self.from_root[target] - self.from_root[joint]
        reach, predecessor = dijkstra(
            self.matrix, directed=True, indices=target, limit=limit, return_predecessors=True
        )
        ends = np.flatnonzero(self.visited & np.isfinite(reach))
        if not len(ends):  # the limit is a difference of sums, and rounding can hide the joint itself
            return self._down(target, self.before, joint)
        equal = ends[reach[ends] == reach[ends].min()]
        path = self._down(int(equal[np.argmin(self.when[equal])]), predecessor, target)[::-1]
        return path[: int(np.argmax(self.visited[path])) + 1]

    def add(self, fresh: NDArray[np.int64]) -> None:
        """Note nodes as visited, in their order."""
        self.when[fresh] = int(self.visited.sum()) + np.arange(len(fresh))
        self.visited[fresh] = True

    @staticmethod
    def _down(start: int, before: NDArray[np.int32], end: int) -> NDArray[np.int64]:
        """Return the nodes from a start back to an end, along predecessors."""
        path = [start]
        while path[-1] != end:
            path.append(int(before[path[-1]]))
        return np.array(path, dtype=np.int64)


def _paths(
    matrix: csr_array,
    start: int,
    invalidation_nm: float,
    nearest: NDArray[np.float64],
    stands: NDArray[np.int64],
) -> list[NDArray[np.int64]]:
    """Return the paths of the part of `start`; fills in which path node stands for each node."""
    from scipy.sparse.csgraph import dijkstra  # noqa: PLC0415 (takes a while to load)

    root, from_root, before = _far_point(matrix, start)
    count = len(from_root)
    walk = _Walk(matrix, from_root, before, np.zeros(count, np.bool_), np.zeros(count, np.int64))
    walk.add(np.array([root]))
    valid = np.isfinite(from_root)
    valid[root] = False
    # Targets from the farthest down; among equals the smallest node.
    targets = np.flatnonzero(valid)
    targets = targets[np.argsort(-from_root[targets], kind="stable")]
    paths: list[NDArray[np.int64]] = []
    for target in targets.tolist():
        if not valid[target]:
            continue
        path = walk.path(target)
        walk.add(path[:-1])
        paths.append(path)
        reach, _, source = dijkstra(
            matrix,
            directed=True,
            indices=path,
            limit=invalidation_nm,
            min_only=True,
            return_predecessors=True,
        )
        valid[np.isfinite(reach)] = False
        closer = reach < nearest
        nearest[closer] = reach[closer]
        stands[closer] = source[closer]
    return paths


def _far_point(matrix: csr_array, start: int) -> tuple[int, NDArray[np.float64], NDArray[np.int32]]:
    """Return an end of a longest shortest path, all distances from it and the predecessors on the way."""
    from scipy.sparse.csgraph import dijkstra  # noqa: PLC0415 (takes a while to load)

    span, root, at = -1.0, start, start
    distance, before = np.empty(0), np.empty(0, dtype=np.int32)
    while True:
        found, predecessor = dijkstra(matrix, directed=True, indices=at, return_predecessors=True)
        reachable = np.where(np.isfinite(found), found, -1.0)
        far = int(np.argmax(reachable))
        if reachable[far] <= span:
            return root, distance, before
        span, root, distance, before = float(reachable[far]), at, found, predecessor
        at = far
