"""The grid of chunks, from the chunkedgraph's info."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crantdb.morphology.chunkgrid import ChunkGrid
from crantdb.sandbox.chunks import Grid

from .conftest import CRANTB

CELLS = st.lists(st.tuples(*[st.integers(0, 1_023)] * 3), min_size=1, max_size=20)


def test_from_info() -> None:
    """Layout, origin and size come from the info: here CRANTb's as the sandbox serves it."""
    grid = ChunkGrid.from_info(Grid().info("gs://nowhere"))
    assert (grid.origin_nm, grid.chunk_nm) == (CRANTB.origin_nm, CRANTB.chunk_nm)
    assert dict(grid.layout.spatial_bits) == dict(CRANTB.layout.spatial_bits)


def test_scale_and_flag_of_the_info() -> None:
    """The graph's own scale counts, and the first voxel only where the info says so; without a graph it is no info."""
    info = Grid().info("gs://nowhere")
    scale = {**info["scales"][0], "resolution": [32, 32, 42], "voxel_offset": [512, 512, 0]}
    info = {**info, "scales": [*info["scales"], scale], "graph": {**info["graph"], "cv_mip": 1}}
    assert ChunkGrid.from_info(info).chunk_nm == (16_384.0, 16_384.0, 10_752.0)
    assert ChunkGrid.from_info({**info, "chunks_start_at_voxel_offset": False}).origin_nm == (0.0, 0.0, 0.0)
    with pytest.raises(KeyError, match="graph"):
        ChunkGrid.from_info({"scales": info["scales"]})


@given(CELLS, st.integers(-10_000, 10_000))
def test_inside(cells: list[tuple[int, int, int]], shift: int) -> None:
    """A point moved inside its id's chunk lies there, on whole nm; one that lay inside is only rounded."""
    ids = CRANTB.layout.make(2, np.array(cells), np.ones(len(cells), np.int64))
    lower = CRANTB.lower_nm(ids)
    points = lower + shift + 0.25
    moved = CRANTB.inside(points, ids)
    assert ((moved >= lower) & (moved < lower + np.array(CRANTB.chunk_nm)) & (moved == np.rint(moved))).all()
    within = ((points >= lower) & (points <= lower + np.array(CRANTB.chunk_nm) - 1)).all(axis=1)
    assert (np.abs(moved - points)[within] <= 0.5).all()


@given(CELLS)
def test_keys(cells: list[tuple[int, int, int]]) -> None:
    """A supervoxel and the L2 id around it have one key; ids of different chunks have different ones."""
    number = np.arange(1, len(cells) + 1)
    l2, voxel = (CRANTB.layout.make(layer, np.array(cells), number) for layer in (2, 1))
    keys = CRANTB.keys(l2, 2)
    assert keys.tolist() == CRANTB.keys(voxel, 1).tolist()
    assert len(np.unique(keys)) == len(set(cells))
