"""The voxels of a segmentation and the files that hold them: which a position falls into. Arithmetic only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crantdb.errors import BadResponse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

Triple = tuple[int, int, int]

_NEAR = 1e-6
"""A position so near to where a voxel begins, in voxels, lies in it: products of decimal sizes are not exact."""


@dataclass(frozen=True, slots=True)
class VoxelGrid:
    """One scale of a segmentation in the precomputed format.

    Voxel (0, 0, 0) begins at 0 nm in every layer. The layer's ``voxel_offset`` says where its data and its files
    begin, and moves no voxel; nor does ``chunks_start_at_voxel_offset``, which is about the chunks in a
    chunkedgraph's ids.

    Attributes:
        voxel_nm: the size of a voxel.
        first: the first voxel of the data.
        size: voxels of the data along x, y and z.
        file_chunk: voxels of a file.
    """

    voxel_nm: tuple[float, float, float]
    first: Triple
    size: Triple
    file_chunk: Triple

    @classmethod
    def of(cls, info: Mapping[str, Any], mip: int) -> VoxelGrid:
        """Return the grid of a scale of a layer's info.

        Raises:
            BadResponse: when the info does not describe it.
        """
        try:
            scale = info["scales"][mip]
            x, y, z = (float(size) for size in scale["resolution"])
            first, size, chunk = (
                _triple(scale[name]) if name != "chunk_sizes" else _triple(scale[name][0])
                for name in ("voxel_offset", "size", "chunk_sizes")
            )
        except (KeyError, IndexError, TypeError, ValueError) as error:
            msg = (
                f"the segmentation's info does not describe its scale {mip} ({type(error).__name__}: {error})"
            )
            raise BadResponse(msg) from error
        if min(x, y, z, *chunk, *size) <= 0:
            msg = f"the segmentation's info gives its scale {mip} sizes that are not above 0"
            raise BadResponse(msg)
        return cls((x, y, z), first, size, chunk)

    def place(self, positions_nm: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Return which positions lie in the data, and their voxels.

        Args:
            positions_nm: x, y, z in nm, shape (n, 3). NaN and infinity lie nowhere.

        Returns:
            Whether each lies in the data, shape (n,), and the voxels of all, shape (n, 3), 0 for those that do not.
        """
        there: NDArray[np.bool_] = np.asarray(np.isfinite(positions_nm).all(axis=1))
        exact = np.where(there[:, None], positions_nm, 0.0) / np.array(self.voxel_nm)
        whole = np.rint(exact)
        begins = np.where(np.abs(exact - whole) < _NEAR, whole, np.floor(exact))
        end = np.add(self.first, self.size)
        there &= ((begins >= self.first) & (begins < end)).all(axis=1)
        return there, np.where(there[:, None], begins, 0.0).astype(np.int64)

    def by_file(self, voxels: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """Yield the row numbers of voxels, those of one file together, files in the order of x, y, z."""
        if not len(voxels):
            return
        chunk = (voxels - np.array(self.first)) // np.array(self.file_chunk)
        order = np.lexsort((chunk[:, 2], chunk[:, 1], chunk[:, 0]))
        ordered = chunk[order]
        new = np.flatnonzero((ordered[1:] != ordered[:-1]).any(axis=1)) + 1
        yield from np.split(order, new)


def _triple(values: Any) -> Triple:  # noqa: ANN401 - JSON is anything
    """Return three whole numbers."""
    x, y, z = (int(value) for value in values)
    return x, y, z
