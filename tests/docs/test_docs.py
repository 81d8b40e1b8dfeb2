"""The documents tell the truth: every verb is described, every link leads somewhere, examples run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import crantdb
from crantdb.cli.main import VERBS
from crantdb.config import read_config
from crantdb.sandbox import Sandbox, generate_world
from tests.cli.conftest import run

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def fenced(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of a language on a page."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("verb", VERBS)
def test_readme_describes_every_verb(verb: str) -> None:
    """Every verb stands in the README's table."""
    assert f"| `crantdb {verb}` |" in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_name_only_verbs_there_are(page: Path) -> None:
    """No page names a verb that does not exist."""
    named = set(re.findall(r"(?:^|[`$·] ?|&& )crantdb ([a-z]+)", page.read_text("utf-8"), re.MULTILINE))
    assert named <= set(VERBS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link is to a file or folder of the repository."""
    links = re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_toml_example_is_valid(tmp_path: Path) -> None:
    """The crantdb.toml of the documents is one that crantdb reads."""
    [text] = fenced(ROOT / "docs/first-sync.md", "toml")
    (tmp_path / "crantdb.toml").write_text(text)
    assert read_config(tmp_path / "crantdb.toml").cave.parallel == 2


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
    """The sandbox page's Python example runs as it stands."""
    [code] = fenced(ROOT / "docs/sandbox.md", "python")
    exec(code, {})  # noqa: S102 - the page's own example
