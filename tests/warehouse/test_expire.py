"""Expire takes what no rule keeps and nothing else, in an order that may be broken off anywhere."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from crantdb.cli import query
from crantdb.errors import CommitConflict, CorruptWarehouse, NoSuchSnapshot
from crantdb.warehouse import expire as room
from crantdb.warehouse.catalog import check_kept, connect
from crantdb.warehouse.expire import Rules, expire, plan_expiry
from crantdb.warehouse.ledger import ledger_path, read_ledger
from crantdb.warehouse.lock import writing
from crantdb.warehouse.manifest import read_manifest, to_json
from crantdb.warehouse.register import register
from crantdb.warehouse.rollback import check_files, rollback
from crantdb.warehouse.snapshot import current, read_snapshot
from tests.cli.conftest import run
from tests.warehouse.making import add, cells, child, fill, make_warehouse, staging_key, tree

if TYPE_CHECKING:
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import Snapshot

NOW = datetime.now(UTC)
LATER = NOW + timedelta(days=8)


def line(warehouse: Warehouse, *versions: int) -> list[Snapshot]:
    """Commit a snapshot a version, each main."""
    return [add(warehouse, {"cells": cells(range(1, 4), shift=v)}, v) for v in versions]


def age(warehouse: Warehouse, number: int, days: float) -> None:
    """Make a snapshot look as if it had been committed some days ago."""
    path = warehouse.manifest(number)
    old = replace(read_manifest(path), committed_at=NOW - timedelta(days=days))
    path.write_bytes(to_json(old))


def files(snapshot: Snapshot) -> set[str]:
    """Return the files that a snapshot lists."""
    return {f.path for s in snapshot.states() for table in s.tables.values() for f in table.files}


def on_disk(warehouse: Warehouse) -> set[str]:
    """Return the data files there are."""
    return {
        path.relative_to(warehouse.root).as_posix() for path in (warehouse.root / "tables").rglob("*.parquet")
    }


def gone(warehouse: Warehouse, rules: Rules, now: datetime = NOW) -> list[int]:
    """Expire, and return the numbers of the snapshots that went."""
    found = expire(warehouse, rules, now=now)
    assert found is not None
    return [snapshot.number for snapshot in found.snapshots]


@pytest.mark.parametrize(
    ("rules", "going", "versions"),
    [
        (Rules(1, None), [1, 2, 3], [4]),
        (Rules(2, None), [1, 2], [3, 4]),
        (Rules(9, None), [], [1, 2, 3, 4]),
        (Rules(None, 5), [1, 2, 3], [4]),
        (Rules(None, 15), [1, 2], [3, 4]),
        (Rules(None, 100), [], [1, 2, 3, 4]),
        (Rules(1, 25), [1], [2, 3, 4]),
        (Rules(3, 5), [1], [2, 3, 4]),
    ],
)
def test_what_no_rule_keeps_goes(
    warehouse: Warehouse, rules: Rules, going: list[int], versions: list[int]
) -> None:
    """The N newest versions, snapshots younger than D days and the current one stay; the rest goes."""
    line(warehouse, 1, 2, 3, 4)
    for number in (1, 2, 3, 4):
        age(warehouse, number, days=(4 - number) * 10 + 1)
    assert gone(warehouse, rules) == going
    now = current(warehouse)
    assert now is not None
    assert sorted(now.versions) == versions
    assert now.main.version == 4
    assert set(now.versions.values()) <= set(warehouse.numbers())


def test_an_empty_warehouse_has_nothing_to_expire(warehouse: Warehouse) -> None:
    """Without a snapshot there is no plan, and expiring does nothing."""
    before = tree(warehouse.root)
    assert expire(warehouse, Rules(1, None)) is None
    assert tree(warehouse.root) == before


def test_a_plan_changes_nothing(warehouse: Warehouse) -> None:
    """Planning says what expiring then does, and writes not a byte."""
    line(warehouse, 1, 2, 3)
    before = tree(warehouse.root)
    plan = plan_expiry(warehouse, Rules(1, None, grace_days=0), now=LATER)
    assert tree(warehouse.root) == before
    assert plan is not None
    assert len(plan.files) == 2
    assert expire(warehouse, Rules(1, None, grace_days=0), now=LATER) == plan


def test_files_wait_for_the_grace_period(warehouse: Warehouse) -> None:
    """A file goes when no manifest has listed it for so many days, not before, and its empty folder with it."""
    first, _ = line(warehouse, 1, 2)
    gone(warehouse, Rules(1, None))
    [lost] = files(first)
    assert lost in on_disk(warehouse)
    gone(warehouse, Rules(1, None), NOW + timedelta(days=6.9))
    assert lost in on_disk(warehouse)
    gone(warehouse, Rules(1, None), NOW + timedelta(days=7))
    assert lost not in on_disk(warehouse)
    assert not (warehouse.root / lost).parent.exists()
    assert all(entry.files == () for entry in read_ledger(warehouse).values())


def test_the_grace_period_begins_with_the_last_manifest(warehouse: Warehouse) -> None:
    """A file that two snapshots list waits from when the second of them expired."""
    [first] = line(warehouse, 1)
    kept = first.main.tables["cave.cells"]
    add(warehouse, {"more": cells([1])}, 1, carried=[kept])
    line(warehouse, 2)
    age(warehouse, 1, days=20)
    assert gone(warehouse, Rules(2, 10)) == [1]
    assert gone(warehouse, Rules(1, None), NOW + timedelta(days=30)) == [2]
    assert files(first) <= on_disk(warehouse)
    gone(warehouse, Rules(1, None), NOW + timedelta(days=38))
    assert not files(first) & on_disk(warehouse)


def test_what_a_kept_snapshot_lists_stays(warehouse: Warehouse) -> None:
    """A table carried over from an expired snapshot keeps its files for good."""
    [first] = line(warehouse, 1)
    add(warehouse, {"more": cells([1])}, 1, carried=[first.main.tables["cave.cells"]])
    assert gone(warehouse, Rules(1, None, grace_days=0)) == [1]
    assert files(first) <= on_disk(warehouse)
    assert connect(warehouse.root).sql("SELECT count(*) FROM cells").fetchall() == [(3,)]


def test_a_version_added_beside_goes_too(warehouse: Warehouse) -> None:
    """An older version that the current snapshot itself holds is dropped when no rule keeps it."""
    line(warehouse, 2)
    add(warehouse, {"cells": cells([1, 2])}, 1, main=False)
    line_before = read_snapshot(warehouse)
    assert sorted(line_before.versions) == [1, 2]
    gone(warehouse, Rules(1, None, grace_days=0))
    now = read_snapshot(warehouse)
    assert (sorted(now.versions), now.added, now.operation) == ([2], None, "expire")
    assert gone(warehouse, Rules(1, None, grace_days=0)) == [2]
    assert on_disk(warehouse) == files(now)


def test_a_second_run_comes_to_rest(warehouse: Warehouse) -> None:
    """Expiring again and again makes no further snapshots once all is as the rules say."""
    line(warehouse, 1, 2, 3)
    for _ in range(2):
        gone(warehouse, Rules(1, None, grace_days=0), LATER)
    before = tree(warehouse.root)
    assert gone(warehouse, Rules(1, None, grace_days=0), LATER) == []
    assert tree(warehouse.root) == before


# --- leftovers ---------------------------------------------------------------------------------------


def test_leftovers_of_a_killed_commit_go(warehouse: Warehouse) -> None:
    """A data file that no manifest ever listed goes once it is older than the grace period; other files stay."""
    [kept] = line(warehouse, 1)
    folder = (warehouse.root / next(iter(files(kept)))).parent
    orphan, notes = folder / "0badcafe-part-00000.parquet", folder / "notes.txt"
    orphan.write_bytes(b"x")
    notes.write_text("mine")
    mine = folder / "mine.parquet"
    mine.write_bytes(b"x")
    found = plan_expiry(warehouse, Rules(1, None), now=NOW)
    assert found is not None
    assert [file.path for file in found.waiting] == [orphan]
    gone(warehouse, Rules(1, None), LATER)
    assert (orphan.exists(), notes.exists(), mine.exists()) == (False, True, True)
    assert files(kept) < on_disk(warehouse)


def test_leftovers_of_a_staged_version_stay(warehouse: Warehouse) -> None:
    """While a version is staged, its files stay however old: the next try takes them up."""
    line(warehouse, 1)
    fill(warehouse, staging_key("cells", 2), [cells([1])])
    for version in (2, 3):
        folder = warehouse.table_folder("cave", "cells", version)
        folder.mkdir(parents=True)
        (folder / "0badcafe-part-00000.parquet").write_bytes(b"x")
    gone(warehouse, Rules(1, None), LATER)
    assert warehouse.table_folder("cave", "cells", 2).exists()
    assert not warehouse.table_folder("cave", "cells", 3).exists()


# --- what readers see --------------------------------------------------------------------------------


def test_an_expired_snapshot_says_so(warehouse: Warehouse) -> None:
    """Whoever asks for an expired snapshot learns when it went, and which there are."""
    line(warehouse, 1, 2)
    gone(warehouse, Rules(1, None))
    for wanted in (1, 99):
        with pytest.raises(NoSuchSnapshot) as caught:
            connect(warehouse.root, snapshot=wanted)
        assert ("expired on 20" in str(caught.value)) == (wanted == 1)
        assert "there are 2, 3" in str(caught.value)


def test_a_version_that_went_is_not_offered(warehouse: Warehouse) -> None:
    """The new current snapshot does not keep the version; an older one that names it says when it expired."""
    line(warehouse, 1, 2)
    gone(warehouse, Rules(1, None))
    with pytest.raises(NoSuchSnapshot, match="keeps no materialization version 1"):
        connect(warehouse.root, version=1)
    with pytest.raises(NoSuchSnapshot, match="version 1 is no longer kept: snapshot 1 was expired on"):
        connect(warehouse.root, snapshot=2, version=1)
    register(warehouse.root)


def test_rollback_keeps_no_expired_version(warehouse: Warehouse) -> None:
    """Going back to a snapshot that named a version since expired does not name it again."""
    line(warehouse, 1, 2)
    gone(warehouse, Rules(1, None))
    assert rollback(warehouse, 2).versions == {2: 4}
    register(warehouse.root)


def test_an_open_connection_outlives_the_snapshot(warehouse: Warehouse) -> None:
    """A connection on an expired snapshot answers through the grace period; after it the reason can be told."""
    line(warehouse, 1, 2)
    con = connect(warehouse.root, snapshot=1)
    gone(warehouse, Rules(1, None))
    assert con.sql("SELECT count(*) FROM cells").fetchall() == [(3,)]
    gone(warehouse, Rules(1, None), LATER)
    with pytest.raises(duckdb.IOException):
        con.sql("SELECT count(*) FROM cells").fetchall()
    with pytest.raises(NoSuchSnapshot, match="snapshot 1 was expired on"):
        check_kept(warehouse, 1, ())


def test_a_query_that_loses_a_file_names_the_snapshot(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`crantdb sql` on a snapshot that expires under it fails with the snapshot and the day, not with a path."""
    line(warehouse, 1, 2)
    check_reads = query.check_reads

    def lose(*args: Any) -> None:
        check_reads(*args)
        gone(warehouse, Rules(1, None, grace_days=0))

    monkeypatch.setattr(query, "check_reads", lose)
    done = run("sql", "SELECT sum(id) FROM cells", "--snapshot", "1", "--warehouse", warehouse.root)
    assert done.code == 1
    assert "snapshot 1 was expired on" in done.err


# --- bad days ----------------------------------------------------------------------------------------


def test_a_damaged_manifest_stops_it(warehouse: Warehouse) -> None:
    """Nobody knows what a damaged manifest lists: nothing goes, and the message names it."""
    line(warehouse, 1, 2, 3)
    path = warehouse.manifest(2)
    path.write_bytes(path.read_bytes().replace(b'"ants"', b'"bees"', 1))
    before = tree(warehouse.root)
    with pytest.raises(CorruptWarehouse, match=f"{path.name} is damaged.*nothing was expired"):
        expire(warehouse, Rules(1, None, grace_days=0), now=LATER)
    assert tree(warehouse.root) == before


def test_a_damaged_ledger_stops_it(warehouse: Warehouse) -> None:
    """Without the ledger, how long files have waited is not known; readers are not disturbed by it."""
    line(warehouse, 1, 2)
    gone(warehouse, Rules(1, None))
    ledger_path(warehouse).write_text("[{}]")
    with pytest.raises(CorruptWarehouse, match=r"expired\.json is damaged"):
        expire(warehouse, Rules(1, None), now=LATER)
    with pytest.raises(NoSuchSnapshot, match="no snapshot 1"):
        connect(warehouse.root, snapshot=1)
    connect(warehouse.root)


def test_a_commit_that_comes_between_wins(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the LOCK does not hold and another commits after the plan, expire changes nothing."""
    line(warehouse, 1, 2)

    def plan_then_lose(*args: Any, **kwargs: Any) -> Any:
        plan = plan_expiry(*args, **kwargs)
        line(warehouse, 3)
        return plan

    monkeypatch.setattr(room, "plan_expiry", plan_then_lose)
    with pytest.raises(CommitConflict):
        expire(warehouse, Rules(1, None, grace_days=0), now=LATER)
    assert warehouse.numbers() == [1, 2, 3]
    for number in warehouse.numbers():
        check_files(warehouse, read_snapshot(warehouse, number))


KILLED = """
import os, shutil, sys, warnings
from datetime import datetime
from pathlib import Path
from crantdb.warehouse.rollback import check_files
from crantdb.warehouse.expire import Rules, expire
from crantdb.warehouse.layout import open_warehouse
from crantdb.warehouse.snapshot import current, read_snapshot

made, scratch, now = Path(sys.argv[1]), Path(sys.argv[2]), datetime.fromisoformat(sys.argv[3])
STEPS = {"os.remove", "os.rename", "os.link", "os.rmdir", "os.mkdir"}
root = scratch / "wh"
# From Python 3.12 on a fork beside threads is warned of; nothing here waits for a lock that one of them may hold.
warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)


def attempt(step):
    count = 0

    def kill(event, args):
        nonlocal count
        if event in STEPS:
            count += 1
            if count == step:
                os._exit(9)

    if step:
        sys.addaudithook(kill)
    expire(open_warehouse(root), Rules(1, None, grace_days=0), now=now)
    os._exit(0)


def in_a_process(step):
    process = os.fork()
    if not process:
        attempt(step)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def content():
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*")
            if p.is_file() and not p.name.endswith(".partial")}


def whole():
    place = open_warehouse(root)
    for number in place.numbers():
        check_files(place, read_snapshot(place, number))
    return all(number in place.numbers() for number in current(place).versions.values())


rest, step = None, 0
while True:
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(made, root)
    code = in_a_process(step)
    assert whole(), step
    for _ in range(2):
        assert in_a_process(0) == 0
    assert whole(), step
    found = content()
    rest = found if rest is None else rest
    assert found.keys() == rest.keys(), (step, found.keys() ^ rest.keys())
    assert found == rest, step
    if step and code == 0:
        break
    step += 1
print(step - 1)
"""


def test_killed_at_any_step_it_goes_on(tmp_path: Path) -> None:
    """Killed before any of its steps on disk, every snapshot is whole; run again, it ends as one undisturbed."""
    warehouse = make_warehouse(tmp_path)
    line(warehouse, 1, 2, 3)
    add(warehouse, {"cells": cells([1, 2]), "more": cells([5])}, 1, main=False)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    done = child(KILLED, warehouse.root, scratch, LATER.isoformat())
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) >= 12


# --- the verb ----------------------------------------------------------------------------------------


def test_the_verb_needs_a_rule(warehouse: Warehouse) -> None:
    """Without a rule it is wrong usage, and nothing goes; so is a rule that makes no sense."""
    line(warehouse, 1, 2)
    for wrong in (
        [],
        ["--keep-versions", "0"],
        ["--keep-days", "-1"],
        ["--keep-days", "nan"],
        ["--keep-days", "1.5"],
    ):
        assert run("expire", *wrong, "--warehouse", warehouse.root).code == 2
    assert warehouse.numbers() == [1, 2]


def test_the_verb_says_what_goes_first(warehouse: Warehouse) -> None:
    """--dry-run prints snapshots, versions, files and bytes and changes nothing; the run then does just that."""
    [first, *_] = line(warehouse, 1, 2)
    size = sum((warehouse.root / file).stat().st_size for file in files(first))
    before = tree(warehouse.root)
    args = [
        "expire",
        "--keep-versions",
        "1",
        "--grace-days",
        "0",
        "--warehouse",
        warehouse.root,
        "--output",
        "json",
    ]
    dry = run(*args, "--dry-run")
    assert tree(warehouse.root) == before
    done = run(*args)
    assert json.loads(dry.out) == json.loads(done.out)
    assert json.loads(done.out) == {
        "snapshots": [1],
        "versions no longer kept": [1],
        "files deleted": 1,
        "bytes deleted": size,
        "files waiting": 0,
        "bytes waiting": 0,
        "versions kept as layers now": [],
        "current snapshot": 3,
    }
    assert not files(first) & on_disk(warehouse)
    con = duckdb.connect(warehouse.database, read_only=True)
    assert con.sql("SELECT snapshot FROM snapshot").fetchall() == [(3,)]
    con.close()


def test_the_verb_waits_for_the_lock(warehouse: Warehouse) -> None:
    """While somebody writes, expire says who and changes nothing; a dry run needs no lock."""
    line(warehouse, 1, 2)
    with writing(warehouse, "sync"):
        done = run("expire", "--keep-versions", "1", "--warehouse", warehouse.root)
        assert (done.code, f"process {os.getpid()}" in done.err) == (1, True)
        assert run("expire", "--keep-versions", "1", "--dry-run", "--warehouse", warehouse.root).code == 0
    assert warehouse.numbers() == [1, 2]
