"""Tables that are made of a version's own rows: staged under its moment, committed beside what it has already."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crantdb.errors import NoSuchTable
from crantdb.sync.registration import keep_registered
from crantdb.warehouse.commit import Change, TableFacts, commit
from crantdb.warehouse.snapshot import current, state_for
from crantdb.warehouse.staging import StagingKey, clear
from crantdb.warehouse.state import SHARED_SCHEMAS

if TYPE_CHECKING:
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import Snapshot, TableState, VersionState
    from crantdb.warehouse.validate import ValidTable


@dataclass(frozen=True, slots=True)
class Onto:
    """A kept version of the current snapshot, onto which a table is to come.

    Attributes:
        parent: the current snapshot.
        state: the version as it is.
        synapses: its synapse table.
    """

    parent: Snapshot
    state: VersionState
    synapses: TableState


def version_with_synapses(warehouse: Warehouse, version: int | None = None) -> Onto:
    """Return a kept version of the current snapshot with its synapses; by default the main one.

    Raises:
        NoSuchTable: when there is no snapshot yet, or the version has no synapses.
        NoSuchSnapshot: when the version is not kept.
    """
    parent = current(warehouse)
    state = None if parent is None else state_for(warehouse, parent, version)
    table = (
        None
        if state is None or parent is None
        else state.tables.get(f"cave.{parent.info.get('synapse_table')}")
    )
    if parent is None or state is None or table is None:
        msg = f"{warehouse.root} has no synapses yet: run `crantdb sync` (or `crantdb import`) first"
        raise NoSuchTable(msg)
    own = {key: one for key, one in state.tables.items() if one.schema not in SHARED_SCHEMAS}
    return Onto(parent, replace(state, tables=own), table)


def key_on(onto: Onto, table: str, *, sort_key: str, unique: bool, origin: str) -> StagingKey:
    """Return the key under which a table of a version is staged.

    Args:
        onto: the version.
        table: the table's name.
        sort_key: the column it is sorted by.
        unique: whether no two rows share it.
        origin: what the rows are made of, a digest.
    """
    state = onto.state
    return StagingKey(
        server=onto.parent.server,
        datastack=onto.parent.datastack,
        schema="derived",
        table=table,
        version=state.version,
        as_of="" if state.as_of is None else state.as_of.isoformat(),
        sort_key=sort_key,
        unique=unique,
        origin=origin,
    )


def commit_onto(
    warehouse: Warehouse, onto: Onto, made: tuple[ValidTable, TableFacts], operation: str
) -> Snapshot:
    """Commit a table of a version in the place of the one it may have; everything else is carried.

    Raises:
        CommitConflict: when another commit took the number first.
        StorageError: when the disk refuses.
    """
    parent, state, key = onto.parent, onto.state, made[0].staged.key
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
            main=state.version == parent.main.version,
        ),
    )
    clear(warehouse, [key])
    keep_registered(warehouse, snapshot)
    return snapshot
