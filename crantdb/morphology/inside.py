"""Which points lie inside a closed surface, exactly: the winding number along a ray straight up.

Each triangle above a point counts once, upwards or downwards, as its corners go round the point when seen from
above. Whether a point is left of an edge is computed from the edge alone, so that the two triangles that share it
always agree: no ray slips between them, and none hits both. A point lies inside where the count is not 0; so do
those in two overlapping parts of one surface. Random rays, as other libraries cast them, err a few times in ten
thousand points.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from crantdb.morphology.regions import Surface

MOST_PAIRS = 2_000_000
"""Pairs of a point and a triangle that are looked at at a time: some hundred megabytes."""

MOST_CELLS = 512
"""Cells along each side of the grid that triangles are sorted into."""


class Inside:
    """A surface, ready to be asked about points.

    Args:
        surface: its vertices and triangles.
        up: the axis along which rays go: 0, 1 or 2.
    """

    def __init__(self, surface: Surface, up: int = 2) -> None:
        self._axes = [(up + 1) % 3, (up + 2) % 3, up]
        vertices = surface.vertices[:, self._axes]
        corners = vertices[surface.faces]
        self._low, self._high = vertices.min(axis=0), vertices.max(axis=0)
        self._side = int(np.clip(np.sqrt(len(corners) / 2), 1, MOST_CELLS))
        self._cell = np.maximum((self._high - self._low)[:2] / self._side, np.finfo(np.float64).tiny)
        self._edges = [_edge(corners[:, at], corners[:, (at + 1) % 3]) for at in range(3)]
        self._origin = corners[:, 0]
        self._normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        self._heights = corners[:, :, 2].min(axis=1), corners[:, :, 2].max(axis=1)
        self._triangles, self._starts = self._sorted_into_cells(corners)

    def contains(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell which points lie inside; one with a NaN does not.

        Args:
            points: shape (n, 3), in the unit of the surface.
        """
        points = points[:, self._axes]
        inside: NDArray[np.bool_] = ((points >= self._low) & (points <= self._high)).all(axis=1)
        near = points[inside]
        wound = np.zeros(len(near), np.float64)
        for point, triangle in self._pairs(near):
            wound += self._counted(near, point, triangle)
        inside[inside] = wound != 0
        return inside

    def _cells(self, places: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the cell that places lie in, along x and along y; it never falls as a coordinate rises."""
        cells = np.floor((places[..., :2] - self._low[:2]) / self._cell).astype(np.int64)
        clipped: NDArray[np.int64] = np.clip(cells, 0, self._side - 1)
        return clipped

    def _sorted_into_cells(self, corners: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return triangles by the cells that their boxes touch, and where each cell's begin."""
        first, last = self._cells(corners.min(axis=1)), self._cells(corners.max(axis=1))
        wide, high = (last - first + 1).T
        triangle, nth = _repeated(wide * high)
        cell = (
            (first[triangle, 0] + nth // high[triangle]) * self._side
            + first[triangle, 1]
            + nth % high[triangle]
        )
        order = np.argsort(cell, kind="stable")
        starts = np.searchsorted(cell[order], np.arange(self._side**2 + 1))
        return triangle[order], starts.astype(np.int64)

    def _pairs(self, points: NDArray[np.float64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield points with the triangles of their cell, as many pairs at a time as memory is meant for."""
        cells = self._cells(points) @ np.array([self._side, 1])
        counts = self._starts[cells + 1] - self._starts[cells]
        behind = np.cumsum(counts)
        start = 0
        while start < len(points):
            done = behind[start - 1] if start else 0
            end = max(int(np.searchsorted(behind, done + MOST_PAIRS, side="right")), start + 1)
            place, nth = _repeated(counts[start:end])
            yield place + start, self._triangles[self._starts[cells[place + start]] + nth]
            start = end

    def _counted(
        self, points: NDArray[np.float64], point: NDArray[np.int64], triangle: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return for each point how often triangles above it go round it, those of some pairs."""
        x, y = points[point, 0], points[point, 1]
        round_it = np.zeros(len(point), np.int8)
        for low_x, low_y, high_y, run, rise, turn in self._edges:
            base_y = low_y[triangle]
            crossed = (base_y <= y) & (y < high_y[triangle])
            left = run[triangle] * (y - base_y) > (x - low_x[triangle]) * rise[triangle]
            round_it += turn[triangle] * (crossed & left)
        hit = np.flatnonzero(round_it)
        above = self._height(triangle[hit], x[hit], y[hit]) > points[point[hit], 2]
        counted = np.bincount(point[hit], weights=round_it[hit] * above, minlength=len(points))
        return counted.astype(np.float64, copy=False)

    def _height(
        self, triangle: NDArray[np.int64], x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the height of triangles over places; of a steep one no more than between its corners."""
        normal, origin = self._normal[triangle], self._origin[triangle]
        along = normal[:, 0] * (x - origin[:, 0]) + normal[:, 1] * (y - origin[:, 1])
        flat = normal[:, 2] != 0
        rise = np.divide(along, normal[:, 2], out=np.zeros_like(along), where=flat)
        lowest, highest = (heights[triangle] for heights in self._heights)
        return np.clip(origin[:, 2] - rise, lowest, highest)


class Majority:
    """A surface with holes, ready to be asked: of the rays along the three axes two must say that a point is inside.

    A single ray errs behind a hole, as far as the surface goes; two rarely do.

    Args:
        surface: its vertices and triangles.
    """

    def __init__(self, surface: Surface) -> None:
        self._rays = [Inside(surface, up) for up in range(3)]

    def contains(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell which points lie inside, by two rays of three.

        Args:
            points: shape (n, 3), in the unit of the surface.
        """
        told: NDArray[np.bool_] = np.sum([ray.contains(points) for ray in self._rays], axis=0) >= 2
        return told


def _edge(begin: NDArray[np.float64], end: NDArray[np.float64]) -> tuple[NDArray[Any], ...]:
    """Return edges from their lower to their upper end, the same whichever triangle they are of.

    Returns:
        x and y of the lower end, y of the upper end, how far the edge goes in x and in y, and whether the triangle
        takes it upwards (1), downwards (-1) or level (0).
    """
    up = begin[:, 1] < end[:, 1]
    low, high = np.where(up[:, None], begin, end), np.where(up[:, None], end, begin)
    turn = np.sign(end[:, 1] - begin[:, 1]).astype(np.int8)
    return low[:, 0], low[:, 1], high[:, 1], high[:, 0] - low[:, 0], high[:, 1] - low[:, 1], turn


def _repeated(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return each place as often as its count says, and for each the how-manieth of its place it is."""
    place = np.repeat(np.arange(len(counts)), counts)
    return place, np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
