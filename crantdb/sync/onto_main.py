"""Tables that are made of a version's own rows: staged under its moment, committed beside what it has already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crantdb.errors import NoSuchTable
from crantdb.sync.registration import keep_registered
from crantdb.warehouse.commit import Change, TableFacts, commit
from crantdb.warehouse.snapshot import current
from crantdb.warehouse.staging import StagingKey, clear

if TYPE_CHECKING:
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import Snapshot, TableState
    from crantdb.warehouse.validate import ValidTable


def snapshot_with_synapses(warehouse: Warehouse) -> tuple[Snapshot, TableState]:
    """Return the current snapshot and its synapse table.

    Raises:
        NoSuchTable: when there is no snapshot yet, or its main version has no synapses.
    """
    parent = current(warehouse)
    table = None if parent is None else parent.main.tables.get(f"cave.{parent.info.get('synapse_table')}")
    if parent is None or table is None:
        msg = f"{warehouse.root} has no synapses yet: run `crantdb sync` (or `crantdb import`) first"
        raise NoSuchTable(msg)
    return parent, table


def key_on(parent: Snapshot, table: str, *, sort_key: str, unique: bool, origin: str) -> StagingKey:
    """Return the key under which a table of a snapshot's main version is staged.

    Args:
        parent: the snapshot.
        table: the table's name.
        sort_key: the column it is sorted by.
        unique: whether no two rows share it.
        origin: what the rows are made of, a digest.
    """
    state = parent.main
    return StagingKey(
        server=parent.server,
        datastack=parent.datastack,
        schema="derived",
        table=table,
        version=state.version,
        as_of="" if state.as_of is None else state.as_of.isoformat(),
        sort_key=sort_key,
        unique=unique,
        origin=origin,
    )


def commit_onto(
    warehouse: Warehouse, parent: Snapshot, made: tuple[ValidTable, TableFacts], operation: str
) -> Snapshot:
    """Commit a table of a snapshot's main version in the place of the one it may have; everything else is carried.

    Raises:
        CommitConflict: when another commit took the number first.
        StorageError: when the disk refuses.
    """
    state, key = parent.main, made[0].staged.key
    replaced = f"{key.schema}.{key.table}"
    snapshot = commit(
        warehouse,
        Change(
            parent=parent,
            operation=operation,
            datastack=parent.datastack,
            server=parent.server,
            info=parent.info,
            chunkedgraph=parent.chunkedgraph,
            version=state.version,
            as_of=state.as_of,
            tables=[made],
            carried=[table for name, table in state.tables.items() if name != replaced],
            skipped=state.skipped,
        ),
    )
    clear(warehouse, [key])
    keep_registered(warehouse, snapshot)
    return snapshot
