"""Cells as the server sends them: by name or by key, dates with the server's zone, numbers as Go writes them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from crantdb.sandbox.seatable.answers import number
from crantdb.sandbox.seatable.cells import SYSTEM, Json, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from crantdb.sandbox.seatable.base import Base
    from crantdb.sandbox.seatable.model import Column, Table
    from crantdb.sandbox.seatable.options import Options

_NUMBERS = frozenset({"number", "duration", "rate"})
_OLD_LIST_CAP = 10
_ORDERS = 5


@dataclass(frozen=True, slots=True)
class Renderer:
    """Turns raw rows of a table into what an answer holds.

    Attributes:
        base: the base, for its links.
        table: the table.
        options: the server's switches.
        convert: whether columns and options come by name, else by key and id.
        legacy: whether dates, formulas and links come as the servers before 5.0 sent them.
    """

    base: Base
    table: Table
    options: Options
    convert: bool = True
    legacy: bool = False

    def rows(self, rows: Sequence[Row], columns: Sequence[Column]) -> list[dict[str, Json]]:
        """Return rows as objects of the system fields and the given columns."""
        cells = self.cells_of(columns, rows)
        names = [column.name if self.convert else column.key for column in columns]
        parts = self.fields(rows) | dict(zip(names, cells, strict=True))
        out = objects(parts, len(rows), seed=self.options.seed)
        return [_without_empty(row) for row in out] if self._omits_empty() else out

    def fields(self, rows: Sequence[Row]) -> dict[str, list[Json]]:
        """Return the system fields that no column takes the place of."""
        named = {column.key for column in self.table.columns if column.key in SYSTEM}
        hidden = {*named, *(("_creator", "_last_modifier") if self.legacy else ())}
        return {field: self.field(field, rows) for field in SYSTEM if field not in hidden}

    def field(self, field: str, rows: Sequence[Row]) -> list[Json]:
        """Return one system field of rows."""
        if field == "_archived":
            archived = self.table.archived
            return [row["_id"] in archived for row in rows] if archived else [False] * len(rows)
        return [row.get(field) for row in rows]

    def cells_of(self, columns: Sequence[Column], rows: Sequence[Row]) -> list[Sequence[Json]]:
        """Return columns of rows, system fields among them; each row is gone through once."""
        keys = [column.key for column in columns]
        raw = list(zip(*[tuple(map(row.get, keys)) for row in rows], strict=True)) or [()] * len(columns)
        return [self.cells(column, rows, raw[place]) for place, column in enumerate(columns)]

    def cells(self, column: Column, rows: Sequence[Row], raw: Sequence[Json]) -> Sequence[Json]:
        """Return one column of rows, given its raw cells."""
        if column.key == "_archived":
            return self.field("_archived", rows)
        if column.type == "link":
            return self._links(column, rows)
        if column.compute is not None:
            raw = [column.compute(row) for row in rows]
        form = self._form(column)
        return raw if form is None else [None if cell is None else form(cell) for cell in raw]

    def linked(self, column: Column, row_id: str) -> list[dict[str, Json]]:
        """Return all records that a row is linked to: row id and display value."""
        data = column.data or {}
        link = self.base.links[str(data["link_id"])]
        others = link.of(self.table.id).get(row_id, [])
        far = self._other_table(column)
        there = [row for other in others if (row := far.row(other)) is not None]
        shown = next((c for c in far.columns if c.key == data.get("display_column_key")), far.columns[0])
        renderer = Renderer(self.base, far, self.options, self.convert, self.legacy)
        values = renderer.cells_of([shown], there)[0] if shown.type != "link" else [None] * len(there)
        return [
            {"row_id": row["_id"], "display_value": value} for row, value in zip(there, values, strict=True)
        ]

    def _other_table(self, column: Column) -> Table:
        """Return the table at the other end of a link column."""
        link = self.base.links[str((column.data or {})["link_id"])]
        other = link.table2_id if self.table.id == link.table1_id else link.table1_id
        return self.base.table("", other)

    def _links(self, column: Column, rows: Sequence[Row]) -> list[Json]:
        """Return the link cells of rows, cut off at the cap."""
        cap = self.options.link_cap
        cap = cap if self.options.since("5.3") else min(cap, _OLD_LIST_CAP)
        near = self.base.links[str((column.data or {})["link_id"])].of(self.table.id)
        cells = [self.linked(column, row["_id"])[:cap] if near.get(row["_id"]) else [] for row in rows]
        return (
            [[record["display_value"] for record in cell] for cell in cells] if self.legacy else list(cells)
        )

    def _form(self, column: Column) -> Callable[[Json], Json] | None:
        """Return the rendering of a column's cells; None where they are sent as they are."""
        if column.type in _NUMBERS:
            return _number
        if column.type == "date":
            return None if self.legacy else _dates(self.options.zone)
        if column.type == "long-text":
            return lambda cell: cell.get("text") if isinstance(cell, dict) else cell
        if column.type in {"formula", "link-formula"}:
            return _legacy_formula if self.legacy else _number
        return _option_form(column.option_names()) if self.convert else None

    def _omits_empty(self) -> bool:
        """Return whether empty cells are left out, as before 5.0."""
        return self.legacy or not self.options.since("5.0")


def objects(parts: Mapping[str, Sequence[Json]], count: int, *, seed: int) -> list[dict[str, Json]]:
    """Return columns as objects, whose keys stand in an order that differs from object to object."""
    rng = random.Random(seed * 1009 + len(parts))  # noqa: S311 (an order, not a secret)
    names = list(parts)
    out: list[dict[str, Json]] = [{}] * count
    for turn in range(_ORDERS):
        rng.shuffle(names)
        some = zip(*(parts[name][turn::_ORDERS] for name in names), strict=True)
        out[turn::_ORDERS] = [dict(zip(names, values, strict=True)) for values in some]
    return out


def _dates(zone: ZoneInfo) -> Callable[[str], str]:
    """Return the rendering of stored dates: RFC 3339 with the zone's offset of that day."""
    known: dict[str, str] = {}

    def zoned(cell: str) -> str:
        """Return one date."""
        found = known.get(cell)
        if found is None:
            found = known[cell] = datetime.fromisoformat(cell).replace(tzinfo=zone).isoformat()
        return found

    return zoned


def _number(cell: Json) -> Json:
    """Return a number as Go writes it, also inside of lists; anything else as it is."""
    if isinstance(cell, float):
        return number(cell)
    return [_number(part) for part in cell] if isinstance(cell, list) else cell


def _option_form(names: Mapping[str, str]) -> Callable[[Json], Json] | None:
    """Return the rendering of select cells by name; an id without an option stays."""
    if not names:
        return None
    return lambda cell: [names.get(o, o) for o in cell] if isinstance(cell, list) else names.get(cell, cell)


def _legacy_formula(cell: Json) -> Json:
    """Return a formula's value as before 5.0: booleans and lists as text."""
    if isinstance(cell, bool):
        return str(cell).lower()
    return ", ".join(str(part) for part in cell) if isinstance(cell, list) else _number(cell)


def _without_empty(row: dict[str, Json]) -> dict[str, Json]:
    """Return a row without its empty cells."""
    return {name: cell for name, cell in row.items() if cell is not None and cell not in ("", [])}
