"""What a sync would read of SeaTable, without reading a row: one request a base, and one a table that changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from crantdb.sources.seatable.literals import Literal
from crantdb.sync.plan import PlannedTable
from crantdb.sync.seatable.before import before_of
from crantdb.sync.seatable.checks import wanted_tables
from crantdb.sync.seatable.part import rests

if TYPE_CHECKING:
    from crantdb.sources.seatable.server import Base
    from crantdb.sync.seatable.part import SeaTable
    from crantdb.warehouse.state import Snapshot

ROW_BYTES = 500
"""Bytes of a row of some forty columns in our Parquet, its raw JSON among them (measured on CRANTb's rows)."""

CELLS_A_PAGE = 900_000
METADATA_REQUESTS = 2


def plan_bases(source: SeaTable, parent: Snapshot | None) -> list[PlannedTable]:
    """Return what a sync would read, table by table.

    Raises:
        NotServed: when a table of crantdb.toml is in no base.
        SourceError: when a base does not answer.
    """
    settings = source.settings
    opened = [source.server.open_base(settings.workspace, name) for name in settings.bases]
    infos = {base.name: base.metadata() for base in opened}
    befores = {name: before_of(parent, name) for name in infos}
    wanted = wanted_tables(infos, settings, befores)
    planned: list[PlannedTable] = []
    for base in opened:
        info, before = infos[base.name], befores[base.name]
        if rests(info, before, wanted[base.name], settings.full_every_h, datetime.now(UTC)):
            planned += [
                PlannedTable(f"{base.name}.{table.name}", "seatable", table.rows, 0, 0, "keep", "")
                for table in before.tables.values()
            ]
            continue
        for name in wanted[base.name]:
            rows = _count(base, name)
            page = min(source.rules.page_rows, CELLS_A_PAGE // max(len(info.table(name).columns), 1))
            requests = METADATA_REQUESTS + 1 + -(-rows // page) + 1
            planned.append(
                PlannedTable(f"{base.name}.{name}", "seatable", rows, requests, rows * ROW_BYTES, "fetch", "")
            )
    return planned


def _count(base: Base, table: str) -> int:
    """Return how many rows a table has."""
    [row] = base.sql(f"SELECT COUNT(*) AS n FROM `{table}` LIMIT 1")
    [value] = row.values()
    return int(value) if isinstance(value, (Literal, int)) else 0
