"""The documents tell the truth: every verb is described, every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from crantdb.cli.main import VERBS
from crantdb.config import read_config

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
