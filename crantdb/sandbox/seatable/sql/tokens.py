"""The words of a statement."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from crantdb.sandbox.seatable.answers import Refused

Kind = Literal["number", "string", "quoted", "word", "mark", "end"]
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<string>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*")
  | `(?P<quoted>[^`]+)`
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<mark><>|!=|<=|>=|[=<>+\-*/(),.;?])
  | (?P<end>$))""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a statement: its kind, its text (quotes taken off), and where it began and ended."""

    kind: Kind
    text: str
    start: int
    end: int

    def is_word(self, *words: str) -> bool:
        """Return whether this is one of some keywords (given in capitals)."""
        return self.kind == "word" and self.text.upper() in words


def tokens(sql: str) -> list[Token]:
    """Return the words of a statement, an ``end`` behind them.

    Raises:
        Refused: a character that begins no word.
    """
    out: list[Token] = []
    at = 0
    while True:
        match = _TOKEN.match(sql, at)
        if match is None or match.lastgroup is None:
            msg = f"syntax error near position {at}: {sql[at : at + 20]!r}"
            raise Refused(msg)
        kind: Kind = match.lastgroup  # type: ignore[assignment]
        text = match[kind]
        out.append(Token(kind, _unquoted(text) if kind == "string" else text, match.start(kind), match.end()))
        if kind == "end":
            return out
        at = match.end()


def _unquoted(text: str) -> str:
    """Return a string literal's text."""
    mark = text[0]
    return re.sub(r"\\(.)", r"\1", text[1:-1].replace(mark * 2, mark), flags=re.DOTALL)
