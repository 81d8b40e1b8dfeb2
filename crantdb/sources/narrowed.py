"""Some of a table's rows: those for which conditions hold, counted and fetched as completely as a whole table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crantdb.sources.harvest import Harvest
from crantdb.sources.parallel import in_parallel
from crantdb.sources.ranges import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from crantdb.sources.cave import Cave
    from crantdb.sources.conditions import Condition
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

    def fetch(self, conditions: Conditions, counted: int) -> Iterator[pa.Table]:
        """Yield the rows for which all conditions hold, cut by id into requests; nothing where none was counted.

        Raises:
            IncompleteError: when the server's own counts disagree.
            SourceError: as `Transport.json`.
        """
        span, rest = _by_id(conditions)
        rows = replace(self.cave.rows_of(self.version, self.table), also=rest)
        options = self.cave.options
        harvest = Harvest(
            rows,
            [(span, counted)] if counted else [],
            chunk_rows=options.chunk_rows,
            parallel=options.parallel,
            stop=self.cave.transport.stop,
        )
        with self.cave.naming_expiry(self.version):
            for batch in harvest.batches():
                yield batch.rows


def _by_id(conditions: Conditions) -> tuple[Span, Conditions]:
    """Return the span of ids that conditions leave, and the other conditions."""
    spans = [c.span for c in conditions if c.column == "id" and c.span is not None and not c.among]
    rest = tuple(c for c in conditions if c.column != "id" or c.span is None or c.among)
    return (spans[0] if spans else Span()), rest
