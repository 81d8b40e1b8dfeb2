"""Spanning trees: the shortest one with stated ties, parts of a graph, and links across gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array


def symmetric(
    count: int, low: NDArray[np.int64], high: NDArray[np.int64], weight: NDArray[np.float64]
) -> csr_array:
    """Return the matrix of an undirected graph, both directions, neighbours of each node ascending.

    Args:
        count: number of nodes.
        low: the smaller end of each edge; (low, high) must ascend.
        high: the larger end.
        weight: weight of each edge; must not be 0.
    """
    from scipy.sparse import csr_array  # noqa: PLC0415 (takes a while to load)

    first, last = low.astype(np.int32), high.astype(np.int32)
    # Entries of a row keep their order: smaller neighbours first, which ascend, then larger ones, which ascend too.
    rows, columns = np.concatenate([last, first]), np.concatenate([first, last])
    return csr_array((np.concatenate([weight, weight]), (rows, columns)), shape=(count, count))


def shortest_tree(
    count: int, low: NDArray[np.int64], high: NDArray[np.int64], length: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the edges of the minimum spanning tree (forest), as ascending indices.

    Equal lengths are decided by the smaller, then by the larger end, so that there is one answer.

    Args:
        count: number of nodes.
        low: the smaller end of each edge; (low, high) must ascend.
        high: the larger end.
        length: length of each edge; infinite ones come last.
    """
    from scipy.sparse.csgraph import minimum_spanning_tree  # noqa: PLC0415 (takes a while to load)

    order = _shortest_first(length)
    rank = np.empty(len(order))
    rank[order] = np.arange(1, len(order) + 1)
    kept = minimum_spanning_tree(_upper(count, low, high, rank), overwrite=True).data
    chosen = np.zeros(len(order), dtype=np.bool_)
    chosen[order[kept.astype(np.int64) - 1]] = True
    return np.flatnonzero(chosen)


def _shortest_first(length: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the order of lengths, equal ones as they stand; L2 positions are whole, which sorts faster."""
    square = np.rint(length * length)
    bits = len(length).bit_length()
    if not len(length) or square.max() >= 2.0 ** min(52, 62 - bits) or (np.sqrt(square) != length).any():
        return np.argsort(length, kind="stable")
    # Sorted as numbers, each with its place in the low bits.
    key = square.astype(np.int64) << bits
    key |= np.arange(len(key))
    key.sort()
    key &= (1 << bits) - 1
    return key


def parts_of(count: int, low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the connected part of each node, parts numbered in order of their smallest nodes; (n,).

    Args:
        count: number of nodes.
        low: the smaller end of each edge; must ascend.
        high: the larger end.
    """
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 (takes a while to load)

    part: NDArray[np.int64]
    _, part = connected_components(_upper(count, low, high, np.ones(len(low))), directed=False)
    return part.astype(np.int64)


def _upper(
    count: int, low: NDArray[np.int64], high: NDArray[np.int64], weight: NDArray[np.float64]
) -> csr_array:
    """Return the matrix of an undirected graph, each edge at its smaller end alone; `low` must ascend."""
    from scipy.sparse import csr_array  # noqa: PLC0415 (takes a while to load)

    starts = np.zeros(count + 1, dtype=np.int32)
    np.cumsum(np.bincount(low, minlength=count), out=starts[1:])
    return csr_array((weight, high.astype(np.int32), starts), shape=(count, count))


def bridges(xyz: NDArray[np.float64], part: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the shortest links that join all parts into one: pairs of nodes, (b,) and (b,).

    From the part with the most nodes on, the part that is nearest to what is joined comes next. Of equally
    short links the one of the smallest node that is still apart is taken.

    Args:
        xyz: finite positions in nm, shape (n, 3).
        part: the part of each node.
    """
    from scipy.spatial import cKDTree  # noqa: PLC0415 (takes a while to load)

    sizes = np.bincount(part)
    joined = np.flatnonzero(part == np.argmax(sizes))
    apart = np.flatnonzero(part != np.argmax(sizes))
    best = np.full(len(apart), np.inf)
    link = np.full(len(apart), -1)
    starts, ends = [], []
    while len(apart):
        gap, near = cKDTree(xyz[joined]).query(xyz[apart], distance_upper_bound=best.max())
        closer = gap < best
        best[closer], link[closer] = gap[closer], joined[near[closer]]
        at = int(np.argmin(best))
        starts.append(int(link[at]))
        ends.append(int(apart[at]))
        here = part[apart] == part[apart[at]]
        joined, apart, best, link = apart[here], apart[~here], best[~here], link[~here]
    return np.array(starts, dtype=np.int64), np.array(ends, dtype=np.int64)
