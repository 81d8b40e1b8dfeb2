"""A served SeaTable with every kind of dirt, edited and synced five times between two materializations, end to end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from crantdb.config import Config, SeaTableSettings, config_text
from crantdb.sandbox import Datastack, Sandbox, generate_world
from crantdb.sandbox.seatable import SeaTable as Server
from crantdb.sandbox.seatable import crantb_base
from crantdb.sandbox.seatable.annotators import annotate
from crantdb.sources.opening import open_cave
from crantdb.sync.run import sync
from crantdb.sync.selection import Wish
from crantdb.warehouse.layout import create_warehouse
from tests.conftest import CANARY
from tests.ids.chain import micros
from tests.sync.bench import QUICK
from tests.sync.seatable.lab import Lab

if TYPE_CHECKING:
    from pathlib import Path

    from crantdb.sandbox.history import History
    from crantdb.sandbox.seatable.crantb import Crantb
    from crantdb.sandbox.seatable.dirt import RowTruth

STATUSES = {
    "excel": "not an id",
    "list": "not an id",
    "thousands": "not an id",
    "apostrophe": "not an id",
    "point_zero": "not an id",
    "never_a_root": "not an id",
    "supervoxel_as_root": "not an id",
}
"""What is said of a typed root that is none, by the kind of its dirt."""


@pytest.fixture(scope="module")
def world() -> Datastack:
    """Return the generated world: versions 3 to 5, with edits after version 5."""
    return generate_world(neurons=24, synapses=1000)


def test_dirt_edited_and_synced_five_times(
    world: Datastack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each sync every row is there with its root at as_of and a true status; then the next version moves all."""
    monkeypatch.setattr("crantdb.sync.run.keep_registered", lambda *_: None)
    crantb = crantb_base(world)
    server = Server(crantb.base, token=CANARY)
    history = world.chunkedgraph
    assert history is not None
    with Sandbox(world, seatable=server) as sandbox:
        settings = SeaTableSettings(sandbox.url, 62919, ("CRANTb",), ("CRANTb_meta",))
        text = config_text(world.name, sandbox.url, seatable=settings)
        here = Lab(
            server,
            create_warehouse(tmp_path / "wh", text),
            Config(world.name, sandbox.url, seatable=settings),
        )
        cave = open_cave(world.name, sandbox.url, None, QUICK)

        def bring(version: int) -> None:
            sync(cave, here.warehouse, here.config, Wish(version), here.voice, seatable=here.source())

        bring(4)
        for _ in range(5):
            check(here, crantb, history, world.version(4).time_stamp)  # type: ignore[union-attr]
            annotate(crantb, 24)
            bring(4)
        bring(5)
        check(here, crantb, history, world.version(5).time_stamp)  # type: ignore[union-attr]


def check(here: Lab, crantb: Crantb, history: History, as_of: Any) -> None:
    """Check every row of `annotations` against the world."""
    query = "SELECT _id, root_id, root_id_typed, root_status, supervoxel_id, findings FROM annotations"
    found = {row[0]: row[1:] for row in here.rows(query)}
    assert set(found) == set(crantb.base.table("CRANTb_meta").rows) == set(crantb.truth)
    for row_id, (root, typed, status, supervoxel, findings) in found.items():
        truth = crantb.truth[row_id]
        check_row(truth, history, as_of, (root, typed, status, set(findings)))
        assert (
            supervoxel == truth.supervoxel or truth.kind in {"unknown_supervoxel", "blank"} or not supervoxel
        )
    [(listed, rooted)] = here.rows(
        "SELECT (SELECT sum(annotation_count) FROM neurons), (SELECT count(root_id) FROM annotations)"
    )
    assert listed == rooted
    assert here.rows("SELECT as_of FROM snapshot") == [(as_of.replace(tzinfo=None),)]


def check_row(
    truth: RowTruth, history: History, as_of: Any, found: tuple[int | None, int | None, str, set[str]]
) -> None:
    """Check one row: its root by its supervoxel, its status by its typed root."""
    root, typed, status, findings = found
    at = micros(as_of)
    if truth.supervoxel:
        assert root == int(history.roots_at([truth.supervoxel], at)[0]), truth
    if truth.kind in STATUSES:
        assert status == STATUSES[truth.kind], truth
    elif truth.typed_root is None:
        placed = "current" if root is not None else None
        assert status == placed or (placed is None and status in {"no supervoxel", "supervoxel unknown"}), (
            truth
        )
    else:
        assert typed == truth.typed_root, truth
        life = history.roots[truth.typed_root]
        if life.is_latest(at):
            assert status == "current", truth
        elif life.born_us > at:
            assert status == "newer than as_of", truth
        else:
            assert status == ("retired" if root is None else "older than as_of"), truth
        if truth.supervoxel:
            held = int(history.roots_at([truth.supervoxel], at if life.is_latest(at) else life.born_us)[0])
            assert ("inconsistent_annotations" in findings) == (held != truth.typed_root), truth
