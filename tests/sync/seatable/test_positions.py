"""Rows with only a position, synced whole: CAVE, SeaTable and the segmentation of one world, over HTTP."""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from crantdb.config import Config, SeaTableSettings, config_text
from crantdb.errors import Interrupted, ServiceUnavailable
from crantdb.sandbox import Datastack, Fault, Sandbox
from crantdb.sandbox.seatable import Clock, base_from_rows, delete_rows, insert_rows, update_row
from crantdb.sandbox.seatable import SeaTable as Server
from crantdb.sandbox.voxels import Voxels
from crantdb.sources.cave import CaveOptions
from crantdb.sources.opening import open_cave
from crantdb.sources.transport import RetryRule
from crantdb.sync.run import sync
from crantdb.sync.selection import Wish
from crantdb.warehouse.layout import create_warehouse
from crantdb.warehouse.verify import verify
from tests.cli.conftest import run
from tests.conftest import CANARY
from tests.ids.chain import Truth, chain
from tests.sync.seatable.lab import BORN, Lab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crantdb.sync.run import SyncReport

FILES, INFO = "/watershed/", "GET /segmentation/table/"
META = "CRANTb_meta"
OPTIONS = CaveOptions(timeout_s=30.0, rule=RetryRule(tries=2, backoff_s=0.01))
HASTY = replace(OPTIONS, timeout_s=1.0)
"""For what hangs for ever; a busy machine may take a second over what does not."""
NOTHING = {"root_id": "", "supervoxel_id": ""}


@pytest.fixture(scope="module")
def stack() -> Datastack:
    """Return two versions, edited between."""
    return chain(seed=8, neurons=4, edits=40, synapses=500, versions=2)


@dataclass(frozen=True, slots=True)
class Spot:
    """A position as annotators type it, in 8 x 8 x 42 nm voxels, and the supervoxel that is there."""

    text: str
    supervoxel: int


@pytest.fixture(scope="module")
def spots(stack: Datastack) -> list[Spot]:
    """Return places in neurons at which no table has a point."""
    assert stack.chunkedgraph is not None
    pieces = stack.chunkedgraph.pieces
    voxels = np.round(pieces.node_xyz_nm / [8, 8, 42]).astype(np.int64)
    taken = {tuple(place) for table in stack.versions[1].tables for place in places_of(table.rows)}
    nodes = np.random.default_rng(8).permutation(len(voxels))
    free = [node for node in nodes.tolist() if tuple(voxels[node].tolist()) not in taken]
    return [Spot(", ".join(map(str, voxels[n])), int(pieces.node_supervoxel[n])) for n in free[:40]]


def places_of(rows: Any) -> list[tuple[int, ...]]:
    """Return the points of a table, of whatever voxels."""
    names = [name.removesuffix("_position_x") for name in rows.column_names if name.endswith("_position_x")]
    columns = [[rows[f"{name}_position_{axis}"].to_pylist() for axis in "xyz"] for name in names]
    return [place for column in columns for place in zip(*column, strict=True)]


@dataclass
class Place:
    """A served datastack with its annotations, and a warehouse.

    Attributes:
        sandbox: serves both.
        lab: SeaTable's part, and the warehouse.
        version: the version that is synced.
        opened: every datastack that was opened.
        options: how it is asked.
    """

    sandbox: Sandbox
    lab: Lab
    version: int = 1
    opened: list[Any] = field(default_factory=list)
    options: CaveOptions = OPTIONS

    def cave(self) -> Any:
        """Open the datastack."""
        cave = open_cave(self.lab.config.datastack, self.lab.config.server, None, self.options)
        self.opened.append(cave)
        return cave

    def sync(self, *, alone: bool = False) -> SyncReport:
        """Sync both sources, or SeaTable alone; forget what was said and asked before."""
        self.lab.voice.lines.clear()
        self.sandbox.log.clear()
        return sync(
            None if alone else self.cave(),
            self.lab.warehouse,
            self.lab.config,
            Wish(self.version),
            self.lab.voice,
            seatable=self.lab.source(full_every_h=1e5),
            open_cave=self.cave,
        )

    def annotations(self, columns: str) -> dict[str, tuple[Any, ...]]:
        """Return columns of the annotations by the name in their notes."""
        found = self.lab.rows(f"SELECT notes, {columns} FROM annotations")
        return {row[0]: row[1:] for row in found}

    def notes(self) -> list[str]:
        """Return what the last sync said of positions."""
        return [line for line in self.lab.voice.lines if "have a position but no supervoxel" in line]

    def counted(self) -> dict[str, int]:
        """Return what the manifest counts of positions."""
        snapshot = self.lab.snapshot
        assert snapshot is not None
        counts = snapshot.main.tables["derived.annotations"].exceptions
        return {name: count for name, count in counts.items() if name.startswith("position_")}

    def completeness(self) -> str:
        """Return what the manifest says of the annotations."""
        snapshot = self.lab.snapshot
        assert snapshot is not None
        return str(snapshot.main.tables["derived.annotations"].completeness)


def rows_at(spots: list[Spot], **more: Any) -> list[dict[str, Any]]:
    """Return a row for each spot, named in its notes, with nothing but its position."""
    return [
        {**NOTHING, "position": spot.text, "notes": f"spot {at}", **more} for at, spot in enumerate(spots)
    ]


def placed(folder: Path, stack: Datastack, rows: list[dict[str, Any]]) -> Place:
    """Return a datastack to be served with rows of annotations: use its sandbox as a context manager."""
    base = base_from_rows(rows, clock=Clock(BORN))
    base.clock.advance(7200)
    server = Server(base, token=CANARY, clock=base.clock)
    sandbox = Sandbox(stack, seatable=server)
    settings = SeaTableSettings(sandbox.url, 62919, ("CRANTb",), (META,))
    config = Config(stack.name, sandbox.url, seatable=settings)
    text = config_text(stack.name, sandbox.url, seatable=settings)
    return Place(sandbox, Lab(server, create_warehouse(folder / "wh", text), config))


@pytest.fixture
def place(tmp_path: Path, stack: Datastack, spots: list[Spot]) -> Iterator[Place]:
    """Return a place of eight rows with positions in neurons, not synced yet."""
    made = placed(tmp_path, stack, rows_at(spots[:8]))
    with made.sandbox:
        yield made


def truth_of(stack: Datastack) -> Truth:
    """Return the truth of a chain."""
    assert stack.chunkedgraph is not None
    return Truth(stack.chunkedgraph)


def test_rows_with_only_a_position_have_their_root_at_as_of(
    tmp_path: Path, stack: Datastack, spots: list[Spot]
) -> None:
    """Found in the segmentation: the true root at the version's moment. Not found: no root, and why. None is lost."""
    truth, history = truth_of(stack), stack.chunkedgraph
    assert history is not None
    table = stack.versions[0].table("cell_types")
    assert table is not None
    point = {
        name: table.rows[f"pt_{name}"][0].as_py() for name in ("supervoxel_id", "position_x", "position_y")
    }
    at_point = f"{point['position_x']}, {point['position_y']}, {table.rows['pt_position_z'][0].as_py()}"
    x, y, z = spots[9].text.split(", ")
    own = {
        "decimal": f"{x}.75, {y}.5, {z}.25",
        "point": at_point,
        "background": "2100, 2100, 5",
        "outside": "10, 10, 5",
        "negative": "-5000, 20000, 7",
        "far": "900000000000, 1, 1",
        "two": "1, 2",
        "none": "",
    }
    rows = rows_at(spots[:8]) + [{**NOTHING, "position": text, "notes": name} for name, text in own.items()]
    rows.append(
        {
            "root_id": "",
            "supervoxel_id": str(spots[3].supervoxel),
            "position": "2100, 2100, 5",
            "notes": "typed",
        }
    )
    rows.append(
        {"root_id": "", "supervoxel_id": "72057594037927941", "position": spots[5].text, "notes": "unknown"}
    )
    made = placed(tmp_path, stack, rows)
    with made.sandbox:
        report = made.sync()
        found = made.annotations("root_id, root_source, supervoxel_id_used, findings, root_status")
        assert len(found) == len(rows) == len(made.lab.rows("FROM seatable.CRANTb_meta"))
        sharing = {"merged_at_as_of", "duplicate_annotations"}

        def of(name: str) -> tuple[Any, ...]:
            root, source, supervoxel, findings, _ = found[name]
            return root, source, supervoxel, set(findings) - sharing

        for at, spot in enumerate(spots[:8]):
            wanted = (truth.root(spot.supervoxel, 1), "segmentation", spot.supervoxel, set())
            assert of(f"spot {at}") == wanted
        decimal, point_id, typed = spots[9].supervoxel, point["supervoxel_id"], spots[3].supervoxel
        assert of("decimal") == (truth.root(decimal, 1), "segmentation", decimal, set())
        assert of("point") == (truth.root(point_id, 1), "position", point_id, set())
        assert of("typed") == (truth.root(typed, 1), "supervoxel", typed, set())
        assert of("unknown") == (
            truth.root(spots[5].supervoxel, 1),
            "segmentation",
            spots[5].supervoxel,
            set(),
        )
        assert of("background") == (None, None, None, {"position_in_background"})
        for name in ("outside", "negative", "far"):
            assert of(name) == (None, None, None, {"position_outside"}), name
        for name in ("two", "none"):
            assert of(name)[:3] == (None, None, None)
            assert not any(finding.startswith("position_") for finding in found[name][3])
        assert made.counted() == {"position_in_background": 1, "position_outside": 3}
        [said] = made.notes()
        assert said == (
            "note: 4 annotation(s) have a position but no supervoxel there, see their findings: "
            "1 in the background, where no cell is, 3 outside of the segmentation"
        )
        assert made.completeness() == "derived"
        known = dict(made.lab.rows("SELECT supervoxel_id, root_id FROM root_ids"))
        assert all(known[spot.supervoxel] == truth.root(spot.supervoxel, 1) for spot in spots[:8])
        assert report.snapshot.shared["history.position_supervoxels"].rows == 13
        assert not any(checked.finding for checked in verify(made.lab.warehouse, deep=True))


def test_what_was_looked_up_is_never_asked_for_again(
    place: Place, stack: Datastack, spots: list[Spot]
) -> None:
    """A changed row, a new version: known positions cost no request; a new one costs its own file."""
    truth, base = truth_of(stack), place.lab.base
    place.sync()
    assert 0 < place.sandbox.log.count(FILES) <= 8
    row = next(iter(base.table(META).rows))
    update_row(base, META, row, {"supervoxel_id": "0"})
    base.clock.advance(3600)
    assert place.sync(alone=True).changed
    assert (place.sandbox.log.count(FILES), place.sandbox.log.count(INFO)) == (0, 0)
    place.version = 2
    place.sandbox.faults.add(Fault("status", match=FILES, code=500, times=None))
    assert place.sync().snapshot.main.version == 2
    assert place.sandbox.log.count(FILES) == 0
    found = place.annotations("root_id, root_source")
    wanted = {
        f"spot {at}": (truth.root(spot.supervoxel, 2), "segmentation") for at, spot in enumerate(spots[:8])
    }
    assert found == wanted
    assert any(truth.root(spot.supervoxel, 1) != truth.root(spot.supervoxel, 2) for spot in spots[:8])
    place.sandbox.faults.clear()
    more = {**NOTHING, "position": spots[20].text, "notes": "later"}
    insert_rows(base, META, [more])
    delete_rows(base, META, [row])
    base.clock.advance(3600)
    place.sync(alone=True)
    assert place.sandbox.log.count(FILES) == 1
    assert place.annotations("supervoxel_id_used")["later"] == (spots[20].supervoxel,)
    [(rows, distinct)] = place.lab.rows(
        "SELECT count(*), count(DISTINCT (x_nm, y_nm, z_nm)) FROM position_supervoxels"
    )
    assert rows == distinct == 9


def test_a_segmentation_that_is_down_keeps_nothing_from_being_committed(
    place: Place, stack: Datastack, spots: list[Spot]
) -> None:
    """Rows stay unresolved with the reason, in a line, the manifest and the rows; the next sync asks again by itself."""
    truth, said = truth_of(stack), "no answer for 1 s"
    place.options = HASTY
    place.sandbox.faults.add(Fault("stall", match=FILES, seconds=60, times=None))
    report = place.sync()
    assert (report.changed, report.snapshot.main.version) == (True, 1)
    found = place.annotations("root_id, root_source, findings")
    assert set(map(str, found.values())) == {str((None, None, ["position_not_looked_up"]))}
    assert place.counted() == {"position_not_looked_up": 8}
    [line] = place.notes()
    assert "8 not looked up (graphene://" in line
    assert line.endswith("The next sync asks again")
    assert said in line
    assert said in place.completeness()
    assert "position_supervoxels" not in str(report.snapshot.shared.keys())
    again = place.sync(alone=True)
    assert (again.changed, len(place.lab.warehouse.numbers())) == (False, 1)
    assert list(place.lab.warehouse.staging.iterdir()) == []
    place.sandbox.faults.clear()
    place.options = OPTIONS
    mended = place.sync()
    assert (mended.changed, mended.fetched, len(place.lab.warehouse.numbers())) == (True, {}, 2)
    wanted = {f"spot {at}": (truth.root(spot.supervoxel, 1),) for at, spot in enumerate(spots[:8])}
    assert place.annotations("root_id") == wanted
    assert (place.notes(), place.counted(), place.completeness()) == ([], {}, "derived")
    assert place.sync().changed is False
    assert place.sandbox.log.count(FILES) == 0


def test_without_cloud_volume_it_is_said_what_to_install(
    place: Place, spots: list[Spot], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not installed: all else is committed, the line says how to install it; no sync after that does more than say so."""
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "cloudvolume", None)
        place.sync()
        [line] = place.notes()
        assert "8 not looked up (cloud-volume is not installed: pip install 'crantdb[segmentation]')" in line
        assert "cloud-volume is not installed" in place.completeness()
        before = place.sandbox.log.count()
        assert place.sync(alone=True).changed is False
        assert place.sandbox.log.count("roots_binary|/materialize/") == 0 < before
    assert place.sync(alone=True).changed
    assert place.annotations("supervoxel_id_used")["spot 0"] == (spots[0].supervoxel,)


def test_what_one_bad_file_leaves_over_comes_later(place: Place, spots: list[Spot]) -> None:
    """A file that fails leaves its own rows over; those found are kept, and only the rest is asked for next time."""
    x, y, z = (int(part) for part in spots[2].text.split(", "))
    low = (np.array([x // 2, y // 2, z]) - [1024, 1024, 0]) // [64, 64, 32] * [64, 64, 32] + [1024, 1024, 0]
    name = f"{low[0]}-{low[0] + 64}_{low[1]}-{low[1] + 64}_{low[2]}-"
    place.sandbox.faults.add(Fault("status", match=f"{FILES}.*{name}", code=404, times=None))
    place.sync()
    left = place.counted()["position_not_looked_up"]
    assert 1 <= left < 8
    assert place.annotations("findings")["spot 2"] == (["position_not_looked_up"],)
    place.sandbox.faults.clear()
    assert place.sync().changed
    assert place.sandbox.log.count(FILES) == 1
    assert place.counted() == {}


def test_a_chunkedgraph_that_is_down_is_still_an_error(place: Place) -> None:
    """Roots must be of one moment: without the chunkedgraph nothing is committed, whatever the segmentation says."""
    place.sandbox.faults.add(Fault("status", match="roots_binary", code=503, times=None))
    with pytest.raises(
        ServiceUnavailable, match="annotations and root ids of version 1 need the chunkedgraph"
    ):
        place.sync()
    assert place.lab.warehouse.numbers() == []


def test_asked_to_stop_while_positions_are_looked_up(place: Place) -> None:
    """Ctrl-C while the segmentation is read ends the sync at once, with nothing committed."""
    place.sandbox.faults.add(Fault("stall", match=FILES, seconds=60, times=None))
    done = threading.Event()

    def stop() -> None:
        while not done.wait(0.05):
            if place.sandbox.log.count(INFO) and place.opened:
                place.opened[-1].transport.stop.set()

    watcher = threading.Thread(target=stop)
    watcher.start()
    with pytest.raises(Interrupted):
        place.sync()
    done.set()
    watcher.join()
    assert place.lab.warehouse.numbers() == []


def test_a_flat_segmentation_s_objects_are_their_own_roots(
    tmp_path: Path, stack: Datastack, spots: list[Spot]
) -> None:
    """Without a chunkedgraph, what a flat layer has at a position is the root, but where CAVE's own tables say another."""
    history = stack.chunkedgraph
    assert history is not None
    table = stack.versions[0].table("cell_types")
    assert table is not None
    told = table.rows["pt_supervoxel_id"][0].as_py()
    node = int(np.flatnonzero(history.pieces.node_supervoxel == told)[0])
    near = np.floor(history.pieces.node_xyz_nm[node] / [16, 16, 42]).astype(np.int64)
    around = Voxels(history.pieces, history.grid).box(near - 8, near + 9)
    inside = np.argwhere(around == told) + near - 8
    taken = {tuple(place) for table in stack.versions[0].tables for place in places_of(table.rows)}
    spot = next(at for at in (inside * [2, 2, 1]).tolist() if tuple(at) not in taken)
    rows = [*rows_at(spots[:3]), {**NOTHING, "position": ", ".join(map(str, spot)), "notes": "told"}]
    synapse = stack.versions[0].table("synapses_v2")
    assert synapse is not None
    others = {
        one
        for other in stack.versions[0].tables
        if "pt_supervoxel_id" in other.rows.column_names
        for one in other.rows["pt_supervoxel_id"].to_pylist()
    }
    bound = [row for row in synapse.rows.to_pylist() if (row["pre_pt_supervoxel_id"] or 0) > 1]
    row = next(row for row in bound if row["pre_pt_supervoxel_id"] not in others)
    at = ", ".join(str(row[f"pre_pt_position_{axis}"]) for axis in "xyz")
    rows.append({**NOTHING, "position": at, "notes": "synapse"})
    with Sandbox(stack) as files:
        flat = f"precomputed://{files.url}/watershed/{stack.pcg_table}"
        served = replace(stack, chunkedgraph=None, info={**stack.info, "segmentation_source": flat})
        made = placed(tmp_path, served, rows)
        with made.sandbox:
            made.sync()
            found = made.annotations("root_id, root_source, supervoxel_id_used")
    root = table.rows["pt_root_id"][0].as_py()
    believed = {told: root, **dict(made.lab.rows("SELECT supervoxel_id, root_id FROM root_ids"))}
    for at, one in enumerate(spots[:3]):
        wanted = believed[one.supervoxel]
        assert found[f"spot {at}"] == (wanted, "segmentation", one.supervoxel)
    assert sum(found[f"spot {at}"][0] == one.supervoxel for at, one in enumerate(spots[:3])) > 0
    assert found["told"] == (root, "segmentation", told)
    assert found["synapse"] == (row["pre_pt_root_id"], "position", row["pre_pt_supervoxel_id"])
    assert root != told


def test_another_segmentation_s_answers_are_not_taken(
    place: Place, stack: Datastack, spots: list[Spot]
) -> None:
    """Answers are of the segmentation that the datastack names; of another, all positions are asked for anew."""
    place.sync()
    moved = f"graphene://{place.sandbox.url}/segmentation/table/{stack.pcg_table}/"
    place.sandbox.replace(replace(stack, info={**stack.info, "segmentation_source": moved}))
    insert_rows(place.lab.base, META, [{**NOTHING, "position": spots[30].text, "notes": "later"}])
    place.lab.base.clock.advance(3600)
    place.sync(alone=True)
    assert place.sandbox.log.count(FILES) == 0
    assert "names another segmentation now" in place.notes()[0]
    place.version = 2
    place.sync()
    assert place.sandbox.log.count(FILES) > 1
    assert place.counted() == {}
    sources = place.lab.rows(
        "SELECT segmentation, count(*) FROM position_supervoxels GROUP BY ALL ORDER BY ALL"
    )
    assert [count for _, count in sources] == [8, 9]


def test_the_command_line_says_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """`crantdb sync` shows the line among its messages, and its JSON stays JSON."""
    monkeypatch.setenv("CRANTTABLE_TOKEN", CANARY)
    place.sandbox.faults.add(Fault("status", match=FILES, code=403, times=None))
    where = ("--warehouse", place.lab.warehouse.root, "--output", "json")
    done = run("sync", *where)
    assert done.code == 0, done.err
    assert json.loads(done.out)["changed"] is True
    assert "8 annotation(s) have a position but no supervoxel there" in done.err
    assert "gives it to nobody without credentials" in done.err
    tables = json.loads(run("tables", *where).out)
    [said] = [row["exceptions"] for row in tables if row["name"] == "annotations"]
    assert "position_not_looked_up" in str(said)
