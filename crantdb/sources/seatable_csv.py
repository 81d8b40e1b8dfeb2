"""Daily CSV files of a whole SeaTable table, as labs keep them: `YYYY-MM-DD_<lab>_seatable.csv`."""

from __future__ import annotations

import csv
import re
import sys
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING

from crantdb.errors import BadFile

if TYPE_CHECKING:
    from pathlib import Path

_NAME = re.compile(r"(\d{4}-\d\d-\d\d)_.*seatable\.csv", re.IGNORECASE)
ROW_ID = "_id"
EMPTY = frozenset({"", "NA"})
"""What an empty cell reads as: R writes NA."""


@dataclass(frozen=True, slots=True)
class Daily:
    """One file: the whole table as it was at some time of a day."""

    day: date
    path: Path


def find_daily(folder: Path) -> list[Daily]:
    """Return the daily files of a folder (or the one file named), by day.

    Raises:
        BadFile: when there is none, or two are of one day.
    """
    paths = [folder] if folder.is_file() else sorted(folder.glob("*.csv"))
    named = ((path, _NAME.fullmatch(path.name)) for path in paths)
    found = [Daily(_day(path, match[1]), path) for path, match in named if match is not None]
    if not found:
        msg = f"{folder} holds no file named like 2026-08-01_crantb_seatable.csv"
        raise BadFile(msg, path=folder)
    found.sort(key=lambda daily: daily.day)
    for one, other in pairwise(found):
        if one.day == other.day:
            msg = f"{one.path.name} and {other.path.name} are of one day"
            raise BadFile(msg, path=other.path)
    return found


def _day(path: Path, text: str) -> date:
    """Return the day that a file's name says."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        msg = f"{path.name} is of no day that there is"
        raise BadFile(msg, path=path) from error


def read_daily(daily: Daily) -> dict[str, dict[str, str]]:
    """Return the rows of a file by `_id`: the cells that hold something, by column name.

    Raises:
        BadFile: when it is no CSV of a SeaTable table, is cut short, or has a row twice.
    """
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    rows: dict[str, dict[str, str]] = {}
    try:
        with daily.path.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.reader(handle, strict=True)
            header = next(reader, [])
            if ROW_ID not in header:
                msg = (
                    f"{daily.path} has no column {ROW_ID}: without the rows' identity nothing can be compared"
                )
                raise BadFile(msg, path=daily.path)
            if len(set(header)) < len(header):
                msg = f"{daily.path} has a column twice"
                raise BadFile(msg, path=daily.path)
            at = header.index(ROW_ID)
            for cells in reader:
                if len(cells) != len(header):
                    msg = f"{daily.path}, line {reader.line_num}: {len(cells)} cells, not {len(header)}"
                    raise BadFile(msg, path=daily.path)
                if cells[at] in rows:
                    msg = f"{daily.path}, line {reader.line_num}: the row {cells[at]} comes twice"
                    raise BadFile(msg, path=daily.path)
                named = zip(header, cells, strict=True)
                rows[cells[at]] = {name: cell for name, cell in named if cell not in EMPTY and name}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"{daily.path} cannot be read as CSV: {error}"
        raise BadFile(msg, path=daily.path) from error
    return rows
