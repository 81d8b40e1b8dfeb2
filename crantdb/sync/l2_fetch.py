"""Fetching L2 data into the staging: first the graphs of roots, then what the cache knows of their L2 ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from crantdb.sync.l2_staging import EDGES, MEMBERS, SCHEMAS, SUPERVOXELS, ids_to_ask, roots_in

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import duckdb

    from crantdb.sources.chunkedgraph import Chunkedgraph
    from crantdb.sources.l2 import L2Service, RootGraph
    from crantdb.sync.l2_staging import Held, L2Staging
    from crantdb.sync.progress import Progress


def fetch_graphs(
    service: L2Service,
    staging: L2Staging,
    held: Held,
    roots: Sequence[int],
    *,
    memory_bytes: int,
    progress: Progress,
) -> dict[int, str]:
    """Stage the graphs of those roots that the warehouse does not hold yet.

    Returns:
        The roots that the chunkedgraph gave no graph of, with the reason.

    Raises:
        SourceError: when the server fails; what was staged is kept.
        Interrupted: when asked to stop.
        StorageError: when the disk refuses.
    """
    with staging.looking(held, memory_bytes) as con:
        there, staged = roots_in(con, "held"), roots_in(con, "staged")
    new = [root for root in roots if root not in there]
    wanted = [root for root in new if root not in staged]
    failed: dict[int, str] = {}
    progress.begin(MEMBERS, len(new), len(new) - len(wanted))
    for batch in service.graphs(wanted):
        failed |= batch.failed
        if batch.graphs:
            span = f"roots {batch.graphs[0].root} to {batch.graphs[-1].root}"
            staging.add_graphs(span, _members(batch.graphs), _edges(batch.graphs))
        progress.advance(MEMBERS, len(batch.graphs) + len(batch.failed))
    progress.end(MEMBERS)
    return failed


def fetch_nodes(
    service: L2Service, staging: L2Staging, held: Held, *, memory_bytes: int, progress: Progress
) -> None:
    """Stage what the cache knows of every L2 id of which nothing is known, those that it lacked before too.

    Raises:
        SourceError, Interrupted, StorageError: as `fetch_graphs`.
    """
    with staging.looking(held, memory_bytes) as con:
        wanted = ids_to_ask(con)
    progress.begin("l2_nodes", len(wanted), 0)
    for batch in service.nodes(wanted):
        span = f"l2 ids {batch.l2_ids[0]} to {batch.l2_ids[-1]}"
        staging.add_nodes(span, batch.known, batch.missing)
        progress.advance("l2_nodes", len(batch.l2_ids))
    progress.end("l2_nodes")


def fetch_supervoxels(
    graph: Chunkedgraph,
    staging: L2Staging,
    con: duckdb.DuckDBPyConnection,
    roots: Sequence[int],
    *,
    as_of: datetime,
    progress: Progress,
) -> None:
    """Stage which L2 id the supervoxels of roots' synapses lie in, of those of which it is not known.

    Args:
        graph: the chunkedgraph.
        staging: where; the roots' members are held or staged.
        con: of `connect`: the version's synapses, and what is held.
        roots: root ids.
        as_of: the version's moment.
        progress: hears how it goes.

    Raises:
        SourceError, Interrupted, StorageError: as `fetch_graphs`.
    """
    for name in (MEMBERS, SUPERVOXELS):
        files = [str(file) for file in staging[name].files()]
        more = f" UNION ALL FROM read_parquet({files!r}, hive_partitioning = false)" if files else ""
        con.execute(f"CREATE OR REPLACE TEMP VIEW every_{name} AS FROM {name}{more}")
    wanted = np.asarray(
        con.execute(_UNPLACED, {"roots": list(roots)}).fetchnumpy()["supervoxel_id"], dtype=np.int64
    )
    progress.begin(SUPERVOXELS, len(wanted), 0)
    for start in range(0, len(wanted), SUPERVOXELS_AT_ONCE):
        part = wanted[start : start + SUPERVOXELS_AT_ONCE]
        found = graph.roots_of(part, as_of, stop_layer=2)
        rows = {"supervoxel_id": part[found > 0], "l2_id": found[found > 0]}
        staging[SUPERVOXELS].add(
            f"supervoxels {part[0]} to {part[-1]}", pa.table(rows, schema=SCHEMAS[SUPERVOXELS])
        )
        progress.advance(SUPERVOXELS, len(part))
    progress.end(SUPERVOXELS)


SUPERVOXELS_AT_ONCE = 50_000
"""Supervoxels of one request."""

_UNPLACED = """WITH wanted AS (SELECT unnest($roots::BIGINT[]) AS root_id),
    ends AS (
        SELECT DISTINCT pre_pt_root_id AS root_id, pre_pt_supervoxel_id AS supervoxel_id
        FROM synapses SEMI JOIN wanted ON pre_pt_root_id = wanted.root_id
        UNION
        SELECT DISTINCT post_pt_root_id, post_pt_supervoxel_id
        FROM synapses_by_post SEMI JOIN wanted ON post_pt_root_id = wanted.root_id
    ),
    placed AS (
        SELECT DISTINCT member.root_id, known.supervoxel_id
        FROM every_l2_supervoxels AS known JOIN every_l2_members AS member USING (l2_id)
    )
    SELECT DISTINCT supervoxel_id FROM ends ANTI JOIN placed USING (root_id, supervoxel_id)
    WHERE supervoxel_id > 0 ORDER BY supervoxel_id"""


def _members(graphs: Sequence[RootGraph]) -> pa.Table:
    """Return a row for each root and L2 id."""
    roots = np.repeat([graph.root for graph in graphs], [len(graph.l2_ids) for graph in graphs])
    ids = np.concatenate([graph.l2_ids for graph in graphs])
    return pa.table({"root_id": roots.astype(np.int64), "l2_id": ids}, schema=SCHEMAS[MEMBERS])


def _edges(graphs: Sequence[RootGraph]) -> pa.Table:
    """Return a row for each root and pair of L2 ids."""
    roots = np.repeat([graph.root for graph in graphs], [len(graph.edges) for graph in graphs])
    pairs = np.concatenate([graph.edges for graph in graphs])
    columns = {"root_id": roots.astype(np.int64), "l2_a": pairs[:, 0], "l2_b": pairs[:, 1]}
    return pa.table(columns, schema=SCHEMAS[EDGES])
