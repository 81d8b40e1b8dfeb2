"""The L2 cache's endpoints: what is known of each L2 id, with the gaps that the real one has."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from email.utils import formatdate
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from crantdb.sandbox.exchange import Answered, Request, Response, compact_json, json_response
from crantdb.sandbox.l2_pieces import PieceAttributes, measure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from crantdb.sandbox.given import Datastack
    from crantdb.sandbox.history import History
    from crantdb.sandbox.site import Site

ATTRIBUTES: Mapping[str, str] = MappingProxyType(
    {
        "size_nm3": "uint32",
        "area_nm2": "uint32",
        "max_dt_nm": "uint16",
        "mean_dt_nm": "float16",
        "rep_coord_nm": "uint16",
        "chunk_intersect_count": "uint16",
        "pca": "float16",
        "pca_val": "float32",
    }
)
"""What the cache serves, and the type it stores each in."""


class L2CacheError(Answered):
    """The answer of the L2 cache when anything in it fails: a 500 with the message, never gzipped."""

    def __init__(self, message: str, *, status: int = 500) -> None:
        body = {"code": status, "duration": 0.0, "message": message, "timestamp": formatdate(usegmt=True)}
        super().__init__(json_response({**body, "traceback": ["(left out)"]}, status=status))


@dataclass(frozen=True, slots=True)
class CacheState:
    """What the cache of a datastack has and has not.

    Attributes:
        cache_id: its name, as ``table_mapping`` gives it; None for a datastack without a cache.
        missing_share: the share of the L2 ids that it does not have.
        placeholder_share: the share of which it has a row with size 0 and nothing else: a failed computation.
        comes_after: how often a missing id must be asked for until it is there; None for never.
        missing: further ids that it does not have.
    """

    cache_id: str | None = "l2cache_sandbox_v1"
    missing_share: float = 0.0
    placeholder_share: float = 0.0
    comes_after: int | None = None
    missing: frozenset[int] = field(default_factory=frozenset)


class L2Cache:
    """The endpoints of PCGL2Cache."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._lock = threading.Lock()
        self._measured: dict[int, tuple[History, PieceAttributes]] = {}
        self._asked: dict[tuple[str, int], int] = {}

    def attribute_metadata(self, request: Request) -> Response:
        """GET /l2cache/api/v1/attribute_metadata: every column of the store, its internal ones too."""
        return compact_json(request, {name: f"<class '{kind}'>" for name, kind in _METADATA.items()})

    def table_mapping(self, request: Request) -> Response:
        """GET /l2cache/api/v1/table_mapping: which cache each chunkedgraph has."""
        stacks = [
            s for s in self._site.datastacks() if s.chunkedgraph is not None and s.l2.cache_id is not None
        ]
        url = f"graphene://{self._site.url}/segmentation/table"
        found = {
            s.pcg_table: {"cv_path": f"{url}/{s.pcg_table}", "l2cache_id": s.l2.cache_id} for s in stacks
        }
        return compact_json(request, found)

    def attributes(self, request: Request, pcg: str) -> Response:
        """POST /l2cache/api/v1/table/<pcg>/attributes: what is known of each id, ``{}`` of an unknown one."""
        stack = self._stack(pcg)
        wanted = [name for name in request.query("attribute_names").split(",") if name]
        for name in wanted:
            if name not in ATTRIBUTES:
                msg = repr(name)
                raise L2CacheError(msg)
        try:
            ids = [int(node) for node in json.loads(request.body)["l2_ids"]]
        except (ValueError, KeyError, TypeError) as error:
            raise L2CacheError(repr(error)) from error
        return compact_json(request, self._known(stack, ids, wanted or list(ATTRIBUTES)))

    def _known(self, stack: Datastack, ids: Sequence[int], wanted: Sequence[str]) -> dict[str, Any]:
        """Return the attributes by id, each id once, ascending."""
        assert stack.chunkedgraph is not None  # noqa: S101 - `_stack` gives no other
        nodes = np.unique(np.array(ids, dtype=np.int64))
        pieces = pieces_of(stack.chunkedgraph, nodes)
        measured = self._measure(stack.chunkedgraph)
        gaps = self._gaps(stack, nodes)
        found: dict[str, Any] = {}
        for node, piece, gap in zip(nodes.tolist(), pieces.tolist(), gaps, strict=True):
            known: dict[str, Any] = {}
            if piece >= 0 and gap == "":
                known = measured.of(piece)
            elif piece >= 0 and gap == "placeholder":
                known = {"size_nm3": 0}
            found[str(node)] = {name: value for name, value in known.items() if name in wanted}
        return found

    def _gaps(self, stack: Datastack, nodes: NDArray[np.int64]) -> list[str]:
        """Return of each id whether it is missing, a placeholder, or there; count those asked for in vain."""
        gaps = gaps_of(stack.l2, nodes)
        after = stack.l2.comes_after
        with self._lock:
            for index, node in enumerate(nodes.tolist()):
                if not gaps[index]:
                    continue
                asked = self._asked.get((stack.pcg_table, node), 0)
                self._asked[stack.pcg_table, node] = asked + 1
                if after is not None and asked >= after:
                    gaps[index] = ""
        return gaps

    def _measure(self, history: History) -> PieceAttributes:
        """Return the attributes of a history's pieces, measured when first asked for."""
        with self._lock:
            if id(history) not in self._measured:
                self._measured[id(history)] = (history, measure(history.pieces, history.grid))
            return self._measured[id(history)][1]

    def _stack(self, pcg: str) -> Datastack:
        """Return the datastack of a chunkedgraph that has a cache."""
        for stack in self._site.datastacks():
            if stack.pcg_table == pcg and stack.chunkedgraph is not None and stack.l2.cache_id is not None:
                return stack
        raise L2CacheError(repr(pcg))


def pieces_of(history: History, l2_ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the piece that each L2 id stands or stood for, -1 for an id that never was one."""
    values = history.l2_of.values
    order = np.argsort(values, kind="stable")
    place = np.minimum(np.searchsorted(values[order], l2_ids), len(values) - 1)
    entry = order[place]
    return np.where(values[entry] == l2_ids, history.l2_of.keys[entry] // history.l2_of.stride, -1)


def gaps_of(state: CacheState, l2_ids: Iterable[int]) -> list[str]:
    """Return for each id ``missing``, ``placeholder`` or an empty text: the same at every request."""
    found = []
    for node in l2_ids:
        dice = ((int(node) * 0x9E3779B97F4A7C15) % 2**64) / 2**64
        if int(node) in state.missing or dice < state.missing_share:
            found.append("missing")
        else:
            found.append("placeholder" if dice < state.missing_share + state.placeholder_share else "")
    return found


def _metadata() -> dict[str, str]:
    """Return every column of the store with its type: the cache shares its table's description with the chunkedgraph."""
    whole = "numpy.uint64"
    kinds = {"counter": "numpy.int64", "lock": whole, "indefinite_lock": whole, "affinities": "numpy.float32"}
    kinds |= {"areas": whole}
    kinds |= {
        f"{room}_{layer}": whole for room in ("atomic_cross_edges", "cross_edges") for layer in range(20)
    }
    kinds |= {"fake_edges": whole, "split_edges": whole, "compacted_split_edges": whole}
    kinds |= {"compacted_affinities": "numpy.float32", "compacted_areas": whole}
    kinds |= dict.fromkeys(("children", "former_parents", "new_parents", "parents"), whole)
    kinds |= {"stale_ts": "str", "former_ids": whole, "new_ids": whole, "n_layers": whole, "version": "str"}
    kinds |= dict.fromkeys(("operation_id", "undo_operation_id", "redo_operation_id"), whole)
    kinds |= {"user": "str"} | dict.fromkeys(("roots", "source_ids", "sink_ids"), whole)
    kinds |= dict.fromkeys(("source_coords", "sink_coords", "bb_offset"), "numpy.int64")
    kinds |= dict.fromkeys(("added_edges", "removed_edges"), whole)
    kinds |= dict.fromkeys(("operation_status", "operation_exception", "operation_ts"), "str")
    kinds |= {"l2_chunk_lock_scope": whole}
    return kinds | {name: f"numpy.{kind}" for name, kind in ATTRIBUTES.items()}


_METADATA: Mapping[str, str] = MappingProxyType(_metadata())
