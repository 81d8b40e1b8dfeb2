"""Synapses on a skeleton: the node of each, how it was found and how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from crantdb.errors import BadArgument
from crantdb.ids import whole_ids
from crantdb.morphology.chunkgrid import L2_LAYER, SUPERVOXEL_LAYER

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from crantdb.morphology.chunkgrid import ChunkGrid
    from crantdb.morphology.tree import Skeleton

MAX_DISTANCE_NM = 10_000.0


class Rule(IntEnum):
    """How a synapse found its node; the values of `Attached.rule`."""

    NONE = 0
    """No node: farther than the limit from every one."""
    L2 = 1
    """The node of its own L2 id."""
    CHUNK = 2
    """The node of the nearest of the neuron's L2 ids in its supervoxel's chunk."""
    NEAREST = 3
    """The node of the neuron's nearest L2 id: none lies in its supervoxel's chunk, or that is not known."""


@dataclass(frozen=True, eq=False)
class Attached:
    """Synapses and their nodes, in the order in which they were given.

    Attributes:
        synapse_id: int64 (s,), the ids that were given.
        xyz_nm: float64 (s, 3), the positions that were given.
        node: int64 (s,), index into the skeleton's nodes; -1 for none.
        l2_id: int64 (s,), the L2 id through which it was found; 0 for none.
        rule: uint8 (s,), values of `Rule`.
        distance_nm: float64 (s,), from the synapse to the position of that L2 id.
    """

    synapse_id: NDArray[np.int64]
    xyz_nm: NDArray[np.float64]
    node: NDArray[np.int64]
    l2_id: NDArray[np.int64]
    rule: NDArray[np.uint8]
    distance_nm: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.node)

    def counts(self) -> dict[str, int]:
        """Return how many synapses each rule attached, by its name in small letters."""
        count = np.bincount(self.rule, minlength=len(Rule))
        return {rule.name.lower(): int(count[rule]) for rule in Rule}


def attach_synapses(
    skeleton: Skeleton,
    synapse_ids: ArrayLike,
    positions_nm: ArrayLike,
    *,
    supervoxel_ids: ArrayLike | None = None,
    l2_ids: ArrayLike | None = None,
    grid: ChunkGrid | None = None,
    max_distance_nm: float = MAX_DISTANCE_NM,
) -> Attached:
    """Return the node of each synapse.

    In this order: the node of the synapse's own L2 id, where it is given and one of the neuron's; that of the
    nearest of the neuron's L2 ids in the chunk of its supervoxel (the chunk stands in the id); that of the nearest
    L2 id. Of equally near ones the smaller L2 id is taken. Distances are to the L2 id's position, also where
    another node stands for it.

    Args:
        skeleton: the neuron.
        synapse_ids: the server's ids, (s,); they are kept.
        positions_nm: positions on the neuron's side in nm, (s, 3); a NaN is no position: attached only by its L2 id.
        supervoxel_ids: supervoxel ids on the neuron's side, (s,); 0 where there is none.
        l2_ids: L2 ids on the neuron's side, (s,); 0 where there is none.
        grid: where chunks lie; needed with `supervoxel_ids`.
        max_distance_nm: from here on the nearest node is not taken; the other rules know whose the synapse is.

    Raises:
        BadArgument: when shapes disagree, or the grid is wanting.
        NotAnId: for ids that are not integers.
    """
    ids = whole_ids(synapse_ids)
    xyz = np.asarray(positions_nm, dtype=np.float64).reshape(-1, 3)
    own = np.zeros(len(ids), np.int64) if l2_ids is None else whole_ids(l2_ids)
    if supervoxel_ids is not None and grid is None:
        msg = "supervoxel ids say their chunk only with the grid: give ChunkGrid.from_info(info)"
        raise BadArgument(msg)
    voxel = np.zeros(len(ids), np.int64) if supervoxel_ids is None else whole_ids(supervoxel_ids)
    if ids.ndim != 1 or not len(ids) == len(xyz) == len(own) == len(voxel):
        msg = f"{len(ids)} ids, {len(xyz)} positions, {len(own)} L2 ids, {len(voxel)} supervoxels: give one a synapse"
        raise BadArgument(msg)
    usable = np.flatnonzero(skeleton.member_node >= 0)
    l2, at = skeleton.member_l2[usable], skeleton.member_xyz_nm[usable]
    found, rule = _by_l2(own, l2)
    if grid is not None:
        _by_chunk(found, rule, xyz, voxel, l2=l2, at=at, grid=grid)
    _by_distance(found, rule, xyz, at=at, limit=max_distance_nm)
    hit = found >= 0
    gap = np.full(len(ids), np.nan)
    gap[hit] = np.sqrt(((xyz[hit] - at[found[hit]]) ** 2).sum(axis=1))
    node = np.where(hit, skeleton.member_node[usable][found], -1)
    return Attached(ids, xyz, node, np.where(hit, l2[found], 0), rule, gap)


def _by_l2(own: NDArray[np.int64], l2: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return the place of each synapse's own L2 id among the neuron's, -1 for none, and the rule so far."""
    place = np.searchsorted(l2, own)
    exact = l2.take(place, mode="clip") == own
    return np.where(exact, place, -1), np.where(exact, np.uint8(Rule.L2), np.uint8(Rule.NONE))


def _by_chunk(
    found: NDArray[np.int64],
    rule: NDArray[np.uint8],
    xyz: NDArray[np.float64],
    voxel: NDArray[np.int64],
    *,
    l2: NDArray[np.int64],
    at: NDArray[np.float64],
    grid: ChunkGrid,
) -> None:
    """Fill in the nearest of the L2 ids in each supervoxel's chunk."""
    todo = np.flatnonzero((found < 0) & (voxel != 0) & np.isfinite(xyz).all(axis=1))
    key = grid.keys(l2, L2_LAYER)
    order = np.argsort(key, kind="stable")
    wanted = grid.keys(voxel[todo], SUPERVOXEL_LAYER)
    first = np.searchsorted(key[order], wanted, side="left")
    count = np.searchsorted(key[order], wanted, side="right") - first
    todo, first, count = todo[count > 0], first[count > 0], count[count > 0]
    if not len(todo):
        return
    # All pairs of a synapse and an L2 id of its chunk, synapse by synapse, L2 ids ascending.
    start = np.cumsum(count) - count
    candidate = order[np.arange(count.sum()) - np.repeat(start - first, count)]
    gap = ((np.repeat(xyz[todo], count, axis=0) - at[candidate]) ** 2).sum(axis=1)
    least = np.repeat(np.minimum.reduceat(gap, start), count)
    nearest = np.flatnonzero(gap == least)
    owner, one = np.unique(np.repeat(np.arange(len(todo)), count)[nearest], return_index=True)
    found[todo[owner]] = candidate[nearest[one]]
    rule[todo[owner]] = Rule.CHUNK


def _by_distance(
    found: NDArray[np.int64],
    rule: NDArray[np.uint8],
    xyz: NDArray[np.float64],
    *,
    at: NDArray[np.float64],
    limit: float,
) -> None:
    """Fill in the nearest L2 id of all, for synapses that still have none."""
    from scipy.spatial import cKDTree  # noqa: PLC0415 (takes a while to load)

    todo = np.flatnonzero((found < 0) & np.isfinite(xyz).all(axis=1))
    if not len(todo):
        return
    gap, place = cKDTree(at).query(xyz[todo])
    near = gap < limit
    found[todo[near]] = place[near]
    rule[todo[near]] = Rule.NEAREST
