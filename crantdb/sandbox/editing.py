"""Edits made one after another: what turns a first segmentation into a `History`."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from crantdb.sandbox.history import Edge, History, Operation, Root, Timeline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crantdb.sandbox.chunks import Grid, Pieces

# Before any edit: the ingest of the segmentation, 2026-01-01.
INGEST_US = 1_767_225_600_000_000


class Editor:
    """A segmentation being edited; ask for its `history` at the end.

    Args:
        pieces: what is edited.
        edges: the pairs of pieces that touch at the beginning, shape (e, 2).
        grid: the chunk grid.
    """

    def __init__(self, pieces: Pieces, edges: NDArray[np.int64], grid: Grid) -> None:
        self._pieces = pieces
        self._grid = grid
        self._since: dict[tuple[int, int], int] = {(int(a), int(b)): 0 for a, b in edges}
        self._past: list[Edge] = []
        self._operations: list[Operation] = []
        self._roots: dict[int, Root] = {}
        self._made = 0
        self._current = np.zeros(len(pieces.piece_l2), dtype=np.int64)
        self._root_changes: list[tuple[NDArray[np.int64], NDArray[np.int64], int]] = []
        self._l2_changes = [(np.arange(len(self._current)), pieces.piece_l2, 0)]
        self._ingest()

    def root_of(self, piece: int) -> int:
        """Return the root a piece has now."""
        return int(self._current[piece])

    def merge(self, pair: tuple[int, int], time_us: int) -> None:
        """Join two pieces of different objects."""
        self._since[pair] = len(self._operations) + 1
        self._finish("merge", pair, time_us)

    def split(self, pair: tuple[int, int], time_us: int) -> None:
        """Part two pieces that touch."""
        epoch = len(self._operations) + 1
        self._past.append(Edge(pair, self._since.pop(pair), epoch))
        self._finish("split", pair, time_us)

    def history(self) -> History:
        """Return everything that has happened."""
        stride = len(self._operations) + 1
        still = [Edge(pair, since, None) for pair, since in self._since.items()]
        return History(
            grid=self._grid,
            pieces=self._pieces,
            times_us=np.array([op.time_us for op in self._operations], dtype=np.int64),
            operations=tuple(self._operations),
            roots=self._roots,
            root_of=_timeline(self._root_changes, stride),
            l2_of=_timeline(self._l2_changes, stride),
            edges=(*self._past, *still),
        )

    def _ingest(self) -> None:
        """Give every object of the beginning its first root id."""
        labels = self._labels()
        ids = self._new_roots(int(labels.max()) + 1)
        self._current = ids[labels]
        order = np.argsort(labels, kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
        for root, members in zip(ids, groups, strict=True):
            self._roots[int(root)] = Root(int(root), INGEST_US, None, (), members, 0)
        self._root_changes.append((np.arange(len(labels)), self._current.copy(), 0))

    def _finish(self, kind: Literal["merge", "split"], pair: tuple[int, int], time_us: int) -> None:
        """Give new ids to what an edit touched, and write it down."""
        epoch = len(self._operations) + 1
        old = tuple(dict.fromkeys(int(self._current[piece]) for piece in pair))
        labels = self._labels()
        touched = tuple(dict.fromkeys(int(labels[piece]) for piece in pair))
        new = tuple(int(root) for root in self._new_roots(len(touched)))
        for root, label in zip(new, touched, strict=True):
            members = np.flatnonzero(labels == label)
            self._current[members] = root
            self._roots[root] = Root(root, time_us, None, old, members, epoch)
            self._root_changes.append((members, np.full(len(members), root), epoch))
        for root in old:
            was = self._roots[root]
            self._roots[root] = Root(was.id, was.born_us, time_us, was.former, was.pieces, was.epoch)
        self._l2_changes.append((np.array(pair), self._new_l2(np.array(pair), epoch), epoch))
        self._operations.append(Operation(epoch, time_us, kind, pair, old, new))

    def _labels(self) -> NDArray[np.int64]:
        """Return the object of each piece, numbered from 0."""
        edges = np.fromiter(itertools.chain.from_iterable(self._since), dtype=np.int64).reshape(-1, 2)
        count = len(self._current)
        graph = coo_matrix((np.ones(len(edges), dtype=np.int8), (edges[:, 0], edges[:, 1])), (count, count))
        _, labels = connected_components(graph, directed=False)
        return np.asarray(labels, dtype=np.int64)

    def _new_roots(self, count: int) -> NDArray[np.int64]:
        """Return fresh root ids, counted up from 1."""
        numbers = np.arange(self._made + 1, self._made + count + 1)
        self._made += count
        return self._grid.layout.make(self._grid.layers, np.zeros((count, 3), dtype=np.int64), numbers)

    def _new_l2(self, pair: NDArray[np.int64], epoch: int) -> NDArray[np.int64]:
        """Return fresh L2 ids in the chunks of two pieces; segment numbers count up with the edits."""
        numbers = (1 << 16) + 2 * epoch + np.arange(2)
        return self._grid.layout.make(2, self._pieces.piece_chunk[pair], numbers)


def _timeline(changes: list[tuple[NDArray[np.int64], NDArray[np.int64], int]], stride: int) -> Timeline:
    """Return changes (pieces, values, epoch) as a timeline."""
    keys = np.concatenate([pieces * stride + epoch for pieces, _, epoch in changes])
    values = np.concatenate([values for _, values, _ in changes])
    order = np.argsort(keys)
    return Timeline(keys[order], values[order], stride)
