"""From a neuron's L2 graph to its skeleton: arrays in, arrays out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from crantdb.errors import BadArgument
from crantdb.morphology.collapse import collapse_soma
from crantdb.morphology.graph import Graph, clean_graph
from crantdb.morphology.linking import Tree, tree_of
from crantdb.morphology.missing import Filled, complete
from crantdb.morphology.prune import prune_twigs
from crantdb.morphology.roots import RootChoice, choose_roots
from crantdb.morphology.teasar import INVALIDATION_NM
from crantdb.morphology.tree import Facts, NodeFlag, Skeleton

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from crantdb.morphology.chunkgrid import ChunkGrid

__all__ = ["Facts", "Method", "NodeFlag", "Skeleton", "skeletonize"]

Method = Literal["mst", "teasar", "bfs"]
Missing = Literal["interpolate", "drop"]

SOMA_RADIUS_NM = 1500.0
ROOT_WITHIN_NM = 15_000.0
COLLAPSE_NM = 7500.0


def skeletonize(
    edges: ArrayLike,
    l2_ids: ArrayLike,
    points_nm: ArrayLike,
    max_dt_nm: ArrayLike | None = None,
    *,
    grid: ChunkGrid | None = None,
    method: Method = "mst",
    missing: Missing = "interpolate",
    heal: bool = True,
    root_at: ArrayLike | None = None,
    root_is_soma: bool = True,
    root_within_nm: float = ROOT_WITHIN_NM,
    soma_radius_nm: float = SOMA_RADIUS_NM,
    invalidation_nm: float = INVALIDATION_NM,
    collapse_nm: float | None = None,
    prune_nm: float = 0.0,
) -> Skeleton:
    """Return the skeleton of one neuron.

    The same L2 graph gives the same arrays, whatever the order, direction and repetition of its edges and ids.

    Args:
        edges: int64 (e, 2), pairs of L2 ids; empty for a neuron of one L2 id.
        l2_ids: int64 (n,), all L2 ids of the neuron.
        points_nm: float64 (n, 3), their representative positions; NaN where the L2 cache has none.
        max_dt_nm: float64 (n,), their largest distances to boundary: the nodes' radii. NaN or 0 where there is
            none: such a node gets its neighbours' mean. None: nowhere, then every radius is 1 nm.
        grid: where chunks lie (`ChunkGrid.from_info`); needed to place ids without a position.
        method: ``mst``, the spanning tree of least Euclidean length; ``teasar`` as CAVE's skeleton service (v4)
            makes it, where most L2 ids have no node of their own; ``bfs`` as crantpy and fafbseg make it: a
            search in breadth from the smallest L2 id, longer than the shortest tree.
        missing: ``interpolate`` places an id without position at its neighbours' mean inside its own chunk and
            flags it; ``drop`` leaves it out and links its neighbours.
        heal: link parts that the graph leaves apart by the shortest link, flagged; else a forest is returned.
        root_at: a position in nm, (3,), e.g. the nucleus: the node nearest to it becomes the root.
        root_is_soma: whether `root_at` is a soma, so that the root is labelled as one.
        root_within_nm: a node farther than this from `root_at` is not taken for it; the next rule then holds.
        soma_radius_nm: without `root_at`, the largest distance to boundary makes the root, and a soma, from this
            value on; below it an end of the longest path is the root (the thicker one, then the smaller L2 id).
        invalidation_nm: for ``teasar``: how far along the graph a path stands for its surroundings.
        collapse_nm: make one node at `root_at` of all nodes connected to the root within this distance; None:
            7,500 for ``teasar`` with a soma given, as the service does, else nothing; 0: nothing.
        prune_nm: take off end twigs shorter than this, once; 0: none.

    Raises:
        NoSkeleton: no L2 ids, none of them with a position, or edges that are not of these ids.
        BadArgument: an unknown method, shapes that disagree, or the grid wanting.
        NotAnId: ids that are not integers.
    """
    if method not in get_args(Method) or missing not in get_args(Missing):
        msg = f"method={method!r}, missing={missing!r}: choose of {get_args(Method)} and {get_args(Missing)}"
        raise BadArgument(msg)
    graph = clean_graph(edges, l2_ids, points_nm, max_dt_nm)
    filled = complete(graph, missing, grid)
    tree = tree_of(filled, method, heal=heal, invalidation_nm=invalidation_nm)
    point = None if root_at is None else np.asarray(root_at, dtype=np.float64).reshape(3)
    choice = choose_roots(filled.graph, tree, point, within_nm=root_within_nm, soma_radius_nm=soma_radius_nm)
    at_soma = choice.rule == "radius" or (choice.rule == "point" and root_is_soma)
    facts = _facts(graph, filled, tree, method)
    facts = replace(facts, root_rule=choice.rule, root_distance_nm=choice.distance_nm)
    skeleton = _rooted(graph, filled, tree, choice, soma=at_soma, facts=facts)
    if collapse_nm is None:
        collapse_nm = COLLAPSE_NM if method == "teasar" and at_soma else 0.0
    if collapse_nm > 0 and point is not None and choice.rule == "point":
        skeleton = collapse_soma(skeleton, point, collapse_nm)
    return prune_twigs(skeleton, prune_nm) if prune_nm > 0 else skeleton


def _facts(graph: Graph, filled: Filled, tree: Tree, method: str) -> Facts:
    """Return the facts known before the root is."""
    return Facts(
        method=method,
        root_rule="",
        l2_ids=graph.n,
        l2_edges=len(graph.low),
        cycles=tree.cycles,
        parts=tree.parts,
        bridges=tree.bridges,
        longest_bridge_nm=tree.longest_bridge_nm,
        missing=filled.missing,
        interpolated=int(filled.interpolated.sum()),
        dropped=graph.n - filled.graph.n,
    )


def _rooted(
    graph: Graph, filled: Filled, tree: Tree, choice: RootChoice, *, soma: bool, facts: Facts
) -> Skeleton:
    """Return the tree as a skeleton: parents before children, every L2 id with its node."""
    order, parent = tree.forest.rooted(choice.roots)
    node = tree.node[order]
    full = filled.graph
    flags = np.where(filled.interpolated[node], np.uint8(NodeFlag.INTERPOLATED), np.uint8(0))
    child = np.flatnonzero(parent >= 0)
    flags[child] |= tree.links.kind_of(node[child], node[parent[child]], full.n)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    member_node, member_xyz = place[tree.stands], full.xyz
    if full.n < graph.n:
        member_node = np.full(graph.n, -1, dtype=np.int64)
        member_node[filled.member] = place[tree.stands]
        member_xyz = np.full((graph.n, 3), np.nan)
        member_xyz[filled.member] = full.xyz
    return Skeleton(
        l2_id=full.ids[node],
        xyz_nm=full.xyz[node],
        radius_nm=full.radius[node],
        parent=parent,
        flags=flags,
        member_l2=graph.ids,
        member_node=member_node,
        member_xyz_nm=member_xyz,
        soma=int(place[choice.main]) if soma else -1,
        facts=facts,
    )
