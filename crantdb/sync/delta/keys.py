"""Values of a key, how many rows have each, and ranges of them that hold so many rows. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crantdb.sources.ranges import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

Counted = tuple["NDArray[np.int64]", "NDArray[np.int64]"]
"""Values, ascending, each once; and the rows that have each."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The values of a column, and how many rows have each.

    Attributes:
        values: int64, ascending, each once; NULL is not among them.
        before: rows with a lower value, int64, one longer than `values`.
        nulls: rows without one.
    """

    values: NDArray[np.int64]
    before: NDArray[np.int64]
    nulls: int

    def count(self, span: Span) -> int:
        """Return how many rows lie in a span."""
        if span.nulls:
            return self.nulls
        return int(self.before[self._place(span.end)] - self.before[self._place(span.start)])

    def middle(self, span: Span) -> int | None:
        """Return where to cut a span so that about as many rows lie below as above; None when it holds one value or NULL."""
        if span.nulls:
            return None
        first, end = self._place(span.start), self._place(span.end)
        if end - first < 2:
            return None
        half = (int(self.before[first]) + int(self.before[end])) // 2
        at = int(np.searchsorted(self.before, half, side="right")) - 1
        return int(self.values[min(max(at, first + 1), end - 1)])

    def _place(self, value: int) -> int:
        """Return how many values are lower."""
        if value > np.iinfo(np.int64).max:
            return len(self.values)
        return int(np.searchsorted(self.values, value))


def keys_of(values: NDArray[np.int64], counts: NDArray[np.int64], nulls: int) -> Keys:
    """Return keys from values, ascending, and the rows that have each."""
    return Keys(values, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), nulls)


def halfway(span: Span) -> int | None:
    """Return the middle of a span none of whose values are known; None for a single value or NULL."""
    if span.is_single:
        return None
    return span.start + (span.end - span.start) // 2


def cut(counted: Iterable[Counted], span: Span, rows: int) -> list[Span]:
    """Cut a span into ranges of at most so many rows; one value with more is a range alone.

    Args:
        counted: the values in it, in batches, ascending.
        span: what to cut; not that of NULL.
        rows: 1 or more.
    """
    starts = list(_starts(counted, rows))
    lows, highs = [span.low, *starts], [*starts, span.high]
    return [Span(low, high) for low, high in zip(lows, highs, strict=True)]


def _starts(counted: Iterable[Counted], rows: int) -> Iterator[int]:
    """Yield the values at which a new range begins, but for the first."""
    held = 0
    for values, counts in counted:
        through = (
            np.cumsum(counts) + held
        )  # rows up to each value, in the range that was open before this batch
        at, left = 0, 0  # `left`: rows of it that lie in ranges closed since
        while at < len(values):
            at = int(np.searchsorted(through, left + rows, side="right"))
            before = int(through[at - 1]) if at else held
            if at == len(values):
                break
            if before == left:  # a value with more rows than a range may have, alone
                at += 1
                if at == len(values):
                    break
                before = int(through[at - 1])
            yield int(values[at])
            left = before
        held = int(through[-1]) - left if len(values) else held
