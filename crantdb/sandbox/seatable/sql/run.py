"""Statements carried out on a base."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crantdb.sandbox.seatable.answers import Refused
from crantdb.sandbox.seatable.render import objects
from crantdb.sandbox.seatable.row_edits import delete_rows, update_row
from crantdb.sandbox.seatable.sql.compile import Compiler
from crantdb.sandbox.seatable.sql.groups import grouped, has_aggregate
from crantdb.sandbox.seatable.sql.output import Output
from crantdb.sandbox.seatable.sql.parser import parse
from crantdb.sandbox.seatable.sql.plan import candidates
from crantdb.sandbox.seatable.sql.tree import Delete, Name, Select, Update
from crantdb.sandbox.seatable.sql.values import hashable, sort_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crantdb.sandbox.seatable.base import Base
    from crantdb.sandbox.seatable.cells import Json
    from crantdb.sandbox.seatable.model import Table
    from crantdb.sandbox.seatable.options import Options
    from crantdb.sandbox.seatable.sql.compile import Env
    from crantdb.sandbox.seatable.sql.tree import Node


@dataclass(frozen=True, slots=True)
class Asked:
    """A statement with how its answer is wanted.

    Attributes:
        sql: the statement.
        parameters: what its question marks stand for.
        convert: whether columns and options come by name.
        can_write: whether the token may change rows.
        only_normal: whether archived rows are left out.
        legacy: whether the answer is one of the old servers'.
        clamp: the most rows to give, fewer than asked for; None for no clamp.
    """

    sql: str
    parameters: Sequence[Json] = ()
    convert: bool = False
    can_write: bool = False
    only_normal: bool = False
    legacy: bool = False
    clamp: int | None = None


def run(base: Base, options: Options, asked: Asked) -> dict[str, Json]:
    """Return the answer to a statement.

    Raises:
        Refused: it is outside of the dialect, names what does not exist, or may not be done.
    """
    if asked.sql.lstrip()[:6].upper() == "INSERT":
        msg = f"base {base.uuid} not found: insert on non-existent base"
        raise Refused(msg)
    statement = parse(asked.sql, asked.parameters)
    answer = {"success": True, "error_message": "", "is_join_stmt": False}
    if not isinstance(statement, Select):
        _write(base, options, statement, asked)
        return answer | {"metadata": None, "results": None}
    metadata, results = _Query(base, options, asked, statement).answer()
    is_join = len(statement.tables) > 1
    shown = None if not results and options.empty_results == "null" else results
    return answer | {"is_join_stmt": is_join, "metadata": metadata, "results": shown}


def _write(base: Base, options: Options, statement: Update | Delete, asked: Asked) -> None:
    """Carry an UPDATE or a DELETE out."""
    if not asked.can_write:
        msg = "no write permission"
        raise Refused(msg, 403)
    table = _table(base, statement.table)
    compiler = Compiler([table], options.zone, base.clock.now())
    holds = None if statement.where is None else compiler.compile(statement.where)
    hit = [row["_id"] for row in table.everything() if holds is None or holds((row,))]
    if isinstance(statement, Delete):
        delete_rows(base, table.name, hit)
        return
    for row_id in hit:
        update_row(base, table.name, row_id, dict(statement.values))


@dataclass(frozen=True, slots=True)
class _Query:
    """A SELECT being answered."""

    base: Base
    options: Options
    asked: Asked
    select: Select

    def answer(self) -> tuple[list[dict[str, Json]], list[dict[str, Json]]]:
        """Return metadata and results."""
        tables = [_table(self.base, name) for name in self.select.tables]
        aliases = {item.alias: item.of for item in self.select.items if item.alias}
        compiler = Compiler(tables, self.options.zone, self.base.clock.now(), aliases)
        plain = replace(compiler, aliases={})
        output = Output(self.base, self.options, plain, self.asked.convert, self.asked.legacy)
        columns = output.columns(self.select.items)
        orders = [(compiler.ranked(order.by), order.descending) for order in self.select.orders]
        having = None if self.select.having is None else compiler.compile(self.select.having)
        envs, in_order = self._envs(tables, compiler, width=len(columns))
        if self.select.groups or has_aggregate(self.select):
            envs = grouped(envs, self.select.groups, compiler)
            envs, in_order = [env for env in envs if having is None or having(env)], False
        for read, descending in reversed([] if in_order else orders):
            envs = sorted(envs, key=lambda env, read=read: sort_key(read(env)), reverse=descending)  # type: ignore[misc]
        cut = slice(self.select.offset, self.select.offset + self._limit())
        some = list(envs if self.select.distinct else itertools.islice(envs, cut.start, cut.stop))
        results = objects(output.values(columns, some), len(some), seed=self.options.seed)
        if self.select.distinct:
            results = list({hashable(row): row for row in results}.values())[cut]
        self._check_cells(len(results) * len(columns))
        return [column.metadata for column in columns], results

    def _envs(self, tables: Sequence[Table], compiler: Compiler, *, width: int) -> tuple[Iterable[Env], bool]:
        """Return the rows that pass WHERE, and whether they stand in the wanted order."""
        plain = replace(compiler, aliases={})
        if len(tables) > 1:
            self._check_cost(_product(len(table.rows) for table in tables) * width)
            every = itertools.product(*(table.everything() for table in tables))
            return self._passing(
                every, plain, () if self.select.where is None else (self.select.where,)
            ), False
        first = self.select.orders[0] if self.select.orders else None
        by_id = first is not None and isinstance(first.by, Name) and first.by.name == "_id"
        found = candidates(tables[0], self.select.where, self.options, by_id=by_id)
        self._check_cost(len(found.rows) * width)
        rows = list(found.rows)
        if self.asked.only_normal:
            rows = [row for row in rows if row["_id"] in tables[0].rows]
        if by_id and first is not None and first.descending:
            rows.reverse()
        return self._passing(((row,) for row in rows), plain, found.rest), by_id

    def _passing(self, envs: Iterable[Env], compiler: Compiler, tests: Sequence[Node]) -> Iterable[Env]:
        """Give the rows that pass all tests."""
        for test in tests:
            envs = filter(compiler.compile(test), envs)
        return envs

    def _limit(self) -> int:
        """Return how many rows to give at the most; more than the cap are cut off without a word."""
        asked = self.options.sql_default_limit if self.select.limit is None else self.select.limit
        caps = (asked, self.options.sql_hard_limit, self.asked.clamp)
        return min(cap for cap in caps if cap is not None)

    def _check_cost(self, cost: int) -> None:
        """Raise when a query costs too much."""
        limit = self.options.sql_cost_limit
        if limit is not None and cost > limit:
            msg = f"the execution cost {cost} exceeds the limit of {limit}"
            raise Refused(msg)

    def _check_cells(self, cells: int) -> None:
        """Raise when an answer has too many cells."""
        cap = self.options.cell_cap
        if cap is not None and cells > cap:
            words = "1 million" if cap == 1_000_000 else str(cap)
            msg = f"Number of cells returned exceeds the limit of {words}"
            raise Refused(msg)


def _table(base: Base, name: str) -> Table:
    """Return a table by its name, in SQL's words when there is none."""
    for table in base.tables:
        if table.name == name:
            return table
    msg = f"no such table: {name}"
    raise Refused(msg)


def _product(numbers: Iterable[int]) -> int:
    """Return the product of numbers."""
    out = 1
    for number in numbers:
        out *= number
    return out
