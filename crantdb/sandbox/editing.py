"""Edits made one after another: what turns a first segmentation into a `History`."""

from __future__ import annotations

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
        self._touching = _Edges(np.array([*self._since], dtype=np.int64))
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

    def roots(self) -> NDArray[np.int64]:
        """Return the root of every piece now."""
        return self._current.copy()

    def merge(self, pair: tuple[int, int], time_us: int) -> None:
        """Join two pieces of different objects."""
        self._since[pair] = len(self._operations) + 1
        self._touching.add(pair)
        self._finish("merge", pair, time_us)

    def split(self, pair: tuple[int, int], time_us: int) -> None:
        """Part two pieces that touch."""
        epoch = len(self._operations) + 1
        self._past.append(Edge(pair, self._since.pop(pair), epoch))
        self._touching.drop(pair)
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
        labels = self._touching.objects(np.arange(len(self._current)))
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
        around = np.flatnonzero(np.isin(self._current, old))
        labels = self._touching.objects(around)
        touched = tuple(dict.fromkeys(labels[np.searchsorted(around, pair)].tolist()))
        new = tuple(int(root) for root in self._new_roots(len(touched)))
        for root, label in zip(new, touched, strict=True):
            members = around[labels == label]
            self._current[members] = root
            self._roots[root] = Root(root, time_us, None, old, members, epoch)
            self._root_changes.append((members, np.full(len(members), root), epoch))
        for root in old:
            was = self._roots[root]
            self._roots[root] = Root(was.id, was.born_us, time_us, was.former, was.pieces, was.epoch)
        self._l2_changes.append((np.array(pair), self._new_l2(np.array(pair), epoch), epoch))
        self._operations.append(Operation(epoch, time_us, kind, pair, old, new))

    def _new_roots(self, count: int) -> NDArray[np.int64]:
        """Return fresh root ids, counted up from 1."""
        numbers = np.arange(self._made + 1, self._made + count + 1)
        self._made += count
        return self._grid.layout.make(self._grid.layers, np.zeros((count, 3), dtype=np.int64), numbers)

    def _new_l2(self, pair: NDArray[np.int64], epoch: int) -> NDArray[np.int64]:
        """Return fresh L2 ids in the chunks of two pieces; segment numbers count up with the edits."""
        numbers = (1 << 16) + 2 * epoch + np.arange(2)
        return self._grid.layout.make(2, self._pieces.piece_chunk[pair], numbers)


class _Edges:
    """Pairs of pieces that touch, added to and dropped from one by one.

    Args:
        pairs: those of the beginning, shape (e, 2).
    """

    def __init__(self, pairs: NDArray[np.int64]) -> None:
        self._ends = np.array(pairs, dtype=np.int64).reshape(-1, 2)
        self._row = {(int(a), int(b)): row for row, (a, b) in enumerate(self._ends)}

    def add(self, pair: tuple[int, int]) -> None:
        """Join two pieces."""
        if len(self._row) == len(self._ends):
            self._ends = np.concatenate([self._ends, np.full((len(self._ends) + 16, 2), -1, dtype=np.int64)])
        self._row[pair] = len(self._row)
        self._ends[self._row[pair]] = pair

    def drop(self, pair: tuple[int, int]) -> None:
        """Part two pieces; the last pair takes their place."""
        row, last = self._row.pop(pair), len(self._row)
        if row != last:
            moved = self._ends[last]
            self._ends[row] = moved
            self._row[int(moved[0]), int(moved[1])] = row

    def objects(self, pieces: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the object of each of some pieces (ascending, whole objects), numbered from 0."""
        ends = self._ends[: len(self._row)]
        place = np.minimum(np.searchsorted(pieces, ends), len(pieces) - 1)
        place = place[pieces[place[:, 0]] == ends[:, 0]]
        graph = coo_matrix(
            (np.ones(len(place), dtype=np.int8), (place[:, 0], place[:, 1])), (len(pieces),) * 2
        )
        _, labels = connected_components(graph, directed=False)
        return np.asarray(labels, dtype=np.int64)


def _timeline(changes: list[tuple[NDArray[np.int64], NDArray[np.int64], int]], stride: int) -> Timeline:
    """Return changes (pieces, values, epoch) as a timeline."""
    keys = np.concatenate([pieces * stride + epoch for pieces, _, epoch in changes])
    values = np.concatenate([values for _, values, _ in changes])
    order = np.argsort(keys)
    return Timeline(keys[order], values[order], stride)
