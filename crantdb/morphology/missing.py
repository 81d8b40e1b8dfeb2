"""L2 ids that the L2 cache does not know: placed among their neighbours, or left out and passed over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crantdb.errors import BadArgument, NoSkeleton
from crantdb.morphology.graph import Graph
from crantdb.morphology.spanning import parts_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crantdb.morphology.chunkgrid import ChunkGrid

_ROUNDS = 10
_ALL_PAIRS = 8


@dataclass(frozen=True, slots=True)
class Filled:
    """A graph in which every node has a position and a radius.

    Attributes:
        graph: the graph.
        member: for each node its place among the neuron's L2 ids, ascending.
        interpolated: which nodes got their position from neighbours, (n,).
        contracted: which edges pass over dropped ids, (e,).
        missing: number of L2 ids without a position.
    """

    graph: Graph
    member: NDArray[np.int64]
    interpolated: NDArray[np.bool_]
    contracted: NDArray[np.bool_]
    missing: int


def complete(graph: Graph, missing: str, grid: ChunkGrid | None) -> Filled:
    """Return the graph with a position and a radius at every node.

    Args:
        graph: positions may be NaN.
        missing: ``interpolate`` gives a node without position the mean of its neighbours, moved into its own
            chunk; nodes farther off follow from those in up to ten rounds, then from the nearest one that has a
            position; nodes of a part in which nothing is known are left out. ``drop`` leaves all of them out and
            links the neighbours of what is left out.
        grid: where chunks lie; needed for ``interpolate`` where something is missing.

    Raises:
        NoSkeleton: when no L2 id has a position.
        BadArgument: when the grid is needed and not given.
    """
    lost = np.zeros(graph.n, dtype=np.bool_)
    if not np.isfinite(graph.xyz.sum()):
        lost = ~np.isfinite(graph.xyz.sum(axis=1))
    count = int(lost.sum())
    if count == graph.n:
        msg = f"none of the neuron's {graph.n} L2 ids has a position in the L2 cache: try again once it has been filled"
        raise NoSkeleton(msg)
    none = np.zeros(graph.n, dtype=np.bool_)
    filled = Filled(graph, np.arange(graph.n), none, np.zeros(len(graph.low), dtype=np.bool_), count)
    if count and missing == "interpolate":
        if grid is None:
            msg = f"{count} L2 id(s) have no position: give the grid of chunks (ChunkGrid.from_info), or missing='drop'"
            raise BadArgument(msg)
        filled = _interpolated(filled, lost, grid)
    elif count:
        filled = _without(filled, lost)
    return _with_radii(filled)


def _interpolated(filled: Filled, lost: NDArray[np.bool_], grid: ChunkGrid) -> Filled:
    """Return the graph with positions for lost nodes; without those of parts in which nothing is known."""
    graph = filled.graph
    touching = lost[graph.low] | lost[graph.high]
    low, high = graph.low[touching], graph.high[touching]
    start, end = np.concatenate([low, high]), np.concatenate([high, low])
    wanting = lost[start]
    start, end = start[wanting], end[wanting]
    xyz, todo = graph.xyz.copy(), lost.copy()
    xyz[lost] = np.nan
    box = np.flatnonzero(lost)
    least, most = grid.bounds_nm(graph.ids[box])
    for _ in range(_ROUNDS):
        useful = todo[start] & ~todo[end]
        if not useful.any():
            break
        target, mean = _means(xyz, start[useful], end[useful])
        at = np.searchsorted(box, target)
        xyz[target] = np.clip(np.rint(mean), least[at], most[at])
        todo[target] = False
    if todo.any():
        _from_nearest(xyz, graph, grid)
        todo = np.isnan(xyz[:, 0])
    done = Graph(graph.ids, xyz, graph.radius, graph.low, graph.high)
    out = Filled(done, filled.member, lost, filled.contracted, filled.missing)
    return _without(out, todo) if todo.any() else out


def _means(
    xyz: NDArray[np.float64], start: NDArray[np.int64], end: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the nodes that edges start from, ascending, and the mean position of each one's ends."""
    count = np.bincount(start)
    target = np.flatnonzero(count)
    sums = [np.bincount(start, weights=xyz[end, axis])[target] for axis in range(3)]
    return target, np.stack(sums, axis=1) / count[target, None]


def _from_nearest(xyz: NDArray[np.float64], graph: Graph, grid: ChunkGrid) -> None:
    """Give nodes that still lack a position that of the nearest node, in hops, which has one."""
    from scipy.sparse.csgraph import dijkstra  # noqa: PLC0415 (takes a while to load)

    from crantdb.morphology.spanning import symmetric  # noqa: PLC0415 (only here)

    matrix = symmetric(graph.n, graph.low, graph.high, np.ones(len(graph.low)))
    known = np.flatnonzero(~np.isnan(xyz[:, 0]))
    hops, _, source = dijkstra(
        matrix, indices=known, min_only=True, return_predecessors=True, unweighted=True
    )
    target = np.flatnonzero(np.isnan(xyz[:, 0]) & np.isfinite(hops))
    xyz[target] = grid.inside(xyz[source[target]], graph.ids[target])


def _without(filled: Filled, lost: NDArray[np.bool_]) -> Filled:
    """Return the graph without lost nodes; the neighbours of each connected clump of them are linked."""
    graph = filled.graph
    start, end = _over_clumps(graph, lost)
    kept = ~(lost[graph.low] | lost[graph.high])
    place = np.cumsum(~lost) - 1
    count = int(place[-1]) + 1
    own = place[graph.low[kept]] * count + place[graph.high[kept]]
    over = place[np.minimum(start, end)] * count + place[np.maximum(start, end)]
    # The lowest bit says that dropped ids are passed over; of an edge told twice the graph's own comes first.
    key = np.concatenate([own * 2 + filled.contracted[kept], over * 2 + 1])
    key.sort()
    key = key[np.diff(key >> 1, prepend=-1) > 0]
    low, high = np.divmod(key >> 1, count)
    stays = ~lost
    smaller = Graph(graph.ids[stays], graph.xyz[stays], graph.radius[stays], low, high)
    passed_over = (key & 1).astype(np.bool_)
    return Filled(smaller, filled.member[stays], filled.interpolated[stays], passed_over, filled.missing)


def _over_clumps(graph: Graph, lost: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return links between the nodes around each clump: all pairs around small ones, else a chain."""
    low_lost, high_lost = lost[graph.low], lost[graph.high]
    inner = low_lost & high_lost
    low_lost, high_lost = low_lost & ~inner, high_lost & ~inner
    place = np.cumsum(lost) - 1
    clump = parts_of(int(place[-1]) + 1, place[graph.low[inner]], place[graph.high[inner]])
    inside = np.concatenate([graph.low[low_lost], graph.high[high_lost]])
    outside = np.concatenate([graph.high[low_lost], graph.low[high_lost]])
    pairs = clump[place[inside]] * graph.n + outside
    pairs.sort()
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]
    group, node = np.divmod(pairs, graph.n)
    size = np.bincount(group)[group] if len(group) else group
    small = size <= _ALL_PAIRS
    first, second = _all_pairs(group[small], node[small])
    one, other = _chains(group[~small], node[~small], graph.xyz)
    return np.concatenate([first, one]), np.concatenate([second, other])


def _all_pairs(
    group: NDArray[np.int64], node: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all pairs of nodes of one group; groups ascend."""
    first, second = [], []
    for step in range(1, _ALL_PAIRS):
        same = group[step:] == group[:-step]
        first.append(node[:-step][same])
        second.append(node[step:][same])
    return np.concatenate(first), np.concatenate(second)


def _chains(
    group: NDArray[np.int64], node: NDArray[np.int64], xyz: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return links between nodes of one group that follow each other along the axis on which they spread most."""
    first, second = [], []
    for each in np.unique(group):
        here = node[group == each]
        axis = int(np.argmax(np.ptp(xyz[here], axis=0)))
        here = here[np.argsort(xyz[here, axis], kind="stable")]
        first.append(here[:-1])
        second.append(here[1:])
    empty = np.empty(0, dtype=np.int64)
    return np.concatenate([empty, *first]), np.concatenate([empty, *second])


def _with_radii(filled: Filled) -> Filled:
    """Return the graph with a finite radius of at least 1 nm everywhere: the neighbours' mean where none is given."""
    graph = filled.graph
    if graph.radius.min() >= 1 and graph.radius.max() < np.inf:
        return filled
    good = np.isfinite(graph.radius) & (graph.radius > 0)
    start = np.concatenate([graph.low, graph.high])
    end = np.concatenate([graph.high, graph.low])
    useful = good[end] & ~good[start]
    start, end = start[useful], end[useful]
    count = np.bincount(start, minlength=graph.n)
    total = np.bincount(start, weights=graph.radius[end], minlength=graph.n)
    other = float(np.median(graph.radius[good])) if good.any() else 1.0
    radius = np.where(good, graph.radius, np.where(count > 0, total / np.maximum(count, 1), other))
    full = Graph(graph.ids, graph.xyz, np.maximum(np.rint(radius), 1.0), graph.low, graph.high)
    return Filled(full, filled.member, filled.interpolated, filled.contracted, filled.missing)
