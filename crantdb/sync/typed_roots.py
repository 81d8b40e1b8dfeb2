"""What the root ids that annotators typed are at as_of: current, born later, replaced; and what they held."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from crantdb.sync.held import look_at_held, put_held
from crantdb.sync.roots import column, put

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crantdb.sources.chunkedgraph import Chunkedgraph, Lineage
    from crantdb.sync.coming import Coming, Opened
    from crantdb.sync.root_history import Events

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def look_at_typed_roots(
    coming: Coming, there: Opened, graph: Chunkedgraph | None, events: Events, *, typed_by: datetime
) -> None:
    """Make `typed_roots`, `lineage_ends` and `held` of the roots in `typed`, and note their past in the history.

    Args:
        coming: what the commit is to hold.
        there: its tables.
        graph: the chunkedgraph; without one, only what tables say is known.
        events: rows of the history on their way.
        typed_by: when all of them had been typed: as_of, or later.

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
    ends = _follow(coming, there, graph, events, older=older, newer=typed[later])
    ends |= _later_ends(graph, typed[later], typed_by)
    first = born[others]
    until = np.array([ends.get(root, 0) for root in typed[others].tolist()], dtype=np.int64)
    look_at_held(coming, there, graph, typed[others], born_us=first, until_us=np.maximum(until, first + 1))


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
    put_held(there)


def _follow(
    coming: Coming,
    there: Opened,
    graph: Chunkedgraph,
    events: Events,
    *,
    older: NDArray[np.int64],
    newer: NDArray[np.int64],
) -> dict[int, int]:
    """Make `lineage_ends`: the roots at as_of that older typed roots became, and that newer ones were made of.

    Returns:
        When older ones were replaced, in µs since 1970, by root.
    """
    pairs: list[tuple[int, int]] = []
    ended: dict[int, int] = {}
    if len(older):
        onward = graph.lineage(older, coming.as_of, coming.as_of)
        events.add(onward, onward=older.tolist())
        pairs += _ends(older, onward.before, onward.after)
        ended = _replaced_us(onward)
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
    return ended


def _later_ends(graph: Chunkedgraph, newer: NDArray[np.int64], at: datetime) -> dict[int, int]:
    """Return up to when, in µs since 1970 and not included, roots that were made after as_of are known to have stood."""
    stand = graph.is_latest(newer, at)
    ends = dict.fromkeys(newer[stand].tolist(), _micros(at) + 1)
    if not stand.all():
        ends |= _replaced_us(graph.lineage(newer[~stand], at, at))
    return ends


def _replaced_us(lineage: Lineage) -> dict[int, int]:
    """Return when roots of a lineage were replaced, in µs since 1970, by root."""
    born = dict(zip(lineage.roots.tolist(), lineage.born_us.tolist(), strict=True))
    ended: dict[int, int] = {}
    for before, after in zip(lineage.before.tolist(), lineage.after.tolist(), strict=True):
        ended[before] = min(ended.get(before, born[after]), born[after])
    return ended


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
