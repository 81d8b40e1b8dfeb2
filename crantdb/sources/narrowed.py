"""Some of a table's rows: those for which conditions hold, counted and fetched as completely as a whole table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crantdb.sources.harvest import Harvest
from crantdb.sources.parallel import in_parallel
from crantdb.sources.ranges import Span, gaps

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from crantdb.sources.cave import Cave
    from crantdb.sources.conditions import Condition
    from crantdb.sources.extract import Batch
    from crantdb.sources.materialization import MaterializationVersion, RemoteTable

Conditions = tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Narrowed:
    """Asks for parts of one table of one version.

    Attributes:
        cave: the datastack.
        version: an available version.
        table: a table with ids (no view).
    """

    cave: Cave
    version: MaterializationVersion
    table: RemoteTable

    def count(self, conditions: Conditions) -> int:
        """Return how many rows there are for which all conditions hold, as the server counts them.

        Raises:
            SourceError: as `Transport.json`.
        """
        span, rest = _by_id(conditions)
        with self.cave.naming_expiry(self.version):
            return replace(self.cave.rows_of(self.version, self.table), also=rest).count(span)

    def counts(self, asked: Sequence[Conditions]) -> Iterator[tuple[Conditions, int]]:
        """Yield the count of each, a few requests at a time, in no order.

        Raises:
            SourceError: as `Transport.json`.
        """

        def counted(conditions: Conditions) -> tuple[Conditions, int]:
            return conditions, self.count(conditions)

        parallel, stop = self.cave.options.parallel, self.cave.transport.stop
        yield from in_parallel(counted, asked, parallel=parallel, stop=stop)

    def fetch(self, conditions: Conditions, counted: int, done: Collection[Span] = ()) -> Iterator[Batch]:
        """Yield the rows for which all conditions hold, cut by id into requests; nothing where none was counted.

        Args:
            conditions: which rows.
            counted: how many there are.
            done: spans of ids that were fetched before.

        Raises:
            IncompleteError: when the server's own counts disagree.
            SourceError: as `Transport.json`.
        """
        yield from self._harvest(conditions, counted, done, parallel=self.cave.options.parallel)

    def fetch_each(self, asked: Sequence[tuple[Conditions, int]]) -> Iterator[tuple[Conditions, list[Batch]]]:
        """Yield the rows of each, a few requests at a time, in no order.

        Args:
            asked: conditions, with how many rows there are: each few enough for a request.

        Raises:
            IncompleteError: when the server's own counts disagree.
            SourceError: as `Transport.json`.
        """

        def fetched(one: tuple[Conditions, int]) -> tuple[Conditions, list[Batch]]:
            conditions, counted = one
            return conditions, list(self._harvest(conditions, counted, (), parallel=1))

        parallel, stop = self.cave.options.parallel, self.cave.transport.stop
        yield from in_parallel(fetched, asked, parallel=parallel, stop=stop)

    def _harvest(
        self, conditions: Conditions, counted: int, done: Collection[Span], *, parallel: int
    ) -> Iterator[Batch]:
        """Yield the rows that are left to fetch."""
        span, rest = _by_id(conditions)
        rows = replace(self.cave.rows_of(self.version, self.table), also=rest)
        spans: list[tuple[Span, int | None]] = [(span, counted)] if counted else []
        if done:
            spans = [(part, None) for gap in gaps(done) if (part := _overlap(gap, span)) is not None]
        stop = self.cave.transport.stop
        harvest = Harvest(rows, spans, chunk_rows=self.cave.options.chunk_rows, parallel=parallel, stop=stop)
        with self.cave.naming_expiry(self.version):
            yield from harvest.batches()


def _by_id(conditions: Conditions) -> tuple[Span, Conditions]:
    """Return the span of ids that conditions leave, and the other conditions."""
    spans = [c.span for c in conditions if c.column == "id" and c.span is not None and not c.among]
    rest = tuple(c for c in conditions if c.column != "id" or c.span is None or c.among)
    return (spans[0] if spans else Span()), rest


def _overlap(one: Span, other: Span) -> Span | None:
    """Return what lies in both of two spans; None where nothing does."""
    low = one.low if other.low is None or (one.low is not None and one.low > other.low) else other.low
    high = one.high if other.high is None or (one.high is not None and one.high < other.high) else other.high
    found = Span(low, high)
    return found if found.start < found.end else None
