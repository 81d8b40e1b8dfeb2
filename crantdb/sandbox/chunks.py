"""The chunk grid of the segmentation, and shapes cut along it into L2 pieces and supervoxels."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from crantdb.ids import BitLayout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from crantdb.sandbox.morphology import Skeleton

Triple = tuple[int, int, int]
_LAYOUT = BitLayout(8, MappingProxyType({1: 10, 2: 10, 3: 5, 4: 4, 5: 3, 6: 2, 7: 1, 8: 1}))


@dataclass(frozen=True, slots=True)
class Grid:
    """A chunkedgraph's grid; the defaults are CRANTb's.

    Attributes:
        voxel_nm: size of a voxel of the segmentation.
        chunk: voxels of a chunk.
        offset: the first voxel.
        volume: voxels of the whole volume.
        layout: how ids are packed.
        layers: the number of layers; the ids of the highest are root ids.
        file_chunk: voxels of a file of the segmentation; small, so that a voxel costs little.
    """

    voxel_nm: Triple = (16, 16, 42)
    chunk: Triple = (512, 512, 256)
    offset: Triple = (1024, 1024, 0)
    volume: Triple = (65_536, 65_536, 16_384)
    layout: BitLayout = _LAYOUT
    layers: int = 8
    file_chunk: Triple = (64, 64, 32)

    @property
    def key(self) -> str:
        """The name of the segmentation's only scale."""
        return "_".join(str(size) for size in self.voxel_nm)

    def chunk_of(self, xyz_nm: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the chunk of each position, shape (n, 3)."""
        size = np.multiply(self.chunk, self.voxel_nm)
        origin = np.multiply(self.offset, self.voxel_nm)
        return np.floor((xyz_nm - origin) / size).astype(np.int64)

    def info(self, data_dir: str) -> dict[str, Any]:
        """Return the chunkedgraph's info, as ``/segmentation/table/<name>/info`` serves it."""
        bits = {str(layer): count for layer, count in self.layout.spatial_bits.items()}
        graph = {
            "bounding_box": list(self.volume),
            "chunk_size": list(self.chunk),
            "cv_mip": 0,
            "n_bits_for_layer_id": self.layout.layer_bits,
            "n_layers": self.layers,
            "spatial_bit_masks": bits,
        }
        meshes = {"mesh": "graphene_meshes", "mesh_dir": "graphene_meshes", "sharded_mesh": True}
        app = {"app": {"supported_api_versions": [0, 1]}, "chunks_start_at_voxel_offset": True}
        return {**app, "data_dir": data_dir, "graph": graph, **meshes, "verify_mesh": False, **self.layer()}

    def layer(self) -> dict[str, Any]:
        """Return the info of the segmentation's files by themselves."""
        scale = {
            "chunk_sizes": [list(self.file_chunk)],
            "compressed_segmentation_block_size": [8, 8, 8],
            "encoding": "compressed_segmentation",
            "key": self.key,
            "resolution": list(self.voxel_nm),
            "size": list(self.volume),
            "voxel_offset": list(self.offset),
        }
        return {"type": "segmentation", "data_type": "uint64", "num_channels": 1, "scales": [scale]}


@dataclass(frozen=True, slots=True)
class Pieces:
    """All shapes cut along the grid. A piece is what one shape has, connected, inside one chunk.

    Attributes:
        node_xyz_nm: positions of all nodes, shape (n, 3).
        node_radius_nm: radius at each node.
        node_parent: index of each node's parent, -1 for a root.
        node_piece: the piece of each node.
        node_supervoxel: the supervoxel id of each node.
        piece_chunk: chunk of each piece, shape (p, 3).
        piece_shape: which skeleton each piece comes from.
        piece_l2: the L2 id of each piece before any edit.
        edges: pairs of pieces that touch, parent's piece second, shape (e, 2).
        supervoxels: all supervoxel ids, ascending.
        supervoxel_piece: the piece of each supervoxel.
    """

    node_xyz_nm: NDArray[np.float64]
    node_radius_nm: NDArray[np.float64]
    node_parent: NDArray[np.int64]
    node_piece: NDArray[np.int64]
    node_supervoxel: NDArray[np.int64]
    piece_chunk: NDArray[np.int64]
    piece_shape: NDArray[np.int64]
    piece_l2: NDArray[np.int64]
    edges: NDArray[np.int64]
    supervoxels: NDArray[np.int64]
    supervoxel_piece: NDArray[np.int64]


def cut(shapes: Sequence[Skeleton], grid: Grid, rng: np.random.Generator) -> Pieces:
    """Return the shapes cut into pieces, each of one to three supervoxels."""
    xyz = np.concatenate([shape.xyz_nm for shape in shapes])
    starts = np.cumsum([0, *(len(shape.parent) for shape in shapes)])
    parent = np.concatenate(
        [np.where(s.parent < 0, -1, s.parent + at) for s, at in zip(shapes, starts, strict=False)]
    )
    chunk = grid.chunk_of(xyz)
    head = _heads(parent, chunk)
    first, piece = np.unique(head, return_inverse=True)
    crossing = np.flatnonzero((parent >= 0) & (piece != piece[parent]))
    supervoxel = _supervoxels(piece, chunk[first], grid, rng)
    ids, where = np.unique(supervoxel, return_index=True)
    return Pieces(
        node_xyz_nm=xyz,
        node_radius_nm=np.concatenate([shape.radius_nm for shape in shapes]),
        node_parent=parent,
        node_piece=piece,
        node_supervoxel=supervoxel,
        piece_chunk=chunk[first],
        piece_shape=np.searchsorted(starts, first, side="right") - 1,
        piece_l2=grid.layout.make(2, chunk[first], _numbers(chunk[first])),
        edges=np.stack([piece[crossing], piece[parent[crossing]]], axis=1),
        supervoxels=ids,
        supervoxel_piece=piece[where],
    )


def _heads(parent: NDArray[np.int64], chunk: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, for each node, the node nearest the root that is connected with it inside its chunk."""
    same = (parent >= 0) & (chunk == chunk[parent]).all(axis=1)
    head = np.where(same, parent, np.arange(len(parent)))
    while True:
        further = head[head]
        if np.array_equal(further, head):
            return head
        head = further


def _supervoxels(
    piece: NDArray[np.int64], chunk: NDArray[np.int64], grid: Grid, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the supervoxel id of each node: a piece's nodes in one to three runs."""
    order = np.argsort(piece, kind="stable")
    sizes = np.bincount(piece)
    rank = np.arange(len(piece)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    wanted = np.minimum(rng.integers(1, 4, len(sizes)), sizes)
    part = np.empty_like(piece)
    part[order] = rank * np.repeat(wanted, sizes) // np.repeat(sizes, sizes)
    unique, inverse = np.unique(piece * 3 + part, return_inverse=True)
    chunks = chunk[unique // 3]
    return grid.layout.make(1, chunks, _numbers(chunks))[inverse]


def _numbers(chunk: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a number for each row, counted from 1 inside each chunk."""
    order = np.lexsort(chunk.T[::-1])
    ordered = chunk[order]
    new = np.r_[True, (ordered[1:] != ordered[:-1]).any(axis=1)]
    start = np.flatnonzero(new)[np.cumsum(new) - 1]
    out = np.empty(len(chunk), dtype=np.int64)
    out[order] = np.arange(len(chunk)) - start + 1
    return out
