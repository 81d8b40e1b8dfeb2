"""Known neurons cut along the grid of chunks: the skeleton has the topology that the cut has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import pytest

from crantdb.morphology.chunkgrid import ChunkGrid
from crantdb.morphology.skeleton import NodeFlag, skeletonize

from .conftest import CRANTB, LAYOUT
from .cutting import cut_as_voxels, cut_exactly

if TYPE_CHECKING:
    from crantdb.sandbox.morphology import Skeleton as Shape


def ends(links: dict[int, int]) -> set[frozenset[int]]:
    """Return the links that say "nothing above me"."""
    return {frozenset((node, 0)) for node, above in links.items() if above == 0}


def test_cut_at_planes(shapes: tuple[Shape, ...]) -> None:
    """A neuron cut exactly at chunk planes comes back with every piece under its own parent, whatever the order."""
    rng = np.random.default_rng(0)
    for shape in shapes:
        cut = cut_exactly(shape, CRANTB)
        root = int(np.flatnonzero(cut.parent == 0)[0])
        nodes, links = rng.permutation(len(cut.ids)), rng.permutation(len(cut.edges))
        skeleton = skeletonize(
            cut.edges[links], cut.ids[nodes], cut.xyz[nodes], grid=CRANTB, root_at=cut.xyz[root]
        )
        own = (skeleton.flags & NodeFlag.BRIDGE) == 0
        above = np.where((skeleton.parent < 0) | ~own, 0, skeleton.l2_id[skeleton.parent])
        got = dict(zip(skeleton.l2_id.tolist(), above.tolist(), strict=True))
        expected = dict(zip(cut.ids.tolist(), cut.parent.tolist(), strict=True))
        parts = int((cut.parent == 0).sum())
        assert (skeleton.facts.parts, int((~own).sum())) == (parts, parts - 1)
        assert {frozenset(link) for link in got.items()} - ends(got) == {
            frozenset(link) for link in expected.items()
        } - ends(expected)
        if parts == 1:
            assert got == expected
        place = {l2_id: at for at, l2_id in enumerate(cut.ids.tolist())}
        true = sum(
            float(np.linalg.norm(cut.xyz[at] - cut.xyz[place[up]]))
            for at, up in enumerate(cut.parent.tolist())
            if up
        )
        assert skeleton.length_nm[own].sum() == pytest.approx(true, rel=1e-6)
        assert skeleton.facts.cycles == 0


def test_cut_as_voxels(shapes: tuple[Shape, ...]) -> None:
    """A neuron of voxels, cut with slivers and circles, comes back as one tree of the least length."""
    grid = ChunkGrid(LAYOUT, (0.0, 0.0, 0.0), (4096.0, 4096.0, 5376.0))
    cut = cut_as_voxels(shapes[4], grid, 192.0)
    assert (cut.size < 10).sum() > 20
    skeleton = skeletonize(cut.edges, cut.ids, cut.xyz, grid=grid)
    assert skeleton.facts.cycles > 20
    assert sorted(skeleton.l2_id.tolist()) == sorted(cut.ids.tolist())
    assert skeleton.roots.tolist() == [0]
    assert (skeleton.parent < np.arange(len(skeleton))).all()
    place = {l2_id: at for at, l2_id in enumerate(cut.ids.tolist())}
    graph = nx.Graph()
    for a, b in cut.edges.tolist():
        graph.add_edge(a, b, weight=float(np.linalg.norm(cut.xyz[place[a]] - cut.xyz[place[b]])))
    least = nx.minimum_spanning_tree(graph).size(weight="weight")
    bridged = skeleton.length_nm[(skeleton.flags & NodeFlag.BRIDGE) > 0].sum()
    assert skeleton.cable_nm - bridged == pytest.approx(least, rel=1e-9)
