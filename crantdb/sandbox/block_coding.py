"""The encoding ``compressed_segmentation`` of neuroglancer's precomputed format, as far as a server needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = (8, 8, 8)
_WIDTHS = (0, 1, 2, 4, 8, 16, 32)
_ALIKE = np.zeros(512, dtype=np.int64)


def encoded(labels: NDArray[np.uint64]) -> bytes:
    """Return labels of one channel, shape (x, y, z), in blocks of 8 x 8 x 8 voxels.

    Each block has a table of its labels and, for each voxel, a number of the table in as few bits as do. A block
    that the volume's end cuts is filled up with the voxels at the end.
    """
    grid = [-(-size // block) for size, block in zip(labels.shape, BLOCK, strict=True)]
    ends = [(0, n * b - s) for n, b, s in zip(grid, BLOCK, labels.shape, strict=True)]
    filled = np.pad(labels, ends, mode="edge").reshape(grid[0], 8, grid[1], 8, grid[2], 8)
    # Blocks, and voxels in a block, are numbered along x first.
    blocks = filled.transpose(4, 2, 0, 5, 3, 1).reshape(-1, 512)
    header = np.zeros((len(blocks), 2), dtype=np.uint32)
    body: list[NDArray[np.uint32]] = []
    tables: dict[bytes, int] = {}
    at = header.size
    plain = (blocks == blocks[:, :1]).all(axis=1)
    for number, block in enumerate(blocks):
        table, index = (block[:1], _ALIKE) if plain[number] else np.unique(block, return_inverse=True)
        width = next(bits for bits in _WIDTHS if len(table) <= 2**bits)
        packed = _packed(index.reshape(-1), width)
        header[number, 1] = at
        body.append(packed)
        at += len(packed)
        raw = table.astype("<u8").tobytes()
        if raw not in tables:
            tables[raw] = at
            body.append(np.frombuffer(raw, dtype="<u4"))
            at += 2 * len(table)
        header[number, 0] = tables[raw] | width << 24
    first = np.array([1], dtype=np.uint32)  # where the one channel begins
    return np.concatenate([first, header.ravel(), *body]).astype("<u4").tobytes()


def _packed(values: NDArray[np.int64], width: int) -> NDArray[np.uint32]:
    """Return numbers of so many bits each in words of 32 bits, the first one lowest."""
    if width == 0:
        return np.empty(0, dtype=np.uint32)
    lanes = values.reshape(-1, 32 // width).astype(np.uint64)
    words = (lanes << (np.arange(32 // width, dtype=np.uint64) * np.uint64(width))).sum(axis=1)
    return np.asarray(words, dtype=np.uint32)
