"""Which rows a query has to look at: conditions on ``_id`` are answered from the sorted ids."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crantdb.sandbox.seatable.answers import Refused
from crantdb.sandbox.seatable.model import id_key
from crantdb.sandbox.seatable.sql.tree import Binary, Constant, Name, Test

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crantdb.sandbox.seatable.cells import Row
    from crantdb.sandbox.seatable.model import Table
    from crantdb.sandbox.seatable.options import Options
    from crantdb.sandbox.seatable.sql.tree import Node

_BOUNDS = frozenset({"<", "<=", ">", ">=", "="})
_LAST = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Candidates:
    """Rows that may answer a query.

    Attributes:
        rows: the rows.
        by_id: whether they stand in the order of their ids.
        rest: the conditions that are still to be tested on each.
    """

    rows: Sequence[Row]
    by_id: bool
    rest: tuple[Node, ...]


def candidates(table: Table, where: Node | None, options: Options, *, by_id: bool) -> Candidates:
    """Return the rows of a table to look at.

    Args:
        table: the table.
        where: the condition.
        options: the server's switches: the collation of ids, and whether they compare by order at all.
        by_id: whether the rows are wanted in the order of their ids in any case.

    Raises:
        Refused: ids compared by order on a server that cannot.
    """
    parts = list(_conjuncts(where))
    usable = [part for part in parts if _is_id_test(part)]
    rest = tuple(part for part in parts if part not in usable)
    if not options.keyset_strings and any(isinstance(p, Binary) and p.op != "=" for p in usable):
        msg = "unsupported comparison of _id with a string"
        raise Refused(msg)
    if not usable and not by_id:
        return Candidates(table.everything(), by_id=False, rest=rest)
    ids = _narrowed(table, usable, options.id_collation)
    rows = [row for row_id in ids if (row := table.row(row_id)) is not None]
    return Candidates(rows, by_id=True, rest=rest)


def _narrowed(table: Table, tests: Sequence[Node], collation: str) -> list[str]:
    """Return the ids that pass all tests, in their order."""
    ordered = table.ordered_ids(collation)
    low, high = 0, len(ordered)
    wanted: set[str] | None = None
    for test in tests:
        if isinstance(test, Test):
            some = {str(arg.value) for arg in test.args if isinstance(arg, Constant)}
            wanted = some if wanted is None else wanted & some
        elif isinstance(test, Binary) and isinstance(test.right, Constant):
            key = id_key(str(test.right.value), collation)
            before = bisect.bisect_left(ordered, (key, ""))
            behind = bisect.bisect_right(ordered, (key, _LAST))
            low = max(low, {">": behind, ">=": before, "=": before}.get(test.op, low))
            high = min(high, {"<": before, "<=": behind, "=": behind}.get(test.op, high))
    if wanted is not None and len(wanted) < high - low:
        span = (ordered[low], ordered[high - 1])
        keyed = sorted((id_key(row_id, collation), row_id) for row_id in wanted)
        return [entry[1] for entry in keyed if span[0] <= entry <= span[1]]
    return [row_id for _, row_id in ordered[low:high] if wanted is None or row_id in wanted]


def _conjuncts(node: Node | None) -> Iterator[Node]:
    """Give the conditions that AND joins."""
    if isinstance(node, Binary) and node.op == "AND":
        yield from _conjuncts(node.left)
        yield from _conjuncts(node.right)
    elif node is not None:
        yield node


def _is_id_test(node: Node) -> bool:
    """Return whether a condition compares ``_id`` with constants, so that the sorted ids answer it."""
    if isinstance(node, Binary):
        return _is_id(node.left) and node.op in _BOUNDS and _is_text(node.right)
    return isinstance(node, Test) and node.kind == "IN" and not node.negated and _is_id(node.of)


def _is_id(node: Node) -> bool:
    """Return whether this is the row id."""
    return isinstance(node, Name) and node.name == "_id"


def _is_text(node: Node) -> bool:
    """Return whether this is a text that is not NULL."""
    return isinstance(node, Constant) and isinstance(node.value, str) and node.value != ""
