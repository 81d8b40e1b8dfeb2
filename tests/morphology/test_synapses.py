"""Synapses on skeletons: the rules, in their order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crantdb.errors import BadArgument
from crantdb.morphology.skeleton import skeletonize
from crantdb.morphology.synapses import Rule, attach_synapses

from .conftest import CRANTB
from .graphs import Dirty, dirty_graphs


@given(dirty_graphs(missing=True), st.integers(0, 1_000))
@settings(max_examples=100, deadline=None)
def test_rules_in_their_order(graph: Dirty, seed: int) -> None:
    """Each synapse goes where a plain search by the stated rules puts it: own L2 id, own chunk, nearest."""
    rng = np.random.default_rng(seed)
    skeleton = skeletonize(
        graph.edges,
        graph.ids,
        graph.xyz,
        graph.radius,
        missing="drop",
        method="teasar",
        invalidation_nm=2_000,
    )
    count = 30
    chunk = rng.integers(0, 6, (count, 3))
    voxels = CRANTB.layout.make(1, chunk, np.arange(1, count + 1)) * rng.integers(0, 2, count)
    own = np.where(rng.random(count) < 0.3, rng.choice(graph.ids, count), 0)
    xyz = CRANTB.lower_nm(CRANTB.layout.make(2, chunk, np.arange(1, count + 1))) + rng.integers(
        0, 8_000, (count, 3)
    )
    got = attach_synapses(
        skeleton, np.arange(count), xyz, supervoxel_ids=voxels, l2_ids=own, grid=CRANTB, max_distance_nm=9_000
    )
    usable = np.flatnonzero(skeleton.member_node >= 0)
    l2, at = skeleton.member_l2[usable], skeleton.member_xyz_nm[usable]
    l2_chunk = CRANTB.layout.chunk(l2, 2)
    for one in range(count):
        gap = np.sqrt(((at - xyz[one]) ** 2).sum(axis=1))
        here = np.flatnonzero((l2_chunk == chunk[one]).all(axis=1)) if voxels[one] else np.empty(0, int)
        if own[one] in l2:
            best, rule = int(np.searchsorted(l2, own[one])), Rule.L2
        elif len(here):
            best, rule = int(here[np.argmin(gap[here])]), Rule.CHUNK
        elif gap.min() < 9_000:
            best, rule = int(np.argmin(gap)), Rule.NEAREST
        else:
            best, rule = -1, Rule.NONE
        assert got.rule[one] == rule
        if rule is Rule.NONE:
            assert (got.node[one], got.l2_id[one], np.isnan(got.distance_nm[one])) == (-1, 0, True)
            continue
        assert got.distance_nm[one] == pytest.approx(gap[best])
        assert got.node[one] == skeleton.member_node[np.searchsorted(skeleton.member_l2, got.l2_id[one])]
        if rule is not Rule.NEAREST:
            assert got.l2_id[one] == l2[best]
    assert sum(got.counts().values()) == count


def test_a_synapse_without_a_position() -> None:
    """A synapse whose position is not known goes by its L2 id, or nowhere; never to node 0 for want of better."""
    ids = CRANTB.layout.make(2, np.zeros((2, 3), np.int64), [1, 2])
    skeleton = skeletonize([ids], ids, [[0.0, 0.0, 0.0], [9.0, 0.0, 0.0]])
    nowhere = np.full((2, 3), np.nan)
    got = attach_synapses(skeleton, [5, 6], nowhere, l2_ids=[ids[1], 0])
    assert got.l2_id.tolist() == [ids[1], 0]
    assert got.rule.tolist() == [Rule.L2, Rule.NONE]
    assert got.node[1] == -1


def test_no_synapses() -> None:
    """None at all is an empty answer."""
    skeleton = skeletonize(np.empty((0, 2)), [2 << 56], [[0.0, 0.0, 0.0]])
    got = attach_synapses(skeleton, [], np.empty((0, 3)), supervoxel_ids=[], grid=CRANTB)
    assert len(got) == 0
    assert got.counts() == {"none": 0, "l2": 0, "chunk": 0, "nearest": 0}


def test_refused() -> None:
    """Arrays of different lengths, and supervoxels without a grid, are refused."""
    skeleton = skeletonize(np.empty((0, 2)), [2 << 56], [[0.0, 0.0, 0.0]])
    with pytest.raises(BadArgument, match="give one a synapse"):
        attach_synapses(skeleton, [1, 2], [[0.0, 0.0, 0.0]])
    with pytest.raises(BadArgument, match="ChunkGrid"):
        attach_synapses(skeleton, [1], [[0.0, 0.0, 0.0]], supervoxel_ids=[1 << 56])
