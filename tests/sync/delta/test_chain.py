"""A warehouse that follows ten versions by what changed holds what one that fetches each in full holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from crantdb.sandbox import Sandbox
from crantdb.sandbox.chain import (
    HUGE,
    LATE,
    RECREATED,
    RELOOKED,
    REPAIRED,
    SPLIT,
    STALE,
    TABLE,
    UPDATED,
    generate_chain,
)
from crantdb.warehouse.verify import verify
from tests.sync.bench import Bench, bench, unregistered
from tests.sync.delta.chain import FORMS, bring, digests, story

if TYPE_CHECKING:
    from collections.abc import Iterator

BY_DELTA, IN_FULL = "delta (counts + sample)", "full (counts + unique ids)"
VERSIONS = range(1, 11)


@dataclass(frozen=True)
class Followed:
    """A chain, followed both ways.

    Attributes:
        deltas: the warehouse that took what changed.
        ours: digests of its tables, by version, as they were when the version was the newest.
        truth: those of the warehouse that fetched every version in full.
        stories: how each version came into the first.
        said: what its syncs said.
    """

    deltas: Bench
    ours: dict[int, dict[str, str]]
    truth: dict[int, dict[str, str]]
    stories: dict[int, dict[str, Any]]
    said: dict[int, list[str]]


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    """Follow the chain."""
    world = generate_chain(neurons=60, synapses=4_000)
    found = Followed(None, {}, {}, {}, {})  # type: ignore[arg-type]
    with unregistered(), Sandbox(world, row_limit=1500) as sandbox:
        deltas, whole = (bench(tmp_path_factory.mktemp(name) / "wh", sandbox, world.name) for name in "ab")
        for version in VERSIONS:
            deltas.voice.lines.clear()
            bring(deltas, version)
            bring(whole, version, full=True)
            found.ours[version], found.truth[version] = digests(deltas), digests(whole)
            found.stories[version], found.said[version] = story(deltas), list(deltas.voice.lines)
        yield Followed(deltas, found.ours, found.truth, found.stories, found.said)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_is_what_a_full_fetch_gives(followed: Followed, version: int, form: str) -> None:
    """All rows of every table, hashed, are those of the warehouse that fetched everything."""
    assert followed.ours[version][form] == followed.truth[version][form]


@pytest.mark.parametrize("version", VERSIONS)
def test_older_versions_stay_as_they_were(followed: Followed, version: int) -> None:
    """What a later version's files replace, the older version's manifest still lists: its rows are unchanged."""
    assert digests(followed.deltas, version) == followed.truth[version]


def test_every_file_is_as_its_manifest_says(followed: Followed) -> None:
    """Order within and across files, key ranges and sums hold of files written anew and of those taken over."""
    assert [found.finding for found in verify(followed.deltas.warehouse, deep=True) if found.finding] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_where_a_delta_is_made(followed: Followed, version: int) -> None:
    """Each version comes as a delta, but for the first, a split one, the one behind it, and a table made anew."""
    in_full = {1, SPLIT, SPLIT + 1, RECREATED}
    assert followed.stories[version]["completeness"] == (IN_FULL if version in in_full else BY_DELTA)


def test_why_not_is_said(followed: Followed) -> None:
    """A sync says why it fetches a table in full: other columns, or made anew on the server."""
    told = {version: " ".join(followed.said[version]) for version in VERSIONS}
    assert "its columns are not those of the version before (created, superceded_id)" in told[SPLIT]
    assert f"{TABLE}: fetched in full: it was made anew on the server" in told[RECREATED]


@pytest.mark.parametrize(
    ("version", "what"),
    [
        *((version, "rows of new roots") for version in (2, LATE, RELOOKED, STALE, REPAIRED, HUGE)),
        (REPAIRED, "rows of retired roots"),
        (STALE, "rows of older roots"),
        (UPDATED, "ranges of id that differed"),
        (LATE, "ranges of pre_pt_root_id that differed"),
        (RELOOKED, "ranges of pre_pt_root_id that differed"),
        *((version, "rows compared") for version in (2, LATE, RELOOKED, STALE, HUGE)),
    ],
)
def test_every_pass_finds_what_it_is_there_for(followed: Followed, version: int, what: str) -> None:
    """Each transition is found by the pass meant for it, so that no pass is there for nothing."""
    assert followed.stories[version]["found"][what] > 0
