"""Where the root is: the rules, in their order, and what the facts say."""

from __future__ import annotations

import numpy as np
import pytest

from crantdb.errors import BadArgument, NoSkeleton, NotAnId
from crantdb.morphology.skeleton import NodeFlag, skeletonize

from .conftest import CRANTB

ID = CRANTB.layout.make(2, np.zeros((6, 3), np.int64), np.arange(1, 7))
PATH = np.stack([ID[1:], ID[:-1]], axis=1)
XYZ = np.stack([np.arange(6) * 1_000.0, np.zeros(6), np.zeros(6)], axis=1)
THIN = np.array([100.0, 110, 120, 130, 140, 150])


def test_a_point_near_enough() -> None:
    """The node nearest a given soma is root and soma; told that it is no soma, it is the root alone."""
    skeleton = skeletonize(PATH, ID, XYZ, THIN, root_at=[2_100, 0, 0])
    assert (skeleton.l2_id[0], skeleton.soma, skeleton.facts.root_rule) == (ID[2], 0, "point")
    assert skeleton.facts.root_distance_nm == 100
    assert skeletonize(PATH, ID, XYZ, THIN, root_at=[2_100, 0, 0], root_is_soma=False).soma == -1


def test_a_point_too_far() -> None:
    """A soma outside the skeleton is not taken for a node of it: the next rule holds, and the distance is told."""
    skeleton = skeletonize(PATH, ID, XYZ, THIN, root_at=[2_000, 40_000, 0])
    assert (skeleton.facts.root_rule, skeleton.soma) == ("longest_path", -1)
    assert skeleton.facts.root_distance_nm == 40_000


def test_the_thickest() -> None:
    """Without a point the largest distance to boundary is the soma from the threshold on; of equal ones the smaller id."""
    thick = THIN.copy()
    thick[[3, 4]] = 2_000
    skeleton = skeletonize(PATH, ID, XYZ, thick)
    assert (skeleton.l2_id[0], skeleton.soma, skeleton.facts.root_rule) == (ID[3], 0, "radius")
    below = skeletonize(PATH, ID, XYZ, thick, soma_radius_nm=2_001)
    assert (below.facts.root_rule, below.soma) == ("longest_path", -1)


def test_the_end_of_the_longest_path() -> None:
    """Else it is an end of the longest path: the thicker of both, of equal ones the smaller id."""
    assert skeletonize(PATH, ID, XYZ, THIN).l2_id[0] == ID[5]
    assert skeletonize(PATH, ID, XYZ).l2_id[0] == ID[0]


def test_parts_have_roots_of_their_own() -> None:
    """In a forest the rule holds for one part, the others are rooted at an end of their longest path."""
    edges = np.delete(PATH, 2, axis=0)
    skeleton = skeletonize(edges, ID, XYZ, THIN, heal=False, root_at=[1_000, 0, 0])
    roots = skeleton.l2_id[skeleton.roots].tolist()
    assert sorted(roots) == sorted([int(ID[1]), int(ID[5])])
    assert skeleton.l2_id[skeleton.soma] == ID[1]
    assert skeleton.facts.parts == 2


def test_healed_by_the_shortest_link() -> None:
    """Parts are joined where they are nearest, the link is flagged, and its length told."""
    edges = np.delete(PATH, 2, axis=0)
    skeleton = skeletonize(edges, ID, XYZ, THIN, root_at=[0, 0, 0])
    assert skeleton.l2_id.tolist() == ID.tolist()
    assert skeleton.flags.tolist() == [0, 0, 0, NodeFlag.BRIDGE, 0, 0]
    assert (skeleton.facts.bridges, skeleton.facts.longest_bridge_nm) == (1, 1_000)


def test_collapsed_soma() -> None:
    """One node at the soma's position stands for those around it, with the largest radius, and keeps their ids."""
    skeleton = skeletonize(PATH, ID, XYZ, THIN, root_at=[0, 10, 0], collapse_nm=1_500)
    # 0 and 1 lie inside; 2 is the first outside, and goes too.
    assert skeleton.l2_id.tolist() == [ID[0], *ID[3:]]
    assert skeleton.xyz_nm[0].tolist() == [0, 10, 0]
    assert (skeleton.radius_nm[0], skeleton.flags[0]) == (120, NodeFlag.COLLAPSED)
    assert skeleton.member_node.tolist() == [0, 0, 0, 1, 2, 3]


def test_radii() -> None:
    """Radii are the distances to boundary; where there is none, the neighbours' mean; never 0 or NaN."""
    given = np.array([100.0, np.nan, 120, 0, np.nan, 150])
    skeleton = skeletonize(PATH, ID, XYZ, given, root_at=XYZ[0])
    assert skeleton.radius_nm.tolist() == [100, 110, 120, 120, 150, 150]
    assert skeletonize(PATH, ID, XYZ).radius_nm.tolist() == [1.0] * 6


def test_refused() -> None:
    """No ids, edges of other ids, other shapes, unknown methods and a wanting grid are refused in words."""
    with pytest.raises(NoSkeleton, match="without L2 ids"):
        skeletonize(np.empty((0, 2)), [], np.empty((0, 3)))
    with pytest.raises(NoSkeleton, match=r"1 end\(s\) of edges, e.g. 99, are not among the neuron's 6"):
        skeletonize([[ID[0], 99]], ID, XYZ)
    with pytest.raises(BadArgument, match="give"):
        skeletonize(PATH, ID, XYZ[:5])
    with pytest.raises(BadArgument, match="method='kimimaro'"):
        skeletonize(PATH, ID, XYZ, method="kimimaro")  # type: ignore[arg-type]
    with pytest.raises(NotAnId, match="float64"):
        skeletonize(PATH, ID.astype(np.float64), XYZ)
    gaps = XYZ.copy()
    gaps[2] = np.nan
    with pytest.raises(BadArgument, match=r"1 L2 id\(s\) have no position"):
        skeletonize(PATH, ID, gaps)


def test_a_part_of_which_nothing_is_known() -> None:
    """A part none of whose ids has a position is left out and counted; the rest is a tree."""
    gaps = XYZ.copy()
    gaps[3:] = np.nan
    skeleton = skeletonize(np.delete(PATH, 2, axis=0), ID, gaps, grid=CRANTB)
    assert skeleton.l2_id.tolist() == ID[:3].tolist()
    facts = skeleton.facts
    assert (facts.missing, facts.dropped, facts.interpolated) == (3, 3, 0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_half_a_position_is_none(bad: float) -> None:
    """A position of which one coordinate is not a number counts as missing, placed or dropped."""
    gaps = XYZ.copy()
    gaps[2, 1] = bad
    placed = skeletonize(PATH, ID, gaps, grid=CRANTB, root_at=XYZ[0])
    lower = CRANTB.lower_nm(ID[2:3])[0]
    assert placed.flags.tolist() == [0, 0, NodeFlag.INTERPOLATED, 0, 0, 0]
    assert placed.xyz_nm[2].tolist() == np.maximum((XYZ[1] + XYZ[3]) / 2, lower).tolist()
    dropped = skeletonize(PATH, ID, gaps, missing="drop", root_at=XYZ[0])
    assert dropped.l2_id.tolist() == np.delete(ID, 2).tolist()
    assert dropped.flags.tolist() == [0, 0, NodeFlag.CONTRACTED, 0, 0]
    assert dropped.member_node.tolist() == [0, 1, -1, 2, 3, 4]


def test_far_from_anything_known() -> None:
    """A chain of 30 missing ids is placed id by id from the nearest known one, each inside its own chunk."""
    chunk = np.stack([np.arange(32), np.zeros(32), np.zeros(32)], axis=1).astype(np.int64)
    ids = CRANTB.layout.make(2, chunk, np.ones(32, np.int64))
    xyz = np.full((32, 3), np.nan)
    xyz[0] = CRANTB.lower_nm(ids[:1])[0] + 4_000
    skeleton = skeletonize(np.stack([ids[1:], ids[:-1]], axis=1), ids, xyz, grid=CRANTB, root_at=xyz[0])
    assert skeleton.l2_id.tolist() == ids.tolist()
    assert (np.floor((skeleton.xyz_nm - CRANTB.origin_nm) / CRANTB.chunk_nm) == chunk).all()
    assert skeleton.facts.interpolated == 31
