"""The functions of one row."""

from __future__ import annotations

import calendar
import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from crantdb.sandbox.seatable.answers import Refused
from crantdb.sandbox.seatable.sql.values import alike, as_number, is_null, moment

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from crantdb.sandbox.seatable.cells import Json

_SPANS = {"D": 86_400, "H": 3_600, "S": 1}
_UNITS = {"days": 86_400, "weeks": 604_800, "hours": 3_600, "minutes": 60, "seconds": 1}


def functions(now: datetime, zone: ZoneInfo) -> dict[str, Callable[..., Json]]:
    """Return the functions by name, as they are at a moment; each takes values, NULL as None.

    Args:
        now: the server's time.
        zone: the server's zone.
    """
    today = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return {
        **_texts(),
        **_numbers(),
        **_dates(zone),
        "now": lambda: _nanoseconds(now.astimezone(zone)),
        "today": lambda: today,
        "if": lambda test, yes, no=None: yes if test else no,
        "ifs": _ifs,
        "and": lambda *tests: all(tests),
        "or": lambda *tests: any(tests),
        "not": lambda test: not test,
        "countitems": lambda value: len(value) if isinstance(value, list) else int(not is_null(value)),
    }


def _texts() -> dict[str, Callable[..., Json]]:
    """Return the functions of text."""
    return {
        "upper": lambda value: _text(value).upper(),
        "lower": lambda value: _text(value).lower(),
        "trim": lambda value: _text(value).strip(),
        "left": lambda value, count: _text(value)[: int(count)],
        "right": lambda value, count: _text(value)[-int(count) :] if count else "",
        "mid": lambda value, start, count: _text(value)[int(start) - 1 : int(start) - 1 + int(count)],
        "len": lambda value: len(_text(value)),
        "find": lambda part, value, start=1: _text(value).find(_text(part), int(start) - 1) + 1,
        "concatenate": lambda *values: "".join(map(_text, values)),
        "text": lambda value, _form="": _text(value),
        "value": as_number,
    }


def _numbers() -> dict[str, Callable[..., Json]]:
    """Return the functions of numbers; NULL stays NULL."""
    plain: dict[str, Callable[..., Json]] = {
        "abs": abs,
        "round": lambda value, digits=0: math.floor(value * 10**digits + 0.5) / 10**digits,
        "floor": lambda value, step=1: math.floor(value / step) * step,
        "ceiling": lambda value, step=1: math.ceil(value / step) * step,
        "int": math.floor,
        "mod": lambda value, by: value - by * math.floor(value / by),
    }
    return {name: _of_numbers(function) for name, function in plain.items()}


def _dates(zone: ZoneInfo) -> dict[str, Callable[..., Json]]:
    """Return the functions of dates, in the server's zone."""

    def local(value: Json) -> datetime | None:
        """Return a date in the zone."""
        found = moment(value, zone) if isinstance(value, str) else value
        return found.astimezone(zone) if isinstance(found, datetime) else None

    def part(name: str) -> Callable[[Json], Json]:
        """Return the function of a part of a date."""
        return lambda value: None if (at := local(value)) is None else getattr(at, name)

    def difference(start: Json, end: Json, unit: str = "D") -> Json:
        """Return the whole days, hours, seconds, months or years from one date to another."""
        begun, ended = local(start), local(end)
        if begun is None or ended is None:
            return None
        if unit.upper() in {"M", "Y"}:
            months = (ended.year - begun.year) * 12 + ended.month - begun.month - (ended.day < begun.day)
            return months if unit.upper() == "M" else months // 12
        if unit.upper() not in _SPANS:
            msg = f"dateDif has no unit {unit!r}"
            raise Refused(msg)
        return math.trunc((ended - begun).total_seconds() / _SPANS[unit.upper()])

    def later(value: Json, count: float, unit: str = "days") -> Json:
        """Return a date some units later."""
        at = local(value)
        return None if at is None else _later(at, int(count), unit.lower())

    parts = ("year", "month", "day", "hour", "minute", "second")
    return {
        **{name: part(name) for name in parts},
        "date": lambda year, month, day: datetime(int(year), int(month), int(day), tzinfo=zone),
        "isodate": lambda value: None if (at := local(value)) is None else at.date().isoformat(),
        "datedif": difference,
        "dateadd": later,
    }


def _later(at: datetime, count: int, unit: str) -> datetime:
    """Return a date some units later; months keep the day where the month has it."""
    if unit in _UNITS:
        return at + timedelta(seconds=count * _UNITS[unit])
    months = at.year * 12 + at.month - 1 + count * (12 if unit == "years" else 1)
    last = calendar.monthrange(months // 12, months % 12 + 1)[1]
    return at.replace(year=months // 12, month=months % 12 + 1, day=min(at.day, last))


def _of_numbers(function: Callable[..., Json]) -> Callable[..., Json]:
    """Return a function that gives NULL where an argument is no number."""

    def guarded(*values: Json) -> Json:
        """Return the function's value, or None."""
        numbers = [as_number(value) for value in values]
        return None if None in numbers else function(*numbers)

    return guarded


def _nanoseconds(at: datetime) -> str:
    """Return a moment as ``now()`` writes it."""
    text = at.isoformat(timespec="microseconds")
    return f"{text[:26]}000{text[26:]}"


def _ifs(*args: Json) -> Json:
    """Return the value behind the first test that holds."""
    return next((value for test, value in zip(args[::2], args[1::2], strict=True) if test), None)


def _text(value: Json) -> str:
    """Return a value as text; NULL as the empty one."""
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else value.isoformat() if isinstance(value, datetime) else str(value)


def equal(left: Json, right: Json, zone: ZoneInfo) -> bool:
    """Return whether two values are equal; NULL equals nothing."""
    if is_null(left) or is_null(right):
        return False
    pair = alike(left, right, zone)
    return pair is not None and bool(pair[0] == pair[1])
