"""What a SELECT gives: keys, values and metadata of its columns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from crantdb.sandbox.seatable.answers import Refused, number
from crantdb.sandbox.seatable.cells import SYSTEM
from crantdb.sandbox.seatable.render import Renderer
from crantdb.sandbox.seatable.sql.names import AGGREGATES
from crantdb.sandbox.seatable.sql.tree import Binary, Call, Constant, Item, Name, Unary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crantdb.sandbox.seatable.base import Base
    from crantdb.sandbox.seatable.cells import Json
    from crantdb.sandbox.seatable.model import Column
    from crantdb.sandbox.seatable.options import Options
    from crantdb.sandbox.seatable.sql.compile import Compiler, Env, Read
    from crantdb.sandbox.seatable.sql.tree import Node


@dataclass(frozen=True, slots=True)
class Part:
    """One column of a result.

    Attributes:
        key: its key in the results' objects.
        metadata: what the answer tells of it.
        of: the value from a row, or the table's place and the column where it is a plain one.
    """

    key: str
    metadata: dict[str, Json]
    of: Read | tuple[int, Column]


@dataclass(frozen=True, slots=True)
class Output:
    """Makes the columns of a result.

    Attributes:
        base: the base.
        options: the server's switches.
        compiler: over the tables of FROM.
        convert: whether columns come by name; a join never does.
        legacy: whether the answer is one of the old servers'.
    """

    base: Base
    options: Options
    compiler: Compiler
    convert: bool
    legacy: bool

    def columns(self, items: Sequence[Item]) -> list[Part]:
        """Return the columns of what is selected; nothing stands for ``*``, buttons left out."""
        if items:
            return [self._item(item) for item in items]
        parts: list[Part] = []
        for table in self.compiler.tables:
            named = {column.key for column in table.columns}
            names = [field for field in SYSTEM if field not in named]
            names += [column.name for column in table.columns if column.type != "button"]
            parts += [self._column(*self.compiler.find(Name(name, table.name)), None) for name in names]
        return list({part.key: part for part in parts}.values())

    def values(self, parts: Sequence[Part], envs: Sequence[Env]) -> dict[str, Sequence[Json]]:
        """Return the columns of rows by key."""
        out: dict[str, Sequence[Json]] = {}
        for place, table in enumerate(self.compiler.tables):
            plain = [part for part in parts if isinstance(part.of, tuple) and part.of[0] == place]
            columns = [part.of[1] for part in plain if isinstance(part.of, tuple)]
            renderer = Renderer(self.base, table, self.options, self.convert, self.legacy)
            cells = renderer.cells_of(columns, [env[place] for env in envs])
            out |= {part.key: found for part, found in zip(plain, cells, strict=True)}
        computed = {part.key: part.of for part in parts if not isinstance(part.of, tuple)}
        return out | {key: [self._value(read(env)) for env in envs] for key, read in computed.items()}

    def _item(self, item: Item) -> Part:
        """Return one selected expression."""
        if isinstance(item.of, Name):
            return self._column(*self.compiler.find(item.of), item.alias)
        read = self.compiler.compile(item.of)
        key = item.alias or (self._spelled(item.of) if isinstance(item.of, Binary) else item.text)
        metadata = {"key": key, "name": key, "type": _type(item.of), "data": None}
        return Part(key, metadata, read)

    def _column(self, place: int, column: Column, alias: str | None) -> Part:
        """Return a plain column or system field.

        Raises:
            Refused: a button.
        """
        if column.type == "button":
            msg = f"no such column: {column.name}"
            raise Refused(msg)
        by_name = self.convert and len(self.compiler.tables) == 1
        key = alias or (column.name if by_name else column.key)
        data = None if column.key == column.name and column.key in SYSTEM else column.data
        metadata = {
            "key": alias or column.key,
            "name": alias or column.name,
            "type": column.type,
            "data": data,
        }
        return Part(key, metadata, (place, column))

    def _value(self, value: Json) -> Json:
        """Return a computed value as JSON."""
        if isinstance(value, datetime):
            return value.isoformat()
        return number(value) if isinstance(value, float) else value

    def _spelled(self, node: Node) -> str:
        """Return arithmetic as the server names it, tables before the columns."""
        if isinstance(node, Binary):
            return f"{self._spelled(node.left)} {node.op} {self._spelled(node.right)}"
        if isinstance(node, Name):
            return f"{self.compiler.tables[self.compiler.find(node)[0]].name}.{node.name}"
        if isinstance(node, Constant):
            return str(node.value)
        return node.text if isinstance(node, Call) else "expression"


def _type(node: Node) -> str:
    """Return the type of a computed column."""
    if isinstance(node, Call):
        return "number" if node.name in AGGREGATES - {"min", "max"} else "text"
    is_number = isinstance(node, Unary | Binary) and node.op in {"+", "-", "*", "/"}
    return "number" if is_number else "text"
