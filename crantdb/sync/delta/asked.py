"""What was asked of the server, and its answers: a version never changes, so nothing is asked twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crantdb.sources.narrowed import Conditions, Narrowed
    from crantdb.warehouse.staging import Piece, Staging


class Unproven(Exception):
    """The last version and what was fetched cannot be shown to make the next one; the message says where."""


class Asked:
    """Counts and rows of one table of one version, each kept in the staging: a killed run asks for it no second time.

    Args:
        source: asks.
        staging: keeps the answers: counts as notes, rows as pieces.
        schema: the columns that rows must come with: those of the version before.

    Attributes:
        rows_fetched: rows that came, those of earlier runs included; a row that came twice counts twice.
    """

    def __init__(self, source: Narrowed, staging: Staging, schema: pa.Schema) -> None:
        self._source = source
        self._staging = staging
        self._schema = schema
        self._pieces = {piece.span: piece for piece in staging.pieces}
        self.rows_fetched = staging.rows

    def counts(self, asked: Sequence[Conditions]) -> list[int]:
        """Return how many rows the server has for each, in order.

        Raises:
            SourceError: as `Transport.json`.
        """
        known = {text: self._staging.note(text) for text in map(_words, asked)}
        new = [conditions for conditions in asked if known[_words(conditions)] is None]
        for conditions, count in self._source.counts(new):
            known[_words(conditions)] = count
            self._staging.set_note(_words(conditions), count)
        return [int(known[_words(conditions)]) for conditions in asked]

    def count(self, conditions: Conditions) -> int:
        """Return how many rows the server has for which conditions hold.

        Raises:
            SourceError: as `Transport.json`.
        """
        return self.counts([conditions])[0]

    def fetch(self, conditions: Conditions) -> pa.Table:
        """Return the rows for which conditions hold, all of them, ascending by id.

        Raises:
            Unproven: when they come with other columns than those of the version before.
            SourceError: as `Transport.json`.
        """
        text = _words(conditions)
        if text in self._pieces:
            return self._read(self._pieces[text])
        parts = list(self._source.fetch(conditions, self.count(conditions)))
        for part in parts:
            self._check_columns(part.schema)
        if not parts:
            return self._schema.empty_table()
        rows = pa.concat_tables(parts).cast(self._schema)
        piece = self._pieces[text] = self._staging.add(text, rows)
        self.rows_fetched += rows.num_rows
        return self._read(piece)

    def _read(self, piece: Piece) -> pa.Table:
        """Return a piece's rows."""
        if piece.file is None:
            return self._schema.empty_table()
        return pq.read_table(self._staging.folder / piece.file, partitioning=None).cast(self._schema)

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
