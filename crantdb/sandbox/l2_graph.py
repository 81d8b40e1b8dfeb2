"""The chunkedgraph's endpoint of L2 graphs: which L2 chunks of a root touch."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from crantdb.sandbox.chunkedgraph import ChunkedgraphError
from crantdb.sandbox.exchange import Request, Response, compact_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crantdb.sandbox.history import History, Root
    from crantdb.sandbox.site import Site


class L2Graph:
    """``lvl2_graph`` of PyChunkedGraph."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._lock = threading.Lock()
        self._edges: dict[int, tuple[History, NDArray[np.int64]]] = {}

    def lvl2_graph(self, request: Request, pcg: str, node: int) -> Response:
        """GET …/node/<root>/lvl2_graph: pairs of L2 ids, the smaller first, ascending.

        As the real one: nothing for an id that is no root, and nothing for a root of one L2 chunk.
        """
        if request.query("bounds"):
            msg = "the sandbox gives whole L2 graphs only: leave bounds out"
            raise ChunkedgraphError(msg, status=501)
        history = self._history(pcg)
        root = history.roots.get(node)
        edges = (
            np.empty((0, 2), dtype=np.int64) if root is None else l2_edges(history, root, self._all(history))
        )
        return compact_json(request, {"edge_graph": edges.tolist()}).with_headers(("Used-Bounds", "False"))

    def _all(self, history: History) -> NDArray[np.int64]:
        """Return every edge there ever was, kept by history."""
        with self._lock:
            if id(history) not in self._edges:
                self._edges[id(history)] = (history, edge_rows(history))
            return self._edges[id(history)][1]

    def _history(self, pcg: str) -> History:
        """Return the history behind a chunkedgraph."""
        for stack in self._site.datastacks():
            if stack.pcg_table == pcg and stack.chunkedgraph is not None:
                return stack.chunkedgraph
        msg = f"table {pcg} does not exist"
        raise ChunkedgraphError(msg, status=404)


def edge_rows(history: History) -> NDArray[np.int64]:
    """Return every edge as two pieces and the epochs from and up to which it stood, shape (e, 4)."""
    end = np.iinfo(np.int64).max
    rows = [(*edge.pieces, edge.since, end if edge.until is None else edge.until) for edge in history.edges]
    return np.array(rows, dtype=np.int64).reshape(-1, 4)


def l2_edges(history: History, root: Root, rows: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Return the L2 graph of a root: unique pairs of its L2 ids, the smaller first, ascending; shape (e, 2)."""
    every = edge_rows(history) if rows is None else rows
    stood = (every[:, 2] <= root.epoch) & (root.epoch < every[:, 3])
    inside = np.isin(every[:, 0], root.pieces) & np.isin(every[:, 1], root.pieces)
    pairs = history.l2_of.at(every[stood & inside, :2].ravel(), root.epoch).reshape(-1, 2)
    return np.unique(np.sort(pairs, axis=1), axis=0).reshape(-1, 2)
