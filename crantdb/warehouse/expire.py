"""Expire: snapshots that no rule keeps go, and in time the files that only they listed.

The order makes every step safe to be killed at: a current manifest that no longer names what goes, the
ledger, the manifests, and only then, past the grace period, data files that no manifest lists any more.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from crantdb.errors import CorruptWarehouse, WarehouseTooNew
from crantdb.warehouse.commit import write_manifest
from crantdb.warehouse.durable import storage_errors, sync_folder
from crantdb.warehouse.layout import relative
from crantdb.warehouse.ledger import Expired, read_ledger, unlisted_since, write_ledger
from crantdb.warehouse.manifest import read_manifest, tool_version
from crantdb.warehouse.staging import staged
from crantdb.warehouse.state import Snapshot, renumbered

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from crantdb.warehouse.layout import Warehouse

GRACE_DAYS = 7

_OURS = re.compile(r".+-part-[0-9]+\.parquet")


@dataclass(frozen=True, slots=True)
class Rules:
    """What is kept. The current snapshot always is.

    Attributes:
        keep_versions: how many of the newest kept versions stay, each in the snapshot that stands for it; None
            for none.
        keep_days: snapshots made in so many days stay; None for none.
        grace_days: days for which a data file stays after the last manifest that listed it.
    """

    keep_versions: int | None
    keep_days: float | None
    grace_days: float = GRACE_DAYS


@dataclass(frozen=True, slots=True)
class Leftover:
    """A data file that no kept manifest lists: its path, its bytes, and since when it is so."""

    path: Path
    bytes: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Expiry:
    """What goes, or went.

    Attributes:
        current: the snapshot that is current after it.
        commits: whether that is a new one, which no longer names what goes.
        snapshots: the snapshots that go.
        versions: the materialization versions that are then no longer kept.
        files: the data files that are deleted now.
        waiting: those that no kept manifest lists either, deleted once their grace period is over.
    """

    current: Snapshot
    commits: bool
    snapshots: tuple[Snapshot, ...]
    versions: tuple[int, ...]
    files: tuple[Leftover, ...]
    waiting: tuple[Leftover, ...]


def plan_expiry(warehouse: Warehouse, rules: Rules, *, now: datetime | None = None) -> Expiry | None:
    """Return what `expire` would do now; None for a warehouse without a snapshot. Writes nothing.

    Raises:
        CorruptWarehouse, WarehouseTooNew: when a manifest cannot be read: what it lists is not known then.
    """
    now = now or datetime.now(UTC)
    snapshots = _read_all(warehouse)
    if not snapshots:
        return None
    old = snapshots[-1]
    fresh = _without_lost(old, snapshots, rules, now)
    going = _going(snapshots, fresh, rules, now)
    staying = [fresh, *_others(snapshots, going)]
    since = unlisted_since([*_known(warehouse), *_entries(going, staying, now)])
    left = _leftovers(warehouse, staying, since)
    over = [file for file in left if now - file.since >= timedelta(days=rules.grace_days)]
    return Expiry(
        current=fresh,
        commits=fresh is not old,
        snapshots=tuple(going),
        versions=tuple(sorted(set(old.versions) - set(fresh.versions))),
        files=tuple(over),
        waiting=tuple(file for file in left if file not in over),
    )


def expire(warehouse: Warehouse, rules: Rules, *, now: datetime | None = None) -> Expiry | None:
    """Let go what no rule keeps. The caller holds the warehouse for writing.

    Killed at any moment, no manifest that is there lists a file that is not; run again, it goes on.

    Returns:
        What went; None for a warehouse without a snapshot.

    Raises:
        CorruptWarehouse, WarehouseTooNew: when a manifest cannot be read; nothing was changed.
        CommitConflict: when another commit came between; nothing was changed.
        StorageError: when the disk refuses.
    """
    now = now or datetime.now(UTC)
    plan = plan_expiry(warehouse, rules, now=now)
    if plan is None:
        return None
    if plan.commits:
        write_manifest(warehouse, plan.current)
    _remove_manifests(warehouse, plan.snapshots, now)
    # Looked at anew: where the LOCK does not hold, a commit may have taken up a file since the plan.
    again = plan_expiry(warehouse, Rules(None, float("inf"), rules.grace_days), now=now)
    last = plan if again is None else again
    _delete(warehouse, last.files)
    return replace(plan, files=last.files, waiting=last.waiting)


def _read_all(warehouse: Warehouse) -> list[Snapshot]:
    """Return every snapshot, by number."""
    result = []
    for number in warehouse.numbers():
        path = warehouse.manifest(number)
        try:
            result.append(read_manifest(path))
        except CorruptWarehouse as error:
            msg = (
                f"{path} is damaged, so that nobody knows which files it lists: nothing was expired. Restore it "
                f"from a backup; or, if you can do without snapshot {number}, move it away and run this again"
            )
            raise CorruptWarehouse(msg, path=path) from error
        except (
            FileNotFoundError
        ):  # gone since its number was read: only a plan, which holds no LOCK, may meet that
            continue
        except WarehouseTooNew as error:
            msg = f"nothing was expired: {error}"
            raise WarehouseTooNew(msg) from error
    return result


# --- which snapshots ---------------------------------------------------------------------------------


def _is_young(snapshot: Snapshot, rules: Rules, now: datetime) -> bool:
    """Tell whether the rule of days keeps a snapshot."""
    if rules.keep_days is None:
        return False
    return (now - snapshot.committed_at).total_seconds() < rules.keep_days * 86_400


def _without_lost(old: Snapshot, snapshots: Sequence[Snapshot], rules: Rules, now: datetime) -> Snapshot:
    """Return the current snapshot if all it names stays, else the one to commit: the same without what goes."""
    young = {snapshot.number for snapshot in snapshots if _is_young(snapshot, rules, now)}
    there = {snapshot.number for snapshot in snapshots}
    newest = set(sorted(old.versions, reverse=True)[: rules.keep_versions or 0])
    kept = {v: n for v, n in old.versions.items() if n in there and (v in newest or n in young)}
    if old.main.version is not None:
        # The current manifest lists the main version's files itself: it need not lean on an older one.
        kept[old.main.version] = kept.get(old.main.version, old.number)
    if kept == dict(old.versions):
        return old
    added = old.added if old.added is not None and old.added.version in kept else None
    fresh = replace(
        old,
        parent=old.number,
        operation="expire",
        committed_at=now,
        tool=tool_version(),
        added=added,
        versions=kept,
    )
    return renumbered(fresh, old.number + 1)


def _going(snapshots: Sequence[Snapshot], fresh: Snapshot, rules: Rules, now: datetime) -> list[Snapshot]:
    """Return the snapshots that no rule keeps; the one that is current now is not among them."""
    stay = {snapshots[-1].number, *fresh.versions.values()}
    return [s for s in snapshots if s.number not in stay and not _is_young(s, rules, now)]


def _others(snapshots: Sequence[Snapshot], going: Sequence[Snapshot]) -> list[Snapshot]:
    """Return the snapshots that do not go."""
    numbers = {snapshot.number for snapshot in going}
    return [snapshot for snapshot in snapshots if snapshot.number not in numbers]


# --- which files -------------------------------------------------------------------------------------


def _files_of(snapshots: Collection[Snapshot]) -> set[str]:
    """Return the paths of every data file that any of the snapshots lists."""
    return {file.path for snapshot in snapshots for table in snapshot.tables() for file in table.files}


def _known(warehouse: Warehouse) -> list[Expired]:
    """Return what the ledger says of snapshots that are truly gone."""
    return [entry for n, entry in read_ledger(warehouse).items() if not warehouse.manifest(n).exists()]


def _entries(going: Sequence[Snapshot], staying: Sequence[Snapshot], now: datetime) -> list[Expired]:
    """Return what the ledger is to say of snapshots that go."""
    listed = _files_of(staying)
    return [Expired(s.number, now, tuple(sorted(_files_of([s]) - listed))) for s in going]


def _leftovers(
    warehouse: Warehouse, staying: Sequence[Snapshot], since: dict[str, datetime]
) -> list[Leftover]:
    """Return the data files on disk that no staying snapshot lists.

    One that the ledger does not know was never in a snapshot: a kill left it between link and manifest. Its
    age is then that of the link. Files of a version that is being staged are left alone, as the next try
    takes up what lies there.
    """
    listed = _files_of(staying)
    keys = staged(warehouse)
    busy = {f"version={key.version}" for key in keys if key.version is not None}
    shared = [warehouse.shared_folder(k.schema, k.table, k.base, None) for k in keys if k.version is None]
    result = []
    for path in _data_files(warehouse):
        name = relative(warehouse, path)
        if name in listed or path.parent.name in busy or any(map(path.is_relative_to, shared)):
            continue
        try:
            found = path.stat()
        except FileNotFoundError:  # as above
            continue
        made = datetime.fromtimestamp(max(found.st_mtime, found.st_ctime), UTC)
        result.append(Leftover(path, found.st_size, since.get(name, made)))
    return result


def _data_files(warehouse: Warehouse) -> Iterator[Path]:
    """Yield every file of ours below `tables`; whatever else somebody put there is not ours to judge."""
    for folder, inner, names in os.walk(warehouse.root / "tables"):
        inner.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if _OURS.fullmatch(name) and not path.is_symlink():
                yield path


# --- doing it ----------------------------------------------------------------------------------------


def _remove_manifests(warehouse: Warehouse, going: Sequence[Snapshot], now: datetime) -> None:
    """Enter snapshots in the ledger, then remove their manifests. Removing one is a single step of the disk."""
    if not going:
        return
    entries = _entries(going, _others(_read_all(warehouse), going), now)
    write_ledger(warehouse, read_ledger(warehouse) | {entry.snapshot: entry for entry in entries})
    for snapshot in going:
        path = warehouse.manifest(snapshot.number)
        with storage_errors(path):
            path.unlink(missing_ok=True)
    sync_folder(warehouse.snapshots)


def _delete(warehouse: Warehouse, files: Sequence[Leftover]) -> None:
    """Delete files, and folders that are empty then; the ledger forgets those that are gone, by whose hand ever."""
    for file in files:
        with storage_errors(file.path):
            file.path.unlink(missing_ok=True)
    for folder in {file.path.parent for file in files}:
        _remove_empty(folder, top=warehouse.root / "tables")
    before = read_ledger(warehouse)
    after = {
        n: replace(e, files=tuple(f for f in e.files if (warehouse.root / f).exists()))
        for n, e in before.items()
    }
    if after != before:
        write_ledger(warehouse, after)


def _remove_empty(folder: Path, *, top: Path) -> None:
    """Remove a folder and those above it, up to `top`, as far as they are empty; the rest is made durable."""
    with contextlib.suppress(OSError):
        while folder != top:
            folder.rmdir()
            folder = folder.parent
    with contextlib.suppress(FileNotFoundError):
        sync_folder(folder)
