"""What a base says of itself: tables, columns, options. Identity is (table id, column key), never a name."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from crantdb.errors import BadResponse, NotServed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SELECTS = frozenset({"single-select", "multiple-select"})

COLUMNS_SCHEMA = pa.schema(
    [
        pa.field("table_id", pa.string()),
        pa.field("table_name", pa.string()),
        pa.field("ord", pa.int32()),
        pa.field("column_key", pa.string()),
        pa.field("column_name", pa.string()),
        pa.field("type", pa.string()),
        pa.field("data", pa.string()),
    ]
)
OPTIONS_SCHEMA = pa.schema(
    [
        pa.field("table_id", pa.string()),
        pa.field("column_key", pa.string()),
        pa.field("ord", pa.int32()),
        pa.field("option_id", pa.string()),
        pa.field("option_name", pa.string()),
        pa.field("color", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class OptionInfo:
    """One option of a select column: cells hold the id, people see the name."""

    id: str
    name: str
    color: str


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """One column.

    Attributes:
        key: its identity within its table; stays when it is renamed or moved.
        name: what people see.
        type: SeaTable's name of the type ("text", "single-select", …); may be one we do not know.
        data: SeaTable's settings of the type (options, formats, result types); empty when it has none.
    """

    key: str
    name: str
    type: str
    data: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def options(self) -> tuple[OptionInfo, ...]:
        """Return the options in definition order; none for a column that is no select."""
        if self.type not in SELECTS:
            return ()
        return tuple(
            OptionInfo(str(option.get("id", "")), str(option.get("name", "")), str(option.get("color") or ""))
            for option in self.data.get("options") or ()
        )


@dataclass(frozen=True, slots=True)
class TableInfo:
    """One table: its id (identity), its name, its columns in the base's order (buttons too)."""

    id: str
    name: str
    columns: tuple[ColumnInfo, ...]

    def column(self, key: str) -> ColumnInfo | None:
        """Return the column of a key, or None."""
        return next((column for column in self.columns if column.key == key), None)


@dataclass(frozen=True, slots=True)
class BaseInfo:
    """A base at one moment.

    Attributes:
        name: the base's name.
        uuid: its identity.
        version: a number that every change of an unarchived row, column or table raises; None when the
            server does not say.
        tables: in the base's order.
    """

    name: str
    uuid: str
    version: int | None
    tables: tuple[TableInfo, ...]

    def table(self, name: str) -> TableInfo:
        """Return the table of a name (as written, else ignoring case when only one fits).

        Raises:
            NotServed: when there is none; names those that are there.
        """
        exact = [table for table in self.tables if table.name == name]
        loose = [table for table in self.tables if table.name.casefold() == name.casefold()]
        for found in (exact, loose):
            if len(found) == 1:
                return found[0]
        there = ", ".join(repr(table.name) for table in self.tables) or "none"
        msg = f"the base {self.name!r} has no table {name!r}; its tables: {there}"
        raise NotServed(msg)

    def by_id(self, table_id: str) -> TableInfo | None:
        """Return the table of an id, or None."""
        return next((table for table in self.tables if table.id == table_id), None)


def read_metadata(raw: object, *, name: str, uuid: str) -> BaseInfo:
    """Read what the metadata endpoint serves under `metadata`.

    Raises:
        BadResponse: when it is not a base's metadata.
    """
    try:
        return _base(raw, name, uuid)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        msg = (
            f"the metadata of the base {name!r} is not what SeaTable's contract says "
            f"({type(error).__name__}: {error}). Is the address a SeaTable server of version 5 or newer?"
        )
        raise BadResponse(msg) from error


def _base(raw: Any, name: str, uuid: str) -> BaseInfo:  # noqa: ANN401 - JSON is anything
    """Read a base."""
    version = raw.get("version")
    return BaseInfo(
        name=name,
        uuid=uuid,
        version=None if version is None else int(version),
        tables=tuple(_table(table) for table in raw["tables"]),
    )


def _table(raw: Mapping[str, Any]) -> TableInfo:
    """Read a table; two columns of one key would make cells ambiguous."""
    columns = columns_of(raw["columns"])
    if len({column.key for column in columns}) < len(columns):
        msg = f"table {raw['name']!r} has two columns of one key"
        raise ValueError(msg)
    return TableInfo(str(raw["_id"]), str(raw["name"]), columns)


def columns_of(raw: Iterable[Mapping[str, Any]]) -> tuple[ColumnInfo, ...]:
    """Read a list of columns as metadata and SQL answers have it."""
    return tuple(
        ColumnInfo(str(column["key"]), str(column["name"]), str(column["type"]), column.get("data") or {})
        for column in raw
    )


def schema_hash(table: TableInfo) -> str:
    """Return a hash of a table's name and columns (key, name, type, settings), whatever their order."""
    columns = sorted([column.key, column.name, column.type, dict(column.data)] for column in table.columns)
    return _hash([table.id, table.name, columns])


def base_hash(tables: Sequence[TableInfo]) -> str:
    """Return a hash over the schemas of tables, whatever their order."""
    return _hash(sorted(schema_hash(table) for table in tables))


def _hash(content: object) -> str:
    """Return SHA-256 of JSON in one way of writing."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def columns_table(tables: Sequence[TableInfo]) -> pa.Table:
    """Return the catalogue of columns as Arrow (`COLUMNS_SCHEMA`): one row a column, `data` as JSON."""
    rows = [
        {
            "table_id": table.id,
            "table_name": table.name,
            "ord": number,
            "column_key": column.key,
            "column_name": column.name,
            "type": column.type,
            "data": json.dumps(dict(column.data), sort_keys=True),
        }
        for table in tables
        for number, column in enumerate(table.columns)
    ]
    return pa.Table.from_pylist(rows, schema=COLUMNS_SCHEMA)


def options_table(tables: Sequence[TableInfo]) -> pa.Table:
    """Return the catalogue of options as Arrow (`OPTIONS_SCHEMA`): one row an option of a select column."""
    rows = [
        {
            "table_id": table.id,
            "column_key": column.key,
            "ord": number,
            "option_id": option.id,
            "option_name": option.name,
            "color": option.color,
        }
        for table in tables
        for column in table.columns
        for number, option in enumerate(column.options)
    ]
    return pa.Table.from_pylist(rows, schema=OPTIONS_SCHEMA)
