"""Which tables a sync brings: decided from what the server lists, what the snapshot has, and what was asked. Pure."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crantdb.errors import NotServed, TimeMismatch

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from crantdb.sources.materialization import MaterializationVersion, RemoteTable
    from crantdb.warehouse.state import Snapshot, TableState, VersionState


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for.

    Attributes:
        version: the materialization version; None for the newest available.
        tables: tables and views by name; None for those of crantdb.toml, else all that can be read.
        drop: tables of the snapshot that a new version need not bring.
        full: fetch every table in full, also where what changed would do.
    """

    version: int | None = None
    tables: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    full: bool = False


@dataclass(frozen=True, slots=True)
class Selection:
    """What a sync will do.

    Attributes:
        version: the version it brings.
        main: whether the version becomes the main one.
        fetch: tables to fetch, each with whether it must succeed (else it may be skipped, with the reason).
        carried: tables of this version that the warehouse has already.
    """

    version: MaterializationVersion
    main: bool
    fetch: tuple[tuple[RemoteTable, bool], ...]
    carried: tuple[TableState, ...]


def select(
    version: MaterializationVersion,
    remote: Sequence[RemoteTable],
    *,
    wish: Wish,
    exclude: Collection[str],
    parent: Snapshot | None,
    have: VersionState | None,
    command: str = "crantdb sync",
) -> Selection:
    """Decide what to fetch.

    Args:
        version: the version to bring.
        remote: what it lists.
        wish: what was asked, `wish.tables` already defaulted from crantdb.toml.
        exclude: tables to leave out.
        parent: the current snapshot.
        have: what the warehouse has of this very version, or None.
        command: what to run again, for messages.

    Raises:
        NotServed: when a table asked for by name is not listed; the message names near ones.
        TimeMismatch: when the version would become the main one but lacks a table of the current snapshot
            that was not dropped by name.
    """
    listed = {table.name: table for table in remote}
    main = parent is None or parent.main.version is None or version.number >= parent.main.version
    named = () if wish.tables is None else wish.tables
    _check_named(named, listed, version)
    inherited = _inherited(parent, version, wish, listed, command=command) if main else []
    chosen = list(named) if wish.tables is not None else [name for name in listed if name not in exclude]
    must = {*named, *inherited}
    carried = () if have is None else tuple(have.tables.values())
    there = {table.name for table in carried if table.schema == "cave"}
    names = [name for name in dict.fromkeys([*chosen, *inherited]) if name not in there]
    return Selection(version, main, tuple((listed[name], name in must) for name in names), carried)


def _check_named(named: Collection[str], listed: Collection[str], version: MaterializationVersion) -> None:
    """Refuse a name that the version does not list."""
    for name in named:
        if name not in listed:
            near = difflib.get_close_matches(name, listed, n=3) or sorted(listed)[:8]
            msg = f"version {version.number} has no table or view {name!r}. It has, e.g., {', '.join(near) or 'none'}"
            raise NotServed(msg)


def _inherited(
    parent: Snapshot | None,
    version: MaterializationVersion,
    wish: Wish,
    listed: Collection[str],
    *,
    command: str,
) -> list[str]:
    """Return the CAVE tables of the current snapshot that a new main version must bring too."""
    if parent is None or (parent.main.version, parent.main.as_of) == (version.number, version.as_of):
        return []
    names = [table.name for table in parent.main.tables.values() if table.schema == "cave"]
    kept = [name for name in names if name not in wish.drop]
    lost = [name for name in kept if name not in listed]
    if lost:
        flags = " ".join(f"--drop {name}" for name in lost)
        msg = (
            f"snapshot {parent.number} has {', '.join(lost)}, but version {version.number} does not list "
            f"{'it' if len(lost) == 1 else 'them'}. Go on without: {command} {flags}"
        )
        raise TimeMismatch(msg)
    return kept
