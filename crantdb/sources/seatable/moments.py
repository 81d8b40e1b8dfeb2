"""Dates and times as SeaTable serves them: RFC 3339 in the server's zone, or plain local text of older servers."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

from crantdb.sources.seatable.literals import Literal

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(\.\d+)?(Z|[+-]\d\d:\d\d)?)?")


def _match(text: object) -> re.Match[str]:
    """Return the parts of a date.

    Raises:
        ValueError: when the text is none.
    """
    found = _MOMENT.fullmatch(text) if isinstance(text, str) and type(text) is not Literal else None
    if found is None:
        msg = f"{text!r} is not a date"
        raise ValueError(msg)
    return found


def local_date(text: object) -> date:
    """Return the date as people see it: the literal's first ten characters, never moved to UTC first.

    Raises:
        ValueError: when the text is no date.
    """
    return date.fromisoformat(_match(text)[1])


def local_time(text: object) -> datetime:
    """Return date and time as people see them, without a zone, to the second.

    Raises:
        ValueError: when the text is no date.
    """
    day, minute, second = _match(text).group(1, 2, 3)
    return datetime.fromisoformat(f"{day}T{minute or '00:00'}{second or ':00'}")


def instant(text: object) -> datetime | None:
    """Return the moment in UTC, to the second; None for a text without an offset.

    Raises:
        ValueError: when the text is no date.
    """
    return None if _match(text)[5] is None else _utc(text).replace(microsecond=0)


def stamp_ms(text: object) -> int:
    """Return a system time (`_ctime`, `_mtime`) as milliseconds since 1970, UTC; without offset it is UTC.

    Raises:
        ValueError: when the text is no date.
    """
    _match(text)
    gone = _utc(text) - _EPOCH
    return (gone.days * 86_400 + gone.seconds) * 1000 + gone.microseconds // 1000


def _utc(text: object) -> datetime:
    """Return a moment in UTC; without offset it is UTC.

    Raises:
        ValueError: when it is no date, or one that is before the year 1 or after 9999 in UTC.
    """
    moment = datetime.fromisoformat(str(text))
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        msg = f"{text!r} is beyond the years that can be told"
        raise ValueError(msg) from error


def has_time(form: object) -> bool:
    """Tell whether a date column's format shows a time of day."""
    return "h" in str(form or "").lower()


def without_zone(value: Any) -> Any:  # noqa: ANN401 - JSON is anything
    """Return a JSON value with the offset cut off every moment in it: what stays is what people see."""
    if type(value) is str:
        found = _MOMENT.fullmatch(value)
        return value[: found.start(5)] if found and found[5] else value
    if type(value) is list:
        return [without_zone(item) for item in value]
    if type(value) is dict:
        return {key: without_zone(item) for key, item in value.items()}
    return value
