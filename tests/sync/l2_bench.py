"""A small generated world, mirrored without its synapses' details, for the tests of L2 data."""

from __future__ import annotations

import functools
import shutil
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import crantdb
from crantdb.config import config_text, read_config
from crantdb.sandbox import Datastack, Sandbox, generate_world
from crantdb.sandbox.l2cache import CacheState
from crantdb.sources.cave import CaveOptions
from crantdb.sources.opening import open_cave
from crantdb.sources.transport import RetryRule
from crantdb.sync.l2 import L2Report, sync_l2
from crantdb.sync.run import sync
from crantdb.sync.selection import Wish
from crantdb.warehouse.layout import Warehouse, create_warehouse
from crantdb.warehouse.snapshot import current
from tests.sync.bench import Voice
from tests.warehouse.killing import DISK, Calls

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from crantdb.warehouse.state import Snapshot

QUICK = CaveOptions(timeout_s=5, rule=RetryRule(tries=3, patience_s=5, backoff_s=0.01))


@functools.cache
def _generated() -> Datastack:
    """Return the small world that all tests of L2 data share; it never changes."""
    return generate_world(neurons=8, synapses=1000)


def small_world(**gaps: Any) -> Datastack:
    """Return a small world; its cache lacks what is said, for good."""
    return replace(_generated(), l2=CacheState(**gaps))


@dataclass(slots=True)
class L2Bench:
    """A warehouse and the sandbox that it mirrors."""

    sandbox: Sandbox
    world: Datastack
    warehouse: Warehouse
    voice: Voice = field(default_factory=Voice)
    _connected: dict[int, duckdb.DuckDBPyConnection] = field(default_factory=dict)

    def mirror(self, version: int | None = None, tables: tuple[str, ...] = ("nuclei_v1",)) -> None:
        """Bring some tables of a version."""
        cave = open_cave(self.world.name, self.sandbox.url, None, QUICK)
        sync(cave, self.warehouse, read_config(self.warehouse.config), Wish(version, tables))

    def l2(self, roots: Sequence[int]) -> L2Report:
        """Mirror the L2 data of roots."""
        cave = open_cave(self.world.name, self.sandbox.url, None, QUICK)
        return sync_l2(cave, self.warehouse, read_config(self.warehouse.config), roots, self.voice)

    def asked(self, path: str) -> int:
        """Return how many requests were made whose path matches, and forget them."""
        count = self.sandbox.log.count(path)
        self.sandbox.log.clear()
        return count

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return a query's rows."""
        number = self.warehouse.numbers()[-1]
        if number not in self._connected:
            self._connected[number] = crantdb.connect(self.warehouse.root)
        return self._connected[number].sql(query).fetchall()

    @property
    def snapshot(self) -> Snapshot:
        """The current snapshot."""
        found = current(self.warehouse)
        assert found is not None
        return found

    def latest(self, version: int = 5, *, least: int = 1) -> list[int]:
        """Return the roots that stood at a version's moment and have so many pieces at the least."""
        found, history = self.world.version(version), self.world.chunkedgraph
        assert found is not None
        assert history is not None
        at = round(found.time_stamp.timestamp() * 1e6)
        return sorted(r.id for r in history.roots.values() if r.is_latest(at) and len(r.pieces) >= least)

    def some(self, version: int = 5) -> list[int]:
        """Return the small roots of a version, and two large ones: enough for all but what is counted over all."""
        large = self.latest(version, least=60)[:2]
        return sorted({*self.latest(version), *large} - {*self.latest(version, least=60)[2:]})


def l2_bench(root: Path, sandbox: Sandbox, world: Datastack) -> L2Bench:
    """Return a fresh warehouse for a world that a sandbox serves; requests are small, so that there are many."""
    text = config_text(world.name, sandbox.url) + "\n[l2]\nids_at_once = 400\nparallel = 2\n"
    return L2Bench(sandbox, world, create_warehouse(root, text))


def copy_of(made: L2Bench, root: Path) -> L2Bench:
    """Return a bench of its own, at the same server, whose warehouse is a copy."""
    shutil.copytree(made.warehouse.root, root)
    return L2Bench(made.sandbox, made.world, Warehouse(root))


def run(root: str, at: int, roots: list[int]) -> None:
    """Mirror L2 data, and be killed at a call to the disk."""
    warehouse = Warehouse(Path(root))
    config = read_config(warehouse.config)
    cave = open_cave(config.datastack, config.server, None, QUICK)
    calls = Calls(DISK, at)
    sync_l2(cave, warehouse, config, np.array(roots))
    print(calls.count)


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]), [int(root) for root in sys.argv[3].split(",")])
