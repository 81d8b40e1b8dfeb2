"""Expressions, from OR down to names and constants."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from crantdb.sandbox.seatable.answers import Refused
from crantdb.sandbox.seatable.sql.names import AGGREGATES, FUNCTIONS, RESERVED
from crantdb.sandbox.seatable.sql.tokens import Token, tokens
from crantdb.sandbox.seatable.sql.tree import Binary, Call, Constant, Name, Test, Unary

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crantdb.sandbox.seatable.cells import Json
    from crantdb.sandbox.seatable.sql.tree import Node

_T = TypeVar("_T")
_COMPARISONS = ("=", "!=", "<>", "<", "<=", ">", ">=")
_CONSTANTS = {"TRUE": True, "FALSE": False, "NULL": None}


class Expressions:
    """A reader of tokens with one token of sight.

    Attributes:
        sql: the text.
        here: the token to be read next.
        previous_end: where the last token read ended.
    """

    def __init__(self, sql: str, parameters: Sequence[Json]) -> None:
        self.sql = sql
        self.previous_end = 0
        self._tokens = tokens(sql)
        self._at = 0
        self._parameters = list(parameters)
        self._used = 0

    @property
    def here(self) -> Token:
        """The token to be read next."""
        return self._tokens[self._at]

    def step(self) -> Token:
        """Read a token."""
        token = self.here
        self._at += 1
        self.previous_end = token.end
        return token

    def accept(self, *words: str) -> bool:
        """Read keywords if they stand here, all of them or none."""
        ahead = self._tokens[self._at : self._at + len(words)]
        if len(ahead) < len(words) or not all(t.is_word(w) for t, w in zip(ahead, words, strict=True)):
            return False
        for _ in words:
            self.step()
        return True

    def expect(self, word: str) -> None:
        """Read a keyword.

        Raises:
            Refused: another word stands here.
        """
        if not self.accept(word):
            raise self.error()

    def take_mark(self, *marks: str) -> str:
        """Read one of some marks if it stands here and return it, else the empty string."""
        if self.here.kind == "mark" and self.here.text in marks:
            return self.step().text
        return ""

    def error(self) -> Refused:
        """Return the error of an unexpected token."""
        found = self.here.text or "the end"
        return Refused(f"syntax error at position {self.here.start} near '{found}'")

    def check_parameters(self) -> None:
        """Raise when there are more parameters than question marks."""
        if self._used != len(self._parameters):
            msg = f"{len(self._parameters)} parameters were given, the statement has {self._used}"
            raise Refused(msg)

    def is_identifier(self) -> bool:
        """Return whether a name stands here."""
        token = self.here
        return token.kind == "quoted" or (token.kind == "word" and token.text.upper() not in RESERVED)

    def identifier(self) -> str:
        """Read a name."""
        if not self.is_identifier():
            raise self.error()
        return self.step().text

    def integer(self) -> int:
        """Read a number without a fraction."""
        if self.here.kind != "number" or not self.here.text.isdigit():
            raise self.error()
        return int(self.step().text)

    def separated(self, one: Callable[[], _T]) -> list[_T]:
        """Read one or more, separated by commas."""
        out = [one()]
        while self.take_mark(","):
            out.append(one())
        return out

    def expression(self) -> Node:
        """Read an expression."""
        left = self._conjunction()
        while self.accept("OR"):
            left = Binary("OR", left, self._conjunction())
        return left

    def _conjunction(self) -> Node:
        """Read what AND joins."""
        left = self._negation()
        while self.accept("AND"):
            left = Binary("AND", left, self._negation())
        return left

    def _negation(self) -> Node:
        """Read a test, negated or not."""
        return Unary("NOT", self._negation()) if self.accept("NOT") else self._test()

    def _test(self) -> Node:
        """Read a comparison or another test."""
        left = self._sum()
        if op := self.take_mark(*_COMPARISONS):
            return Binary("!=" if op == "<>" else op, left, self._sum())
        if self.accept("IS"):
            return self._is(left)
        if self.accept("HAS"):
            return self._has(left)
        negated = self.accept("NOT")
        if found := self._matched(left, negated=negated):
            return found
        if negated:
            raise self.error()
        return left

    def _matched(self, left: Node, *, negated: bool) -> Node | None:
        """Read LIKE, ILIKE, IN or BETWEEN; None when none stands here."""
        if self.accept("LIKE"):
            return Test("LIKE", left, (self._sum(),), negated)
        if self.accept("ILIKE"):
            return Test("ILIKE", left, (self._sum(),), negated)
        if self.accept("IN"):
            return Test("IN", left, self._list(), negated)
        if self.accept("BETWEEN"):
            low = self._sum()
            self.expect("AND")
            return Test("BETWEEN", left, (low, self._sum()), negated)
        return None

    def _is(self, left: Node) -> Node:
        """Read what comes behind IS."""
        if self.accept("EXACTLY"):
            return Test("EXACTLY", left, self._list())
        negated = self.accept("NOT")
        if self.accept("NULL"):
            return Test("NULL", left, (), negated)
        self.expect("TRUE")
        return Test("TRUE", left, (), negated)

    def _has(self, left: Node) -> Node:
        """Read what comes behind HAS."""
        for kind in ("ANY", "ALL", "NONE"):
            if self.accept(kind, "OF"):
                return Test(kind, left, self._list())
        raise self.error()

    def _list(self) -> tuple[Node, ...]:
        """Read constants in brackets."""
        if not self.take_mark("("):
            raise self.error()
        out = tuple(self.separated(self._sum))
        if not self.take_mark(")"):
            raise self.error()
        return out

    def _sum(self) -> Node:
        """Read what plus and minus join."""
        left = self._product()
        while op := self.take_mark("+", "-"):
            left = Binary(op, left, self._product())
        return left

    def _product(self) -> Node:
        """Read what times and divided by join."""
        left = self._signed()
        while op := self.take_mark("*", "/"):
            left = Binary(op, left, self._signed())
        return left

    def _signed(self) -> Node:
        """Read a value with its sign."""
        if not self.take_mark("-"):
            return self._value()
        of = self._signed()
        if isinstance(of, Constant) and isinstance(of.value, int | float):
            return Constant(-of.value)
        return Unary("-", of)

    def _value(self) -> Node:
        """Read a constant, a name, a call or brackets."""
        token = self.here
        if self.take_mark("("):
            inner = self.expression()
            if not self.take_mark(")"):
                raise self.error()
            return inner
        if self.take_mark("?"):
            return self._parameter()
        if token.kind == "string":
            return Constant(self.step().text)
        if token.kind == "number":
            text = self.step().text
            return Constant(int(text) if text.isdigit() else float(text))
        if token.kind == "word" and token.text.upper() in _CONSTANTS:
            return Constant(_CONSTANTS[self.step().text.upper()])
        return self._name_or_call()

    def _parameter(self) -> Node:
        """Return the next parameter's value."""
        if self._used >= len(self._parameters):
            msg = f"the statement has more question marks than the {len(self._parameters)} parameters"
            raise Refused(msg)
        self._used += 1
        return Constant(self._parameters[self._used - 1])

    def _name_or_call(self) -> Node:
        """Read a name, with its table or without, or a function's call."""
        token = self.here
        if token.kind == "word" and self._tokens[self._at + 1].text == "(":
            return self._call()
        if token.kind == "word" and token.text.lower() in {*FUNCTIONS, *AGGREGATES}:
            raise self.error()
        name = self.identifier()
        return Name(self.identifier(), name) if self.take_mark(".") else Name(name)

    def _call(self) -> Node:
        """Read a function or an aggregate with its arguments."""
        token = self.step()
        name = token.text.lower()
        if name not in FUNCTIONS and name not in AGGREGATES:
            msg = f"no such function: {token.text}"
            raise Refused(msg)
        self.take_mark("(")
        distinct = name in AGGREGATES and self.accept("DISTINCT")
        star = name == "count" and bool(self.take_mark("*"))
        args = () if star or self.here.text == ")" else tuple(self.separated(self.expression))
        if not self.take_mark(")"):
            raise self.error()
        return Call(name, args, self.sql[token.start : self.previous_end], star, distinct)
