"""Supervoxels at positions, read with the real cloud-volume over real HTTP: exact, bounded, and no failure hidden."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tenacity
from cloudfiles import interfaces
from cloudvolume import CloudVolume

from crantdb.errors import AuthError, BadResponse, ConfigError, Interrupted, NotServed, ServiceUnavailable
from crantdb.sandbox import Datastack, Fault, Sandbox, generate_world
from crantdb.sources import segmentation
from crantdb.sources.cave import Cave, CaveOptions
from crantdb.sources.opening import open_cave
from crantdb.sources.segmentation import Places, Segmentation, open_segmentation
from crantdb.sources.transport import RetryRule
from crantdb.sources.voxel_grid import VoxelGrid
from tests.conftest import CANARY
from tests.sources.spots import FIRST, LAST, NAME, VOXEL_NM, spotted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FILES = "/watershed/"
OPTIONS = CaveOptions(timeout_s=30.0, rule=RetryRule(tries=2, backoff_s=0.01))
HASTY = replace(OPTIONS, timeout_s=1.0)
"""For what hangs for ever; a busy machine may take a second over what does not."""

BORDERS = [
    FIRST,
    LAST,
    *(FIRST + step for step in ([63, 63, 31], [64, 63, 31], [63, 64, 31], [63, 63, 32], [64, 64, 32])),
    *(FIRST + step for step in ([511, 511, 255], [512, 511, 255], [511, 512, 255], [511, 511, 256])),
    LAST - [63, 63, 31],
    LAST - [64, 64, 32],
]
"""Voxels on both sides of where files end, where the chunks of ids end, and at both ends of the volume."""


def opened(sandbox: Sandbox, datastack: str, options: CaveOptions = OPTIONS) -> Segmentation:
    """Open the segmentation of a sandbox's datastack."""
    return open_segmentation(cave_of(sandbox, datastack, options))


def cave_of(sandbox: Sandbox, datastack: str, options: CaveOptions = OPTIONS) -> Cave:
    """Open a sandbox's datastack with the canary as token."""
    return open_cave(datastack, sandbox.url, CANARY, options)


def nothing_heard(count: int) -> None:
    """Hear of progress."""


@pytest.fixture(scope="module")
def world() -> Datastack:
    """Return a generated world."""
    return generate_world(neurons=8, synapses=1000)


@pytest.fixture(scope="module")
def _served(world: Datastack) -> Iterator[Sandbox]:
    """Serve it, and the canary is the token."""
    with Sandbox(world, token=CANARY) as running:
        yield running


@pytest.fixture
def sandbox(_served: Sandbox) -> Iterator[Sandbox]:
    """Return the sandbox without a fault and with an empty log."""
    _served.log.clear()
    yield _served
    _served.faults.clear()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let cloud-volume's storage client try again without a wait: its own are up to half a minute together."""
    monkeypatch.setattr(interfaces.HttpInterface.get_file.retry, "wait", tenacity.wait_none())


@pytest.fixture(scope="module")
def spots() -> Iterator[tuple[Sandbox, np.ndarray]]:
    """Serve a segmentation of single voxels at borders; return their supervoxels, too."""
    stack, supervoxels = spotted([spot.tolist() for spot in BORDERS])
    with Sandbox(stack, token=CANARY) as running:
        yield running, supervoxels


# --- what is there ----------------------------------------------------------------------------------


def test_points_of_neurons_have_their_own_supervoxels(sandbox: Sandbox, world: Datastack) -> None:
    """At positions in 8 x 8 x 42 nm voxels, anywhere inside each, are the supervoxels of truth, to the last bit."""
    assert world.truth is not None
    pieces, rng = world.truth.brain.pieces, np.random.default_rng(3)
    nodes = rng.integers(len(pieces.node_piece), size=250)
    corners = np.round(pieces.node_xyz_nm[nodes] / [8, 8, 42]) * [8, 8, 42]
    positions = corners + rng.uniform(0, 1, corners.shape) * [7.9, 7.9, 41.9]
    found = opened(sandbox, world.name).at(positions, nothing_heard)
    assert found.supervoxels.dtype == np.int64
    assert np.array_equal(found.supervoxels, pieces.node_supervoxel[nodes])
    assert (found.is_inside.all(), found.is_read.all(), found.why) == (True, True, "")
    assert (found.supervoxels > 2**53).all()


def test_borders_of_files_of_chunks_and_of_the_volume(spots: tuple[Sandbox, np.ndarray]) -> None:
    """A voxel's first and last point lie in it, at the volume's very ends too; a nanometre before is another."""
    sandbox, supervoxels = spots
    corners = np.stack(BORDERS) * VOXEL_NM
    source = opened(sandbox, NAME)
    for shift in ([0, 0, 0], [15.999, 15.999, 41.999], [8, 8, 21]):
        found = source.at(corners + shift, nothing_heard)
        assert np.array_equal(found.supervoxels, supervoxels)
    before = source.at(corners - [1, 0, 0], nothing_heard)
    known = {tuple(spot): label for spot, label in zip(np.stack(BORDERS).tolist(), supervoxels, strict=True)}
    wanted = [known.get((x - 1, y, z), 0) for x, y, z in np.stack(BORDERS).tolist()]
    assert before.supervoxels.tolist() == wanted
    assert before.is_inside.tolist() == [x > 1024 for x, _, _ in np.stack(BORDERS).tolist()]


def test_outside_is_said_and_asks_for_nothing(spots: tuple[Sandbox, np.ndarray]) -> None:
    """Before the first voxel, behind the last, negative, NaN, infinite, beyond any volume: outside, without a request."""
    sandbox, _ = spots
    source = opened(sandbox, NAME)
    sandbox.log.clear()
    ends = (LAST + 1) * VOXEL_NM
    outside = [
        FIRST * VOXEL_NM - [0.001, 0, 0],
        FIRST * VOXEL_NM - [0, 0, 0.001],
        [ends[0], 20_000, 42],
        [20_000, ends[1], 42],
        [20_000, 20_000, ends[2]],
        [-20_000, 20_000, 42],
        [np.nan, 20_000, 42],
        [20_000, 20_000, np.inf],
        [1e300, -1e300, 1e300],
    ]
    found = source.at(np.array(outside), nothing_heard)
    assert found.supervoxels.tolist() == [0] * len(outside)
    assert not found.is_inside.any()
    assert (found.is_read.all(), found.why) == (True, "")
    for nothing in ([], np.empty((0, 3))):
        assert source.at(np.array(nothing), nothing_heard).supervoxels.shape == (0,)
    assert sandbox.log.count() == 0


def test_the_background_is_0_and_inside(spots: tuple[Sandbox, np.ndarray]) -> None:
    """Where no cell is, the answer is 0 and known; no neighbour is taken in its place."""
    sandbox, _ = spots
    beside = np.add(np.stack(BORDERS[:2]), [[1, 0, 0], [-1, 0, 0]]) * VOXEL_NM
    found = opened(sandbox, NAME).at(beside, nothing_heard)
    assert found.supervoxels.tolist() == [0, 0]
    assert (found.is_inside.all(), found.is_read.all()) == (True, True)


def test_it_agrees_with_cloud_volume_s_own_way(sandbox: Sandbox, world: Datastack) -> None:
    """Positions in voxels of another size are in the voxels that `scattered_points` takes, which asks one by one."""
    assert world.truth is not None
    rng = np.random.default_rng(5)
    pieces = world.truth.brain.pieces
    points = np.round(pieces.node_xyz_nm[rng.integers(len(pieces.node_piece), size=30)] / [8, 8, 42])
    points += rng.integers(-8, 8, points.shape)
    volume = CloudVolume(
        f"graphene://{sandbox.url}/segmentation/table/sandbox_pcg",
        secrets={"token": CANARY},
        progress=False,
    )
    theirs = [
        next(iter(volume.scattered_points([point.tolist()], coord_resolution=(8, 8, 42)).values()))
        for point in points
    ]
    ours = opened(sandbox, world.name).at(points * [8, 8, 42], nothing_heard)
    assert ours.supervoxels.tolist() == [int(label) for label in theirs]


def test_supervoxels_stand_in_the_scale_the_chunkedgraph_was_made_from(
    tmp_path: Path, sandbox: Sandbox, world: Datastack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With cv_mip 1, labels and voxels are those of scale 1, with its own offset and sizes."""
    rng = np.random.default_rng(1)
    layer = made_layer(tmp_path / "layer", (10, 10, 30), (40, 20, 0), rng, scales=2)
    cave = cave_of(sandbox, world.name)
    info = {**cave.chunkedgraph_info(), **layer.info, "data_dir": layer.cloudpath}
    info["graph"] = {**info["graph"], "cv_mip": 1}
    monkeypatch.setattr(cave, "chunkedgraph_info", lambda: info)
    layer.mip = 1
    truth = np.asarray(layer[:])[..., 0]
    voxels = rng.integers(0, truth.shape, size=(40, 3))
    positions = (voxels + layer.meta.voxel_offset(1) + 0.5) * layer.meta.resolution(1)
    found = open_segmentation(cave).at(positions, nothing_heard)
    assert layer.meta.resolution(1).tolist() == [20, 20, 30]
    assert found.supervoxels.tolist() == truth[tuple(voxels.T)].astype(np.int64).tolist()


def made_layer(
    folder: Path,
    voxel_nm: tuple[float, float, float],
    offset: tuple[int, int, int],
    rng: np.random.Generator,
    *,
    dtype: str = "uint64",
    scales: int = 1,
) -> CloudVolume:
    """Write a precomputed layer of random labels with cloud-volume itself: 64 x 64 x 32 voxels, 16 x 16 x 8 a file."""
    info = CloudVolume.create_new_info(
        1,
        "segmentation",
        dtype,
        "raw",
        resolution=voxel_nm,
        voxel_offset=offset,
        volume_size=(64, 64, 32),
        chunk_size=(16, 16, 8),
        max_mip=scales - 1,
    )
    layer = CloudVolume(f"file://{folder}", info=info, progress=False, bounded=True)
    layer.commit_info()
    for mip in range(scales):
        layer.mip = mip
        shape = (*layer.meta.volume_size(mip).tolist(), 1)
        layer[:] = rng.integers(0, np.iinfo(dtype).max // 2, size=shape, dtype=dtype)
    layer.mip = 0
    return layer


@pytest.mark.parametrize("dtype", ["uint32", "uint64"])
def test_a_flat_segmentation_is_read_as_it_lies(tmp_path: Path, dtype: str) -> None:
    """A precomputed layer of any unsigned type, size and offset has its own labels; the chunkedgraph is not asked."""
    rng = np.random.default_rng(2)
    layer = made_layer(tmp_path / "flat", (4.3, 4.3, 45), (7, 0, 3), rng, dtype=dtype)
    stack = Datastack("flat", (), info={"segmentation_source": f"precomputed://file://{tmp_path}/flat"})
    truth = np.asarray(layer[:])[..., 0]
    voxels = rng.integers(0, truth.shape, size=(50, 3))
    with Sandbox(stack, token=CANARY) as sandbox:
        source = opened(sandbox, "flat")
        found = source.at(np.add(voxels, [7, 0, 3]) * [4.3, 4.3, 45], nothing_heard)
        assert sandbox.log.count("segmentation") == 0
    assert found.supervoxels.tolist() == truth[tuple(voxels.T)].astype(np.int64).tolist()
    assert source.grid.first == (7, 0, 3)


# --- bounds -----------------------------------------------------------------------------------------


def test_ten_thousand_positions_are_a_request_a_file() -> None:
    """As many requests as files that positions fall into, whatever the order and number of positions."""
    low = np.add(FIRST, [6400, 6400, 3200])
    voxels = [
        np.add(low, [64 * x + 3, 64 * y + 5, 32 * z + 7]).tolist()
        for x in range(4)
        for y in range(4)
        for z in range(3)
    ]
    stack, supervoxels = spotted(voxels)
    rng, heard = np.random.default_rng(4), list[int]()
    positions = low * VOXEL_NM + rng.uniform(0, 1, (10_000, 3)) * [4096, 4096, 96 * 42]
    rows = rng.choice(10_000, len(voxels), replace=False)
    positions[rows] = np.array(voxels) * VOXEL_NM
    with Sandbox(stack, token=CANARY) as sandbox:
        source = opened(sandbox, NAME)
        sandbox.log.clear()
        found = source.at(positions, heard.append)
        assert sandbox.log.count(FILES) == sandbox.log.count() == 48
    assert np.array_equal(found.supervoxels[rows], supervoxels)
    assert found.is_read.all()
    assert (len(heard), sum(heard)) == (48, 10_000)


def by_hand(
    box: Callable[..., Any], *, chunk: int = 4, parallel: int = 3, patience_s: float = 5
) -> Segmentation:
    """Return a segmentation of 1 nm voxels whose boxes a test makes up."""
    grid = VoxelGrid((1.0, 1.0, 1.0), (0, 0, 0), (2048, 2048, 2048), (chunk, chunk, chunk))
    return Segmentation("made up", grid, box, parallel, patience_s, threading.Event())


@pytest.mark.parametrize(("chunk", "most"), [(4, 3), (1024, 1)])
def test_files_at_a_time_are_few_and_of_large_ones_fewer(chunk: int, most: int) -> None:
    """No more files are under way than `parallel`, and no more than fit into the memory set aside."""
    under_way, seen, guard = list[int](), list[int](), threading.Lock()

    def box(low: np.ndarray, high: np.ndarray) -> np.ndarray:
        with guard:
            under_way.append(1)
            seen.append(len(under_way))
        threading.Event().wait(0.01)
        with guard:
            under_way.pop()
        return np.broadcast_to(np.uint64(1), high - low)

    places = by_hand(box, chunk=chunk).at(np.arange(0, 2048, 64)[:, None].repeat(3, axis=1), nothing_heard)
    assert places.supervoxels.tolist() == [1] * 32
    assert max(seen) <= most


@pytest.mark.parametrize("labels", [np.ones((1, 1, 1)), np.full((1, 1, 1), 2**63, dtype=np.uint64)])
def test_what_is_no_id_is_none(labels: np.ndarray) -> None:
    """Floats and labels beyond int64 are not bent into ids: the position stays unread, and it is said."""
    found = by_hand(lambda *_: labels).at(np.array([[1, 2, 3]]), nothing_heard)
    assert (found.supervoxels.tolist(), found.is_read.tolist()) == ([0], [False])
    assert f"it holds {labels.dtype} values that are no ids" in found.why


# --- when it cannot be read -------------------------------------------------------------------------


def near(world: Datastack, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return positions of nodes in files of their own, and their supervoxels."""
    assert world.truth is not None
    pieces = world.truth.brain.pieces
    nodes = np.random.default_rng(6).integers(len(pieces.node_piece), size=count)
    return np.round(pieces.node_xyz_nm[nodes] / [8, 8, 42]) * [8, 8, 42], pieces.node_supervoxel[nodes]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("status", match=FILES, code=500, times=None), "500 Server Error"),
        (Fault("status", match=FILES, code=403, times=None), "gives it to nobody without credentials"),
        (Fault("status", match=FILES, code=404, times=None), "no file there"),
        (Fault("reset", match=FILES, times=None), "Connection"),
        (Fault("truncate", match=FILES, times=None), ""),
        (Fault("html", match=FILES, times=None), ""),
        (Fault("stall", match=FILES, seconds=30, times=None), "no answer for 1 s"),
    ],
    ids=["500", "403", "404", "reset", "truncated", "a web page", "hangs"],
)
def test_files_that_do_not_come(
    sandbox: Sandbox,
    world: Datastack,
    capfd: pytest.CaptureFixture[str],
    *,
    at_once: None,
    fault: Fault,
    said: str,
) -> None:
    """Whatever is wrong with the files, nothing is raised or printed, nothing guessed, and few are asked for."""
    positions, _ = near(world, 40)
    source = opened(sandbox, world.name, HASTY if fault.kind == "stall" else OPTIONS)
    sandbox.log.clear()
    sandbox.faults.add(fault)
    found = source.at(positions, nothing_heard)
    assert not found.is_read.any()
    assert not found.supervoxels.any()
    assert found.why
    assert said in found.why
    assert CANARY not in found.why
    assert "\x1b" not in found.why
    # Seven tries of the library for each, three failures, and those under way or waiting to be looked at when they came.
    assert sandbox.log.count(FILES) <= 7 * (3 + 3 * OPTIONS.parallel)
    assert capfd.readouterr().out == ""


def test_one_bad_file_keeps_no_other(sandbox: Sandbox, world: Datastack, at_once: None) -> None:
    """Positions in a file that never comes stay unread; all others are answered."""
    positions, supervoxels = near(world, 60)
    source = opened(sandbox, world.name)
    bad = np.floor(positions[0] / VOXEL_NM).astype(int)
    low = (bad - FIRST) // [64, 64, 32] * [64, 64, 32] + FIRST
    sandbox.faults.add(Fault("status", match=f"/{low[0]}-{low[0] + 64}_{low[1]}-", code=500, times=None))
    found = source.at(positions, nothing_heard)
    assert not found.is_read[0]
    assert found.is_read.sum() > 50
    assert np.array_equal(found.supervoxels[found.is_read], supervoxels[found.is_read])
    assert "500 Server Error" in found.why


def test_a_wrong_token_is_told_with_what_to_do(sandbox: Sandbox, world: Datastack) -> None:
    """A chunkedgraph that refuses the token is an error that says how to get one, and does not show it."""
    cave = cave_of(sandbox, world.name)
    sandbox.faults.add(Fault("token_expired", match="/segmentation/table/", times=None))
    with pytest.raises(AuthError, match=r"refuses the token.*cave-secret\.json") as caught:
        open_segmentation(cave)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("status", match="/segmentation/table/", code=503, times=None), ServiceUnavailable),
        (Fault("html", match="/segmentation/table/", times=None), ServiceUnavailable),
        (Fault("status", match="/segmentation/table/", code=404, times=None), NotServed),
        (Fault("status", match="/segmentation/table/", code=200, body=b"{}", times=None), BadResponse),
        (
            Fault("status", match="/segmentation/table/", code=200, body=b'{"scales": [{}]}', times=None),
            BadResponse,
        ),
    ],
)
def test_a_chunkedgraph_that_does_not_say_what_it_is(
    sandbox: Sandbox, world: Datastack, fault: Fault, error: type[Exception]
) -> None:
    """An info that does not come, or is none, is an error of ours, whatever the library makes of it."""
    cave = cave_of(sandbox, world.name)
    sandbox.faults.add(fault)
    with pytest.raises(error):
        open_segmentation(cave)


@pytest.mark.parametrize(
    ("source", "error", "said"),
    [
        (None, NotServed, "odd names no segmentation"),
        ("precomputed://http://127.0.0.1:9/none", ServiceUnavailable, "no answer for 1 s"),
        ("precomputed://file:///nowhere/at/all", BadResponse, "cannot be opened"),
        ("brainmaps://odd:thing", BadResponse, "brainmaps://odd:thing cannot be opened"),
    ],
)
def test_a_source_that_leads_nowhere(source: str | None, error: type[Exception], said: str) -> None:
    """A datastack without a segmentation, or with an address that nobody serves, is an error that names it."""
    with (
        Sandbox(Datastack("odd", (), info={"segmentation_source": source})) as sandbox,
        pytest.raises(error, match=said),
    ):
        opened(sandbox, "odd", HASTY)


@pytest.mark.parametrize(
    ("blocked", "said"),
    [("cloudvolume", "is not installed: pip install 'crantdb.segmentation.'"), ("gevent", "does not load")],
)
def test_without_cloud_volume(
    sandbox: Sandbox, world: Datastack, monkeypatch: pytest.MonkeyPatch, blocked: str, said: str
) -> None:
    """Not installed, or installed in part: the message says which, and what to install."""
    cave = cave_of(sandbox, world.name)
    for name in [name for name in sys.modules if name.split(".")[0] == "cloudvolume"]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.split(".")[0] == blocked]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, blocked, None)
    with pytest.raises(ConfigError, match=said):
        open_segmentation(cave)


def test_asked_to_stop_it_stops(sandbox: Sandbox, world: Datastack) -> None:
    """Ctrl-C while files are under way ends reading at once."""
    cave = cave_of(sandbox, world.name, CaveOptions(timeout_s=60))
    source = open_segmentation(cave)
    sandbox.faults.add(Fault("stall", match=FILES, seconds=30, times=None))
    threading.Timer(0.2, cave.transport.stop.set).start()
    with pytest.raises(Interrupted):
        source.at(near(world, 5)[0], nothing_heard)


# --- what it leaves ---------------------------------------------------------------------------------

READING = """
import sys
import numpy as np
from tests.sources.test_segmentation import cave_of, nothing_heard, open_segmentation
from crantdb.sandbox import Sandbox
from tests.conftest import CANARY
from tests.sources.spots import NAME, spotted

stack, supervoxels = spotted([[2000, 2000, 100]])
with Sandbox(stack, token=CANARY) as sandbox:
    found = open_segmentation(cave_of(sandbox, NAME)).at(np.array([[32000.0, 32000.0, 4200.0]]), nothing_heard)
assert found.supervoxels.tolist() == supervoxels.tolist()
"""


def test_nothing_is_left_on_the_disk(own_home: Path) -> None:
    """Opened and read with a token, cloud-volume leaves its empty folder: no secret, no cache, no file."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore:You are using a Python version", "-c", READING],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    files = [path for path in own_home.rglob("*") if path.is_file() and ".cache/matplotlib" not in str(path)]
    assert files == []
    assert not (own_home / ".cloudvolume" / "secrets").exists()


def test_it_is_loaded_when_it_is_needed() -> None:
    """Neither the package nor the command line, nor a sync's modules, load cloud-volume."""
    code = (
        "import sys, crantdb, crantdb.cli.main, crantdb.sync.run, crantdb.sources.segmentation;"
        "sys.exit(any(name.split('.')[0] in {'cloudvolume', 'cloudfiles', 'gevent'} for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_a_caller_s_own_output_goes_on(
    spots: tuple[Sandbox, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    """What the asking thread prints while it hears of progress is printed; standard output is as it was after."""
    sandbox, _ = spots
    before = sys.stdout
    opened(sandbox, NAME).at(np.stack(BORDERS[:2]) * VOXEL_NM, lambda count: print("came", count))
    assert sys.stdout is before
    assert capsys.readouterr().out == "came 1\ncame 1\n"


def test_secrets_are_taken_out_of_what_a_library_says() -> None:
    """A foreign error's text is folded into a line without colours and without the token."""
    error = ValueError(f"\x1b[1;91mno\n  good {CANARY}\x1b[m " + "x" * 1000)
    said = segmentation.said_of(error, CANARY)
    assert said.startswith("ValueError: no good [token] xxx")
    assert len(said) < 320
    assert not {"\x1b", "\n"} & set(said)


def test_places_are_plain() -> None:
    """An answer is arrays and a reason, so that whoever asks needs nothing of the library."""
    places = Places(np.zeros(1, np.int64), np.ones(1, bool), np.ones(1, bool))
    assert places.why == ""
    with contextlib.suppress(AttributeError):
        places.why = "changed"  # type: ignore[misc]
    assert places.why == ""
