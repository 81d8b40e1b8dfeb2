"""What the L2 cache knows of the generated pieces: size, area, radius, representative point, axes.

A piece's voxels never change, so all of it is a function of the piece, whatever L2 id edits give it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crantdb.sandbox.chunks import Grid, Pieces

PCA_FROM_NM3 = 1e7
"""The real cache computes no axes of smaller pieces (0.01 µm³)."""

_MOST_DT = np.iinfo(np.uint16).max


@dataclass(frozen=True, slots=True)
class PieceAttributes:
    """The attributes of all pieces, in the piece's order.

    Attributes:
        rep_coord_nm: a point inside the piece and its chunk, on the voxel lattice, shape (p, 3).
        size_nm3: volume, a whole number of voxels.
        area_nm2: surface.
        max_dt_nm: the largest inner radius.
        mean_dt_nm: the mean distance to the boundary, as float16 holds it; NaN in a few.
        pca: principal axes as rows, as float16 holds them, shape (p, 3, 3).
        pca_val: their singular values, as float32 holds them, shape (p, 3).
        has_pca: whether the cache has axes of the piece.
        intersects: voxels on the low and on the high faces of the chunk, shape (p, 2, 3).
    """

    rep_coord_nm: NDArray[np.float64]
    size_nm3: NDArray[np.int64]
    area_nm2: NDArray[np.int64]
    max_dt_nm: NDArray[np.int64]
    mean_dt_nm: NDArray[np.float64]
    pca: NDArray[np.float64]
    pca_val: NDArray[np.float64]
    has_pca: NDArray[np.bool_]
    intersects: NDArray[np.int64]

    def of(self, piece: int) -> dict[str, Any]:
        """Return a piece's attributes by the names and in the order in which the cache serves them."""
        served: dict[str, Any] = {
            "area_nm2": int(self.area_nm2[piece]),
            "chunk_intersect_count": self.intersects[piece].tolist(),
            "max_dt_nm": int(self.max_dt_nm[piece]),
            "mean_dt_nm": float(self.mean_dt_nm[piece]),
        }
        if self.has_pca[piece]:
            served |= {"pca": self.pca[piece].tolist(), "pca_val": self.pca_val[piece].tolist()}
        tail = {"rep_coord_nm": self.rep_coord_nm[piece].tolist(), "size_nm3": int(self.size_nm3[piece])}
        return served | tail


def measure(pieces: Pieces, grid: Grid) -> PieceAttributes:
    """Return the attributes of all pieces of shapes cut along a grid."""
    voxel = np.multiply(grid.voxel_nm, 1.0)
    piece, count = pieces.node_piece, len(pieces.piece_l2)
    radius, length = pieces.node_radius_nm, _lengths(pieces)
    ball = 4 / 3 * radius**3 * (length == 0)
    volume = _total(piece, np.pi * (radius**2 * length + ball), count)
    voxels = np.maximum(np.round(volume / voxel.prod()), 1)
    axes, values = _axes(pieces, count)
    biggest = np.zeros(count)
    np.maximum.at(biggest, piece, radius)
    mean = (_total(piece, radius, count) / np.bincount(piece, minlength=count) / 2).astype(np.float16)
    mean[np.arange(count) % 211 == 7] = np.nan
    return PieceAttributes(
        rep_coord_nm=_representative(pieces, voxel, count),
        size_nm3=(voxels * voxel.prod()).astype(np.int64),
        area_nm2=np.maximum(
            _total(piece, 2 * np.pi * radius * np.maximum(length, 2 * radius), count), 1
        ).astype(np.int64),
        max_dt_nm=np.clip(np.round(biggest), 1, _MOST_DT).astype(np.int64),
        mean_dt_nm=mean.astype(np.float64),
        pca=axes.astype(np.float16).astype(np.float64),
        pca_val=values.astype(np.float32).astype(np.float64),
        has_pca=voxels * voxel.prod() >= PCA_FROM_NM3,
        intersects=_intersects(pieces, voxel, count),
    )


def _total(piece: NDArray[np.int64], values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return the sum of the nodes' values in each piece."""
    return np.asarray(np.bincount(piece, weights=values, minlength=count), dtype=np.float64)


def _lengths(pieces: Pieces) -> NDArray[np.float64]:
    """Return the distance of each node to its parent, 0 for a root."""
    parent = np.maximum(pieces.node_parent, 0)
    away = np.linalg.norm(pieces.node_xyz_nm - pieces.node_xyz_nm[parent], axis=1)
    return np.where(pieces.node_parent < 0, 0.0, away)


def _means(pieces: Pieces, count: int) -> NDArray[np.float64]:
    """Return the mean position of each piece's nodes, shape (p, 3)."""
    nodes = np.bincount(pieces.node_piece, minlength=count)
    sums = [_total(pieces.node_piece, pieces.node_xyz_nm[:, axis], count) for axis in range(3)]
    return np.stack(sums, axis=1) / nodes[:, None]


def _representative(pieces: Pieces, voxel: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return the node nearest each piece's mean, put on the corner of its voxel: inside its own chunk."""
    away = np.linalg.norm(pieces.node_xyz_nm - _means(pieces, count)[pieces.node_piece], axis=1)
    order = np.lexsort((np.arange(len(away)), away, pieces.node_piece))
    _, first = np.unique(pieces.node_piece[order], return_index=True)
    return np.asarray(np.floor(pieces.node_xyz_nm[order[first]] / voxel) * voxel)


def _axes(pieces: Pieces, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the principal axes of each piece's nodes, as rows with the longest first, and their singular values."""
    centred = pieces.node_xyz_nm - _means(pieces, count)[pieces.node_piece]
    # A thickness of the neurite's own, so that a straight piece has three axes too.
    spread = np.zeros((count, 3, 3))
    for i in range(3):
        for j in range(3):
            spread[:, i, j] = _total(pieces.node_piece, centred[:, i] * centred[:, j], count)
        spread[:, i, i] += 100.0 * (3 - i)
    values, vectors = np.linalg.eigh(spread)
    axes = np.swapaxes(vectors, 1, 2)[:, ::-1]
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=2)[..., None], axis=2)
    return axes * np.sign(largest), np.sqrt(np.maximum(values[:, ::-1], 0))


def _intersects(pieces: Pieces, voxel: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Return the voxels of each piece on the low and the high faces of its chunk, x, y, z; shape (p, 2, 3)."""
    out = np.zeros((count, 2, 3), dtype=np.int64)
    crossing = np.flatnonzero(pieces.node_parent >= 0)
    crossing = crossing[pieces.node_piece[crossing] != pieces.node_piece[pieces.node_parent[crossing]]]
    here = pieces.node_piece[crossing]
    there = pieces.node_piece[pieces.node_parent[crossing]]
    step = np.sign(pieces.piece_chunk[there] - pieces.piece_chunk[here])
    face = np.array([voxel[1] * voxel[2], voxel[0] * voxel[2], voxel[0] * voxel[1]])
    section = np.pi * pieces.node_radius_nm[crossing] ** 2
    for axis in range(3):
        voxels = np.maximum(np.round(section / face[axis]), 1).astype(np.int64)
        up = step[:, axis]
        for side, sign in ((0, -1), (1, 1)):
            np.add.at(out, (here[up == sign], side, axis), voxels[up == sign])
            np.add.at(out, (there[up == -sign], side, axis), voxels[up == -sign])
    return np.minimum(out, _MOST_DT)
