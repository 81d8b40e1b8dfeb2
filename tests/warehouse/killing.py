"""What runs in the process that is killed: a sync, and the hand that kills it at a chosen call to the disk."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crantdb.config import Config
from crantdb.sources.cave import CaveOptions
from crantdb.sources.opening import open_cave
from crantdb.sync.run import sync
from crantdb.sync.selection import Wish
from crantdb.warehouse.layout import Warehouse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DISK = ("link", "replace", "fsync", "unlink")
"""The calls by which a sync changes what another process, or the next sync, can see."""


class Calls:
    """Counts calls of `os` functions, and kills this process at one of them.

    Args:
        names: which functions to count.
        at: the number of the call to be killed at; 0 never.
        after: killed when the call is done, else before it begins.
        links: how many links are made before counting begins.
    """

    def __init__(self, names: Sequence[str], at: int = 0, *, after: bool = False, links: int = 0) -> None:
        self.count = 0
        self._names = names
        self._at = at
        self._after = after
        self._links = links
        for name in {*names, "link"}:
            setattr(os, name, self._counted(name, getattr(os, name)))

    def _counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            counts = self._links <= 0 and name in self._names
            self._links -= name == "link"
            self.count += counts
            last = counts and self.count == self._at
            if last and not self._after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = function(*args, **options)
            if last:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call


def run(root: str, url: str, version: int) -> None:
    """Sync a version into a warehouse."""
    cave = open_cave("ants", url, None, CaveOptions(chunk_rows=400))
    sync(cave, Warehouse(Path(root)), Config("ants", url), Wish(version))


def run_until(root: str, url: str, version: int, calls: dict[str, Any]) -> None:
    """Sync a version, to be killed at a call of the disk: `calls` is what `Calls` takes."""
    Calls(**calls)
    run(root, url, version)


def run_counted(root: str, url: str, version: int, counts: dict[str, int]) -> None:
    """Sync a version undisturbed; give how often each function of the disk was called."""
    calls = {name: Calls([name]) for name in DISK}
    run(root, url, version)
    counts.update({name: found.count for name, found in calls.items()})
