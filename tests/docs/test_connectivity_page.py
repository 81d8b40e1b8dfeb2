"""The page on connectivity tells the truth: its examples run, its table of macros is the catalog's."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING

import pytest

import crantdb
from crantdb.warehouse.qualify import sql_objects
from tests.analysis.making import add_brain, synapses_of_edges
from tests.docs.test_pages import ROOT as CHECKOUT
from tests.docs.test_pages import fenced
from tests.warehouse.making import ROOT, make_warehouse

if TYPE_CHECKING:
    from pathlib import Path

PAGE = CHECKOUT / "docs/connectivity.md"
ROWS = re.findall(r"^\| (`[a-z_]+\([^|]*) \| ([^|]*) \| ([^|]*) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
"""The rows of the page's table: the calls, what one row is, the columns."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a warehouse called my_lab, of three annotated neurons."""
    folder = tmp_path_factory.mktemp("lab")
    warehouse = make_warehouse(folder)
    known = [
        {"root_id": ROOT + n, "cell_class": "ER", "side": "left", "status": ["DAMAGED"]} for n in (1, 2, 3)
    ]
    add_brain(warehouse, synapses_of_edges([(ROOT + 1, ROOT + 2, 12), (ROOT + 2, ROOT + 3, 5)]), known)
    (folder / "my_lab").symlink_to(warehouse.root)
    return folder


def test_sql_runs(lab: Path) -> None:
    """Each query of the page runs as it stands and gives rows."""
    [text] = fenced(PAGE, "sql")
    con = crantdb.connect(lab / "my_lab")
    for query in filter(None, (part.strip() for part in re.sub(r"--.*", "", text).split(";"))):
        assert con.sql(query).fetchall(), query


def test_python_runs(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python of the page runs as it stands."""
    monkeypatch.chdir(lab)
    [code] = fenced(PAGE, "python")
    names: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(code, names)  # noqa: S102 - the page's own example
    assert names["graph"]


@pytest.mark.parametrize(("calls", "columns"), [(calls, columns) for calls, _, columns in ROWS])
def test_macros_are_as_described(lab: Path, calls: str, columns: str) -> None:
    """Each macro of the page's table has the parameters and columns that stand there."""
    con = crantdb.connect(lab / "my_lab")
    for name, said in re.findall(r"`([a-z_]+)\(([^)]*)\)`", calls):
        query = "SELECT parameters FROM duckdb_functions() WHERE function_name = ? AND schema_name = 'main'"
        [(parameters,)] = con.execute(query, [name]).fetchall()
        assert set(filter(None, said.split(", "))) <= set(parameters)
        given = "'side'" if name == "neuron_labels" else f"{ROOT}, {ROOT}" if name == "paths" else ""
        given = given or (str(ROOT) if "of_roots" in parameters else "")
        found = con.sql(f"FROM {name}({given})").columns
        for group in re.findall(r"`([a-z_, ]+)`", columns):
            stated = group.split(", ")
            if stated[0] in found:
                assert [column for column in found if column in stated] == stated


def test_no_macro_of_connectivity_is_left_out() -> None:
    """Every macro that takes the thresholds of connectivity stands in the table."""
    told = {name for calls, _, _ in ROWS for name in re.findall(r"`([a-z_]+)\(", calls)}
    there = {item.name for item in sql_objects() if item.room == "macros" and "min_synapses :=" in item.text}
    assert {name for name in there if not name.startswith("region_")} <= told
