"""Voxels and nanometres: one module converts, and SQL converts alike."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crantdb.assets import sql_texts
from crantdb.space import VoxelSize

CRANTB = VoxelSize(8, 8, 42)


@given(st.lists(st.tuples(*[st.integers(0, 2**31 - 1)] * 3), min_size=1))
def test_a_voxel_comes_back_exactly(voxels: list[tuple[int, int, int]]) -> None:
    """Voxels of any int32 position to nm and back are the same voxels, to the last bit."""
    assert CRANTB.to_voxels(CRANTB.to_nm(voxels)).tolist() == [list(map(float, voxel)) for voxel in voxels]


def test_each_axis_has_its_own_size() -> None:
    """x, y and z are multiplied each by its own size, for one position and for many."""
    assert CRANTB.to_nm([1, 2, 3]).tolist() == [8.0, 16.0, 126.0]
    assert CRANTB.to_nm(np.ones((2, 3))).tolist() == [[8.0, 8.0, 42.0]] * 2


@settings(max_examples=30)
@given(st.integers(0, 2**31 - 1), st.sampled_from([4.0, 8.0, 16.5, 42.0]))
def test_sql_converts_as_python_does(voxel: int, size: float) -> None:
    """voxel_to_nm gives what `to_nm` gives, and nm_to_voxel finds the voxel again."""
    texts = sql_texts("sql", "functions")
    with duckdb.connect(":memory:") as con:
        con.execute(texts["voxel_to_nm"] + texts["nm_to_voxel"])
        query = "SELECT voxel_to_nm(?, ?) AS nm, nm_to_voxel(voxel_to_nm(?, ?), ?)"
        [(nm, back)] = con.execute(query, [voxel, size, voxel, size, size]).fetchall()
    assert nm == VoxelSize(size, size, size).to_nm([voxel] * 3)[0]
    assert back == voxel


@pytest.mark.parametrize(("nm", "voxel"), [(41.9, 0), (42, 1), (-0.1, -1), (None, None)])
def test_sql_rounds_down_to_the_voxel_a_point_lies_in(nm: float | None, voxel: int | None) -> None:
    """A point inside a voxel belongs to it, below zero too; NULL stays NULL."""
    with duckdb.connect(":memory:") as con:
        con.execute(sql_texts("sql", "functions")["nm_to_voxel"])
        assert con.execute("SELECT nm_to_voxel(?, 42)", [nm]).fetchall() == [(voxel,)]
