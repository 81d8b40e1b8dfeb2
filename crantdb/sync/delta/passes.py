"""The passes of a delta: where rows may have changed between two versions, and how each such place is found.

What a chunkedgraph knows: roots born and retired between the two moments. What only the materialization knows
(new and gone ids, look-ups that came late or came out differently) shows in its counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from crantdb.errors import ServiceUnavailable
from crantdb.sources.conditions import Condition
from crantdb.sources.ranges import Span
from crantdb.sync.delta.asked import Unproven

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import duckdb
    from numpy.typing import NDArray

    from crantdb.sources.chunkedgraph import Chunkedgraph
    from crantdb.sync.delta.asked import Asked
    from crantdb.sync.delta.candidate import Candidate
    from crantdb.sync.delta.cover import Proof

WIDER = timedelta(hours=1)
"""An edit's time in the operation log need not be the birth of its roots: windows are wider by this, both ways."""

WINDOW = timedelta(days=7)
"""Edits are asked for in windows of this length at the most."""

ROOTS_AT_ONCE = 500
"""Roots asked for by name in one request."""

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
    for conditions in asked:
        delta.candidate.put(delta.asked.fetch(conditions))
    delta.found["rows of new roots"] = rows


def born_roots(graph: Chunkedgraph, before: datetime, as_of: datetime) -> NDArray[np.int64]:
    """Return the roots born between two moments that stand at the later one, ascending.

    Raises:
        SourceError: as `Chunkedgraph.delta_roots`.
    """
    begin, end = before - WIDER, as_of + WIDER
    parts = [np.empty(0, np.int64)]
    while begin < end:
        until = min(begin + WINDOW, end)
        parts.append(_born_in(graph, begin, until))
        begin = until
    new = np.unique(np.concatenate(parts))
    return new[graph.is_latest(new, as_of)] if len(new) else new


def _born_in(graph: Chunkedgraph, begin: datetime, end: datetime) -> NDArray[np.int64]:
    """Return the roots born in a window.

    Older chunkedgraphs answer 500 when nothing was edited in it. None is then the right answer; were it not, the roots
    that these replaced would be found retired, and their rows be asked for by id.
    """
    try:
        return graph.delta_roots(begin, end)[1]
    except ServiceUnavailable as error:
        if error.status != HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        return np.empty(0, np.int64)


def retired(delta: Delta) -> None:
    """Fetch, by id, the rows left with a root that does not stand at the later moment.

    Such are rows whose root was stale already, and rows of new roots that the server keeps under the old one.

    Raises:
        Unproven, SourceError: as `Proof.refetch`.
    """
    count = 0
    for column in delta.roots:
        values = delta.candidate.keys(column).values
        values = values[values > NOT_LOOKED_UP]
        stale = values[~delta.graph.is_latest(values, delta.as_of)] if len(values) else values
        ids = delta.candidate.ids_among(column, stale)
        delta.proof.refetch(ids)
        count += len(ids)
    delta.found["rows of retired roots"] = count


def counted(delta: Delta) -> None:
    """Hold the server's counts against ours over full covers of the id and of every root, and fetch what differs.

    Raises:
        Unproven: when they still differ after several rounds; the message says where.
        SourceError: when the server does not answer.
    """
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


def sampled(delta: Delta, con: duckdb.DuckDBPyConnection, *, seed: int) -> None:
    """Fetch a sample of ranges whole and compare every column of the rows that were taken over unseen.

    Args:
        delta: the table.
        con: with the view `last`: the last version's rows, every column.
        seed: which ranges; the same for every run of one version.

    Raises:
        Unproven: when a row differs: then others may too.
        SourceError: when the server does not answer.
    """
    ids = delta.candidate.keys("id").values
    rows, compared = [], 0
    for span in _sample(ids, seed):
        there = delta.asked.fetch((Condition("id", span),))
        ours = ids[(ids >= span.start) & (ids < span.end)]
        if not np.array_equal(np.sort(there["id"].to_numpy()), ours):
            msg = f"the ids in {span} are not those of the server"
            raise Unproven(msg)
        unseen = delta.candidate.unfetched(ours)
        rows.append(there.filter(pa.array(np.isin(there["id"].to_numpy(), unseen))))
        compared += len(unseen)
        delta.candidate.put(there)
    if rows:
        _compare(con, pa.concat_tables(rows))
    delta.found["rows compared"] = compared


def _compare(con: duckdb.DuckDBPyConnection, rows: pa.Table) -> None:
    """Refuse rows that are not in the last version just so."""
    con.register("sampled", rows)
    chosen = ", ".join(f'"{name}"' for name in rows.column_names)
    wrong = con.sql(
        f"SELECT id FROM (SELECT {chosen} FROM sampled EXCEPT SELECT {chosen} FROM last SEMI JOIN sampled USING (id)) "
        "ORDER BY id"
    ).fetchall()
    con.unregister("sampled")
    if wrong:
        examples = ", ".join(str(row[0]) for row in wrong[:5])
        msg = f"{len(wrong):,} rows of the sample differ where no count does (e.g. id {examples})"
        raise Unproven(msg)


def _sample(ids: NDArray[np.int64], seed: int) -> Iterator[Span]:
    """Yield ranges of ids that hold about a hundredth of them, at places drawn by chance."""
    if not len(ids):
        return
    size = min(max(len(ids) // 500, 20), 1000)
    number = math.ceil(SAMPLE_SHARE * len(ids) / size)
    blocks = math.ceil(len(ids) / size)
    drawn = np.random.default_rng(seed).choice(blocks, min(number, blocks), replace=False)
    for block in sorted(int(place) for place in drawn):
        end = min((block + 1) * size, len(ids)) - 1
        yield Span(int(ids[block * size]), int(ids[end]) + 1)


def _batches(roots: NDArray[np.int64]) -> Iterator[tuple[int, ...]]:
    """Yield roots in batches."""
    for start in range(0, len(roots), ROOTS_AT_ONCE):
        yield tuple(roots[start : start + ROOTS_AT_ONCE].tolist())
