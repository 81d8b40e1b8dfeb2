"""The proof: the server's counts over the whole range of a key, held against ours; what differs is fetched.

Each range holds few enough rows for one request. A range that differs is cut in two until it is small, or is
one key; one key with many rows is cut by id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crantdb.sources.conditions import Condition
from crantdb.sources.ranges import HIGHEST, Span
from crantdb.sync.delta.candidate import keys_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from crantdb.sync.delta.asked import Asked
    from crantdb.sync.delta.candidate import Candidate, Keys

MOST_LEAF_ROWS = 1_000
"""A range that differs is cut in two until it holds no more rows than this (or a twentieth of a range)."""

IDS_AT_ONCE = 1_000
"""Ids asked for by name in one request."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Compares the candidate with the server, and mends it.

    Attributes:
        asked: asks the server.
        candidate: what the next version is held to be.
        range_rows: rows of a range at the most, but for one key that has more.
        leaf_rows: rows of a range that differs and is fetched rather than cut in two.
    """

    asked: Asked
    candidate: Candidate
    range_rows: int
    leaf_rows: int

    def cover(self, column: str) -> list[Span]:
        """Return ranges that cover every value of a column, NULL included.

        In a root column 0 and 1 stand alone. No range of ids holds both ids that the last version may have had and
        ids behind all of these: a row that was superseded by a new one would leave its number as it was.
        """
        keys = self.candidate.keys(column)
        if column == "id":
            newest = self.candidate.highest
            if newest is None or newest == HIGHEST:
                return cut(keys, Span(), self.range_rows)
            old, new = Span(None, newest + 1), Span(newest + 1, None)
            return [*cut(keys, old, self.range_rows), *cut(keys, new, self.range_rows)]
        apart = [Span(nulls=True), Span(None, 0), Span(0, 1), Span(1, 2)]
        return [*apart, *cut(keys, Span(2, None), self.range_rows)]

    def mend(self, column: str, spans: list[Span]) -> int:
        """Compare counts over a cover, fetch what differs; return how many ranges did.

        Raises:
            Unproven, SourceError: as `Asked.fetch`.
        """
        keys = self.candidate.keys(column)
        counts = self.asked.counts([(Condition(column, span),) for span in spans])
        wrong = [(span, n) for span, n in zip(spans, counts, strict=True) if keys.count(span) != n]
        for span, count in wrong:
            self._narrow(column, span, count, keys)
        return len(wrong)

    def refetch(self, ids: NDArray[np.int64]) -> None:
        """Fetch rows by id; those that the server does not have are gone.

        Raises:
            Unproven, SourceError: as `Asked.fetch`.
        """
        for start in range(0, len(ids), IDS_AT_ONCE):
            part = ids[start : start + IDS_AT_ONCE]
            rows = self.asked.fetch((Condition("id", among=tuple(part.tolist())),))
            self.candidate.put(rows)
            self.candidate.drop(np.setdiff1d(part, rows["id"].to_numpy()))

    def _narrow(self, column: str, span: Span, count: int, keys: Keys) -> None:
        """Find the small ranges that differ within one, and fetch them."""
        todo = [(span, count)]
        while todo:
            part, there = todo.pop()
            here = keys.count(part)
            if here == there:
                continue
            if max(here, there) <= self.leaf_rows or mostly(here, there):
                self._fetch(column, part)
            elif (at := keys.middle(part) or _halfway(part)) is None:
                self._narrow_by_id(column, part, there)
            else:
                below, above = part.cut(at)
                lower = self.asked.count((Condition(column, below),))
                todo += [(below, lower), (above, there - lower)]

    def _narrow_by_id(self, column: str, key: Span, count: int) -> None:
        """Find where rows with one key (or none) differ, by their ids, and fetch those rows."""
        ids = self.candidate.ids_where(column, key)
        keys = keys_of(ids, np.ones(len(ids), np.int64), 0)
        todo = [(Span(), count)]
        while todo:
            part, there = todo.pop()
            here = keys.count(part)
            if here == there:
                continue
            at = keys.middle(part) or _halfway(part)
            if max(here, there) <= self.leaf_rows or mostly(here, there) or at is None:
                self._fetch(column, key, part)
            else:
                below, above = part.cut(at)
                lower = self.asked.count((Condition(column, key), Condition("id", below)))
                todo += [(below, lower), (above, there - lower)]

    def _fetch(self, column: str, span: Span, among: Span | None = None) -> None:
        """Fetch the rows of a range, and those of ours in it that the server has no longer there, by id."""
        conditions = (Condition(column, span),) + (() if among is None else (Condition("id", among),))
        ours = self.candidate.ids_where(column, span)
        if among is not None:
            ours = (
                ours[(ours >= among.start) & (ours < among.end)]
                if among.high is not None
                else ours[ours >= among.start]
            )
        rows = self.asked.fetch(conditions)
        self.candidate.put(rows)
        moved = np.setdiff1d(ours, rows["id"].to_numpy())
        if column == "id":
            self.candidate.drop(moved)
        else:
            self.refetch(self.candidate.unfetched(moved))


def proof_for(asked: Asked, candidate: Candidate, chunk_rows: int) -> Proof:
    """Return a proof whose ranges one request may bring.

    Args:
        asked: asks the server.
        candidate: what the next version is held to be.
        chunk_rows: rows that one request brings.
    """
    range_rows = max(1, int(0.9 * chunk_rows))
    return Proof(asked, candidate, range_rows, max(1, min(MOST_LEAF_ROWS, range_rows // 20)))


def mostly(here: int, there: int) -> bool:
    """Tell whether a range differs in so many rows that cutting it would not spare any."""
    return 2 * abs(here - there) >= max(here, there)


def cut(keys: Keys, span: Span, rows: int) -> list[Span]:
    """Cut a span into ranges of at most so many rows; one key with more is a range alone."""
    return list(_ranges(keys, span, rows))


def _ranges(keys: Keys, span: Span, rows: int) -> Iterator[Span]:
    """Yield the ranges, ascending."""
    low = span.low
    first = 0 if span.low is None else int(np.searchsorted(keys.values, span.low))
    last = len(keys.values) if span.high is None else int(np.searchsorted(keys.values, span.high))
    while True:
        end = int(np.searchsorted(keys.before, keys.before[first] + rows, side="right")) - 1
        end = max(end, first + 1)
        if end >= last:
            yield Span(low, span.high)
            return
        high = int(keys.values[end])
        yield Span(low, high)
        low, first = high, end


def _halfway(span: Span) -> int | None:
    """Return the middle of a span none of whose values are known; None for a single value or NULL."""
    if span.is_single:
        return None
    return span.start + (span.end - span.start) // 2
