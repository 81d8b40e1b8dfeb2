"""Rooted trees: parents before children, paths to the root, ends of longest paths."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from crantdb.morphology.graph import distances
from crantdb.morphology.spanning import symmetric

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array


class Forest:
    """A tree or forest over nodes 0..n-1 that can be rooted at any of its nodes.

    Args:
        count: number of nodes.
        low: the smaller end of each edge; (low, high) must ascend. Where there are cycles, the search decides.
        high: the larger end.
    """

    def __init__(self, count: int, low: NDArray[np.int64], high: NDArray[np.int64]) -> None:
        self._count, self._low, self._high = count, low, high

    @cached_property
    def _matrix(self) -> csr_array:
        return symmetric(self._count, self._low, self._high, np.ones(len(self._low)))

    def search(self, roots: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the nodes in order of a search in breadth, neighbours ascending, and each node's parent.

        Args:
            roots: one node of each part, ascending.

        Returns:
            The node at each place, (n,), and the parent of each node (not place), (n,), -1 for a root.
        """
        from scipy.sparse.csgraph import breadth_first_order  # noqa: PLC0415 (takes a while to load)

        if len(roots) == 1:
            order, before = breadth_first_order(self._matrix, int(roots[0]), directed=True)
            before[roots[0]] = -1
            return order, before
        # One node above all roots makes one tree of them.
        low = np.concatenate([self._low, roots])
        high = np.concatenate([self._high, np.full(len(roots), self._count)])
        by_low = np.lexsort((high, low))
        matrix = symmetric(self._count + 1, low[by_low], high[by_low], np.ones(len(low)))
        order, before = breadth_first_order(matrix, self._count, directed=True)
        before = before[:-1]
        before[roots] = -1
        return order[1:], before

    def rooted(self, roots: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the nodes in order of the search and the place of each one's parent in it, -1 for a root."""
        order, before = self.search(roots)
        place = np.empty(self._count + 1, dtype=np.int64)
        place[order] = np.arange(self._count)
        place[-1] = -1  # what stands for "no parent" is also the last index
        return order, place[before[order]]

    def far_ends(self, roots: NDArray[np.int64], xyz: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the node farthest from each root along the links (the smallest among equals), roots' order.

        Args:
            roots: one node of each part, ascending.
            xyz: positions of the nodes in nm, (n, 3).
        """
        _, before = self.search(roots)
        parent = np.where(before < 0, np.arange(self._count), before)
        total, top = path_lengths(parent, distances(xyz, parent, np.arange(self._count)))
        if len(roots) == 1:
            return np.array([np.argmax(total)])
        ranking = np.lexsort((-total, top))
        ends: NDArray[np.int64] = ranking[np.unique(top[ranking], return_index=True)[1]]
        return ends


def path_lengths(
    parent: NDArray[np.int64], length: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the length of the path from each node to its root, and that root; in as many rounds as depth has bits.

    Args:
        parent: each node's parent; a root is its own.
        length: length of each node's link to its parent, 0 for a root.
    """
    at, total = parent, length
    while True:
        further = at.take(at)
        if (further == at).all():
            return total, at
        total = total + total.take(at)
        at = further
