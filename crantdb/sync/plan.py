"""What a sync would fetch, without fetching a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crantdb.errors import NotServed, ReferenceNotLoaded, Unreadable
from crantdb.sync.cave import ROW_BYTES, SYNAPSE_BYTES, choose
from crantdb.sync.delta.base import Base, Deltas
from crantdb.sync.delta.passes import sample_blocks
from crantdb.sync.finish import Forms
from crantdb.warehouse.layout import free_bytes
from crantdb.warehouse.snapshot import current

if TYPE_CHECKING:
    from datetime import datetime

    from crantdb.config import Config
    from crantdb.sources.cave import Cave
    from crantdb.sync.selection import Selection, Wish
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import Snapshot


@dataclass(frozen=True, slots=True)
class PlannedTable:
    """One table of a plan.

    Attributes:
        name: its name.
        kind: ``table`` or ``view``.
        rows: the rows the server says it has; None when it does not say.
        requests: about how many requests it takes.
        bytes: about how many bytes it takes on the disk.
        action: ``fetch``, ``update`` (by what changed since the version held), ``keep`` (it is here already) or
            ``skip``.
        why: why it is skipped, or not updated; what an update builds on.
    """

    name: str
    kind: str
    rows: int | None
    requests: int
    bytes: int
    action: str
    why: str

    @property
    def least_rows(self) -> int:
        """Rows that are fetched at the least: of an update its sample, for what changed is not known beforehand."""
        if self.action == "update":
            blocks, size = sample_blocks(self.rows or 0)
            return min(blocks * size, self.rows or 0)
        return (self.rows or 0) if self.action == "fetch" else 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sync would do.

    Attributes:
        version: the materialization version.
        as_of: its moment.
        main: whether it would become the main one.
        tables: table by table.
        free_bytes: the free space where the warehouse lies.
        answer_s: the seconds an answer took just now, on average.
        parallel: requests at a time.
        rows_per_s: how fast rows came in the sync before, or None when there was none.
    """

    version: int
    as_of: datetime
    main: bool
    tables: tuple[PlannedTable, ...]
    free_bytes: int
    answer_s: float
    parallel: int
    rows_per_s: float | None

    @property
    def rows(self) -> int:
        """Rows to fetch; of updates the least."""
        return sum(table.least_rows for table in self.tables)

    @property
    def requests(self) -> int:
        """Requests, about."""
        return sum(table.requests for table in self.tables)

    @property
    def seconds(self) -> float:
        """Seconds, about: as fast as rows came last time; before the first sync no less than the requests take."""
        waiting = self.requests * self.answer_s / self.parallel
        return waiting if self.rows_per_s is None else max(waiting, self.rows / self.rows_per_s)

    @property
    def bytes(self) -> int:
        """Bytes on the disk, about."""
        return sum(table.bytes for table in self.tables)


def plan(cave: Cave, warehouse: Warehouse, config: Config, wish: Wish) -> Plan:
    """Return what a sync would do; asks for counts, never for rows.

    Raises:
        SourceError, TimeMismatch: as `run.choose`.
    """
    parent = current(warehouse)
    selection = choose(cave, warehouse, config, wish, parent)
    kept = (table for table in selection.carried if table.kind != "derived")
    here = [PlannedTable(table.name, table.kind, table.rows, 0, 0, "keep", "") for table in kept]
    deltas = None if wish.full or parent is None else Deltas(parent.main, config.cave.full_every)
    fetch = _to_fetch(cave, selection, config, deltas)
    tables = tuple(fetch + here)
    version = selection.version
    meter = cave.transport.meter
    return Plan(
        version=version.number,
        as_of=version.as_of,
        main=selection.main,
        tables=tables,
        free_bytes=free_bytes(warehouse.root),
        answer_s=meter.seconds / max(meter.requests, 1),
        parallel=config.cave.parallel,
        rows_per_s=_last_rate(parent),
    )


def _last_rate(parent: Snapshot | None) -> float | None:
    """Return how fast the largest table of a snapshot came, or None when it is not known."""
    tables = () if parent is None else parent.main.tables.values()
    timed = [table for table in tables if table.rows_per_s is not None and table.kind != "derived"]
    return max(timed, key=lambda table: table.rows).rows_per_s if timed else None


def _to_fetch(cave: Cave, selection: Selection, config: Config, deltas: Deltas | None) -> list[PlannedTable]:
    """Return the tables that would be fetched, counted."""
    forms = Forms(cave.info.get("synapse_table"), config.cave.synapse_tables, 0)
    planned: list[PlannedTable] = []
    for table, _ in selection.fetch:
        try:
            rows = cave.expected_rows(selection.version, table)
        except (Unreadable, ReferenceNotLoaded, NotServed) as error:
            planned.append(PlannedTable(table.name, table.kind, None, 0, 0, "skip", str(error)))
            continue
        size = rows * (SYNAPSE_BYTES if forms.is_synapses(table.name) else ROW_BYTES)
        base = "" if deltas is None else deltas.base_for(table, selection.version, forms)
        if isinstance(base, Base):
            requests = _requests_of_update(rows, base, config.cave.chunk_rows)
            why = f"what changed since version {base.version}; the sample and the counts are the least"
            planned.append(PlannedTable(table.name, table.kind, rows, requests, size, "update", why))
            continue
        pieces = max(1, -(-rows // config.cave.chunk_rows))
        planned.append(PlannedTable(table.name, table.kind, rows, 1 + 2 * pieces, size, "fetch", base))
    return planned


def _requests_of_update(rows: int, base: Base, chunk_rows: int) -> int:
    """Return how many requests an update makes at the least: counts over the id and every root, and the sample."""
    keys = 1 + sum(column.name.endswith("_root_id") for column in base.table.columns)
    blocks, _ = sample_blocks(rows)
    return keys * (1 + -(-rows // chunk_rows)) + 2 * blocks
