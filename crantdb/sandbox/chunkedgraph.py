"""The chunkedgraph's endpoints: roots, leaves and lineage out of the one history."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import numpy as np

from crantdb.sandbox.exchange import Answered, Request, Response, compact_json, json_response

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from crantdb.sandbox.history import History, Root
    from crantdb.sandbox.site import Site


class ChunkedgraphError(Answered):
    """The answer of the chunkedgraph to what it cannot do, with its true status."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        body = {"code": status, "message": message, "timestamp": time.time(), "duration": 0.0}
        super().__init__(json_response(body, status=status))


class Chunkedgraph:
    """The endpoints of PyChunkedGraph that the sandbox serves."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def api_versions(self, request: Request) -> Response:
        """GET /segmentation/api/versions."""
        return compact_json(request, [0, 1])

    def server_version(self, request: Request) -> Response:
        """GET /segmentation/api/version."""
        return compact_json(request, self._site.options.server_versions["segmentation"])

    def info(self, request: Request, pcg: str) -> Response:
        """GET /segmentation/table/<pcg>/info: grid and bit layout."""
        files = f"{self._site.url}/watershed/{pcg}"
        return compact_json(request, history_of(self._site, pcg).grid.info(files))

    def roots_binary(self, request: Request, pcg: str) -> Response:
        """POST …/roots_binary: little-endian uint64 in, the roots (or L2 ids) at a moment out."""
        history = history_of(self._site, pcg)
        if len(request.body) % 8:
            msg = "the body is no array of uint64: its length is no multiple of 8"
            raise ChunkedgraphError(msg)
        nodes = np.frombuffer(request.body, dtype="<u8")
        known = np.where(nodes < 2**63, nodes, 0).astype(np.int64)
        at = moment(request)
        found = history.l2_at(known, at) if _stop_layer(request) == 2 else history.roots_at(known, at)
        response = Response(
            200, found.astype("<u8").tobytes(), (("Content-Type", "text/html; charset=utf-8"),)
        )
        return response.gzipped() if request.accepts("gzip") else response

    def root(self, request: Request, pcg: str, node: int) -> Response:
        """GET …/node/<node>/root."""
        found = history_of(self._site, pcg).roots_at([node], moment(request))
        return compact_json(request, {"root_id": int(found[0])})

    def leaves(self, request: Request, pcg: str, node: int) -> Response:
        """GET …/node/<node>/leaves: supervoxels, or L2 ids with ``stop_layer=2``, of a root."""
        return compact_json(request, {"leaf_ids": _leaves(request, history_of(self._site, pcg), node)})

    def leaves_many(self, request: Request, pcg: str) -> Response:
        """POST …/node/leaves_many: as `leaves`, by root."""
        history = history_of(self._site, pcg)
        found = {
            str(node): _leaves(request, history, node) for node in sorted(set(ids_of(request, "node_ids")))
        }
        return compact_json(request, found)

    def is_latest_roots(self, request: Request, pcg: str) -> Response:
        """POST …/is_latest_roots: whether each id was a current root at a moment."""
        history, at = history_of(self._site, pcg), moment(request)
        roots = [history.roots.get(node) for node in ids_of(request, "node_ids")]
        return compact_json(
            request, {"is_latest": [root is not None and root.is_latest(at) for root in roots]}
        )

    def root_timestamps(self, request: Request, pcg: str) -> Response:
        """POST …/root_timestamps: when each root was created, or until when it was the latest."""
        history, at = history_of(self._site, pcg), moment(request)
        roots = [known_root(history, node) for node in ids_of(request, "node_ids")]
        last = [at if root.retired_us is None else root.retired_us for root in roots]
        times = last if request.flag("latest") else [root.born_us for root in roots]
        return compact_json(request, {"timestamp": [micros / 1e6 for micros in times]})

    def delta_roots(self, request: Request, pcg: str) -> Response:
        """GET …/delta_roots: the roots that the operation log creates and retires between two moments.

        As the real one: an old root comes once for each root made of it, and a root that was created
        and retired in between stands on both sides. Older ones fail where nothing was edited.
        """
        past, future = moment(request, "timestamp_past"), moment(request, "timestamp_future")
        created = history_of(self._site, pcg).created_between(past, future)
        if not created and self._site.options.quiet_500:
            msg = "need at least one array to concatenate"
            raise ChunkedgraphError(msg, status=500)
        old = [former for root in created for former in root.former]
        return compact_json(request, {"new_roots": [root.id for root in created], "old_roots": old})


def history_of(site: Site, pcg: str) -> History:
    """Return the history behind a chunkedgraph."""
    found = next((s.chunkedgraph for s in site.datastacks() if s.pcg_table == pcg and s.chunkedgraph), None)
    if found is None:
        msg = f"table {pcg} does not exist"
        raise ChunkedgraphError(msg, status=404)
    return found


def moment(request: Request, name: str = "timestamp") -> int:
    """Return a parameter in seconds since 1970 as µs; now when it is left out."""
    text = request.query(name)
    try:
        return round(float(text) * 1e6) if text else time.time_ns() // 1000
    except ValueError as error:
        msg = f"{name}={text} is no timestamp: give seconds since 1970 in UTC"
        raise ChunkedgraphError(msg) from error


def _stop_layer(request: Request) -> int | None:
    """Return the layer asked for: 2, or None for the usual one."""
    text = request.query("stop_layer")
    if not text:
        return None
    if text != "2":
        msg = f"stop_layer={text}: the sandbox knows supervoxels, L2 ids (stop_layer=2) and roots only"
        raise ChunkedgraphError(msg, status=501)
    return 2


def ids_of(request: Request, name: str) -> Sequence[int]:
    """Return the ids of a JSON body."""
    try:
        return [int(node) for node in json.loads(request.body)[name]]
    except (ValueError, KeyError, TypeError) as error:
        msg = f"the body is no JSON object with a list {name!r}"
        raise ChunkedgraphError(msg) from error


def known_root(history: History, node: int) -> Root:
    """Return the root of an id."""
    if node not in history.roots:
        msg = f"{node} is no root id"
        raise ChunkedgraphError(msg)
    return history.roots[node]


def _leaves(request: Request, history: History, node: int) -> list[int]:
    """Return the leaves of a root as asked for: layer and box."""
    root = known_root(history, node)
    stop = _stop_layer(request)
    found = history.l2_leaves(root) if stop == 2 else history.leaves(root)
    bounds = request.query("bounds")
    if bounds:
        found = found[_inside(history, found, stop or 1, bounds)]
    leaves: list[int] = found.tolist()
    return leaves


def _inside(history: History, ids: NDArray[np.int64], layer: int, bounds: str) -> NDArray[np.bool_]:
    """Return which ids lie in chunks that a box ``x0-x1_y0-y1_z0-z1`` of voxels touches."""
    try:
        box = np.array([[int(end) for end in axis.split("-")] for axis in bounds.split("_")]).reshape(3, 2)
    except ValueError as error:
        msg = f"bounds={bounds} is no box: give x0-x1_y0-y1_z0-z1 in voxels"
        raise ChunkedgraphError(msg) from error
    grid = history.grid
    low = (box[:, 0] - grid.offset) // np.array(grid.chunk)
    high = -(-(box[:, 1] - grid.offset) // np.array(grid.chunk))
    chunk = grid.layout.chunk(ids, layer)
    inside: NDArray[np.bool_] = ((chunk >= low) & (chunk < high)).all(axis=1)
    return inside
