"""A sync, from the first question to its one commit: the story; each step is told one call deeper."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crantdb.errors import ConfigError, SourceError
from crantdb.sync import cave as from_cave
from crantdb.sync.beside import Deriving
from crantdb.sync.inventory import clear_committed, clear_shared, parent_of
from crantdb.sync.positions_due import due_now, settles_some
from crantdb.sync.progress import Silence
from crantdb.sync.registration import keep_registered
from crantdb.sync.seatable import part as from_seatable
from crantdb.warehouse.commit import Change, commit, keeping
from crantdb.warehouse.lock import writing
from crantdb.warehouse.memory import promised_bytes
from crantdb.warehouse.staging import clear

if TYPE_CHECKING:
    from collections.abc import Callable

    from crantdb.config import Config
    from crantdb.sources.cave import Cave
    from crantdb.sync.cave import CavePart
    from crantdb.sync.progress import Progress
    from crantdb.sync.seatable.part import BaseReport, SeaTable, SeaTablePart
    from crantdb.sync.selection import Wish
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import Snapshot


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync did.

    Attributes:
        snapshot: the snapshot that is current now.
        changed: whether this sync made it.
        fetched: the tables it brought, with their rows; those of SeaTable as ``<base>.<table>``.
        skipped: tables that could not be read, with the reason.
        seconds: how long it took.
        requests: how many requests it made.
        bytes_received: how many bytes came over the network.
        bases: what became of each SeaTable base.
    """

    snapshot: Snapshot
    changed: bool
    fetched: dict[str, int]
    skipped: dict[str, str]
    seconds: float
    requests: int
    bytes_received: int
    bases: tuple[BaseReport, ...] = ()


def sync(
    cave: Cave | None,
    warehouse: Warehouse,
    config: Config,
    wish: Wish,
    progress: Progress | None = None,
    *,
    seatable: SeaTable | None = None,
    open_cave: Callable[[], Cave] | None = None,
    memory: str | None = None,
) -> SyncReport:
    """Bring a materialization version, SeaTable's bases, or both into the warehouse as one new snapshot.

    Interrupted at any moment, it leaves the last snapshot as it was, and of CAVE's tables a staging from which
    the next sync goes on.

    Args:
        cave: the datastack; None to leave CAVE's tables as they are.
        warehouse: where.
        config: its configuration.
        wish: what to bring of CAVE.
        progress: hears how it goes.
        seatable: where annotations come from; None to leave them as they are.
        open_cave: opens the datastack where `cave` is None: roots of annotations are looked up there. Not needed
            while the warehouse has no materialization version.
        memory: the memory promise, e.g. ``4GB``.

    Raises:
        WarehouseBusy: when another process writes to the warehouse.
        SourceError: when a server does not give everything.
        ValidationError: when rows break a promise, or too many of SeaTable's vanished.
        WarehouseError: when the store refuses.
        ConfigError: when the memory promise is too small, or there is nothing to sync from.
    """
    if cave is None and seatable is None:
        msg = "there is nothing to sync from: name cave or seatable, or configure them in crantdb.toml"
        raise ConfigError(msg)
    progress = progress or Silence()
    start, memory_bytes = time.monotonic(), promised_bytes(memory)
    opener = _opener(cave, open_cave)
    deriving = Deriving(warehouse, config, opener, memory_bytes, progress)
    deriving.annotated()  # what crantdb.toml says wrong is told before anything is fetched
    with writing(warehouse, "sync"):
        parent = parent_of(warehouse, config)
        clear_committed(warehouse)
        ours = theirs = None
        if cave is not None:
            ours = from_cave.fetch(
                cave, warehouse, config, wish, parent, memory_bytes=memory_bytes, progress=progress
            )
        if seatable is not None:
            theirs = _annotations(seatable, warehouse, config, parent, progress, beside=cave is not None)
        snapshot = parent
        version = None if ours is None else ours.selection.version
        is_news = (
            (ours is not None and ours.is_news(parent))
            or (theirs is not None and theirs.is_news)
            or deriving.reads_otherwise(parent, None if version is None else version.number)
        )
        if is_news or due_now(parent, None if version is None else version.number, opener):
            change = _change(cave, config, parent, ours, theirs, progress=progress)
            change = deriving.complete(change)
            made = [valid.staged.key for valid, _ in change.tables]
            if is_news or settles_some(change, parent):
                if cave is not None and version is not None:
                    cave.check_version(version)
                snapshot = commit(warehouse, change)
                progress.say(f"committed snapshot {snapshot.number}")
            clear(warehouse, made if ours is None else [*made, *ours.keys])
        clear_shared(warehouse)
    assert snapshot is not None  # noqa: S101 - a sync without a parent always commits
    keep_registered(warehouse, snapshot)
    return SyncReport(
        snapshot=snapshot,
        changed=snapshot is not parent,
        fetched=_fetched(ours, theirs),
        skipped={} if ours is None else ours.skipped,
        seconds=time.monotonic() - start,
        requests=(0 if cave is None else cave.transport.meter.requests)
        + (0 if theirs is None else theirs.requests),
        bytes_received=(0 if cave is None else cave.transport.meter.bytes)
        + (0 if theirs is None else theirs.bytes_received),
        bases=() if theirs is None else tuple(theirs.reports),
    )


def _annotations(
    seatable: SeaTable,
    warehouse: Warehouse,
    config: Config,
    parent: Snapshot | None,
    progress: Progress,
    *,
    beside: bool,
) -> SeaTablePart:
    """Read SeaTable; when it fails beside CAVE, say that CAVE's tables need not wait for it."""
    try:
        return from_seatable.fetch(seatable, warehouse, config, parent, progress)
    except SourceError:
        if beside:
            progress.say("SeaTable failed; what came from CAVE stays staged. Commit it: crantdb sync cave")
        raise


def _opener(cave: Cave | None, open_cave: Callable[[], Cave] | None) -> Callable[[], Cave]:
    """Return what opens the datastack."""
    if cave is not None:
        return lambda: cave
    if open_cave is not None:
        return open_cave

    def refuse() -> Cave:
        msg = "annotations need the datastack's chunkedgraph: say how to open the datastack (open_cave)"
        raise ConfigError(msg)

    return refuse


def _fetched(ours: CavePart | None, theirs: SeaTablePart | None) -> dict[str, int]:
    """Return the rows of every table that came."""
    tables = [] if ours is None else ours.tables
    fetched = {
        valid.staged.key.table: valid.staged.rows for valid, facts in tables if facts.kind != "derived"
    }
    for report in [] if theirs is None else theirs.reports:
        fetched |= {f"{report.base}.{name}": report.rows[name] for name in report.changed}
    return fetched


def _change(
    cave: Cave | None,
    config: Config,
    parent: Snapshot | None,
    ours: CavePart | None,
    theirs: SeaTablePart | None,
    *,
    progress: Progress,
) -> Change:
    """Return the change that the commit is to make; without CAVE, its tables stay those of the parent."""
    change = _of_cave(cave, config, parent, ours, progress)
    if theirs is None:
        return change
    return replace(
        change,
        shared=theirs.shared,
        appended=theirs.appended,
        restated=theirs.restated,
        dropped=theirs.dropped,
    )


def _of_cave(
    cave: Cave | None, config: Config, parent: Snapshot | None, ours: CavePart | None, progress: Progress
) -> Change:
    """Return the change without SeaTable's part."""
    if cave is None or ours is None:
        return keeping(parent, operation="sync seatable", datastack=config.datastack, server=config.server)
    version = ours.selection.version
    return Change(
        parent=parent,
        operation="sync",
        datastack=cave.datastack,
        server=cave.server,
        info=cave.info,
        chunkedgraph=from_cave.chunkedgraph_info(cave, parent, progress),
        version=version.number,
        as_of=version.as_of,
        tables=ours.tables,
        carried=ours.selection.carried,
        skipped=ours.skipped,
        main=ours.selection.main,
    )
