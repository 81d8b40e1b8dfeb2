"""Closed surfaces whose inside is known without a mesh."""

from __future__ import annotations

from itertools import product

import numpy as np
import trimesh

from crantdb.morphology.regions import Surface, surface


def box(low: tuple[float, float, float], high: tuple[float, float, float]) -> Surface:
    """Return a box from its lowest to its highest corner."""
    corners = np.array(list(product(*zip(low, high, strict=True))), float)
    hull = trimesh.convex.convex_hull(corners)
    return surface(hull.vertices, hull.faces)


def ball(centre: tuple[float, float, float], radius: float, *, fine: int = 4) -> Surface:
    """Return a ball of 20 * 4**fine triangles, whose corners lie on the sphere."""
    mesh = trimesh.creation.icosphere(subdivisions=fine, radius=radius)
    return surface(mesh.vertices + np.array(centre), mesh.faces)
