"""What a sync would fetch, without fetching a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crantdb.errors import SourceError
from crantdb.sync.run import ROW_BYTES, choose
from crantdb.warehouse.layout import free_bytes
from crantdb.warehouse.snapshot import current

if TYPE_CHECKING:
    from datetime import datetime

    from crantdb.config import Config
    from crantdb.sources.cave import Cave
    from crantdb.sync.selection import Selection, Wish
    from crantdb.warehouse.layout import Warehouse


@dataclass(frozen=True, slots=True)
class PlannedTable:
    """One table of a plan.

    Attributes:
        name: its name.
        kind: ``table`` or ``view``.
        rows: the rows the server says it has; None when it does not say.
        requests: about how many requests it takes.
        bytes: about how many bytes it takes on the disk.
        action: ``fetch``, ``keep`` (it is here already) or ``skip``.
        why: why it is skipped.
    """

    name: str
    kind: str
    rows: int | None
    requests: int
    bytes: int
    action: str
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sync would do.

    Attributes:
        version: the materialization version.
        as_of: its moment.
        main: whether it would become the main one.
        tables: table by table.
        free_bytes: the free space where the warehouse lies.
    """

    version: int
    as_of: datetime
    main: bool
    tables: tuple[PlannedTable, ...]
    free_bytes: int

    @property
    def rows(self) -> int:
        """Rows to fetch."""
        return sum(table.rows or 0 for table in self.tables if table.action == "fetch")

    @property
    def requests(self) -> int:
        """Requests, about."""
        return sum(table.requests for table in self.tables)

    @property
    def bytes(self) -> int:
        """Bytes on the disk, about."""
        return sum(table.bytes for table in self.tables)


def plan(cave: Cave, warehouse: Warehouse, config: Config, wish: Wish) -> Plan:
    """Return what a sync would do; asks for counts, never for rows.

    Raises:
        SourceError, TimeMismatch: as `run.choose`.
    """
    selection = choose(cave, warehouse, config, wish, current(warehouse))
    here = [PlannedTable(t.name, t.kind, t.rows, 0, 0, "keep", "") for t in selection.carried]
    fetch = _to_fetch(cave, selection, config.cave.chunk_rows)
    tables = tuple(fetch + here)
    version = selection.version
    return Plan(version.number, version.as_of, selection.main, tables, free_bytes(warehouse.root))


def _to_fetch(cave: Cave, selection: Selection, chunk_rows: int) -> list[PlannedTable]:
    """Return the tables that would be fetched, counted."""
    planned: list[PlannedTable] = []
    for table, _ in selection.fetch:
        try:
            rows = cave.expected_rows(selection.version, table)
        except SourceError as error:
            planned.append(PlannedTable(table.name, table.kind, None, 0, 0, "skip", str(error)))
            continue
        pieces = max(1, -(-rows // chunk_rows))
        planned.append(
            PlannedTable(table.name, table.kind, rows, 1 + 2 * pieces, rows * ROW_BYTES, "fetch", "")
        )
    return planned
