"""What typed roots became by the time their rows were read, for rows that no supervoxel places.

Rows that share a root at as_of are one neuron annotated twice, or two that were parted later. Where a row has no
supervoxel to tell by, the lineage of what was typed does, when it ends in exactly one root.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crantdb.sync.roots import column, put

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from crantdb.sources.chunkedgraph import Chunkedgraph, Lineage
    from crantdb.sync.coming import Opened

_SHARING = """
SELECT DISTINCT annotated.root_id_typed
FROM main.annotated AS annotated
JOIN main.typed_roots AS facts ON facts.root_id = annotated.root_id_typed
WHERE facts.is_known
    AND annotated.supervoxel_id_used IS NULL
    AND annotated.root_id IN (
        SELECT sharing.root_id FROM main.annotated AS sharing
        WHERE sharing.root_id IS NOT NULL GROUP BY ALL HAVING count(*) > 1
    )
ORDER BY ALL
"""


def typed_later(there: Opened, graph: Chunkedgraph | None, at: datetime) -> None:
    """Make `typed_later (root_id, later_root_id)` of the rows in `annotated` that share a root and have no supervoxel.

    A root that ended in several by then is not in it: the row may be of any of them. Without a chunkedgraph every
    typed root stands for itself.

    Args:
        there: has `annotated` and `typed_roots`.
        graph: the chunkedgraph, or None.
        at: when the rows were read.

    Raises:
        SourceError: when the chunkedgraph does not answer.
    """
    if graph is None:
        typed = column(there, "SELECT DISTINCT root_id_typed FROM main.annotated ORDER BY ALL")
        put(there, "typed_later", root_id=typed, later_root_id=typed)
        return
    typed = column(there, _SHARING)
    latest = graph.is_latest(typed, at)
    pairs = [(root, root) for root in typed[latest].tolist()]
    gone = typed[~latest]
    if len(gone):
        pairs += _only_ends(gone, graph.lineage(gone, at, at))
    arrays = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    put(there, "typed_later", root_id=arrays[:, 0], later_root_id=arrays[:, 1])


def _only_ends(start: NDArray[np.int64], lineage: Lineage) -> list[tuple[int, int]]:
    """Return each root with the one root that its lineage ends in; roots with several ends, or none, are left out."""
    following: dict[int, list[int]] = {}
    for one, other in zip(lineage.before.tolist(), lineage.after.tolist(), strict=True):
        following.setdefault(one, []).append(other)
    found = []
    for root in start.tolist():
        seen, todo = {root}, [root]
        while todo:
            new = [after for after in following.get(todo.pop(), ()) if after not in seen]
            seen.update(new)
            todo += new
        ends = [end for end in seen - {root} if end not in following]
        found += [(root, ends[0])] if len(ends) == 1 else []
    return found
