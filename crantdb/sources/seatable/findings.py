"""What a reading noticed about cells: counted, with a few rows as examples, never dropped in silence."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

EXAMPLES = 5

UNTYPED = "untyped"
ORPHAN_OPTION = "orphan_option"
FORMULA_ERROR = "formula_error"
UNKNOWN_TYPE = "unknown_type"
NUMBER_HOLDS_IDS = "number_holds_ids"
DAMAGED_ID = "damaged_id"

MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        UNTYPED: "the value is not of its column's type: NULL in the column, as served in row_json",
        ORPHAN_OPTION: "the option was deleted: its id stands where its name would",
        FORMULA_ERROR: "the formula gives an error: NULL in the column, its words in the column beside it",
        UNKNOWN_TYPE: "a column type that crantdb does not know: kept as JSON",
        NUMBER_HOLDS_IDS: "whole numbers beyond 2^53 in a number column: the server has rounded them, so that no "
        "id can be read from it. Keep ids in a text column",
        DAMAGED_ID: "text that was an id before a spreadsheet changed it (5.76E+17, a trailing .0, …)",
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of thing noticed in one column.

    Attributes:
        table: the table's name.
        column_key: the column's identity.
        column: its name.
        kind: one of the constants of this module.
        count: in how many rows.
        rows: the `_id` of up to five of them, the smallest.
    """

    table: str
    column_key: str
    column: str
    kind: str
    count: int
    rows: tuple[str, ...]

    def __str__(self) -> str:
        meaning = MEANINGS.get(self.kind, self.kind)
        where = f" (rows {', '.join(self.rows)})" if self.rows else ""
        return f"{self.table}.{self.column}: {self.count:,} x {self.kind}: {meaning}{where}"


@dataclass(slots=True)
class Notes:
    """Gathers the findings of one table while its rows are read; the last reading of a row counts."""

    rows_of: dict[tuple[str, str], set[str]] = field(default_factory=dict)

    def add(self, column_key: str, kind: str, row_id: str) -> None:
        """Note something of a row's cell."""
        self.rows_of.setdefault((column_key, kind), set()).add(row_id)

    def forget(self, row_ids: set[str]) -> None:
        """Drop what was noted of rows that are read again, or are gone."""
        for rows in self.rows_of.values():
            rows.difference_update(row_ids)

    def findings(self, table: str, names: dict[str, str]) -> tuple[Finding, ...]:
        """Return the findings, by column and kind; `names` gives each column key its name."""
        return tuple(
            Finding(table, key, names.get(key, key), kind, len(rows), tuple(sorted(rows)[:EXAMPLES]))
            for (key, kind), rows in sorted(self.rows_of.items())
            if rows
        )
