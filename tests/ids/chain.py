"""A datastack of many versions whose segmentation is edited at random between them, and its truth."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from crantdb.sandbox import chunks, labels, morphology
from crantdb.sandbox import synapses as of_synapses
from crantdb.sandbox.brain import Brain
from crantdb.sandbox.editing import Editor
from crantdb.sandbox.given import Datastack, Version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from crantdb.sandbox.annotations import LiveTable
    from crantdb.sandbox.chunks import Pieces
    from crantdb.sandbox.history import History

FIRST = datetime(2026, 2, 1, 7, 5, 18, 84051, tzinfo=UTC)
SYNAPSES = "synapses_v2"


def moment(version: int) -> datetime:
    """Return the moment of a version: a day and some µs after the one before."""
    return FIRST + timedelta(days=version, microseconds=137 * version)


def micros(at: datetime) -> int:
    """Return a moment in µs since 1970."""
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def chain(
    seed: int = 1, *, neurons: int = 24, synapses: int = 6000, versions: int = 10, edits: int = 120
) -> Datastack:
    """Return a datastack of versions 1 to `versions`, with so many random edits before the first and between any two."""
    rngs = [np.random.default_rng([seed, part]) for part in range(4)]
    grown = morphology.population(morphology.example_skeletons(), neurons, rngs[0])
    shapes = (*grown, *morphology.twigs(grown, 2 * neurons, rngs[0]))
    grid = chunks.Grid()
    pieces = chunks.cut(shapes, grid, rngs[1])
    moments = [moment(number) for number in range(versions + 2)]
    history = edited(pieces, grid, [micros(at) for at in moments], [edits] * (versions + 1), rngs[2])
    brain = Brain(pieces, shapes, neurons, history)
    tables = live_tables(brain, synapses, rngs[3])
    frozen = tuple(_frozen(number, tables, history) for number in range(1, versions + 1))
    return Datastack(
        "chain_ant", frozen, chunkedgraph=history, synapse_table=SYNAPSES, soma_table="nuclei_v1"
    )


def live_tables(brain: Brain, synapses: int, rng: np.random.Generator) -> tuple[LiveTable, ...]:
    """Return the live tables: synapses, nuclei, cell types, tags."""
    return (
        of_synapses.synapses(brain, synapses, 1, rng),
        labels.nuclei(brain, rng),
        labels.cell_types(brain, rng),
        labels.tags(brain, "bound_tags", 200, rng),
    )


def _frozen(number: int, tables: Sequence[LiveTable], history: History) -> Version:
    """Return a version with what it froze."""
    at = moment(number)
    made = tuple(table.freeze(history, version=number, at_us=micros(at), is_merged=True) for table in tables)
    return Version(number, at, tables=made)


def edited(
    pieces: Pieces,
    grid: chunks.Grid,
    moments_us: Sequence[int],
    edits: Sequence[int],
    rng: np.random.Generator,
) -> History:
    """Return the history of random merges, splits, and merges that are followed by a split elsewhere.

    Args:
        pieces: what is edited.
        grid: the chunk grid.
        moments_us: moments, in µs since 1970.
        edits: how many edits there are between each moment and the next.
        rng: chance.
    """
    editor = Editor(pieces, pieces.edges, grid)
    edges = [(int(a), int(b)) for a, b in pieces.edges]
    for (start, end), count in zip(itertools.pairwise(moments_us), edits, strict=True):
        step = (end - start) // (count + 1)
        for turn in range(1, count + 1):
            at = (start + turn * step) // 1000 * 1000  # the chunkedgraph keeps milliseconds
            if rng.random() < 0.5:
                place = int(rng.integers(len(edges)))
                edges[place], edges[-1] = edges[-1], edges[place]
                editor.split(edges.pop(), at)
            else:
                pair = _apart(pieces, editor.roots(), rng)
                editor.merge(pair, at)
                edges.append(pair)
    return editor.history()


def _apart(pieces: Pieces, current: NDArray[np.int64], rng: np.random.Generator) -> tuple[int, int]:
    """Return two pieces of two objects, the second one near the first; all must not become one object."""
    _, label, sizes = np.unique(current, return_inverse=True, return_counts=True)
    size = sizes[label]
    most = max(len(current) / 12, size.min())
    one = int(rng.choice(np.flatnonzero(size <= most)))
    away = np.abs(pieces.piece_chunk - pieces.piece_chunk[one]).sum(axis=1) + rng.random(len(current)) * 4
    away[(current == current[one]) | (size > most)] = np.inf
    return one, int(away.argmin())


class Truth:
    """What is really so.

    Args:
        history: the history behind the datastack.
    """

    def __init__(self, history: History) -> None:
        self.history = history
        pieces = history.pieces
        self._sizes = np.bincount(pieces.supervoxel_piece, minlength=len(pieces.piece_l2))
        self._owners: dict[int, NDArray[np.int64]] = {}

    def shares(self, root: int, version: int) -> dict[int, float]:
        """Return the roots at a version that hold a root's supervoxels, with the share of each."""
        own = self.history.roots[root].pieces
        own = own[self._sizes[own] > 0]
        found, place = np.unique(self._roots(version)[own], return_inverse=True)
        counts = np.bincount(place, weights=self._sizes[own], minlength=len(found))
        return dict(zip(found.tolist(), (counts / counts.sum()).tolist(), strict=True))

    def root(self, supervoxel: int, version: int) -> int:
        """Return a supervoxel's root at a version."""
        return int(self.history.roots_at([supervoxel], micros(moment(version)))[0])

    def roots(self, supervoxels: Sequence[int], version: int) -> dict[int, int]:
        """Return the root of each of many supervoxels at a version."""
        found = self.history.roots_at(supervoxels, micros(moment(version)))
        return dict(zip(supervoxels, found.tolist(), strict=True))

    def _roots(self, version: int) -> NDArray[np.int64]:
        """Return the root of each piece at a version."""
        if version not in self._owners:
            pieces = np.arange(len(self._sizes))
            self._owners[version] = self.history.root_of.at(
                pieces, self.history.epoch(micros(moment(version)))
            )
        return self._owners[version]
