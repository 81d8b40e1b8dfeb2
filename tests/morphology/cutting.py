"""Known trees cut into L2 ids along a grid of chunks: exactly at its planes, or as voxels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crantdb.morphology.chunkgrid import ChunkGrid
    from crantdb.sandbox.morphology import Skeleton as Shape


@dataclass(frozen=True)
class Cut:
    """A neuron in pieces, one L2 id each.

    Attributes:
        ids: L2 ids, in no order.
        xyz: a point of each piece, inside its chunk, whole nm.
        edges: pieces that touch.
        parent: for each piece the id of the piece above it, 0 for the root; empty where it is not known.
        size: nodes or voxels of each piece.
    """

    ids: NDArray[np.int64]
    xyz: NDArray[np.float64]
    edges: NDArray[np.int64]
    parent: NDArray[np.int64]
    size: NDArray[np.int64]


def _chunks(xyz: NDArray[np.float64], grid: ChunkGrid) -> NDArray[np.int64]:
    return np.floor((xyz - np.array(grid.origin_nm)) / np.array(grid.chunk_nm)).astype(np.int64)


def _numbered(chunk: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a number for each row, counted from 1 among equal rows."""
    order = np.lexsort(chunk.T)
    new = np.r_[True, (chunk[order][1:] != chunk[order][:-1]).any(axis=1)]
    out = np.empty(len(chunk), dtype=np.int64)
    out[order] = np.arange(len(chunk)) - np.flatnonzero(new)[np.cumsum(new) - 1] + 1
    return out


def _split_at_planes(shape: Shape, grid: ChunkGrid) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the tree with a node in every chunk that a link passes through: positions and parents."""
    xyz, parent = list(shape.xyz_nm), shape.parent.copy().tolist()
    origin, size = np.array(grid.origin_nm), np.array(grid.chunk_nm)
    for node in np.flatnonzero(shape.parent >= 0).tolist():
        start, end = shape.xyz_nm[shape.parent[node]], shape.xyz_nm[node]
        crossings: list[float] = []
        for axis in range(3):
            low, high = sorted(((start[axis], end[axis]) - origin[axis]) / size[axis])
            planes = np.arange(np.floor(low) + 1, np.floor(high) + 1) * size[axis] + origin[axis]
            crossings += ((planes - start[axis]) / (end[axis] - start[axis])).tolist()
        at = np.array([0.0, *sorted(crossings), 1.0])
        above = int(shape.parent[node])
        for middle in ((at[1:] + at[:-1]) / 2)[1:-1].tolist():
            xyz.append(start + middle * (end - start))
            parent.append(above)
            above = len(xyz) - 1
        parent[node] = above
    return np.array(xyz), np.array(parent)


def cut_exactly(shape: Shape, grid: ChunkGrid) -> Cut:
    """Return a tree cut at the planes between chunks: a piece is what is connected inside one chunk, a tree again."""
    xyz, parent = _split_at_planes(shape, grid)
    chunk = _chunks(xyz, grid)
    same = (parent >= 0) & (chunk == chunk[parent]).all(axis=1)
    head = np.where(same, parent, np.arange(len(parent)))
    while not np.array_equal(head[head], head):
        head = head[head]
    first, piece = np.unique(head, return_inverse=True)
    ids = grid.layout.make(2, chunk[first], _numbered(chunk[first]))
    crossing = np.flatnonzero((parent >= 0) & (piece != piece[parent]))
    above = np.zeros(len(ids), dtype=np.int64)
    above[piece[crossing]] = ids[piece[parent[crossing]]]
    edges = np.stack([ids[piece[crossing]], ids[piece[parent[crossing]]]], axis=1)
    return Cut(ids, grid.inside(xyz[first], ids), edges, above, np.bincount(piece))


def cut_as_voxels(shape: Shape, grid: ChunkGrid, voxel_nm: float) -> Cut:
    """Return a tree's volume in voxels, cut along the grid; pieces are voxels joined by faces inside a chunk.

    A neurite that runs along a plane leaves slivers on its other side, and pieces that touch in circles.
    """
    filled = np.unique(_filled(shape, voxel_nm), axis=0)
    key = (filled[:, 0] << 40) | (filled[:, 1] << 20) | filled[:, 2]
    centre = (filled + 0.5) * voxel_nm
    chunk = _chunks(centre, grid)
    pairs = []
    for step in (1 << 40, 1 << 20, 1):
        at = np.searchsorted(key, key + step)
        hit = np.flatnonzero(key.take(at, mode="clip") == key + step)
        pairs.append(np.stack([hit, at[hit]], axis=1))
    touching = np.concatenate(pairs)
    inside = (chunk[touching[:, 0]] == chunk[touching[:, 1]]).all(axis=1)
    joined = touching[inside]
    matrix = coo_array((np.ones(len(joined)), joined.T), shape=(len(key), len(key)))
    count, piece = connected_components(matrix, directed=False)
    first = np.unique(piece, return_index=True)[1]
    ids = grid.layout.make(2, chunk[first], _numbered(chunk[first]))
    size = np.bincount(piece, minlength=count)
    mean = (
        np.stack([np.bincount(piece, weights=centre[:, axis]) for axis in range(3)], axis=1) / size[:, None]
    )
    across = np.unique(np.sort(piece[touching[~inside]], axis=1), axis=0)
    return Cut(ids, grid.inside(mean, ids), ids[across], np.empty(0, dtype=np.int64), size)


def _filled(shape: Shape, voxel_nm: float) -> NDArray[np.int64]:
    """Return the voxels near a tree's links, as whole coordinates, with repetitions."""
    child = np.flatnonzero(shape.parent >= 0)
    start, end = shape.xyz_nm[shape.parent[child]], shape.xyz_nm[child]
    steps = np.ceil(np.sqrt(((end - start) ** 2).sum(axis=1)) / voxel_nm).astype(np.int64) + 1
    along = (np.arange(steps.sum()) - np.repeat(np.cumsum(steps) - steps, steps)) / np.repeat(steps, steps)
    points = np.repeat(start, steps, axis=0) + along[:, None] * np.repeat(end - start, steps, axis=0)
    radius = np.clip(np.repeat(shape.radius_nm[child], steps) / voxel_nm, 1.0, 12.0)
    out = []
    for whole in np.unique(np.ceil(radius)):
        span = np.arange(-int(whole), int(whole) + 1)
        ball = np.stack(np.meshgrid(span, span, span), axis=-1).reshape(-1, 3)
        ball = ball[(ball**2).sum(axis=1) <= whole**2]
        centres = np.unique(np.floor(points[np.ceil(radius) == whole] / voxel_nm).astype(np.int64), axis=0)
        out.append((centres[:, None] + ball[None]).reshape(-1, 3))
    return np.concatenate(out)
