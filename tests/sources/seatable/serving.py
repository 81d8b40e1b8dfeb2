"""A base served on loopback and read with the real client, and what is truly in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from crantdb.sandbox.seatable import Base, Clock, Column, Options, SeaTable, Table, set_links
from crantdb.sources.seatable.read import ReadRules, read_tables
from crantdb.sources.seatable.server import Limits, SeaTableServer, TokenKind
from crantdb.tokens import Token
from tests.conftest import CANARY

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from crantdb.sources.seatable import server as source
    from crantdb.sources.seatable.result import BaseRead

WORKSPACE = 62919
SIDES = ("left", "right", "medial")
FAST = Limits(requests_per_s=1e9)
BORN = datetime(2026, 8, 1, 9, tzinfo=UTC)


def neurons(count: int, *, clock: Clock | None = None, **more: Any) -> Base:
    """Return a base with a table `neurons` of some rows, made two hours before the clock's time."""
    clock = clock or Clock(BORN)
    rows = [
        {"root_id": str(576460752700282748 + i), "n": i + 0.5, "side": SIDES[i % 3], "proofread": i % 2 == 0}
        for i in range(count)
    ]
    columns = [
        Column("root_id"),
        Column("n", "number"),
        Column("side", "single-select", options=SIDES),
        Column("proofread", "checkbox"),
    ]
    base = Base("CRANTb", [Table("neurons", columns, rows)], api_tokens={CANARY: "r"}, clock=clock, **more)
    clock.advance(7200)
    return base


def with_links(base: Base, count: int) -> list[str]:
    """Link the base's first neuron to some rows of a table `types`; return their ids."""
    from crantdb.sandbox.seatable import add_link_column, add_table  # noqa: PLC0415 - only here

    add_table(base, Table("types", [Column("name")], [{"name": f"type {i}"} for i in range(count)]))
    add_link_column(base, "neurons", "types", "types", other_name="neurons")
    others = list(base.table("types").rows)
    set_links(base, "neurons", "types", {next(iter(base.table("neurons").rows)): others})
    base.clock.advance(7200)
    return others


def served(base: Base, **options: Any) -> SeaTable:
    """Return a server of a base, its account's token the canary, its clock the base's."""
    return SeaTable(base, token=CANARY, options=Options(**options), clock=base.clock)


def opened(
    server: SeaTable, *, kind: TokenKind = TokenKind.ACCOUNT, limits: Limits = FAST, **more: Any
) -> source.Base:
    """Open the base of a server; waits put its clock forward instead."""
    more = {"sleep": server.clock.advance} | more
    return SeaTableServer(
        server.url,
        Token(CANARY, "the environment variable CRANTTABLE_TOKEN"),
        kind=kind,
        limits=limits,
        **more,
    ).open_base(WORKSPACE, server.bases[0].name)


def read(
    server: SeaTable,
    *tables: str,
    page_rows: int = 10_000,
    spill: Path | None = None,
    kind: TokenKind = TokenKind.ACCOUNT,
    limits: Limits = FAST,
    **more: Any,
) -> BaseRead:
    """Read some tables of a server's base, or all."""
    rules = ReadRules(page_rows=page_rows, settle_s=0.0)
    base = opened(server, kind=kind, limits=limits)
    return read_tables(base, tables or None, spill=spill, rules=rules, **more)


def table_of(result: BaseRead, name: str) -> Any:
    """Return the reading of a table by name."""
    return next(table for table in result.tables.values() if table.info.name == name)


def rows_of(result: BaseRead, name: str) -> list[dict[str, Any]]:
    """Return the rows of a table in the order they are handed over."""
    return [row for piece in table_of(result, name).pieces() for row in piece.to_pylist()]


def truth(base: Base, name: str) -> list[dict[str, Any]]:
    """Return what is in a table, in `_id` order: texts, numbers, options by name, ticks, the row's times."""
    table = base.table(name)
    return [
        {"_id": row["_id"], "_mtime": _moment(row["_mtime"]), "_archived": row["_id"] in table.archived}
        | {
            column.name: _shown(column, row.get(column.key))
            for column in table.columns
            if column.type in _PLAIN
        }
        for row in sorted(table.everything(), key=lambda row: row["_id"])
    ]


def same_as_truth(result: BaseRead, base: Base, name: str = "neurons") -> None:
    """Assert that a table was read as it is: every row once, in order, every cell."""
    wanted = truth(base, name)
    keys = wanted[0].keys() if wanted else ()
    got = [{key: row[key] for key in keys} for row in rows_of(result, name)]
    assert [row["_id"] for row in got] == [row["_id"] for row in wanted]
    assert got == wanted


def pages_asked(server: SeaTable) -> int:
    """Return how many pages of rows were asked for."""
    return server.log.count(r"SELECT \* FROM .* ORDER BY `_id` LIMIT")


def ids_of(base: Base, name: str = "neurons") -> list[str]:
    """Return the ids of a table's rows, sorted."""
    return sorted(row["_id"] for row in base.table(name).everything())


def select_ids(rows: Iterable[dict[str, Any]]) -> set[str]:
    """Return the ids of rows."""
    return {row["_id"] for row in rows}


_PLAIN = frozenset({"text", "number", "single-select", "checkbox"})


def _shown(column: Column, raw: Any) -> Any:
    """Return a cell as a mirror should have it."""
    return column.option_names().get(raw, raw) if column.type == "single-select" else raw


def _moment(stamp: str | None) -> datetime | None:
    """Return a row's time."""
    return None if stamp is None else datetime.fromisoformat(stamp)
