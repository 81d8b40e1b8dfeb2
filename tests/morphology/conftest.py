"""The real neuron, navis' example neurons, and the grids on which they are cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest

from crantdb.ids import BitLayout
from crantdb.morphology.chunkgrid import ChunkGrid
from crantdb.sandbox.morphology import Skeleton as Shape
from crantdb.sandbox.morphology import example_skeletons

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LAYOUT = BitLayout(8, {1: 10, 2: 10, 3: 5, 4: 4, 5: 3, 6: 2, 7: 1, 8: 1})
CRANTB = ChunkGrid(LAYOUT, (16_384.0, 16_384.0, 0.0), (8192.0, 8192.0, 10_752.0))
MINNIE = ChunkGrid(
    BitLayout(8, {1: 10, 2: 10}), (211_080.0, 242_464.0, 594_000.0), (2048.0, 2048.0, 20_480.0)
)
SOMA_NM = (709_632.0, 631_872.0, 840_080.0)
"""The soma of the real neuron."""
ROOT_ID = 864691136040432126


@dataclass(frozen=True)
class Side:
    """Synapses of the real neuron, seen from it, with the L2 ids that the server knows."""

    ids: NDArray[np.int64]
    xyz_nm: NDArray[np.float64]
    supervoxels: NDArray[np.int64]
    l2_ids: NDArray[np.int64]


@dataclass(frozen=True)
class RealNeuron:
    """A MICrONS neuron's L2 graph and synapses."""

    edges: NDArray[np.int64]
    ids: NDArray[np.int64]
    xyz: NDArray[np.float64]
    pre: Side
    post: Side


def _columns(path: Path, names: list[str]) -> NDArray[np.int64]:
    table = pq.read_table(path)
    return np.stack([table[name].to_numpy() for name in names], axis=1)


def _side(folder: Path, side: str) -> Side:
    path = folder / f"{side}_synapses.parquet"
    columns = _columns(path, ["id", f"{side}_pt_supervoxel_id", f"{side}_pt_level2_id"])
    voxels = _columns(path, [f"{side}_pt_position_{axis}" for axis in "xyz"])
    return Side(columns[:, 0], voxels * np.array([4.0, 4.0, 40.0]), columns[:, 1], columns[:, 2])


@pytest.fixture(scope="session")
def real(shared: Path) -> RealNeuron:
    """Return the real neuron."""
    folder = shared / "data" / "microns_l2_neuron"
    ids = _columns(folder / "l2_attributes.parquet", ["l2_id"])[:, 0]
    xyz = _columns(folder / "l2_attributes.parquet", [f"rep_coord_nm_{axis}" for axis in "xyz"])
    edges = _columns(folder / "l2_edges.parquet", ["l2_id_a", "l2_id_b"])
    return RealNeuron(edges, ids, xyz, _side(folder, "pre"), _side(folder, "post"))


@pytest.fixture(scope="session")
def shapes() -> tuple[Shape, ...]:
    """Return navis' example neurons, in nm, moved into the grid."""
    return tuple(
        Shape(shape.xyz_nm - shape.xyz_nm.min(axis=0) + 100_000.0, shape.radius_nm, shape.parent, shape.soma)
        for shape in example_skeletons()
    )
