"""Values inside of predicates: what is NULL, what compares with what, and how columns are read for it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from crantdb.sandbox.seatable.answers import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from zoneinfo import ZoneInfo

    from crantdb.sandbox.seatable.cells import Json
    from crantdb.sandbox.seatable.model import Column

_UNUSABLE = frozenset({"file", "geolocation", "digital-sign", "button"})
_MOMENTS = frozenset({"ctime", "mtime"})
_TRUTHS = {"true": True, "false": False}


def is_null(value: Json) -> bool:
    """Return whether a value is NULL: null, the empty text, the empty list."""
    return value is None or value in ("", [])


def moment(text: str, zone: ZoneInfo) -> datetime | None:
    """Return the moment of a date literal, in the server's zone when it names none; None for no date."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=zone)


def reader(column: Column, zone: ZoneInfo) -> Callable[[Json], Json] | None:
    """Return what makes a raw cell comparable; None where it is so already.

    Raises:
        Refused: the type cannot stand in a condition or an order.
    """
    if column.type in _UNUSABLE:
        msg = f'column "{column.name}" of type {column.type} cannot be used in a condition or an order'
        raise Refused(msg)
    if column.type == "date" or column.type in _MOMENTS:
        return lambda cell: cell and moment(cell, zone)
    if column.type == "long-text":
        return lambda cell: cell.get("text") if isinstance(cell, dict) else cell
    if column.type in {"formula", "link-formula"}:
        return lambda cell: None if isinstance(cell, str) and cell.startswith("#") else cell
    names = column.option_names()
    if not names:
        return None
    return lambda cell: [names.get(o, o) for o in cell] if isinstance(cell, list) else names.get(cell, cell)


def ranker(column: Column, zone: ZoneInfo) -> Callable[[Json], Json] | None:
    """Return what makes a raw cell sortable: a single-select sorts in the order of its options."""
    if column.type != "single-select":
        return reader(column, zone)
    ranks: Mapping[str, int] = {str(o["id"]): place for place, o in enumerate(column.known_options())}
    return lambda cell: None if is_null(cell) else ranks.get(cell, len(ranks))


def alike(left: Json, right: Json, zone: ZoneInfo) -> tuple[Json, Json] | None:
    """Return two values as ones that Python can compare, or None when they have nothing in common."""
    if isinstance(left, datetime) or isinstance(right, datetime):
        return _together(_as_moment(left, zone), _as_moment(right, zone))
    if isinstance(left, bool) or isinstance(right, bool):
        return _together(_as_bool(left), _as_bool(right))
    if isinstance(left, int | float) or isinstance(right, int | float):
        return _together(as_number(left), as_number(right))
    if isinstance(left, list) != isinstance(right, list):
        return _together(*(value if isinstance(value, list) else [value] for value in (left, right)))
    return (left, right) if type(left) is type(right) else None


def as_number(value: Json) -> float | int | None:
    """Return a number, also from text that is one; else None."""
    if isinstance(value, int | float):
        return value
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def like(pattern: str, *, folded: bool) -> re.Pattern[str]:
    """Return a LIKE pattern (``%`` any text, ``_`` any letter) as a regular expression."""
    parts = (".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern)
    return re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if folded else 0))


def sort_key(value: Json) -> tuple[int, str, Json]:
    """Return a key by which values of any kind have one order, NULL last."""
    if is_null(value):
        return (1, "", 0)
    if isinstance(value, bool | int | float):
        return (0, "number", value)
    if isinstance(value, datetime):
        return (0, "time", value.astimezone(UTC))
    if isinstance(value, list):
        return (0, "list", [sort_key(part) for part in value])
    return (0, "text", str(value))


def hashable(value: Json) -> Json:
    """Return a value as one that a group can be kept by; every NULL is one group."""
    if is_null(value):
        return None
    if isinstance(value, list):
        return tuple(hashable(part) for part in value)
    return tuple(sorted((k, hashable(v)) for k, v in value.items())) if isinstance(value, dict) else value


def _together(left: Json, right: Json) -> tuple[Json, Json] | None:
    """Return two values unless one of them could not be had."""
    return None if left is None or right is None else (left, right)


def _as_moment(value: Json, zone: ZoneInfo) -> datetime | None:
    """Return a moment, also from text."""
    return value if isinstance(value, datetime) else moment(value, zone) if isinstance(value, str) else None


def _as_bool(value: Json) -> bool | None:
    """Return a boolean, also from 0, 1 and the words."""
    if isinstance(value, bool | int | float):
        return bool(value)
    return _TRUTHS.get(value.lower()) if isinstance(value, str) else None
