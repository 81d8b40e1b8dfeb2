"""A sync of L2 data, from the first question to the commit.

Root ids and L2 ids are facts of no moment: a sync fetches the graphs of roots it never saw and what the cache
knows of L2 ids it never saw, asks once more for those that the cache lacked, and makes the skeletons of the
version's roots anew when something came.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crantdb.morphology.chunkgrid import ChunkGrid
from crantdb.morphology.store import soma_points
from crantdb.sources.chunkedgraph import open_chunkedgraph
from crantdb.sources.l2 import L2Options, open_l2
from crantdb.sync.inventory import parent_of
from crantdb.sync.l2_derived import Derived, Moment, derive, derived_key, is_current, recipe_name
from crantdb.sync.l2_fetch import fetch_graphs, fetch_nodes, fetch_supervoxels
from crantdb.sync.l2_measures import NEURON_METRICS, SKELETON_NODES, Recipe
from crantdb.sync.l2_staging import MISSING, NODES, L2Staging, held_l2, identity
from crantdb.sync.l2_tables import finish
from crantdb.sync.progress import Silence
from crantdb.sync.registration import keep_registered
from crantdb.warehouse.catalog import connect
from crantdb.warehouse.commit import Change, commit
from crantdb.warehouse.lock import writing
from crantdb.warehouse.memory import promised_bytes
from crantdb.warehouse.staging import clear

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from crantdb.config import Config
    from crantdb.sources.cave import Cave
    from crantdb.sync.l2_staging import Held
    from crantdb.sync.l2_tables import L2Tables
    from crantdb.sync.progress import Progress
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import Snapshot

_TOGETHER = (
    "CREATE VIEW l2_members AS SELECT DISTINCT * FROM (FROM held_l2_members UNION ALL FROM staged_l2_members)",
    "CREATE VIEW l2_edges AS SELECT DISTINCT * FROM (FROM held_l2_edges UNION ALL FROM staged_l2_edges)",
    "CREATE VIEW l2_nodes AS FROM held_l2_nodes UNION ALL SELECT DISTINCT ON (l2_id) * FROM staged_l2_nodes",
)
"""The tables as the snapshot to be will have them."""

_MIRRORED = "SELECT DISTINCT root_id FROM l2_members"


@dataclass(frozen=True, slots=True)
class L2Report:
    """What a sync of L2 data did.

    Attributes:
        snapshot: the snapshot that is current now; None when there is still none.
        changed: whether this sync made it.
        roots: how many roots were asked for.
        new_roots: roots whose graphs came.
        new_nodes: L2 ids that came from the cache.
        missing: L2 ids of all mirrored roots that the cache still lacks.
        failed: roots that the chunkedgraph gave no graph of, with the reason.
        stale: mirrored roots that are not the version's: they are in no table of the version.
        skeletons: roots with a skeleton in the version's tables.
        without_skeleton: roots of the version of which nothing is known yet, with the reason.
        seconds: how long it took.
        requests: how many requests were made.
    """

    snapshot: Snapshot | None
    changed: bool
    roots: int
    new_roots: int
    new_nodes: int
    missing: int
    failed: Mapping[int, str]
    stale: tuple[int, ...]
    skeletons: int
    without_skeleton: Mapping[int, str]
    seconds: float
    requests: int


def sync_l2(
    cave: Cave,
    warehouse: Warehouse,
    config: Config,
    roots: Sequence[int] | NDArray[np.int64],
    progress: Progress | None = None,
    *,
    memory: str | None = None,
) -> L2Report:
    """Mirror the L2 data of roots, and commit them as a new snapshot when anything is new.

    Interrupted at any moment, it leaves the last snapshot as it was, and a staging from which the next sync
    goes on.

    Args:
        cave: the datastack.
        warehouse: where.
        config: its configuration.
        roots: root ids, of any moment; those of the main version get skeletons in its tables.
        progress: hears how it goes.
        memory: the memory promise, e.g. ``4GB``.

    Raises:
        NotServed: when the datastack has no chunkedgraph or no L2 cache.
        WarehouseBusy: when another process writes to the warehouse.
        SourceError: when a server fails.
        ValidationError: when rows break a promise.
        WarehouseError: when the store refuses.
    """
    progress = progress or Silence()
    start, memory_bytes = time.monotonic(), promised_bytes(memory)
    wanted = np.unique(np.asarray(roots, dtype=np.int64))
    service = open_l2(cave, L2Options(config.l2.parallel, config.l2.ids_at_once))
    with writing(warehouse, "sync l2"):
        parent = parent_of(warehouse, config)
        held = held_l2(parent, service)
        staging = L2Staging(warehouse, cave, service)
        staging.moment()
        failed = fetch_graphs(
            service, staging, held, wanted.tolist(), memory_bytes=memory_bytes, progress=progress
        )
        fetch_nodes(service, staging, held, memory_bytes=memory_bytes, progress=progress)
        if config.l2.synapses:
            _place_synapses(cave, warehouse, parent, staging, roots=wanted, progress=progress)
        tables = finish(staging, held, service, memory_bytes=memory_bytes)
        info = cave.chunkedgraph_info()
        made = _Making(cave, warehouse, parent, info, recipe_name(identity(service)), progress)
        derived, stale = made.derived(staging, held, wanted, memory_bytes=memory_bytes)
        snapshot = parent
        changed = bool(tables.appended or tables.replaced or derived.tables)
        if changed:
            snapshot = commit(warehouse, made.change(held, tables, derived))
            progress.say(f"committed snapshot {snapshot.number}")
        moment = made.moment(staging)
        clear(
            warehouse,
            [*staging.keys, *(derived_key(moment, name) for name in (SKELETON_NODES, NEURON_METRICS))],
        )
    if snapshot is not None:
        keep_registered(warehouse, snapshot)
    return L2Report(
        snapshot=snapshot,
        changed=changed,
        roots=len(wanted),
        new_roots=tables.roots,
        new_nodes=tables.rows[NODES],
        missing=tables.rows[MISSING],
        failed=failed,
        stale=stale,
        skeletons=derived.roots,
        without_skeleton=derived.failed,
        seconds=time.monotonic() - start,
        requests=cave.transport.meter.requests,
    )


def _place_synapses(
    cave: Cave,
    warehouse: Warehouse,
    parent: Snapshot | None,
    staging: L2Staging,
    *,
    roots: NDArray[np.int64],
    progress: Progress,
) -> None:
    """Ask for the L2 ids of the version's synapses on these roots, where there is a version."""
    if parent is None or parent.main.as_of is None:
        return
    graph, as_of = open_chunkedgraph(cave), parent.main.as_of
    with connect(warehouse.root, parent.number) as con:
        fetch_supervoxels(graph, staging, con, roots.tolist(), as_of=as_of, progress=progress)


@dataclass(frozen=True, slots=True)
class _Making:
    """What the derived tables and the commit are made with."""

    cave: Cave
    warehouse: Warehouse
    parent: Snapshot | None
    info: Mapping[str, Any]
    recipe: str
    progress: Progress

    def moment(self, staging: L2Staging) -> Moment:
        """Return which version the derived tables are of."""
        state = None if self.parent is None else self.parent.main
        version, as_of = (None, None) if state is None else (state.version, state.as_of)
        return Moment(self.cave.server, self.cave.datastack, version, as_of, staging.moment())

    def derived(
        self,
        staging: L2Staging,
        held: Held,
        wanted: NDArray[np.int64],
        *,
        memory_bytes: int,
    ) -> tuple[Derived, tuple[int, ...]]:
        """Make the version's skeletons, unless they are as they would be made now; return them and the stale roots."""
        with staging.looking(held, memory_bytes) as con:
            for query in _TOGETHER:
                con.execute(query)
            known, unknown = (
                np.asarray(
                    con.sql(f"{_MIRRORED} {kind} JOIN l2_nodes USING (l2_id) ORDER BY root_id").fetchnumpy()[
                        "root_id"
                    ]
                )
                for kind in ("SEMI", "ANTI")
            )
            roots = self._valid(known)
            stale = tuple(np.intersect1d(wanted, np.setdiff1d(known, roots)).tolist())
            nothing = np.setdiff1d(np.intersect1d(wanted, unknown), known).tolist()
            why = dict.fromkeys(nothing, "the L2 cache has none of its L2 ids yet")
            points = {} if self.parent is None else self._points(roots)
            recipe = Recipe(ChunkGrid.from_info(self.info), points)
            if is_current(con, roots, recipe, self._own_files()):
                return Derived(roots=len(roots), failed=why), stale
            made = derive(
                self.warehouse,
                con,
                roots,
                recipe,
                name=self.recipe,
                moment=self.moment(staging),
                progress=self.progress,
            )
        made.failed.update(why)
        return made, stale

    def change(self, held: Held, tables: L2Tables, derived: Derived) -> Change:
        """Return the change that the commit is to make."""
        parent = self.parent
        made = {f"derived.{valid.staged.key.table}" for valid, _ in derived.tables}
        state = None if parent is None else parent.main
        return Change(
            parent=parent,
            operation="sync l2",
            datastack=self.cave.datastack,
            server=self.cave.server,
            info=self.cave.info if parent is None else parent.info,
            chunkedgraph=self.info,
            version=None if state is None else state.version,
            as_of=None if state is None else state.as_of,
            tables=derived.tables,
            carried=[] if state is None else [t for key, t in state.tables.items() if key not in made],
            skipped={} if state is None else state.skipped,
            shared=tables.replaced,
            appended=tables.appended,
            dropped=held.strange,
        )

    def _own_files(self) -> dict[str, list[Path]]:
        """Return the files of the version's own tables, where they were made in the way they would be now."""
        tables = {} if self.parent is None else self.parent.main.tables
        state = tables.get(f"derived.{NEURON_METRICS}")
        if state is None or state.source.get("recipe") != self.recipe:
            return {}
        return {NEURON_METRICS: [self.warehouse.root / file.path for file in state.files]}

    def _points(self, roots: NDArray[np.int64]) -> dict[int, NDArray[np.float64]]:
        """Return where the nuclei of roots are, as far as the warehouse knows."""
        assert self.parent is not None  # noqa: S101 - asked for with a parent only
        with connect(self.warehouse.root, self.parent.number) as con:
            return soma_points(con, roots)

    def _valid(self, roots: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of the roots that were the latest at the version's moment."""
        as_of = None if self.parent is None else self.parent.main.as_of
        if as_of is None or not len(roots):
            return roots
        return roots[open_chunkedgraph(self.cave).is_latest(roots, as_of)]
