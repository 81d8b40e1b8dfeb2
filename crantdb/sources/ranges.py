"""Spans: half-open ranges of a whole-number key, and how a large one is cut. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LOWEST, HIGHEST = -(2**63), 2**63 - 1
_WRITTEN = re.compile(r"\[(-?\d*),(-?\d*)\)")


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The rows whose key lies in ``[low, high)``; an open end is None. `nulls` stands for the rows without a key."""

    low: int | None = None
    high: int | None = None
    nulls: bool = False

    def __str__(self) -> str:
        if self.nulls:
            return "NULL"
        return f"[{'' if self.low is None else self.low},{'' if self.high is None else self.high})"

    @classmethod
    def parse(cls, text: str) -> Span:
        """Return the span that `str` wrote.

        Raises:
            ValueError: when the text is no span.
        """
        if text == "NULL":
            return cls(nulls=True)
        match = _WRITTEN.fullmatch(text)
        if match is None:
            msg = f"{text!r} is not a span"
            raise ValueError(msg)
        low, high = (int(part) if part else None for part in match.groups())
        return cls(low, high)

    @property
    def start(self) -> int:
        """The lowest key that may be in it."""
        return LOWEST if self.low is None else self.low

    @property
    def end(self) -> int:
        """One above the highest key that may be in it."""
        return HIGHEST + 1 if self.high is None else self.high

    @property
    def is_single(self) -> bool:
        """Whether it holds one key at the most."""
        return self.nulls or self.end - self.start <= 1

    def cut(self, at: int) -> tuple[Span, Span]:
        """Cut it in two at a key strictly inside."""
        return Span(self.low, at), Span(at, self.high)


def cut_point(span: Span, rows: int, *, chunk_rows: int, stride: int = 0) -> int:
    """Return where to cut a span that holds more rows than one request may bring.

    Keys are dense in most tables and start near 1, so an open span is first cut at zero, then a little
    above where its rows would end if they were dense, then ever farther (`stride`). A closed span is cut
    so that each part holds about a whole number of requests.

    Args:
        span: with room for a cut.
        rows: how many rows it holds.
        chunk_rows: rows one request may bring.
        stride: how far above its start the last cut, which left nothing below it, was; 0 when none was.
    """
    if span.start < 0 < span.end:
        return 0
    width = span.end - span.start
    if span.high is None or stride:
        return span.start + min(max(2 * rows, 2 * stride), width // 2)
    requests = max(2, -(-rows // max(1, int(_EVEN * chunk_rows))))
    return span.start + max(1, width * (requests // 2) // requests)


_EVEN = 0.9
"""Spans are planned a little under what one request may bring, for keys that are not quite evenly spread."""


def gaps(done: Iterable[Span]) -> list[Span]:
    """Return what is left of the whole key range beside the spans that are done, in order."""
    left: list[Span] = []
    low: int | None = None
    for span in sorted((span for span in done if not span.nulls), key=lambda s: s.start):
        if span.start > (LOWEST if low is None else low):
            left.append(Span(low, span.start))
        if span.high is None:
            return left
        low = max(span.high, LOWEST if low is None else low)
    left.append(Span(low, None))
    return left
