"""A lab: a SeaTable base served on loopback, and a warehouse that mirrors it by the same steps as the command line."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import crantdb
from crantdb.config import Config, SeaTableSettings, config_text
from crantdb.sandbox.seatable import Base, Clock, Column, Options, Table
from crantdb.sandbox.seatable import SeaTable as Server
from crantdb.sources.seatable.read import ReadRules
from crantdb.sources.seatable.server import Limits, SeaTableServer, TokenKind
from crantdb.sync.run import SyncReport, sync
from crantdb.sync.seatable.part import SeaTable
from crantdb.sync.selection import Wish
from crantdb.tokens import Token
from crantdb.warehouse.layout import Warehouse, create_warehouse
from crantdb.warehouse.snapshot import current
from tests.conftest import CANARY
from tests.sync.bench import Voice

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import duckdb

    from crantdb.sources.cave import Cave
    from crantdb.warehouse.state import Snapshot

SIDES = ("left", "right")
ROOT = 576460752700282748
NOWHERE = "http://127.0.0.1:1"
BORN = datetime(2026, 8, 1, 9, tzinfo=UTC)


def neurons(count: int, **more: Any) -> Base:
    """Return a base with a table `neurons` of some rows, edited last two hours before its clock's time."""
    clock = Clock(BORN)
    columns = [
        Column("root_id"),
        Column("side", "single-select", options=SIDES),
        Column("status", "multiple-select", options=["TODO", "DONE, checked"]),
        Column("proofread", "checkbox"),
        Column("size", "number"),
        Column("score", "formula", {"result_type": "number", "formula": "{size}*2"}),
    ]
    rows = [
        {
            "root_id": str(ROOT + i),
            "side": SIDES[i % 2],
            "status": ["TODO"],
            "proofread": False,
            "size": i,
            "score": 2 * i,
        }
        for i in range(count)
    ]
    base = Base("CRANTb", [Table("neurons", columns, rows)], api_tokens={CANARY: "r"}, clock=clock, **more)
    clock.advance(7200)
    return base


@dataclass(slots=True)
class Lab:
    """A warehouse and the server it mirrors.

    Attributes:
        server: serves the bases.
        warehouse: mirrors them.
        config: its configuration.
        voice: what syncs said.
        reader: the connection that was last read through, and what was asked for.
    """

    server: Server
    warehouse: Warehouse
    config: Config
    voice: Voice = field(default_factory=Voice)
    reader: tuple[Any, duckdb.DuckDBPyConnection] | None = field(default=None, init=False)

    @property
    def base(self) -> Base:
        """The first base."""
        return self.server.bases[0]

    @property
    def row_ids(self) -> list[str]:
        """The ids of the first table's rows, in the base's order."""
        return list(self.base.tables[0].rows)

    def source(self, *, accept_shrink: bool = False, page_rows: int = 10_000, **settings: Any) -> SeaTable:
        """Return where annotations come from; waits put the server's clock forward instead."""
        assert self.config.seatable is not None
        wanted = replace(self.config.seatable, server=self.server.url, **settings)
        limits = Limits(requests_per_s=1e9, max_requests=wanted.max_requests, tries=wanted.tries)
        token = Token(CANARY, "the environment variable CRANTTABLE_TOKEN")
        server = SeaTableServer(
            wanted.server, token, kind=TokenKind.ACCOUNT, limits=limits, sleep=self.server.clock.advance
        )
        return SeaTable(server, wanted, ReadRules(page_rows=page_rows, settle_s=0), accept_shrink)

    def sync(self, cave: Cave | None = None, **more: Any) -> SyncReport:
        """Sync SeaTable (and CAVE, when given)."""
        source = self.source(**more)
        return sync(cave, self.warehouse, self.config, Wish(), self.voice, seatable=source)

    def gateway_calls(self) -> int:
        """Return how many gateway requests were served so far."""
        return sum(entry.path.startswith("/api-gateway/") for entry in self.server.log.entries())

    @property
    def snapshot(self) -> Snapshot | None:
        """The current snapshot."""
        return current(self.warehouse)

    def rows(self, query: str, **pins: Any) -> list[tuple[Any, ...]]:
        """Return a query's rows; asked again of the same snapshot, on the same connection."""
        asked = (self.warehouse.numbers()[-1:], pins)
        if self.reader is None or self.reader[0] != asked:
            if self.reader is not None:
                self.reader[1].close()
            self.reader = asked, crantdb.connect(self.warehouse.root, **pins)
        return self.reader[1].sql(query).fetchall()

    def changes(self) -> list[tuple[Any, ...]]:
        """Return the history: row, change, column, from, to."""
        return self.rows(
            "SELECT row_id, change, column_name, from_value, to_value FROM annotation_changes "
            "ORDER BY seen_at, row_id, change, column_name"
        )


def lab(
    folder: Path, bases: Base | Sequence[Base], *, tables: tuple[str, ...] | None = None, **options: Any
) -> Lab:
    """Return a new warehouse for bases, to be served with the given options: use its server as a context manager."""
    served = [bases] if isinstance(bases, Base) else list(bases)
    server = Server(served, token=CANARY, options=Options(**options), clock=served[0].clock)
    names = tuple(base.name for base in served)
    settings = SeaTableSettings(NOWHERE, served[0].workspace_id, names, tables)
    config = Config("ants", NOWHERE, seatable=settings)
    return Lab(
        server, create_warehouse(folder / "wh", config_text("ants", NOWHERE, seatable=settings)), config
    )
