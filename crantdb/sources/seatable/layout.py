"""The physical columns of a mirrored table, and rows as Arrow: a page becomes a batch at once."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from crantdb.sources.seatable.cells import Untyped
from crantdb.sources.seatable.findings import UNTYPED
from crantdb.sources.seatable.rowtext import DIGEST_BYTES, RowWriter, volatile_keys
from crantdb.sources.seatable.types import NO_VALUES, SYSTEM, ColumnType, column_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from crantdb.sources.seatable.catalogue import ColumnInfo, TableInfo
    from crantdb.sources.seatable.findings import Notes

RAW = "row_json"
DIGEST = "__digest"
"""A last column that pieces on their way have: the hash of the row."""


@dataclass(frozen=True, slots=True)
class Physical:
    """One physical column: its name, the key its cells stand under, and how they become values."""

    name: str
    key: str
    kind: ColumnType
    main: bool


class Layout:
    """How rows of one table become Arrow.

    Args:
        table: its columns as they are now.
    """

    def __init__(self, table: TableInfo) -> None:
        self.table = table
        self.volatile = volatile_keys(table)
        self.writer = RowWriter(table)
        self._columns = tuple(_physical(table))
        self.schema = pa.schema(
            [*map(self._field, self._columns), pa.field(RAW, pa.large_string(), nullable=False)],
            metadata={"seatable.table_id": table.id, "seatable.table": table.name},
        )
        self.on_its_way = self.schema.append(pa.field(DIGEST, pa.binary(DIGEST_BYTES), nullable=False))

    def batch(self, rows: Sequence[Mapping[str, Any]], notes: Notes) -> pa.RecordBatch:
        """Return rows as Arrow, with the digest column last.

        Args:
            rows: as `literals.load` read them, each with its `_id`.
            notes: hears what is noticed about cells.
        """
        written = [self.writer.write(row) for row in rows]
        arrays = [_column(column, rows, notes) for column in self._columns]
        arrays.append(pa.array([text.raw for text in written], pa.large_string()))
        arrays.append(pa.array([text.digest for text in written], pa.binary(DIGEST_BYTES)))
        return pa.RecordBatch.from_arrays(arrays, schema=self.on_its_way)

    def final_schema(self, lossy: Iterable[str]) -> pa.Schema:
        """Return the schema of the result: columns whose numbers were beyond 2^53 are marked.

        Args:
            lossy: keys of such columns.
        """
        marked = set(lossy)
        fields = list(self.schema)
        for number, column in enumerate(self._columns):
            if column.key in marked and column.main:
                found = fields[number]
                fields[number] = found.with_metadata({**found.metadata, b"seatable.lossy_int": b"true"})
        return pa.schema(fields, metadata=self.schema.metadata)

    def links(self) -> list[tuple[str, ColumnInfo]]:
        """Return the link columns, each with its physical name."""
        return [
            (physical.name, column)
            for physical in self._columns
            if (column := self.table.column(physical.key)) and column.type == "link" and physical.main
        ]

    def volatile_names(self) -> tuple[str, ...]:
        """Return the names of the columns that change by themselves."""
        return tuple(column.name for column in self._columns if column.key in self.volatile and column.main)

    def _field(self, column: Physical) -> pa.Field:
        """Return a physical column's field with what it is in SeaTable."""
        info = self.table.column(column.key)
        told: dict[str, str] = {"seatable.key": column.key}
        if info is not None:
            told |= {"seatable.name": info.name, "seatable.type": info.type}
            told["seatable.data"] = json.dumps(dict(info.data), sort_keys=True)
        if column.key in self.volatile:
            told["seatable.volatile"] = "true"
        return pa.field(column.name, column.kind.arrow, nullable=column.name != "_id", metadata=told)


def _physical(table: TableInfo) -> Iterable[Physical]:
    """Yield the physical columns: the system's, then each column of the table with those beside it."""
    names = physical_names(table)
    taken = {name.casefold() for name in (*SYSTEM, RAW, DIGEST, *names.values())}
    for name, kind in SYSTEM.items():
        yield Physical(name, name, kind, main=True)
    for column in table.columns:
        if column.type in NO_VALUES:
            continue
        kind = column_type(column)
        yield Physical(names[column.key], column.key, kind, main=True)
        for suffix, beside in kind.beside:
            name = _free(f"{names[column.key]}{suffix}", column.key, taken)
            taken.add(name.casefold())
            yield Physical(name, column.key, beside, main=False)


def physical_names(table: TableInfo) -> dict[str, str]:
    """Return each column key's physical name: the column's own, with `__<key>` where two differ only by case."""
    columns = [column for column in table.columns if column.type not in NO_VALUES]
    taken = {name.casefold() for name in (*SYSTEM, RAW, DIGEST)}
    counts = Counter(column.name.casefold() for column in columns)
    alone = [
        column for column in columns if counts[name := column.name.casefold()] == 1 and name not in taken
    ]
    names = {column.key: column.name for column in alone}
    taken |= {name.casefold() for name in names.values()}
    for column in sorted(columns, key=lambda column: column.key):
        if column.key not in names:
            names[column.key] = _free(f"{column.name}__{column.key}", column.key, taken)
            taken.add(names[column.key].casefold())
    return names


def _free(name: str, key: str, taken: set[str]) -> str:
    """Return a name that is not taken, by adding the key as often as it takes."""
    while name.casefold() in taken:
        name = f"{name}__{key}"
    return name


def _column(column: Physical, rows: Sequence[Mapping[str, Any]], notes: Notes) -> pa.Array:
    """Return one column of a page; a cell that is not of its type is NULL and noted."""
    key, cell = column.key, column.kind.cell
    given = [row.get(key) for row in rows]
    values: list[Any] = []
    for number, value in enumerate(given):
        if value is None:
            values.append(None)
            continue
        try:
            values.append(cell(value))
        except Untyped:
            values.append(None)
            if column.main:
                notes.add(key, UNTYPED, rows[number]["_id"])
    for kind, noted in column.kind.noted if column.main else ():
        for number, value in enumerate(given):
            if value is not None and noted(value):
                notes.add(key, kind, rows[number]["_id"])
    return pa.array(values, column.kind.arrow)
