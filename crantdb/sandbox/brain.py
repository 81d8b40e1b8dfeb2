"""The generated brain as annotations see it: nodes to put points on, with their supervoxels and roots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crantdb.sandbox.annotations import Points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from crantdb.sandbox.chunks import Pieces
    from crantdb.sandbox.history import History
    from crantdb.sandbox.morphology import Skeleton

IMAGERY_NM = np.array([8.0, 8.0, 42.0])
NUCLEI_NM = np.array([16.0, 16.0, 42.0])


@dataclass(frozen=True, slots=True)
class Brain:
    """What tables are made from.

    Attributes:
        pieces: the shapes, cut.
        shapes: the neurons and twigs themselves.
        neurons: how many of the shapes are neurons.
        history: the edits.
    """

    pieces: Pieces
    shapes: Sequence[Skeleton]
    neurons: int
    history: History

    def points(self, nodes: NDArray[np.int64], voxel_nm: NDArray[np.float64]) -> Points:
        """Return nodes as points bound to their supervoxels."""
        voxels = np.round(self.pieces.node_xyz_nm[nodes] / voxel_nm).astype(np.int64)
        return Points(voxels, self.pieces.node_supervoxel[nodes])

    def roots(self, nodes: NDArray[np.int64], at_us: int) -> NDArray[np.int64]:
        """Return the root id at each node at a moment."""
        return self.history.roots_at(self.pieces.node_supervoxel[nodes], at_us)

    def somata(self) -> NDArray[np.int64]:
        """Return the node of each neuron's soma, its root where it has none."""
        lengths = [len(shape.parent) for shape in self.shapes[: self.neurons]]
        starts = np.cumsum([0, *lengths[:-1]])
        inside = [
            int(np.flatnonzero(s.parent < 0)[0]) if s.soma is None else s.soma
            for s in self.shapes[: self.neurons]
        ]
        return np.asarray(starts + np.array(inside), dtype=np.int64)

    def neuron_nodes(self) -> int:
        """Return how many nodes the neurons have; they come before those of the twigs."""
        return sum(len(shape.parent) for shape in self.shapes[: self.neurons])


def dirty(points: Points, rng: np.random.Generator) -> Points:
    """Return bound points of which some lie outside of the segmentation and some are not looked up yet."""
    dice = rng.random(len(points.voxels))
    bound = np.zeros(len(dice), dtype=np.int64) if points.supervoxel is None else points.supervoxel
    pending = (dice >= 0.003) & (dice < 0.007)
    return Points(points.voxels, np.where(dice < 0.003, 0, bound), is_pending=pending)
