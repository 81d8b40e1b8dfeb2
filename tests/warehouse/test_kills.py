"""A sync killed at any moment leaves the last snapshot whole, and the next one ends where an undisturbed one does."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pytest

from crantdb.config import config_text
from crantdb.sandbox import Datastack, GivenTable, Sandbox, Version
from crantdb.warehouse.catalog import connect
from crantdb.warehouse.layout import Warehouse, create_warehouse
from crantdb.warehouse.snapshot import current, read_snapshot
from crantdb.warehouse.verify import verify
from tests.warehouse.killing import DISK, Calls, run, run_counted, run_until
from tests.warehouse.making import cells, synapse_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.process import BaseProcess
    from pathlib import Path

FORK = multiprocessing.get_context("forkserver")
"""A process that has loaded everything once and forks the victims, so that a kill costs no second of imports."""

Content = dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Undisturbed:
    """What a version is when nobody was killed, and what it takes to get there.

    Attributes:
        root: the warehouse's folder, to begin others from.
        content: rows and a hash over them, by table.
        files: the sums of all data files, by table.
        seconds: how long the sync took.
        calls: how often it called each function of the disk.
    """

    root: Path
    content: Content
    files: dict[str, list[str]]
    seconds: float
    calls: dict[str, int]


@dataclass(frozen=True)
class Ground:
    """A served datastack and its versions 1 and 2 as undisturbed syncs bring them: 1 into nothing, 2 on top of 1."""

    url: str
    versions: dict[int, Undisturbed]


def served() -> Datastack:
    """Return a datastack of two versions: synapses, cells and tags, about 20,000 rows in about 60 requests."""
    versions = []
    for number, size in ((1, 8_000), (2, 9_000)):
        tables = (
            GivenTable("syn", synapse_rows(range(size), shift=number)),
            GivenTable("cells", cells(range(size), shift=number), schema_type="bound_tag"),
            GivenTable(
                "tags", pa.table({"id": pa.array(range(0, 3 * size, 3), pa.int64())}), schema_type="bound_tag"
            ),
        )
        moment = datetime(2026, 3, number, 12, tzinfo=UTC)
        versions.append(Version(number, moment, tables=tables))
    return Datastack("ants", tuple(versions), synapse_table="syn")


def finished(process: BaseProcess) -> int | None:
    """Wait for a process; return its exit code."""
    process.join(120)
    return process.exitcode


def content_of(warehouse: Warehouse) -> Content:
    """Return rows and a hash over all values of every table of the current snapshot, read as a user would."""
    found: Content = {}
    with connect(warehouse.root) as con:
        for (name,) in con.sql("SELECT relation FROM tables").fetchall():
            [row] = con.sql(f"SELECT count(*), bit_xor(hash(one)) FROM {name} AS one").fetchall()
            found[name] = row
    return found


def files_of(warehouse: Warehouse) -> dict[str, list[str]]:
    """Return the sums of the current snapshot's files, by table."""
    tables = read_snapshot(warehouse).main.tables
    return {key: [file.sha256 for file in table.files] for key, table in tables.items()}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Return the served datastack with its undisturbed versions."""
    FORK.set_forkserver_preload(["tests.warehouse.killing", "crantdb.warehouse.arrange"])
    with Sandbox(served(), row_limit=400, rows_in_order=True) as sandbox, FORK.Manager() as manager:
        made: dict[int, Undisturbed] = {}
        warm = FORK.Process(target=Calls, args=(("link",),))  # so that the times below are without imports
        warm.start()
        assert finished(warm) == 0
        for number in (1, 2):
            root = tmp_path_factory.mktemp("undisturbed") / "wh"
            if number == 1:
                create_warehouse(root, config_text("ants", sandbox.url))
            else:
                shutil.copytree(made[1].root, root)
            counts = manager.dict()
            start = time.monotonic()
            process = FORK.Process(target=run_counted, args=(str(root), sandbox.url, number, counts))
            process.start()
            assert finished(process) == 0
            seconds, place = time.monotonic() - start, Warehouse(root)
            made[number] = Undisturbed(root, content_of(place), files_of(place), seconds, dict(counts))
        yield Ground(sandbox.url, made)


class Victim:
    """One warehouse whose sync to a version is killed again and again."""

    def __init__(self, ground: Ground, root: Path, version: int) -> None:
        self.warehouse = Warehouse(root)
        self._ground = ground
        self._version = version
        if version == 1:
            create_warehouse(root, config_text("ants", ground.url))
        else:
            shutil.copytree(ground.versions[1].root, root)

    @property
    def goal(self) -> Undisturbed:
        """What it is to become."""
        return self._ground.versions[self._version]

    def kill_in_time(self, dice: random.Random, share: float) -> bool:
        """Kill a sync at some moment of a share of its time; tell whether it was still running."""
        process = FORK.Process(target=run, args=(str(self.warehouse.root), self._ground.url, self._version))
        process.start()
        time.sleep(dice.uniform(0, share) * self.goal.seconds)
        process.kill()
        return finished(process) != 0

    def kill_at_random_call(self, dice: random.Random, share: float) -> bool:
        """Kill a sync at some call of the disk, half of them around the commit; tell whether it came so far.

        Of all calls it is one of the first `share`: a sync that goes on makes fewer than one from nothing.
        """
        names = dice.choice([(name,) for name in DISK] + [DISK])
        if dice.random() < 0.5:
            links = self.goal.calls["link"] - dice.randint(0, self.goal.calls["link"] - 1)
            return self.kill_at_call(
                names=names, at=dice.randint(1, 8), after=dice.random() < 0.5, links=links
            )
        most = max(1, int(share * sum(self.goal.calls[name] for name in names)))
        return self.kill_at_call(names=names, at=dice.randint(1, most), after=dice.random() < 0.5)

    def kill_at_call(self, **calls: object) -> bool:
        """Kill a sync at a call of the disk, as `killing.Calls` takes it; tell whether it came so far."""
        args = (str(self.warehouse.root), self._ground.url, self._version, calls)
        process = FORK.Process(target=run_until, args=args)
        process.start()
        code = finished(process)
        assert code in {0, -9}
        return code != 0

    def look(self) -> None:
        """Check that the last snapshot is whole: none, or exactly a version's rows."""
        numbers = self.warehouse.numbers()
        if self._version == 1 and not numbers:
            return
        snapshot = current(self.warehouse)
        assert snapshot is not None
        assert snapshot.main.version is not None
        assert content_of(self.warehouse) == self._ground.versions[snapshot.main.version].content

    def complete(self) -> None:
        """Run an undisturbed sync and hold what is there against one that never was killed."""
        process = FORK.Process(target=run, args=(str(self.warehouse.root), self._ground.url, self._version))
        process.start()
        assert finished(process) == 0
        assert files_of(self.warehouse) == self.goal.files
        assert content_of(self.warehouse) == self.goal.content
        assert [checked.finding for checked in verify(self.warehouse, deep=True) if checked.finding] == []
        self.look_around()

    def look_around(self) -> None:
        """Check that nothing is left over, and that the derived database stands for the current snapshot.

        Of the staging only what was committed already may be left: see `test_what_was_committed_is_not_left_staged`.
        """
        root = self.warehouse.root
        committed = {table.name for table in read_snapshot(self.warehouse).main.tables.values()}
        assert {path.name.strip(".").split(".")[1] for path in self.warehouse.staging.iterdir()} <= committed
        assert not self.warehouse.lock.exists()
        listed = {
            root / file.path
            for number in self.warehouse.numbers()
            for state in read_snapshot(self.warehouse, number).states()
            for table in state.tables.values()
            for file in table.files
        }
        assert {path for path in (root / "tables").rglob("*") if path.is_file()} == listed
        with duckdb.connect(str(self.warehouse.database), read_only=True) as con:
            assert con.sql("SELECT snapshot FROM snapshot").fetchall() == [(self.warehouse.numbers()[-1],)]


def kill(ground: Ground, folder: Path, wanted: int, *, seed: int = 20261121) -> int:
    """Kill syncs until `wanted` kills hit, up to three to a warehouse, checking after each; return how many hit."""
    dice = random.Random(seed)
    hits = trials = 0
    while hits < wanted:
        trials += 1
        victim = Victim(ground, folder / f"wh{trials}", 1 + trials % 2)
        for attempt in range(3):
            in_time, share = (trials + attempt) % 3 == 0, 1 / (1 + attempt)
            hit = victim.kill_in_time(dice, share) if in_time else victim.kill_at_random_call(dice, share)
            hits += hit
            victim.look()
            if not hit:
                break
        victim.complete()
        shutil.rmtree(victim.warehouse.root)
    print(f"\n{hits} random kills hit in {trials} warehouses")
    return hits


def test_killed_at_random(ground: Ground, tmp_path: Path) -> None:
    """Six kills in time and at calls of the disk (six more below): every snapshot whole, every end as if nothing had been."""
    assert kill(ground, tmp_path, 6) >= 6


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(4))
def test_killed_hundreds_of_times(ground: Ground, tmp_path: Path, seed: int) -> None:
    """The same, at least 200 times: four runs of fifty."""
    assert kill(ground, tmp_path, 50, seed=seed) >= 50


@pytest.mark.parametrize(
    ("back", "name", "at"),
    [(1, "link", 1), (0, "unlink", 1), (0, "replace", 2), (0, "replace", 7)],
    ids=["manifest linked", "before its folder is synced", "half cleared", "database swapped in"],
)
def test_killed_around_the_commit(ground: Ground, tmp_path: Path, back: int, name: str, at: int) -> None:
    """Killed right after a call at the heart of the commit, of clearing, of registering: the next sync mends it."""
    victim = Victim(ground, tmp_path / "wh", 2)
    links = victim.goal.calls["link"] - back
    assert victim.kill_at_call(names=(name,), at=at, after=True, links=links)
    assert victim.warehouse.numbers() == [1, 2]
    victim.look()
    victim.complete()


def test_killed_with_every_file_in_place(ground: Ground, tmp_path: Path) -> None:
    """Killed before the manifest's link, all data files linked: the old snapshot stands, and no file is an orphan at the end."""
    victim = Victim(ground, tmp_path / "wh", 2)
    assert victim.kill_at_call(names=("link",), at=victim.goal.calls["link"], after=False)
    assert victim.warehouse.numbers() == [1]
    victim.look()
    victim.complete()


def test_what_was_committed_is_not_left_staged(ground: Ground, tmp_path: Path) -> None:
    """Killed between commit and clearing, the next sync removes what is staged of the committed tables."""
    victim = Victim(ground, tmp_path / "wh", 2)
    assert victim.kill_at_call(names=("link",), at=victim.goal.calls["link"], after=True)
    victim.complete()
    assert list(victim.warehouse.staging.iterdir()) == []
