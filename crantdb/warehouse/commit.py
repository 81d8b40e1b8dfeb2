"""Commit: the one door through which a snapshot comes into being.

Files are linked into place, then the next numbered manifest is created. Creating it is the
compare-and-swap: whoever comes second finds the number taken, and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from crantdb.errors import CommitConflict, TimeMismatch
from crantdb.warehouse.durable import link_new
from crantdb.warehouse.manifest import to_json, tool_version
from crantdb.warehouse.publish import check_no_loss, grown, publish
from crantdb.warehouse.state import Snapshot, TableState, VersionState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.validate import ValidTable


@dataclass(frozen=True, slots=True)
class TableFacts:
    """What a source says of a table beyond its rows; becomes part of its `TableState`."""

    kind: str
    source: Mapping[str, Any]
    fetched_at: datetime
    as_of: datetime | None
    completeness: str
    drift: tuple[str, ...] = ()
    rows_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What a commit is to make of the snapshot before it.

    Attributes:
        parent: the snapshot it builds on, or None for the first.
        operation: what made it, e.g. ``sync``.
        datastack: the datastack's name.
        server: the address of its global server.
        info: the datastack's info as served.
        chunkedgraph: the chunkedgraph's info as served, or None.
        version: the materialization version; None while the warehouse has none.
        as_of: its moment; None without a version.
        tables: the new tables of the version, valid, with what the source says of them.
        carried: tables of the same version taken over from the parent; a new one of the same key replaces it.
        skipped: tables that could not be read, with the reason.
        main: whether the version becomes the main one.
        shared: tables of no version, new or in the place of the parent's of the same key.
        appended: rows of no version, whose files come behind those of the parent's table of the same key (which
            must have the same columns); without one they are the table. Their `TableFacts.kind` is ``log``.
        restated: tables of no version of the parent, of which only what the manifest says of them has changed.
        dropped: keys of tables of no version that the parent has and the new snapshot is not to have. All other
            shared tables of the parent are carried.
    """

    parent: Snapshot | None
    operation: str
    datastack: str
    server: str
    info: Mapping[str, Any]
    chunkedgraph: Mapping[str, Any] | None
    version: int | None
    as_of: datetime | None
    tables: Sequence[tuple[ValidTable, TableFacts]]
    carried: Sequence[TableState] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    main: bool = True
    shared: Sequence[tuple[ValidTable, TableFacts]] = ()
    appended: Sequence[tuple[ValidTable, TableFacts]] = ()
    restated: Sequence[TableState] = ()
    dropped: Sequence[str] = ()


def keeping(parent: Snapshot | None, *, operation: str, datastack: str, server: str) -> Change:
    """Return a change that keeps everything a snapshot has: to be completed with what is new."""
    main = None if parent is None else parent.main
    return Change(
        parent=parent,
        operation=operation,
        datastack=datastack,
        server=server,
        info={} if parent is None else parent.info,
        chunkedgraph=None if parent is None else parent.chunkedgraph,
        version=None if main is None else main.version,
        as_of=None if main is None else main.as_of,
        tables=(),
        carried=() if main is None else tuple(main.tables.values()),
        skipped={} if main is None else main.skipped,
    )


def commit(warehouse: Warehouse, change: Change) -> Snapshot:
    """Make the next snapshot.

    Returns:
        The snapshot, durable and current.

    Raises:
        CommitConflict: when another commit took the number since `change.parent` was read.
        TimeMismatch: when a table is of another moment than the version.
        ValidationError: when a log would lose rows, or rows do not fit behind those that are there.
        StorageError: when the disk refuses.
    """
    _check_moment(change)
    state = _state(change, _published(warehouse, change.tables))
    shared = _shared(change, _published(warehouse, change.shared), _published(warehouse, change.appended))
    number = 1 if change.parent is None else change.parent.number + 1
    return write_manifest(warehouse, _snapshot(change, state, shared, number))


def _published(warehouse: Warehouse, tables: Sequence[tuple[ValidTable, TableFacts]]) -> list[TableState]:
    """Link the files of tables into place."""
    return [publish(warehouse, valid, facts) for valid, facts in tables]


def write_manifest(warehouse: Warehouse, snapshot: Snapshot) -> Snapshot:
    """Create a manifest under its number: the compare-and-swap of every commit.

    Raises:
        CommitConflict: when the number is taken; nothing was changed.
        StorageError: when the disk refuses.
    """
    if not link_new(warehouse.manifest(snapshot.number), to_json(snapshot)):
        raise _conflict(warehouse, snapshot.parent)
    return snapshot


def check_not_overtaken(warehouse: Warehouse, parent: Snapshot | None) -> None:
    """Check that no other commit was made since a snapshot was read.

    Raises:
        CommitConflict: when one was: what was staged may be gone with it.
    """
    number = None if parent is None else parent.number
    numbers = warehouse.numbers()
    if numbers and numbers[-1] != number:
        raise _conflict(warehouse, number)


def _conflict(warehouse: Warehouse, parent: int | None) -> CommitConflict:
    """Return the error of whoever comes second."""
    msg = (
        f"another commit made snapshot {warehouse.numbers()[-1]} while this one was on its way from snapshot "
        f"{parent}; nothing was changed. Run the command again to build on it"
    )
    return CommitConflict(msg)


def _check_moment(change: Change) -> None:
    """Refuse a table of another moment than the version's, before a file of any is linked."""
    found = [(table.key, table.version, table.as_of) for table in change.carried]
    for valid, facts in change.tables:
        key = valid.staged.key
        found.append((f"{key.schema}.{key.table}", key.version, facts.as_of))
    for name, version, as_of in found:
        if version != change.version or (as_of is not None and as_of != change.as_of):
            msg = (
                f"{name} is of version {version} at {as_of}, the snapshot of version {change.version} at "
                f"{change.as_of}: they would not join. Sync it at version {change.version}"
            )
            raise TimeMismatch(msg)
    for valid, facts in (*change.shared, *change.appended):
        key = valid.staged.key
        if key.version is not None or facts.as_of is not None:
            msg = f"{key.schema}.{key.table} is of version {key.version}: it cannot be shared by all versions"
            raise TimeMismatch(msg)


def _state(change: Change, published: Sequence[TableState]) -> VersionState:
    """Return the version's state."""
    tables = {table.key: table for table in (*change.carried, *published)}
    ordered = dict(sorted(tables.items()))
    skipped = {key: reason for key, reason in sorted(change.skipped.items()) if key not in ordered}
    return VersionState(change.version, change.as_of, ordered, skipped)


def _shared(
    change: Change, replaced: Sequence[TableState], appended: Sequence[TableState]
) -> dict[str, TableState]:
    """Return the tables of no version: the parent's, as far as nothing is to become of them, and the new ones."""
    before = {} if change.parent is None else dict(change.parent.shared)
    tables = {key: table for key, table in before.items() if key not in change.dropped}
    tables |= {table.key: table for table in change.restated}
    for table in replaced:
        check_no_loss(before.get(table.key), table)
        tables[table.key] = table
    for rows in appended:
        there = tables.get(rows.key)
        tables[rows.key] = rows if there is None else grown(there, rows)
    return dict(sorted(tables.items()))


def _snapshot(change: Change, state: VersionState, shared: Mapping[str, TableState], number: int) -> Snapshot:
    """Return the snapshot that a change makes."""
    parent = change.parent
    kept = dict(parent.versions) if parent is not None else {}
    alone = change.main or parent is None
    return Snapshot(
        number=number,
        parent=None if parent is None else parent.number,
        operation=change.operation,
        committed_at=datetime.now(UTC),
        tool=tool_version(),
        datastack=change.datastack,
        server=change.server,
        info=change.info,
        chunkedgraph=change.chunkedgraph,
        main=state if parent is None or change.main else parent.main,
        added=None if alone else state,
        versions=kept if change.version is None else kept | {change.version: number},
        shared=shared,
    )
