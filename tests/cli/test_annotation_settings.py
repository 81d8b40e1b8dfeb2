"""Another lab says in crantdb.toml which table annotates its neurons and what its columns are called, before or after a sync."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

import crantdb
from crantdb.sandbox import Sandbox, generate_world
from crantdb.sandbox.seatable import Base, Column, Table
from crantdb.sandbox.seatable import SeaTable as Server
from tests.cli.conftest import Result, run
from tests.conftest import CANARY
from tests.ids.chain import micros

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crantdb.sandbox import Datastack

MAPPED = """
[annotations]
table = "cells"
voxel_nm = [4, 4, 40]
columns = { root_id = "pt_root", supervoxel_id = "sv", cell_type = "Type", position = "xyz", proofread = "done" }
"""


@pytest.fixture(scope="module")
def world() -> Datastack:
    """Return the generated world."""
    return generate_world(neurons=24, synapses=1000)


@pytest.fixture(scope="module")
def anchor(world: Datastack) -> tuple[int, int]:
    """Return a supervoxel and its root at version 4."""
    history, version = world.chunkedgraph, world.version(4)
    assert history is not None
    assert version is not None
    supervoxel = int(history.pieces.supervoxels[0])
    return supervoxel, int(history.roots_at([supervoxel], micros(version.time_stamp))[0])


@pytest.fixture(scope="module")
def synced(
    world: Datastack, anchor: tuple[int, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """Return a warehouse of version 4 and of a base of bees, synced before anything was said of annotations."""
    columns = [Column(name) for name in ("pt_root", "sv", "Type", "xyz", "cell_type")]
    row = {"pt_root": str(anchor[1]), "sv": str(anchor[0]), "Type": "ER1", "xyz": "10, 20, 30", "done": True}
    cells = Table("cells", [*columns, Column("done", "checkbox")], [{**row, "cell_type": "not this one"}])
    base = Base("Bees", [cells, Table("other", [Column("a")], [{"a": "1"}])], api_tokens={CANARY: "r"})
    with (
        pytest.MonkeyPatch.context() as patch,
        Sandbox(world, seatable=Server(base, token=CANARY)) as sandbox,
    ):
        patch.setenv("CRANTTABLE_TOKEN", CANARY)
        made = tmp_path_factory.mktemp("synced") / "wh"
        address = f"{sandbox.url}/workspace/{base.workspace_id}/dtable/Bees/"
        done = run(
            "init", made, "--datastack", world.name, "--cave-server", sandbox.url, "--seatable", address
        )
        assert done.code == 0, done.err
        say(made, "requests_per_s = 100\n")
        first = run("sync", "--version", "4", "--warehouse", made)
        assert first.code == 0, first.err
        assert "none of the mirrored tables (cells, other) is called CRANTb_meta" in " ".join(
            first.err.split()
        )
        yield made


@pytest.fixture
def folder(synced: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of it."""
    monkeypatch.setenv("CRANTTABLE_TOKEN", CANARY)
    shutil.copytree(synced, tmp_path / "wh")
    return tmp_path / "wh"


def say(folder: Path, text: str) -> None:
    """Add lines to a warehouse's crantdb.toml."""
    path = folder / "crantdb.toml"
    path.write_text(path.read_text("utf-8") + text, "utf-8")


def again(folder: Path) -> Result:
    """Sync the base, in which nothing has changed."""
    return run("sync", "seatable", "--warehouse", folder)


def annotations(folder: Path) -> list[tuple[Any, ...]]:
    """Return the annotations."""
    query = "SELECT root_id, root_status, cell_type, position_x_nm, position_z_nm, proofread FROM annotations"
    with crantdb.connect(folder) as con:
        assert (
            con.sql("SELECT count(*) FROM neurons").fetchall()
            == con.sql("SELECT count(*) FROM annotations").fetchall()
        )
        return con.sql(query).fetchall()


def test_what_is_said_later_counts_from_the_next_sync(folder: Path, anchor: tuple[int, int]) -> None:
    """A base that rests is read by its new mapping all the same; once, and when the mapping changes again."""
    assert annotations(folder) == []
    say(folder, MAPPED)
    done = again(folder)
    assert done.code == 0, done.err
    assert annotations(folder) == [(anchor[1], "current", "ER1", 40.0, 1200.0, True)]
    assert "nothing to do" in again(folder).err
    path = folder / "crantdb.toml"
    path.write_text(
        path.read_text("utf-8").replace("[4, 4, 40]", "[8, 8, 40]").replace('"Type"', '"cell_type"'), "utf-8"
    )
    assert again(folder).code == 0
    assert annotations(folder) == [(anchor[1], "current", "not this one", 80.0, 1200.0, True)]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            MAPPED.replace('"cells"', '"cels"'),
            "annotations.table is 'cels', a table that is not mirrored (did you mean cells?)",
        ),
        (
            MAPPED.replace('"pt_root"', '"pt_rot"'),
            "annotations.columns.root_id is 'pt_rot', a column that cells does not have (did you mean pt_root?)",
        ),
        (
            MAPPED.replace("cell_type =", "cel_type ="),
            "annotations.columns.cel_type, a column that annotations do not have (did you mean cell_type or",
        ),
    ],
)
def test_a_mistake_is_told_and_changes_nothing(folder: Path, wrong: str, said: str) -> None:
    """A table, a column of theirs or one of ours that does not exist: an error that names the nearest, and no snapshot."""
    say(folder, wrong)
    done = again(folder)
    assert done.code == 1
    assert said in " ".join(done.err.split())
    with crantdb.connect(folder) as con:
        assert con.sql("SELECT snapshot FROM snapshot").fetchall() == [(1,)]


def test_annotations_of_a_table_that_is_no_longer_meant_go(folder: Path) -> None:
    """When no table annotates neurons any more, the rows of the one that did are not left standing."""
    say(folder, MAPPED)
    assert again(folder).code == 0
    assert len(annotations(folder)) == 1
    path = folder / "crantdb.toml"
    path.write_text(path.read_text("utf-8").replace(MAPPED, ""), "utf-8")
    done = again(folder)
    assert done.code == 0, done.err
    assert annotations(folder) == []
