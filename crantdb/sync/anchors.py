"""Which supervoxels were seen in which roots: what old ids are known by when nothing else of them is left.

Every supervoxel of an annotation or a point is looked up at the coming version's moment, and, when it is met for the
first time, at those of the other kept versions too: so an id is brought to any of them, whichever came first.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from crantdb.sync.making import declare, fill
from crantdb.sync.roots import ANNOTATION, column, put
from crantdb.warehouse.snapshot import state_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from crantdb.sources.chunkedgraph import Chunkedgraph
    from crantdb.sync.coming import Coming, Opened


def anchors(coming: Coming, there: Opened, graph: Chunkedgraph | None) -> None:
    """Make `root_anchors`: supervoxels seen in roots that the log does not have yet.

    Raises:
        SourceError: when the chunkedgraph does not answer.
        ValidationError: when a row breaks what is declared.
    """
    declare(there.con, "root_anchors")
    log = there.table("history", "root_anchors")
    here = (
        f"SELECT root_ids.root_id, supervoxel_id, carried.rank, {_literal(coming.as_of)} AS seen_at "
        "FROM main.carried AS carried JOIN main.root_ids AS root_ids USING (supervoxel_id)"
    )
    seen = [here]
    if there.rows("SELECT 1 FROM duckdb_tables() WHERE table_name = 'held' AND schema_name = 'main'"):
        seen.append(f"SELECT root_id, supervoxel_id, {ANNOTATION}, seen_at FROM main.held")
    if graph is not None:
        strange = "" if log is None else f"ANTI JOIN {log.relation} AS known USING (supervoxel_id)"
        _look_elsewhere(
            coming, there, graph, f"SELECT DISTINCT supervoxel_id FROM main.carried {strange} ORDER BY ALL"
        )
        seen.append(
            "SELECT elsewhere.root_id, supervoxel_id, carried.rank, elsewhere.seen_at FROM main.elsewhere "
            "JOIN main.carried AS carried USING (supervoxel_id)"
        )
    known = "" if log is None else f"ANTI JOIN {log.relation} AS known USING (root_id, supervoxel_id)"
    fill(
        there.con,
        "root_anchors",
        "SELECT root_id, supervoxel_id, rank, seen_at FROM (SELECT root_id, supervoxel_id, min(rank) AS rank, "
        f"min(seen_at) AS seen_at FROM ({' UNION ALL '.join(seen)}) WHERE root_id > 1 GROUP BY ALL) {known}",
    )


def _look_elsewhere(coming: Coming, there: Opened, graph: Chunkedgraph, new: str) -> None:
    """Make `elsewhere`: the roots of the supervoxels of a query at the moments of the other kept versions."""
    there.con.execute("CREATE TABLE main.elsewhere (supervoxel_id BIGINT, root_id BIGINT, seen_at TIMESTAMP)")
    supervoxels = column(there, new)
    for moment in _other_moments(coming):
        put(there, "found", supervoxel_id=supervoxels, root_id=graph.roots_of(supervoxels, moment))
        there.con.execute(f"INSERT INTO main.elsewhere SELECT *, {_literal(moment)} FROM main.found")


def _other_moments(coming: Coming) -> Iterator[datetime]:
    """Give the moments of the kept versions, but for the coming one's."""
    if coming.parent is None:
        return
    for number in sorted(coming.parent.versions):
        moment = state_for(coming.warehouse, coming.parent, number).as_of
        if number != coming.version and moment is not None:
            yield moment


def _literal(at: datetime) -> str:
    """Return a moment as SQL, in UTC without a zone."""
    return f"TIMESTAMP '{at.astimezone(UTC).replace(tzinfo=None)}'"
