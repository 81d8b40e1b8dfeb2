"""Ids in text cells: read what is an id, invent none, and say which ones a spreadsheet has damaged."""

from __future__ import annotations

import re
from dataclasses import dataclass

from crantdb.ids import MAX_ID

_DIGITS = re.compile(r"[0-9]{1,20}")
_BETWEEN = re.compile(r"[,;\s]+")
_DAMAGED = re.compile(
    r"\d(?:[.,]\d+)?[eE]\+?\d{1,2}"  # 5.76461E+17
    r"|\d{6,}[.,]0*"  # 576460752667713229.0
    r"|['\u2019]\d+"  # '576460752667713229
    r"|\d{1,3}(?:[,.'\u2019\u202f ]\d{3}){2,}"  # 576,460,752,667,713,229
)
_HARD_BLANK = "\u00a0"
_LISTED = re.compile(r"[\d,;\s]*\d[\d,;\s]*")
_NAMED_ID = re.compile(r"(^|_)(id|ids|root|supervoxel|nucleus|segid)(_|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class IdText:
    """What a text cell says as ids.

    Attributes:
        ids: the ids in it, in order, duplicates kept; none for an empty cell, "0" and anything else.
        damaged: whether it was an id before a spreadsheet changed it; such a cell gives no id.
    """

    ids: tuple[int, ...] = ()
    damaged: bool = False

    @property
    def single(self) -> int | None:
        """Return the id when there is exactly one, else None."""
        return self.ids[0] if len(self.ids) == 1 else None


def read_ids(text: str | None) -> IdText:
    """Read the ids in a text cell: one id, or several between commas, semicolons or blanks.

    A part that is not an id (not digits, or beyond int64) makes the whole cell give none: half a list
    would pass for a whole one. "0" stands for no id.
    """
    if text is None:
        return IdText()
    if is_damaged(text):
        return IdText(damaged=True)
    parts = [part for part in _BETWEEN.split(text.strip()) if part]
    if not all(_DIGITS.fullmatch(part) and int(part) <= MAX_ID for part in parts):
        return IdText()
    return IdText(tuple(number for number in map(int, parts) if number))


def is_damaged(text: str) -> bool:
    """Tell whether a text was an id before a spreadsheet changed it."""
    return bool(_DAMAGED.fullmatch(text.strip(" \t\r\n"))) or (
        _HARD_BLANK in text and bool(_LISTED.fullmatch(text))
    )


def names_ids(column: str) -> bool:
    """Tell whether a column's name says that it holds ids."""
    return bool(_NAMED_ID.search(column))
