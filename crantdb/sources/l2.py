"""L2 data of root ids: the L2 chunks of a root and which of them touch, and what the L2 cache knows of each.

Both are facts that never change: of a root id, its L2 ids and edges; of an L2 id, its geometry. What the
cache has not computed yet is the one thing that may come later.
"""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from crantdb.errors import BadResponse, NotServed, ServiceUnavailable
from crantdb.sources.l2_rows import ATTRIBUTES, OPTIONAL, NodeBatch, node_batch
from crantdb.sources.parallel import in_parallel
from crantdb.sources.pcg_wire import json_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from crantdb.sources.cave import Cave

log = logging.getLogger("crantdb.sources")

IN_A_ROW = 3
"""Requests in a row without an answer, each tried as often as allowed, after which the server is taken to be down."""

ROOTS_AT_ONCE = 25
"""Roots of a batch: their leaves come in one request, their graphs in one each."""


@dataclass(frozen=True, slots=True)
class L2Options:
    """How to ask.

    Attributes:
        parallel: requests at a time.
        ids_at_once: L2 ids to ask the cache for at once.
    """

    parallel: int = 4
    ids_at_once: int = 2000


@dataclass(frozen=True, slots=True)
class RootGraph:
    """One root's L2 chunks.

    Attributes:
        root: the root id.
        l2_ids: its L2 ids, ascending; at least one.
        edges: which of them touch: pairs, the smaller first, each once, ascending; shape (e, 2).
    """

    root: int
    l2_ids: NDArray[np.int64]
    edges: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class GraphBatch:
    """Some roots' graphs, and why there is none of the others, by root."""

    graphs: tuple[RootGraph, ...]
    failed: dict[int, str]


class _Streak:
    """Failures in a row, over all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._length = 0

    def is_over(self) -> bool:
        """Count a failure; tell whether there have been too many in a row."""
        with self._lock:
            self._length += 1
            return self._length >= IN_A_ROW

    def ends(self) -> None:
        """Count a success."""
        with self._lock:
            self._length = 0


class L2Service:
    """The chunkedgraph and the L2 cache of one datastack. Made by `open_l2`.

    Attributes:
        table: the chunkedgraph's name.
        cache_id: the L2 cache's.
    """

    def __init__(self, cave: Cave, table: str, cache_id: str, options: L2Options) -> None:
        self.table = table
        self.cache_id = cache_id
        self._cave = cave
        self._options = options
        self._streak = _Streak()
        self._attributes: tuple[str, ...] = ATTRIBUTES

    def graphs(self, roots: Sequence[int]) -> Iterator[GraphBatch]:
        """Yield the L2 ids and edges of roots, in batches of neighbours, as they come.

        Raises:
            SourceError: when the server fails; what it says of single roots is in the batch.
            Interrupted: when the transport was stopped.
        """
        ordered = sorted(set(roots))
        batches = [ordered[at : at + ROOTS_AT_ONCE] for at in range(0, len(ordered), ROOTS_AT_ONCE)]
        stop = self._cave.transport.stop
        return in_parallel(self._graphs, batches, parallel=self._options.parallel, stop=stop)

    def nodes(self, l2_ids: Sequence[int] | NDArray[np.int64]) -> Iterator[NodeBatch]:
        """Yield what the cache knows of L2 ids, in batches of neighbours, as they come.

        Raises:
            SourceError: when the server fails.
            Interrupted: when the transport was stopped.
        """
        ordered = np.unique(np.asarray(l2_ids, dtype=np.int64))
        size = self._options.ids_at_once
        batches = [ordered[at : at + size] for at in range(0, len(ordered), size)]
        stop = self._cave.transport.stop
        return in_parallel(self._nodes, batches, parallel=self._options.parallel, stop=stop)

    # --- roots ----------------------------------------------------------------------------------------

    def _graphs(self, roots: Sequence[int]) -> GraphBatch:
        """Ask for the leaves of some roots at once, and for the graph of each."""
        failed: dict[int, str] = {}
        leaves = self._leaves_many(roots, failed)
        graphs = [found for root in leaves if (found := self._graph(root, leaves[root], failed)) is not None]
        return GraphBatch(tuple(graphs), failed)

    def _leaves_many(self, roots: Sequence[int], failed: dict[int, str]) -> dict[int, NDArray[np.int64]]:
        """Return the L2 ids of each root; one that the server refuses spoils the common request, so each is asked then."""
        url = f"{self._segmentation()}/node/leaves_many"
        body = json.dumps({"node_ids": list(map(int, roots))}).encode()
        try:
            found = self._cave.transport.ask(
                "POST", url, decode=json_object, params={"stop_layer": "2"}, body=body
            )
        except (BadResponse, NotServed):
            return self._leaves_each(roots, failed)
        except ServiceUnavailable:
            if self._streak.is_over():
                raise
            return self._leaves_each(roots, failed)
        self._streak.ends()
        if set(found) != {str(root) for root in roots}:
            msg = f"{url} was asked for {len(roots)} roots and answered for {len(found)} of them or others"
            raise BadResponse(msg, url=url)
        return {root: _ids(found[str(root)], url) for root in roots}

    def _leaves_each(self, roots: Sequence[int], failed: dict[int, str]) -> dict[int, NDArray[np.int64]]:
        """Return the L2 ids of each root that the server does not refuse."""
        leaves: dict[int, NDArray[np.int64]] = {}
        for root in roots:
            url = f"{self._segmentation()}/node/{root}/leaves"
            found = self._of_root(url, root, failed, {"stop_layer": "2"})
            if found is not None:
                leaves[root] = _ids(found.get("leaf_ids"), url)
        return leaves

    def _graph(self, root: int, leaves: NDArray[np.int64], failed: dict[int, str]) -> RootGraph | None:
        """Return a root's graph, or None when the server has none or contradicts itself."""
        url = f"{self._segmentation()}/node/{root}/lvl2_graph"
        if not len(leaves):
            failed[root] = f"the chunkedgraph {self.table} knows no L2 chunk of it: is it a root id?"
            return None
        answer = self._of_root(url, root, failed)
        if answer is None:
            return None
        # A root of one L2 chunk has no edges; that is not an error.
        edges = _pairs(answer.get("edge_graph"), url)
        members = np.unique(leaves)
        strange = np.setdiff1d(edges, members)
        if len(strange):
            failed[root] = (
                f"its L2 graph names {len(strange)} ids that are not among its leaves, e.g. {strange[0]}"
            )
            return None
        return RootGraph(root, members, edges)

    def _of_root(
        self, url: str, root: int, failed: dict[int, str], params: Mapping[str, str] | None = None
    ) -> dict[str, Any] | None:
        """Return what the server says of a root; None where it refuses, or cannot answer for this one.

        A root too large for the server spoils no other; when several in a row get no answer, the server is down.
        """
        try:
            answer = self._cave.transport.ask("GET", url, decode=json_object, params=params)
        except (BadResponse, NotServed) as error:
            failed[root] = str(error)
            return None
        except ServiceUnavailable as error:
            if self._streak.is_over():
                raise
            failed[root] = str(error)
            return None
        self._streak.ends()
        return answer

    def _segmentation(self) -> str:
        """Return the address of the chunkedgraph's own endpoints."""
        return f"{self._cave.local_server}/segmentation/api/v1/table/{quote(self.table, safe='')}"

    # --- L2 ids ---------------------------------------------------------------------------------------

    def _nodes(self, l2_ids: NDArray[np.int64]) -> NodeBatch:
        """Ask the cache for some ids; an attribute that it does not know is not asked for any more."""
        url = f"{self._cave.local_server}/l2cache/api/v1/table/{quote(self.table, safe='')}/attributes"
        body = json.dumps({"l2_ids": l2_ids.tolist()}).encode()
        while True:
            wanted = self._attributes
            params = {"int64_as_str": "False", "attribute_names": ",".join(wanted)}
            try:
                answer = self._cave.transport.ask("POST", url, decode=json_object, params=params, body=body)
            except BadResponse as error:
                unknown = {name for name in wanted if f"'{name}'" in str(error)} & OPTIONAL
                if not unknown:
                    raise
                log.warning(
                    "the L2 cache does not know %s: those columns stay empty", ", ".join(sorted(unknown))
                )
                self._attributes = tuple(name for name in wanted if name not in unknown)
                continue
            break
        if set(answer) != {str(node) for node in l2_ids.tolist()}:
            msg = f"{url} was asked for {len(l2_ids):,} L2 ids and answered for {len(answer):,} of them or others"
            raise BadResponse(msg, url=url)
        return node_batch(l2_ids, [answer[str(node)] for node in l2_ids.tolist()], url)


def open_l2(cave: Cave, options: L2Options | None = None) -> L2Service:
    """Open the L2 data of a datastack.

    Raises:
        NotServed: when the datastack has no chunkedgraph, or its chunkedgraph has no L2 cache.
        SourceError: as `Transport.json`.
    """
    table = cave.chunkedgraph_name()
    url = f"{cave.local_server}/l2cache/api/v1/table_mapping"
    try:
        mapping = cave.transport.json(url)
    except NotServed:
        mapping = {}
    if not isinstance(mapping, dict):
        msg = f"{url} maps tables as {type(mapping).__name__}"
        raise BadResponse(msg, url=url)
    cache_id = mapping.get(table, {}).get("l2cache_id")
    if not cache_id:
        known = ", ".join(sorted(mapping)) or "none"
        msg = f"{cave.local_server} has no L2 cache of the chunkedgraph {table} (it has caches of: {known})"
        raise NotServed(msg, url=url)
    return L2Service(cave, table, str(cache_id), options or L2Options())


def _ids(values: object, url: str) -> NDArray[np.int64]:
    """Return a list of ids as an array; floats in it are refused."""
    try:
        array = np.asarray(values or [], dtype=None if values else np.int64)
    except (ValueError, OverflowError):
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "iu" or (array.dtype.kind == "u" and (array > np.iinfo(np.int64).max).any()):
        msg = f"{url} answered with {array.dtype} where ids were due"
        raise BadResponse(msg, url=url)
    return array.astype(np.int64)


def _pairs(values: object, url: str) -> NDArray[np.int64]:
    """Return a list of edges as unique pairs, the smaller id first, without loops; shape (e, 2)."""
    array = _ids(values, url)
    if array.size and (array.ndim != 2 or array.shape[1] != 2):
        msg = f"{url} answered with an array of shape {array.shape} where pairs of ids were due"
        raise BadResponse(msg, url=url)
    pairs = np.sort(array.reshape(-1, 2), axis=1)
    return np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0).reshape(-1, 2)
