"""The segmentation's voxels as cloud-volume, unpatched, reads them: the world's own supervoxels, and background."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import requests
from cloudvolume import Bbox, CloudVolume, chunks, exceptions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from crantdb.sandbox import Datastack, Fault, Sandbox
from crantdb.sandbox.block_coding import BLOCK, encoded
from tests.conftest import CANARY
from tests.sources.spots import spotted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from crantdb.sandbox.annotations import LiveTable

FILES = "/watershed/sandbox_pcg"


def graphene(sandbox: Sandbox, token: str | None = CANARY) -> CloudVolume:
    """Open the segmentation as crantdb's users do: by the datastack's own address of it."""
    path = f"graphene://{sandbox.url}/segmentation/table/sandbox_pcg"
    return CloudVolume(path, secrets={"token": token}, progress=False)


@pytest.fixture
def guarded(world: Datastack) -> Iterator[Sandbox]:
    """Return a sandbox that asks for the canary token."""
    with Sandbox(world, token=CANARY) as sandbox:
        yield sandbox


def voxels_of(table: LiveTable, name: str) -> NDArray[np.int64]:
    """Return the voxels of the segmentation in which a table's points lie."""
    inside = table.points[name].voxels * np.array(table.resolution) / [16, 16, 42]
    return np.floor(inside).astype(np.int64)


def label_at(volume: CloudVolume, voxel: NDArray[np.int64]) -> int:
    """Return the supervoxel of a voxel."""
    low = [int(at) for at in voxel]
    return int(np.asarray(volume.download(Bbox(low, [at + 1 for at in low]), agglomerate=False)).ravel()[0])


def test_points_of_tables_lie_in_their_own_supervoxels(guarded: Sandbox, world: Datastack) -> None:
    """At points of every table, whatever its voxels are, the segmentation has the supervoxel the table says."""
    assert world.truth is not None
    volume, rng, seen = graphene(guarded), np.random.default_rng(7), set[str]()
    for table in world.truth.tables:
        for name, points in table.points.items():
            if points.supervoxel is None:
                continue
            places = voxels_of(table, name)
            for row in rng.permutation(np.flatnonzero(points.supervoxel > 1))[:15].tolist():
                assert label_at(volume, places[row]) == points.supervoxel[row], (table.name, row)
            seen.add(table.name)
    assert len(seen) > 8


def test_a_chunk_is_background_but_for_what_lies_in_it(guarded: Sandbox, world: Datastack) -> None:
    """Each voxel is the background or a supervoxel of a node whose radius reaches it; most of a chunk is background."""
    assert world.truth is not None
    pieces = world.truth.brain.pieces
    middle = np.floor(pieces.node_xyz_nm[1234] / [16, 16, 42]).astype(int)
    size, first = np.array([64, 64, 32]), np.array([1024, 1024, 0])
    low = (middle - first) // size * size + first
    whole = Bbox(low.tolist(), (low + size).tolist())
    box = np.asarray(graphene(guarded).download(whole, agglomerate=False))[..., 0]
    assert (box == 0).mean() > 0.5
    assert np.unique(box).size > 1
    for label in np.unique(box)[1:].tolist():
        own = pieces.node_supervoxel == label
        filled = (np.argwhere(box == label) + low + 0.5) * [16, 16, 42]
        away = np.linalg.norm(filled[:, None] - pieces.node_xyz_nm[own][None], axis=2)
        assert (away.min(axis=1) <= pieces.node_radius_nm[own].max() + 42).all()


def test_a_point_has_its_supervoxel_however_thin_the_neurite() -> None:
    """A node half a nanometre thick fills no voxel's middle, and still its voxel is its own; the next one is not."""
    stack, [supervoxel] = spotted([[2000, 3000, 40]])
    with Sandbox(stack) as sandbox:
        path = f"graphene://{sandbox.url}/segmentation/table/{stack.pcg_table}"
        volume = CloudVolume(path, secrets={"token": CANARY}, progress=False)
        labels = [label_at(volume, np.array([x, 3000, 40])) for x in (1999, 2000, 2001)]
    assert labels == [0, supervoxel, 0]


def test_the_files_follow_no_edit(world: Datastack) -> None:
    """A voxel's supervoxel is the same before and after edits: another state of the datastack has the same files."""
    assert world.truth is not None
    place = np.floor(world.truth.brain.pieces.node_xyz_nm[50] / [16, 16, 42]).astype(np.int64)
    with Sandbox(world) as sandbox:
        before = label_at(graphene(sandbox), place)
        sandbox.replace(replace(world, versions=world.versions[:3]))
        assert label_at(graphene(sandbox), place) == before > 0


def test_the_table_asks_for_a_token_and_the_files_do_not(guarded: Sandbox) -> None:
    """Without a token cloud-volume does not even ask, with a wrong one it is refused; the bucket is open to all."""
    with pytest.raises(exceptions.AuthenticationError, match="authentication token"):
        graphene(guarded, None)
    with pytest.raises(requests.HTTPError, match="401"):
        graphene(guarded, "0123456789abcdef")
    info = requests.get(f"{guarded.url}{FILES}/info", timeout=30)
    assert (info.status_code, info.json()["data_type"]) == (200, "uint64")
    flat = CloudVolume(f"precomputed://{guarded.url}{FILES}", progress=False)
    assert flat.bounds.minpt.tolist() == [1024, 1024, 0]
    assert label_at(flat, np.array([66_559, 66_559, 16_383])) == 0


@pytest.mark.parametrize(
    "name",
    [
        "16_16_42/1024-1088_1024-1088_0-33",
        "16_16_42/1025-1089_1024-1088_0-32",
        "16_16_42/960-1024_1024-1088_0-32",
        "16_16_42/66560-66624_1024-1088_0-32",
        "8_8_42/1024-1088_1024-1088_0-32",
        "provenance",
    ],
)
def test_what_is_no_chunk_is_not_there(sandbox: Sandbox, name: str) -> None:
    """Names that are not on the layer's grid, or of another scale, are a 404 as of a bucket."""
    assert requests.get(f"{sandbox.url}{FILES}/{name}", timeout=30).status_code == 404


def test_a_datastack_without_a_chunkedgraph_has_no_files(world: Datastack) -> None:
    """Where there are tables only, there is no segmentation either."""
    with Sandbox(replace(world, chunkedgraph=None)) as sandbox:
        assert requests.get(f"{sandbox.url}{FILES}/info", timeout=30).status_code == 404


def test_faults_strike_the_files(sandbox: Sandbox) -> None:
    """A fault that names the files' path strikes the next request for one, and that only."""
    sandbox.faults.add(Fault("status", match=f"{FILES}/16", code=403, times=1))
    url = f"{sandbox.url}{FILES}/16_16_42/1024-1088_1024-1088_0-32"
    assert [requests.get(url, timeout=30).status_code for _ in range(2)] == [403, 200]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    arrays.arrays(
        np.uint64,
        arrays.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=20),
        elements=st.one_of(st.integers(0, 3), st.integers(2**63 - 5, 2**64 - 1)),
    ),
    st.integers(0, 3),
)
def test_what_is_encoded_is_decoded_by_the_field_s_own_library(labels: Any, noise: int) -> None:
    """Labels of any size and shape, few or many in a block, come back as they were."""
    if noise == 0:  # up to 512 labels in a block
        labels = labels + np.arange(labels.size, dtype=np.uint64).reshape(labels.shape)
    got = chunks.decode(
        encoded(labels), "compressed_segmentation", shape=(*labels.shape, 1), dtype="uint64", block_size=BLOCK
    )
    assert np.array_equal(got[..., 0], labels)
