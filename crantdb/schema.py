"""Declared tables: those to which crantdb itself gives meaning, read from `schemas/*.sql`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from crantdb.assets import sql_texts

_BODY = re.compile(r"CREATE TABLE \w+ \(\n(.*?)^\);", re.DOTALL | re.MULTILINE)
_COLUMN = re.compile(
    r'^    "?(?P<name>\w+)"? +(?P<type>[A-Z].*?)(?P<rest>(?: +(?:NOT NULL|PRIMARY KEY|CHECK|UNIQUE|DEFAULT)\b.*)?),?$'
)
_COMMENT = re.compile(r"""COMMENT ON COLUMN \w+\."?(?P<name>\w+)"? IS '(?P<said>(?:[^']|'')*)';""")
_OF_THE_TABLE = frozenset({"PRIMARY", "CHECK", "UNIQUE", "FOREIGN", "CONSTRAINT"})


@dataclass(frozen=True, slots=True)
class DeclaredColumn:
    """A declared column: its name, its DuckDB type, and whether NULL may stand in it."""

    name: str
    type: str
    nullable: bool


def declarations() -> dict[str, str]:
    """Return the text of every declaration (one CREATE TABLE and its comments), by table name."""
    return sql_texts("schemas")


def declared_columns(*tables: str) -> dict[str, tuple[DeclaredColumn, ...]]:
    """Return the columns of declared tables, in order, by table.

    Read from the text, a column a line, as every connection asks: DuckDB would take far longer to say it.

    Raises:
        KeyError: when no such table is declared.
    """
    texts = declarations()
    return {table: _columns(texts[table]) for table in tables}


def comments_of(table: str) -> dict[str, str]:
    """Return what each column of a declared table is, in words; nothing for a table that is not declared."""
    said = _COMMENT.finditer(declarations().get(table, ""))
    return {match["name"]: match["said"].replace("''", "'") for match in said}


def _columns(text: str) -> tuple[DeclaredColumn, ...]:
    """Return the columns of a declaration."""
    body = _BODY.search(text)
    lines = body[1].splitlines() if body is not None else []
    keys = {name for line in lines for name in _key_columns(line)}
    found = (_COLUMN.match(line.split(" --")[0]) for line in lines)
    return tuple(
        DeclaredColumn(
            match["name"],
            match["type"],
            not ("NOT NULL" in match["rest"] or "PRIMARY KEY" in match["rest"] or match["name"] in keys),
        )
        for match in found
        if match is not None and match["name"] not in _OF_THE_TABLE
    )


def _key_columns(line: str) -> list[str]:
    """Return the columns that a line of its own makes the primary key."""
    found = re.match(r"^    PRIMARY KEY \((.*)\)", line)
    return [name.strip().strip('"') for name in found[1].split(",")] if found else []
