"""The bucket that holds the segmentation's supervoxels: a precomputed layer, read by anybody, without a token."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

import numpy as np

from crantdb.sandbox.block_coding import encoded
from crantdb.sandbox.chunkedgraph import history_of
from crantdb.sandbox.exchange import Request, Response, compact_json
from crantdb.sandbox.voxels import Voxels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crantdb.sandbox.chunks import Grid, Pieces
    from crantdb.sandbox.history import History
    from crantdb.sandbox.site import Site

_CHUNK = re.compile(r"(\d+)-(\d+)_(\d+)-(\d+)_(\d+)-(\d+)")
_NO_SUCH_KEY = b"<?xml version='1.0' encoding='UTF-8'?><Error><Code>NoSuchKey</Code></Error>"


class Watershed:
    """The files of each chunkedgraph's base segmentation. Voxels never change, whatever is edited."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._lock = threading.Lock()
        self._drawn: dict[int, tuple[Pieces, Voxels]] = {}

    def info(self, request: Request, pcg: str) -> Response:
        """GET /watershed/<pcg>/info: the layer by itself, as a flat segmentation."""
        return compact_json(request, history_of(self._site, pcg).grid.layer())

    def file(self, request: Request, pcg: str, key: str, name: str) -> Response:
        """GET /watershed/<pcg>/<key>/<name>: a chunk; anything else is not there."""
        history = history_of(self._site, pcg)
        corners = _corners(name, history.grid) if key == history.grid.key else None
        if corners is None:
            return Response(404, _NO_SUCH_KEY, (("Content-Type", "application/xml; charset=UTF-8"),))
        body = encoded(self._voxels(history).box(*corners))
        response = Response(200, body, (("Content-Type", "application/octet-stream"),))
        return response.gzipped() if request.accepts("gzip") else response

    def _voxels(self, history: History) -> Voxels:
        """Return the voxels of a history's pieces, made ready when first asked for."""
        with self._lock:
            known = self._drawn.get(id(history.pieces))
            if known is None:
                known = (history.pieces, Voxels(history.pieces, history.grid))
                self._drawn[id(history.pieces)] = known
        return known[1]


def _corners(name: str, grid: Grid) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Return the corners of the chunk of a name like ``0-64_0-64_0-32``; None when the layer has no such chunk."""
    found = _CHUNK.fullmatch(name)
    if found is None:
        return None
    low, high = np.array([int(number) for number in found.groups()], dtype=np.int64).reshape(3, 2).T
    first, size = np.array(grid.offset), np.array(grid.file_chunk)
    end = first + np.array(grid.volume)
    whole = ((low - first) % size == 0).all() and (low >= first).all() and (low < end).all()
    return (low, high) if whole and (high == np.minimum(low + size, end)).all() else None
