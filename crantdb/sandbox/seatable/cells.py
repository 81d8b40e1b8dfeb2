"""Cells as SeaTable keeps them: which form each column type has, and how written values come into it."""

from __future__ import annotations

import math
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from crantdb.sandbox.seatable.answers import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from crantdb.sandbox.seatable.model import Column

Json: TypeAlias = Any
"""Any JSON value."""

Row: TypeAlias = dict[str, Any]
"""Raw cells by column key, and the system fields by theirs; an empty cell has no key, or null."""

SYSTEM = ("_id", "_ctime", "_mtime", "_creator", "_last_modifier", "_archived", "_locked", "_locked_by")
"""The fields that every row has."""

SYSTEM_KEYS = MappingProxyType(
    {"ctime": "_ctime", "mtime": "_mtime", "creator": "_creator", "last-modifier": "_last_modifier"}
)
"""The key of a column of these types."""

COMPUTED = frozenset({"formula", "link-formula", "link", "button", *SYSTEM_KEYS})
"""Types whose cells no client writes."""

LISTS = frozenset({"multiple-select", "collaborator", "image", "file", "link"})
"""Types whose cells are lists."""

_DATE_LENGTH = len("2026-01-01")


def encode(column: Column, value: Json) -> Json:
    """Return the raw cell for a value written by option names, as the server turns it.

    An unknown option name makes a new option; a checkbox takes only a true boolean; a date that is none
    becomes null; long text becomes an object.

    Args:
        column: the column written to.
        value: the value as JSON.

    Raises:
        Refused: a text in a number column.
    """
    form = _FORMS.get(column.type)
    return value if form is None or value is None else form(column, value)


def encoder(type: str) -> Callable[[Column, Json], Json] | None:  # noqa: A002 (SeaTable's own word)
    """Return what `encode` does with values of a column type; None where they are stored as they are."""
    return _FORMS.get(type)


def date_text(value: Json) -> str | None:
    """Return a date as it is stored, ``YYYY-MM-DD`` or ``YYYY-MM-DD HH:mm``, or None when it is none."""
    text = str(value).strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return text if len(text) == _DATE_LENGTH else moment.strftime("%Y-%m-%d %H:%M")


def _as_list(value: Json) -> list[Json]:
    """Return a list, of one element where it was none."""
    return list(value) if isinstance(value, list | tuple) else [value]


def _number(column: Column, value: Json) -> float | None:
    """Return a number as the server keeps it, a float64; a text is refused."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        if value == "":
            return None
        msg = f'column "{column.name}" takes numbers, not {value!r}'
        raise Refused(msg)
    number = float(value)
    return number if math.isfinite(number) else None


def _long_text(text: str) -> dict[str, Json]:
    """Return markdown as the object in which it is stored."""
    return {
        "text": text,
        "preview": text[:120],
        "images": [],
        "links": [],
        "checklist": {"total": 0, "completed": 0},
    }


_FORMS: Mapping[str, Callable[[Column, Json], Json]] = MappingProxyType(
    {
        "number": _number,
        "duration": _number,
        "checkbox": lambda _, value: value is True,
        "date": lambda _, value: date_text(value),
        "long-text": lambda _, value: value if isinstance(value, dict) else _long_text(str(value)),
        "single-select": lambda column, value: column.option_id(str(value)) if value != "" else None,
        "multiple-select": lambda column, value: [column.option_id(str(name)) for name in _as_list(value)],
        "collaborator": lambda _, value: _as_list(value),
        "image": lambda _, value: _as_list(value),
        "file": lambda _, value: _as_list(value),
    }
)
