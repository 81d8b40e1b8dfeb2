"""The examples of the documents run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import crantdb
from crantdb.sandbox import Sandbox, generate_world
from tests.cli.conftest import run
from tests.docs.test_pages import ROOT, fenced


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a warehouse as the README says, from the sandbox."""
    folder = tmp_path_factory.mktemp("docs") / "my_lab"
    with Sandbox(generate_world(synapses=500)) as sandbox:
        assert run("init", folder, "--datastack", "sandbox_ant", "--cave-server", sandbox.url).code == 0
        assert run("sync", "--warehouse", folder).code == 0
    return folder


def test_readme_python_runs(warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's Python example runs as it stands."""
    monkeypatch.chdir(warehouse.parent)
    [code] = fenced(ROOT / "README.md", "python")
    names: dict[str, object] = {}
    exec(code, names)  # noqa: S102 - the README's own example
    assert names["crantdb"] is crantdb


def test_readme_sql_runs(warehouse: Path) -> None:
    """The README's queries answer, and the float it warns of is refused."""
    text = (ROOT / "README.md").read_text("utf-8")
    [query] = re.findall(r'crantdb sql "(.*?)"', text)
    assert run("sql", query, "--warehouse", warehouse).code == 0
    [bent] = re.findall(r"`(FROM id_chunk.*?)`", text)
    refused = run("sql", bent, "--warehouse", warehouse)
    assert (refused.code, "whole number" in refused.err) == (1, True)


def test_sandbox_example_runs() -> None:
    """The sandbox page's Python examples run as they stand."""
    examples = list(fenced(ROOT / "docs/sandbox.md", "python"))
    assert len(examples) == 2
    for code in examples:
        exec(code, {})  # noqa: S102 - the page's own example
