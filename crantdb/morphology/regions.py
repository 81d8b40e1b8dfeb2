"""Regions of the brain as closed surfaces, and which points lie in which of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crantdb.errors import BadArgument
from crantdb.morphology.inside import Inside, Majority

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

OTHER = "other"
"""The region of what lies in none."""

_WELD_NM = 0.01
"""Vertices nearer than this are one: pieces of a mesh that was cut apart meet again."""


@dataclass(frozen=True, eq=False, slots=True)
class Surface:
    """A surface of triangles, its vertices welded and its triangles turned outwards. Made by `surface`.

    Attributes:
        vertices: in nm, shape (n, 3).
        faces: three places in `vertices` a triangle, shape (m, 3).
        open_edges: edges that do not have a triangle at both sides: 0 when the surface is closed.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    open_edges: int


def surface(vertices: ArrayLike, faces: ArrayLike) -> Surface:
    """Return a surface, mended as far as that changes no shape.

    Args:
        vertices: in nm, shape (n, 3).
        faces: shape (m, 3), places in `vertices`.

    Raises:
        BadArgument: when these are no triangles, a place does not exist, or a coordinate is not finite.
    """
    points, corners = np.asarray(vertices, np.float64), np.asarray(faces, np.int64)
    wrong_shape = (
        points.ndim != 2 or points.shape[1:] != (3,) or corners.ndim != 2 or corners.shape[1:] != (3,)
    )
    if wrong_shape or not len(corners):
        msg = (
            f"vertices of shape {points.shape} and faces of shape {corners.shape} are no surface of triangles"
        )
        raise BadArgument(msg)
    if not np.isfinite(points).all() or corners.min() < 0 or corners.max() >= len(points):
        msg = f"a face names a vertex that is not among the {len(points):,}, or a coordinate is not finite"
        raise BadArgument(msg)
    points, corners = _welded(points, corners)
    corners = _outwards(points, corners)
    return Surface(points, corners, _open_edges(corners))


def _welded(
    points: NDArray[np.float64], corners: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return a mesh with one vertex a place and no triangle without an area."""
    _, first, place = np.unique(np.round(points / _WELD_NM), axis=0, return_index=True, return_inverse=True)
    kept = np.sort(first)
    corners = np.searchsorted(kept, first)[place.reshape(-1)][corners]
    a, b, c = corners.T
    return points[kept], corners[(a != b) & (b != c) & (a != c)]


def _outwards(points: NDArray[np.float64], corners: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return triangles that all turn the same way, with their normals outwards."""
    import trimesh  # noqa: PLC0415 - heavy, and only meshes need it

    mesh = trimesh.Trimesh(points, corners, process=False)
    if not mesh.is_winding_consistent:
        trimesh.repair.fix_normals(mesh, multibody=True)
    turned = np.asarray(mesh.faces, np.int64)
    return turned[:, ::-1] if mesh.volume < 0 else turned


def _open_edges(corners: NDArray[np.int64]) -> int:
    """Count the edges that an odd number of triangles share."""
    edges = np.sort(corners[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    _, counts = np.unique(edges, axis=0, return_counts=True)
    return int((counts % 2).sum())


@dataclass(frozen=True, eq=False, slots=True)
class Region:
    """A named region: a point lies in it when it lies in any of its surfaces.

    Attributes:
        name: its name.
        surfaces: one or more; an alias has those of its parts.
    """

    name: str
    surfaces: tuple[Surface, ...]

    @property
    def open_edges(self) -> int:
        """The open edges of its surfaces: containment is not sure near them."""
        return sum(one.open_edges for one in self.surfaces)


class Regions:
    """Regions that points are tested against.

    Args:
        regions: each name once; none is called ``other``.

    Raises:
        BadArgument: when there is none, a name comes twice, or one is ``other``.
    """

    def __init__(self, regions: Iterable[Region]) -> None:
        self._regions = tuple(sorted(regions, key=lambda region: region.name))
        names = [region.name for region in self._regions]
        twice = sorted({name for name in names if names.count(name) > 1})
        if not names or twice or OTHER in names:
            said = f"{twice[0]!r} comes twice" if twice else "there is none, or one is called 'other'"
            msg = f"regions: {said}. Each has a name of its own, and 'other' stands for none of them"
            raise BadArgument(msg)
        self._insides = [
            [Majority(one) if one.open_edges else Inside(one) for one in region.surfaces]
            for region in self._regions
        ]

    def __iter__(self) -> Any:  # noqa: ANN401 - an iterator over regions
        return iter(self._regions)

    def __len__(self) -> int:
        return len(self._regions)

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in order."""
        return tuple(region.name for region in self._regions)

    @property
    def revision(self) -> str:
        """A digest of all names, vertices and triangles: the same meshes have the same, wherever they came from."""
        digest = hashlib.sha256()
        for region in self._regions:
            digest.update(region.name.encode() + b"\0")
            for one in region.surfaces:
                digest.update(len(one.faces).to_bytes(8, "little"))
                digest.update(np.ascontiguousarray(one.vertices, "<f8").tobytes())
                digest.update(np.ascontiguousarray(one.faces, "<i8").tobytes())
        return digest.hexdigest()[:16]

    def contains(self, points_nm: ArrayLike) -> NDArray[np.bool_]:
        """Tell which points lie in which regions, shape (points, regions); a point with a NaN lies in none.

        A point that lies on a surface to the last digit is on one side of it, the same at every call.

        Args:
            points_nm: shape (n, 3).
        """
        points = np.asarray(points_nm, np.float64).reshape(-1, 3)
        inside = np.zeros((len(points), len(self._regions)), bool)
        for column, surfaces in enumerate(self._insides):
            for one in surfaces:
                inside[:, column] |= one.contains(points)
        return inside

    def assign(self, points_nm: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return each point with each region it lies in: places of points, and of regions in `labels`.

        A point in several regions comes several times; one in none comes once, with the last label, ``other``.

        Args:
            points_nm: shape (n, 3).
        """
        inside = self.contains(points_nm)
        with_other = np.column_stack([inside, ~inside.any(axis=1)])
        point, region = np.nonzero(with_other)
        return point.astype(np.int64), region.astype(np.int64)

    @property
    def labels(self) -> tuple[str, ...]:
        """The names, and ``other`` behind them."""
        return (*self.names, OTHER)


def chosen(regions: Regions, names: Sequence[str]) -> Regions:
    """Return some of the regions.

    Raises:
        BadArgument: when one is not there, with those that are.
    """
    unknown = sorted(set(names) - set(regions.names))
    if unknown:
        msg = f"there is no region {unknown[0]!r}; regions are {', '.join(regions.names)}"
        raise BadArgument(msg)
    return Regions([region for region in regions if region.name in names])
