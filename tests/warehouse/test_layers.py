"""Versions kept as layers: what becomes of them in time, and when the expiry that makes them is killed."""

from __future__ import annotations

import multiprocessing
import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from crantdb.cli.main import run as run_cli
from crantdb.errors import BadArgument, ValidationError
from crantdb.warehouse import layering
from crantdb.warehouse.catalog import connect, scan
from crantdb.warehouse.expire import Rules, expire, plan_expiry
from crantdb.warehouse.layout import Warehouse
from crantdb.warehouse.manifest import to_json
from crantdb.warehouse.relations import files_of
from crantdb.warehouse.rollback import rollback
from crantdb.warehouse.rows import rows_sql
from crantdb.warehouse.snapshot import read_snapshot, state_for
from crantdb.warehouse.staging import clear, staged
from crantdb.warehouse.verify import verify
from tests.warehouse.brain import brain, synapses
from tests.warehouse.killing import DISK, Calls
from tests.warehouse.making import ROOT, copy_of, make_warehouse, tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crantdb.warehouse.expire import Expiry
    from crantdb.warehouse.state import Snapshot, TableState

FORK = multiprocessing.get_context("forkserver")
FORMS = ("syn", "synapses_by_post", "edges", "edges_by_post", "synapse_ids")
MEMORY = 2_000_000_000
Line = tuple[Warehouse, dict[int, dict[str, Any]]]
"""A warehouse, and all rows of every form of each of its versions."""

NOW = datetime.now(UTC) + timedelta(hours=1)


def edited(rows: pa.Table, version: int) -> pa.Table:
    """Return the rows of the next version: some roots are new, some rows come, some go."""
    random = np.random.default_rng(version)
    pre = rows["pre_pt_root_id"].to_numpy(zero_copy_only=False)
    moved = (pre == ROOT + random.integers(0, 50)) | (random.random(rows.num_rows) < 0.01)
    new = pa.array(np.where(moved, ROOT + 1000 * version, pre), pa.int64(), from_pandas=True)
    column = pc.if_else(pa.array(moved), new, rows["pre_pt_root_id"])
    place = rows.column_names.index("pre_pt_root_id")
    rows = rows.set_column(place, "pre_pt_root_id", column)
    kept = rows.filter(pa.array(random.random(rows.num_rows) > 0.005))
    return pa.concat_tables([kept, synapses(20, seed=version, first_id=10_000 * version)])


def committed(warehouse: Warehouse, rows: pa.Table, version: int) -> Snapshot:
    """Commit a version, and clear what was staged of it."""
    made = brain(warehouse, rows, version=version)
    clear(warehouse, staged(warehouse))
    return made


def line(warehouse: Warehouse, versions: Sequence[int], rows: int = 3_000) -> dict[int, dict[str, Any]]:
    """Commit versions, each edited from the last; return the rows of every form of each."""
    table = synapses(rows, seed=7)
    for version in range(1, versions[0]):
        table = edited(table, version)
    for version in versions:
        table = edited(table, version)
        committed(warehouse, table, version)
    return {version: content(warehouse, version) for version in versions}


def content(warehouse: Warehouse, version: int | None = None) -> dict[str, Any]:
    """Return all rows of every form of a version, as its manifest says they are kept, in an order of their own."""
    tables = state_for(warehouse, read_snapshot(warehouse), version).tables.values()
    with duckdb.connect() as con:
        found = {t.name: con.sql(f"FROM ({rows_sql(warehouse, t)}) ORDER BY ALL").fetchall() for t in tables}
    return {name: found[name] for name in FORMS}


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Line]:
    """Return a warehouse of two versions and one of three, which no test changes."""
    two = make_warehouse(tmp_path_factory.mktemp("two"))
    truth = line(two, [1, 2])
    three = copy_of(two, tmp_path_factory.mktemp("three") / "wh")
    return {2: (two, truth), 3: (three, truth | line(three, [3]))}


@pytest.fixture
def two(lines: dict[int, Line], tmp_path: Path) -> Line:
    """Return a warehouse of two versions, the second edited from the first, and all their rows."""
    return copy_of(lines[2][0], tmp_path / "two"), dict(lines[2][1])


@pytest.fixture
def three(lines: dict[int, Line], tmp_path: Path) -> Line:
    """Return a warehouse of three versions, each edited from the last, and all their rows."""
    return copy_of(lines[3][0], tmp_path / "three"), dict(lines[3][1])


def thinned(warehouse: Warehouse, full: int = 1, **rules: Any) -> Expiry:
    """Expire with so many versions left whole; what nobody lists is deleted at once."""
    wanted = Rules(
        **({"keep_versions": 99, "keep_days": None, "grace_days": 0, "full_versions": full} | rules)
    )
    found = expire(warehouse, wanted, now=NOW, memory_bytes=MEMORY)
    assert found is not None
    return found


def syn(warehouse: Warehouse, version: int) -> TableState:
    """Return the synapse table of a kept version."""
    snapshot = read_snapshot(warehouse)
    state = read_snapshot(warehouse, snapshot.versions[version]).state_of(version)
    assert state is not None
    return state.tables["cave.syn"]


def on(warehouse: Warehouse, version: int) -> tuple[int, list[int]]:
    """Return on which version a table's layers lie, and of which versions they are."""
    layers = syn(warehouse, version).layers
    assert layers is not None
    return layers.version, [step.version for step in layers.steps]


def findings(warehouse: Warehouse) -> list[str]:
    """Return what a deep look finds."""
    return [str(checked.finding) for checked in verify(warehouse, deep=True) if checked.finding]


def test_layers_lie_on_the_next_newer_version(three: Line) -> None:
    """Each older version costs what changed since: its layers are those of the version behind it and one of its own."""
    warehouse, truth = three
    assert thinned(warehouse).layered == (1, 2)
    assert on(warehouse, 2) == (3, [2])
    assert on(warehouse, 1) == (3, [2, 1])
    assert {version: content(warehouse, version) for version in truth} == truth
    assert sum(file.rows for file in syn(warehouse, 1).own) < 0.2 * syn(warehouse, 1).rows


def test_time_goes_on(two: Line) -> None:
    """Version by version synced and thinned, layers move to the newest whole one, and every row stays as it was."""
    warehouse, truth = two
    thinned(warehouse)
    truth |= line(warehouse, [3])
    assert thinned(warehouse).layered == (1, 2)
    assert on(warehouse, 1) == (3, [2, 1])
    truth |= line(warehouse, [4, 5])
    assert thinned(warehouse, full=2).layered == (1, 2, 3)
    assert on(warehouse, 1) == (4, [3, 2, 1])
    assert {version: content(warehouse, version) for version in truth} == truth
    assert findings(warehouse) == []
    plan = plan_expiry(warehouse, Rules(99, None, 0, 2), now=NOW)
    assert plan is not None
    assert (plan.layered, plan.files, plan.waiting) == ((), (), ())


def test_a_second_time_nothing_happens(two: Line) -> None:
    """What is layers already stays as it is: no commit, no file written."""
    warehouse, _ = two
    thinned(warehouse)
    thinned(warehouse)
    before = tree(warehouse.root)
    assert not thinned(warehouse).commits
    assert tree(warehouse.root) == before


def test_files_go_only_after_their_grace_period(two: Line) -> None:
    """The whole files of a version that became layers wait as those of any expired snapshot do."""
    warehouse, _ = two
    whole = {file.path for file in syn(warehouse, 1).files}
    found = thinned(warehouse, grace_days=7)
    assert found.files == ()
    assert whole <= {str(left.path.relative_to(warehouse.root)) for left in found.waiting}
    later = expire(warehouse, Rules(99, None, 7, 1), now=NOW + timedelta(days=8), memory_bytes=MEMORY)
    assert later is not None
    assert not any((warehouse.root / path).exists() for path in whole)


def test_a_dry_run_changes_nothing(three: Line) -> None:
    """A plan names the versions that would become layers, and writes no byte."""
    warehouse, _ = three
    before = tree(warehouse.root)
    plan = plan_expiry(warehouse, Rules(99, None, full_versions=2))
    assert plan is not None
    assert plan.layered == (1,)
    assert tree(warehouse.root) == before


def test_a_middle_version_that_goes_takes_nothing_along(three: Line) -> None:
    """Version 2 is no longer kept: the layer of version 1 still has what it needs of it, and gives every row."""
    warehouse, truth = three
    thinned(warehouse)
    found = read_snapshot(warehouse)
    kept = {v: n for v, n in found.versions.items() if v != 2}
    older = tuple(state for state in found.older if state.version != 2)
    fresh = replace(
        found, number=found.number + 1, versions=dict.fromkeys(kept, found.number + 1), older=older
    )
    warehouse.manifest(fresh.number).write_bytes(to_json(fresh))
    thinned(warehouse)
    thinned(warehouse)
    assert sorted(read_snapshot(warehouse).versions) == [1, 3]
    assert content(warehouse, 1) == truth[1]
    assert findings(warehouse) == []


def test_days_are_counted_from_when_a_version_came(two: Line) -> None:
    """That a version became layers does not make it young again: --keep-days lets it go when it would have."""
    warehouse, _ = two
    thinned(warehouse, keep_versions=None, keep_days=10)
    assert sorted(read_snapshot(warehouse).versions) == [1, 2]
    plan = plan_expiry(warehouse, Rules(None, 10, 0), now=NOW + timedelta(days=9.9))
    late = plan_expiry(warehouse, Rules(None, 10, 0), now=NOW + timedelta(days=10.1))
    assert plan is not None
    assert late is not None
    assert (plan.versions, late.versions) == ((), (1,))


def test_what_would_save_little_stays_whole(warehouse: Warehouse) -> None:
    """A version of which more than half the rows differ stays whole, and it is said why."""
    committed(warehouse, synapses(500, seed=1), 1)
    committed(warehouse, synapses(500, seed=2), 2)
    found = thinned(warehouse)
    assert (found.layered, dict(found.whole)) == (
        (),
        {1: "syn: more than 50% of its rows differ from version 2"},
    )
    assert not found.commits
    assert not list(warehouse.staging.iterdir())


def test_a_version_with_other_columns_stays_whole(warehouse: Warehouse) -> None:
    """A column that the newer version does not have cannot come from it; the other way round it is left out."""
    rows = synapses(500, seed=1)
    committed(warehouse, rows.drop_columns("score"), 1)
    committed(warehouse, rows, 2)
    committed(warehouse, rows.drop_columns("score"), 3)
    before = {version: content(warehouse, version) for version in (1, 2)}
    found = thinned(warehouse)
    assert found.layered == (1,)
    assert dict(found.whole) == {2: "syn: its columns are not those of version 3"}
    assert {version: content(warehouse, version) for version in (1, 2)} == before
    assert findings(warehouse) == []


def test_files_that_both_list_are_not_read(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows in a file that both versions list are the same: nothing is compared, and nothing differs."""
    first = committed(warehouse, synapses(300, seed=1), 1)
    tables = [replace(table, version=2, as_of=None) for table in first.main.tables.values()]
    second = replace(first, number=2, parent=1, versions={1: 1, 2: 2})
    main = replace(first.main, version=2, tables={table.key: table for table in tables})
    warehouse.manifest(2).write_bytes(to_json(replace(second, main=main)))
    truth = content(warehouse, 1)
    thinned(warehouse)
    assert sum(file.rows for file in syn(warehouse, 1).own) == 0
    assert content(warehouse, 1) == truth


def test_many_ranges_are_compared_like_one(three: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut into ranges by root, a comparison finds what it finds at once, rows without a root among them."""
    monkeypatch.setattr("crantdb.warehouse.rows.RANGE_ROWS", 100)
    warehouse, truth = three
    thinned(warehouse)
    assert {version: content(warehouse, version) for version in truth} == truth
    assert findings(warehouse) == []


def test_layers_that_give_other_rows_are_refused(two: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were a difference missed, the layers are held against the whole before anything is committed: refused."""
    warehouse, truth = two
    real = layering._compare

    def forgetful(con: Any, *args: Any) -> int:
        found = real(con, *args)
        con.execute("DELETE FROM own WHERE id = (SELECT min(id) FROM own)")
        return found

    monkeypatch.setattr(layering, "_compare", forgetful)
    number = read_snapshot(warehouse).number
    with pytest.raises(ValidationError, match=r"the very rows of version 1"):
        thinned(warehouse)
    assert read_snapshot(warehouse).number == number
    assert content(warehouse, 1) == truth[1]


def test_a_damaged_layer_is_found(two: Line) -> None:
    """`verify` names a file of a layer that is gone or not as it was."""
    warehouse, _ = two
    thinned(warehouse)
    layers = syn(warehouse, 1).layers
    assert layers is not None
    for file in (layers.steps[0].rows[0], layers.steps[0].dropped[0]):
        path = warehouse.root / file.path
        content_was = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(content_was[:-1] + b"x")
        found = [checked.finding for checked in verify(warehouse) if checked.finding]
        assert [finding.path for finding in found] == [path]
        path.write_bytes(content_was)


def test_a_rollback_keeps_layers(two: Line) -> None:
    """Behind a rollback to a snapshot that has layers the older versions still answer."""
    warehouse, truth = two
    thinned(warehouse)
    truth |= line(warehouse, [3])
    rollback(warehouse, read_snapshot(warehouse).number - 1)
    assert content(warehouse, 1) == truth[1]
    assert content(warehouse) == truth[2]


def test_nobody_reads_files_of_a_layered_table_by_mistake(two: Line) -> None:
    """Who asks for the files of a table that has none of its own is told so, not given the newer version's."""
    warehouse, _ = two
    thinned(warehouse)
    with pytest.raises(BadArgument, match=r"kept as what differs from version 2"):
        files_of(warehouse, syn(warehouse, 1))


def test_macros_and_filters_answer_on_layers(two: Line) -> None:
    """A filter, the id macro and a scan with a predicate give on layers what they gave on whole files."""
    warehouse, _ = two
    asked = (
        f"FROM synapses WHERE pre_pt_root_id = {ROOT + 3} ORDER BY ALL",
        f"FROM v1.synapses_by_post WHERE post_pt_root_id = {ROOT + 5} ORDER BY ALL",
        "FROM synapse([list_first]) ORDER BY ALL",
    )
    [(some,)] = _asked(warehouse, "SELECT id FROM synapse_ids ORDER BY id LIMIT 1 OFFSET 100")
    queries = [query.replace("list_first", str(some)) for query in asked]
    before = [_asked(warehouse, query) for query in queries]
    thinned(warehouse)
    assert [_asked(warehouse, query) for query in queries] == before
    assert all(before)
    scanned = scan("synapse_ids", warehouse.root, version=1).filter(id=some).collect()
    assert scanned.height == 1


def _asked(warehouse: Warehouse, query: str) -> list[Any]:
    """Ask version 1."""
    with connect(warehouse.root, version=1, versions=[1]) as con:
        return con.sql(query).fetchall()


def test_the_verb_says_it_dry_first(
    two: Line, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`crantdb expire --full-versions 1` alone keeps every version; a dry run says the same of versions and changes nothing."""
    warehouse, truth = two
    args = ["expire", "--full-versions", "1", "--warehouse", str(warehouse.root)]
    before = tree(warehouse.root)
    assert run_cli([*args, "--dry-run"]) == 0
    assert "versions kept as layers now  1" in capsys.readouterr().out
    assert tree(warehouse.root) == before
    assert run_cli(args) == 0
    assert "versions kept as layers now  1" in capsys.readouterr().out
    assert {version: content(warehouse, version) for version in truth} == truth
    assert run_cli(["expire", "--warehouse", str(warehouse.root)]) == 2
    capsys.readouterr()
    question = ["sql", "SELECT count(*) AS n FROM synapses", "--version", "1", "--output", "csv"]
    assert run_cli([*question, "--warehouse", str(warehouse.root)]) == 0
    assert capsys.readouterr().out.split() == ["n", str(len(truth[1]["syn"]))]
    assert run_cli(["diff", "1", "2", "--warehouse", str(warehouse.root)]) == 2
    assert "the materialization version is v1" in capsys.readouterr().err


# --- killed ------------------------------------------------------------------------------------------


def expire_until(root: str, name: str, at: int, count: Any) -> None:
    """Expire, to be killed behind a call of the disk (before one that deletes); 0 never, then the calls are counted."""
    calls = Calls([name], at, after=name != "unlink")
    expire(Warehouse(Path(root)), Rules(99, None, 0, 1), now=NOW, memory_bytes=MEMORY)
    count.value = calls.count


def in_child(place: Warehouse, name: str, at: int) -> tuple[int | None, int]:
    """Expire in a process of its own; return its exit code and how many calls it made."""
    count = FORK.Value("i", 0)
    process = FORK.Process(target=expire_until, args=(str(place.root), name, at, count))
    process.start()
    process.join(120)
    return process.exitcode, count.value


def sums(warehouse: Warehouse) -> dict[int, list[str]]:
    """Return the sums of the files that each version's synapse table needs."""
    return {v: [file.sha256 for file in syn(warehouse, v).needed] for v in read_snapshot(warehouse).versions}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Line:
    """Return a warehouse of three small versions, which no test changes."""
    made = make_warehouse(tmp_path_factory.mktemp("small"))
    return made, line(made, [1, 2, 3], rows=300)


@pytest.mark.parametrize("name", DISK)
def test_killed_at_any_step_every_version_is_whole(tmp_path: Path, small: Line, name: str) -> None:
    """Killed at calls of the disk all through, every version gives its rows; run again, it ends as undisturbed."""
    warehouse, truth = small
    FORK.set_forkserver_preload(["tests.warehouse.test_layers"])
    calm = copy_of(warehouse, tmp_path / "calm")
    code, total = in_child(calm, name, 0)
    assert (code, total > 0) == (0, True)
    codes = []
    for at in sorted({1, total // 2, total - 1, total} - {0}):
        victim = copy_of(warehouse, tmp_path / f"at-{at}")
        codes.append(in_child(victim, name, at)[0])
        assert {version: content(victim, version) for version in truth} == truth
        assert findings(victim) == []
        thinned(victim)
        assert {version: content(victim, version) for version in truth} == truth
        assert sums(victim) == sums(calm)
    # Threads do not always make as many calls: the last of one run may be one that another does not come to.
    assert codes[:-2] == [-signal.SIGKILL] * (len(codes) - 2)
