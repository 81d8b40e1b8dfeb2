"""A delta that is killed, loses its server, or meets a change that no count shows."""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from crantdb.errors import SourceError, VersionUnavailable
from crantdb.sandbox import Fault, Sandbox
from crantdb.sandbox.chain import TABLE, generate_chain
from crantdb.warehouse import merge
from crantdb.warehouse.staging import Staging
from tests.sync.bench import Bench, bench, copy_of, unregistered
from tests.sync.delta.chain import bring, digests, story

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from crantdb.sandbox import Datastack

pytestmark = pytest.mark.usefixtures("unregistered")

FORK = multiprocessing.get_context("fork")


@pytest.fixture(scope="module")
def world() -> Datastack:
    """Generate three versions; nothing but edits happens between the first two."""
    return generate_chain(versions=3, neurons=60, synapses=4_000)


@pytest.fixture(scope="module")
def first(world: Datastack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Serve them, and return a warehouse with version 1, which no test changes."""
    with unregistered(), Sandbox(world, row_limit=1500) as served:
        made = bench(tmp_path_factory.mktemp("first") / "wh", served, world.name)
        bring(made, 1)
        yield made


@dataclass(frozen=True)
class Goal:
    """What an undisturbed delta of version 2 ends in, and how many requests it takes."""

    sums: dict[str, list[str]]
    requests: int


@pytest.fixture(scope="module")
def goal(first: Bench, tmp_path_factory: pytest.TempPathFactory) -> Goal:
    """Bring version 2 undisturbed."""
    made = copy_of(first, tmp_path_factory.mktemp("goal") / "wh")
    before = first.sandbox.log.count()
    with unregistered():
        bring(made, 2)
    return Goal(sums(made), first.sandbox.log.count() - before)


@pytest.fixture
def sandbox(first: Bench, world: Datastack) -> Iterator[Sandbox]:
    """Return their server, as it was before other tests."""
    yield first.sandbox
    first.sandbox.faults.clear()
    first.sandbox.replace(world)


@pytest.fixture
def one(first: Bench, sandbox: Sandbox, tmp_path: Path) -> Bench:
    """Return a warehouse with version 1."""
    return copy_of(first, tmp_path / "wh")


def sums(made: Bench) -> dict[str, list[str]]:
    """Return the SHA-256 of each data file of the current snapshot, by table."""
    snapshot = made.snapshot
    assert snapshot is not None
    return {key: [file.sha256 for file in table.files] for key, table in snapshot.main.tables.items()}


def killed_at(made: Bench, line: int) -> None:
    """Bring version 2 in a process that is gone, without a word, once so many answers are journalled."""
    append, left = Staging._append, [line]

    def once_more(self: Staging, said: dict[str, Any]) -> None:
        append(self, said)
        left[0] -= 1
        if left[0] == 0:
            os._exit(9)

    Staging._append = once_more  # type: ignore[method-assign]
    bring(made, 2)


def killed_writing(made: Bench, call: int) -> None:
    """Bring version 2 in a process that is gone once so many sorted files were written anew."""
    write, left = merge.write_sorted, [call]

    def once_more(*args: Any, **kwargs: Any) -> Any:
        files = write(*args, **kwargs)
        left[0] -= 1
        if left[0] == 0:
            os._exit(9)
        return files

    merge.write_sorted = once_more
    bring(made, 2)


@pytest.mark.parametrize(
    ("kill", "turn"),
    [*((killed_at, line) for line in (1, 2, 5, 15, 25)), *((killed_writing, call) for call in (1, 2, 3))],
)
def test_killed_at_any_step(
    goal: Goal,
    sandbox: Sandbox,
    one: Bench,
    kill: Callable[[Bench, int], None],
    turn: int,
) -> None:
    """Killed and run again, a delta asks for nothing twice that it wrote down, and ends in the same bytes of every file."""
    process = FORK.Process(target=kill, args=(one, turn))
    process.start()
    process.join(120)
    assert process.exitcode == 9
    assert one.snapshot is not None
    assert one.snapshot.main.version == 1
    before = sandbox.log.count()
    bring(one, 2)
    assert sandbox.log.count() - before <= goal.requests - turn + 8
    assert sums(one) == goal.sums
    assert one.journal() == []


def test_a_version_that_expires_half_way(world: Datastack, sandbox: Sandbox, one: Bench) -> None:
    """When the version goes while its changes are read, the sync says so, and the last snapshot stays as it was."""
    gone = tuple(replace(v, status="EXPIRED", valid=False) if v.number == 2 else v for v in world.versions)
    held = digests(one)
    sandbox.faults.add(Fault("me_500", match="/query", after=30, times=None))
    with pytest.raises(SourceError):
        bring(one, 2)
    sandbox.faults.clear()
    sandbox.replace(replace(world, versions=gone))
    with pytest.raises(VersionUnavailable, match="version 2 of chain_ant expired"):
        bring(one, 2)
    assert one.snapshot is not None
    assert (one.snapshot.number, digests(one)) == (1, held)


def test_a_chunkedgraph_that_is_down(sandbox: Sandbox, one: Bench) -> None:
    """Without the chunkedgraph no delta is made and nothing is committed: the error says what did not answer."""
    sandbox.faults.add(Fault("status", match="/delta_roots", times=None))
    with pytest.raises(SourceError, match="delta_roots"):
        bring(one, 2)
    assert one.snapshot is not None
    assert one.snapshot.main.version == 1


def with_sizes(world: Datastack, number: int, by: float) -> Datastack:
    """Return the world with every size of a version's synapses changed: no root, id or count tells."""

    def changed(rows: pa.Table) -> pa.Table:
        sizes = pa.array(
            [None if size is None else size + by for size in rows["size"].to_pylist()], pa.float64()
        )
        return rows.set_column(rows.column_names.index("size"), "size", sizes)

    versions = [
        replace(v, tables=tuple(replace(t, rows=changed(t.rows)) for t in v.tables))
        if v.number == number
        else v
        for v in world.versions
    ]
    return replace(world, versions=tuple(versions))


def test_what_no_count_shows_is_found_in_the_sample(world: Datastack, sandbox: Sandbox, one: Bench) -> None:
    """Where rows differ in a column that is no key, the sample tells, and the table is fetched in full."""
    sandbox.replace(with_sizes(world, 2, 1.0))
    bring(one, 2)
    assert story(one)["completeness"] == "full (counts + unique ids)"
    [why] = [line for line in one.voice.lines if "what changed cannot be told" in line]
    assert "rows of the sample differ where no count does" in why


def test_full_when_asked_for(one: Bench) -> None:
    """A sync that is told so fetches every row, though a delta would do."""
    bring(one, 2, full=True)
    assert story(one)["completeness"] == "full (counts + unique ids)"


def test_every_so_many_versions_in_full(one: Bench) -> None:
    """With `full_every = 2` every second version is a full one, and the sync says why."""
    one.config = replace(one.config, cave=replace(one.config.cave, full_every=2))
    bring(one, 2)
    assert story(one)["since_full"] == 1
    bring(one, 3)
    assert story(one)["completeness"] == "full (counts + unique ids)"
    assert f"{TABLE}: fetched in full: every 2 versions one is" in one.voice.lines


def test_nothing_changed(world: Datastack, one: Bench, sandbox: Sandbox) -> None:
    """A version in which nothing changed brings no row beyond the sample, and lists the files of the one before."""
    first = world.version(1)
    assert first is not None
    same = replace(first, number=2, time_stamp=first.time_stamp.replace(microsecond=84052))
    sandbox.replace(replace(world, versions=(first, same)))
    before = sums(one)
    bring(one, 2)
    told = story(one)
    assert (told["rows_new_or_changed"], told["found"]["rows of new roots"]) == (0, 0)
    assert told["rows_fetched"] == told["found"]["rows compared"] < 0.03 * told["rows"]
    after = sums(one)
    assert {name: after[name] for name in after} == before
    files = {file.path for table in one.snapshot.main.tables.values() for file in table.files}  # type: ignore[union-attr]
    assert any("version=1" in path and TABLE in path for path in files)
