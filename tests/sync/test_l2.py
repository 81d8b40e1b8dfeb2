"""The mirror of L2 data: true to the generated pieces, appended to, gone on with, and asked again what was missing."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

import crantdb
from crantdb.analysis.attached import SynapseChoice, read_synapses
from crantdb.errors import NotServed, ServiceUnavailable
from crantdb.sandbox import Datastack, Fault, Sandbox
from crantdb.sandbox.l2_graph import l2_edges
from crantdb.sandbox.l2cache import CacheState, gaps_of
from crantdb.warehouse.verify import verify

from .bench import unregistered as without_registering
from .l2_bench import L2Bench, copy_of, l2_bench, small_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crantdb.sandbox.history import History

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def world() -> Datastack:
    """Return a small world whose cache lacks a few ids for good."""
    return small_world(missing_share=0.01, placeholder_share=0.01)


@pytest.fixture(scope="module")
def history(world: Datastack) -> History:
    """Return its history."""
    assert world.chunkedgraph is not None
    return world.chunkedgraph


@pytest.fixture(scope="module")
def served(world: Datastack) -> Iterator[Sandbox]:
    """Return the sandbox that serves it."""
    with Sandbox(world) as sandbox:
        yield sandbox


pytestmark = pytest.mark.usefixtures("unregistered")


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, served: Sandbox, world: Datastack) -> L2Bench:
    """Return a warehouse with one table of version 5, which no test changes."""
    bench = l2_bench(tmp_path_factory.mktemp("begun") / "warehouse", served, world)
    with without_registering():
        bench.mirror()
    return bench


@pytest.fixture
def here(tmp_path: Path, begun: L2Bench) -> Iterator[L2Bench]:
    """Return a fresh warehouse with one table of version 5; the sandbox has no faults and serves the world."""
    bench = copy_of(begun, tmp_path / "warehouse")
    begun.sandbox.log.clear()
    yield bench
    begun.sandbox.faults.clear()
    begun.sandbox.replace(begun.world)


def test_members_edges_and_nodes_are_the_worlds(
    here: L2Bench, history: History, unregistered: list[Path]
) -> None:
    """Every L2 id and edge of every root asked for is mirrored, and of every id what the cache has or that it lacks.

    The files for other programs are made anew.
    """
    roots = here.latest()
    report = here.l2(roots)
    assert unregistered == [here.warehouse.root]
    assert (report.new_roots, dict(report.failed), report.stale) == (len(roots), {}, ())
    members = [(r, int(n)) for r in roots for n in sorted(history.l2_leaves(history.roots[r]))]
    assert here.rows("FROM l2_members ORDER BY root_id, l2_id") == members
    edges = [(r, *map(int, pair)) for r in roots for pair in l2_edges(history, history.roots[r])]
    assert here.rows("FROM l2_edges ORDER BY ALL") == edges
    ids = np.unique([node for _, node in members])
    gaps = gaps_of(here.world.l2, ids)
    known = [int(node) for node, gap in zip(ids, gaps, strict=True) if not gap]
    assert here.rows("SELECT l2_id FROM l2_nodes ORDER BY l2_id") == [(node,) for node in known]
    lost = [int(node) for node, gap in zip(ids, gaps, strict=True) if gap]
    assert here.rows("SELECT l2_id, tries FROM l2_missing ORDER BY l2_id") == [(node, 1) for node in lost]
    assert report.missing == len(lost) > 0


def test_skeletons_have_the_worlds_topology_and_cable(here: L2Bench, history: History) -> None:
    """Where no id is missing, a skeleton's links are the neuron's L2 edges, and its cable is their length."""
    here.sandbox.replace(replace(here.world, l2=CacheState()))
    roots = here.latest(least=2)
    here.l2(roots)
    links = here.rows(
        """SELECT child.root_id, least(child.l2_id, parent.l2_id), greatest(child.l2_id, parent.l2_id)
        FROM skeleton_nodes AS child JOIN skeleton_nodes AS parent
        ON parent.root_id = child.root_id AND parent.node_id = child.parent_id ORDER BY ALL"""
    )
    assert links == here.rows("FROM l2_edges ORDER BY ALL")
    true = here.rows(
        """SELECT root_id, sum(sqrt((a.x_nm - b.x_nm) ** 2 + (a.y_nm - b.y_nm) ** 2 + (a.z_nm - b.z_nm) ** 2))
        FROM l2_edges JOIN l2_nodes AS a ON a.l2_id = l2_a JOIN l2_nodes AS b ON b.l2_id = l2_b
        GROUP BY root_id ORDER BY root_id"""
    )
    made = here.rows("SELECT root_id, cable_mst_nm FROM neuron_metrics ORDER BY root_id")
    assert [root for root, _ in made] == roots
    assert np.allclose([cable for _, cable in made], [cable for _, cable in true], rtol=1e-9)
    assert here.rows("SELECT count(*) FROM neuron_metrics WHERE tips < 1 OR nodes <> l2_count") == [(0,)]


def test_nuclei_root_the_skeletons(here: L2Bench) -> None:
    """A neuron with one nucleus in the version's nucleus table is rooted at the node nearest to it."""
    here.l2(here.latest(least=100))
    near = here.rows(
        """SELECT root_rule, sqrt((x_nm - 16 * pt_position_x) ** 2 + (y_nm - 16 * pt_position_y) ** 2
            + (z_nm - 42 * pt_position_z) ** 2) AS away
        FROM neuron_metrics JOIN skeleton_nodes USING (root_id) JOIN nuclei_v1 ON pt_root_id = root_id
        WHERE node_id = 1 AND (SELECT count(*) FROM nuclei_v1 AS other WHERE other.pt_root_id = root_id) = 1"""
    )
    assert len(near) >= 3
    assert {rule for rule, _ in near} == {"point"}
    assert max(away for _, away in near) < 15_000


def test_a_second_sync_asks_for_new_roots_only(here: L2Bench) -> None:
    """Roots and ids that are there are never asked for again; new roots are, and every missing id once more."""
    roots = here.some()
    first = here.l2(here.latest(least=60)[:1])
    assert here.asked("lvl2_graph") == 1
    second = here.l2(roots)
    assert here.sandbox.log.count("lvl2_graph") == len(roots) - 1
    assert (first.new_roots, second.new_roots) == (1, len(roots) - 1)
    ids = here.rows("SELECT count(DISTINCT l2_id) FROM l2_members")[0][0]
    assert first.new_nodes + second.new_nodes + second.missing == ids
    assert here.rows("SELECT max(tries), min(tries) FROM l2_missing") == [(2, 1)]
    assert here.rows("SELECT count(*) - count(DISTINCT (root_id, l2_id)) FROM l2_members") == [(0,)]
    assert here.rows("SELECT count(*) FROM neuron_metrics") == [(second.skeletons,)]


def test_only_what_is_new_is_made_into_skeletons(here: L2Bench) -> None:
    """Skeletons of which nothing more is known are taken over, from another version's tables too; the rows are equal."""
    here.sandbox.replace(replace(here.world, l2=CacheState()))
    moved = l2_bench(here.warehouse.root.parent / "moved", here.sandbox, here.world)
    moved.mirror(3)
    moved.l2(moved.some(3))
    moved.mirror(5)
    both = set(moved.some(3)) & set(here.some())
    moved.voice.lines.clear()
    moved.l2(here.some())
    assert f"begin skeleton_nodes: {len(here.some())} rows, {len(both)} staged" in moved.voice.lines
    here.l2(here.some())
    for table in ("skeleton_nodes", "neuron_metrics"):
        assert here.rows(f"FROM {table} ORDER BY ALL") == moved.rows(f"FROM {table} ORDER BY ALL")


def test_synapses_lie_in_their_own_l2_ids(here: L2Bench, history: History) -> None:
    """With `synapses`, every synapse of a mirrored neuron has its L2 id, one of the neuron's own, and is asked for once."""
    bench = l2_bench(here.warehouse.root.parent / "placed", here.sandbox, here.world)
    bench.warehouse.config.write_text(bench.warehouse.config.read_text() + "synapses = true\n")
    bench.mirror(5, ("synapses_v2",))
    roots = here.latest(least=100)[:2]
    bench.l2(roots[:1])
    here.sandbox.log.clear()
    bench.l2(roots)
    assert here.asked("roots_binary") == 1
    bench.l2(roots)
    assert here.asked("roots_binary") == 0
    version = here.world.version(5)
    assert version is not None
    at = round(version.time_stamp.timestamp() * 1e6)
    for side in ("pre", "post"):
        rows = bench.rows(
            f"""SELECT id, {side}_pt_supervoxel_id FROM synapses
            WHERE {side}_pt_root_id IN {tuple(roots)} AND {side}_pt_supervoxel_id > 0 ORDER BY id"""
        )
        true = history.l2_at([voxel for _, voxel in rows], at)
        with crantdb.connect(bench.warehouse.root) as con:
            made = read_synapses(con, roots, SynapseChoice(clean=False)).filter(pl.col("side") == side)
        placed = dict(made.select("id", "l2_id").rows())
        assert [placed[key] for key, _ in rows] == true.tolist()
        assert len(rows) > 50


def test_a_nucleus_that_comes_to_be_known_roots_anew(here: L2Bench) -> None:
    """When a nucleus table is mirrored after the L2 data, skeletons are rooted there, and nothing is asked again."""
    here.sandbox.replace(replace(here.world, l2=CacheState()))
    late = l2_bench(here.warehouse.root.parent / "late", here.sandbox, here.world)
    late.mirror(5, ("cell_types",))
    late.l2(here.latest(least=100))
    rules = "SELECT count(*) FROM neuron_metrics WHERE root_rule = 'point'"
    assert late.rows(rules) == [(0,)]
    late.mirror(5, ("nuclei_v1",))
    here.sandbox.log.clear()
    report = late.l2(here.latest(least=100))
    assert (report.changed, here.asked("lvl2_graph|attributes")) == (True, 0)
    assert late.rows(rules)[0][0] >= 3
    assert not late.l2(here.latest(least=100)).changed


def test_missing_ids_come_later(here: L2Bench) -> None:
    """What the cache lacked is mirrored once it is there, its row of missing ids goes, and the skeletons follow."""
    roots = here.latest(least=50)[:3]
    lost = here.l2(roots).missing
    flagged = "SELECT count(*) FROM skeleton_nodes WHERE flags & 1 = 1"
    assert here.rows(flagged)[0][0] > 0
    here.sandbox.replace(replace(here.world, l2=CacheState()))
    later = here.l2(roots)
    assert (later.new_roots, later.new_nodes, later.missing) == (0, lost, 0)
    assert here.rows("SELECT count(*) FROM l2_missing") == here.rows(flagged) == [(0,)]


def test_nothing_new_makes_no_snapshot(here: L2Bench) -> None:
    """When nothing is missing and no root is new, a sync changes nothing and asks for no graph and no id."""
    here.sandbox.replace(replace(here.world, l2=CacheState()))
    here.l2(here.some())
    number = here.snapshot.number
    here.sandbox.log.clear()
    report = here.l2(here.some())
    assert (report.changed, here.snapshot.number) == (False, number)
    assert here.asked("lvl2_graph|leaves|attributes") == 0


def test_a_root_of_another_moment_is_mirrored_but_in_no_version(here: L2Bench, history: History) -> None:
    """An edited root keeps its L2 data, is told as stale, and stands in no table of the version."""
    old = next(root.id for root in history.roots.values() if root.retired_us and len(root.pieces) > 50)
    report = here.l2([old, here.latest(least=50)[0]])
    assert report.stale == (old,)
    assert here.rows(f"SELECT count(*) > 50 FROM l2_members WHERE root_id = {old}") == [(True,)]
    for table in ("skeleton_nodes", "neuron_metrics"):
        assert here.rows(f"SELECT count(*) FROM {table} WHERE root_id = {old}") == [(0,)]


def test_a_version_added_later_shares_what_is_mirrored(here: L2Bench) -> None:
    """Moving to another version keeps the L2 data; its skeletons are made of them without asking again."""
    moved = l2_bench(here.warehouse.root.parent / "moved", here.sandbox, here.world)
    moved.mirror(3)
    before = moved.l2(moved.some(3))
    moved.mirror(5)
    members = moved.rows("SELECT count(*) FROM l2_members")
    here.sandbox.log.clear()
    both = sorted(set(here.some(3)) & set(here.some()))
    report = moved.l2(both)
    assert (report.new_roots, here.sandbox.log.count("lvl2_graph")) == (0, 0)
    assert moved.rows("SELECT count(*) FROM l2_members") == members
    made = {root for (root,) in moved.rows("SELECT root_id FROM neuron_metrics")}
    assert made == set(both) - set(report.without_skeleton)
    assert len(made) < before.skeletons


def test_single_chunks_and_unknown_ids(here: L2Bench, history: History) -> None:
    """A neuron of one L2 chunk is a skeleton of one node; an id that is no root is told, and stops nothing."""
    alone = next(root for root in here.latest() if len(history.roots[root].pieces) == 1)
    here.sandbox.replace(replace(here.world, l2=CacheState()))
    report = here.l2([alone, alone + 2**40])
    assert set(report.failed) == {alone + 2**40}
    assert here.rows("SELECT root_id, nodes, cable_mst_nm, root_rule FROM neuron_metrics") == [
        (alone, 1, 0, "only")
    ]
    assert here.rows("SELECT count(*) FROM l2_edges") == [(0,)]


def test_no_roots_are_no_error(here: L2Bench) -> None:
    """Asked for nothing, a sync makes empty tables and fails at nothing."""
    report = here.l2([])
    assert (report.roots, report.new_roots, report.skeletons) == (0, 0, 0)
    assert here.rows("SELECT count(*) FROM l2_members") == [(0,)]


def test_a_root_of_which_nothing_is_known_has_no_skeleton(here: L2Bench, history: History) -> None:
    """Where the cache has none of a root's ids, the root is told and has no row; later it gets one."""
    root = here.latest(least=3)[0]
    ids = frozenset(history.l2_leaves(history.roots[root]).tolist())
    here.sandbox.replace(replace(here.world, l2=CacheState(missing=ids)))
    report = here.l2([root])
    assert (report.skeletons, set(report.without_skeleton), report.missing) == (0, {root}, len(ids))
    here.sandbox.replace(replace(here.world, l2=CacheState()))
    assert here.l2([root]).skeletons == 1


def test_files_that_pile_up_are_joined(here: L2Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """From so many files on, a table is written anew as one, sorted, with the same rows; every file stands the test."""
    monkeypatch.setattr("crantdb.sync.l2_tables.MOST_FILES", 2)
    sizes = dict(here.world.chunkedgraph.roots)  # type: ignore[union-attr]
    roots = sorted(here.latest(), key=lambda root: len(sizes[root].pieces))
    for end in (1, 3, 5, 7):
        here.l2(roots[:end])
    files = {name: len(here.snapshot.shared[f"l2.{name}"].files) for name in ("l2_members", "l2_edges")}
    assert max(files.values()) <= 2
    whole = l2_bench(here.warehouse.root.parent / "whole", here.sandbox, here.world)
    whole.mirror()
    whole.l2(roots[:7])
    for name in ("l2_members", "l2_edges", "l2_nodes"):
        assert here.rows(f"FROM {name} ORDER BY ALL") == whole.rows(f"FROM {name} ORDER BY ALL")
    assert [one.finding for one in verify(here.warehouse, deep=True) if one.finding] == []


@pytest.mark.parametrize("struck", ["lvl2_graph", "attributes"])
def test_a_server_that_fails_is_gone_on_with(here: L2Bench, struck: str) -> None:
    """When the server goes down on the way, nothing is committed; the next sync asks only for what is left."""
    roots, number = here.some(), here.snapshot.number
    here.sandbox.faults.add(Fault("status", match=struck, code=503, times=None, after=1))
    with pytest.raises(ServiceUnavailable):
        here.l2(roots)
    assert here.snapshot.number == number
    here.sandbox.faults.clear()
    here.sandbox.log.clear()
    report = here.l2(roots)
    assert report.new_roots == len(roots)
    if struck == "attributes":
        assert here.asked("lvl2_graph") == 0


def test_a_killed_sync_ends_as_one_undisturbed(here: L2Bench, tmp_path: Path) -> None:
    """Killed at any call to the disk and run again, a sync makes the same files, byte for byte."""
    roots = here.some()
    calm = copy_of(here, tmp_path / "calm")
    calls = killed(calm, 0, roots)
    assert calls > 100
    for at in (calls // 3, 40):
        assert killed(here, at, roots) == -9
        assert here.snapshot.number == 1
    here.l2(roots)
    assert sums(here) == sums(calm)


def killed(bench: L2Bench, at: int, roots: list[int]) -> int:
    """Run a sync in a process of its own, killed at a call; return the calls it made, or the code it ended with."""
    command = [
        sys.executable,
        "-m",
        "tests.sync.l2_bench",
        str(bench.warehouse.root),
        str(at),
        ",".join(map(str, roots)),
    ]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 else done.returncode


def sums(bench: L2Bench) -> dict[str, list[str]]:
    """Return the checksums of the files of every L2 table but the missing ids, which hold the moment."""
    tables = {**bench.snapshot.shared, **bench.snapshot.main.tables}
    wanted = (
        "l2.l2_members",
        "l2.l2_edges",
        "l2.l2_nodes",
        "derived.skeleton_nodes",
        "derived.neuron_metrics",
    )
    return {key: [file.sha256 for file in tables[key].files] for key in wanted}


def test_another_cache_starts_anew(here: L2Bench) -> None:
    """When the cache was built anew under another name, nothing of the old one is mixed with it."""
    roots = here.latest(least=50)[:3]
    here.l2(roots)
    here.sandbox.replace(replace(here.world, l2=CacheState(cache_id="l2cache_sandbox_v2")))
    report = here.l2(roots)
    assert report.new_roots == 3
    assert here.rows("SELECT count(*) - count(DISTINCT l2_id) FROM l2_nodes") == [(0,)]
    tables = [table for table in here.snapshot.shared.values() if table.schema == "l2"]
    assert {table.source["l2cache_id"] for table in tables} == {"l2cache_sandbox_v2"}


def test_without_a_cache_nothing_is_done(here: L2Bench) -> None:
    """A datastack without an L2 cache is said so, and the warehouse stays as it was."""
    here.sandbox.replace(replace(here.world, l2=CacheState(cache_id=None)))
    with pytest.raises(NotServed, match="no L2 cache"):
        here.l2(here.latest())
    assert here.snapshot.number == 1
