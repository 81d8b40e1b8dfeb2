"""Where a skeleton's root is: at a given position, at the thickest place, or at an end of the longest path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

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
        gap = np.sqrt(((tree.of_nodes(graph.xyz) - point) ** 2).sum(axis=1))
        nearest = int(np.argmin(gap))
        away = float(gap[nearest])
        if away <= within_nm:
            main, rule = nearest, "point"
    if not rule:
        thickest = int(np.argmax(graph.radius))
        if graph.radius[thickest] >= soma_radius_nm:
            main, rule = int(tree.stands[thickest]), "radius"
        elif len(tree.node) == 1:
            main, rule = 0, "only"
    if rule and tree.whole:
        return RootChoice(np.array([main]), main, rule, away)
    roots = _ends(graph, tree)
    if not rule:
        main, rule = _in_largest(roots, tree), "longest_path"
    elif main not in roots:
        roots = np.sort(np.where(tree.part[roots] == tree.part[main], main, roots))
    return RootChoice(roots, main, rule, away)


def _ends(graph: Graph, tree: Tree) -> NDArray[np.int64]:
    """Return of each part an end of its longest path: the thicker one, then the smaller; ascending."""
    first = np.zeros(1, np.int64) if tree.whole else np.sort(np.unique(tree.part, return_index=True)[1])
    xyz, radius = tree.of_nodes(graph.xyz), graph.radius[tree.node]
    ends = np.sort(tree.forest.far_ends(first, xyz))
    others = tree.forest.far_ends(ends, xyz)
    swap = (radius[others] > radius[ends]) | ((radius[others] == radius[ends]) & (others < ends))
    return np.sort(np.where(swap, others, ends))


def _in_largest(roots: NDArray[np.int64], tree: Tree) -> int:
    """Return the root of the part with most nodes."""
    if tree.whole:
        return int(roots[0])
    return int(roots[np.argmax(np.bincount(tree.part)[tree.part[roots]])])
