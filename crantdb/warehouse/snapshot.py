"""Which snapshot: the current one, one by number, and the state of a version as a snapshot knows it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crantdb.errors import NoSuchSnapshot
from crantdb.warehouse.ledger import expiry_of
from crantdb.warehouse.manifest import damaged, read_manifest

if TYPE_CHECKING:
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import Snapshot, VersionState


def current(warehouse: Warehouse) -> Snapshot | None:
    """Return the current snapshot: the highest number. None when nothing was ever committed.

    Raises:
        CorruptWarehouse, WarehouseTooNew: as `read_manifest`.
    """
    numbers = warehouse.numbers()
    return read_manifest(warehouse.manifest(numbers[-1])) if numbers else None


def read_snapshot(warehouse: Warehouse, number: int | None = None) -> Snapshot:
    """Return a snapshot by number, or the current one.

    Raises:
        NoSuchSnapshot: when there is none of that number, or none at all; the message lists those there are.
        CorruptWarehouse, WarehouseTooNew: as `read_manifest`.
    """
    numbers = warehouse.numbers()
    if not numbers:
        msg = f"{warehouse.root} has no snapshot yet. Make the first with `crantdb sync`"
        raise NoSuchSnapshot(msg)
    if number is not None and number not in numbers:
        what = expiry_of(warehouse, number) or f"there is no snapshot {number} in {warehouse.root}"
        msg = f"{what}; there are {listed(numbers)}"
        raise NoSuchSnapshot(msg)
    return read_manifest(warehouse.manifest(numbers[-1] if number is None else number))


def state_for(warehouse: Warehouse, snapshot: Snapshot, version: int | None) -> VersionState:
    """Return a kept version as a reader of a snapshot sees it (None: its main version), shared tables among its own.

    Raises:
        NoSuchSnapshot: when the snapshot keeps no such version; the message lists those it keeps.
    """
    own = snapshot.state_of(version)
    if own is not None:
        return _with_shared(own, snapshot)
    number = snapshot.versions.get(version) if version is not None else None
    if number is None:
        msg = (
            f"snapshot {snapshot.number} keeps no materialization version {version}; it keeps "
            f"{listed(sorted(snapshot.versions))}. `crantdb sync --version {version}` adds it while the server has it"
        )
        raise NoSuchSnapshot(msg)
    if number not in warehouse.numbers():
        what = expiry_of(warehouse, number) or f"snapshot {number} is gone"
        msg = f"materialization version {version} is no longer kept: {what}. `crantdb status` names those that are"
        raise NoSuchSnapshot(msg)
    state = read_snapshot(warehouse, number).state_of(version)
    if state is None:
        path = warehouse.manifest(number)
        raise damaged(
            path, f"snapshot {snapshot.number} says it stands for version {version}, but it does not"
        )
    return _with_shared(state, snapshot)


def _with_shared(state: VersionState, snapshot: Snapshot) -> VersionState:
    """Return a version's state with the tables that a snapshot shares between all versions."""
    return replace(state, tables={**state.tables, **snapshot.shared})


def listed(numbers: list[int]) -> str:
    """Return numbers as words for a message: ``1 to 9``, or each of a few, or ``none``."""
    if not numbers:
        return "none"
    if len(numbers) > 4 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers))
