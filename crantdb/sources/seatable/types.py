"""Every column type to its Arrow type: which one, how a cell becomes a value, what is noted about it."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from crantdb.sources.seatable import cells
from crantdb.sources.seatable.findings import (
    DAMAGED_ID,
    FORMULA_ERROR,
    NUMBER_HOLDS_IDS,
    ORPHAN_OPTION,
    UNKNOWN_TYPE,
)
from crantdb.sources.seatable.idtext import is_damaged, names_ids
from crantdb.sources.seatable.literals import Literal, canonical
from crantdb.sources.seatable.moments import has_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from crantdb.sources.seatable.catalogue import ColumnInfo
    from crantdb.sources.seatable.cells import Cell

    Check = Callable[[Any], bool]

UTC_MS = pa.timestamp("ms", "UTC")
UTC_S = pa.timestamp("s", "UTC")
FILES = pa.list_(
    pa.struct(
        [
            ("name", pa.string()),
            ("size", pa.int64()),
            ("type", pa.string()),
            ("url", pa.string()),
            ("upload_time", pa.string()),
        ]
    )
)
LINKS = pa.list_(pa.struct([("row_id", pa.string()), ("display_value_json", pa.string())]))
PLACE = pa.struct(
    [
        ("lat", pa.float64()),
        ("lng", pa.float64()),
        ("country_region", pa.string()),
        ("province", pa.string()),
        ("city", pa.string()),
        ("district", pa.string()),
        ("detail", pa.string()),
    ]
)
SIGNATURE = pa.struct([("username", pa.string()), ("sign_image_url", pa.string()), ("sign_time", UTC_MS)])

NO_VALUES = frozenset({"button"})
"""Types whose columns hold nothing: in the catalogue, not in the rows."""

ERROR_SUFFIX = "__error"
INSTANT_SUFFIX = "__instant"


@dataclass(frozen=True, slots=True)
class ColumnType:
    """How a column's cells become values.

    Attributes:
        arrow: the Arrow type.
        cell: gives the value of a cell that is not null; raises `Untyped` for one of another type.
        noted: what to note about a cell that is not null, and when.
        beside: further columns made of the same cells, by suffix of their name.
    """

    arrow: pa.DataType
    cell: Cell
    noted: tuple[tuple[str, Check], ...] = ()
    beside: tuple[tuple[str, ColumnType], ...] = ()


_ERROR = ColumnType(pa.string(), cells.error_words)
_INSTANT = ColumnType(UTC_S, cells.instant)
_STAMP = ColumnType(UTC_MS, cells.stamp)
_TEXT = ColumnType(pa.string(), cells.text)
_NUMBER = ColumnType(pa.float64(), cells.number, noted=((NUMBER_HOLDS_IDS, cells.holds_id),))
_DAY = ColumnType(pa.date32(), cells.day)
_WALL_CLOCK = ColumnType(pa.timestamp("s"), cells.wall_clock, beside=((INSTANT_SUFFIX, _INSTANT),))
_JSON = ColumnType(pa.string(), canonical)
_TEXTS = ColumnType(pa.list_(pa.string()), cells.texts)

_FIXED: Mapping[str, ColumnType] = MappingProxyType(
    {
        "long-text": ColumnType(pa.large_string(), cells.long_text),
        "number": _NUMBER,
        "checkbox": ColumnType(pa.bool_(), cells.truth),
        "duration": ColumnType(pa.float64(), cells.number),
        "collaborator": _TEXTS,
        "creator": _TEXT,
        "last-modifier": _TEXT,
        "ctime": _STAMP,
        "mtime": _STAMP,
        "image": _TEXTS,
        "file": ColumnType(FILES, cells.files),
        "link": ColumnType(LINKS, cells.links),
        "auto-number": _TEXT,
        "rate": ColumnType(pa.int64(), cells.whole),
        "url": _TEXT,
        "email": _TEXT,
        "geolocation": ColumnType(PLACE, cells.place),
        "digital-sign": ColumnType(SIGNATURE, cells.signature),
        "department-single-select": ColumnType(pa.int64(), cells.whole),
    }
)

_LISTED_TEXT = frozenset({
    "text", "string", "long-text", "single-select", "auto-number", "url", "email", "creator", "last-modifier",
    "date", "ctime", "mtime",
})  # fmt: skip

SYSTEM: Mapping[str, ColumnType] = MappingProxyType(
    {
        "_id": _TEXT,
        "_ctime": _STAMP,
        "_mtime": _STAMP,
        "_creator": _TEXT,
        "_last_modifier": _TEXT,
        "_archived": ColumnType(pa.bool_(), cells.truth),
        "_locked": ColumnType(pa.bool_(), cells.truth),
        "_locked_by": _TEXT,
    }
)
"""The columns that every row has, in their physical order."""


def column_type(column: ColumnInfo) -> ColumnType:
    """Return how a column's cells become values; a type that is not known is kept as JSON and noted."""
    fixed = _FIXED.get(column.type)
    if fixed is not None:
        return fixed
    made = _MADE.get(column.type)
    return made(column) if made else ColumnType(pa.string(), canonical, noted=((UNKNOWN_TYPE, _always),))


def _text(column: ColumnInfo) -> ColumnType:
    """Return text; where the name says ids, damaged ones are noted."""
    if not names_ids(column.name):
        return _TEXT
    return ColumnType(pa.string(), cells.text, noted=((DAMAGED_ID, _damaged),))


def _damaged(value: object) -> bool:
    """Tell whether a text was an id before a spreadsheet changed it."""
    return isinstance(value, str) and is_damaged(value)


def _always(_value: object) -> bool:
    """Note every cell."""
    return True


def _names(column: ColumnInfo) -> dict[str, str]:
    """Return the options' names by id; half a surrogate pair, which no file can hold, as a question mark."""
    return {option.id: option.name.encode("utf-8", "replace").decode() for option in column.options}


def _select(column: ColumnInfo) -> ColumnType:
    """Return an option's name."""
    names = _names(column)

    def orphan(value: object) -> bool:
        return isinstance(value, str) and value != "" and value not in names

    return ColumnType(pa.string(), cells.option(names), noted=((ORPHAN_OPTION, orphan),))


def _multiple(column: ColumnInfo) -> ColumnType:
    """Return the options' names, in the order of selection."""
    names = _names(column)

    def orphan(value: object) -> bool:
        return isinstance(value, list) and any(item not in names for item in value if isinstance(item, str))

    return ColumnType(pa.list_(pa.string()), cells.several_options(names), noted=((ORPHAN_OPTION, orphan),))


def _date(column: ColumnInfo) -> ColumnType:
    """Return the local date, or local date and time with the instant beside it."""
    return _WALL_CLOCK if has_time(column.data.get("format")) else _DAY


def _formula(column: ColumnInfo) -> ColumnType:
    """Return a formula's value by its result type, and its errors in a column beside it."""
    inner = _result(column)
    beside = tuple((suffix, _computed(kind)) for suffix, kind in inner.beside)
    noted = (*inner.noted, (FORMULA_ERROR, cells.is_error))
    return ColumnType(
        inner.arrow, cells.computed(inner.cell), noted=noted, beside=(*beside, (ERROR_SUFFIX, _ERROR))
    )


def _computed(kind: ColumnType) -> ColumnType:
    """Return a type whose errors are NULL."""
    return ColumnType(kind.arrow, cells.computed(kind.cell), kind.noted, kind.beside)


def _result(column: ColumnInfo) -> ColumnType:
    """Return the type of a computed column."""
    result = str(column.data.get("result_type") or "")
    if result == "date":
        form = column.data.get("format")
        return _DAY if form and not has_time(form) else _WALL_CLOCK
    if result == "array":
        return _array(str(column.data.get("array_type") or ""))
    return _RESULTS.get(result, _JSON)


def _array(kind: str) -> ColumnType:
    """Return the type of a looked-up list; lists of lists and of objects stay JSON."""
    if kind == "number":
        return ColumnType(pa.list_(pa.float64()), cells.numbers, noted=((NUMBER_HOLDS_IDS, _any_id),))
    return _TEXTS if kind in _LISTED_TEXT else _JSON


def _any_id(value: object) -> bool:
    """Tell whether a list holds a number beyond what a float64 counts exactly."""
    return type(value) is list and any(type(item) is Literal and cells.holds_id(item) for item in value)


_RESULTS: Mapping[str, ColumnType] = MappingProxyType(
    {
        "number": _NUMBER,
        "string": _TEXT,
        "text": _TEXT,
        "bool": ColumnType(pa.bool_(), cells.truth),
    }
)

_MADE: Mapping[str, Callable[[ColumnInfo], ColumnType]] = MappingProxyType(
    {
        "text": _text,
        "single-select": _select,
        "multiple-select": _multiple,
        "date": _date,
        "formula": _formula,
        "link-formula": _result,
    }
)
