"""The history of roots, appended at every sync: all edits between kept versions, and the past of typed roots.

The chunkedgraph's list of changed roots pairs nothing: what became of which is asked of their lineage.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from crantdb.errors import BadResponse
from crantdb.sync.edits import edits_between
from crantdb.sync.making import declare, fill
from crantdb.sync.roots import column

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from crantdb.sources.chunkedgraph import Chunkedgraph, Lineage
    from crantdb.sync.coming import Coming, Opened
    from crantdb.sync.edits import Edits

_SCHEMA = pa.schema(
    [
        ("root_id", pa.int64()),
        ("event", pa.string()),
        ("happened_at", pa.timestamp("us")),
        ("since", pa.timestamp("us")),
        ("operation_id", pa.int64()),
        ("related_ids", pa.list_(pa.int64())),
    ]
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Span:
    """The time from which to which all edits are known: after `since`, up to and including `until`."""

    since: datetime
    until: datetime


@dataclass(slots=True)
class Events:
    """Rows of `root_history` on their way."""

    rows: list[tuple[int | None, str, datetime, datetime | None, int | None, list[int] | None]] = field(
        default_factory=list
    )

    def cover(self, span: Span) -> None:
        """Note that all edits of a span are there."""
        self.rows.append((None, "covered", span.until, span.since, None, None))

    def add(self, lineage: Lineage, *, onward: Iterable[int] = (), back: Iterable[int] = ()) -> None:
        """Note what a lineage tells.

        Args:
            lineage: the lineage.
            onward: roots of which every successor up to the end of the time asked for is in it, and theirs.
            back: roots of which every predecessor is in it, and theirs.
        """
        after, before = _by(lineage.before, lineage.after), _by(lineage.after, lineage.before)
        born = dict(zip(lineage.roots.tolist(), lineage.born_us.tolist(), strict=True))
        edits = dict(zip(lineage.roots.tolist(), lineage.retired_by.tolist(), strict=True))
        complete = _reached(onward, after)
        # All of what came after those asked for has its predecessors among them, or was asked for itself.
        traced = _reached(back, before)
        for root, at_us in born.items():
            parents = before.get(root) if root in traced else None
            self.rows.append((root, "born", _moment(at_us), None, None, parents))
        for root in sorted(complete):
            made = after.get(root)
            if made:
                at = _moment(min(born[new] for new in made))
                self.rows.append((root, "retired", at, None, edits.get(root) or None, made))

    def table(self) -> pa.Table:
        """Return the rows; moments are UTC without a zone, as everywhere in the warehouse."""
        plain = [
            (root, event, _naive(at), _naive(since), number, related)
            for root, event, at, since, number, related in self.rows
        ]
        columns = list(zip(*plain, strict=True)) or [()] * len(_SCHEMA)
        arrays = [pa.array(values, kind.type) for values, kind in zip(columns, _SCHEMA, strict=True)]
        return pa.table(arrays, schema=_SCHEMA)


def known_span(there: Opened) -> Span | None:
    """Return the longest time of which all edits are in the warehouse, or None."""
    history = there.table("history", "root_history")
    if history is None:
        return None
    query = f"SELECT min(since), max(happened_at) FROM {history.relation} WHERE event = 'covered'"
    [(since, until)] = there.rows(query)
    return None if since is None else Span(since.replace(tzinfo=UTC), until.replace(tzinfo=UTC))


def edits_since(coming: Coming, there: Opened, graph: Chunkedgraph, events: Events) -> None:
    """Note all edits between the time that is known already and the coming version, if it lies outside.

    Raises:
        BadResponse: when the chunkedgraph's answers, or those it did not give, cannot be all edits.
        SourceError: when it does not answer.
    """
    known = known_span(there)
    if known is None:
        events.cover(Span(coming.as_of, coming.as_of))
        return
    if known.since <= coming.as_of <= known.until:
        return
    past, future = (known.until, coming.as_of) if coming.as_of > known.until else (coming.as_of, known.since)
    edits = edits_between(graph, past, future)
    if edits.unanswered:
        _check_quiet(coming, there, graph, edits, Span(past, future))
    stood = np.setdiff1d(edits.old, edits.new)
    if len(stood):
        # All that was made since descends from what stood then, so that this lineage has every root and every pair.
        lineage = graph.lineage(stood, past, future)
        _check_stood(lineage, stood, past)
        made = np.setdiff1d(lineage.roots, stood)
        events.add(lineage, onward=stood.tolist(), back=made[_since(lineage, made, past)].tolist())
    events.cover(Span(min(known.since, coming.as_of), max(known.until, coming.as_of)))


def _check_quiet(coming: Coming, there: Opened, graph: Chunkedgraph, edits: Edits, span: Span) -> None:
    """Check that nothing was edited where an old chunkedgraph fails: the coming version's roots would know of it.

    Raises:
        BadResponse: when one of them was made or replaced in the span by an edit that is in no answer.
        SourceError: when the chunkedgraph does not answer.
    """
    roots = _roots_of(there)
    roots = roots[graph.is_latest(roots, coming.as_of)]
    if coming.as_of == span.until:
        strange = np.setdiff1d(roots[graph.born_us(roots) > _micros(span.since)], edits.new)
    else:
        strange = np.setdiff1d(roots[~graph.is_latest(roots, span.until)], edits.old)
    if len(strange):
        since, until = edits.unanswered[0]
        msg = (
            f"the chunkedgraph failed for the edits of {since.isoformat()} to {until.isoformat()}, as old ones do where "
            f"there are none, but there were some: root {strange[0]} is of such a time"
        )
        raise BadResponse(msg)


def _check_stood(lineage: Lineage, stood: np.ndarray, past: datetime) -> None:
    """Check that roots that were replaced, and not made, in a span are as old as they must be.

    Raises:
        BadResponse: when one was made in the span: the edit that made it was not told.
    """
    young = stood[_since(lineage, stood, past)]
    if len(young):
        msg = f"the chunkedgraph told that root {young[0]} was replaced, not that it was made, after {past.isoformat()}"
        raise BadResponse(msg)


def _roots_of(there: Opened) -> np.ndarray:
    """Return the roots of the coming version: of supervoxels that were looked up, and of its synapses."""
    parts = ["SELECT root_id FROM main.root_ids"]
    for table, name in (("edges", "pre_root_id"), ("edges_by_post", "post_root_id")):
        place = there.table("derived", table)
        if place is not None:
            parts.append(f"SELECT {name} FROM {place.relation}")
    return column(there, f"SELECT root_id FROM ({' UNION '.join(parts)}) WHERE root_id > 1 ORDER BY ALL")


def _since(lineage: Lineage, roots: np.ndarray, past: datetime) -> np.ndarray:
    """Tell which roots were born after a moment."""
    born = lineage.born_us[np.searchsorted(lineage.roots, roots)]
    after: np.ndarray = born > _micros(past)
    return after


def _micros(at: datetime) -> int:
    """Return a moment in µs since 1970."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def append(there: Opened, events: Events) -> int:
    """Make `root_history`: the events that the log does not have yet. Return how many they are."""
    declare(there.con, "root_history")
    there.con.register("told", events.table())
    log = there.table("history", "root_history")
    known = (
        ""
        if log is None
        else (
            f"ANTI JOIN {log.relation} AS known ON known.event = told.event AND known.root_id IS NOT DISTINCT FROM told.root_id "
            "AND known.happened_at = told.happened_at AND known.since IS NOT DISTINCT FROM told.since "
            "AND (known.related_ids IS NOT NULL OR told.related_ids IS NULL)"
        )
    )
    fill(there.con, "root_history", f"SELECT DISTINCT told.* FROM told {known}")
    there.con.unregister("told")
    [(count,)] = there.rows("SELECT count(*) FROM main.root_history")
    return int(count)


def _by(keys: np.ndarray, values: np.ndarray) -> dict[int, list[int]]:
    """Return the values of each key, ascending."""
    found: dict[int, list[int]] = {}
    for key, value in sorted(zip(keys.tolist(), values.tolist(), strict=True)):
        found.setdefault(key, []).append(value)
    return found


def _reached(start: Iterable[int], following: Mapping[int, list[int]]) -> set[int]:
    """Return what can be reached from some roots, themselves included."""
    seen: set[int] = set()
    todo = list(start)
    while todo:
        root = todo.pop()
        if root not in seen:
            seen.add(root)
            todo += following.get(root, ())
    return seen


def _moment(at_us: int) -> datetime:
    """Return a moment in µs since 1970."""
    return _EPOCH + timedelta(microseconds=at_us)


def _naive(at: datetime | None) -> datetime | None:
    """Return a moment in UTC without its zone."""
    return None if at is None else at.astimezone(UTC).replace(tzinfo=None)
