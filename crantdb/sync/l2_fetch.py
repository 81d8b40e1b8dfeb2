"""Fetching L2 data into the staging: first the graphs of roots, then what the cache knows of their L2 ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from crantdb.sync.l2_staging import EDGES, MEMBERS, SCHEMAS, ids_to_ask, roots_in

if TYPE_CHECKING:
    from collections.abc import Sequence

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
