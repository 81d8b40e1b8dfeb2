"""The command line's L2 data: sync l2, swc, plot skeleton, and the metrics of neuron."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from crantdb.sandbox import Datastack, Sandbox
from tests.conftest import CANARY
from tests.sync.l2_bench import small_world

from .conftest import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def world() -> Datastack:
    """Return a small world whose cache lacks a few ids."""
    return small_world(missing_share=0.01)


@pytest.fixture(scope="module")
def served(world: Datastack) -> Iterator[Sandbox]:
    """Serve it, asking for the canary token."""
    with Sandbox(world, token=CANARY) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def roots(world: Datastack) -> list[int]:
    """Return the four largest roots of version 5, the largest first."""
    history, version = world.chunkedgraph, world.version(5)
    assert history is not None
    assert version is not None
    at = round(version.time_stamp.timestamp() * 1e6)
    standing = [root for root in history.roots.values() if root.is_latest(at)]
    return [root.id for root in sorted(standing, key=lambda root: -len(root.pieces))[:4]]


@pytest.fixture(scope="module")
def place(served: Sandbox, roots: list[int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a warehouse with synapses, and mirror the L2 data of those roots."""
    folder = tmp_path_factory.mktemp("l2") / "wh"
    assert run("init", folder, "--datastack", "sandbox_ant", "--cave-server", served.url).code == 0
    tables = [word for name in ("synapses_v2", "nuclei_v1") for word in ("--table", name)]
    assert run("sync", "cave", "--version", "5", *tables, "--warehouse", folder).code == 0
    done = run("sync", "l2", *map(str, roots), "--warehouse", folder)
    assert done.code == 0, done.err
    assert f"L2 data of {len(roots)} roots, {len(roots)} of them new" in done.err
    return folder


def record(*args: str | Path) -> dict[str, object]:
    """Run a verb with JSON as output; return the object it prints."""
    done = run(*args, "--output", "json")
    assert done.code == 0, done.err
    found: dict[str, object] = json.loads(done.out)
    return found


def test_a_second_sync_of_l2_says_what_is_still_missing(
    place: Path, roots: list[int], tmp_path: Path
) -> None:
    """Roots may stand in a file; those that are there are not new, and ids that the cache lacks are counted."""
    text = tmp_path / "roots.txt"
    text.write_text("root_id\n" + "\n".join(map(str, roots)) + "\n")
    told = record("sync", "l2", "-f", text, "--warehouse", place)
    assert (told["roots"], told["new_roots"], told["failed"]) == (len(roots), 0, {})
    assert isinstance(told["missing"], int)
    assert told["missing"] > 0


def test_a_new_version_says_that_its_skeletons_are_due(
    served: Sandbox, roots: list[int], tmp_path: Path
) -> None:
    """After a sync to another version, skeletons are announced as due; `sync l2` makes them without asking for graphs."""
    words = ["--table", "nuclei_v1", "--warehouse", tmp_path / "wh"]
    assert run("init", tmp_path / "wh", "--datastack", "sandbox_ant", "--cave-server", served.url).code == 0
    assert run("sync", "cave", "--version", "3", *words).code == 0
    assert run("sync", "l2", *map(str, roots), "--warehouse", tmp_path / "wh").code == 0
    moved = run("sync", "cave", "--version", "5", *words)
    assert "skeletons of version 5 are not made yet" in moved.err
    served.log.clear()
    assert run("sync", "l2", *map(str, roots), "--warehouse", tmp_path / "wh").code == 0
    assert served.log.count("lvl2_graph") == 0
    again = run("sync", "cave", "--version", "5", *words)
    assert "not made yet" not in again.err


def test_a_dry_run_asks_nothing_of_l2(place: Path, served: Sandbox, roots: list[int]) -> None:
    """It counts roots, those that are new and the ids to ask for again, and sends no request for them."""
    served.log.clear()
    done = run("sync", "l2", str(roots[0]), str(roots[0] + 1), "--dry-run", "--warehouse", place)
    assert done.code == 0
    assert "L2 data of 2 roots, 1 of them new" in done.err
    assert served.log.count("lvl2_graph|leaves|l2cache") == 0


def test_a_root_that_is_none_is_told(place: Path, roots: list[int]) -> None:
    """An id that the chunkedgraph refuses is named with the reason, and does not end the sync."""
    strange = roots[0] + 2**40
    done = run("sync", "l2", str(strange), "--warehouse", place)
    assert done.code == 0
    assert f"no L2 data of {strange}" in done.err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["sync", "5764607523034234"], "root ids stand behind l2"),
        (["sync", "l3"], "there is no source l3"),
        (["sync", "cave", "--where", "side = 'left'"], "say whose L2 data"),
        (["sync", "l2", "5", "--where", "side = 'left'"], "in one way"),
        (["swc", "5"], "--out"),
        (["swc", "-o", "x"], "say which neurons"),
    ],
)
def test_wrong_usage_is_said(place: Path, args: list[str], said: str) -> None:
    """Ids without l2, unknown sources, choices said twice, no folder or no neurons: exit 2, with what is wrong."""
    done = run(*args, "--warehouse", place)
    assert done.code == 2
    assert said in done.err


def test_without_annotations_it_asks_whose(place: Path) -> None:
    """Where no annotation says whose L2 data to mirror, the message says how to."""
    done = run("sync", "l2", "--warehouse", place)
    assert done.code == 1
    assert "crantdb sync l2 ROOT" in done.err


def test_swc_writes_files_and_then_none(place: Path, roots: list[int], tmp_path: Path) -> None:
    """Each neuron has its file; the second run finds them up to date, other units make them anew."""
    words = ["swc", *map(str, roots), "-o", tmp_path / "swc", "--warehouse", place]
    first, second = record(*words), record(*words)
    assert (first["written"], first["up_to_date"], first["failed"]) == (len(roots), 0, 0)
    assert (second["written"], second["up_to_date"]) == (0, len(roots))
    assert record(*words, "--units", "um")["written"] == len(roots)
    assert {path.stem for path in (tmp_path / "swc").glob("*.swc")} == set(map(str, roots))


def test_a_neuron_without_skeleton_fails_with_its_reason(
    place: Path, roots: list[int], tmp_path: Path
) -> None:
    """What has a skeleton is written; the rest is named, has no file, and the exit code says so."""
    done = run("swc", str(roots[0]), "576460752303499999", "-o", tmp_path / "s.zip", "--warehouse", place)
    assert done.code == 1
    assert "crantdb sync l2 576460752303499999" in done.err
    assert (tmp_path / "s.zip").is_file()


def test_synapses_are_written_beside(place: Path, roots: list[int], tmp_path: Path) -> None:
    """`--attach-synapses` leaves a table of synapses in the folder."""
    record("swc", str(roots[0]), "-o", tmp_path / "swc", "--attach-synapses", "--warehouse", place)
    query = f"SELECT count(*) AS n FROM read_parquet('{tmp_path / 'swc' / 'synapses.parquet'}')"
    done = run("sql", query, "--unsafe", "--output", "json", "--warehouse", place)
    assert json.loads(done.out)[0]["n"] > 10


def test_the_picture_shows_something(place: Path, roots: list[int], tmp_path: Path) -> None:
    """A picture of two neurons is written whole, in colours; a name that is no picture's is refused."""
    from matplotlib.image import imread  # noqa: PLC0415 - heavy, and for this test only

    path = tmp_path / "two.png"
    done = run("plot", "skeleton", *map(str, roots[:2]), "-o", path, "--warehouse", place)
    assert done.code == 0, done.err
    pixels = imread(path)[..., :3]
    assert min(pixels.shape[:2]) > 500
    assert 0.002 < (pixels.min(axis=2) < 0.9).mean() < 0.5
    assert run("plot", "skeleton", str(roots[0]), "-o", tmp_path / "two.txt", "--warehouse", place).code == 1


def test_neuron_tells_its_metrics(place: Path, roots: list[int]) -> None:
    """The page of a neuron has its L2 chunks, cable by method and volume."""
    page = record("neuron", str(roots[0]), "--warehouse", place)
    assert isinstance(page["cable_mst_um"], float)
    assert page["cable_mst_um"] > 100
    assert {"l2_chunks", "l2_missing", "cable_teasar_um", "volume_um3", "tips"} <= set(page)


def test_the_shell_knows_cable_without_a_file(place: Path, roots: list[int]) -> None:
    """`cable_length` and `skeleton` answer in any shell, from the warehouse alone."""
    query = f"SELECT nodes.n, cable_mst_nm FROM cable_length({roots[0]}), (SELECT count(*) AS n FROM skeleton({roots[0]})) AS nodes"
    [row] = json.loads(run("sql", query, "--output", "json", "--warehouse", place).out)
    assert row["n"] > 100
    assert row["cable_mst_nm"] > 1e5
