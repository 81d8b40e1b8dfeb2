"""The verbs regions, import nt and plot matrix, as a user types them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import polars as pl
import pytest
import trimesh

import crantdb
from tests.cli.conftest import run
from tests.sync.hemibrain import add_synapses, neuropils, synapse_table
from tests.warehouse.making import ROOT, make_warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a warehouse of real synapses, meshes, and predictions."""
    folder = tmp_path_factory.mktemp("verbs")
    synapses = synapse_table(1200)
    add_synapses(make_warehouse(folder), synapses)
    (folder / "meshes").mkdir()
    for region in neuropils():
        [one] = region.surfaces
        trimesh.Trimesh(one.vertices / 1000, one.faces).export(
            folder / "meshes" / f"{region.name}.obj", digits=12
        )
    ids = synapses["id"].to_pylist()
    rows = {
        "connector": [*ids, 5],
        "gaba": [0.75] * (len(ids) + 1),
        "glutamate": [0.25] * (len(ids) + 1),
        "note": 1,
    }
    pl.DataFrame(rows).write_csv(folder / "nt.csv")
    return folder


@pytest.fixture(scope="module")
def placed(folder: Path) -> Iterator[str]:
    """Put the synapses into regions; return what was printed."""
    done = run(
        "regions", folder / "meshes", "--unit-nm", "1000", "--warehouse", folder / "wh", "--output", "json"
    )
    assert done.code == 0, done.err
    return done.out  # type: ignore[return-value]


def test_regions_says_what_lies_where(folder: Path, placed: str) -> None:
    """The verb counts the synapses of each region, says what it did, and has nothing to do a second time."""
    counts = {row["region"]: row["synapses"] for row in json.loads(placed)}
    with crantdb.connect(folder / "wh") as con:
        wanted = dict(con.sql("SELECT region, count(*) FROM synapse_regions GROUP BY region").fetchall())
    assert counts == wanted
    assert set(counts) == {"ball", "lateral_horn", "other"}
    again = run("regions", folder / "meshes", "--unit-nm", "1000", "--warehouse", folder / "wh")
    assert again.code == 0
    assert "nothing to do" in again.err
    assert "lateral_horn" in again.out


def test_a_source_that_is_none_is_one_line(folder: Path) -> None:
    """A folder that is none, and a region that is not among the meshes, are one line and exit 1."""
    for args in (["nowhere"], [folder / "meshes", "--region", "gall"]):
        done = run("regions", *args, "--warehouse", folder / "wh")
        assert (done.code, done.out) == (1, "")
        assert done.err.strip().splitlines()[-1].startswith("crantdb: ")


def test_import_nt(folder: Path) -> None:
    """Predictions come from a file; the ids' column can be named; what was left out is said."""
    lost = run("import", "nt", folder / "nt.csv", "--warehouse", folder / "wh")
    assert lost.code == 1
    assert "--id-column" in lost.err
    args = ["import", "nt", folder / "nt.csv", "--id-column", "connector", "--warehouse", folder / "wh"]
    done = run(*args, "--output", "json")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert (said["classes"], said["rows"], said["unknown"]) == (["gaba", "glutamate"], 1201, 1)
    assert "note" in done.err
    query = f"SELECT transmitter FROM neuron_transmitters({ROOT + 1}) WHERE place = 1"
    assert run("sql", query, "--warehouse", folder / "wh", "--output", "csv").out == "transmitter\ngaba\n"


@pytest.mark.usefixtures("placed")
@pytest.mark.parametrize(
    ("args", "shape"),
    [
        ([], (23, 23)),
        (["--level", "type_mean", "--by", "cell_class", "--title", "Classes"], (23, 23)),
        (["--type", "PN", "--to-type", "X1", "--to-type", "X2", "--level", "type_sum"], (3, 14)),
        (["--where", "cell_type = 'PN'", "--names", "--order", "size"], (3, 3)),
        ([str(ROOT + 1), "--to-where", "cell_class = 'X'", "--region", "lateral_horn"], (1, 20)),
        (
            ["--weight", "relative_outgoing", "--of-all", "--log", "--cmap", "viridis", "--size", "9,8"],
            (23, 23),
        ),
        (
            ["--weight", "size", "--min-size", "100", "--min-synapses", "2", "--vmax-percentile", "95"],
            (23, 23),
        ),
    ],
)
def test_plot_matrix(folder: Path, args: list[str], shape: tuple[int, int]) -> None:
    """Each kind of matrix becomes a picture, and is told of: neurons chosen, levels, weights, regions, looks."""
    path = folder / "pictures" / "m.png"
    done = run("plot", "matrix", *args, "-o", path, "--warehouse", folder / "wh", "--output", "json")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert (said["sources"], said["targets"]) == shape
    assert path.read_bytes().startswith(b"\x89PNG")
    path.unlink()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--type", "Z"], "'Z'"),
        (["--by", "kind"], "kind"),
        (["--size", "big"], "inches"),
        (["--size", "0,8"], "inches"),
        (["--vmax-percentile", "0"], "percentile"),
        (["--where", "DROP TABLE neurons"], "predicate"),
    ],
)
def test_plot_matrix_says_what_is_wrong(folder: Path, args: list[str], said: str) -> None:
    """What cannot be drawn is one line that names it, and no picture."""
    path = folder / "none.png"
    done = run("plot", "matrix", *args, "-o", path, "--warehouse", folder / "wh")
    assert done.code == 1
    assert said in done.err
    assert not path.exists()


def test_plot_lists_its_pictures() -> None:
    """`plot` alone and with --help say which pictures there are; a strange one is wrong usage."""
    assert "matrix" in run("plot", "--help").out
    assert run("plot", "pie").code == 2
