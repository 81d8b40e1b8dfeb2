"""Which kept versions stay whole, and which become layers over newer ones: chosen, made, and said why not.

A version becomes a layer over the next newer one that is kept, so that a change costs once, however many versions
are older than it. Where that one is layers too, a table's layers are all listed, down to files that are whole: a
version that goes later takes nothing with it that another needs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from crantdb.warehouse.agreement import forms_in
from crantdb.warehouse.layering import layered, narrowed, rebased, staging_key, why_not
from crantdb.warehouse.manifest import read_manifest
from crantdb.warehouse.staging import clear
from crantdb.warehouse.state import Layers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from crantdb.warehouse.layering import Narrowed
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import Snapshot, TableState, VersionState


@dataclass(frozen=True, slots=True)
class Thinned:
    """What became of the older versions.

    Attributes:
        older: every version that is kept as layers, at least in part.
        changed: those of them that are kept otherwise than before.
        stayed: tables that stay whole although they need not, by version, with the reason.
    """

    older: tuple[VersionState, ...]
    changed: tuple[int, ...]
    stayed: Mapping[int, str]


@dataclass(slots=True)
class _Kept:
    """The kept versions on the way.

    Attributes:
        states: each version's own tables, as they are kept by now.
        became: what the files of a table that was whole have become, by their paths.
        changed: versions that are kept otherwise than before.
        stayed: as in `Thinned`.
    """

    states: dict[int, VersionState]
    became: dict[tuple[str, ...], Layers] = field(default_factory=dict)
    changed: list[int] = field(default_factory=list)
    stayed: dict[int, str] = field(default_factory=dict)


def to_thin(snapshot: Snapshot, full_versions: int) -> list[int]:
    """Return the kept versions that need not stay whole, the newest first.

    Args:
        snapshot: whose versions.
        full_versions: how many of the newest stay whole. The main version always does.
    """
    newest = sorted(snapshot.versions, reverse=True)
    whole = {*newest[:full_versions], snapshot.main.version}
    return [version for version in newest if version not in whole]


def are_whole(warehouse: Warehouse, snapshot: Snapshot, versions: Sequence[int]) -> list[int]:
    """Return those versions that have a whole synapse table which may become layers, as far as can be told unread."""
    states = own_states(warehouse, snapshot)
    order = sorted(states, reverse=True)
    found = []
    for version in versions:
        newer = states[order[order.index(version) - 1]]
        pairs = [(narrowed(main, forms), _same(newer, main)) for main, forms in forms_in(states[version])]
        if any(older.main.layers is None and not why_not(older, there) for older, there in pairs):
            found.append(version)
    return found


def thin(
    warehouse: Warehouse,
    snapshot: Snapshot,
    full_versions: int,
    *,
    memory_bytes: int,
    on_version: Callable[[int], None] | None = None,
) -> Thinned:
    """Make layers of the versions that need not stay whole. Links files into place; commits nothing.

    Args:
        warehouse: where.
        snapshot: the current one, with the versions that are to be kept.
        full_versions: see `to_thin`.
        memory_bytes: the memory promise.
        on_version: hears of each version before it is looked at.

    Raises:
        ValidationError: when layers do not give the very rows; nothing was changed.
        StorageError: when the disk or the memory refuses.
    """
    kept = _Kept(own_states(warehouse, snapshot))
    order = sorted(kept.states, reverse=True)
    for version in to_thin(snapshot, full_versions):
        if on_version is not None:
            on_version(version)
        newer = kept.states[order[order.index(version) - 1]]
        state = kept.states[version]
        for main, forms in forms_in(state):
            older = narrowed(main, forms)
            made = _made(warehouse, snapshot, older, _same(newer, main), kept, memory_bytes=memory_bytes)
            if isinstance(made, str):
                kept.stayed[version] = f"{main.name}: {made}"
            elif made != older.tables:
                state = replace(state, tables={**state.tables, **{table.key: table for table in made}})
                kept.changed.append(version)
        kept.states[version] = state
    older_states = tuple(state for _, state in sorted(kept.states.items()) if _is_thin(state))
    return Thinned(older_states, tuple(sorted(set(kept.changed))), kept.stayed)


def own_states(warehouse: Warehouse, snapshot: Snapshot) -> dict[int, VersionState]:
    """Return the state of each kept version, as the snapshot that stands for it has it, without shared tables.

    Each says since when it has been held.
    """
    result = {}
    for version, number in snapshot.versions.items():
        path = warehouse.manifest(number)
        there = snapshot if number == snapshot.number else read_manifest(path)
        state = there.state_of(version)
        if state is not None:
            result[version] = replace(state, held_since=state.held_since or there.committed_at)
    return result


def _is_thin(state: VersionState) -> bool:
    """Tell whether a version is kept as layers, at least in part."""
    return any(table.layers is not None for table in state.tables.values())


def _same(state: VersionState, main: TableState) -> Narrowed | None:
    """Return the synapse table of the same name in another version."""
    found = (narrowed(table, forms) for table, forms in forms_in(state) if table.key == main.key)
    return next(found, None)


def _made(
    warehouse: Warehouse,
    snapshot: Snapshot,
    older: Narrowed,
    newer: Narrowed | None,
    kept: _Kept,
    *,
    memory_bytes: int,
) -> tuple[TableState, ...] | str:
    """Return a table and its copies as they are to be kept: as they are, on another base, or made layers."""
    if older.main.layers is not None:
        bases = [_base_of(table, kept) for table in older.tables]
        known = [base for base in bases if base is not None]
        if len(known) == len(bases):
            return tuple(
                table if base.steps == () else rebased(table, base)
                for table, base in zip(older.tables, known, strict=True)
            )
    reason = why_not(older, newer)
    if newer is None or reason:
        return older.tables if older.main.layers is not None else reason
    key = staging_key(older, newer, server=snapshot.server, datastack=snapshot.datastack)
    made = layered(warehouse, key, older, newer, memory_bytes=memory_bytes)
    clear(warehouse, [key])
    if isinstance(made, str):
        return older.tables if older.main.layers is not None else made
    if older.main.layers is None:
        kept.became |= {
            _paths(table): there.layers
            for table, there in zip(older.tables, made, strict=True)
            if there.layers is not None
        }
    return made


def _base_of(table: TableState, kept: _Kept) -> Layers | None:
    """Return what a table's base is now: itself where it stays whole, else layers; None where nobody has it any more."""
    if table.layers is None:
        return None
    paths = tuple(file.path for file in table.layers.base)
    if paths in kept.became:
        return kept.became[paths]
    whole = (there for state in kept.states.values() for there in state.tables.values())
    if any(_paths(there) == paths for there in whole):
        return Layers(table.layers.version, table.layers.base, ())
    return None


def _paths(table: TableState) -> tuple[str, ...]:
    """Return the paths of a table's own files."""
    return tuple(file.path for file in table.files)
