"""Which voxel a position falls into, for any size and offset of voxels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crantdb.errors import BadResponse
from crantdb.sources.voxel_grid import VoxelGrid

SIZES = st.sampled_from([1.0, 4.0, 4.3, 8.0, 16.0, 40.0, 42.0, 45.1, 0.1, 33.3])
COUNTS = st.integers(0, 200_000)


@settings(deadline=None)
@given(st.tuples(SIZES, SIZES, SIZES), st.tuples(COUNTS, COUNTS, COUNTS), st.floats(0, 0.999))
def test_every_point_of_a_voxel_lies_in_it(
    voxel_nm: tuple[float, float, float], voxel: tuple[int, int, int], within: float
) -> None:
    """A whole number of voxels of any decimal size is where that voxel begins, though products are not exact."""
    grid = VoxelGrid(voxel_nm, (0, 0, 0), (200_001,) * 3, (64, 64, 64))
    positions = np.array([np.multiply(voxel, voxel_nm), np.multiply(np.add(voxel, within), voxel_nm)])
    inside, voxels = grid.place(positions)
    assert inside.all()
    assert voxels.tolist() == [list(voxel)] * 2


@settings(deadline=None)
@given(st.tuples(COUNTS, COUNTS, COUNTS))
def test_annotation_voxels_nest_in_those_of_the_segmentation(place: tuple[int, int, int]) -> None:
    """A position in 8 x 8 x 42 nm voxels is in half that voxel, rounded down, of 16 x 16 x 42 nm."""
    grid = VoxelGrid((16.0, 16.0, 42.0), (0, 0, 0), (200_001,) * 3, (64, 64, 64))
    _, voxels = grid.place(np.array([place]) * [8.0, 8.0, 42.0])
    assert voxels[0].tolist() == [place[0] // 2, place[1] // 2, place[2]]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(5, 90), st.integers(0, 90), st.integers(3, 90)), max_size=60),
    st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40)),
)
def test_voxels_of_a_file_come_together_and_once(
    voxels: list[tuple[int, int, int]], chunk: tuple[int, int, int]
) -> None:
    """Every voxel is in one group, a group is of one file, and no file has two groups; files begin at the offset."""
    grid = VoxelGrid((1.0, 1.0, 1.0), (5, 0, 3), (100, 100, 100), chunk)
    given_voxels = np.array(voxels, dtype=np.int64).reshape(-1, 3)
    groups = [group.tolist() for group in grid.by_file(given_voxels)]
    assert sorted(row for group in groups for row in group) == list(range(len(voxels)))
    files = [{tuple((given_voxels[row] - [5, 0, 3]) // chunk) for row in group} for group in groups]
    assert all(len(file) == 1 for file in files)
    assert [next(iter(file)) for file in files] == sorted({next(iter(file)) for file in files})


@pytest.mark.parametrize(
    "change",
    [
        {"resolution": [16, 16]},
        {"resolution": ["a", 16, 42]},
        {"resolution": [0, 16, 42]},
        {"voxel_offset": None},
        {"size": [10, 10, -1]},
        {"chunk_sizes": []},
        {"chunk_sizes": [[0, 64, 64]]},
    ],
)
def test_an_info_that_describes_no_grid(change: dict[str, Any]) -> None:
    """An info that lacks a size, or gives one that is none, is refused with the scale it is about."""
    scale = {
        "resolution": [16, 16, 42],
        "voxel_offset": [0, 0, 0],
        "size": [9, 9, 9],
        "chunk_sizes": [[4, 4, 4]],
    }
    assert VoxelGrid.of({"scales": [scale]}, 0).size == (9, 9, 9)
    with pytest.raises(BadResponse, match="its scale 0"):
        VoxelGrid.of({"scales": [scale | change]}, 0)
    with pytest.raises(BadResponse, match="its scale 1"):
        VoxelGrid.of({"scales": [scale]}, 1)
