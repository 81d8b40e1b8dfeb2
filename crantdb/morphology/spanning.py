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

    degree = np.bincount(low, minlength=count)
    smaller = np.bincount(high, minlength=count)
    starts = np.zeros(count + 1, dtype=np.int32)
    np.cumsum(degree + smaller, out=starts[1:])
    columns = np.empty(2 * len(low), dtype=np.int32)
    values = np.empty(2 * len(low))
    # Smaller neighbours come first in a row: edges sorted by (high, low). Larger ones follow: the edges' own order.
    order = _order(high)
    first = _places(starts, smaller, 0)
    columns[first] = low[order]
    values[first] = weight[order]
    rest = _places(starts, degree, smaller)
    columns[rest] = high
    values[rest] = weight
    return csr_array((values, columns, starts), shape=(count, count))


def _places(
    starts: NDArray[np.int32], sizes: NDArray[np.int64], skip: NDArray[np.int64] | int
) -> NDArray[np.int64]:
    """Return the places of runs of the given sizes, one a row, each `skip` places after its row's start."""
    ends = np.cumsum(sizes)
    shift: NDArray[np.int64] = np.repeat(starts[:-1] + skip - (ends - sizes), sizes)
    return np.arange(len(shift)) + shift


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

    order = _ascending(length)
    rank = np.empty(len(order))
    rank[order] = np.arange(1, len(order) + 1)
    kept = minimum_spanning_tree(_upper(count, low, high, rank), overwrite=True).data
    chosen = np.zeros(len(order), dtype=np.bool_)
    chosen[order[kept.astype(np.int64) - 1]] = True
    return np.flatnonzero(chosen)


def _ascending(length: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the order of lengths, equal ones as they stand; L2 positions are whole, which sorts faster."""
    square = np.rint(length * length)
    if len(length) and square.max() < 2.0**52 and (np.sqrt(square) == length).all():
        return _order(square.astype(np.int64))
    return np.argsort(length, kind="stable")


def _order(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the stable order of whole numbers from 0 on: sorted with their places in the low bits, where they fit."""
    bits = len(values).bit_length()
    if len(values) and int(values.max()) >= 1 << (62 - bits):
        return np.argsort(values, kind="stable")
    key = values << bits
    key |= np.arange(len(values))
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
