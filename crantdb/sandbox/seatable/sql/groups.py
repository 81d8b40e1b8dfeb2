"""GROUP BY and the aggregates."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crantdb.sandbox.seatable.answers import Refused
from crantdb.sandbox.seatable.sql.names import AGGREGATES
from crantdb.sandbox.seatable.sql.tree import Binary, Call, Test, Unary
from crantdb.sandbox.seatable.sql.values import as_number, hashable, is_null, sort_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crantdb.sandbox.seatable.cells import Json
    from crantdb.sandbox.seatable.sql.compile import Compiler, Env, Read
    from crantdb.sandbox.seatable.sql.tree import Node, Select


def has_aggregate(select: Select) -> bool:
    """Return whether an aggregate stands in what is selected, or in HAVING or ORDER BY."""
    nodes = [item.of for item in select.items] + [order.by for order in select.orders]
    return any(_holds_aggregate(node) for node in [*nodes, *([select.having] if select.having else [])])


def grouped(envs: Iterable[Env], groups: Sequence[Node], compiler: Compiler) -> list[Env]:
    """Return one environment a group: its first row, and behind it the values of its aggregates.

    Args:
        envs: the rows.
        groups: what to group by; nothing makes one group, of no row too.
        compiler: the compiler that met the aggregates.
    """
    keys = [compiler.compile(node) for node in groups]
    members: dict[tuple[Json, ...], list[Env]] = {}
    for env in envs:
        members.setdefault(tuple(hashable(key(env)) for key in keys), []).append(env)
    if not groups and not members:
        members = {(): []}
    calls = [(call, _argument(call, compiler)) for call in compiler.aggregates]
    nothing: Env = tuple({} for _ in compiler.tables)
    return [
        (*(some[0] if some else nothing), [_aggregate(call, read, some) for call, read in calls])
        for some in members.values()
    ]


def _argument(call: Call, compiler: Compiler) -> Read | None:
    """Return the function of an aggregate's argument; None for COUNT(*)."""
    if call.star:
        return None
    if len(call.args) != 1:
        msg = f"{call.text} takes one argument"
        raise Refused(msg)
    return replace(compiler, aliases={}).compile(call.args[0])


def _aggregate(call: Call, read: Read | None, some: Sequence[Env]) -> Json:
    """Return an aggregate over the rows of a group; NULL is skipped."""
    if read is None:
        return len(some)
    values = [value for env in some if not is_null(value := read(env))]
    if call.distinct:
        values = list({hashable(value): value for value in values}.values())
    if call.name == "count":
        return len(values)
    if call.name in {"min", "max"}:
        return _extreme(call.name, values)
    numbers = [number for value in values if (number := as_number(value)) is not None]
    if call.name == "sum":
        return sum(numbers)
    return sum(numbers) / len(numbers) if numbers else None


def _extreme(name: str, values: Sequence[Json]) -> Json:
    """Return the least or the greatest value; moments lose what is below the second."""
    if not values:
        return None
    found = (min if name == "min" else max)(values, key=sort_key)
    return found.replace(microsecond=0) if hasattr(found, "microsecond") else found


def _holds_aggregate(node: Node) -> bool:
    """Return whether an aggregate stands anywhere in an expression."""
    if isinstance(node, Call):
        return node.name in AGGREGATES or any(map(_holds_aggregate, node.args))
    if isinstance(node, Binary):
        return _holds_aggregate(node.left) or _holds_aggregate(node.right)
    if isinstance(node, Test):
        return any(map(_holds_aggregate, (node.of, *node.args)))
    return isinstance(node, Unary) and _holds_aggregate(node.of)
