"""The proof: the server's counts over the whole range of a key, held against ours; what differs is fetched.

Each range holds few enough rows for one request. A range that differs is cut in two until it is small, or is
one key; one key with many rows is cut by id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crantdb.sources.conditions import Condition
from crantdb.sources.ranges import Span
from crantdb.sync.delta.keys import halfway

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crantdb.sources.narrowed import Conditions
    from crantdb.sync.delta.asked import Asked
    from crantdb.sync.delta.candidate import Candidate, Within

MOST_LEAF_ROWS = 1_000
"""A range that differs is cut in two until it holds no more rows than this (or a twentieth of a range)."""

IDS_AT_ONCE = 2_000
"""Ids asked for by name in one request."""

IDS_TOGETHER = 200_000
"""Ids that are written out as requests together: more would take memory."""


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
        """Return ranges that cover every value of a column, NULL included; ascending, NULL first.

        In a root column 0 and 1 stand alone. No range of ids holds both ids that the last version had and ids of one of
        its gaps: a row that was superseded by a new one would leave its number as it was.
        """
        if column != "id":
            apart = [Span(nulls=True), Span(None, 0), Span(0, 1), Span(1, 2)]
            return [*apart, *self._cut(column, Span(2, None))]
        edges = self.candidate.edges()
        parts = [Span(low, high) for low, high in zip([None, *edges], [*edges, None], strict=True)]
        return [span for part in parts for span in self._cut(column, part)]

    def mend(self, column: str, spans: list[Span]) -> int:
        """Compare counts over a cover, fetch what differs; return how many ranges did.

        Raises:
            Unproven, IncompleteError, SourceError: as `Asked.fetch_each`.
        """
        return self._compare(column, spans, ())

    def refetch(self, ids: NDArray[np.int64]) -> None:
        """Fetch rows by id; those that the server does not have are gone.

        Raises:
            Unproven, IncompleteError, SourceError: as `Asked.fetch_each`.
        """
        for start in range(0, len(ids), IDS_TOGETHER):
            self._refetch(ids[start : start + IDS_TOGETHER])

    def _refetch(self, ids: NDArray[np.int64]) -> None:
        """Fetch rows by id, a few requests at a time."""
        parts = (ids[start : start + IDS_AT_ONCE] for start in range(0, len(ids), IDS_AT_ONCE))
        asked: dict[Conditions, NDArray[np.int64]] = {
            (Condition("id", among=tuple(part.tolist())),): part for part in parts
        }
        for conditions, rows in self.asked.fetch_each(list(asked)):
            self.candidate.put(rows)
            self.candidate.drop(np.setdiff1d(asked[conditions], rows["id"].to_numpy()))

    def _cut(self, column: str, span: Span, within: tuple[Within, ...] = ()) -> list[Span]:
        """Cut a span into ranges by our rows."""
        return self.candidate.ranges(column, span, self.range_rows, within)

    def _compare(self, column: str, spans: list[Span], within: tuple[Within, ...]) -> int:
        """Compare counts over ranges of a column, of all rows or of those of one key; fetch what differs."""
        there = self.asked.counts([_conditions(column, span, within) for span in spans])
        here = self.candidate.counts(column, spans, within)
        wrong = [(span, count) for span, count, ours in zip(spans, there, here, strict=True) if count != ours]
        steps = self.asked.steps(f"ranges of {column} that differ, looked into", len(wrong))
        for span, count in wrong:
            self._narrow(column, span, count, within)
            steps.done()
        return len(wrong)

    def _narrow(self, column: str, span: Span, count: int, within: tuple[Within, ...]) -> None:
        """Find the small ranges that differ within one, and fetch them."""
        keys = self.candidate.keys(column, span, within)
        todo = [(span, count)]
        while todo:
            part, there = todo.pop()
            here = keys.count(part)
            if here == there:
                continue
            at = keys.middle(part)
            at = halfway(part) if at is None else at
            if max(here, there) <= self.leaf_rows or mostly(here, there) or (at is None and column == "id"):
                self._fetch(column, part, within)
            elif at is None:
                below = ((column, part),)
                self._compare("id", self._cut("id", Span(), below), below)
            else:
                lower_part, upper_part = part.cut(at)
                lower = self.asked.count(_conditions(column, lower_part, within))
                todo += [(lower_part, lower), (upper_part, there - lower)]

    def _fetch(self, column: str, span: Span, within: tuple[Within, ...]) -> None:
        """Fetch the rows of a range, and those of ours in it that the server has no longer there, by id."""
        ours = self.candidate.ids_where([*within, (column, span)])
        rows = self.asked.fetch(_conditions(column, span, within))
        self.candidate.put(rows)
        moved = np.setdiff1d(ours, rows["id"].to_numpy())
        if column == "id" and not within:
            self.candidate.drop(moved)
        else:
            self.refetch(self.candidate.unfetched(moved))


def _conditions(column: str, span: Span, within: tuple[Within, ...]) -> tuple[Condition, ...]:
    """Return what is asked of the server: rows in a range, of one key where there is one."""
    return tuple(Condition(name, part) for name, part in (*within, (column, span)))


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
