"""The parts of a statement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from crantdb.sandbox.seatable.cells import Json


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant: text, number, boolean or NULL; a parameter's value too."""

    value: Json


@dataclass(frozen=True, slots=True)
class Name:
    """A column, with its table's name where one stands before it."""

    name: str
    table: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A function or aggregate; `text` is how it was typed, `star` is for COUNT(*)."""

    name: str
    args: tuple[Node, ...]
    text: str
    star: bool = False
    distinct: bool = False


@dataclass(frozen=True, slots=True)
class Unary:
    """NOT or a minus."""

    op: Literal["NOT", "-"]
    of: Node


@dataclass(frozen=True, slots=True)
class Binary:
    """AND, OR, a comparison or arithmetic."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Test:
    """A test of one value: LIKE, ILIKE, IN, BETWEEN, NULL, TRUE, and HAS's four; negated or not."""

    kind: Literal["LIKE", "ILIKE", "IN", "BETWEEN", "NULL", "TRUE", "ANY", "ALL", "NONE", "EXACTLY"]
    of: Node
    args: tuple[Node, ...] = ()
    negated: bool = False


Node: TypeAlias = Constant | Name | Call | Unary | Binary | Test


@dataclass(frozen=True, slots=True)
class Item:
    """One selected expression, how it was typed, and its alias."""

    of: Node
    text: str
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """One expression to order by."""

    by: Node
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Select:
    """A SELECT; no items stand for ``*``."""

    items: tuple[Item, ...]
    tables: tuple[str, ...]
    where: Node | None = None
    groups: tuple[Node, ...] = ()
    having: Node | None = None
    orders: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int = 0
    distinct: bool = False


@dataclass(frozen=True, slots=True)
class Update:
    """An UPDATE with constants."""

    table: str
    values: tuple[tuple[str, Json], ...]
    where: Node | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """A DELETE."""

    table: str
    where: Node | None = None


Statement: TypeAlias = Select | Update | Delete
