"""Expressions as Python functions of a row.

An expression becomes a function of an *environment*: the tuple of the raw rows, one for each table of FROM,
and behind them, in a grouped query, the list of the group's aggregates.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from crantdb.sandbox.seatable.answers import Refused
from crantdb.sandbox.seatable.cells import SYSTEM, Json
from crantdb.sandbox.seatable.model import Column
from crantdb.sandbox.seatable.sql.functions import equal, functions
from crantdb.sandbox.seatable.sql.names import AGGREGATES
from crantdb.sandbox.seatable.sql.tree import Binary, Call, Constant, Name, Test, Unary
from crantdb.sandbox.seatable.sql.values import (
    alike,
    as_number,
    hashable,
    is_null,
    like,
    moment,
    ranker,
    reader,
)

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from crantdb.sandbox.seatable.model import Table
    from crantdb.sandbox.seatable.sql.tree import Node

Env: TypeAlias = tuple[Json, ...]
Read: TypeAlias = "Callable[[Env], Json]"

_ORDERS: Mapping[str, Callable[[Json, Json], bool]] = MappingProxyType(
    {"=": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
)
_SUMS: Mapping[str, Callable[[Json, Json], Json]] = MappingProxyType(
    {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
)
_SYSTEM_TYPES = MappingProxyType(
    {
        "_ctime": "ctime",
        "_mtime": "mtime",
        "_creator": "creator",
        "_last_modifier": "last-modifier",
        "_archived": "checkbox",
        "_locked": "checkbox",
    }
)


@dataclass(slots=True)
class Compiler:
    """Turns expressions over some tables into functions.

    Attributes:
        tables: the tables of FROM.
        zone: the server's zone.
        now: the server's time.
        aliases: what may stand in GROUP BY, HAVING and ORDER BY under another name.
        aggregates: the aggregates met, in the order of their values at the end of the environment.
    """

    tables: Sequence[Table]
    zone: ZoneInfo
    now: datetime
    aliases: Mapping[str, Node] = field(default_factory=dict)
    aggregates: list[Call] = field(default_factory=list)

    def compile(self, node: Node) -> Read:
        """Return the function of an expression.

        Raises:
            Refused: a column that does not exist or cannot be used here.
        """
        if isinstance(node, Constant):
            return _constant(node.value)
        if isinstance(node, Name):
            return self._alias_or_column(node)
        if isinstance(node, Call):
            return self._aggregate(node) if node.name in AGGREGATES else self._call(node)
        if isinstance(node, Unary):
            return self._unary(node)
        return self._test(node) if isinstance(node, Test) else self._binary(node)

    def ranked(self, node: Node) -> Read:
        """Return the function by which an expression sorts."""
        node = self.aliases.get(node.name, node) if isinstance(node, Name) and not node.table else node
        if not isinstance(node, Name):
            return self.compile(node)
        place, column = self.find(node)
        return self._cell(place, column, ranker(column, self.zone))

    def find(self, name: Name) -> tuple[int, Column]:
        """Return the place of a column's table and the column; system fields are columns too.

        Raises:
            Refused: there is no such column.
        """
        for place, table in enumerate(self.tables):
            if name.table not in (None, table.name):
                continue
            for column in table.columns:
                if column.name == name.name:
                    return place, column
            if name.name in SYSTEM:
                return place, Column(name.name, _SYSTEM_TYPES.get(name.name, "text"), key=name.name)
        msg = f"no such column: {name.name}"
        raise Refused(msg)

    def _alias_or_column(self, node: Name) -> Read:
        """Return the function of what an alias stands for, else of a column."""
        if node.table is None and node.name in self.aliases:
            return replace(self, aliases={}).compile(self.aliases[node.name])
        place, column = self.find(node)
        return self._cell(place, column, reader(column, self.zone))

    def _cell(self, place: int, column: Column, form: Callable[[Json], Json] | None) -> Read:
        """Return the function of a column's cells."""
        key, compute = column.key, column.compute
        if column.type == "link":
            msg = f'link column "{column.name}" cannot be used in a condition or an order'
            raise Refused(msg)
        if key == "_archived":
            archived = self.tables[place].archived
            return lambda env: env[place]["_id"] in archived
        raw: Read = (lambda env: env[place].get(key)) if compute is None else lambda env: compute(env[place])
        return raw if form is None else lambda env: form(raw(env))

    def _aggregate(self, node: Call) -> Read:
        """Return the function that looks an aggregate's value up."""
        if node not in self.aggregates:
            self.aggregates.append(node)
        at = self.aggregates.index(node)
        return lambda env: env[-1][at]

    def _call(self, node: Call) -> Read:
        """Return the function of a function's call."""
        function = functions(self.now, self.zone)[node.name]
        args = [self.compile(arg) for arg in node.args]

        def called(env: Env) -> Json:
            """Return the function's value."""
            try:
                return function(*(arg(env) for arg in args))
            except (TypeError, ValueError, ZeroDivisionError) as error:
                msg = f"wrong arguments of {node.text}: {error}"
                raise Refused(msg) from error

        return called

    def _unary(self, node: Unary) -> Read:
        """Return the function of NOT or a minus."""
        of = self.compile(node.of)
        if node.op == "NOT":
            return lambda env: not of(env)
        return lambda env: None if (value := as_number(of(env))) is None else -value

    def _binary(self, node: Binary) -> Read:
        """Return the function of AND, OR, a comparison or arithmetic."""
        left, right = self.compile(node.left), self.compile(node.right)
        if node.op == "AND":
            return lambda env: bool(left(env)) and bool(right(env))
        if node.op == "OR":
            return lambda env: bool(left(env)) or bool(right(env))
        if node.op in _SUMS:
            return _arithmetic(_SUMS[node.op], left, right)
        if node.op == "!=":
            return lambda env: not equal(left(env), right(env), self.zone)
        return self._ordered(_ORDERS[node.op], left, right)

    def _ordered(self, holds: Callable[[Json, Json], bool], left: Read, right: Read) -> Read:
        """Return the function of a comparison, which is false where a side is NULL."""
        zone = self.zone

        def compared(env: Env) -> bool:
            """Return whether it holds."""
            near, far = left(env), right(env)
            if is_null(near) or is_null(far):
                return False
            pair = (near, far) if type(near) is type(far) is str else alike(near, far, zone)
            return pair is not None and holds(*pair)

        return compared

    def _test(self, node: Test) -> Read:
        """Return the function of a test, negated or not."""
        holds = self._plain_test(node, self.compile(node.of), [self.compile(arg) for arg in node.args])
        return (lambda env: not holds(env)) if node.negated else holds

    def _plain_test(self, node: Test, of: Read, args: Sequence[Read]) -> Read:
        """Return the function of a test as if it were not negated."""
        if node.kind == "NULL":
            return lambda env: is_null(of(env))
        if node.kind == "TRUE":
            return lambda env: of(env) is True
        if node.kind in {"LIKE", "ILIKE"}:
            pattern = like(str(args[0](())), folded=node.kind == "ILIKE")
            return lambda env: _matches(pattern, of(env))
        if node.kind == "BETWEEN":
            low, high = (
                self._ordered(_ORDERS[op], of, arg) for op, arg in zip((">=", "<="), args, strict=True)
            )
            return lambda env: bool(low(env)) and bool(high(env))
        if node.kind == "IN":
            return self._among(of, [arg(()) for arg in args])
        return _sets(node.kind, of, {arg(()) for arg in args})

    def _among(self, of: Read, values: Sequence[Json]) -> Read:
        """Return the function of IN, quick where all values are texts."""
        zone = self.zone
        texts = {value for value in values if isinstance(value, str)}
        moments = {at for text in texts if (at := moment(text, zone))}

        def among(env: Env) -> bool:
            """Return whether the value is one of them."""
            value = of(env)
            if is_null(value):
                return False
            if isinstance(value, str):
                return value in texts
            return (
                value in moments if hasattr(value, "tzinfo") else any(equal(value, v, zone) for v in values)
            )

        return among


def _constant(value: Json) -> Read:
    """Return the function of a constant."""
    return lambda _: value


def _arithmetic(op: Callable[[Json, Json], Json], left: Read, right: Read) -> Read:
    """Return the function of arithmetic; NULL where a side is no number or the divisor is 0."""

    def result(env: Env) -> Json:
        """Return the number."""
        near, far = as_number(left(env)), as_number(right(env))
        if near is None or far is None:
            return None
        try:
            return op(near, far)
        except ZeroDivisionError:
            return None

    return result


def _matches(pattern: re.Pattern[str], value: Json) -> bool:
    """Return whether a text, or any text of a list, is like a pattern."""
    texts = value if isinstance(value, list) else [value]
    return any(not is_null(text) and pattern.fullmatch(str(text)) is not None for text in texts)


def _sets(kind: str, of: Read, wanted: set[Json]) -> Read:
    """Return the function of HAS ANY, ALL, NONE OF and IS EXACTLY."""
    tests: dict[str, Callable[[set[Json]], bool]] = {
        "ANY": lambda have: bool(have & wanted),
        "ALL": lambda have: wanted <= have,
        "NONE": lambda have: not have & wanted,
        "EXACTLY": lambda have: have == wanted,
    }
    test = tests[kind]

    def holds(env: Env) -> bool:
        """Return whether the list passes."""
        value = of(env)
        if is_null(value):
            return kind == "NONE"
        return test({hashable(part) for part in (value if isinstance(value, list) else [value])})

    return holds
