"""Commit: the one door through which a snapshot comes into being.

Files are linked into place, then the next numbered manifest is created. Creating it is the
compare-and-swap: whoever comes second finds the number taken, and changes nothing.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from crantdb.errors import CommitConflict, CorruptWarehouse, TimeMismatch
from crantdb.warehouse.durable import link_new, sha256_of, storage_errors, sync_folder
from crantdb.warehouse.layout import relative
from crantdb.warehouse.manifest import to_json, tool_version
from crantdb.warehouse.snapshot import read_snapshot
from crantdb.warehouse.state import DataFile, Snapshot, TableState, VersionState, renumbered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from crantdb.warehouse.files import StagedFile
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.validate import ValidTable

_READ_ONLY = 0o444


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
        version: the materialization version.
        as_of: its moment.
        tables: the new tables, valid, with what the source says of them.
        carried: tables of the same version taken over from the parent.
        skipped: tables that could not be read, with the reason.
        main: whether the version becomes the main one.
    """

    parent: Snapshot | None
    operation: str
    datastack: str
    server: str
    info: Mapping[str, Any]
    chunkedgraph: Mapping[str, Any] | None
    version: int
    as_of: datetime
    tables: Sequence[tuple[ValidTable, TableFacts]]
    carried: Sequence[TableState] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    main: bool = True


def commit(warehouse: Warehouse, change: Change) -> Snapshot:
    """Make the next snapshot.

    Returns:
        The snapshot, durable and current.

    Raises:
        CommitConflict: when another commit took the number since `change.parent` was read.
        TimeMismatch: when a table is of another moment than the version.
        StorageError: when the disk refuses.
    """
    _check_moment(change)
    published = [_publish(warehouse, valid, facts) for valid, facts in change.tables]
    state = _state(change, published)
    number = 1 if change.parent is None else change.parent.number + 1
    return write_manifest(warehouse, _snapshot(change, state, number))


def rollback(warehouse: Warehouse, number: int) -> Snapshot:
    """Make an earlier snapshot's content current again, as a new snapshot.

    Args:
        warehouse: where.
        number: the snapshot whose content to take.

    Raises:
        NoSuchSnapshot: when there is none of that number.
        CorruptWarehouse: when a file it lists is gone or of another size.
        CommitConflict: when another commit took the number first.
    """
    target = read_snapshot(warehouse, number)
    check_files(warehouse, target)
    numbers = warehouse.numbers()
    last = numbers[-1]
    again = replace(
        target,
        parent=last,
        # A version whose snapshot has expired since is no longer kept.
        versions={version: n for version, n in target.versions.items() if n in numbers},
        operation=f"rollback to {number}",
        committed_at=datetime.now(UTC),
        tool=tool_version(),
    )
    return write_manifest(warehouse, renumbered(again, last + 1))


def check_files(warehouse: Warehouse, snapshot: Snapshot) -> None:
    """Check that every file a snapshot's own states list is there in its size.

    Raises:
        CorruptWarehouse: for the first that is not.
    """
    for state in snapshot.states():
        for table in state.tables.values():
            for file in table.files:
                path = warehouse.root / file.path
                size = path.stat().st_size if path.is_file() else None
                if size != file.bytes:
                    what = "is gone" if size is None else f"has {size:,} bytes, not {file.bytes:,}"
                    msg = f"{path} {what}: snapshot {snapshot.number} needs it for {table.key}"
                    raise CorruptWarehouse(msg, path=path)


def write_manifest(warehouse: Warehouse, snapshot: Snapshot) -> Snapshot:
    """Create a manifest under its number: the compare-and-swap of every commit.

    Raises:
        CommitConflict: when the number is taken; nothing was changed.
        StorageError: when the disk refuses.
    """
    if not link_new(warehouse.manifest(snapshot.number), to_json(snapshot)):
        found = warehouse.numbers()[-1]
        msg = (
            f"another commit made snapshot {found} while this one was on its way from snapshot "
            f"{snapshot.parent}; nothing was changed. Run the command again to build on it"
        )
        raise CommitConflict(msg)
    return snapshot


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


def _state(change: Change, published: Sequence[TableState]) -> VersionState:
    """Return the version's state."""
    ordered = {table.key: table for table in sorted((*change.carried, *published), key=lambda t: t.key)}
    skipped = {key: reason for key, reason in sorted(change.skipped.items()) if key not in ordered}
    return VersionState(change.version, change.as_of, ordered, skipped)


def _snapshot(change: Change, state: VersionState, number: int) -> Snapshot:
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
        versions=kept | {change.version: number},
    )


def _publish(warehouse: Warehouse, valid: ValidTable, facts: TableFacts) -> TableState:
    """Link a valid table's files into place and say what a manifest will say of it."""
    key = valid.staged.key
    folder = warehouse.table_folder(key.schema, key.table, key.version)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        files = tuple(_place(warehouse, folder, file) for file in valid.staged.files)
        for made in (
            folder,
            folder.parent,
            folder.parent.parent,
            folder.parent.parent.parent,
            warehouse.root,
        ):
            sync_folder(made)
    described = "\n".join(f"{column.name} {column.type}" for column in valid.columns)
    return TableState(
        schema=key.schema,
        name=key.table,
        kind=facts.kind,
        source=facts.source,
        columns=valid.columns,
        fingerprint=hashlib.sha256(described.encode()).hexdigest()[:16],
        sort_key=key.sort_key,
        sort_order=valid.staged.order,
        fetched_at=facts.fetched_at,
        as_of=facts.as_of,
        version=key.version,
        rows_expected=valid.rows_expected,
        rows=valid.staged.rows,
        completeness=facts.completeness,
        exceptions=valid.exceptions,
        drift=facts.drift,
        files=files,
        rows_per_s=facts.rows_per_s,
    )


def _place(warehouse: Warehouse, folder: Path, file: StagedFile) -> DataFile:
    """Link one file to its place; a file that an earlier, killed try left there is taken as it is."""
    target = folder / file.path.name
    if target.exists() and sha256_of(target) != file.sha256:
        target = folder / f"{uuid.uuid4().hex[:8]}-{file.path.name}"
    if not target.exists():
        file.path.chmod(_READ_ONLY)
        os.link(file.path, target)
    return DataFile(
        relative(warehouse, target), file.rows, file.bytes, file.sha256, file.key_min, file.key_max
    )
