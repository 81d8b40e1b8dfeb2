"""Statements: the subset of SeaTable's dialect that the clients use, read by recursive descent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crantdb.sandbox.seatable.answers import Refused
from crantdb.sandbox.seatable.sql.expressions import Expressions
from crantdb.sandbox.seatable.sql.tree import Constant, Delete, Item, Order, Select, Statement, Update

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crantdb.sandbox.seatable.cells import Json
    from crantdb.sandbox.seatable.sql.tree import Node


def parse(sql: str, parameters: Sequence[Json] = ()) -> Statement:
    """Return a statement.

    Args:
        sql: the statement.
        parameters: what its question marks stand for, in their order.

    Raises:
        Refused: it is outside of the dialect.
    """
    return _Statements(sql, parameters).statement()


class _Statements(Expressions):
    """The statements over the expressions."""

    def statement(self) -> Statement:
        """Read the whole text."""
        if self.accept("SELECT"):
            found: Statement = self._select()
        elif self.accept("UPDATE"):
            found = self._update()
        elif self.accept("DELETE"):
            self.expect("FROM")
            found = Delete(self.identifier(), self._where())
        else:
            raise self.error()
        self.take_mark(";")
        if self.here.kind != "end":
            raise self.error()
        self.check_parameters()
        return found

    def _select(self) -> Select:
        """Read what comes behind SELECT."""
        distinct = self.accept("DISTINCT")
        items = () if self.take_mark("*") else tuple(self.separated(self._item))
        self.expect("FROM")
        tables = tuple(self.separated(self.identifier))
        where = self._where()
        groups = tuple(self.separated(self.expression)) if self.accept("GROUP", "BY") else ()
        having = self.expression() if self.accept("HAVING") else None
        orders = tuple(self.separated(self._order)) if self.accept("ORDER", "BY") else ()
        limit, offset = self._limit()
        return Select(items, tables, where, groups, having, orders, limit, offset, distinct)

    def _update(self) -> Update:
        """Read what comes behind UPDATE."""
        table = self.identifier()
        self.expect("SET")
        return Update(table, tuple(self.separated(self._assignment)), self._where())

    def _assignment(self) -> tuple[str, Json]:
        """Read ``column = constant``."""
        name = self.identifier()
        if not self.take_mark("="):
            raise self.error()
        value = self.expression()
        if not isinstance(value, Constant):
            msg = "only constants can be assigned"
            raise Refused(msg)
        return name, value.value

    def _where(self) -> Node | None:
        """Read an optional WHERE."""
        return self.expression() if self.accept("WHERE") else None

    def _item(self) -> Item:
        """Read one selected expression."""
        start = self.here.start
        of = self.expression()
        text = self.sql[start : self.previous_end].strip()
        if isinstance(of, Constant) and isinstance(of.value, str):
            msg = f"unsupported select item {text}: a quoted text is a string; names stand in backticks"
            raise Refused(msg)
        alias = self.identifier() if self.accept("AS") or self.is_identifier() else None
        return Item(of, text, alias)

    def _order(self) -> Order:
        """Read one expression of ORDER BY."""
        by = self.expression()
        descending = self.accept("DESC")
        if not descending:
            self.accept("ASC")
        return Order(by, descending)

    def _limit(self) -> tuple[int | None, int]:
        """Read ``LIMIT n``, ``LIMIT n OFFSET m`` or ``LIMIT m, n``."""
        if not self.accept("LIMIT"):
            return None, 0
        first = self.integer()
        if self.accept("OFFSET"):
            return first, self.integer()
        return (self.integer(), first) if self.take_mark(",") else (first, 0)
