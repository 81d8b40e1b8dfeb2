"""What was asked of the server, and its answers: a version never changes, so nothing is asked twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from crantdb.errors import IncompleteError
from crantdb.sources.ranges import Span
from crantdb.sync.progress import Steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crantdb.sources.extract import Batch
    from crantdb.sources.narrowed import Conditions, Narrowed
    from crantdb.sync.progress import Progress
    from crantdb.warehouse.staging import Piece, Staging

_OF = " | "
"""Between what was asked and the ids of a piece, in its name."""


class Unproven(Exception):
    """The last version and what was fetched cannot be shown to make the next one; the message says where."""


class Asked:
    """Counts and rows of one table of one version, each kept in the staging: a killed run asks for it no second time.

    Args:
        source: asks.
        staging: keeps the answers: counts as notes, rows as pieces.
        schema: the columns that rows must come with: those of the version before.
        roots: the root columns.
        progress: hears how it goes.
        most_rows: more rows than these are not worth a delta.

    Attributes:
        rows_fetched: rows that came, those of earlier runs included; a row that came twice counts twice.
    """

    def __init__(
        self,
        source: Narrowed,
        staging: Staging,
        schema: pa.Schema,
        roots: Sequence[str],
        *,
        progress: Progress,
        most_rows: int,
    ) -> None:
        self._source = source
        self._staging = staging
        self._schema = schema
        self._columns = ["id", *roots]
        self._progress = progress
        self._most_rows = most_rows
        self._pieces: dict[str, list[Piece]] = {}
        for piece in staging.pieces:
            self._pieces.setdefault(piece.span.rpartition(_OF)[0], []).append(piece)
        self.rows_fetched = staging.rows

    def say(self, text: str) -> None:
        """Say something of the table."""
        self._progress.say(f"{self._staging.key.table}: {text}")

    def steps(self, what: str, total: int) -> Steps:
        """Return what says how far a step of the table is."""
        return Steps(self._progress, f"{self._staging.key.table}: {what}", total)

    def counts(self, asked: Sequence[Conditions]) -> list[int]:
        """Return how many rows the server has for each, in order.

        Raises:
            SourceError: as `Transport.json`.
        """
        known = {text: self._staging.note(text) for text in map(_words, asked)}
        new = [conditions for conditions in asked if known[_words(conditions)] is None]
        steps = self.steps("parts counted", len(new))
        for conditions, count in self._source.counts(new):
            known[_words(conditions)] = count
            self._staging.set_note(_words(conditions), count)
            steps.done()
        return [int(known[_words(conditions)]) for conditions in asked]

    def count(self, conditions: Conditions) -> int:
        """Return how many rows the server has for which conditions hold.

        Raises:
            SourceError: as `Transport.json`.
        """
        return self.counts([conditions])[0]

    def fetch(self, conditions: Conditions) -> pa.Table:
        """Return the id and roots of the rows for which conditions hold; all of each row is staged.

        Raises:
            Unproven, IncompleteError, SourceError: as `fetch_each`.
        """
        [(_, rows)] = self.fetch_each([conditions])
        return rows

    def fetch_each(self, asked: Sequence[Conditions]) -> Iterator[tuple[Conditions, pa.Table]]:
        """Yield the id and roots of the rows for each; all of each row is staged. In no order.

        Raises:
            Unproven: when rows come with other columns than those of the version before, or too many in all.
            IncompleteError: when the server's own counts disagree.
            SourceError: as `Transport.json`.
        """
        counts = dict(zip(asked, self.counts(asked), strict=True))
        steps = self.steps("rows fetched that may have changed", sum(counts.values()))
        soon: list[tuple[Conditions, int]] = []
        for conditions, count in counts.items():
            staged = sum(piece.rows for piece in self._pieces.get(_words(conditions), ()))
            if staged == count:
                yield conditions, self._staged(conditions)
                steps.done(count)
            elif staged or count > self._source.cave.options.chunk_rows:
                yield conditions, self._streamed(conditions, count, steps)
            else:
                soon.append((conditions, count))
        self._check_worth(sum(count for _, count in soon))
        for conditions, batches in self._source.fetch_each(soon):
            self._take(conditions, batches)
            steps.done(counts[conditions])
            yield conditions, self._staged(conditions)

    def _streamed(self, conditions: Conditions, count: int, steps: Steps) -> pa.Table:
        """Fetch more rows than one request brings, as far as they are not staged; each part is staged as it comes."""
        before = self._pieces.get(_words(conditions), ())
        self._check_worth(count - sum(piece.rows for piece in before))
        done = [Span.parse(piece.span.rpartition(_OF)[2]) for piece in before]
        for batch in self._source.fetch(conditions, count, done):
            self._take(conditions, [batch])
            steps.done(batch.rows.num_rows)
        rows = self._staged(conditions)
        if rows.num_rows != count:
            msg = f"{self._staging.key.table}: the server counted {count:,} rows of {_words(conditions)}, gave {rows.num_rows:,}"
            raise IncompleteError(msg, expected=count, got=rows.num_rows)
        return rows

    def _take(self, conditions: Conditions, batches: Sequence[Batch]) -> None:
        """Stage rows."""
        text = _words(conditions)
        for batch in batches:
            self._check_columns(batch.rows.schema)
            piece = self._staging.add(f"{text}{_OF}{batch.span}", batch.rows.cast(self._schema))
            self._pieces.setdefault(text, []).append(piece)
            self.rows_fetched += piece.rows

    def _staged(self, conditions: Conditions) -> pa.Table:
        """Return the id and roots of rows that are staged."""
        pieces = self._pieces.get(_words(conditions), ())
        files = [self._staging.folder / piece.file for piece in pieces if piece.file is not None]
        parts = [pq.read_table(file, columns=self._columns, partitioning=None) for file in files]
        return pa.concat_tables([self._schema.empty_table().select(self._columns), *parts])

    def _check_worth(self, rows: int) -> None:
        """Refuse to fetch so much that all of the table would come sooner."""
        if self.rows_fetched + rows > self._most_rows:
            msg = f"{self.rows_fetched + rows:,} rows would be fetched"
            raise Unproven(msg)

    def _check_columns(self, found: pa.Schema) -> None:
        """Refuse rows that do not fit beside those of the version before."""
        if found.names != self._schema.names or found.types != self._schema.types:
            before = {field.name: str(field.type) for field in self._schema}
            now = {field.name: str(field.type) for field in found}
            other = [name for name in before | now if before.get(name) != now.get(name)] or ["their order"]
            msg = f"its columns are not those of the version before ({', '.join(other[:5])})"
            raise Unproven(msg)


def _words(conditions: Conditions) -> str:
    """Return conditions as text: the name under which their answer is kept."""
    return " and ".join(map(str, conditions))
