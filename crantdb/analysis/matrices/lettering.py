"""What is written along the side of a matrix, and how large it can be."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGEST, SMALLEST = 11.0, 5.0
"""Sizes of letters in points."""

POINTS_AN_INCH = 72.0


@dataclass(frozen=True, slots=True)
class Names:
    """The names along a side.

    Attributes:
        texts: each name.
        spans: how many rows (or columns) each stands for.
        groups: how many neurons each block has, where each neuron has a name of its own.
    """

    texts: Sequence[str]
    spans: Sequence[int]
    groups: Sequence[int] = ()

    @property
    def single(self) -> bool:
        """Whether each row has a name of its own."""
        return all(span == 1 for span in self.spans)

    @property
    def width(self) -> int:
        """The letters of the longest name."""
        return max((len(text) for text in self.texts), default=0)

    def inches(self, size: float) -> float:
        """Return how long the longest name is in letters of a size (in points)."""
        return inches_of(self.width, size) + 0.12

    def middles(self) -> list[float]:
        """Return where each name stands: the middle of its rows."""
        ends = list(accumulate(self.spans))
        return [end - span / 2 - 0.5 for end, span in zip(ends, self.spans, strict=True)]

    def edges(self) -> list[int]:
        """Return where a block ends and the next begins."""
        return list(accumulate(self.groups or self.spans))[:-1]

    def shown(self, size: float, inches: float) -> list[str]:
        """Return the names; one that would be written over the one before it stays blank.

        Args:
            size: of the letters, in points.
            inches: how long the side is.
        """
        apart = size * 1.1 / POINTS_AN_INCH / inches * sum(self.spans)
        result: list[str] = []
        last = float("-inf")
        for text, middle in zip(self.texts, self.middles(), strict=True):
            free = middle - last >= apart
            result.append(text if free else "")
            last = middle if free else last
        return result


def inches_of(letters: int, size: float) -> float:
    """Return about how long so many letters of a size (in points) are."""
    return letters * 0.58 * size / POINTS_AN_INCH


def fitting(names: Names, inches: float) -> float:
    """Return how large the letters can be so that neighbours do not touch, within what can be read."""
    middles = names.middles()
    gaps = [after - before for before, after in pairwise(middles)]
    if not gaps:
        return LARGEST
    # The narrow blocks would make all names small: those of the widest three quarters decide.
    narrow = sorted(gaps)[len(gaps) // 4]
    fit = narrow / sum(names.spans) * inches * POINTS_AN_INCH / 1.15
    return min(LARGEST, max(SMALLEST, fit))
