"""Which points lie in which regions: against shapes whose inside is known, and against rays cast one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import navis
import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from trimesh.creation import icosphere

from crantdb.errors import BadArgument
from crantdb.morphology.inside import Inside
from crantdb.morphology.regions import OTHER, Region, Regions, Surface, chosen, surface
from tests.morphology.shapes import ball, box

if TYPE_CHECKING:
    from numpy.typing import NDArray


def crossings(points: NDArray[np.float64], of: Surface) -> NDArray[np.int64]:
    """Count how often a ray from each point in an odd direction crosses the triangles (Möller and Trumbore's test)."""
    direction = np.array([0.3, 0.5, 0.812])
    origin, first, second = (of.vertices[of.faces[:, corner]] for corner in range(3))
    one, two = first - origin, second - origin
    normal = np.cross(direction, two)
    scale = (one * normal).sum(axis=1)
    counted = np.zeros(len(points), np.int64)
    for index, point in enumerate(points):
        to = point - origin
        u = (to * normal).sum(axis=1) / scale
        across = np.cross(to, one)
        v = (across @ direction) / scale
        along = (across * two).sum(axis=1) / scale
        counted[index] = ((u >= 0) & (v >= 0) & (u + v <= 1) & (along > 0)).sum()
    return counted


def winding(points: NDArray[np.float64], of: Surface) -> NDArray[np.float64]:
    """Return how often a surface is wound round points: the solid angle of all triangles, in whole spheres."""
    found = np.zeros(len(points))
    for index, point in enumerate(points):
        a, b, c = (of.vertices[of.faces[:, corner]] - point for corner in range(3))
        la, lb, lc = (np.linalg.norm(side, axis=1) for side in (a, b, c))
        volume = (a * np.cross(b, c)).sum(axis=1)
        rest = la * lb * lc + (a * b).sum(axis=1) * lc + (b * c).sum(axis=1) * la + (c * a).sum(axis=1) * lb
        found[index] = np.arctan2(volume, rest).sum() / (2 * np.pi)
    return found


def only(of: Surface) -> Regions:
    """Return one region alone."""
    return Regions([Region("it", (of,))])


coordinates = st.floats(-50, 50, allow_nan=False)


@settings(max_examples=40)
@given(st.tuples(*[coordinates] * 3), st.tuples(*[st.floats(1, 60)] * 3), st.integers(0, 2**32 - 1))
def test_boxes(low: tuple[float, float, float], size: tuple[float, float, float], seed: int) -> None:
    """A point is in a box exactly when each coordinate is between its corners'."""
    high = (low[0] + size[0], low[1] + size[1], low[2] + size[2])
    points = np.random.default_rng(seed).uniform(-120, 120, (400, 3))
    points[:200] = np.random.default_rng(seed + 1).uniform(low, high, (200, 3))
    inside = only(box(low, high)).contains(points)[:, 0]
    edge = (np.abs(points - low) < 0.02).any(axis=1) | (np.abs(points - high) < 0.02).any(axis=1)
    wanted = ((points > low) & (points < high)).all(axis=1)
    assert np.array_equal(inside[~edge], wanted[~edge])


def test_a_ball() -> None:
    """Points within the sphere that the triangles touch from inside are in, points beyond the sphere are out."""
    centre, radius = (1000.0, -2000.0, 500.0), 700.0
    points = np.random.default_rng(1).uniform(-900, 900, (50_000, 3)) + centre
    away = np.linalg.norm(points - centre, axis=1)
    inside = only(ball(centre, radius)).contains(points)[:, 0]
    flat = radius * 0.995  # how far in the middles of the triangles lie, at the most
    assert inside[away < flat].all()
    assert not inside[away > radius].any()
    volume = 4 / 3 * np.pi * radius**3 / 1800**3
    assert inside.mean() == pytest.approx(volume, abs=0.01)


@pytest.mark.parametrize("seed", range(8))
def test_crooked_shapes_against_solid_angles(seed: int) -> None:
    """Dented, folded and stretched surfaces: a point is in exactly when the surface is wound round it."""
    random = np.random.default_rng(seed)
    round_one = icosphere(subdivisions=3)
    folds = 1 + 0.35 * np.sin(round_one.vertices[:, [1, 2, 0]] * random.uniform(2, 9))
    size = random.uniform(5e3, 5e4, 3)
    vertices = round_one.vertices * folds * size + random.uniform(0, 3e5, 3)
    of = surface(vertices, round_one.faces)
    points = random.uniform(vertices.min(axis=0), vertices.max(axis=0), (700, 3))
    told = winding(points, of)
    assert np.abs(told - np.round(told)).max() < 1e-6
    assert np.array_equal(only(of).contains(points)[:, 0], np.round(told) != 0)


def test_rays_through_corners_and_edges() -> None:
    """Points straight below corners, edges and steep walls of a grid of triangles are told right, none slips through."""
    block = trimesh.creation.box(extents=(8, 8, 8)).subdivide().subdivide()
    regions = only(surface(block.vertices, block.faces))
    steps = np.arange(-6, 6.5, 0.5)
    points = np.array(np.meshgrid(steps, steps, steps + 0.25)).reshape(3, -1).T
    clear = (np.abs(np.abs(points) - 4) > 1e-9).all(axis=1)
    wanted = (np.abs(points) < 4).all(axis=1)
    assert np.array_equal(regions.contains(points)[clear, 0], wanted[clear])


def test_parts_of_one_surface_may_overlap() -> None:
    """Where two parts of one mesh overlap a point is in, as it is in either."""
    one, two = ball((0, 0, 0), 10, fine=3), ball((8, 0, 0), 10, fine=3)
    both = surface(
        np.concatenate([one.vertices, two.vertices]),
        np.concatenate([one.faces, two.faces + len(one.vertices)]),
    )
    points = np.random.default_rng(4).uniform(-12, 20, (4000, 3))
    wanted = only(one).contains(points) | only(two).contains(points)
    assert np.array_equal(only(both).contains(points), wanted)


def test_a_real_neuropil_against_rays() -> None:
    """The hemibrain's lateral horn: the same points are in as a count of crossings says, and as navis says."""
    horn = navis.example_volume("LH")
    of = surface(horn.vertices, horn.faces)
    assert of.open_edges == 0
    low, high = horn.vertices.min(axis=0), horn.vertices.max(axis=0)
    points = np.random.default_rng(2).uniform(low - 500, high + 500, (6000, 3))
    inside = only(of).contains(points)[:, 0]
    assert 1000 < inside.sum() < 3000
    assert np.array_equal(inside, crossings(points, of) % 2 == 1)
    assert np.array_equal(inside, navis.in_volume(points, horn))


def test_real_synapses_in_a_real_neuropil() -> None:
    """The hemibrain's own word on its synapses (their ROI) agrees with the mesh of its lateral horn nearly everywhere."""
    horn = navis.example_volume("LH")
    regions = only(surface(horn.vertices, horn.faces))
    places, named = [], []
    for neuron in navis.example_neurons(3, kind="skeleton"):
        table = neuron.connectors
        places.append(table[["x", "y", "z"]].to_numpy(float))
        named.append(table["roi"].to_numpy(str) == "LH(R)")
    inside, told = regions.contains(np.concatenate(places))[:, 0], np.concatenate(named)
    assert told.sum() > 500
    # The example's mesh is a coarse one of the hemibrain's.
    assert (inside == told).mean() > 0.95


def test_regions_may_overlap_and_other_is_what_is_in_none() -> None:
    """A point in several regions comes once for each; one in none comes once as `other`; one without a place too."""
    regions = Regions(
        [
            Region("outer", (box((0, 0, 0), (10, 10, 10)),)),
            Region("inner", (box((2, 2, 2), (4, 4, 4)),)),
            Region("two parts", (box((20, 0, 0), (21, 1, 1)), box((30, 0, 0), (31, 1, 1)))),
        ]
    )
    points = [[3, 3, 3], [8, 8, 8], [20.5, 0.5, 0.5], [30.5, 0.5, 0.5], [25, 0.5, 0.5], [np.nan, 3, 3]]
    place, region = regions.assign(points)
    found = [(int(at), regions.labels[which]) for at, which in zip(place, region, strict=True)]
    assert regions.names == ("inner", "outer", "two parts")
    assert found == [
        (0, "inner"),
        (0, "outer"),
        (1, "outer"),
        (2, "two parts"),
        (3, "two parts"),
        (4, OTHER),
        (5, OTHER),
    ]
    nowhere, none = regions.assign(np.empty((0, 3)))
    assert len(nowhere) == len(none) == 0


def test_meshes_are_mended_without_changing_their_shape() -> None:
    """Triangles that turn inwards, turn both ways, share no vertices or have no area: the same points are in."""
    whole = ball((0, 0, 0), 100, fine=3)
    points = np.random.default_rng(3).uniform(-110, 110, (20_000, 3))
    wanted = only(whole).contains(points)
    mixed = whole.faces.copy()
    mixed[::3] = mixed[::3, ::-1]
    loose = whole.vertices[whole.faces].reshape(-1, 3)
    triangles = np.arange(len(loose)).reshape(-1, 3)
    flat = np.concatenate([whole.faces, [[0, 0, 1], [2, 2, 2]]])
    for vertices, faces in [
        (whole.vertices, whole.faces[:, ::-1]),
        (whole.vertices, mixed),
        (loose, triangles),
        (whole.vertices, flat),
    ]:
        made = surface(vertices, faces)
        assert made.open_edges == 0
        assert np.array_equal(only(made).contains(points), wanted)


def test_an_open_surface_is_told() -> None:
    """A surface with a hole says how many edges are open."""
    whole = ball((0, 0, 0), 10, fine=2)
    assert surface(whole.vertices, whole.faces[1:]).open_edges == 3
    assert Region("it", (whole, surface(whole.vertices, whole.faces[1:]))).open_edges == 3


def test_a_hole_is_not_seen_from_afar() -> None:
    """A surface that lacks a triangle tells the same of nearly every point as the whole one: two rays of three count."""
    whole = ball((0, 0, 0), 100, fine=3)
    points = np.random.default_rng(6).uniform(-110, 110, (30_000, 3))
    wanted = only(whole).contains(points)[:, 0]
    top = whole.vertices[whole.faces].mean(axis=1)[:, 2].argmax()
    torn = surface(whole.vertices, np.delete(whole.faces, [top, 100, 700], axis=0))
    assert torn.open_edges == 9
    assert (only(torn).contains(points)[:, 0] != wanted).sum() <= 3
    assert (Inside(torn).contains(points) != wanted).sum() > 20


def test_the_revision_is_of_names_and_shapes() -> None:
    """The same meshes have the same revision in any order; a name, a corner or a triangle more gives another."""
    one, two = Region("a", (box((0, 0, 0), (1, 1, 1)),)), Region("b", (box((0, 0, 0), (2, 2, 2)),))
    revision = Regions([one, two]).revision
    assert Regions([two, one]).revision == revision
    others = [
        Regions([one]),
        Regions([one, Region("c", two.surfaces)]),
        Regions([one, Region("b", (box((0, 0, 0), (2, 2, 3)),))]),
        Regions([one, Region("b", (*two.surfaces, *one.surfaces))]),
    ]
    assert len({revision, *(other.revision for other in others)}) == 5
    assert chosen(Regions([one, two]), ["a"]).revision == Regions([one]).revision


@pytest.mark.parametrize(
    ("vertices", "faces"),
    [
        ([[0, 0, 0]], [[0, 0, 1]]),
        ([[0, 0, 0]] * 3, [[0, 1, -1]]),
        ([[0, 0, np.nan]] * 3, [[0, 1, 2]]),
        ([[0, 0]] * 3, [[0, 1, 2]]),
        ([[0, 0, 0]] * 3, np.empty((0, 3))),
    ],
)
def test_what_is_no_surface_is_refused(vertices: list[list[float]], faces: list[list[int]]) -> None:
    """Vertices that do not exist, are no numbers or have no three coordinates, and no triangle at all: refused."""
    with pytest.raises(BadArgument):
        surface(vertices, faces)


def test_names_must_tell_regions_apart() -> None:
    """No region, a name that comes twice, one called `other`, and a name that is not there are refused."""
    one = Region("a", (box((0, 0, 0), (1, 1, 1)),))
    for wrong in ([], [one, one], [Region("other", one.surfaces)]):
        with pytest.raises(BadArgument):
            Regions(wrong)
    with pytest.raises(BadArgument, match="regions are a"):
        chosen(Regions([one]), ["b"])
