"""What a source hands over: rows span by span, with the number it said there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from crantdb.sources.ranges import Span


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows of one span, all of them: as many as the server counted in it.

    Attributes:
        span: which part of the table.
        rows: the rows, with the server's columns and types; no rows for a span proved empty.
    """

    span: Span
    rows: pa.Table


@dataclass(frozen=True, slots=True)
class Extract:
    """A table on its way.

    Attributes:
        batches: the spans not fetched before, in no order. Raises a `SourceError` rather than end early.
        expected_rows: the rows the server said the whole table has; a source without a count makes no Extract.
        completeness: how completeness is proved, a stated class.
    """

    batches: Iterator[Batch]
    expected_rows: int
    completeness: str
