"""A writer of neuroglancer's multi-resolution meshes as the format's own pages tell, its pieces by the real Draco.

It knows nothing of the reader under test: cells, quantization, manifests and shards are made here anew.
"""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import DracoPy
import numpy as np
import trimesh
from trimesh.intersections import slice_faces_plane

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from crantdb.morphology.regions import Surface

IDENTITY = (1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)


@dataclass(frozen=True, slots=True)
class Written:
    """A segment as it is stored.

    Attributes:
        pieces: the encoded pieces of all resolutions, one behind the other.
        manifest: where they lie.
        points: the corners of the finest pieces as they were written, in stored units, piece after piece.
    """

    pieces: bytes
    manifest: bytes
    points: NDArray[np.float64]


def info(bits: int, transform: Sequence[float] = IDENTITY, **more: object) -> dict[str, Any]:
    """Return the info of a folder of such meshes."""
    told = {"@type": "neuroglancer_multilod_draco", "vertex_quantization_bits": bits}
    return told | {"lod_scale_multiplier": 1.0, "transform": list(transform)} | more


def write(
    of: Surface,
    *,
    bits: int,
    cells: tuple[int, int, int] = (2, 2, 2),
    origin: tuple[float, float, float] = (0, 0, 0),
    offset: tuple[float, float, float] = (0, 0, 0),
) -> Written:
    """Cut a surface at the borders of cells, quantize each part within its cell, and encode all.

    The box from the origin on is cut into so many cells that the surface fits. A cell without a part has an empty
    piece, as some writers leave them. A second, coarser resolution is the surface's box, squeezed into one cell.

    Args:
        of: the surface, in stored units.
        bits: bits of a coordinate within a cell.
        cells: along each axis.
        origin: where the grid begins.
        offset: what the manifest adds to the finest resolution's corners.
    """
    mesh = trimesh.Trimesh(of.vertices, of.faces, process=False)
    start = np.array(origin, float) + offset
    shape = np.ceil((mesh.bounds[1] - start) / np.array(cells))
    cut = _cut(mesh, start, shape)
    positions = sorted(product(*(range(count) for count in cells)), key=_morton)
    # A triangle on a border goes to the cell above it, one at the end of the grid to the last cell.
    home = np.clip(np.floor((cut.triangles_center - start) / shape), 0, np.array(cells) - 1)
    encoded = [
        _piece(_part(cut, (home == place).all(axis=1)), start + shape * place, shape, bits)
        for place in positions
    ]
    pieces = [piece for piece, _ in encoded]
    last, _ = _piece(mesh.bounding_box.to_mesh(), start, shape * 2, bits)
    manifest = np.array([shape, origin], "<f4").tobytes() + struct.pack("<I", 2)
    manifest += np.array([1, 2], "<f4").tobytes() + np.array([offset, (0, 0, 0)], "<f4").tobytes()
    manifest += np.array([len(pieces), 1], "<u4").tobytes()
    manifest += (
        np.array(positions, "<u4").T.tobytes() + np.array([len(one) for one in pieces], "<u4").tobytes()
    )
    manifest += np.array([0, 0, 0, len(last)], "<u4").tobytes()
    return Written(b"".join([*pieces, last]), manifest, np.concatenate([points for _, points in encoded]))


def _morton(place: tuple[int, ...]) -> int:
    """Return the place of a cell on the Z-curve: x has the lowest bit."""
    return sum((part >> bit & 1) << (3 * bit + axis) for bit in range(8) for axis, part in enumerate(place))


def _cut(mesh: trimesh.Trimesh, low: NDArray[np.float64], shape: NDArray[np.float64]) -> trimesh.Trimesh:
    """Return a mesh of which no triangle lies in two cells: the halves at each border have the same corners there."""
    points, faces = mesh.vertices, mesh.faces
    for axis, nth in product(range(3), range(1, 1 + int(np.ceil((mesh.bounds[1] - low) / shape).max()))):
        side, normal = low + nth * shape, np.eye(3)[axis]
        above = slice_faces_plane(points, faces, plane_normal=normal, plane_origin=side)
        below = slice_faces_plane(points, faces, plane_normal=-normal, plane_origin=side)
        points, faces = (
            np.concatenate([above[0], below[0]]),
            np.concatenate([above[1], below[1] + len(above[0])]),
        )
    return trimesh.Trimesh(points, faces, process=False)


def _part(cut: trimesh.Trimesh, triangles: NDArray[np.bool_]) -> trimesh.Trimesh:
    """Return some triangles of a mesh, with the corners they need."""
    used, faces = np.unique(cut.faces[triangles], return_inverse=True)
    return trimesh.Trimesh(cut.vertices[used], faces.reshape(-1, 3), process=False)


def _piece(
    part: trimesh.Trimesh, low: NDArray[np.float64], shape: NDArray[np.float64], bits: int
) -> tuple[bytes, NDArray[np.float64]]:
    """Encode the part of a surface in a cell, nothing as nothing; return it and the corners it then has."""
    steps = 2**bits - 1
    whole = np.clip(np.round((part.vertices - low) / shape * steps), 0, steps).astype(np.uint32)
    if not len(part.faces):
        return b"", np.empty((0, 3))
    encoded = DracoPy.encode(whole, np.asarray(part.faces, np.uint32), preserve_order=True)
    return encoded, low + shape * (whole / steps)


def sharding(
    hashing: str = "identity", *, packed: bool, bits: tuple[int, int, int] = (0, 0, 0)
) -> dict[str, Any]:
    """Return an info's word on its shards; bits are those of the preshift, of minishards and of shards."""
    encoding = "gzip" if packed else "raw"
    return {
        "@type": "neuroglancer_uint64_sharded_v1",
        "preshift_bits": bits[0],
        "hash": hashing,
        "minishard_bits": bits[1],
        "shard_bits": bits[2],
        "minishard_index_encoding": encoding,
        "data_encoding": encoding,
    }


def shard(segments: Mapping[int, Written], *, packed: bool) -> bytes:
    """Return a shard with one minishard: pieces before each manifest, then the index."""
    body, keys, starts, sizes, last_key, last_end = b"", [], [], [], 0, 0
    for key, one in sorted(segments.items()):
        stored = gzip.compress(one.manifest) if packed else one.manifest
        body += one.pieces
        keys.append(key - last_key)
        starts.append(len(body) - last_end)
        sizes.append(len(stored))
        body += stored
        last_key, last_end = key, len(body)
    index = np.array([keys, starts, sizes], "<u8").tobytes()
    index = gzip.compress(index) if packed else index
    return struct.pack("<QQ", len(body), len(body) + len(index)) + body + index
