"""Results on standard output: table | json | csv behind one interface. Ids are printed whole, never as floats."""

from __future__ import annotations

import csv
import json
import sys
from abc import ABC, abstractmethod
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


_NO_COUNT = 2**53
"""A whole number from here on is an id, not a count."""

_LONG = 2_000
"""A table of more rows is printed without looking at the terminal: measuring and folding its cells would take minutes."""


class Output(ABC):
    """Prints rows under column names."""

    @abstractmethod
    def rows(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Print rows, as they come."""

    def record(self, pairs: Sequence[tuple[str, Any]]) -> None:
        """Print one thing with its properties."""
        self.rows([name for name, _ in pairs], [[value for _, value in pairs]])


class TableOutput(Output):
    """For eyes."""

    def rows(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Print a table, numbers to the right."""
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        content = [list(row) for row in rows]
        numeric = [bool(content) and all(_is_number(row[i]) for row in content) for i in range(len(columns))]
        cells = [
            [_for_eyes(value, column) for value, column in zip(row, columns, strict=True)] for row in content
        ]
        if len(cells) > _LONG:
            _print_long(columns, cells, numeric)
            return
        table = Table(box=None, header_style="bold", pad_edge=False)
        for column, to_the_right in zip(columns, numeric, strict=True):
            table.add_column(Text(column), justify="right" if to_the_right else "left", overflow="fold")
        for row in cells:
            table.add_row(*map(Text, row))  # as it stands: a note like [/x] is no markup
        console = Console(highlight=False)
        if not console.is_terminal:
            console = Console(highlight=False, width=max(200, console.width))
        console.print(table)

    def record(self, pairs: Sequence[tuple[str, Any]]) -> None:
        """Print the properties one below the other."""
        width = max(len(name) for name, _ in pairs)
        for name, value in pairs:
            print(f"{name:<{width}}  {_for_eyes(value, name)}")  # noqa: T201 - this is the output


class JsonOutput(Output):
    """For programs: an array of objects; ids as whole numbers (read them with a parser that keeps 64 bits)."""

    def rows(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Print an array, row by row."""
        sys.stdout.write("[")
        for number, row in enumerate(rows):
            sys.stdout.write(",\n " if number else "\n ")
            sys.stdout.write(
                json.dumps(dict(zip(columns, row, strict=True)), default=_plain, ensure_ascii=False)
            )
        sys.stdout.write("\n]\n")

    def record(self, pairs: Sequence[tuple[str, Any]]) -> None:
        """Print one object."""
        sys.stdout.write(json.dumps(dict(pairs), default=_plain, ensure_ascii=False, indent=1) + "\n")


class CsvOutput(Output):
    """For spreadsheets and scripts (a spreadsheet bends ids of 18 digits: import them as text)."""

    def rows(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Print a header line and the rows; NULL is an empty field."""
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_csv_cell(value) for value in row] for row in rows)


def output_for(name: str) -> Output:
    """Return the output of a name: table, json or csv."""
    kinds: dict[str, type[Output]] = {"table": TableOutput, "json": JsonOutput, "csv": CsvOutput}
    return kinds[name]()


def _print_long(columns: Sequence[str], cells: Sequence[Sequence[str]], numeric: Sequence[bool]) -> None:
    """Print a long table in columns as wide as their widest cell, two blanks between."""
    flat = [[cell.replace("\n", " ") for cell in row] for row in (columns, *cells)]
    widths = [max(map(len, column)) for column in zip(*flat, strict=True)]
    form = "  ".join(
        f"{{:{'>' if right else '<'}{width}}}" for width, right in zip(widths, numeric, strict=True)
    )
    sys.stdout.writelines(form.format(*row).rstrip() + "\n" for row in flat)


def _is_number(value: object) -> bool:
    """Tell whether a value belongs to the right."""
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _is_id(column: str) -> bool:
    """Tell whether a column holds ids by its name."""
    return column == "id" or column.endswith("_id")


def _for_eyes(value: object, column: str = "") -> str:
    """Write a value for a person: counts with separators, ids without, times to the second."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if 10_000 <= abs(value) < _NO_COUNT and not _is_id(column) else str(value)
    if isinstance(value, float):
        return repr(round(value, 4))
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {count}" for key, count in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_for_eyes(part) for part in value)
    return str(value)


def _plain(value: object) -> object:
    """Write what JSON has no word for."""
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, (Decimal, timedelta)):
        return str(value)
    return str(value)


def _csv_cell(value: object) -> object:
    """Write a cell: lists and maps as JSON, booleans in lower case."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, dict, tuple)):
        return json.dumps(value, default=_plain, ensure_ascii=False)
    return "" if value is None else _plain(value) if isinstance(value, (datetime, date)) else value
