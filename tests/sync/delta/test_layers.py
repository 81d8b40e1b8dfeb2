"""Older versions of the chain kept as layers answer as when they were whole: every row, from every program."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import crantdb
from crantdb.sandbox import Sandbox
from crantdb.sandbox.chain import RECREATED, SPLIT, TABLE, generate_chain
from crantdb.warehouse.expire import Rules, expire, plan_expiry
from crantdb.warehouse.register import register
from crantdb.warehouse.verify import verify
from tests.sync.bench import Bench, bench, unregistered
from tests.sync.delta.chain import FORMS, answers, bring, digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crantdb.warehouse.state import VersionState

VERSIONS = range(1, 11)
STAY_WHOLE = {SPLIT, RECREATED - 1, 10}
"""The newest; the one with further columns; the one whose every id is another in the next."""

LAYERED = sorted(set(VERSIONS) - STAY_WHOLE)
LATER = datetime.now(UTC) + timedelta(days=1)
COPIES = ("synapses_v2", "synapses_by_post", "synapse_ids")


@dataclass(frozen=True)
class Thinned:
    """A chain whose older versions are layers.

    Attributes:
        bench: the warehouse.
        truth: digests of every version's tables while all were whole.
        whole_bytes: bytes of a version's synapse table and its copies then.
    """

    bench: Bench
    truth: dict[int, dict[str, str]]
    whole_bytes: dict[int, int] = field(default_factory=dict)


def state_of(made: Bench, version: int) -> VersionState:
    """Return a version as the snapshot that stands for it has it."""
    snapshot = made.snapshot
    assert snapshot is not None
    found = crantdb.warehouse.snapshot.read_snapshot(made.warehouse, snapshot.versions[version])  # type: ignore[attr-defined]
    state = found.state_of(version)
    assert state is not None
    return state


def bytes_of(made: Bench, version: int) -> int:
    """Return the bytes of the files that are there for a version's synapse table and its narrow copies alone."""
    tables = state_of(made, version).tables.values()
    own = {file.path: file.bytes for table in tables if table.name in COPIES for file in table.own}
    return sum(own.values())


@pytest.fixture(scope="module")
def thinned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Thinned]:
    """Follow the chain; make layers half way and at its end, the newest alone whole; unlisted files go at once."""
    world = generate_chain(neurons=40, synapses=2_500)
    with unregistered(), Sandbox(world, row_limit=1500) as sandbox:
        made = bench(tmp_path_factory.mktemp("layers") / "wh", sandbox, world.name)
        found = Thinned(made, {})
        for version in VERSIONS:
            bring(made, version)
            found.truth[version] = answers(made, version)
            found.whole_bytes[version] = bytes_of(made, version)
            if version == 6:
                half = expire(made.warehouse, Rules(99, None, 0, full_versions=2), now=LATER)
                assert half is not None
                assert half.layered == (1, 2, 3, 4)
        gone = expire(made.warehouse, Rules(99, None, 0, full_versions=1), now=LATER)
        assert gone is not None
        assert sorted(gone.layered) == LAYERED
        assert set(gone.whole) == STAY_WHOLE - {10}
        expire(made.warehouse, Rules(99, None, 0, full_versions=1), now=LATER + timedelta(days=1))
        assert not bring(made, 3).changed  # it is held, if as layers
        yield found


@pytest.mark.parametrize("version", VERSIONS)
def test_every_row_of_every_form_is_as_it_was(thinned: Thinned, version: int) -> None:
    """All rows of all five forms, hashed, are those of the version while it was whole."""
    assert answers(thinned.bench, version) == thinned.truth[version]


@pytest.mark.parametrize("version", LAYERED)
def test_a_version_s_whole_files_are_gone(thinned: Thinned, version: int) -> None:
    """A layered version's synapse table has no files of its own, and takes less room than when it was whole."""
    table = state_of(thinned.bench, version).tables[f"cave.{TABLE}"]
    assert table.files == ()
    assert table.layers is not None
    assert table.layers.version in STAY_WHOLE
    assert bytes_of(thinned.bench, version) < thinned.whole_bytes[version]


def test_nothing_lies_about_that_no_snapshot_needs(thinned: Thinned) -> None:
    """What only whole versions needed is off the disk; what layers need is on it."""
    plan = plan_expiry(thinned.bench.warehouse, Rules(99, None, 0, full_versions=1), now=LATER)
    assert plan is not None
    assert (plan.files, plan.waiting, set(plan.layered)) == ((), (), {RECREATED - 1})


def test_verify_deep_finds_nothing(thinned: Thinned) -> None:
    """Every file is what its manifest says, layers among them, and the forms of each version agree."""
    assert [
        checked.finding for checked in verify(thinned.bench.warehouse, deep=True) if checked.finding
    ] == []


@pytest.mark.parametrize("version", LAYERED)
def test_polars_scans_the_same_rows(thinned: Thinned, version: int) -> None:
    """`scan` gives the rows that `connect` gives: each form, whole and filtered."""
    root = thinned.bench.warehouse.root
    with contextlib.closing(crantdb.connect(root, version=version)) as con:
        for name in FORMS:
            columns = con.table(name).columns  # of views: `scan` has those of the files, in their order
            con.register("scanned", crantdb.scan(name, root, version=version).select(columns).collect())
            assert digest(con, "scanned") == digest(con, name)


def test_another_program_reads_the_same_rows(thinned: Thinned) -> None:
    """The stock DuckDB shell counts and sums the same in `crantdb.duckdb` as Python does, version by version."""
    root = thinned.bench.warehouse.root
    database, _ = register(root)
    shell = Path(sys.executable).with_name("duckdb")
    others = [version for version in VERSIONS if version != 10]
    question = (
        "SELECT {v}, count(*), sum(id)::HUGEINT, sum(pre_pt_root_id)::HUGEINT, sum(ctr_x_nm) FROM {s}synapses"
    )
    asked = " UNION ALL ".join(question.format(v=v, s=f"v{v}.") for v in others) + " ORDER BY 1"
    said = subprocess.run(
        [shell, "-readonly", "-csv", "-noheader", database, asked], capture_output=True, text=True, check=True
    )
    found = [tuple(line.split(",")) for line in said.stdout.split()]
    for version, line in zip(others, found, strict=True):
        with contextlib.closing(crantdb.connect(root, version=version)) as con:
            [ours] = con.sql(question.format(v=version, s="")).fetchall()
        assert line == tuple(map(str, ours))


def test_tables_and_snapshots_say_so(thinned: Thinned) -> None:
    """`tables` says of a table that it is layers and on which version; `snapshots` which versions are kept so."""
    with contextlib.closing(crantdb.connect(thinned.bench.warehouse.root, version=1)) as con:
        kept = dict(con.sql("SELECT name, kept_as FROM tables").fetchall())
        [(layered,)] = con.sql("SELECT layered FROM snapshots WHERE is_current").fetchall()
    assert {name for name, how in kept.items() if how == f"layers on version {SPLIT}"} == set(COPIES)
    assert kept["edges"] == "whole"
    assert layered == LAYERED
