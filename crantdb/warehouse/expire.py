"""Expire: snapshots that no rule keeps go, and in time the files that only they listed.

The order makes every step safe to be killed at: a current manifest that no longer names what goes, the
ledger, the manifests, and only then, past the grace period, data files that no manifest lists any more.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from crantdb.errors import CorruptWarehouse, WarehouseTooNew
from crantdb.warehouse.commit import write_manifest
from crantdb.warehouse.durable import storage_errors, sync_folder
from crantdb.warehouse.ledger import Expired, read_ledger, unlisted_since, write_ledger
from crantdb.warehouse.leftovers import Leftover, delete, files_listed, leftovers
from crantdb.warehouse.manifest import read_manifest, tool_version
from crantdb.warehouse.memory import promised_bytes
from crantdb.warehouse.state import Snapshot, renumbered
from crantdb.warehouse.thinning import are_whole, thin, to_thin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import VersionState
    from crantdb.warehouse.thinning import Thinned

GRACE_DAYS = 7


@dataclass(frozen=True, slots=True)
class Rules:
    """What is kept. The current snapshot always is.

    Attributes:
        keep_versions: how many of the newest kept versions stay, each in the snapshot that stands for it; None
            for none.
        keep_days: snapshots made in so many days stay; None for none.
        grace_days: days for which a data file stays after the last manifest that listed it.
        full_versions: how many of the newest kept versions stay whole; of older ones only what differs is kept
            (see `thinning`). None for all.
    """

    keep_versions: int | None
    keep_days: float | None
    grace_days: float = GRACE_DAYS
    full_versions: int | None = None


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
        layered: versions whose synapse tables are from now on kept as what differs from newer ones. Before it is
            done: those that are whole and need not be.
        whole: those that stay whole although they need not, with the reason; empty before it is done.
    """

    current: Snapshot
    commits: bool
    snapshots: tuple[Snapshot, ...]
    versions: tuple[int, ...]
    files: tuple[Leftover, ...]
    waiting: tuple[Leftover, ...]
    layered: tuple[int, ...] = ()
    whole: Mapping[int, str] = field(default_factory=dict)


def plan_expiry(
    warehouse: Warehouse, rules: Rules, *, now: datetime | None = None, thinned: Thinned | None = None
) -> Expiry | None:
    """Return what `expire` would do now; None for a warehouse without a snapshot. Writes nothing.

    Args:
        warehouse: where.
        rules: what is kept.
        now: the moment of it.
        thinned: what has been made of older versions; without it the files that this would free are not known.

    Raises:
        CorruptWarehouse, WarehouseTooNew: when a manifest cannot be read: what it lists is not known then.
    """
    now = now or datetime.now(UTC)
    snapshots = _read_all(warehouse)
    if not snapshots:
        return None
    old = snapshots[-1]
    fresh = _without_lost(old, snapshots, rules, now)
    layered: Sequence[int] = ()
    if thinned is not None:
        fresh, layered = _with_layers(old, fresh, thinned, now), thinned.changed
    elif rules.full_versions is not None:
        layered = are_whole(warehouse, fresh, to_thin(fresh, rules.full_versions))
    going = _going(snapshots, fresh, rules, now)
    staying = [fresh, *_others(snapshots, going)]
    since = unlisted_since([*_known(warehouse), *_entries(going, staying, now)])
    left = leftovers(warehouse, staying, since)
    over = [file for file in left if now - file.since >= timedelta(days=rules.grace_days)]
    return Expiry(
        current=fresh,
        commits=fresh is not old,
        snapshots=tuple(going),
        versions=tuple(sorted(set(old.versions) - set(fresh.versions))),
        files=tuple(over),
        waiting=tuple(file for file in left if file not in over),
        layered=tuple(sorted(layered)),
        whole={} if thinned is None else thinned.stayed,
    )


def expire(
    warehouse: Warehouse,
    rules: Rules,
    *,
    now: datetime | None = None,
    memory_bytes: int | None = None,
    on_version: Callable[[int], None] | None = None,
) -> Expiry | None:
    """Let go what no rule keeps. The caller holds the warehouse for writing.

    Args:
        warehouse: where.
        rules: what is kept.
        now: the moment of it.
        memory_bytes: the memory promise for comparing versions (default: as `promised_bytes`).
        on_version: hears of each version before it is compared with the next newer one.

    Killed at any moment, no manifest that is there lists a file that is not; run again, it goes on.

    Returns:
        What went; None for a warehouse without a snapshot.

    Raises:
        CorruptWarehouse, WarehouseTooNew: when a manifest cannot be read; nothing was changed.
        CommitConflict: when another commit came between; nothing was changed.
        ValidationError: when what is kept of a version does not give its very rows; nothing was changed.
        StorageError: when the disk refuses.
    """
    now = now or datetime.now(UTC)
    plan = plan_expiry(warehouse, rules, now=now)
    if plan is None:
        return None
    if rules.full_versions is not None:
        promise = memory_bytes or promised_bytes()
        thinned = thin(
            warehouse, plan.current, rules.full_versions, memory_bytes=promise, on_version=on_version
        )
        plan = plan_expiry(warehouse, rules, now=now, thinned=thinned) or plan
    if plan.commits:
        write_manifest(warehouse, plan.current)
    _remove_manifests(warehouse, plan.snapshots, now)
    # Looked at anew: where the LOCK does not hold, a commit may have taken up a file since the plan.
    again = plan_expiry(warehouse, Rules(None, float("inf"), rules.grace_days), now=now)
    last = plan if again is None else again
    delete(warehouse, last.files)
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
    return _is_recent(snapshot.committed_at, rules, now)


def _is_recent(moment: datetime, rules: Rules, now: datetime) -> bool:
    """Tell whether the rule of days keeps what was made at a moment."""
    return rules.keep_days is not None and (now - moment).total_seconds() < rules.keep_days * 86_400


def _without_lost(old: Snapshot, snapshots: Sequence[Snapshot], rules: Rules, now: datetime) -> Snapshot:
    """Return the current snapshot if all it names stays, else the one to commit: the same without what goes."""
    made = {snapshot.number: snapshot.committed_at for snapshot in snapshots}
    held = {(s.number, state.version): state.held_since for s in snapshots for state in s.older}
    newest = set(sorted(old.versions, reverse=True)[: rules.keep_versions or 0])
    kept = {
        v: n
        for v, n in old.versions.items()
        if n in made and (v in newest or _is_recent(held.get((n, v)) or made[n], rules, now))
    }
    if old.main.version is not None:
        # The current manifest lists the main version's files itself: it need not lean on an older one.
        kept[old.main.version] = kept.get(old.main.version, old.number)
    if kept == dict(old.versions):
        return old
    return _fresh(
        old, kept, [s for s in old.older if s.version is not None and kept.get(s.version) == old.number], now
    )


def _with_layers(old: Snapshot, fresh: Snapshot, thinned: Thinned, now: datetime) -> Snapshot:
    """Return the snapshot to commit, which stands for every version that is kept as layers; as it was without news."""
    if not thinned.changed:
        return fresh
    kept = {v: old.number if n == fresh.number else n for v, n in fresh.versions.items()}
    kept |= {state.version: old.number for state in thinned.older if state.version is not None}
    return _fresh(old, kept, thinned.older, now)


def _fresh(old: Snapshot, kept: Mapping[int, int], older: Sequence[VersionState], now: datetime) -> Snapshot:
    """Return the current snapshot anew, with the versions it keeps and those of them that it has as layers."""
    thin_versions = {state.version for state in older}
    added = old.added
    if added is not None and (added.version not in kept or added.version in thin_versions):
        added = None
    fresh = replace(
        old,
        parent=old.number,
        operation="expire",
        committed_at=now,
        tool=tool_version(),
        added=added,
        versions=kept,
        older=tuple(older),
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


def _known(warehouse: Warehouse) -> list[Expired]:
    """Return what the ledger says of snapshots that are truly gone."""
    return [entry for n, entry in read_ledger(warehouse).items() if not warehouse.manifest(n).exists()]


def _entries(going: Sequence[Snapshot], staying: Sequence[Snapshot], now: datetime) -> list[Expired]:
    """Return what the ledger is to say of snapshots that go."""
    listed = files_listed(staying)
    return [Expired(s.number, now, tuple(sorted(files_listed([s]) - listed))) for s in going]


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
