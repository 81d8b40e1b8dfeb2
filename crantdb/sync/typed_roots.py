"""What the root ids that annotators typed are at as_of: current, born later, replaced; and what they held."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from crantdb.sync.roots import column, put

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crantdb.sources.chunkedgraph import Chunkedgraph, Lineage
    from crantdb.sync.coming import Coming, Opened
    from crantdb.sync.root_history import Events

MOST_MOMENTS = 500
"""Each birth of a typed root that is not current is a request of its own; beyond so many, the rest is not checked."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def look_at_typed_roots(coming: Coming, there: Opened, graph: Chunkedgraph | None, events: Events) -> None:
    """Make `typed_roots`, `lineage_ends` and `held` of the roots in `typed`, and note their past in the history.

    Raises:
        SourceError: when the chunkedgraph does not answer.
    """
    typed = column(there, "SELECT DISTINCT root_id_typed FROM main.typed ORDER BY ALL")
    if graph is None:
        _guess(there)
        return
    # Supervoxels and L2 ids are known too, but only a root is its own root.
    known = graph.known(typed) & (graph.roots_of(typed, coming.as_of) == typed)
    latest = np.zeros(len(typed), dtype=bool)
    born = np.zeros(len(typed), dtype=np.int64)
    latest[known] = graph.is_latest(typed[known], coming.as_of)
    others = known & ~latest
    born[others] = graph.born_us(typed[others])
    later = known & ~latest & (born > _micros(coming.as_of))
    put(there, "typed_roots", root_id=typed, is_known=known, is_latest=latest, is_later=later)
    older = typed[known & ~latest & ~later]
    _follow(coming, there, graph, events, older=older, newer=typed[later])
    _held(there, graph, typed[known & ~latest], born[known & ~latest])


def _guess(there: Opened) -> None:
    """Say what tables alone can: a typed root is current when a supervoxel has it at as_of; no other has an age."""
    there.con.execute(
        "CREATE TABLE main.typed_roots AS SELECT DISTINCT typed.root_id_typed AS root_id, true AS is_known, "
        "known.root_id IS NOT NULL AS is_latest, false AS is_later FROM main.typed AS typed "
        "LEFT JOIN (SELECT DISTINCT root_id FROM main.root_ids) AS known ON known.root_id = typed.root_id_typed "
        "WHERE typed.root_id_typed IS NOT NULL"
    )
    none = np.empty(0, dtype=np.int64)
    put(there, "lineage_ends", root_id=none, new_id=none)
    _put_held(there, none, none, none, none)


def _follow(
    coming: Coming,
    there: Opened,
    graph: Chunkedgraph,
    events: Events,
    *,
    older: NDArray[np.int64],
    newer: NDArray[np.int64],
) -> None:
    """Make `lineage_ends`: the roots at as_of that older typed roots became, and that newer ones were made of."""
    pairs: list[tuple[int, int]] = []
    if len(older):
        onward = graph.lineage(older, coming.as_of, coming.as_of)
        events.add(onward, onward=older.tolist())
        pairs += _ends(older, onward.before, onward.after)
    if len(newer):
        back = graph.lineage(newer, coming.as_of, coming.as_of)
        events.add(back, back=_born_after(back, coming.as_of))
        pairs += _ends(newer, back.after, back.before)
    put(
        there,
        "lineage_ends",
        root_id=np.array([root for root, _ in pairs], dtype=np.int64),
        new_id=np.array([end for _, end in pairs], dtype=np.int64),
    )


def _born_after(lineage: Lineage, at: datetime) -> list[int]:
    """Return the roots of a lineage that were born after a moment: those of which it has all predecessors."""
    found: list[int] = lineage.roots[lineage.born_us > _micros(at)].tolist()
    return found


def _ends(
    start: NDArray[np.int64], ones: NDArray[np.int64], others: NDArray[np.int64]
) -> list[tuple[int, int]]:
    """Return each start with every root at which its paths along links end; a root without a link is no end of itself."""
    following: dict[int, list[int]] = {}
    for one, other in zip(ones.tolist(), others.tolist(), strict=True):
        following.setdefault(one, []).append(other)
    pairs = []
    for root in start.tolist():
        seen, todo = {root}, [root]
        while todo:
            for other in following.get(todo.pop(), ()):
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        pairs += [(root, end) for end in sorted(seen - {root}) if end not in following]
    return pairs


def _held(there: Opened, graph: Chunkedgraph, roots: NDArray[np.int64], born: NDArray[np.int64]) -> None:
    """Make `held`: the root that the row's supervoxel had when the typed root was born; the same when they belong together."""
    put(there, "births", typed_root_id=roots, born_us=born)
    wanted = there.con.sql(
        "SELECT DISTINCT births.born_us, typed.root_id_typed, placed.supervoxel_id FROM main.typed AS typed "
        "JOIN main.placed AS placed USING (_id) JOIN main.births AS births ON births.typed_root_id = typed.root_id_typed "
        "WHERE placed.supervoxel_id IS NOT NULL ORDER BY ALL"
    ).fetchnumpy()
    moments = np.asarray(wanted["born_us"], dtype=np.int64)
    typed = np.asarray(wanted["root_id_typed"], dtype=np.int64)
    supervoxels = np.asarray(wanted["supervoxel_id"], dtype=np.int64)
    found = np.zeros(len(moments), dtype=np.int64)
    checked = np.unique(moments)[-MOST_MOMENTS:]
    for moment in checked.tolist():
        these = moments == moment
        found[these] = graph.roots_of(supervoxels[these], _EPOCH + timedelta(microseconds=moment))
    done = np.isin(moments, checked)
    _put_held(there, typed[done], supervoxels[done], found[done], moments[done])


def _put_held(
    there: Opened,
    typed: NDArray[np.int64],
    supervoxels: NDArray[np.int64],
    roots: NDArray[np.int64],
    moments: NDArray[np.int64],
) -> None:
    """Make the table `held`."""
    at = moments.astype("datetime64[us]")
    put(there, "held", typed_root_id=typed, supervoxel_id=supervoxels, root_id=roots, seen_at=at)


def roots_later(there: Opened, graph: Chunkedgraph | None, at: datetime) -> None:
    """Make `roots_later`: the roots at a later moment of supervoxels whose annotations share a root at as_of.

    Raises:
        SourceError: when the chunkedgraph does not answer.
    """
    shared = (
        "SELECT DISTINCT supervoxel_id FROM main.placed WHERE root_id IN "
        "(SELECT root_id FROM main.placed WHERE root_id IS NOT NULL GROUP BY root_id HAVING count(*) > 1) "
        "AND supervoxel_id IS NOT NULL ORDER BY ALL"
    )
    supervoxels = column(there, shared) if graph is not None else np.empty(0, dtype=np.int64)
    found = supervoxels if graph is None else graph.roots_of(supervoxels, at)
    put(there, "roots_later", supervoxel_id=supervoxels, root_id=found)


def _micros(at: datetime) -> int:
    """Return a moment in µs since 1970."""
    return (at - _EPOCH) // timedelta(microseconds=1)
