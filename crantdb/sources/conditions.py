"""What a query asks of rows beside their key: ranges and lists of whole numbers. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crantdb.sources.ranges import Span


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold of one column of a row.

    Attributes:
        column: a whole-number column of the table.
        span: its value lies in this span (`Span(nulls=True)`: it is NULL); None for no such demand.
        among: its value is one of these, each named once, ascending; empty for no such demand.
    """

    column: str
    span: Span | None = None
    among: tuple[int, ...] = ()

    def __str__(self) -> str:
        parts = [] if self.span is None else [f"{self.column} in {self.span}"]
        if self.among:
            listed = ",".join(map(str, self.among))
            digest = hashlib.sha256(listed.encode()).hexdigest()[:16]
            parts.append(f"{self.column} among {len(self.among)} ({digest})")
        return " and ".join(parts)


def filters_of(table: str, conditions: Iterable[Condition]) -> dict[str, Any]:
    """Return the fields of a query's body under which all conditions hold.

    Args:
        table: the table's name.
        conditions: of any columns; two ranges of one column are not told apart, so there may be one each.
    """
    body: dict[str, dict[str, dict[str, Any]]] = {}

    def demand(kind: str, column: str, value: object) -> None:
        body.setdefault(f"filter_{kind}_dict", {table: {}})[table][column] = value

    for condition in conditions:
        if condition.among:
            demand("in", condition.column, list(condition.among))
        span = condition.span
        if span is None:
            continue
        if span.nulls:
            demand("equal", condition.column, None)
            continue
        if span.low is not None:
            demand("greater_equal", condition.column, span.low)
        if span.high is not None:
            demand("less", condition.column, span.high)
    return body
