"""From a cell's JSON to the value of its Arrow type. A value that is not of its column's type is `Untyped`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from crantdb.sources.seatable import moments
from crantdb.sources.seatable.literals import Literal, canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Cell = Callable[[Any], Any]

EXACT = 2**53
INT64 = range(-(2**63), 2**63)
ERROR = re.compile(r"#[A-Z][A-Z0-9/]*[!?]?")
"""How a formula says that it has no value: `#VALUE!`, `#DIV/0!`, `#NAME?`, …"""


class Untyped(ValueError):
    """The value is not of its column's type."""


def text(value: Any) -> str:  # noqa: ANN401 - JSON is anything
    """Return text; half a surrogate pair cannot be carried."""
    if not isinstance(value, str):
        raise Untyped
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Untyped from error
    return str(value)


def long_text(value: Any) -> str:  # noqa: ANN401 - JSON is anything
    """Return markdown; raw cells are an object that holds it."""
    return text(value.get("text") if type(value) is dict else value)


def number(value: Any) -> float | None:  # noqa: ANN401 - JSON is anything
    """Return a number as the float64 that the server has."""
    if type(value) is Literal:
        return float(value)
    _must_be_empty(value)
    return None


def whole(value: Any) -> int | None:  # noqa: ANN401 - JSON is anything
    """Return a whole number; digits as text too (departments)."""
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,19}(\.0+)?", value):
        found = int(value.split(".", maxsplit=1)[0])
        if found in INT64:
            return found
    _must_be_empty(value)
    return None


def truth(value: Any) -> bool | None:  # noqa: ANN401 - JSON is anything
    """Return a checkbox's state; older servers give words."""
    if type(value) is bool:
        return value
    words = {"true": True, "false": False}
    if type(value) is str and value in words:
        return words[value]
    _must_be_empty(value)
    return None


def day(value: Any) -> object:  # noqa: ANN401 - JSON is anything
    """Return the local date."""
    return _moment(moments.local_date, value)


def wall_clock(value: Any) -> object:  # noqa: ANN401 - JSON is anything
    """Return the local date and time, without a zone."""
    return _moment(moments.local_time, value)


def instant(value: Any) -> object:  # noqa: ANN401 - JSON is anything
    """Return the moment in UTC; None when the server gave no offset."""
    return _moment(moments.instant, value)


def stamp(value: Any) -> object:  # noqa: ANN401 - JSON is anything
    """Return milliseconds since 1970, UTC."""
    return _moment(moments.stamp_ms, value)


def _moment(read: Callable[[object], object], value: Any) -> object:  # noqa: ANN401 - JSON is anything
    """Read a date; an empty text is none."""
    if value == "":
        return None
    try:
        return read(value)
    except ValueError as error:
        raise Untyped from error


def texts(value: Any) -> list[str]:  # noqa: ANN401 - JSON is anything
    """Return a list of texts; a single text is a list of one."""
    return [text(item) for item in _items(value)]


def numbers(value: Any) -> list[float | None]:  # noqa: ANN401 - JSON is anything
    """Return a list of numbers."""
    return [None if item is None else number(item) for item in _items(value)]


def files(value: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON is anything
    """Return the files of a cell."""
    return [_file(_fields(item)) for item in _items(value)]


def _file(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return one file; its size in bytes."""
    return {
        "name": _maybe(text, item.get("name")),
        "size": _maybe(whole, item.get("size")),
        "type": _maybe(text, item.get("type")),
        "url": _maybe(text, item.get("url")),
        "upload_time": _maybe(text, item.get("upload_time")),
    }


def links(value: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON is anything
    """Return linked records; older servers give their ids alone."""
    return [_link(item) for item in _items(value)]


def _link(item: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON is anything
    """Return one linked record; its display value as JSON, for it is of any type."""
    if type(item) is str:
        return {"row_id": text(item), "display_value_json": None}
    shown = _fields(item).get("display_value")
    return {"row_id": text(item.get("row_id")), "display_value_json": _maybe(canonical, shown)}


def place(value: Any) -> dict[str, Any] | None:  # noqa: ANN401 - JSON is anything
    """Return a geolocation; any of its fields may be missing."""
    if value in ("", {}):
        return None
    item = _fields(value)
    words = ("country_region", "province", "city", "district", "detail")
    return {"lat": _maybe(number, item.get("lat")), "lng": _maybe(number, item.get("lng"))} | {
        name: _maybe(text, item.get(name)) for name in words
    }


def signature(value: Any) -> dict[str, Any] | None:  # noqa: ANN401 - JSON is anything
    """Return a digital signature."""
    if value in ("", {}):
        return None
    item = _fields(value)
    return {
        "username": _maybe(text, item.get("username")),
        "sign_image_url": _maybe(text, item.get("sign_image_url")),
        "sign_time": _maybe(stamp, item.get("sign_time")),
    }


def option(names: Mapping[str, str]) -> Cell:
    """Return how an option's id becomes its name; an id without an option stays as it is."""

    def cell(value: Any) -> str | None:  # noqa: ANN401 - JSON is anything
        known = text(value)
        return names.get(known, known) or None

    return cell


def several_options(names: Mapping[str, str]) -> Cell:
    """Return how a list of option ids becomes names, in the order of selection."""

    def cell(value: Any) -> list[str]:  # noqa: ANN401 - JSON is anything
        return [names.get(item, item) for item in texts(value)]

    return cell


def computed(cell: Cell) -> Cell:
    """Return a formula's value; None where it gives an error."""

    def value_of(value: Any) -> Any:  # noqa: ANN401 - JSON is anything
        return None if is_error(value) else cell(value)

    return value_of


def error_words(value: Any) -> str | None:  # noqa: ANN401 - JSON is anything
    """Return the words of a formula's error; None for a value."""
    return str(value) if is_error(value) else None


def is_error(value: Any) -> bool:  # noqa: ANN401 - JSON is anything
    """Tell whether a formula's value is an error."""
    return type(value) is str and bool(ERROR.fullmatch(value))


def holds_id(value: Any) -> bool:  # noqa: ANN401 - JSON is anything
    """Tell whether a number is beyond what a float64 counts exactly."""
    return type(value) is Literal and abs(float(value)) > EXACT


def _items(value: Any) -> list[Any]:  # noqa: ANN401 - JSON is anything
    """Return a list; a single text is a list of one, an empty one of none."""
    if type(value) is list:
        return value
    if isinstance(value, str):
        return [value] if value else []
    raise Untyped


def _fields(value: Any) -> Mapping[str, Any]:  # noqa: ANN401 - JSON is anything
    """Return an object."""
    if type(value) is dict:
        return value
    raise Untyped


def _maybe(cell: Cell, value: Any) -> Any:  # noqa: ANN401 - JSON is anything
    """Return a value that may be missing."""
    return None if value is None else cell(value)


def _must_be_empty(value: Any) -> None:  # noqa: ANN401 - JSON is anything
    """Take an empty text for no value; anything else is not of the type."""
    if value != "":
        raise Untyped
