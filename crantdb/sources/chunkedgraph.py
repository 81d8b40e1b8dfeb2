"""The chunkedgraph of a datastack: which root an id belongs to at a moment, and what became of roots.

Moments go out as seconds since 1970 in UTC with all six digits behind the point, so that an edit in the
second of a materialization lands on the right side of it. Roots come back as int64.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from crantdb.errors import BadResponse
from crantdb.sources.pcg_wire import (
    binary_ids,
    field_of,
    frame_rows,
    ids_of,
    json_object,
    micros,
    seconds,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from numpy.typing import ArrayLike, NDArray

    from crantdb.sources.cave import Cave
    from crantdb.sources.classify import Answer


@dataclass(frozen=True, slots=True)
class Batches:
    """How many ids to ask for at once.

    Attributes:
        roots: ids whose roots are looked up.
        latest: roots that are checked, or whose birth is asked for.
        lineage: roots whose lineage or edits are asked for.
    """

    roots: int = 50_000
    latest: int = 50_000
    lineage: int = 200


@dataclass(frozen=True, slots=True)
class Lineage:
    """Roots and which of them were made of which.

    Attributes:
        roots: the roots, ascending.
        born_us: when each was born, in µs since 1970 UTC.
        retired_by: the number of the edit that retired each; 0 for none that is known.
        before: one end of each link, an older root.
        after: the other end, a root that was made of it.
    """

    roots: NDArray[np.int64]
    born_us: NDArray[np.int64]
    retired_by: NDArray[np.int64]
    before: NDArray[np.int64]
    after: NDArray[np.int64]


class Chunkedgraph:
    """The chunkedgraph of one datastack. Made by `open_chunkedgraph`.

    Attributes:
        table: its name.
    """

    def __init__(self, cave: Cave, table: str, batches: Batches) -> None:
        self.table = table
        self._cave = cave
        self._batches = batches

    def roots_of(self, ids: ArrayLike, at: datetime, *, stop_layer: int | None = None) -> NDArray[np.int64]:
        """Return the root of each supervoxel (or L2 id) at a moment, shape (n,); 0 for ids that are none.

        Args:
            ids: int64, shape (n,). What is not positive is not sent, and has root 0.
            at: with a time zone.
            stop_layer: 2 for L2 ids in place of roots.

        Raises:
            SourceError: as `Transport.ask`.
        """
        wanted = np.asarray(ids, dtype=np.int64)
        unique, inverse = np.unique(wanted, return_inverse=True)
        found = np.zeros(len(unique), dtype=np.int64)
        sent = np.flatnonzero(unique > 0)
        params = {"timestamp": seconds(at)} | ({"stop_layer": str(stop_layer)} if stop_layer else {})
        for part in _parts(sent, self._batches.roots):
            body = unique[part].astype("<u8").tobytes()
            answer: NDArray[np.int64] = self._ask(
                "POST", "roots_binary", binary_ids(len(part)), params=params, body=body
            )
            found[part] = answer
        return found[inverse.reshape(wanted.shape)]

    def is_latest(self, roots: ArrayLike, at: datetime) -> NDArray[np.bool_]:
        """Return whether each id was a current root at a moment, shape (n,); what is not positive never was.

        Raises:
            SourceError: as `Transport.ask`.
        """
        asked = np.asarray(roots, dtype=np.int64)
        unique, inverse = np.unique(asked, return_inverse=True)
        found = np.zeros(len(unique), dtype=bool)
        for part in _parts(np.flatnonzero(unique > 0), self._batches.latest):
            found[part] = self._listed(
                "is_latest_roots", "is_latest", unique[part], {"timestamp": seconds(at)}
            )
        return found[inverse.reshape(asked.shape)]

    def known(self, ids: ArrayLike) -> NDArray[np.bool_]:
        """Return whether each id is one of the chunkedgraph at all, of any layer and age; shape (n,).

        Raises:
            SourceError: as `Transport.ask`.
        """
        asked = np.asarray(ids, dtype=np.int64)
        found: list[int] = []
        unique = np.unique(asked[asked > 0])
        for part in _parts(unique, self._batches.latest):
            answer = self._json("GET", "valid_nodes", {"node_ids": part.tolist()}, {})
            found += field_of(answer, "valid_roots", list)
        return np.isin(asked, np.array(found, dtype=np.int64))

    def born_us(self, roots: ArrayLike) -> NDArray[np.int64]:
        """Return when each root was born, in µs since 1970 UTC, shape (n,). Every id must be one (see `known`).

        Raises:
            SourceError: as `Transport.ask`.
        """
        asked = np.asarray(roots, dtype=np.int64)
        unique, inverse = np.unique(asked, return_inverse=True)
        found = np.zeros(len(unique), dtype=np.int64)
        for part in _parts(np.arange(len(unique)), self._batches.latest):
            times = self._listed("root_timestamps", "timestamp", unique[part], {"latest": "False"})
            found[part] = [micros(value) for value in times]
        return found[inverse.reshape(asked.shape)]

    def delta_roots(self, past: datetime, future: datetime) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the roots retired and the roots born after one moment, up to and including another.

        Two lists, not pairs; both ascending, each id once. A root born and retired in between is in both.

        Raises:
            SourceError: as `Transport.ask`.
        """
        nothing = np.empty(0, dtype=np.int64)
        if future <= past:
            return nothing, nothing
        params = {"timestamp_past": seconds(past), "timestamp_future": seconds(future)}
        answer = self._json("GET", "delta_roots", None, params)
        old, new = (ids_of(field_of(answer, name, list)) for name in ("old_roots", "new_roots"))
        return np.unique(old), np.unique(new)

    def lineage(self, roots: ArrayLike, past: datetime | None, future: datetime) -> Lineage:
        """Return the ancestors and descendants of roots between two moments.

        Args:
            roots: root ids; every one must be one (see `known`).
            past: roots born by then are not followed further back; None: to the beginning.
            future: roots that stood then are not followed further on.

        Raises:
            SourceError: as `Transport.ask`.
        """
        params = {"timestamp_future": seconds(future)}
        params |= {} if past is None else {"timestamp_past": seconds(past)}
        nodes: dict[int, tuple[int, int]] = {}
        links: dict[tuple[int, int], None] = {}
        for part in _parts(np.unique(np.asarray(roots, dtype=np.int64)), self._batches.lineage):
            answer = self._json("POST", "lineage_graph_multiple", {"root_ids": part.tolist()}, params)
            for node in field_of(answer, "nodes", list):
                nodes[int(node["id"])] = (micros(node["timestamp"]), int(node.get("operation_id") or 0))
            links |= {(int(k["source"]), int(k["target"])): None for k in field_of(answer, "links", list)}
        ordered = sorted(nodes)
        pairs = ids_of([end for pair in sorted(links) for end in pair]).reshape(-1, 2)
        return Lineage(
            ids_of(ordered),
            ids_of([nodes[root][0] for root in ordered]),
            ids_of([nodes[root][1] for root in ordered]),
            pairs[:, 0],
            pairs[:, 1],
        )

    def past_ids(self, roots: ArrayLike, past: datetime) -> dict[int, list[int]]:
        """Return the roots at a moment that each root was made of, by root.

        Raises:
            SourceError: as `Transport.ask`.
        """
        found: dict[int, list[int]] = {}
        for part in _parts(np.unique(np.asarray(roots, dtype=np.int64)), self._batches.lineage):
            body = {"root_ids": part.tolist()}
            answer = self._json("GET", "past_id_mapping", body, {"timestamp_past": seconds(past)})
            mapping = field_of(answer, "past_id_map", dict)
            found |= {int(root): [int(old) for old in olds] for root, olds in mapping.items()}
        return found

    def change_log(self, roots: ArrayLike, *, filtered: bool = True) -> dict[int, list[dict[str, Any]]]:
        """Return the edits that led to each root, by root: one dictionary an edit, as the server names its fields.

        Args:
            roots: root ids.
            filtered: leave out edits of parts that were split off again.

        Raises:
            SourceError: as `Transport.ask`.
        """
        found: dict[int, list[dict[str, Any]]] = {}
        params = {"filtered": str(filtered)}
        for part in _parts(np.unique(np.asarray(roots, dtype=np.int64)), self._batches.lineage):
            answer = self._json("GET", "tabular_change_log_many", {"root_ids": part.tolist()}, params)
            found |= {int(root): frame_rows(text) for root, text in answer.items()}
        return found

    def leaves(self, root: int, *, stop_layer: int | None = None) -> NDArray[np.int64]:
        """Return the supervoxels of a root, or with ``stop_layer=2`` its L2 ids, ascending.

        Raises:
            SourceError: as `Transport.ask`.
        """
        params = {} if stop_layer is None else {"stop_layer": str(stop_layer)}
        answer = self._json("GET", f"node/{int(root)}/leaves", None, params)
        return np.unique(ids_of(field_of(answer, "leaf_ids", list)))

    # --- asking ---------------------------------------------------------------------------------------

    def _listed(self, path: str, field: str, ids: NDArray[np.int64], params: dict[str, str]) -> list[Any]:
        """Ask something of every id; return as many answers."""
        answer = field_of(self._json("POST", path, {"node_ids": ids.tolist()}, params), field, list)
        if len(answer) != len(ids):
            msg = f"the chunkedgraph was asked {path} of {len(ids):,} ids and answered for {len(answer):,}"
            raise BadResponse(msg)
        found: list[Any] = answer
        return found

    def _json(
        self, method: str, path: str, body: dict[str, Any] | None, params: dict[str, str]
    ) -> dict[str, Any]:
        """Ask for a JSON object. Some GETs have a body, which proxies may lose: then the server says so."""
        raw = None if body is None else json.dumps(body).encode()
        answer: dict[str, Any] = self._ask(method, path, json_object, params=params, body=raw)
        return answer

    def _ask(
        self,
        method: str,
        path: str,
        decode: Callable[[Answer], Any],
        *,
        params: dict[str, str],
        body: bytes | None,
    ) -> Any:  # noqa: ANN401 - what `decode` returns
        """Ask one of the chunkedgraph's endpoints."""
        table = quote(self.table, safe="")
        url = f"{self._cave.local_server}/segmentation/api/v1/table/{table}/{path}"
        return self._cave.transport.ask(method, url, decode=decode, params=params, body=body)


def open_chunkedgraph(cave: Cave, batches: Batches | None = None) -> Chunkedgraph:
    """Open the chunkedgraph of a datastack; nothing is asked yet.

    Raises:
        NotServed: when the datastack names none.
    """
    return Chunkedgraph(cave, cave.chunkedgraph_name(), batches or Batches())


def _parts(ids: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    """Yield ids in batches."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
