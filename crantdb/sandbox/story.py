"""What proofreaders did to the generated brain: the edits, in the order in which they happened.

The segmentation begins with neurons wrongly joined, neurons wrongly parted, and orphan twigs. Between every
two versions some of each is put right, and so that every trap is there: a merge, a split, a merge followed
by a split elsewhere in the same neuron, and two merges in a row, whose root between them no version sees.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from crantdb.sandbox.editing import Editor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from crantdb.sandbox.chunks import Grid, Pieces
    from crantdb.sandbox.history import History

Pair = tuple[int, int]


@dataclass(slots=True)
class _Faulty:
    """The faults still to be put right.

    Attributes:
        joined: pairs of pieces of two neurons that wrongly touch, each with a pair of pieces of the first
            neuron that wrongly do not.
        orphans: pairs of pieces: one of a twig, one of the neuron it belongs to; two in a row belong to one
            neuron.
    """

    joined: list[tuple[Pair, Pair]]
    orphans: list[Pair]


@dataclass(frozen=True, slots=True)
class Plot:
    """What a history is to be like.

    Attributes:
        neurons: how many of the shapes are neurons.
        moments_us: the moments of the versions, ascending; edits fall between every two of them.
        rounds: rounds of edits in each interval, one edit of every sort a round.
        most_edits: edits in each interval at the most, but for those of `twig_onto`; None for all of the rounds.
        twig_onto: by the number of an interval, counted from 1: a neuron that gets a twig of its own in it.
    """

    neurons: int
    moments_us: Sequence[int]
    rounds: int
    most_edits: int | None = None
    twig_onto: Mapping[int, int] = field(default_factory=dict)


def tell(pieces: Pieces, grid: Grid, plot: Plot, rng: np.random.Generator) -> History:
    """Return the history of a segmentation.

    Args:
        pieces: the pieces of the neurons, then those of the twigs.
        grid: the chunk grid.
        plot: what happens.
        rng: where chance comes from.
    """
    faulty = _faults(pieces, plot.neurons, rng)
    kept = {number: _own_twig(faulty, pieces, neuron) for number, neuron in plot.twig_onto.items()}
    missing = {pair for _, pair in faulty.joined}
    edges = [(int(a), int(b)) for a, b in pieces.edges if (int(a), int(b)) not in missing]
    wrong = [pair for pair, _ in faulty.joined]
    editor = Editor(pieces, np.array(edges + wrong, dtype=np.int64), grid)
    for number, (start, end) in enumerate(itertools.pairwise(plot.moments_us), start=1):
        todo = [edit for _ in range(plot.rounds) for edit in _one_round(faulty)][: plot.most_edits]
        todo += [("merge", kept[number])] if number in kept else []
        step = (end - start) // (len(todo) + 1)
        for turn, (kind, pair) in enumerate(todo, start=1):
            at = (start + turn * step) // 1000 * 1000  # the chunkedgraph keeps milliseconds
            (editor.merge if kind == "merge" else editor.split)(pair, at)
    return editor.history()


def _own_twig(faulty: _Faulty, pieces: Pieces, neuron: int) -> Pair:
    """Take a twig of a neuron out of what is still to be put right."""
    own = [pair for pair in faulty.orphans if pieces.piece_shape[pair[1]] == neuron]
    faulty.orphans = [pair for pair in faulty.orphans if pair not in own]
    return own[0]


def _one_round(faulty: _Faulty) -> Iterator[tuple[str, Pair]]:
    """Return the next edits, one of every sort, as far as there is something left to put right."""
    if faulty.joined:
        wrong, missing = faulty.joined.pop()
        yield "split", wrong
        yield "merge", missing
    if faulty.orphans:
        yield "merge", faulty.orphans.pop()
    if faulty.joined:
        wrong, missing = faulty.joined.pop()
        yield "merge", missing
        yield "split", wrong
    if len(faulty.orphans) >= 2:
        yield "merge", faulty.orphans.pop()
        yield "merge", faulty.orphans.pop()


def _faults(pieces: Pieces, neurons: int, rng: np.random.Generator) -> _Faulty:
    """Return what is wrong with the first segmentation."""
    by_shape = [
        np.flatnonzero(pieces.piece_shape == shape) for shape in range(int(pieces.piece_shape.max()) + 1)
    ]
    own = pieces.edges[pieces.piece_shape[pieces.edges[:, 0]] < neurons]
    shape_of_edge = pieces.piece_shape[own[:, 0]]
    joined = []
    # Neighbours 0-1, 2-3, …: no neuron in two couples, so that joining never closes a ring.
    for first, second in zip(range(0, neurons, 2), range(1, neurons, 2), strict=False):
        edges = own[shape_of_edge == first]
        if not len(edges):
            continue
        a, b = edges[rng.integers(len(edges))]
        wrong = (int(rng.choice(by_shape[first])), int(rng.choice(by_shape[second])))
        joined.append((wrong, (int(a), int(b))))
    return _Faulty(joined[::-1], _orphans(pieces, by_shape, neurons, rng))


def _orphans(
    pieces: Pieces, by_shape: Sequence[np.ndarray], neurons: int, rng: np.random.Generator
) -> list[Pair]:
    """Return a pair for each twig: its first piece, and one of the nearest of a neuron."""
    out = []
    for index, members in enumerate(by_shape[neurons:]):
        target = by_shape[(index // 2) % neurons]
        twig = int(members[0])
        far = np.abs(pieces.piece_chunk[target] - pieces.piece_chunk[twig]).sum(axis=1)
        nearest = target[far == far.min()]
        out.append((twig, int(rng.choice(nearest))))
    return out
