"""Versions brought into a warehouse as a sync brings them, with a SeaTable's rows given by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from crantdb.config import config_text
from crantdb.sources.cave import CaveOptions, open_cave
from crantdb.sources.chunkedgraph import open_chunkedgraph
from crantdb.sources.transport import RetryRule
from crantdb.sync.annotations import Annotated, derive
from crantdb.sync.cave_table import stage, staging_key
from crantdb.sync.coming import Coming
from crantdb.sync.finish import Forms
from crantdb.sync.progress import Silence
from crantdb.warehouse.commit import Change, TableFacts, commit
from crantdb.warehouse.layout import Warehouse, create_warehouse
from crantdb.warehouse.snapshot import current
from crantdb.warehouse.staging import StagingKey, clear
from crantdb.warehouse.validate import validate
from crantdb.warehouse.whole import stage_whole

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from crantdb.sandbox import Sandbox
    from crantdb.sources.cave import Cave
    from crantdb.sync.annotations import Derived
    from crantdb.sync.coming import Made
    from crantdb.warehouse.state import Snapshot

MEMORY = 2**29


@dataclass(slots=True)
class Bringing:
    """A warehouse, and the datastack that it mirrors."""

    warehouse: Warehouse
    cave: Cave
    annotated: Annotated = field(default_factory=Annotated)
    last: Derived | None = None

    def version(self, number: int, rows: Sequence[dict[str, Any]] | None = None, **others: Any) -> Snapshot:
        """Bring a version, with the rows of a SeaTable if any; tables that are here already are carried.

        Args:
            number: the version.
            rows: rows of CRANTb_meta: text by column name.
            others: `fetched_at` of the SeaTable; `main`: whether the version becomes the main one.
        """
        cave, parent = self.cave, current(self.warehouse)
        version = cave.choose_version(number)
        forms = Forms(cave.info.get("synapse_table"), (), MEMORY)
        carried = [] if parent is None or number != parent.main.version else [*parent.main.tables.values()]
        have = {table.name for table in carried}
        fresh: list[Made] = []
        for table in cave.tables(version):
            if table.kind == "table" and table.name not in have:
                fresh += stage(cave, self.warehouse, version, table, forms=forms, progress=Silence())
        fetched_at = others.get("fetched_at", datetime(2026, 9, 1, tzinfo=UTC))
        shared = [] if rows is None else [seatable_rows(self.warehouse, rows, fetched_at)]
        coming = Coming(
            warehouse=self.warehouse,
            parent=parent,
            datastack=cave.datastack,
            server=cave.server,
            info=cave.info,
            version=number,
            as_of=version.as_of,
            fresh=fresh,
            carried=carried,
            shared=shared,
            memory_bytes=MEMORY,
        )
        self.last = derive(coming, open_chunkedgraph(cave), self.annotated)
        snapshot = commit(
            self.warehouse,
            Change(
                parent=parent,
                operation="sync",
                datastack=cave.datastack,
                server=cave.server,
                info=cave.info,
                chunkedgraph=cave.chunkedgraph_info(),
                version=number,
                as_of=version.as_of,
                tables=[*fresh, *self.last.tables],
                carried=carried,
                main=others.get("main", True),
                shared=shared,
                appended=self.last.appended,
            ),
        )
        clear(self.warehouse, [staging_key(cave, version, table) for table in cave.tables(version)])
        return snapshot


def bringing(folder: Path, sandbox: Sandbox, name: str) -> Bringing:
    """Return an empty warehouse for a datastack of a sandbox."""
    warehouse = create_warehouse(folder, config_text(name, sandbox.url))
    rule = RetryRule(tries=2, backoff_s=0.01)
    return Bringing(warehouse, open_cave(name, sandbox.url, None, CaveOptions(rule=rule)))


def seatable_rows(warehouse: Warehouse, rows: Sequence[dict[str, Any]], fetched_at: datetime) -> Made:
    """Stage rows as the mirror of CRANTb_meta: every column that a row has, text as it is."""
    names = dict.fromkeys(["_id", "_ctime", "_mtime", *(name for row in rows for name in row)])
    columns = {
        name: pa.array([row.get(name) for row in rows], _TYPES.get(name, pa.string())) for name in names
    }
    table = pa.table(columns)
    key = StagingKey(
        server="https://seatable",
        datastack="chain_ant",
        schema="seatable",
        table="CRANTb_meta",
        version=None,
        as_of="",
        sort_key=None,
        unique=False,
        base="CRANTb",
    )
    staged = stage_whole(warehouse, key, table.schema, [table])
    facts = TableFacts("table", {}, fetched_at, None, "given")
    return validate(staged, rows_expected=len(rows)), facts


_TYPES = {
    "_ctime": pa.timestamp("us", "UTC"),
    "_mtime": pa.timestamp("us", "UTC"),
    "proofread": pa.bool_(),
    "status": pa.list_(pa.string()),
    "region": pa.list_(pa.string()),
}
