"""Reads the objects of `sql/` and gives every name in them its schema.

A macro's body does not see the schema it stands in: `v4.m()` saying `FROM t` silently reads `main.t`. So
the text in `sql/` is free of schemas, and each catalog gets it with every name of ours qualified.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, NamedTuple

from crantdb.assets import sql_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

ROOMS = ("functions", "views", "macros")
_BEFORE_RELATION = {"FROM", "JOIN"}
_OBJECT_KINDS = {"VIEW", "MACRO", "TABLE"}
_TOKEN = re.compile(
    r"""(?:\s+|--[^\n]*|/\*.*?\*/)*+
    (?:('(?:[^']|'')*' | "(?:[^"]|"")*" | [^\W\d]\w* | [\d.]+\w* | .) | \Z)""",
    re.VERBOSE | re.DOTALL,
)
"""SQL cut as DuckDB cuts it, as far as the texts of `sql/` go (they hold no dollar quotes and no escapes)."""


class Token(NamedTuple):
    """A word, a quoted name, a text or a sign: what it says and where it begins. A text says nothing."""

    text: str
    start: int


@dataclass(frozen=True, slots=True)
class SqlObject:
    """One file of `sql/`: a function, view or macro.

    Attributes:
        name: the object's name: the file's name.
        room: functions, views or macros.
        text: its statements, free of schemas.
        tokens: the text in tokens, as DuckDB would cut it.
    """

    name: str
    room: str
    text: str
    tokens: tuple[Token, ...]


def sql_objects() -> list[SqlObject]:
    """Return every object of `sql/`, each after those it builds on."""
    objects = {
        name: SqlObject(name, room, text, _tokens(text))
        for room in ROOMS
        for name, text in sql_texts("sql", room).items()
    }
    known = set(objects)
    needs = {
        name: {token.text for token in _ours(item.tokens, known, known)} - {name}
        for name, item in objects.items()
    }
    return [objects[name] for name in TopologicalSorter(needs).static_order()]


def qualified(item: SqlObject, schema: str, relations: AbstractSet[str], macros: AbstractSet[str]) -> str:
    """Return an object's statements with each of our names in the given schema.

    Args:
        item: the object.
        schema: the schema it is created in.
        relations: names of tables, views and table macros that stand in the schema.
        macros: names of macros of both kinds.
    """
    known = set(relations) | set(macros)
    return _prefixed(item.text, _ours(item.tokens, known, set(macros)), f'"{schema}".')


def _tokens(text: str) -> tuple[Token, ...]:
    """Cut a text into tokens, as DuckDB would."""
    found = ((match[1], match.start(1)) for match in _TOKEN.finditer(text))
    return tuple(Token(_said(token), start) for token, start in found if token is not None)


def _said(token: str) -> str:
    """Return what a token says: a word or a sign, a name without its quotes; of a text only its opening quote."""
    if token[0] == "'":
        return "'"
    return token[1:-1] if token[0] == '"' and len(token) > 1 else token


def _ours(tokens: Sequence[Token], known: set[str], macros: set[str]) -> list[Token]:
    """Return the tokens that are the unqualified name of one of our objects, used as such."""
    named = [index for index, token in enumerate(tokens) if token.text in known]
    return [tokens[index] for index in named if _is_used(tokens, index, macros)]


def _is_used(tokens: Sequence[Token], index: int, macros: set[str]) -> bool:
    """Tell whether a name of ours is used as such: called, or where a relation stands, and not behind a point."""
    before = tokens[index - 1].text.upper() if index else None
    if before is None or before == ".":
        return False
    after = tokens[index + 1].text if index + 1 < len(tokens) else None
    called = after == "(" and tokens[index].text in macros
    return called or before in _OBJECT_KINDS or before in _BEFORE_RELATION


def _prefixed(text: str, tokens: Iterable[Token], prefix: str) -> str:
    """Return the text with a prefix before each of the tokens."""

    def parts() -> Iterator[str]:
        done = 0
        for token in tokens:
            yield text[done : token.start] + prefix
            done = token.start
        yield text[done:]

    return "".join(parts())


def statements(text: str) -> list[str]:
    """Return the statements of a text, one by one, without comments before them."""
    tokens = _tokens(text)
    result: list[str] = []
    start: int | None = None
    for token in tokens:
        if token.text == ";":
            if start is not None:
                result.append(text[start : token.start])
            start = None
        elif start is None:
            start = token.start
    if start is not None:
        result.append(text[start:])
    return [statement.strip() for statement in result]
