"""Where the chunk of an L2 id lies, from the chunkedgraph's info."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crantdb.ids import BitLayout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

SUPERVOXEL_LAYER = 1
L2_LAYER = 2


@dataclass(frozen=True, slots=True)
class ChunkGrid:
    """A chunkedgraph's grid of chunks.

    Attributes:
        layout: how ids are packed.
        origin_nm: the lower corner of chunk (0, 0, 0), x, y, z.
        chunk_nm: the size of a chunk, x, y, z.
    """

    layout: BitLayout
    origin_nm: tuple[float, float, float]
    chunk_nm: tuple[float, float, float]

    @classmethod
    def from_info(cls, info: Mapping[str, Any]) -> ChunkGrid:
        """Read the grid from a chunkedgraph's info (the JSON of ``/segmentation/table/<name>/info``).

        The size of a voxel is that of the scale on which the graph was built (``graph.cv_mip``, default 0); the
        first voxel counts where ``chunks_start_at_voxel_offset`` is true (the default: chunkedgraphs write it so).

        Raises:
            KeyError: when the info lacks ``graph`` or ``scales``.
        """
        graph = info["graph"]
        scale = info["scales"][int(graph.get("cv_mip", 0))]
        voxel = [float(size) for size in scale["resolution"]]
        counts = info.get("chunks_start_at_voxel_offset", True)
        offset = scale["voxel_offset"] if counts else (0, 0, 0)
        ox, oy, oz = (float(at) * size for at, size in zip(offset, voxel, strict=True))
        cx, cy, cz = (float(at) * size for at, size in zip(graph["chunk_size"], voxel, strict=True))
        return cls(BitLayout.from_info(info), (ox, oy, oz), (cx, cy, cz))

    def lower_nm(self, l2_ids: ArrayLike) -> NDArray[np.float64]:
        """Return the lower corner of each L2 id's chunk in nm, shape (n, 3)."""
        chunk = self.layout.chunk(l2_ids, L2_LAYER).astype(np.float64)
        lower: NDArray[np.float64] = chunk * np.array(self.chunk_nm) + np.array(self.origin_nm)
        return lower

    def bounds_nm(self, l2_ids: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the least and the greatest whole nm inside each L2 id's chunk, (n, 3) and (n, 3)."""
        lower = self.lower_nm(l2_ids)
        return np.ceil(lower), np.ceil(lower + np.array(self.chunk_nm)) - 1

    def inside(self, points_nm: NDArray[np.float64], l2_ids: ArrayLike) -> NDArray[np.float64]:
        """Return the points in whole nm, each moved into the chunk of its L2 id if it lay outside; shape (n, 3)."""
        return np.clip(np.rint(points_nm), *self.bounds_nm(l2_ids))

    def keys(self, ids: ArrayLike, layer: int) -> NDArray[np.int64]:
        """Return one number per chunk for ids of a layer, equal for a supervoxel and the L2 id around it; (n,)."""
        chunk = self.layout.chunk(ids, layer)
        return (chunk[:, 0] << 42) | (chunk[:, 1] << 21) | chunk[:, 2]
