"""The L2 graph of one neuron as arrays: ids in order, every edge once, lengths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crantdb.errors import BadArgument, NoSkeleton
from crantdb.ids import whole_ids

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class Graph:
    """An undirected graph over nodes 0..n-1, which stand for L2 ids in ascending order.

    Attributes:
        ids: int64 (n,), ascending.
        xyz: float64 (n, 3), nm; NaN where the L2 cache has nothing.
        radius: float64 (n,), nm; NaN where the L2 cache has nothing.
        low: int64 (e,), the smaller end of each edge; (low, high) ascend.
        high: int64 (e,), the other end.
    """

    ids: NDArray[np.int64]
    xyz: NDArray[np.float64]
    radius: NDArray[np.float64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]

    @property
    def n(self) -> int:
        """Number of nodes."""
        return len(self.ids)

    def lengths(self) -> NDArray[np.float64]:
        """Return the Euclidean length of each edge in nm; (e,)."""
        return distances(self.xyz, self.low, self.high)


def distances(
    xyz: NDArray[np.float64], start: NDArray[np.int64], end: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the Euclidean distances between pairs of rows of `xyz`; the same whichever end comes first."""
    step = xyz.take(start, axis=0)
    step -= xyz.take(end, axis=0)
    step *= step
    total = step[:, 0] + step[:, 1]
    total += step[:, 2]
    return np.sqrt(total, out=total)


def clean_graph(
    edges: ArrayLike, l2_ids: ArrayLike, points_nm: ArrayLike, max_dt_nm: ArrayLike | None = None
) -> Graph:
    """Return the graph in canonical form: whatever the order, direction and repetition of the input, the same.

    Args:
        edges: L2 ids, shape (e, 2), in any order and direction; repeated edges and self-loops are dropped.
        l2_ids: the neuron's L2 ids, shape (n,), in any order; a repeated one counts once (its first row).
        points_nm: representative positions, shape (n, 3); NaN where there is none.
        max_dt_nm: largest distances to boundary, shape (n,); NaN or 0 where there is none; None: nowhere.

    Raises:
        NoSkeleton: when there are no L2 ids, or an edge has an end that is not among them.
        BadArgument: when shapes disagree.
        NotAnId: for ids that are not integers.
    """
    ids = whole_ids(l2_ids)
    xyz = np.asarray(points_nm, dtype=np.float64)
    pairs = whole_ids(edges).reshape(-1, 2)
    radius = np.full(len(ids), np.nan) if max_dt_nm is None else np.asarray(max_dt_nm, dtype=np.float64)
    if ids.ndim != 1 or xyz.shape != (len(ids), 3) or radius.shape != ids.shape:
        msg = f"{ids.shape} L2 ids, {xyz.shape} points and {radius.shape} radii: give (n,), (n, 3) and (n,)"
        raise BadArgument(msg)
    if not len(ids):
        msg = "a neuron without L2 ids has no skeleton: check the root id and its L2 list"
        raise NoSkeleton(msg)
    if not (ids[1:] > ids[:-1]).all():
        ids, first = np.unique(ids, return_index=True)
        xyz, radius = xyz[first], radius[first]
    low, high = _edges(pairs, ids)
    return Graph(ids, xyz, radius, low, high)


def _edges(pairs: NDArray[np.int64], ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the ends of each edge once, as indices into `ids`, smaller first, ascending."""
    ends = [_index(np.ascontiguousarray(pairs[:, side]), ids) for side in (0, 1)]
    low, high = np.minimum(*ends), np.maximum(*ends)
    count = len(ids)
    key = low * count + high
    if not ((key[1:] > key[:-1]).all() and (low != high).all()):
        key = np.unique(key[low != high])
        low, high = np.divmod(key, count)
    return low, high


def _index(wanted: NDArray[np.int64], ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each id stands in the ascending `ids`."""
    at = np.searchsorted(ids, wanted)
    strange = ids.take(at, mode="clip") != wanted
    if strange.any():
        some = f"{int(strange.sum())} end(s) of edges, e.g. {int(wanted[strange][0])},"
        msg = f"{some} are not among the neuron's {len(ids)} L2 ids: list and graph are not of one root"
        raise NoSkeleton(msg)
    return at
