"""Whether the roots that annotators typed ever held the supervoxels of their rows.

A root's supervoxels never change while it stands. So its row's supervoxel is looked up at any moment of its life, and
one moment serves all roots that stood at it: few requests for many roots, and every row is checked.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from crantdb.sync.progress import Steps
from crantdb.sync.roots import put

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crantdb.sources.chunkedgraph import Chunkedgraph
    from crantdb.sync.coming import Coming, Opened

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_WANTED = """
SELECT DISTINCT lives.root_id AS typed_root_id, placed.supervoxel_id, lives.born_us, lives.until_us
FROM main.typed AS typed
JOIN main.placed AS placed USING (_id)
JOIN main.lives AS lives ON lives.root_id = typed.root_id_typed
WHERE placed.supervoxel_id IS NOT NULL
"""

_KNOWN = """
SELECT wanted.typed_root_id, wanted.supervoxel_id, seen.root_id, epoch_us(seen.seen_at) AS seen_us
FROM ({wanted}) AS wanted
JOIN {log} AS seen ON seen.supervoxel_id = wanted.supervoxel_id
WHERE seen.root_id = wanted.typed_root_id
    OR epoch_us(seen.seen_at) >= wanted.born_us AND epoch_us(seen.seen_at) < wanted.until_us
QUALIFY row_number() OVER (PARTITION BY wanted.typed_root_id, wanted.supervoxel_id ORDER BY seen.seen_at, seen.root_id) = 1
"""
"""What was seen at an earlier sync: in the root itself, or elsewhere while it stood."""

_AS_HELD = "SELECT typed_root_id, supervoxel_id, root_id, make_timestamp(seen_us) FROM {rows}"


def look_at_held(
    coming: Coming,
    there: Opened,
    graph: Chunkedgraph,
    roots: NDArray[np.int64],
    *,
    born_us: NDArray[np.int64],
    until_us: NDArray[np.int64],
) -> None:
    """Make `held`: the root that each row's supervoxel had when its typed root stood; the same when they belong together.

    Args:
        coming: what the commit is to hold.
        there: its tables.
        graph: the chunkedgraph.
        roots: typed roots, shape (n,).
        born_us: when each was made, in µs since 1970.
        until_us: up to when (not included) each is known to have stood.

    Raises:
        SourceError: when the chunkedgraph does not answer.
    """
    put(there, "lives", root_id=roots, born_us=born_us, until_us=until_us)
    log = there.table("history", "root_anchors")
    known = "" if log is None else _KNOWN.format(wanted=_WANTED, log=log.relation)
    put_held(there)
    if known:
        there.con.execute(f"INSERT INTO main.held {_AS_HELD.format(rows=f'({known})')}")
    left = there.con.sql(
        f"SELECT * FROM ({_WANTED}) ANTI JOIN main.held USING (typed_root_id, supervoxel_id) ORDER BY ALL"
    ).fetchnumpy()
    typed, supervoxels, born, until = (np.asarray(column, dtype=np.int64) for column in left.values())
    moments = moments_in(born, until)
    found = np.zeros(len(moments), dtype=np.int64)
    chosen = np.unique(moments).tolist()
    steps = Steps(coming.progress, "moments at which typed roots are looked up", len(chosen))
    for moment in chosen:
        these = moments == moment
        found[these] = graph.roots_of(supervoxels[these], _EPOCH + timedelta(microseconds=moment))
        steps.done()
    put(there, "found", typed_root_id=typed, supervoxel_id=supervoxels, root_id=found, seen_us=moments)
    there.con.execute(f"INSERT INTO main.held {_AS_HELD.format(rows='main.found')}")


def put_held(there: Opened) -> None:
    """Make an empty `held`."""
    there.con.execute(
        "CREATE OR REPLACE TABLE main.held (typed_root_id BIGINT, supervoxel_id BIGINT, root_id BIGINT, seen_at TIMESTAMP)"
    )


def moments_in(born_us: NDArray[np.int64], until_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a moment in each life, as few different ones as there can be; shape (n,), in µs since 1970.

    Args:
        born_us: the first moment of each life.
        until_us: the first moment after each, later than its first.
    """
    group, last, end = np.zeros(len(born_us), dtype=np.int64), -1, -1
    for life in np.argsort(until_us, kind="stable").tolist():
        if (
            born_us[life] > end
        ):  # the first life to end of those not met yet: met at its end, as late as can be
            last, end = last + 1, int(until_us[life]) - 1
        group[life] = last
    moments = np.zeros(last + 1, dtype=np.int64)
    # Who is met at that end stood already when the last of them was made, which is as exact as a moment can be.
    np.maximum.at(moments, group, born_us)
    return moments[group]
