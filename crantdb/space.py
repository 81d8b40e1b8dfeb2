"""Voxel ↔ nanometre. The only module that converts; everywhere else the unit stands in the name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class VoxelSize:
    """The size of a voxel in nm, e.g. ``VoxelSize(8, 8, 42)`` for CRANTb's imagery."""

    x: float
    y: float
    z: float

    def to_nm(self, voxels: ArrayLike) -> NDArray[np.float64]:
        """Return positions in nm of positions in voxels, shape (n, 3)."""
        return np.asarray(voxels, dtype=np.float64) * self.as_array()

    def to_voxels(self, positions_nm: ArrayLike) -> NDArray[np.float64]:
        """Return positions in voxels (not rounded) of positions in nm, shape (n, 3)."""
        return np.asarray(positions_nm, dtype=np.float64) / self.as_array()

    def as_array(self) -> NDArray[np.float64]:
        """Return the three sizes, shape (3,)."""
        return np.array([self.x, self.y, self.z], dtype=np.float64)
