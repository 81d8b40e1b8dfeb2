"""Ids out of a file or standard input: one a line, or a column of a table as spreadsheets write it."""

from __future__ import annotations

import csv
import io
import re
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path

_MISSING = frozenset({"", "na", "n/a", "nan", "nat", "none", "null", "<na>", "#n/a"})
_ROW_ID = re.compile(r"[A-Za-z0-9_-]{22}")
_NAME = re.compile(r"[^\W\d][\w .()/#-]*")


def ids_of(path: Path | None, column: str | None) -> list[str]:
    """Return the ids of a file, in the order of its lines, repeated ones and empty ones too.

    Text may be UTF-8 or UTF-16, with a byte order mark or without, lines end as they like, cells be parted by
    commas, semicolons or tabs. A blank line is none.

    Args:
        path: the file; None or ``-`` for standard input.
        column: the name of the column; None for the first one, which may have a heading.

    Raises:
        click.UsageError: when nothing is given, the file is no table, or it has no such column.
    """
    text = _decoded(_bytes(path))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        rows = [row for row in reader if any(cell.strip() for cell in row) or len(row) > 1]
    except csv.Error as error:
        msg = f"{_name(path)} cannot be read as a table: line {reader.line_num}: {error}"
        raise click.UsageError(msg) from error
    if column is None:
        return [row[0] for row in (rows[1:] if rows and is_heading(rows[0][0]) else rows)]
    names = [name.strip() for name in rows[0]] if rows else []
    if names.count(column) != 1:
        has = "has that column more than once" if column in names else f"it has {', '.join(names) or 'none'}"
        msg = f"{_name(path)}: which column is {column!r}? {has}"
        raise click.UsageError(msg)
    place = names.index(column)
    return [row[place] if place < len(row) else "" for row in rows[1:]]


def is_heading(cell: str) -> bool:
    """Tell whether the first cell of a file names its column: words, but no SeaTable row's id and no word for a missing one."""
    word = cell.strip()
    return bool(_NAME.fullmatch(word)) and not _ROW_ID.fullmatch(word) and word.lower() not in _MISSING


def _bytes(path: Path | None) -> bytes:
    """Return all of a file, or of standard input.

    Raises:
        click.UsageError: when there is nothing to read from.
    """
    if path is not None and str(path) != "-":
        return path.read_bytes()
    if sys.stdin is None or (path is None and sys.stdin.isatty()):
        msg = "say which ids: as arguments, with --file, or through standard input"
        raise click.UsageError(msg)
    buffer = getattr(sys.stdin, "buffer", None)
    return sys.stdin.read().encode("utf-8", "replace") if buffer is None else bytes(buffer.read())


def _decoded(content: bytes) -> str:
    """Return text. Letters that cannot be read stand as replacement characters: ids have none of them."""
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    return content.decode("utf-16" if wide else "utf-8-sig", "replace")


def _delimiter(text: str) -> str:
    """Return what parts the cells of a file: the most frequent of comma, semicolon and tab in its first line."""
    first = re.sub(r'"[^"]*"', "", next((line for line in text.splitlines() if line.strip()), ""))
    return max(",;\t", key=first.count)


def _name(path: Path | None) -> str:
    """Name a file for a message."""
    return "standard input" if path is None or str(path) == "-" else str(path)
