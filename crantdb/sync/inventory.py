"""What the warehouse has already: its current snapshot, kept versions, and what is staged of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crantdb.errors import ConfigError, CorruptWarehouse
from crantdb.warehouse.lock import writing
from crantdb.warehouse.manifest import read_manifest
from crantdb.warehouse.snapshot import current
from crantdb.warehouse.staging import StagingKey, clear, staged

if TYPE_CHECKING:
    from collections.abc import Collection

    from crantdb.config import Config
    from crantdb.sources.cave import Cave
    from crantdb.sources.materialization import MaterializationVersion
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import Snapshot, VersionState


def parent_of(warehouse: Warehouse, config: Config) -> Snapshot | None:
    """Return the current snapshot, which must be of the datastack that is configured.

    Raises:
        ConfigError: when it is of another.
    """
    parent = current(warehouse)
    if parent is not None and (parent.datastack, parent.server) != (config.datastack, config.server):
        msg = (
            f"{warehouse.root} mirrors {parent.datastack} of {parent.server}, but its crantdb.toml now says "
            f"{config.datastack} of {config.server}. One warehouse mirrors one datastack: make another with crantdb init"
        )
        raise ConfigError(msg)
    return parent


def held(warehouse: Warehouse, version: MaterializationVersion, config: Config) -> VersionState | None:
    """Return what any snapshot of the warehouse holds of this very version, newest first."""
    for number in reversed(warehouse.numbers()):
        try:
            snapshot = read_manifest(warehouse.manifest(number))
        except CorruptWarehouse:
            continue
        state = snapshot.state_of(version.number)
        same = (snapshot.datastack, snapshot.server) == (config.datastack, config.server)
        if state is not None and same and state.as_of == version.as_of and _is_whole(warehouse, state):
            return state
    return None


def _is_whole(warehouse: Warehouse, state: VersionState) -> bool:
    """Tell whether every file of a state is still there."""
    return all(
        (warehouse.root / file.path).is_file() for table in state.tables.values() for file in table.needed
    )


def clear_committed(warehouse: Warehouse) -> None:
    """Remove what is staged of tables that are committed: a sync that was killed behind its commit left it."""
    keys = staged(warehouse)
    if not keys:
        return
    known: set[tuple[str, str, int | None, str]] = set()
    for number in warehouse.numbers():
        try:
            snapshot = read_manifest(warehouse.manifest(number))
        except CorruptWarehouse:
            continue
        for state in snapshot.states():
            moment = "" if state.as_of is None else state.as_of.isoformat()
            known |= {(table.schema, table.name, state.version, moment) for table in state.tables.values()}
    # Tables of SeaTable and logs are staged in one go, never gone on with: a kill left what there is of them.
    gone = (key for key in keys if key.schema in {"seatable", "history"} or _name(key) in known)
    clear(warehouse, list(gone))


def _name(key: StagingKey) -> tuple[str, str, int | None, str]:
    """Return what a staged table and a committed one have in common."""
    return key.schema, key.table, key.version, key.as_of


def clear_shared(warehouse: Warehouse) -> None:
    """Remove what is staged of SeaTable's tables and of logs: committed, found the same, or to be made anew."""
    clear(warehouse, [key for key in staged(warehouse) if key.schema in {"seatable", "history"}])


def left_over(warehouse: Warehouse, cave: Cave, mine: Collection[StagingKey]) -> list[str]:
    """Return a line for each version with staged tables that a sync of `mine` will not finish."""
    others: dict[int, int] = {}
    imports = 0
    for key in staged(warehouse):
        if key.schema == "l2":
            continue  # `sync l2` goes on from there, whatever else is synced
        if key.origin and not key.origin.startswith("delta"):
            imports += 1
        elif key.version is not None and key not in mine:
            others[key.version] = others.get(key.version, 0) + 1
    ready = {version.number for version in cave.versions() if version.is_available} if others else set()
    unfinished = f"note: {imports} table(s) are staged of an unfinished import; run it again, or drop them with --discard"
    return ([unfinished] if imports else []) + [
        f"note: {count} table(s) of version {number} are staged from an earlier sync; "
        + (f"finish them with --version {number}" if number in ready else "that version has expired")
        + ", or drop them with --discard"
        for number, count in sorted(others.items())
    ]


def discard(warehouse: Warehouse) -> list[StagingKey]:
    """Forget everything that is staged; return what it was."""
    with writing(warehouse, "discard"):
        keys = staged(warehouse)
        clear(warehouse, keys)
    return keys
