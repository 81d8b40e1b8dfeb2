"""The chunkedgraph's operation log: who edited what, and when."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from crantdb.sandbox.chunkedgraph import ChunkedgraphError, history_of, ids_of, known_root
from crantdb.sandbox.exchange import Request, Response, compact_json

if TYPE_CHECKING:
    from crantdb.sandbox.history import History, Operation, Root
    from crantdb.sandbox.site import Site

_USERS = ((17, "Ada Antkeeper", "Ant Lab"), (23, "Ben Broodtender", "Ant Lab"), (29, "Cleo Calyx", ""))


class EditLog:
    """The endpoints of PyChunkedGraph over its operation log."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def tabular_change_log(self, request: Request, pcg: str) -> Response:
        """GET …/tabular_change_log_many with a body: by root, the edits as pandas writes a frame to JSON."""
        history, filtered = history_of(self._site, pcg), request.flag("filtered")
        roots = [known_root(history, node) for node in ids_of(request, "root_ids")]
        return compact_json(
            request, {str(root.id): _as_frame(edits_of(history, root, filtered=filtered)) for root in roots}
        )

    def change_log(self, request: Request, pcg: str, node: int) -> Response:
        """GET …/root/<root>/change_log: how many edits, whose, and of which roots."""
        history = history_of(self._site, pcg)
        edits = edits_of(history, known_root(history, node), filtered=request.flag("filtered"))
        by_user: dict[str, dict[str, int]] = {}
        for edit in edits:
            counts = by_user.setdefault(str(_user(edit)[0]), {"n_mergers": 0, "n_splits": 0})
            counts["n_mergers" if edit.kind == "merge" else "n_splits"] += 1
        merges = [edit for edit in edits if edit.kind == "merge"]
        answer = {
            "n_mergers": len(merges),
            "n_splits": len(edits) - len(merges),
            "operations_ids": [edit.number for edit in edits],
            "past_ids": sorted({root for edit in edits for root in edit.old_roots}),
            "user_info": by_user,
        }
        return compact_json(request, answer)

    def merge_log(self, request: Request, pcg: str, node: int) -> Response:
        """GET …/root/<root>/merge_log: the edges that merges added, and where."""
        history = history_of(self._site, pcg)
        merges = [e for e in edits_of(history, known_root(history, node), filtered=True) if e.kind == "merge"]
        answer = {
            "merge_edge_coords": [[[_voxel(history, piece)] for piece in edit.pieces] for edit in merges],
            "merge_edges": [[list(_ends(history, edit))] for edit in merges],
        }
        return compact_json(request, answer)

    def operation_details(self, request: Request, pcg: str) -> Response:
        """GET …/operation_details: what each edit was."""
        history = history_of(self._site, pcg)
        try:
            numbers = [int(number) for number in json.loads(request.query("operation_ids"))]
        except (ValueError, TypeError) as error:
            msg = "operation_ids is no JSON list of numbers"
            raise ChunkedgraphError(msg) from error
        known = [history.operations[n - 1] for n in numbers if 0 < n <= len(history.operations)]
        return compact_json(request, {str(edit.number): _details(history, edit) for edit in known})

    def oldest_timestamp(self, request: Request, pcg: str) -> Response:
        """GET …/oldest_timestamp: half a second before the first edit; an error when there was none."""
        history = history_of(self._site, pcg)
        if not len(history.times_us):
            msg = "IndexError: list index out of range"
            raise ChunkedgraphError(msg, status=500)
        return compact_json(request, {"iso": _iso(int(history.times_us[0]) - 500_000)})


def edits_of(history: History, root: Root, *, filtered: bool) -> list[Operation]:
    """Return the edits that led to a root, oldest first.

    Args:
        history: the history.
        root: the root.
        filtered: leave out edits of parts that were split off again.
    """
    todo, seen, made = [root.id], set[int](), set[int]()
    while todo:
        node = todo.pop()
        if node in seen:
            continue
        seen.add(node)
        known = history.roots[node]
        if known.epoch:
            made.add(known.epoch)
            todo += known.former
    edits = [history.operations[number - 1] for number in sorted(made)]
    return [edit for edit in edits if not filtered or np.isin(edit.pieces, root.pieces).any()]


def _as_frame(edits: list[Operation]) -> str:
    """Return edits as `DataFrame.to_json` writes them."""
    rows = [
        {
            "operation_id": edit.number,
            "timestamp": edit.time_us // 1000,
            "user_id": str(_user(edit)[0]),
            "before_root_ids": list(edit.old_roots),
            "after_root_ids": list(edit.new_roots),
            "is_merge": edit.kind == "merge",
            "user_name": _user(edit)[1],
            "user_affiliation": _user(edit)[2],
        }
        for edit in edits
    ]
    names = list(rows[0]) if rows else []
    return json.dumps({name: {str(n): row[name] for n, row in enumerate(rows)} for name in names})


def _details(history: History, edit: Operation) -> dict[str, Any]:
    """Return what the operation log says of an edit."""
    added = {"added_edges": [list(_ends(history, edit))], "affinities": [0.699999988079071]}
    removed = {"removed_edges": [list(_ends(history, edit))]}
    return {
        **(added if edit.kind == "merge" else removed),
        "operation_exception": "",
        "operation_status": 0,
        "operation_ts": _iso(edit.time_us),
        "roots": list(edit.new_roots),
        "sink_coords": [_voxel(history, edit.pieces[1])],
        "source_coords": [_voxel(history, edit.pieces[0])],
        "timestamp": _iso(edit.time_us),
        "user": str(_user(edit)[0]),
    }


def _user(edit: Operation) -> tuple[int, str, str]:
    """Return who made an edit: number, name, affiliation."""
    return _USERS[edit.number % len(_USERS)]


def _ends(history: History, edit: Operation) -> tuple[int, int]:
    """Return a supervoxel of each of the two pieces of an edit."""
    places = history.pieces.supervoxel_piece
    one, other = (
        int(history.pieces.supervoxels[np.flatnonzero(places == piece)[0]]) for piece in edit.pieces
    )
    return one, other


def _voxel(history: History, piece: int) -> list[int]:
    """Return the voxel of a piece's first node."""
    node = int(np.flatnonzero(history.pieces.node_piece == piece)[0])
    voxel: list[int] = (
        (history.pieces.node_xyz_nm[node] // np.array(history.grid.voxel_nm)).astype(int).tolist()
    )
    return voxel


def _iso(at_us: int) -> str:
    """Return a moment as the operation log writes it."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)).isoformat(sep=" ")
