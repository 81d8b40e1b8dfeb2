"""The main version's roots, checked against the chunkedgraph one and all: what a sync does by a sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crantdb.errors import NoSuchSnapshot
from crantdb.sync.coming import Coming, opened
from crantdb.sync.roots import check_cave, column, put
from crantdb.warehouse.snapshot import read_snapshot

if TYPE_CHECKING:
    from crantdb.sources.chunkedgraph import Chunkedgraph
    from crantdb.warehouse.layout import Warehouse


def check_online(warehouse: Warehouse, graph: Chunkedgraph) -> dict[str, int]:
    """Count what the chunkedgraph says otherwise of the current snapshot's main version, by what it is.

    Every root in CAVE's tables and in edges must have been current at as_of, and every supervoxel of `root_ids` be
    in the root it says. What is right is not listed.

    Raises:
        NoSuchSnapshot: when there is no snapshot, or it has no materialization version.
        SourceError: when the chunkedgraph does not answer.
    """
    snapshot = read_snapshot(warehouse)
    version, as_of = snapshot.main.version, snapshot.main.as_of
    if version is None or as_of is None:
        msg = f"snapshot {snapshot.number} has no materialization version, and so no roots to check"
        raise NoSuchSnapshot(msg)
    coming = Coming(
        warehouse=warehouse,
        parent=snapshot,
        datastack=snapshot.datastack,
        server=snapshot.server,
        info=snapshot.info,
        version=version,
        as_of=as_of,
        carried=[*snapshot.main.tables.values()],
    )
    with opened(coming) as there:
        counted = check_cave(coming, there, graph, everything=True)
        root_ids = there.table("derived", "root_ids")
        if root_ids is not None:
            supervoxels = column(there, f"SELECT supervoxel_id FROM {root_ids.relation} ORDER BY ALL")
            put(there, "asked", supervoxel_id=supervoxels, root_id=graph.roots_of(supervoxels, as_of))
            [(wrong,)] = there.rows(
                f"SELECT count(*) FROM main.asked AS asked JOIN {root_ids.relation} AS ours USING (supervoxel_id) "
                "WHERE asked.root_id <> ours.root_id"
            )
            counted["root_ids has another root at as_of"] = int(wrong)
    return {name: count for name, count in counted.items() if count}
