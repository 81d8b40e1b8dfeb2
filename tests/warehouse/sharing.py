"""Tables that all versions share, made by the same steps as a sync makes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from crantdb.warehouse.commit import Change, TableFacts, commit
from crantdb.warehouse.snapshot import current
from crantdb.warehouse.staging import StagingKey, clear
from crantdb.warehouse.state import LOG
from crantdb.warehouse.validate import ValidTable, validate
from crantdb.warehouse.whole import stage_whole
from tests.warehouse.making import GRAPH, SERVER, as_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import Snapshot

FETCHED = datetime(2026, 7, 1, 8, 30, tzinfo=UTC)


def rows_of(ids: Iterable[int], *, note: str = "") -> pa.Table:
    """Return rows of a SeaTable table: a text id and a note."""
    names = sorted(f"r{number:04d}" for number in ids)
    return pa.table({"_id": pa.array(names, pa.string()), "note": pa.array([note] * len(names), pa.string())})


def events(numbers: Iterable[int]) -> pa.Table:
    """Return rows of a log: a number and a text."""
    found = list(numbers)
    return pa.table(
        {
            "operation_id": pa.array(found, pa.int64()),
            "what": pa.array([f"edit {n}" for n in found], pa.string()),
        }
    )


def births(roots: Iterable[int]) -> pa.Table:
    """Return rows of the declared log `root_history`."""
    found, moment = list(roots), FETCHED.replace(tzinfo=None)
    return pa.table(
        {
            "root_id": pa.array(found, pa.int64()),
            "event": pa.array(["born"] * len(found), pa.string()),
            "happened_at": pa.array([moment] * len(found), pa.timestamp("us")),
            "since": pa.array([None] * len(found), pa.timestamp("us")),
            "operation_id": pa.array(found, pa.int64()),
            "related_ids": pa.array([[]] * len(found), pa.list_(pa.int64())),
        }
    )


def shared_key(
    schema: str, table: str, base: str | None = None, *, sort_key: str | None = None
) -> StagingKey:
    """Return the key of a shared table's staging."""
    return StagingKey(SERVER, "ants", schema, table, None, "", sort_key, unique=False, base=base)


def valid_shared(warehouse: Warehouse, key: StagingKey, rows: pa.Table, *order: str) -> ValidTable:
    """Stage and validate a shared table."""
    staged = stage_whole(warehouse, key, rows.schema, [rows], order=order)
    return validate(staged, rows_expected=rows.num_rows)


def shared_facts(kind: str = "table", *, hours: float = 0, **source: Any) -> TableFacts:
    """Return what a source says of a shared table, so many hours after the first time."""
    return TableFacts(kind, source, FETCHED + timedelta(hours=hours), None, "atomic(7)")


def mirrored(
    warehouse: Warehouse, table: str, rows: pa.Table, *, base: str = "Ants", hours: float = 0
) -> tuple[ValidTable, TableFacts]:
    """Return a table of a SeaTable base, ready for a commit."""
    key = shared_key("seatable", table, base)
    return valid_shared(warehouse, key, rows, "_id"), shared_facts(hours=hours)


def logged(
    warehouse: Warehouse, rows: pa.Table, table: str = "edits", *, hours: float = 0
) -> tuple[ValidTable, TableFacts]:
    """Return rows of a log, ready for a commit."""
    key = shared_key("history", table, sort_key="operation_id")
    return valid_shared(warehouse, key, rows, "operation_id"), shared_facts(LOG, hours=hours)


def share(warehouse: Warehouse, **others: Any) -> Snapshot:
    """Commit a change of shared tables only, onto the current snapshot."""
    parent = current(warehouse)
    main = None if parent is None else parent.main
    change = Change(
        parent=parent,
        operation="sync seatable",
        datastack="ants",
        server=SERVER,
        info={} if parent is None else parent.info,
        chunkedgraph=None if parent is None else GRAPH,
        version=None if main is None else main.version,
        as_of=None if main is None or main.version is None else as_of(main.version),
        tables=(),
        carried=() if main is None else tuple(main.tables.values()),
        **others,
    )
    made = commit(warehouse, change)
    brought = (*change.shared, *change.appended)
    clear(warehouse, [valid.staged.key for valid, _ in brought])
    return made
