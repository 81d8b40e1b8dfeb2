"""Bases over rows that somebody else has: dicts, or a CSV snapshot of a table."""

from __future__ import annotations

import ast
import csv
from typing import TYPE_CHECKING

from crantdb.errors import ConfigError
from crantdb.sandbox.seatable.base import Base
from crantdb.sandbox.seatable.cells import SYSTEM
from crantdb.sandbox.seatable.model import Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from crantdb.sandbox.seatable.cells import Json
    from crantdb.sandbox.seatable.clock import Clock

_BOOLEANS = {"True": True, "False": False, "true": True, "false": False, "TRUE": True, "FALSE": False}


def base_from_rows(
    rows: Iterable[Mapping[str, Json]],
    *,
    table: str = "CRANTb_meta",
    columns: Sequence[Column] | None = None,
    name: str = "CRANTb",
    api_tokens: Mapping[str, str] | None = None,
    seed: int = 0,
    clock: Clock | None = None,
) -> Base:
    """Return a base that serves given rows.

    Args:
        rows: values by column name; system fields (``_id``, ``_mtime``, …) by theirs.
        table: the table's name.
        columns: the columns; None takes them from the values: lists of texts are multiple-selects, booleans
            checkboxes, numbers numbers, all else text.
        name: the base's name.
        api_tokens: base API tokens and what they may do.
        seed: where ids begin.
        clock: the time of later edits.
    """
    given = list(rows)
    found = list(columns) if columns is not None else _columns(given)
    return Base(name, [Table(table, found, given)], api_tokens=api_tokens, seed=seed, clock=clock)


def rows_from_csv(path: Path) -> list[dict[str, Json]]:
    """Return the rows of a CSV snapshot as pandas writes one.

    Columns of which every value is a list in Python's notation or empty become lists, those of which every
    value is True or False booleans, all others stay texts; an empty field is null. A leading column without a
    name, or named ``index``, is left out. A position ``[x, y, z]`` is a list of numbers and stays a text.

    Raises:
        ConfigError: the file has no header.
    """
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        names = [name for name in reader.fieldnames or () if name not in ("", "index")]
        if not names:
            msg = f"{path} has no header: a snapshot of a table begins with the names of its columns"
            raise ConfigError(msg)
        rows = list(reader)
    read = {name: _read([row[name] for row in rows]) for name in names}
    return [{name: read[name][place] for name in names} for place in range(len(rows))]


def _read(texts: Sequence[str]) -> Sequence[Json]:
    """Return the values of one column."""
    filled = [text for text in texts if text]
    if filled and all(text in _BOOLEANS for text in filled):
        return [_BOOLEANS[text] if text else None for text in texts]
    lists = [_list(text) for text in filled]
    if filled and all(parts is not None for parts in lists):
        return [_list(text) if text else None for text in texts]
    return [text or None for text in texts]


def _list(text: str) -> list[str] | None:
    """Return a list of texts written in Python's notation, or None when it is none."""
    if not text.startswith("["):
        return None
    try:
        found = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return None
    is_texts = isinstance(found, list) and all(isinstance(part, str) for part in found)
    return found if is_texts else None


def _columns(rows: Sequence[Mapping[str, Json]]) -> list[Column]:
    """Return columns for rows, in the order in which their names come up."""
    names = dict.fromkeys(name for row in rows for name in row if name not in SYSTEM)
    return [Column(name, _type([row.get(name) for row in rows])) for name in names]


def _type(values: Iterable[Json]) -> str:
    """Return the type of a column with these values."""
    there = [value for value in values if value is not None]
    kinds = {type(value) for value in there}
    if kinds == {list}:
        return "multiple-select"
    if kinds == {bool}:
        return "checkbox"
    return "number" if kinds and kinds <= {int, float} else "text"
