"""The chunkedgraph's answers and questions in their wire format: moments, ids as bytes, JSON that must be ids."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from crantdb.errors import BadResponse, ServiceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from crantdb.sources.classify import Answer

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def seconds(at: datetime) -> str:
    """Return a moment as the chunkedgraph takes it: seconds since 1970 in UTC, exact to the µs.

    Raises:
        ValueError: for a moment without a time zone, which each machine would read as another.
    """
    if at.tzinfo is None:
        msg = f"{at.isoformat()} has no time zone: say which, e.g. UTC"
        raise ValueError(msg)
    whole, micros = divmod((at - _EPOCH) // timedelta(microseconds=1), 1_000_000)
    return f"{whole}.{micros:06d}"


def micros(value: object) -> int:
    """Return seconds since 1970, as JSON has them, in µs."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        msg = f"the chunkedgraph gave {value!r} for a moment"
        raise BadResponse(msg)
    return round(value * 1e6)


def ids_of(values: list[Any]) -> NDArray[np.int64]:
    """Return whole numbers of a JSON list; an empty one has no ids, not no type."""
    if any(isinstance(value, bool) or not isinstance(value, int) for value in values):
        msg = (
            f"the chunkedgraph gave ids that are none, e.g. {next(v for v in values if type(v) is not int)!r}"
        )
        raise BadResponse(msg)
    return np.array(values, dtype=np.int64)


def binary_ids(count: int) -> Callable[[Answer], NDArray[np.int64]]:
    """Return what decodes ids in their bytes, as many as asked for; fewer were cut short on the way."""

    def decode(answer: Answer) -> NDArray[np.int64]:
        if len(answer.body) != 8 * count:
            msg = f"{answer.url} answered with {len(answer.body):,} bytes for {count:,} ids"
            raise ServiceUnavailable(msg, url=answer.url, status=answer.status)
        found = np.frombuffer(answer.body, dtype="<u8")
        if (found >= 2**63).any():
            msg = f"{answer.url} gave {int(found.max())}, which is no id"
            raise BadResponse(msg, url=answer.url)
        return found.astype(np.int64)

    return decode


def json_object(answer: Answer) -> dict[str, Any]:
    """Return the body as a JSON object; one that is no JSON was cut short, and is asked for again."""
    content = answer.json()
    if content is None:
        msg = f"{answer.url} answered with something that is not JSON ({len(answer.body)} bytes)"
        raise ServiceUnavailable(msg, url=answer.url, status=answer.status)
    if not isinstance(content, dict):
        msg = f"{answer.url} answered with {type(content).__name__} where an object was due"
        raise BadResponse(msg, url=answer.url, status=answer.status)
    return content


def field_of(answer: dict[str, Any], name: str, kind: type) -> Any:  # noqa: ANN401 - of that kind
    """Return a field of an answer."""
    value = answer.get(name)
    if not isinstance(value, kind):
        msg = f"the chunkedgraph answered without {name}: {sorted(answer)[:5]}"
        raise BadResponse(msg)
    return value


def frame_rows(text: str) -> list[dict[str, Any]]:
    """Return the rows of a frame that pandas wrote to JSON: columns, each by row number."""
    try:
        columns: dict[str, dict[str, Any]] = json.loads(text)
    except (ValueError, TypeError) as error:
        msg = "the chunkedgraph's change log is no JSON"
        raise BadResponse(msg) from error
    numbers = sorted({int(row) for column in columns.values() for row in column})
    return [{name: column.get(str(row)) for name, column in columns.items()} for row in numbers]
