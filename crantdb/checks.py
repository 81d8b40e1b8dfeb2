"""Checks of what a TOML file says: each returns the value or raises ValueError with half a sentence on what it must be."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def checked(
    raw: Mapping[str, Any], fields: Mapping[str, Callable[[Any], Any]], prefix: str, mistakes: list[str]
) -> dict[str, Any]:
    """Return the fields that are right, and add a line to `mistakes` for each that is not."""
    result: dict[str, Any] = {}
    for name, value in raw.items():
        check = fields.get(name)
        if check is None:
            close = difflib.get_close_matches(name, fields, n=1)
            mistakes.append(
                f"{prefix}{name} is unknown" + (f" (did you mean {prefix}{close[0]}?)" if close else "")
            )
            continue
        try:
            result[name] = check(value)
        except ValueError as error:
            mistakes.append(f"{prefix}{name} {error}")
    return result


def text(value: object) -> str:
    """Check for a text that is not empty."""
    if isinstance(value, str) and value.strip():
        return value
    msg = f"must be a text, not {value!r}"
    raise ValueError(msg)


def address(value: object) -> str:
    """Check for an http(s) address without credentials; a message never repeats what may be one."""
    given = text(value).strip()
    if "@" in given or "?" in given:
        msg = "must not carry a name, a password or a query"
        raise ValueError(msg)
    parts = urlsplit(given)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        msg = f"must start with https:// or http://, not {value!r}"
        raise ValueError(msg)
    return given.rstrip("/")


def section(value: object) -> dict[str, Any]:
    """Check for a TOML table."""
    if isinstance(value, dict):
        return value
    msg = "must be a section"
    raise ValueError(msg)


def names(value: object) -> tuple[str, ...]:
    """Check for a list of texts."""
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return tuple(value)
    msg = f"must be a list of names, not {value!r}"
    raise ValueError(msg)


def some_names(value: object) -> tuple[str, ...]:
    """Check for a list of at least one text."""
    found = names(value)
    if found:
        return found
    msg = "must name at least one"
    raise ValueError(msg)


def renamed(value: object) -> dict[str, str]:
    """Check for a TOML table of texts: names of ours, each with another's."""
    if isinstance(value, dict) and all(isinstance(name, str) and name for name in value.values()):
        return value
    msg = f'must be a section of names, like cell_type = "type", not {value!r}'
    raise ValueError(msg)


def three_sizes(value: object) -> tuple[float, float, float]:
    """Check for a list of three positive numbers."""
    numbers = value if isinstance(value, list) else []
    if len(numbers) == 3 and all(type(n) in {int, float} and n > 0 for n in numbers):
        return float(numbers[0]), float(numbers[1]), float(numbers[2])
    msg = f"must be three numbers above 0, like [8, 8, 42], not {value!r}"
    raise ValueError(msg)


def yes_or_no(value: object) -> bool:
    """Check for true or false."""
    if isinstance(value, bool):
        return value
    msg = f"must be true or false, not {value!r}"
    raise ValueError(msg)


def between(low: float, high: float, kind: type[int | float]) -> Callable[[object], float]:
    """Return a check for a number within bounds."""

    def check(value: object) -> float:
        wanted = (int,) if kind is int else (int, float)
        if isinstance(value, bool) or not isinstance(value, wanted) or not low <= value <= high:
            msg = f"must be a {'whole ' if kind is int else ''}number from {low} to {high}, not {value!r}"
            raise ValueError(msg)
        return kind(value)

    return check
