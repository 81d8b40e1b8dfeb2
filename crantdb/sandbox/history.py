"""The segmentation's history: which root a supervoxel had at which moment, after which edit.

The one truth behind the chunkedgraph and the root ids of every table. An edit joins two pieces or parts
them; every object it touches gets a new root id, and the two pieces new L2 ids, as in PyChunkedGraph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from crantdb.sandbox.chunks import Grid, Pieces


@dataclass(frozen=True, slots=True)
class Operation:
    """One edit.

    Attributes:
        number: counted from 1.
        time_us: when, in µs since 1970.
        kind: merge or split.
        pieces: the two pieces joined or parted.
        old_roots: the roots it retired.
        new_roots: the roots it created.
    """

    number: int
    time_us: int
    kind: Literal["merge", "split"]
    pieces: tuple[int, int]
    old_roots: tuple[int, ...]
    new_roots: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Root:
    """One root id's life.

    Attributes:
        id: the root id.
        born_us: when it was created, in µs since 1970.
        retired_us: when an edit replaced it; None while it is the latest.
        former: the roots it was made of; none before the first edit.
        pieces: its pieces, ascending.
        epoch: how many edits had been made when it was created, itself included.
    """

    id: int
    born_us: int
    retired_us: int | None
    former: tuple[int, ...]
    pieces: NDArray[np.int64]
    epoch: int

    def is_latest(self, at_us: int) -> bool:
        """Return whether the root stood at a moment."""
        return self.born_us <= at_us and (self.retired_us is None or self.retired_us > at_us)


@dataclass(frozen=True, slots=True)
class Timeline:
    """A value for each piece that changes with the edits.

    Attributes:
        keys: piece * stride + the epoch from which the value holds, ascending.
        values: the values.
        stride: one more than the number of edits.
    """

    keys: NDArray[np.int64]
    values: NDArray[np.int64]
    stride: int

    def at(self, pieces: NDArray[np.int64], epoch: NDArray[np.int64] | int) -> NDArray[np.int64]:
        """Return the values of pieces after the given number of edits."""
        return self.values[np.searchsorted(self.keys, pieces * self.stride + epoch, side="right") - 1]


@dataclass(frozen=True, slots=True)
class Edge:
    """Two pieces that touch, from one epoch up to (not including) another; None: to the end."""

    pieces: tuple[int, int]
    since: int
    until: int | None


@dataclass(frozen=True, slots=True)
class History:
    """Every root of every supervoxel at every moment.

    Attributes:
        grid: the chunk grid.
        pieces: what is edited.
        times_us: the moments of the edits, ascending, in µs since 1970.
        operations: the edits.
        roots: every root id there ever was.
        root_of: root id of each piece over time.
        l2_of: L2 id of each piece over time.
        edges: which pieces touch, and when.
    """

    grid: Grid
    pieces: Pieces
    times_us: NDArray[np.int64]
    operations: tuple[Operation, ...]
    roots: Mapping[int, Root]
    root_of: Timeline
    l2_of: Timeline
    edges: tuple[Edge, ...]

    def epoch(self, at_us: int) -> int:
        """Return how many edits had been made at a moment, one of that very moment included."""
        return int(np.searchsorted(self.times_us, at_us, side="right"))

    def roots_at(self, ids: ArrayLike, at_us: int) -> NDArray[np.int64]:
        """Return the root of each supervoxel or L2 id at a moment; a root id's is itself, any other's 0.

        An L2 id that an edit has replaced keeps the last root it had, as in the chunkedgraph.
        """
        nodes = np.asarray(ids, dtype=np.int64)
        piece, last = self._locate(nodes)
        found = piece >= 0
        roots = self.root_of.at(np.maximum(piece, 0), np.minimum(last, self.epoch(at_us)))
        out = np.where(found, roots, 0)
        return np.where(np.isin(nodes, np.fromiter(self.roots, dtype=np.int64)), nodes, out)

    def l2_at(self, supervoxels: ArrayLike, at_us: int) -> NDArray[np.int64]:
        """Return the L2 id of each supervoxel at a moment; 0 for an id that is no supervoxel."""
        piece, _ = self._locate(np.asarray(supervoxels, dtype=np.int64))
        return np.where(piece >= 0, self.l2_of.at(np.maximum(piece, 0), self.epoch(at_us)), 0)

    def leaves(self, root: Root) -> NDArray[np.int64]:
        """Return a root's supervoxels, ascending."""
        return self.pieces.supervoxels[np.isin(self.pieces.supervoxel_piece, root.pieces)]

    def l2_leaves(self, root: Root) -> NDArray[np.int64]:
        """Return a root's L2 ids, in the order of its pieces."""
        return self.l2_of.at(root.pieces, root.epoch)

    def created_between(self, past_us: int, future_us: int) -> tuple[Root, ...]:
        """Return the roots that edits created after one moment, up to and including another."""
        made = (root for op in self.operations for root in op.new_roots if past_us < op.time_us <= future_us)
        return tuple(self.roots[root] for root in made)

    def _locate(self, nodes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the piece of each supervoxel or L2 id, -1 for others, and the last epoch it was in use."""
        end = len(self.times_us)
        piece, hit = _look_up(self.pieces.supervoxels, self.pieces.supervoxel_piece, nodes)
        order = np.argsort(self.l2_of.values, kind="stable")
        entry, is_l2 = _look_up(self.l2_of.values[order], order, nodes)
        owner = self.l2_of.keys // self.l2_of.stride
        since = self.l2_of.keys % self.l2_of.stride
        ends = np.where(np.r_[owner[1:] == owner[:-1], False], np.r_[since[1:], 0] - 1, end)
        piece = np.where(hit, piece, np.where(is_l2, owner[entry], -1))
        return piece, np.where(is_l2 & ~hit, ends[entry], end)


def _look_up(
    keys: NDArray[np.int64], values: NDArray[np.int64], wanted: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the value of each wanted key (ascending keys), and whether it is there."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return values[place], keys[place] == wanted
