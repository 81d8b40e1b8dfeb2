"""Rooted trees: parents before children, and where the root is when nobody says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crantdb.morphology.spanning import symmetric

if TYPE_CHECKING:
    from numpy.typing import NDArray


def oriented(
    count: int, low: NDArray[np.int64], high: NDArray[np.int64], roots: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the nodes in order of a search in breadth from the roots, and each one's parent in that order.

    Args:
        count: number of nodes.
        low: the smaller end of each edge; (low, high) must ascend. Where there are cycles, the search decides.
        high: the larger end.
        roots: one node of each part, ascending.

    Returns:
        The node at each place, (n,), and the place of its parent, (n,), -1 for a root.
    """
    from scipy.sparse.csgraph import breadth_first_order  # noqa: PLC0415 (takes a while to load)

    if len(roots) > 1:  # one node above all roots makes one tree of them
        low, high = np.concatenate([low, roots]), np.concatenate([high, np.full(len(roots), count)])
        by_low = np.lexsort((high, low))
        low, high = low[by_low], high[by_low]
    over = len(roots) > 1
    matrix = symmetric(count + over, low, high, np.ones(len(low)))
    order, before = breadth_first_order(
        matrix, count if over else int(roots[0]), directed=True, return_predecessors=True
    )
    order = order[int(over) :].astype(np.int64)
    place = np.full(count + 1, -1, dtype=np.int64)
    place[order] = np.arange(count)
    return order, place[np.where(before[order] < 0, count, before[order])]


def path_lengths(
    parent: NDArray[np.int64], length: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the length of the path from each place to its root, and that root; in as many rounds as depth has bits.

    Args:
        parent: place of each node's parent, -1 for a root.
        length: length of each place's link to its parent, 0 for a root.
    """
    at = np.where(parent < 0, np.arange(len(parent)), parent)
    total = length.copy()
    while True:
        further = at[at]
        if np.array_equal(further, at):
            return total, at
        total += total[at]
        at = further


def part_ends(
    order: NDArray[np.int64], parent: NDArray[np.int64], length: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return, for each root, the node farthest from it (the smallest node among equals), in order of the roots.

    Args:
        order: the node at each place.
        parent: place of each node's parent, -1 for a root.
        length: length of each place's link to its parent.
    """
    total, top = path_lengths(parent, length)
    ranking = np.lexsort((order, -total, top))
    _, first = np.unique(top[ranking], return_index=True)
    return order[ranking[first]]
