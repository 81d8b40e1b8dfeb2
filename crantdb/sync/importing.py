"""An import, from files to the commit: the way of a sync, with files in the server's place."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crantdb.errors import SourceError, StorageError, Unreadable
from crantdb.sources.materialization import MaterializationVersion, RemoteTable
from crantdb.sync.beside import Deriving
from crantdb.sync.cave import is_news
from crantdb.sync.dump_table import DumpJob, origin_of, stage_dump
from crantdb.sync.finish import Forms
from crantdb.sync.inventory import clear_shared, held, parent_of
from crantdb.sync.known import check_merged, info_of, moment_of, source_of
from crantdb.sync.progress import Silence
from crantdb.sync.registration import keep_registered
from crantdb.sync.selection import Wish, select
from crantdb.warehouse.commit import Change, commit
from crantdb.warehouse.layout import free_bytes
from crantdb.warehouse.lock import writing
from crantdb.warehouse.memory import promised_bytes
from crantdb.warehouse.staging import StagingKey, clear, staged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crantdb.config import Config
    from crantdb.sources.cave import Cave
    from crantdb.sources.dumps import TableDump
    from crantdb.sync.known import ImportWish
    from crantdb.sync.progress import Progress
    from crantdb.sync.selection import Selection
    from crantdb.warehouse.commit import TableFacts
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import Snapshot, VersionState
    from crantdb.warehouse.validate import ValidTable

CSV_SPACE, PARQUET_SPACE = 2, 4
"""Bytes on the disk for each byte of the files: read, sorted, in five forms (12 million synapses took 1.6 and 3.3)."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did.

    Attributes:
        snapshot: the snapshot that is current now.
        changed: whether this import made it.
        version: the version that was imported.
        imported: the tables it brought, with their rows.
        seconds: how long it took.
    """

    snapshot: Snapshot
    changed: bool
    version: int
    imported: dict[str, int]
    seconds: float


@dataclass(frozen=True, slots=True)
class _Plan:
    """What an import will do.

    Attributes:
        parent: the current snapshot.
        have: what the warehouse has of this very version, or None.
        selection: which tables come.
        dumps: their files.
        listed: the tables that the server lists in this version; none when it was not asked or has it no longer.
        info: the datastack's info.
    """

    parent: Snapshot | None
    have: VersionState | None
    selection: Selection
    dumps: tuple[TableDump, ...]
    listed: Mapping[str, RemoteTable]
    info: Mapping[str, Any]


def import_tables(
    cave: Cave | None,
    warehouse: Warehouse,
    config: Config,
    dumps: Sequence[TableDump],
    *,
    wish: ImportWish,
    progress: Progress | None = None,
    memory: str | None = None,
) -> ImportReport:
    """Make files of one version a snapshot, or part of one.

    Interrupted at any moment, it leaves the last snapshot as it was, and a staging from which the same import
    goes on.

    Args:
        cave: the server, to look up the moment, metadata and counts; None when it is not to be asked.
        warehouse: where to.
        config: its `crantdb.toml`.
        dumps: the tables' files.
        wish: what was asked for.
        progress: hears how it goes.
        memory: the memory promise as text.

    Raises:
        BadFile: when a file is not what it should be.
        ConfigError: when something must be given that was not, or what was given is not what the server says.
        TimeMismatch: when the moment is not the one that the server or the warehouse has for this version.
        SourceError, ValidationError, WarehouseError: as `run.sync`.
    """
    progress = progress or Silence()
    start, promise = time.monotonic(), promised_bytes(memory)
    with writing(warehouse, "import"):
        plan = _plan(cave, warehouse, config, dumps, wish=wish)
        _say_first(plan, config, progress)
        _check_disk(warehouse, plan.dumps)
        forms = Forms(plan.info.get("synapse_table"), config.cave.synapse_tables, promise)
        jobs = [(_key(config, plan, dump, wish), _job(cave, plan, dump, wish)) for dump in plan.dumps]
        made: list[tuple[ValidTable, TableFacts]] = []
        for key, job in jobs:
            made += stage_dump(warehouse, key, job, forms=forms, progress=progress)
        snapshot, changed = plan.parent, bool(made) or is_news(plan.selection, plan.parent)
        if changed:
            beside = Deriving(warehouse, config, lambda: cave, promise, progress)
            change = beside.complete(_change(cave, config, plan, made))
            snapshot = commit(warehouse, change)
            brought = [valid.staged.key for valid, _ in change.tables if valid.staged.key.schema == "derived"]
            clear(warehouse, [*brought, *_superseded(warehouse, [key for key, _ in jobs])])
            clear_shared(warehouse)
            progress.say(f"committed snapshot {snapshot.number}")
    assert snapshot is not None  # noqa: S101 - an import without a parent always commits
    keep_registered(warehouse, snapshot)
    rows = {valid.staged.key.table: valid.staged.rows for valid, facts in made if facts.kind != "derived"}
    return ImportReport(snapshot, changed, wish.version, rows, time.monotonic() - start)


def _superseded(warehouse: Warehouse, done: Sequence[StagingKey]) -> list[StagingKey]:
    """Return what is staged of imported tables, other editions of their files too."""
    tables = {(key.table, key.version) for key in done}
    return [key for key in staged(warehouse) if key.origin and (key.table, key.version) in tables]


# --- what is to be done ------------------------------------------------------------------------------


def _plan(
    cave: Cave | None, warehouse: Warehouse, config: Config, dumps: Sequence[TableDump], *, wish: ImportWish
) -> _Plan:
    """Ask the server what it knows of the version, and decide what to import."""
    parent = parent_of(warehouse, config)
    told = None
    if cave is not None:
        told = next((version for version in cave.versions() if version.number == wish.version), None)
    check_merged(told)
    as_of = moment_of(warehouse, wish, told, config=config)
    version = MaterializationVersion(wish.version, as_of, None, "AVAILABLE", valid=True, is_merged=True)
    listed: dict[str, RemoteTable] = {}
    if cave is not None and told is not None and told.is_available:
        listed = {table.name: table for table in cave.tables(told)}
    by_name = {dump.table: dump for dump in dumps}
    have = held(warehouse, version, config)
    selection = select(
        version,
        [RemoteTable(name, "table", {}, {}) for name in by_name],
        wish=Wish(wish.version, wish.tables, wish.drop),
        exclude=(),
        parent=parent,
        have=have,
        command="crantdb import …",
    )
    chosen = tuple(by_name[table.name] for table, _ in selection.fetch)
    return _Plan(parent, have, selection, chosen, listed, info_of(cave, parent, wish, chosen))


def _say_first(plan: _Plan, config: Config, progress: Progress) -> None:
    """Say what is to be done, and what the user should know before it is."""
    version = plan.selection.version
    progress.say(
        f"{config.datastack} version {version.number}, as of {version.as_of:%Y-%m-%d %H:%M} UTC: "
        f"{len(plan.dumps)} table(s) to import, {len(plan.selection.carried)} here already"
    )
    for dump in plan.dumps:
        if plan.listed and dump.table not in plan.listed:
            progress.say(
                f"note: the server does not list {dump.table} in this version; its rows are not counted"
            )


def _check_disk(warehouse: Warehouse, dumps: Sequence[TableDump]) -> None:
    """Refuse to begin what the disk cannot hold."""
    size = sum(dump.bytes for dump in dumps)
    needed = sum((PARQUET_SPACE if dump.header is None else CSV_SPACE) * dump.bytes for dump in dumps)
    free = free_bytes(warehouse.root)
    if needed > free:
        msg = (
            f"{size / 1e9:.1f} GB of files need about {needed / 1e9:.1f} GB while they are imported; "
            f"{warehouse.root} has {free / 1e9:.1f} GB free. Free some space, or import fewer tables with --table"
        )
        raise StorageError(msg)


def _key(config: Config, plan: _Plan, dump: TableDump, wish: ImportWish) -> StagingKey:
    """Return the key under which a table is staged: never that of a sync."""
    version = plan.selection.version
    return StagingKey(
        server=config.server,
        datastack=config.datastack,
        schema="cave",
        table=dump.table,
        version=version.number,
        as_of=version.as_of.isoformat(),
        sort_key="id",
        unique=True,
        origin=origin_of(dump, exact=wish.exact),
    )


def _job(cave: Cave | None, plan: _Plan, dump: TableDump, wish: ImportWish) -> DumpJob:
    """Return what is known of a table beside its files."""
    version, remote = plan.selection.version, plan.listed.get(dump.table)
    expected = None
    if cave is not None and remote is not None:
        with contextlib.suppress(Unreadable):
            expected = cave.expected_rows(version, remote)
    source = source_of(dump.table, {} if remote is None else remote.metadata, wish)
    return DumpJob(dump, source, version.as_of, expected, wish.exact)


def _change(
    cave: Cave | None, config: Config, plan: _Plan, made: Sequence[tuple[ValidTable, TableFacts]]
) -> Change:
    """Return the change that the commit is to make."""
    graph = (
        None if plan.parent is None or plan.parent.chunkedgraph is None else dict(plan.parent.chunkedgraph)
    )
    if cave is not None:
        with contextlib.suppress(SourceError):
            graph = cave.chunkedgraph_info()
    return Change(
        parent=plan.parent,
        operation="import",
        datastack=config.datastack,
        server=config.server,
        info=plan.info,
        chunkedgraph=graph,
        version=plan.selection.version.number,
        as_of=plan.selection.version.as_of,
        tables=made,
        carried=plan.selection.carried,
        skipped={} if plan.have is None else plan.have.skipped,
        main=plan.selection.main,
    )
