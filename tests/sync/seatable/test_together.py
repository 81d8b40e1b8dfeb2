"""CAVE and SeaTable in one commit; real rows to the character; a kill at any moment."""

from __future__ import annotations

import dataclasses
import multiprocessing
from typing import TYPE_CHECKING

import pytest

from crantdb.config import Config, SeaTableSettings, config_text
from crantdb.errors import ServiceUnavailable
from crantdb.sandbox import Sandbox, generate_world
from crantdb.sandbox.seatable import Clock, Fault, crantb_base, update_row
from crantdb.sandbox.seatable import SeaTable as Server
from crantdb.sandbox.seatable.given import base_from_rows, rows_from_csv
from crantdb.sources.opening import open_cave
from crantdb.warehouse.layout import create_warehouse
from crantdb.warehouse.verify import verify
from tests.conftest import CANARY
from tests.sync.bench import QUICK
from tests.sync.seatable import killed
from tests.sync.seatable.lab import BORN, Lab, lab, neurons

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crantdb.sources.cave import Cave

FORK = multiprocessing.get_context("forkserver")


@dataclasses.dataclass
class Both:
    """A served world with its annotations, and a warehouse."""

    sandbox: Sandbox
    lab: Lab

    def cave(self) -> Cave:
        """Open the datastack."""
        return open_cave(self.lab.config.datastack, self.lab.config.server, None, QUICK)


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    """Return a world served on one port as CAVE and as SeaTable."""
    world = generate_world(synapses=500)
    server = Server(crantb_base(world).base, token=CANARY)
    with Sandbox(world, seatable=server) as sandbox:
        settings = SeaTableSettings(sandbox.url, 62919, ("CRANTb",), ("CRANTb_meta",))
        config = Config(world.name, sandbox.url, seatable=settings)
        text = config_text(world.name, sandbox.url, seatable=settings)
        yield Both(sandbox, Lab(server, create_warehouse(tmp_path / "wh", text), config))


def test_one_sync_is_one_commit(both: Both) -> None:
    """A materialization version, the annotations and what is made of both come in one snapshot, of one moment."""
    report = both.lab.sync(both.cave())
    assert both.lab.warehouse.numbers() == [1]
    snapshot = report.snapshot
    assert {"seatable.CRANTb.CRANTb_meta", "seatable.st_columns"} <= snapshot.shared.keys()
    assert {"derived.annotations", "derived.root_ids", "cave.synapses_v2"} <= snapshot.main.tables.keys()
    [(rows, typed)] = both.lab.rows(
        "SELECT (SELECT count(*) FROM seatable.CRANTb_meta), (SELECT count(*) FROM annotations)"
    )
    assert rows == typed > 0
    assert not any(checked.finding for checked in verify(both.lab.warehouse, deep=True))
    again = both.lab.sync(both.cave())
    assert (again.changed, both.lab.warehouse.numbers()) == (False, [1])


def test_annotations_alone_follow_without_a_row_of_cave(both: Both) -> None:
    """When only SeaTable changed, its rows' roots are looked up at the version that is here, and all else is carried."""
    first = both.lab.sync(both.cave()).snapshot
    base = both.lab.base
    row, _ = next(iter(base.table("CRANTb_meta").rows.items()))
    update_row(base, "CRANTb_meta", row, {"cell_type": "a new name"})
    both.sandbox.log.clear()
    source = both.lab.source()
    from crantdb.sync.run import sync  # noqa: PLC0415 - only here without CAVE
    from crantdb.sync.selection import Wish  # noqa: PLC0415

    report = sync(None, both.lab.warehouse, both.lab.config, Wish(), seatable=source, open_cave=both.cave)
    assert both.sandbox.log.count(r"/query") == 0
    assert report.snapshot.main.tables["cave.synapses_v2"] == first.main.tables["cave.synapses_v2"]
    assert (report.snapshot.main.version, report.snapshot.main.as_of) == (
        first.main.version,
        first.main.as_of,
    )
    assert both.lab.rows(f"SELECT cell_type FROM annotations WHERE _id = '{row}'") == [("a new name",)]
    assert [change[1:3] for change in both.lab.changes()] == [("cell changed", "cell_type")]


def test_when_seatable_fails_cave_can_go_on_alone(both: Both) -> None:
    """Nothing of half a sync is committed; what came from CAVE is staged, and the message says how to go on."""
    both.lab.server.fault(Fault("status", match="/metadata", nth=1, times=99, code=502))
    with pytest.raises(ServiceUnavailable):
        both.lab.sync(both.cave(), tries=2)
    assert both.lab.warehouse.numbers() == []
    assert any("crantdb sync cave" in line for line in both.lab.voice.lines)
    both.lab.server.clear()
    report = both.lab.sync(both.cave())
    assert report.changed
    assert list(both.lab.warehouse.staging.iterdir()) == []


def test_real_rows_are_mirrored_to_the_character(shared: Path, tmp_path: Path) -> None:
    """Fifty real rows of CRANTb, served, synced and read back: every cell of every column equal."""
    given = rows_from_csv(shared / "data" / "crantb_rows" / "CRANTb_meta_50_rows.csv")
    base = base_from_rows(given, clock=Clock(BORN))
    made = lab(tmp_path, base, tables=("CRANTb_meta",))
    order = list(base.table("CRANTb_meta").rows)
    base.clock.advance(7200)
    with made.server:
        made.sync()
    columns = ", ".join(f'"{name}"' for name in given[0])
    found = {row[0]: row[1:] for row in made.rows(f"SELECT _id, {columns} FROM seatable.CRANTb_meta")}
    assert len(given) == len(found) == 50
    for row_id, wanted in zip(order, given, strict=True):
        assert dict(zip(given[0], found[row_id], strict=True)) == wanted


@pytest.mark.parametrize("after", [False, True])
def test_a_kill_between_any_two_files_leaves_the_last_snapshot(tmp_path: Path, after: bool) -> None:
    """Scenario 20: killed at every call that another process could see, the snapshot before is whole; run again, it ends."""
    FORK.set_forkserver_preload(["tests.sync.seatable.killed", "tests.warehouse.killing"])
    made = lab(tmp_path, neurons(20))
    with made.server, FORK.Manager() as manager:
        made.sync()
        first = made.rows("FROM seatable.neurons ORDER BY _id")
        update_row(made.base, "neurons", made.row_ids[0], {"size": 1234})
        counts = manager.dict()
        place = tmp_path / "counted"
        killed.copy(made.warehouse.root, place)
        _run(killed.counted, place, made.server.url, counts)
        calls = counts["calls"]
        assert calls > 20
        kills = 0
        for at in range(5 if after else 1, calls + 1, 11):
            place = tmp_path / f"at-{at}-{after}"
            killed.copy(made.warehouse.root, place)
            code = _run(killed.until, place, made.server.url, {"at": at, "after": after})
            assert code in {-9, 0}  # a call that fails, as of a file that is gone, is not killed after
            kills += code == -9
            here = dataclasses.replace(made, warehouse=type(made.warehouse)(place))
            seen = here.rows("FROM seatable.neurons ORDER BY _id")
            assert len(seen) == len(first)
            if len(here.warehouse.numbers()) == 1:
                assert seen == first
            here.sync()
            assert here.rows("SELECT max(size) FROM seatable.neurons") == [(1234.0,)]
            assert [row[2:] for row in here.changes()] == [("size", "0", "1234")]
            assert not any(checked.finding for checked in verify(here.warehouse, deep=True))
            assert list(here.warehouse.staging.iterdir()) == []
        assert kills > calls / 20


def _run(target: object, *args: object) -> int | None:
    """Run something in a process of its own; return its exit code."""
    process = FORK.Process(target=target, args=args)  # type: ignore[arg-type]
    process.start()
    process.join(60)
    return process.exitcode
