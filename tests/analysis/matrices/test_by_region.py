"""Matrices by region, of synapses in a frame: by meshes, by a table, by a column."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from crantdb.analysis.matrices.directed import DirectedNestedMatrix
from crantdb.analysis.matrices.nested import NestedMatrix
from crantdb.errors import BadArgument
from crantdb.morphology.regions import Region, Regions
from tests.analysis.matrices.frames import ROOT, annotated, synapses
from tests.morphology.shapes import box

ANNOTATED = annotated([(1, "A"), (2, "B"), (3, "B")])
PAIRS = [(1, 2), (1, 2), (1, 3), (2, 3), (3, 1)]
PLACES = [[5, 5, 5], [15, 5, 5], [25, 5, 5], [15, 5, 5], [99, 0, 0]]
MESHES = Regions(
    [Region("left", (box((0, 0, 0), (20, 10, 10)),)), Region("right", (box((10, 0, 0), (30, 10, 10)),))]
)
WANTED = {"left": {(1, 2): 2, (2, 3): 1}, "right": {(1, 2): 1, (1, 3): 1, (2, 3): 1}, "other": {(3, 1): 1}}
"""The synapses at 15 lie in both boxes, the one at 99 in none."""


def counts(matrices: dict[str, NestedMatrix]) -> dict[str, dict[tuple[int, int], float]]:
    """Return the weights of each region's matrix, by numbers without ROOT."""
    return {
        name: {(pre - ROOT, post - ROOT): weight for pre, post, weight in matrix.edges().rows()}
        for name, matrix in matrices.items()
    }


def test_by_meshes_by_table_and_by_column() -> None:
    """A synapse counts in every region that holds it, in `other` when none does; all three ways agree."""
    rows = synapses(PAIRS, ctr_pt_position=PLACES)
    by_mesh = NestedMatrix.from_synapses_by_neuropil(rows, ANNOTATED, MESHES, weight_mode="count")
    assert list(by_mesh) == ["left", "right", "other"]
    assert counts(by_mesh) == WANTED
    table = pl.DataFrame(
        {
            "synapse_id": [1, 2, 2, 3, 4, 4, 5],
            "region": ["left", "left", "right", "right", "left", "right", "other"],
        }
    )
    assert (
        counts(NestedMatrix.from_synapses_by_neuropil(rows, ANNOTATED, table, weight_mode="count")) == WANTED
    )
    named = synapses(PAIRS, where=["left", "left", "right", "right", None])
    found = NestedMatrix.from_synapses_by_neuropil(named, ANNOTATED, "where", weight_mode="count")
    assert counts(found)["other"] == {(3, 1): 1}
    assert counts(found)["left"] == {(1, 2): 2}


def test_positions_in_every_form() -> None:
    """Positions come as [x, y, z], as three columns, in nm or in pixels with their size and offset."""
    arrays = synapses(PAIRS, ctr_pt_position=PLACES)
    split = synapses(
        PAIRS, **{f"ctr_{axis}_nm": [place[i] for place in PLACES] for i, axis in enumerate("xyz")}
    )
    pixels = synapses(
        PAIRS,
        **{
            f"at_{axis}": [place[i] / size - 1 for place in PLACES]
            for i, (axis, size) in enumerate(zip("xyz", (8, 8, 42), strict=True))
        },
    )
    given = {"weight_mode": "count"}
    assert (
        counts(NestedMatrix.from_synapses_by_neuropil(arrays.to_pandas(), ANNOTATED, MESHES, **given))
        == WANTED
    )
    assert counts(NestedMatrix.from_synapses_by_neuropil(split, ANNOTATED, MESHES, **given)) == WANTED
    found = NestedMatrix.from_synapses_by_neuropil(
        pixels,
        ANNOTATED,
        MESHES,
        coordinates="pixels",
        position_column="at",
        voxel_size_nm=(8, 8, 42),
        voxel_offset=(1, 1, 1),
        **given,
    )
    assert counts(found) == WANTED
    with pytest.raises(BadArgument, match="pixels"):
        NestedMatrix.from_synapses_by_neuropil(arrays, ANNOTATED, MESHES, coordinates="pixels")
    with pytest.raises(BadArgument, match="no column"):
        NestedMatrix.from_synapses_by_neuropil(synapses(PAIRS), ANNOTATED, MESHES)


def test_some_regions_alone() -> None:
    """Of some regions alone, `other` is what lies in none of them; it can be left out; a strange name is refused."""
    rows = synapses(PAIRS, ctr_pt_position=PLACES)
    table = pl.DataFrame(
        {
            "synapse_id": [1, 2, 2, 3, 4, 4, 5],
            "region": ["left", "left", "right", "right", "left", "right", "other"],
        }
    )
    wanted = {"right": WANTED["right"], "other": {(1, 2): 1, (3, 1): 1}}
    for regions in (MESHES, table):
        found = NestedMatrix.from_synapses_by_neuropil(
            rows, ANNOTATED, regions, neuropil_names=["right"], weight_mode="count"
        )
        assert counts(found) == wanted
        with pytest.raises(BadArgument, match="gall"):
            NestedMatrix.from_synapses_by_neuropil(rows, ANNOTATED, regions, neuropil_names=["gall"])
    without = NestedMatrix.from_synapses_by_neuropil(rows, ANNOTATED, MESHES, include_other=False)
    assert list(without) == ["left", "right"]


def test_relative_weights_are_relative_within_a_region() -> None:
    """Within each region a source's shares add up to 1; a directed matrix takes its choices along."""
    rows = synapses(PAIRS, ctr_pt_position=PLACES)
    found = NestedMatrix.from_synapses_by_neuropil(rows, ANNOTATED, MESHES)
    assert found.right.matrix[ROOT + 1, ROOT + 2] == 0.5
    assert found.left.matrix[ROOT + 1, ROOT + 2] == 1.0
    directed = DirectedNestedMatrix.from_synapses_by_neuropil(
        rows, ANNOTATED, MESHES, source_types=["A"], weight_mode="count"
    )
    assert np.array_equal(directed.right.array, [[1, 1]])
