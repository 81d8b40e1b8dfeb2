"""Positions that an earlier sync could not look up: whether they are worth a snapshot of their own now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crantdb.errors import ConfigError, SourceError
from crantdb.sources.segmentation import check_installed, open_segmentation
from crantdb.sync.in_segmentation import NOT_LOOKED_UP

if TYPE_CHECKING:
    from collections.abc import Callable

    from crantdb.sources.cave import Cave
    from crantdb.warehouse.commit import Change
    from crantdb.warehouse.state import Snapshot


def due_now(parent: Snapshot | None, version: int | None, open_cave: Callable[[], Cave | None]) -> bool:
    """Tell whether positions are left over in a snapshot, and their segmentation can be opened now.

    Args:
        parent: the current snapshot.
        version: the version that is synced; None when CAVE is not.
        open_cave: opens the datastack; asked only when positions are left over.
    """
    if parent is None or _left_in(parent) == 0 or version not in {None, parent.main.version}:
        return False
    try:
        check_installed()
        cave = open_cave()
        if cave is not None:
            open_segmentation(cave)
    except (SourceError, ConfigError):
        return False  # it was said when they were left over, and is no failure of this sync
    return cave is not None


def settles_some(change: Change, parent: Snapshot | None) -> bool:
    """Tell whether a change leaves fewer positions over than the current snapshot."""
    made = (valid for valid, _ in change.tables if valid.staged.key.table == "annotations")
    left = sum(valid.exceptions.get(NOT_LOOKED_UP, 0) for valid in made)
    return parent is not None and left < _left_in(parent)


def _left_in(snapshot: Snapshot) -> int:
    """Return how many positions were not looked up when a snapshot's main version was made."""
    table = snapshot.main.tables.get("derived.annotations")
    return 0 if table is None else table.exceptions.get(NOT_LOOKED_UP, 0)
