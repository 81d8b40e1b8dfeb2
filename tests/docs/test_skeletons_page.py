"""The page on skeletons holds: its examples run on a mirror as they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import navis
import pytest

import crantdb
from crantdb.config import read_config
from crantdb.sandbox import Sandbox
from tests.docs.test_pages import ROOT, fenced
from tests.sync.l2_bench import l2_bench, small_world

if TYPE_CHECKING:
    from pathlib import Path

PAGE = ROOT / "docs" / "skeletons.md"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Mirror a small world as `my_lab`; return the folder it lies in."""
    folder = tmp_path_factory.mktemp("page")
    world = small_world(missing_share=0.01)
    with Sandbox(world) as sandbox:
        bench = l2_bench(folder / "my_lab", sandbox, world)
        bench.mirror(5, ("nuclei_v1", "synapses_v2"))
        bench.l2(bench.latest())
    return folder


def test_the_python_runs(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line of the Python example gives something of its three neurons."""
    monkeypatch.chdir(lab)
    [code] = fenced(PAGE, "python")
    names: dict[str, object] = {}
    exec(code, names)  # noqa: S102 - the page's own example
    assert isinstance(names["neuron"], navis.TreeNeuron)
    for name in ("several", "large", "info", "anchors", "graphs", "dotprops", "split"):
        assert len(names[name]) == 3, name  # type: ignore[arg-type]


def test_the_sql_answers(lab: Path) -> None:
    """Every query of the page runs; those of a root give rows for a root that there is."""
    [text] = fenced(PAGE, "sql")
    with crantdb.connect(lab / "my_lab") as con:
        [(root,)] = con.sql("SELECT root_id FROM neuron_metrics ORDER BY nodes DESC LIMIT 1").fetchall()
        for query in text.replace("576460752667713229", str(root)).split(";\n"):
            words = query.split("--")[0].strip()
            if words:
                assert con.sql(words).fetchall() or "neurons" in words, words


def test_the_section_is_one_that_is_read(tmp_path: Path) -> None:
    """The example of `[l2]` is a section that crantdb reads, and switches L2 data on."""
    text = PAGE.read_text("utf-8").split("```\n[l2]")[1].split("```")[0]
    (tmp_path / "crantdb.toml").write_text(f'datastack = "kronauer_ant"\n[l2]{text}')
    config = read_config(tmp_path / "crantdb.toml")
    assert config.syncs_l2
    assert (config.l2.where, config.l2.parallel, config.l2.ids_at_once) == ("cell_class = 'ER'", 4, 2000)
    assert config.l2.synapses is False
