"""Short end twigs taken off a skeleton, and single parts taken out of a forest."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from crantdb.morphology.rooting import path_lengths

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crantdb.morphology.tree import Skeleton


def prune_twigs(skeleton: Skeleton, shorter_than_nm: float) -> Skeleton:
    """Return the skeleton without its short end twigs: from a tip to just before a branch point.

    One pass, as navis' `prune_twigs` makes it: what becomes a twig by it stays. A neuron that does not branch has
    no twigs. The L2 ids of what is taken off are members of the branch point.

    Args:
        skeleton: a tree or forest.
        shorter_than_nm: twigs shorter than this go; their length counts the link to the branch point.
    """
    n = len(skeleton)
    # The start of each run of nodes without a branch: where the parent branches, or is none.
    has_parent = skeleton.parent >= 0
    above = np.where(has_parent, skeleton.parent, 0)
    starts = ~has_parent | (skeleton.children[above] > 1)
    run, top = path_lengths(
        np.where(starts, np.arange(n), skeleton.parent), np.where(starts, 0.0, skeleton.length_nm)
    )
    tip = np.flatnonzero(skeleton.children == 0)
    tip = tip[has_parent[top[tip]]]
    short = tip[run[tip] + skeleton.length_nm[top[tip]] < shorter_than_nm]
    doomed = np.zeros(n, dtype=np.bool_)
    doomed[top[short]] = True
    gone = doomed[top]
    if not gone.any():
        return skeleton
    heir = np.where(gone, skeleton.parent[top], np.arange(n))
    facts = replace(skeleton.facts, pruned=skeleton.facts.pruned + int(gone.sum()))
    return replace(_kept(skeleton, ~gone, heir), facts=facts)


def largest_part(skeleton: Skeleton) -> Skeleton:
    """Return the part with most nodes of a forest (the first of equals); its members alone stand for L2 ids."""
    own = np.arange(len(skeleton))
    _, top = path_lengths(np.where(skeleton.parent < 0, own, skeleton.parent), np.zeros(len(skeleton)))
    keep = top == np.argmax(np.bincount(top))
    return _kept(skeleton, keep, np.where(keep, own, -1))


def _kept(skeleton: Skeleton, keep: NDArray[np.bool_], heir: NDArray[np.int64]) -> Skeleton:
    """Return the nodes to keep; `heir` is for each node the one that takes its L2 ids, or -1 for none."""
    place = np.where(keep, np.cumsum(keep) - 1, -1)
    old = skeleton.parent[keep]
    owner = np.where(skeleton.member_node < 0, -1, heir[skeleton.member_node])
    soma = int(place[skeleton.soma]) if skeleton.soma >= 0 else -1
    return replace(
        skeleton,
        l2_id=skeleton.l2_id[keep],
        xyz_nm=skeleton.xyz_nm[keep],
        radius_nm=skeleton.radius_nm[keep],
        parent=np.where(old < 0, -1, place[old]),
        flags=skeleton.flags[keep],
        member_node=np.where(owner < 0, -1, place[owner]),
        soma=soma,
    )
