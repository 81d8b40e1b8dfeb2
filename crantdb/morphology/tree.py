"""What a skeleton is: a rooted tree (or several) over the L2 ids of one neuron."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import IntFlag
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class NodeFlag(IntFlag):
    """What is special about a node; the values of `Skeleton.flags`."""

    INTERPOLATED = 1
    """The L2 cache has no position for this id: it is the mean of its neighbours, inside its own chunk."""
    BRIDGE = 2
    """The link to the parent crosses a gap: the L2 graph has no such edge."""
    CONTRACTED = 4
    """The link to the parent passes over L2 ids that were dropped for want of a position."""
    COLLAPSED = 8
    """The soma: one node in place of all those around it, at the position that was given."""


@dataclass(frozen=True, slots=True)
class Facts:
    """How a skeleton came about: what a header, a report or a user asks about it.

    Attributes:
        method: ``mst``, ``teasar`` or ``bfs``.
        root_rule: ``point`` (the node nearest the given position), ``radius`` (the largest distance to boundary,
            above the threshold), ``longest_path`` (an end of the longest path) or ``only`` (a single node).
        root_distance_nm: from the given position to the node nearest to it; NaN when none was given.
        l2_ids: L2 ids of the neuron.
        l2_edges: edges of the L2 graph, each once, without self-loops.
        cycles: independent cycles of the L2 graph.
        parts: connected parts of the L2 graph.
        bridges: links made across gaps, and the longest of them in nm.
        missing: L2 ids without a position.
        interpolated: nodes that got one from their neighbours.
        dropped: L2 ids left out of the tree for want of a position.
        pruned: nodes taken off as short twigs.
    """

    method: str
    root_rule: str
    root_distance_nm: float = float("nan")
    l2_ids: int = 0
    l2_edges: int = 0
    cycles: int = 0
    parts: int = 1
    bridges: int = 0
    longest_bridge_nm: float = 0.0
    missing: int = 0
    interpolated: int = 0
    dropped: int = 0
    pruned: int = 0

    def as_dict(self) -> dict[str, str | int | float | None]:
        """Return the facts as JSON takes them: lengths in whole nm, None for what does not apply."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        away = given["root_distance_nm"]
        given["root_distance_nm"] = None if np.isnan(away) else round(away)
        given["longest_bridge_nm"] = round(self.longest_bridge_nm) if self.bridges else None
        return given


@dataclass(frozen=True, eq=False)
class Skeleton:
    """A rooted tree (or forest, where parts were left apart), parents before children; treat arrays as read-only.

    The n nodes stand in the order of a search in breadth from the root, neighbours in ascending L2 id; where nodes
    were taken out later (twigs, the soma's surroundings), the rest keeps its order. The m members are all L2 ids of the neuron, ascending; a method that keeps fewer nodes still says for each L2 id
    which node stands for it.

    Attributes:
        l2_id: int64 (n,), the L2 id of each node.
        xyz_nm: float64 (n, 3).
        radius_nm: float64 (n,), finite and at least 1: the largest distance to boundary inside the L2 id.
        parent: int64 (n,), index of the parent, -1 for a root; always less than the node's own index.
        flags: uint8 (n,), bits of `NodeFlag`.
        member_l2: int64 (m,), ascending.
        member_node: int64 (m,), index of the node that stands for the L2 id; -1 where it was dropped.
        member_xyz_nm: float64 (m, 3), position of each L2 id (given or interpolated); NaN where it was dropped.
        soma: index of the soma's node, which is a root; -1 where the soma is not known.
        facts: how it came about.
    """

    l2_id: NDArray[np.int64]
    xyz_nm: NDArray[np.float64]
    radius_nm: NDArray[np.float64]
    parent: NDArray[np.int64]
    flags: NDArray[np.uint8]
    member_l2: NDArray[np.int64]
    member_node: NDArray[np.int64]
    member_xyz_nm: NDArray[np.float64]
    soma: int
    facts: Facts = field(repr=False)

    def __len__(self) -> int:
        return len(self.parent)

    @cached_property
    def length_nm(self) -> NDArray[np.float64]:
        """Length of each node's link to its parent in nm, 0 for a root; (n,)."""
        out = np.zeros(len(self))
        child = np.flatnonzero(self.parent >= 0)
        out[child] = np.sqrt(((self.xyz_nm[child] - self.xyz_nm[self.parent[child]]) ** 2).sum(axis=1))
        return out

    @property
    def cable_nm(self) -> float:
        """Length of all links together in nm."""
        return float(self.length_nm.sum())

    @cached_property
    def children(self) -> NDArray[np.int64]:
        """Number of children of each node; (n,)."""
        return np.bincount(self.parent[self.parent >= 0], minlength=len(self))

    @property
    def roots(self) -> NDArray[np.int64]:
        """Indices of the roots, ascending; one unless parts were left apart."""
        return np.flatnonzero(self.parent < 0)

    @property
    def branch_points(self) -> int:
        """Number of nodes with two or more children."""
        return int((self.children > 1).sum())

    @property
    def tips(self) -> int:
        """Number of nodes without children."""
        return int((self.children == 0).sum())
