"""The segmentation's voxels: the supervoxel that each lies in, drawn box by box from the generated shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from crantdb.sandbox.brain import IMAGERY_NM, NUCLEI_NM

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crantdb.sandbox.chunks import Grid, Pieces


class Voxels:
    """Which supervoxel each voxel of a segmentation lies in; 0, the background, where none does.

    A voxel whose middle is within a node's radius is the nearest such node's. The voxels in which points of
    tables stand are those of the points' own nodes, whatever lies nearer; where two meet in one voxel, it is
    the smaller supervoxel's.

    Args:
        pieces: the shapes.
        grid: the segmentation's grid.
    """

    def __init__(self, pieces: Pieces, grid: Grid) -> None:
        self._pieces = pieces
        self._voxel_nm = np.array(grid.voxel_nm, dtype=np.float64)
        self._tree = cKDTree(pieces.node_xyz_nm)
        self._reach = float(pieces.node_radius_nm.max())
        self._point, self._point_id = _points(pieces, self._voxel_nm)

    def box(self, low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Return the supervoxels of the voxels from one corner up to, not including, another; shape high - low."""
        labels = np.zeros(high - low, dtype=np.uint64)
        nearest = np.full(labels.shape, np.inf)
        for node in self._near(low, high):
            self._draw(int(node), low, labels, nearest)
        first, last = np.searchsorted(self._point[:, 0], [low[0], high[0]])
        spots = self._point[first:last]
        inside = ((spots >= low) & (spots < high)).all(axis=1)
        labels[tuple((spots[inside] - low).T)] = self._point_id[first:last][inside]
        return labels

    def _near(self, low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the nodes whose balls reach into a box."""
        corner, end = low * self._voxel_nm, high * self._voxel_nm
        around = self._reach + float(np.linalg.norm(end - corner)) / 2
        nodes = np.array(sorted(self._tree.query_ball_point((corner + end) / 2, around)), dtype=np.int64)
        xyz = self._pieces.node_xyz_nm[nodes]
        away = np.linalg.norm(xyz - np.clip(xyz, corner, end), axis=1)
        return np.asarray(nodes[away <= self._pieces.node_radius_nm[nodes]], dtype=np.int64)

    def _draw(
        self, node: int, low: NDArray[np.int64], labels: NDArray[np.uint64], nearest: NDArray[np.float64]
    ) -> None:
        """Draw a node's ball into a box, where no other node is nearer."""
        xyz, radius = self._pieces.node_xyz_nm[node], self._pieces.node_radius_nm[node]
        begin = np.maximum(np.floor((xyz - radius) / self._voxel_nm).astype(np.int64) - low, 0)
        end = np.minimum(np.floor((xyz + radius) / self._voxel_nm).astype(np.int64) + 1 - low, labels.shape)
        ball = tuple(slice(int(a), int(b)) for a, b in zip(begin, end, strict=True))
        squares = [
            ((np.arange(a, b) + low[axis] + 0.5) * self._voxel_nm[axis] - xyz[axis]) ** 2
            for axis, (a, b) in enumerate(zip(begin, end, strict=True))
        ]
        away = squares[0][:, None, None] + squares[1][None, :, None] + squares[2][None, None, :]
        own = (away <= radius**2) & (away < nearest[ball])
        nearest[ball][own] = away[own]
        labels[ball][own] = self._pieces.node_supervoxel[node]


def _points(pieces: Pieces, voxel_nm: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return each voxel in which a table may have a point, by x, and its supervoxel.

    Tables round nodes to whole voxels of their own, of two sizes; the imagery's, which most have, come first.
    """
    sizes = (IMAGERY_NM, NUCLEI_NM)
    rounded = [np.round(pieces.node_xyz_nm / size) * size for size in sizes]
    voxel = np.floor(np.concatenate(rounded) / voxel_nm).astype(np.int64)
    ids = np.tile(pieces.node_supervoxel, len(sizes))
    rank = np.repeat(np.arange(len(sizes)), len(pieces.node_supervoxel))
    order = np.lexsort((ids, rank, voxel[:, 2], voxel[:, 1], voxel[:, 0]))
    ordered = voxel[order]
    new = np.r_[True, (ordered[1:] != ordered[:-1]).any(axis=1)]
    return ordered[new], ids[order][new].astype(np.uint64)
