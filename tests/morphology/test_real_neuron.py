"""The real MICrONS neuron: figures that other programs found, found again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from skeletor.skeletonize.utils import edges_to_graph

from crantdb.morphology.skeleton import skeletonize
from crantdb.morphology.synapses import Rule, attach_synapses

from .conftest import MINNIE, SOMA_NM

if TYPE_CHECKING:
    from .conftest import RealNeuron


def test_grid_of_the_real_ids(real: RealNeuron) -> None:
    """Every representative position lies in the chunk that its L2 id names."""
    lower = MINNIE.lower_nm(real.ids)
    assert ((real.xyz >= lower) & (real.xyz < lower + np.array(MINNIE.chunk_nm))).all()


def test_shortest_tree(real: RealNeuron) -> None:
    """The spanning tree has every L2 id once and the length that the reference found."""
    skeleton = skeletonize(real.edges, real.ids, real.xyz)
    assert sorted(skeleton.l2_id.tolist()) == real.ids.tolist()
    assert skeleton.cable_nm == pytest.approx(8_331_271.358, abs=0.001)
    assert (skeleton.facts.cycles, skeleton.facts.parts, skeleton.facts.root_rule) == (806, 1, "longest_path")


def test_teasar(real: RealNeuron) -> None:
    """TEASAR has the vertices, length, branch points and ends that pcg_skel gives for 7,500 nm without a soma."""
    skeleton = skeletonize(real.edges, real.ids, real.xyz, method="teasar")
    assert len(skeleton) == 2_463
    assert skeleton.cable_nm / 1e3 == pytest.approx(4_746.12, abs=0.005)
    assert (skeleton.branch_points, skeleton.tips) == (40, 44)
    assert (skeleton.member_node >= 0).all()
    assert np.isin(skeleton.l2_id, real.ids).all()


def test_teasar_with_the_soma_collapsed(real: RealNeuron) -> None:
    """With the soma given, TEASAR has one node for it, at its position, as the skeleton service makes it."""
    skeleton = skeletonize(real.edges, real.ids, real.xyz, method="teasar", root_at=SOMA_NM)
    assert len(skeleton) == 2_430
    assert skeleton.cable_nm / 1e3 == pytest.approx(4_746.77, abs=0.005)
    assert skeleton.soma == 0
    assert tuple(skeleton.xyz_nm[0]) == SOMA_NM
    assert (skeleton.member_node == 0).sum() > 34


def test_every_id_stands_near_its_node(real: RealNeuron) -> None:
    """With TEASAR an L2 id's node is within the distance for which a path stands for its surroundings."""
    skeleton = skeletonize(real.edges, real.ids, real.xyz, method="teasar")
    away = skeleton.xyz_nm[skeleton.member_node] - skeleton.member_xyz_nm
    assert np.sqrt((away**2).sum(axis=1)).max() <= 7_500
    own = np.searchsorted(skeleton.member_l2, skeleton.l2_id)
    assert (skeleton.member_node[own] == np.arange(len(skeleton))).all()


def test_breadth_first_as_skeletor(real: RealNeuron) -> None:
    """The method bfs has the links of skeletor's edges_to_graph, which crantpy and fafbseg use."""
    skeleton = skeletonize(real.edges, real.ids, real.xyz, method="bfs")
    theirs = edges_to_graph(np.searchsorted(real.ids, real.edges), fix_tree=True, weight=False)
    child = np.flatnonzero(skeleton.parent >= 0)
    ours = np.stack([skeleton.l2_id[child], skeleton.l2_id[skeleton.parent[child]]], axis=1)
    expected = {tuple(sorted(pair)) for pair in real.ids[np.array(theirs.edges)].tolist()}
    assert {tuple(sorted(pair)) for pair in ours.tolist()} == expected


def test_synapses_on_their_own_l2_id_by_the_chunk(real: RealNeuron) -> None:
    """By the supervoxel's chunk alone every synapse is attached, 98 % of the outgoing to their true L2 id."""
    skeleton = skeletonize(real.edges, real.ids, real.xyz)
    shares = []
    for side in (real.pre, real.post):
        got = attach_synapses(skeleton, side.ids, side.xyz_nm, supervoxel_ids=side.supervoxels, grid=MINNIE)
        assert (got.node >= 0).all()
        assert (got.rule == Rule.CHUNK).all()
        assert got.synapse_id.tolist() == side.ids.tolist()
        assert (skeleton.l2_id[got.node] == got.l2_id).all()
        shares.append((got.l2_id == side.l2_ids).mean())
    assert len(real.pre.ids) + len(real.post.ids) == 2_424
    assert shares[0] >= 0.98
    assert shares[1] >= 0.92


def test_synapses_with_known_l2_ids(real: RealNeuron) -> None:
    """Where the L2 id is known, its node is taken, whatever the positions say."""
    skeleton = skeletonize(real.edges, real.ids, real.xyz)
    got = attach_synapses(skeleton, real.post.ids, real.post.xyz_nm[::-1], l2_ids=real.post.l2_ids)
    assert (got.rule == Rule.L2).all()
    assert (skeleton.l2_id[got.node] == real.post.l2_ids).all()
