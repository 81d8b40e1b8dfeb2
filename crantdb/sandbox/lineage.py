"""Lineage as the chunkedgraph serves it: which roots came before, which came after, and which ids are ids at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crantdb.sandbox.chunkedgraph import history_of, ids_of, known_root, moment
from crantdb.sandbox.exchange import Request, Response, compact_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from crantdb.sandbox.history import History, Operation
    from crantdb.sandbox.site import Site

_ALWAYS = -1


class Lineage:
    """The endpoints of PyChunkedGraph that tell of roots before and after."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def lineage_graph(self, request: Request, pcg: str) -> Response:
        """POST …/lineage_graph_multiple: ancestors and descendants of roots, as networkx writes a graph.

        A root born after ``timestamp_past`` is followed to those before it, one retired before
        ``timestamp_future`` to those after it. A retired root carries the number of the edit that retired it.
        """
        history = history_of(self._site, pcg)
        roots = [known_root(history, node).id for node in ids_of(request, "root_ids")]
        past = moment(request, "timestamp_past") if request.query("timestamp_past") else _ALWAYS
        retired_by = retirements(history)
        links, nodes = lineage(history, roots, past, moment(request, "timestamp_future"))
        graph: dict[str, Any] = {"directed": True, "graph": {}, "multigraph": False}
        graph["links"] = [{"source": source, "target": target} for source, target in links]
        graph["nodes"] = [_node(history, node, retired_by) for node in nodes]
        return compact_json(request, graph)

    def past_ids(self, request: Request, pcg: str) -> Response:
        """GET …/past_id_mapping with a body: the roots that each root was made of, and the one that it became.

        A root that became several, or that was retired without a trace, has no future.
        """
        history = history_of(self._site, pcg)
        past, future = moment(request, "timestamp_past"), moment(request, "timestamp_future")
        before: dict[str, list[int]] = {}
        after: dict[str, int] = {}
        for node in ids_of(request, "root_ids"):
            root = known_root(history, node)
            before[str(node)] = ends([root.id], lambda n: history.roots[n].former, _born_by(history, past))
            last = ends([root.id], lambda n: successors(history, n), _stood_at(history, future))
            if len(last) == 1:
                after[str(node)] = last[0]
        return compact_json(request, {"future_id_map": after, "past_id_map": before})

    def valid_nodes(self, request: Request, pcg: str) -> Response:
        """GET …/valid_nodes with a body: which of the ids are ids of the chunkedgraph at all."""
        history = history_of(self._site, pcg)
        asked = ids_of(request, "node_ids")
        found = history.roots_at([node if 0 < node < 2**63 else 0 for node in asked], 2**62).tolist()
        return compact_json(
            request, {"valid_roots": [node for node, root in zip(asked, found, strict=True) if root]}
        )


def retirements(history: History) -> Mapping[int, Operation]:
    """Return the edit that retired each retired root."""
    return {root: edit for edit in history.operations for root in edit.old_roots}


def successors(history: History, root: int) -> tuple[int, ...]:
    """Return the roots that replaced a root; none for one that still stands."""
    at = history.roots[root].retired_us
    if at is None:
        return ()
    # Two edits may share a moment, but only one of them retired this root.
    made = history.operations[history.epoch(at - 1) : history.epoch(at)]
    return next((edit.new_roots for edit in made if root in edit.old_roots), ())


def lineage(
    history: History, roots: Iterable[int], past_us: int, future_us: int
) -> tuple[list[tuple[int, int]], list[int]]:
    """Return the links (before, after) around roots between two moments, and every root in them."""
    start = list(roots)
    links: dict[tuple[int, int], None] = {}
    nodes = dict.fromkeys(start)
    todo = list(start)
    while todo:
        node = todo.pop()
        if history.roots[node].born_us > past_us:
            links |= dict.fromkeys((former, node) for former in history.roots[node].former)
            todo += [former for former in history.roots[node].former if former not in nodes]
            nodes |= dict.fromkeys(history.roots[node].former)
    later, todo = dict.fromkeys(start), list(start)
    while todo:
        node = todo.pop()
        retired = history.roots[node].retired_us
        if retired is not None and retired <= future_us:
            new = successors(history, node)
            links |= dict.fromkeys((node, root) for root in new)
            todo += [root for root in new if root not in later]
            later |= dict.fromkeys(new)
    return list(links), list(nodes | later)


def ends(
    start: Iterable[int], following: Callable[[int], Iterable[int]], is_end: Callable[[int], bool]
) -> list[int]:
    """Return the roots at which every path from `start` ends."""
    seen: dict[int, None] = {}
    found: dict[int, None] = {}
    todo = list(start)
    while todo:
        node = todo.pop()
        if node in seen:
            continue
        seen[node] = None
        if is_end(node):
            found[node] = None
        else:
            todo += following(node)
    return sorted(found)


def _born_by(history: History, at_us: int) -> Callable[[int], bool]:
    """Return a test for roots that were born by a moment, or have nothing before them."""
    return lambda node: history.roots[node].born_us <= at_us or not history.roots[node].former


def _stood_at(history: History, at_us: int) -> Callable[[int], bool]:
    """Return a test for roots that were not retired by a moment."""

    def test(node: int) -> bool:
        retired = history.roots[node].retired_us
        return retired is None or retired > at_us

    return test


def _node(history: History, node: int, retired_by: Mapping[int, Operation]) -> dict[str, Any]:
    """Return a node of the graph: its id, its birth, and the edit that retired it."""
    known: dict[str, Any] = {"id": node, "timestamp": history.roots[node].born_us / 1e6}
    edit = retired_by.get(node)
    return known if edit is None else known | {"operation_id": edit.number}
