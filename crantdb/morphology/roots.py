"""Where a skeleton's root is: at a given position, at the thickest place, or at an end of the longest path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crantdb.morphology.graph import distances
from crantdb.morphology.rooting import oriented, part_ends, path_lengths

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crantdb.morphology.graph import Graph
    from crantdb.morphology.linking import Tree


@dataclass(frozen=True, slots=True)
class RootChoice:
    """The roots of a tree or forest.

    Attributes:
        roots: one node (place in the tree) of each part, ascending.
        main: the root that the rule chose.
        rule: as `Facts.root_rule`.
        distance_nm: from the given position to the nearest node; NaN when none was given.
    """

    roots: NDArray[np.int64]
    main: int
    rule: str
    distance_nm: float


def choose_roots(
    graph: Graph,
    tree: Tree,
    point: NDArray[np.float64] | None,
    *,
    within_nm: float,
    soma_radius_nm: float,
) -> RootChoice:
    """Return the roots; parts other than the main root's get an end of their longest path.

    Args:
        graph: positions and radii of all nodes.
        tree: the tree, not yet rooted.
        point: a position in nm, or None.
        within_nm: how far from it a node may be to be taken for it.
        soma_radius_nm: from which radius on the thickest node is taken for the soma.
    """
    away = float("nan")
    main, rule = -1, ""
    if point is not None:
        gap = np.sqrt(((graph.xyz[tree.node] - point) ** 2).sum(axis=1))
        nearest = int(np.argmin(gap))
        away = float(gap[nearest])
        if away <= within_nm:
            main, rule = nearest, "point"
    if not rule:
        thickest = int(np.argmax(graph.radius))
        if len(tree.node) == 1:
            main, rule = 0, "only"
        elif graph.radius[thickest] >= soma_radius_nm:
            main, rule = int(tree.stands[thickest]), "radius"
    apart = len(tree.node) - len(tree.low)
    if rule and apart == 1:
        return RootChoice(np.array([main]), main, rule, away)
    return _with_long_paths(graph, tree, main, rule or "longest_path", away)


def _with_long_paths(graph: Graph, tree: Tree, main: int, rule: str, away: float) -> RootChoice:
    """Return the roots where some of them are ends of longest paths."""
    count = len(tree.node)
    first = _smallest_of_parts(tree)
    roots, others = _longest_paths(graph, tree, first)
    radius = graph.radius[tree.node]
    swap = (radius[others] > radius[roots]) | ((radius[others] == radius[roots]) & (others < roots))
    roots = np.where(swap, others, roots)
    if main >= 0:
        order, parent = oriented(count, tree.low, tree.high, np.sort(roots))
        _, top = path_lengths(parent, np.zeros(count))
        roots[roots == order[top[np.flatnonzero(order == main)[0]]]] = main
    else:
        main = int(roots[0])
        if len(roots) > 1:
            order, parent = oriented(count, tree.low, tree.high, np.sort(roots))
            sizes = np.bincount(order[path_lengths(parent, np.zeros(count))[1]], minlength=count)
            main = int(np.argmax(sizes))
    return RootChoice(np.sort(roots), main, rule, away)


def _smallest_of_parts(tree: Tree) -> NDArray[np.int64]:
    """Return the smallest node of each part, ascending."""
    from crantdb.morphology.spanning import parts_of  # noqa: PLC0415 (only for forests)

    if len(tree.low) == len(tree.node) - 1:
        return np.zeros(1, dtype=np.int64)
    return np.sort(np.unique(parts_of(len(tree.node), tree.low, tree.high), return_index=True)[1])


def _longest_paths(
    graph: Graph, tree: Tree, first: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return both ends of a longest path of each part, in one order of the parts."""
    one = _far_ends(graph, tree, first)
    other = _far_ends(graph, tree, np.sort(one))
    # The second sweep answers in the order of its own, sorted roots.
    return np.sort(one), other


def _far_ends(graph: Graph, tree: Tree, roots: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the node farthest from each of the ascending roots."""
    order, parent = oriented(len(tree.node), tree.low, tree.high, roots)
    child = np.flatnonzero(parent >= 0)
    node = tree.node[order]
    length = np.zeros(len(order))
    length[child] = distances(graph.xyz, node[child], node[parent[child]])
    return part_ends(order, parent, length)
