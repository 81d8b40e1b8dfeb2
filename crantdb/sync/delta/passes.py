"""The passes of a delta: where rows may have changed between two versions, and how each such place is found.

What a chunkedgraph knows: roots born and retired between the two moments. What only the materialization knows
(new and gone ids, look-ups that came late or came out differently) shows in its counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from crantdb.sources.conditions import Condition
from crantdb.sources.ranges import Span
from crantdb.sync.delta.asked import Unproven
from crantdb.sync.edits import edits_between

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from numpy.typing import NDArray

    from crantdb.sources.chunkedgraph import Chunkedgraph
    from crantdb.sources.narrowed import Conditions
    from crantdb.sync.delta.asked import Asked
    from crantdb.sync.delta.candidate import Candidate
    from crantdb.sync.delta.cover import Proof

WIDER = timedelta(hours=1)
"""An edit's time in the operation log need not be the birth of its roots: windows are wider by this, both ways."""

LOOK_BACK = timedelta(days=35)
"""No row should have a root that was retired in this time before the last version; the server is asked."""

ROOTS_AT_ONCE = 500
"""Roots asked for by name in one request."""

OLD_AT_ONCE = 2_000
"""Roots asked for by name in one request, where none of them should have a row."""

LATEST_AT_ONCE = 50_000
"""Roots asked about in one request whether they stand."""

SAMPLE_SHARE = 0.01
ROUNDS = 25

NOT_LOOKED_UP = 1
"""Root ids up to this are none: 0 is outside the segmentation, 1 is served for 'not looked up'."""


@dataclass(frozen=True, slots=True)
class Delta:
    """One table on its way from a version to the next.

    Attributes:
        asked: asks the server.
        candidate: the next version as far as it is known.
        proof: compares and mends it.
        graph: the chunkedgraph.
        roots: the table's root columns.
        before: the last version's moment.
        as_of: the next version's moment.
        found: what each pass found, by its name: rows or ranges.
    """

    asked: Asked
    candidate: Candidate
    proof: Proof
    graph: Chunkedgraph
    roots: tuple[str, ...]
    before: datetime
    as_of: datetime
    found: dict[str, int] = field(default_factory=dict)


def born(delta: Delta, *, most_rows: int) -> None:
    """Fetch the rows of every root that was born between the two moments and stands at the later one.

    Args:
        delta: the table.
        most_rows: more than this are not worth a delta.

    Raises:
        Unproven: when too many rows have changed.
        SourceError: when a server does not answer.
    """
    new = born_roots(delta.graph, delta.before, delta.as_of)
    asked = [(Condition(column, among=part),) for column in delta.roots for part in _batches(new)]
    rows = sum(delta.asked.counts(asked))
    if rows > most_rows:
        msg = f"{rows:,} rows have a root that is new"
        raise Unproven(msg)
    for _, found in delta.asked.fetch_each(asked):
        delta.candidate.put(found)
    delta.found["rows of new roots"] = rows


def born_roots(graph: Chunkedgraph, before: datetime, as_of: datetime) -> NDArray[np.int64]:
    """Return the roots born between two moments that stand at the later one, ascending.

    Where the server fails for a window, none is taken to be right. Were it not, the roots that these replaced would be
    found retired, and their rows be asked for by id.

    Raises:
        SourceError: as `edits_between`.
    """
    new = edits_between(graph, before - WIDER, as_of + WIDER).new
    return new[graph.is_latest(new, as_of)]


def retired(delta: Delta) -> None:
    """Fetch, by id, the rows left with a root that does not stand at the later moment.

    Such are rows whose root was stale already, and rows of new roots that the server keeps under the old one.

    Raises:
        Unproven, SourceError: as `Proof.refetch`.
    """
    count = 0
    for column in delta.roots:
        ids = delta.candidate.ids_among(column, _stale(delta, column))
        delta.proof.refetch(ids)
        count += len(ids)
    delta.found["rows of retired roots"] = count


def _stale(delta: Delta, column: str) -> NDArray[np.int64]:
    """Return the roots in a column that do not stand at the later moment, ascending."""
    above = (column, Span(NOT_LOOKED_UP + 1, None))
    batches = [values for values, _ in delta.candidate.values(column, [above])]
    parts = [
        values[at : at + LATEST_AT_ONCE] for values in batches for at in range(0, len(values), LATEST_AT_ONCE)
    ]
    steps = delta.asked.steps(f"roots in {column} looked at", sum(map(len, parts)))
    found = [np.empty(0, np.int64)]
    for part in parts:
        found.append(part[~delta.graph.is_latest(part, delta.as_of)])
        steps.done(len(part))
    return np.concatenate(found)


def served_stale(delta: Delta) -> None:
    """Fetch the rows that the server has under roots that were retired lately, and we have not.

    A row whose root was right may come back with an older one, which may lie in the same range of roots.
    `retired` must have been: our own rows of such roots are then the server's.

    Raises:
        Unproven, IncompleteError, SourceError: as `Asked.fetch_each`.
    """
    steps = partial(delta.asked.steps, "weeks of edits read")
    old = edits_between(delta.graph, delta.before - LOOK_BACK, delta.as_of + WIDER, steps).old
    old = old[~delta.graph.is_latest(old, delta.as_of)]
    total = 0
    for column in delta.roots:
        parts = [old[at : at + OLD_AT_ONCE] for at in range(0, len(old), OLD_AT_ONCE)]
        asked = [(Condition(column, among=tuple(part.tolist())),) for part in parts]
        there = delta.asked.counts(asked)
        ours = delta.candidate.rows_among(column, old)
        here = [int(ours[at : at + OLD_AT_ONCE].sum()) for at in range(0, len(old), OLD_AT_ONCE)]
        wrong = [one for one, theirs, mine in zip(asked, there, here, strict=True) if theirs != mine]
        for _, rows in delta.asked.fetch_each(wrong):
            delta.candidate.put(rows)
            total += rows.num_rows
    delta.found["rows of older roots"] = total


def counted(delta: Delta) -> None:
    """Hold the server's counts against ours over full covers of the id and of every root, and fetch what differs.

    Raises:
        Unproven: when they still differ after several rounds; the message says where.
        SourceError: when the server does not answer.
    """
    delta.asked.say("comparing the server's counts with ours, over all ids and roots")
    covers = {column: delta.proof.cover(column) for column in ("id", *delta.roots)}
    delta.found["ranges compared"] = sum(map(len, covers.values()))
    for turn in range(ROUNDS):
        wrong = {column: delta.proof.mend(column, spans) for column, spans in covers.items()}
        if turn == 0:
            delta.found.update({f"ranges of {column} that differed": n for column, n in wrong.items()})
        if not any(wrong.values()):
            return
    places = ", ".join(f"{count} ranges of {column}" for column, count in wrong.items() if count)
    msg = f"{places} still differ after {ROUNDS} rounds"
    raise Unproven(msg)


def sampled(delta: Delta, *, seed: int) -> NDArray[np.int64]:
    """Fetch a sample of ranges whole.

    Args:
        delta: the table.
        seed: which ranges; the same for every run of one version.

    Returns:
        The ids of the rows in them that were to be taken over unseen: each must be as it was, in every column.

    Raises:
        Unproven: when a range holds other ids than ours.
        IncompleteError, SourceError: as `Asked.fetch_each`.
    """
    blocks = list(_sample(delta.candidate, seed))
    ours: dict[Conditions, NDArray[np.int64]] = {
        (Condition("id", Span(int(ids[0]), int(ids[-1]) + 1)),): ids for ids in blocks
    }
    unseen = delta.candidate.unfetched(np.concatenate([np.empty(0, np.int64), *blocks]))
    for conditions, there in delta.asked.fetch_each(list(ours)):
        if not np.array_equal(np.sort(there["id"].to_numpy()), ours[conditions]):
            msg = f"the ids for {conditions[0]} are not those of the server"
            raise Unproven(msg)
    delta.found["rows compared"] = len(unseen)
    return unseen


def sample_blocks(rows: int) -> tuple[int, int]:
    """Return how many ranges a sample of a table is of, and how many rows each has."""
    size = min(max(rows // 500, 20), 1000)
    return min(math.ceil(SAMPLE_SHARE * rows / size), math.ceil(rows / size)), size


def _sample(candidate: Candidate, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield the ids in ranges that hold about a hundredth of them, at places drawn by chance; ascending."""
    total = candidate.total()
    number, size = sample_blocks(total)
    if not number:
        return
    blocks = math.ceil(total / size)
    drawn = np.sort(np.random.default_rng(seed).choice(blocks, number, replace=False))
    left = np.empty(0, np.int64)
    first = 0  # the place of the first id in `left`
    for values, _ in candidate.values("id"):
        left = np.concatenate([left, values])
        whole = drawn[(drawn + 1) * size <= first + len(left)]
        yield from (left[at : at + size].copy() for at in (whole * size - first).tolist())
        drawn = drawn[len(whole) :]
        begun = len(left) if not len(drawn) else min(len(left), max(0, int(drawn[0]) * size - first))
        first, left = first + begun, left[begun:]
    yield from (left[at:] for at in (drawn * size - first).tolist())


def _batches(roots: NDArray[np.int64]) -> Iterator[tuple[int, ...]]:
    """Yield roots in batches."""
    for start in range(0, len(roots), ROOTS_AT_ONCE):
        yield tuple(roots[start : start + ROOTS_AT_ONCE].tolist())
