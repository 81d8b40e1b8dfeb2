"""Tables, columns, views and links as SeaTable keeps them."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crantdb.sandbox.seatable.answers import Refused
from crantdb.sandbox.seatable.cells import SYSTEM_KEYS, Json, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_SELECTS = frozenset({"single-select", "multiple-select"})
_COLORS = ("#FF8000", "#46A1FD", "#89D2EA", "#EED5FF", "#DC82D2", "#FFFCB5", "#59CB74", "#9860E5")


@dataclass(slots=True)
class Column:
    """One column.

    Attributes:
        name: its name, unique within the table.
        type: SeaTable's name of the type: ``text``, ``number``, ``multiple-select``, ….
        data: what the type needs (format, options, link); None for none.
        key: its key, four characters, unique within the table; empty to be given one.
        options: names of the options that a select begins with.
        compute: a formula's value from the row's raw cells by key; None serves what is stored.
        width: pixels on the screen.
    """

    name: str
    type: str = "text"
    data: dict[str, Json] | None = None
    key: str = ""
    options: Sequence[str] = ()
    compute: Callable[[Row], Json] | None = None
    width: int = 200

    def __post_init__(self) -> None:
        self.key = self.key or SYSTEM_KEYS.get(self.type, "")
        for name in self.options:
            self.option_id(name)

    def known_options(self) -> list[dict[str, Json]]:
        """Return the options of a select in their order: id, name, color."""
        return list((self.data or {}).get("options") or ())

    def option_id(self, name: str) -> str:
        """Return the id of an option, which is made when there is none of this name."""
        for option in (self.data or {}).get("options") or ():
            if option["name"] == name:
                return str(option["id"])
        return self._add_option(name, self.known_options())

    def option_names(self) -> dict[str, str]:
        """Return the options' names by id; empty for a column that is no select."""
        if self.type not in _SELECTS:
            return {}
        return {str(option["id"]): str(option["name"]) for option in self.known_options()}

    def info(self) -> dict[str, Json]:
        """Return the column as metadata has it; columns without `data` lack the key."""
        out: dict[str, Json] = {"key": self.key, "name": self.name, "type": self.type, "width": self.width}
        return out if self.data is None else out | {"data": self.data, "editable": True, "resizable": True}

    def _add_option(self, name: str, known: list[dict[str, Json]]) -> str:
        """Append an option and return its id, six digits that no other option of the column has."""
        taken = {option["id"] for option in known}
        number = 100_003 + sum(map(ord, self.name + name)) * 7 % 800_000 + len(known) * 37
        while str(number) in taken:
            number += 1
        color = _COLORS[len(known) % len(_COLORS)]
        added = {"id": str(number), "name": name, "color": color, "textColor": "#FFFFFF"}
        self.data = {**(self.data or {}), "options": [*known, added]}
        return str(number)


@dataclass(slots=True)
class View:
    """One view of a table.

    Attributes:
        name: its name.
        hidden: names of the columns it hides.
        keep: which rows it shows, from the raw cells by key; None for all.
        sort_key: the order of its rows; None for the table's.
        id: four characters.
    """

    name: str
    hidden: Sequence[str] = ()
    keep: Callable[[Row], bool] | None = None
    sort_key: Callable[[Row], Json] | None = None
    id: str = "0000"

    def info(self) -> dict[str, Json]:
        """Return the view as metadata has it."""
        return {
            "_id": self.id,
            "name": self.name,
            "type": "table",
            "is_locked": False,
            "filters": [],
            "sorts": [],
            "groupbys": [],
            "hidden_columns": list(self.hidden),
        }


@dataclass(slots=True)
class LinkMap:
    """The links between two tables, ordered, kept from both sides."""

    id: str
    table1_id: str
    table2_id: str
    forward: dict[str, list[str]] = field(default_factory=dict)
    backward: dict[str, list[str]] = field(default_factory=dict)

    def of(self, table_id: str) -> dict[str, list[str]]:
        """Return the linked rows by row, seen from one of the two tables."""
        return self.forward if table_id == self.table1_id else self.backward

    def set(self, table_id: str, row_id: str, others: Iterable[str]) -> None:
        """Replace the rows that a row is linked to."""
        near = self.of(table_id)
        far = self.backward if near is self.forward else self.forward
        wanted = list(dict.fromkeys(others))
        for other in set(near.get(row_id, ())) - set(wanted):
            far[other].remove(row_id)
        for other in wanted:
            back = far.setdefault(other, [])
            if row_id not in back:
                back.append(row_id)
        near[row_id] = wanted

    def forget(self, row_id: str) -> None:
        """Drop every link of a row that is gone."""
        for near, far in ((self.forward, self.backward), (self.backward, self.forward)):
            for other in near.pop(row_id, ()):
                if row_id in far.get(other, ()):
                    far[other].remove(row_id)


class Table:
    """One table: columns, rows in the order of the base, archived rows and views.

    Args:
        name: its name.
        columns: its columns.
        rows: rows to begin with, values by column name (options by name), system fields by theirs. They are
            read when the table comes into a base.
        id: four characters; empty to be given one.
        views: its views; the default is one that shows all.
    """

    def __init__(
        self,
        name: str,
        columns: Iterable[Column],
        rows: Iterable[Mapping[str, Json]] = (),
        *,
        id: str = "",  # noqa: A002 (SeaTable's own word)
        views: Iterable[View] = (),
    ) -> None:
        self.id = id
        self.name = name
        self.columns = list(columns)
        self.views = list(views) or [View("Default View")]
        self.given: Iterable[Mapping[str, Json]] = rows
        self.rows: dict[str, Row] = {}
        self.archived: dict[str, Row] = {}
        self._order: dict[str, list[tuple[str, str]]] = {}

    def column(self, name: str) -> Column:
        """Return the column of a name, else of a key.

        Raises:
            Refused: there is none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        for column in self.columns:
            if column.key == name:
                return column
        msg = f"column {name} not found"
        raise Refused(msg, 404)

    def row(self, row_id: str) -> Row | None:
        """Return a row, archived or not, or None."""
        found = self.rows.get(row_id)
        return self.archived.get(row_id) if found is None else found

    def everything(self) -> list[Row]:
        """Return all rows, the archived ones last."""
        return [*self.rows.values(), *self.archived.values()]

    def ordered_ids(self, collation: str = "bytes") -> list[tuple[str, str]]:
        """Return (sort key, row id) of all rows in the order of a collation, ``bytes`` or ``ci``."""
        known = self._order.get(collation)
        if known is None:
            ids = (*self.rows, *self.archived)
            known = sorted((id_key(row_id, collation), row_id) for row_id in ids)
            self._order[collation] = known
        return known

    def put(self, row: Row) -> None:
        """Add a row at the end."""
        self.rows[row["_id"]] = row
        for collation, known in self._order.items():
            bisect.insort(known, (id_key(row["_id"], collation), row["_id"]))

    def drop(self, row_id: str) -> Row | None:
        """Take a row out and return it; None when it is not there."""
        row = self.rows.pop(row_id, None) or self.archived.pop(row_id, None)
        if row is not None:
            for collation, known in self._order.items():
                del known[bisect.bisect_left(known, (id_key(row_id, collation), row_id))]
        return row

    def info(self) -> dict[str, Json]:
        """Return the table as metadata has it: columns and views, no rows."""
        return {
            "_id": self.id,
            "name": self.name,
            "is_header_locked": False,
            "columns": [column.info() for column in self.columns],
            "views": [view.info() for view in self.views],
        }


def id_key(row_id: str, collation: str) -> str:
    """Return what a row id is sorted by."""
    return row_id.lower() if collation == "ci" else row_id
