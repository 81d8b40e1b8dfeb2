"""What a delta asks for beside what a full fetch asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crantdb.sandbox import Sandbox
from crantdb.sandbox.chain import generate_chain
from tests.sync.bench import bench
from tests.sync.delta.chain import bring, digests, story

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("unregistered")


def test_two_per_cent_changed(tmp_path: Path) -> None:
    """When about 2 % of the rows have changed, at most 5 % of them are fetched, the sample included."""
    world = generate_chain(versions=2, neurons=240, synapses=20_000, edits=2)
    with Sandbox(world, row_limit=1500) as sandbox:
        here, whole = (bench(tmp_path / name, sandbox, world.name) for name in ("here", "whole"))
        bring(here, 1)
        bring(here, 2)
        bring(whole, 2, full=True)
        told = story(here)
        assert digests(here) == digests(whole)
    changed, fetched = told["rows_new_or_changed"] / told["rows"], told["rows_fetched"] / told["rows"]
    assert 0.01 < changed < 0.03
    assert changed < fetched <= 0.05
