"""Versions synced into a warehouse, and annotations whose SeaTable rows are given by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from crantdb.config import config_text, read_config
from crantdb.sources.cave import CaveOptions
from crantdb.sources.chunkedgraph import open_chunkedgraph
from crantdb.sources.opening import open_cave
from crantdb.sources.transport import RetryRule
from crantdb.sync.annotations import Annotated, derive
from crantdb.sync.coming import Coming
from crantdb.sync.run import sync
from crantdb.sync.selection import Wish
from crantdb.warehouse.commit import Change, TableFacts, commit
from crantdb.warehouse.layout import Warehouse, create_warehouse
from crantdb.warehouse.snapshot import read_snapshot
from crantdb.warehouse.staging import StagingKey
from crantdb.warehouse.validate import validate
from crantdb.warehouse.whole import stage_whole

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from crantdb.sandbox import Sandbox
    from crantdb.sources.cave import Cave
    from crantdb.sync.coming import Made
    from crantdb.warehouse.state import Snapshot

FETCHED = datetime(2026, 9, 1, tzinfo=UTC)


@dataclass(slots=True)
class Bringing:
    """A warehouse, and the datastack that it mirrors.

    Attributes:
        warehouse: where.
        cave: what is mirrored.
        annotated: how its annotations are read.
        said: what the user was told when rows were last annotated.
    """

    warehouse: Warehouse
    cave: Cave
    annotated: Annotated = field(default_factory=Annotated)
    said: list[str] = field(default_factory=list)

    def version(self, number: int) -> Snapshot:
        """Sync a version; annotations that are here are brought to its moment."""
        config = read_config(self.warehouse.config)
        with pytest.MonkeyPatch.context() as patch:
            # The file for other programs holds every version: made ten times, it would take most of the tests' time.
            patch.setattr("crantdb.sync.run.keep_registered", lambda *_: None)
            return sync(self.cave, self.warehouse, config, Wish(version=number)).snapshot

    def annotate(
        self, rows: Sequence[dict[str, Any]], fetched_at: datetime = FETCHED, *, asking: bool = True
    ) -> Snapshot:
        """Commit rows as the whole of CRANTb_meta, with all that follows from them at the main version's moment.

        Not asking, as for a datastack without a chunkedgraph.
        """
        parent = read_snapshot(self.warehouse)
        version, as_of = parent.main.version, parent.main.as_of
        assert version is not None
        assert as_of is not None
        shared = [seatable_rows(self.warehouse, rows, fetched_at)]
        coming = Coming(
            warehouse=self.warehouse,
            parent=parent,
            datastack=parent.datastack,
            server=parent.server,
            info=parent.info,
            version=version,
            as_of=as_of,
            carried=[*parent.main.tables.values()],
            shared=shared,
        )
        made = derive(coming, open_chunkedgraph(self.cave) if asking else None, self.annotated)
        self.said = made.messages
        return commit(
            self.warehouse,
            Change(
                parent=parent,
                operation="sync",
                datastack=parent.datastack,
                server=parent.server,
                info=parent.info,
                chunkedgraph=parent.chunkedgraph,
                version=version,
                as_of=as_of,
                tables=made.tables,
                carried=[*parent.main.tables.values()],
                shared=[*shared, *made.replaced],
                appended=made.appended,
            ),
        )


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
