"""A soma made one node."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from crantdb.morphology.tree import NodeFlag, Skeleton

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def collapse_soma(skeleton: Skeleton, soma_nm: ArrayLike, within_nm: float) -> Skeleton:
    """Return the skeleton with one node, at the soma's position, in place of those connected to the root around it.

    As CAVE's skeleton service does it, a link goes where one of its ends lies nearer than `within_nm` to the soma,
    so that the first node outside the ball goes too. What hung on such nodes hangs on the soma. The soma's node
    keeps the root's L2 id and gets the largest radius of those it stands for; their L2 ids are its members.

    Args:
        skeleton: its node 0 is the root at the soma.
        soma_nm: position of the soma in nm, (3,).
        within_nm: the radius of the ball in nm.
    """
    point = np.asarray(soma_nm, dtype=np.float64).reshape(3)
    near = np.sqrt(((skeleton.xyz_nm - point) ** 2).sum(axis=1)) < within_nm
    gone = _connected_to_root(near | near[skeleton.parent], skeleton.parent)
    stays = ~gone
    stays[0] = True
    place = np.cumsum(stays) - 1
    place[gone] = 0
    xyz, radius, flags = skeleton.xyz_nm.copy(), skeleton.radius_nm.copy(), skeleton.flags.copy()
    xyz[0], radius[0] = point, radius[gone].max()
    flags[0] |= NodeFlag.COLLAPSED
    parent = np.where(skeleton.parent < 0, -1, place[skeleton.parent])
    known = skeleton.member_node >= 0
    return replace(
        skeleton,
        l2_id=skeleton.l2_id[stays],
        xyz_nm=xyz[stays],
        radius_nm=radius[stays],
        parent=parent[stays],
        flags=flags[stays],
        member_node=np.where(known, place[skeleton.member_node], -1),
        soma=0,
    )


def _connected_to_root(link: NDArray[np.bool_], parent: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which nodes are joined to node 0 by chosen links alone; `link` is that of each node to its parent."""
    at = np.where(parent < 0, np.arange(len(parent)), parent)
    good = link | (parent < 0)
    while True:
        further = at[at]
        if np.array_equal(further, at):
            joined: NDArray[np.bool_] = good & (at == 0)
            return joined
        good = good & good[at]
        at = further
