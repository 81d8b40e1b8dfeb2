"""Deltas of tables that are out of the common: odd ids, roots that are none, no rows, split versions, further roots."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from crantdb.errors import Interrupted, ValidationError
from crantdb.sandbox import Fault, Sandbox
from crantdb.sandbox.chain import TABLE, generate_chain
from crantdb.sources.opening import open_cave
from crantdb.sync.cave import choose
from crantdb.sync.delta import base as delta_base
from crantdb.sync.delta import run as delta_run
from crantdb.sync.delta.base import Base, Deltas
from crantdb.sync.finish import Forms
from crantdb.sync.plan import plan
from crantdb.sync.selection import Wish
from crantdb.warehouse.arrange import ID, POST, PRE
from crantdb.warehouse.staging import Staging
from crantdb.warehouse.verify import verify
from tests.sync.bench import QUICK, Bench, bench, copy_of
from tests.sync.delta.chain import OPTIONS, bring, digests, story

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import duckdb
    import numpy as np
    from numpy.typing import NDArray

    from crantdb.sandbox import Datastack
    from crantdb.warehouse.arrange import Arranged
    from crantdb.warehouse.staging import Piece
    from crantdb.warehouse.state import TableState, VersionState

    Change = Callable[[pa.Table], pa.Table]

pytestmark = pytest.mark.usefixtures("unregistered")

BY_DELTA, IN_FULL = "delta (counts + sample)", "full (counts + unique ids)"


@pytest.fixture(scope="module")
def world() -> Datastack:
    """Generate two versions, edits between them."""
    return generate_chain(versions=2, neurons=30, synapses=1_500)


@pytest.fixture(scope="module")
def first(world: Datastack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Serve them, and return a warehouse with version 1."""
    with Sandbox(world, row_limit=1500) as sandbox:
        made = bench(tmp_path_factory.mktemp("one") / "wh", sandbox, world.name)
        bring(made, 1)
        yield made


@pytest.fixture
def one(first: Bench, world: Datastack) -> Iterator[Bench]:
    """Return the warehouse with version 1, which no test changes, its server as it was before other tests."""
    yield first
    first.sandbox.faults.clear()
    first.sandbox.replace(world)


def changed(world: Datastack, change: Change, *numbers: int) -> Datastack:
    """Return the world with the rows of some versions changed."""
    versions = [
        replace(v, tables=tuple(replace(t, rows=change(t.rows)) for t in v.tables))
        if v.number in numbers
        else v
        for v in world.versions
    ]
    return replace(world, versions=tuple(versions))


def followed(one: Bench, world: Datastack, folder: Path) -> Bench:
    """Bring both versions of a world, the second by what changed; check that it is what a full fetch gives."""
    one.sandbox.replace(world)
    here = bench(folder / "here", one.sandbox, world.name)
    bring(here, 1)
    bring(here, 2)
    assert digests(here) == digests(in_full(one, folder))
    return here


def in_full(one: Bench, folder: Path) -> Bench:
    """Return a warehouse that fetched version 2 in full."""
    whole = bench(folder / "whole", one.sandbox, one.config.datastack)
    bring(whole, 2, full=True)
    return whole


def with_column(rows: pa.Table, name: str, values: list[int | None] | NDArray[np.int64]) -> pa.Table:
    """Return rows with other values in a column."""
    return rows.set_column(rows.column_names.index(name), name, pa.array(values, pa.int64()))


def updated(rows: pa.Table) -> pa.Table:
    """Supersede a row of the newest ids by one with a newer id: same roots, same number of rows."""
    ids = rows["id"].to_numpy().copy()
    ids[-3] = ids[-1] + 5
    return with_column(rows, "id", ids).sort_by("id")


def bent_ids(rows: pa.Table) -> pa.Table:
    """Give rows ids below zero, the lowest and the highest of all, and beyond what a float holds."""
    ids = rows["id"].to_numpy() - 500
    ids[0], ids[-3:] = -(2**63), [2**53 + 1, 2**62, 2**63 - 1]
    return with_column(rows, "id", ids)


def odd_roots(rows: pa.Table) -> pa.Table:
    """Give rows the roots 0, 1 and NULL, as pre and as post."""
    pre, post = rows[PRE].to_pylist(), rows[POST].to_pylist()
    pre[10:40], pre[50:70], pre[80:90] = [1] * 30, [0] * 20, [None] * 10
    post[30:60], post[85:120] = [0] * 30, [1] * 35
    return with_column(with_column(rows, PRE, pre), POST, post)


def third_root(rows: pa.Table) -> pa.Table:
    """Give rows a further root."""
    return rows.append_column("far_pt_root_id", rows[PRE])


def none(rows: pa.Table) -> pa.Table:
    """Return no rows."""
    return rows.slice(0, 0)


def unlooked(rows: pa.Table) -> pa.Table:
    """Take every presynaptic root away."""
    return with_column(rows, PRE, [None] * rows.num_rows)


ODD = {
    "a row among the newest ids is superseded": (updated, (2,)),
    "ids below zero and up to the highest": (bent_ids, (1, 2)),
    "0, 1 and NULL go": (odd_roots, (1,)),
    "a third root": (third_root, (1, 2)),
    "all rows go": (none, (2,)),
    "all rows come": (none, (1,)),
    "no rows before and none behind": (none, (1, 2)),
    "every NULL is looked up": (unlooked, (1,)),
    "every root becomes NULL": (unlooked, (2,)),
}


@pytest.mark.parametrize(("change", "versions"), ODD.values(), ids=ODD)
def test_odd_tables(
    one: Bench, world: Datastack, tmp_path: Path, change: Change, versions: tuple[int, ...]
) -> None:
    """Whatever the ids and the roots are, a delta is made, and holds what a full fetch gives."""
    assert story(followed(one, changed(world, change, *versions), tmp_path))["completeness"] == BY_DELTA


def outlying(rows: pa.Table) -> pa.Table:
    """Give the last row an id far behind all others, as a bulk upload may."""
    ids = rows["id"].to_numpy().copy()
    ids[-1] = 2**40
    return with_column(rows, "id", ids)


def updated_in_gap(rows: pa.Table) -> pa.Table:
    """Supersede a row by one whose id lies between those of the others and the last."""
    ids = rows["id"].to_numpy().copy()
    ids[-3] = 2**30
    return with_column(rows, "id", ids).sort_by("id")


def test_new_ids_in_a_wide_gap(one: Bench, world: Datastack, tmp_path: Path) -> None:
    """A row that is superseded by one whose id lies in a wide gap is found, though no range's number of ids would tell."""
    found = followed(one, changed(changed(world, outlying, 1, 2), updated_in_gap, 2), tmp_path)
    assert story(found)["found"]["ranges of id that differed"] == 2


def test_from_split_to_split(one: Bench, world: Datastack, tmp_path: Path) -> None:
    """Between two split versions, which serve NULL as 1 and times of creation, a delta is made, NULLs restored."""
    split = replace(world, versions=tuple(replace(v, is_merged=False) for v in world.versions))
    found = followed(one, changed(split, odd_roots, 2), tmp_path)
    assert story(found)["completeness"] == BY_DELTA
    assert "created" in found.rows(TABLE).column_names


@pytest.mark.parametrize(
    ("body", "requests"),
    [(b"", 2 * QUICK.rule.tries), (b'{"code": 500, "message": "need at least one array to concatenate"}', 2)],
)
def test_a_chunkedgraph_that_has_no_answer_where_nothing_was_edited(
    one: Bench, tmp_path: Path, body: bytes, requests: int
) -> None:
    """A 500 for the new roots of a window is no failure: the rows are found by the roots that were retired.

    A bare one is tried again; one in which the chunkedgraph says what failed is not.
    """
    here = copy_of(one, tmp_path / "here")
    one.sandbox.faults.add(Fault("status", match="/delta_roots", times=requests, code=500, body=body))
    bring(here, 2)
    assert digests(here) == digests(in_full(one, tmp_path))
    assert story(here)["found"]["rows of new roots"] == 0
    assert story(here)["found"]["rows of retired roots"] > 0


def test_a_delta_that_breaks_a_promise_is_no_dead_end(
    one: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When what was made of the changes fails its checks, the sync says so and fetches the table in full."""

    def broken(*_args: object) -> None:
        raise ValidationError(TABLE, "has the rows its source counted", 1)

    here = copy_of(one, tmp_path / "here")
    monkeypatch.setattr(delta_run, "rearrange", broken)
    bring(here, 2)
    assert story(here)["completeness"] == IN_FULL
    assert any("what changed cannot be told" in line for line in here.voice.lines)


def base_for(one: Bench, last: VersionState) -> Base | str:
    """Return what a delta of version 2 may build on, when this is the last version."""
    cave = open_cave(one.config.datastack, one.config.server, None, OPTIONS)
    selection = choose(cave, one.warehouse, one.config, Wish(2), one.snapshot)
    [(table, _)] = selection.fetch
    return Deltas(last, 8).base_for(table, selection.version, Forms(TABLE, (), 2**30))


def with_state(one: Bench, key: str, **given: object) -> VersionState:
    """Return the last version with something else said of a table."""
    assert one.snapshot is not None
    main = one.snapshot.main
    state: TableState = replace(main.tables[key], **given)  # type: ignore[arg-type]
    return replace(main, tables=dict(main.tables) | {key: state})


def test_a_delta_builds_on_the_last_version(one: Bench) -> None:
    """As it is, the last version will do; what the next test says of others is not for want of anything else."""
    assert one.snapshot is not None
    assert isinstance(base_for(one, one.snapshot.main), Base)


WHY_NOT = {
    "forms of another table": ("derived.edges", {"source": {"made_from": "other"}}, None),
    "ids of another table": ("derived.synapse_ids", {"source": {"made_from": "other"}}, "its forms are not"),
    "sorted by id": (f"cave.{TABLE}", {"sort_order": (ID,)}, "sorted otherwise"),
    "in no order": ("derived.synapses_by_post", {"sort_order": ()}, "sorted otherwise"),
    "made at an unknown time": (f"cave.{TABLE}", {"source": {}}, "not known when"),
    "exact": (f"cave.{TABLE}", {"drift": ("doubles kept (import --exact): …",)}, "--exact"),
}


@pytest.mark.parametrize(("key", "given", "why"), WHY_NOT.values(), ids=WHY_NOT)
def test_what_a_delta_does_not_build_on(
    one: Bench, key: str, given: dict[str, object], why: str | None
) -> None:
    """A delta is built on files in the order in which it merges, of that table, made from it; else it is said why not."""
    found = base_for(one, with_state(one, key, **given))
    if why is None:
        assert isinstance(found, Base)
    else:
        assert isinstance(found, str)
        assert why in found


def test_a_resumed_delta_is_no_left_over(one: Bench, tmp_path: Path) -> None:
    """A delta that was stopped and goes on is not reported as staged from another sync."""
    here = copy_of(one, tmp_path / "here")
    one.sandbox.faults.add(Fault("status", match="/is_latest_roots", times=None))
    with pytest.raises(Exception, match="is_latest_roots"):
        bring(here, 2)
    one.sandbox.faults.clear()
    bring(here, 2)
    assert not [line for line in here.voice.lines if "from an earlier sync" in line]
    assert story(here)["completeness"] == BY_DELTA


def test_a_plan_says_what_comes_by_what_changed(one: Bench) -> None:
    """A plan names the version that is built on, and counts the sample, not the table; with `full` the whole table."""
    cave = open_cave(one.config.datastack, one.config.server, None, OPTIONS)
    found, whole = (plan(cave, one.warehouse, one.config, Wish(2, full=full)) for full in (False, True))
    [updated_table], [table] = found.tables, whole.tables
    assert (updated_table.action, table.action) == ("update", "fetch")
    assert updated_table.rows == table.rows == whole.rows
    assert 0 < found.rows <= 0.05 * whole.rows
    assert "since version 1" in updated_table.why
    assert updated_table.requests > 3


def worded(rows: pa.Table) -> pa.Table:
    """Give rows texts, some of them NULL."""
    words = [None if row % 7 == 0 else f"tag, '{row}' \u2028" for row in rows["id"].to_pylist()]
    return rows.append_column("tag", pa.array(words, pa.string()))


@pytest.mark.parametrize("is_merged", [True, False], ids=["merged", "split"])
def test_a_large_table_that_is_no_synapse_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_merged: bool
) -> None:
    """Any large table with roots comes by what changed, one version upon the other: texts, numbers, times and NULLs."""
    monkeypatch.setattr(delta_base, "LARGE_ROWS", 100)
    chain = changed(generate_chain(versions=3, neurons=30, synapses=1_500), worded, 1, 2, 3)
    versions = tuple(replace(v, is_merged=is_merged) for v in chain.versions)
    world = replace(chain, versions=versions, synapse_table=None)
    with Sandbox(world, row_limit=1500) as sandbox:
        here, whole = (bench(tmp_path / name, sandbox, world.name) for name in ("here", "whole"))
        for number in (1, 2, 3):
            bring(here, number)
        bring(whole, 3, full=True)
        assert here.rows(TABLE).equals(whole.rows(TABLE))
    told = story(here)
    assert (told["completeness"], told["since_full"]) == (BY_DELTA, 2)
    assert [found.finding for found in verify(here.warehouse, deep=True) if found.finding] == []


def test_a_root_with_more_rows_than_a_request_goes_on_where_it_was(
    one: Bench, world: Datastack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows of one root (or none) come in parts, each staged as it comes; stopped between two, only the rest is asked for."""
    add, staged = Staging.add, []

    def once(self: Staging, span: str, rows: pa.Table) -> Piece:
        piece = add(self, span, rows)
        staged.append(span)
        if span.startswith(f"{PRE} in NULL"):
            msg = "stopped"
            raise Interrupted(msg)
        return piece

    one.sandbox.replace(changed(world, unlooked, 2))
    here = copy_of(one, tmp_path / "here")
    with monkeypatch.context() as patch:
        patch.setattr(Staging, "add", once)
        with pytest.raises(Interrupted):
            bring(here, 2)
        before = set(staged)
        staged.clear()
        with pytest.raises(Interrupted):
            bring(here, 2)
    assert staged
    assert not before & set(staged)
    bring(here, 2)
    assert digests(here) == digests(in_full(one, tmp_path))
    assert story(here)["completeness"] == BY_DELTA


def test_what_was_written_is_held_against_what_was_counted(
    one: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that is written with another root than was counted is found, however many rows there are: no such table stands."""
    arranged = delta_run.rearrange

    def bent(staging: Staging, con: duckdb.DuckDBPyConnection, *args: Any) -> Arranged:
        con.execute(
            f"UPDATE comes SET {PRE} = {PRE} + 1 WHERE id = (SELECT min(id) FROM comes WHERE {PRE} > 1)"
        )
        return arranged(staging, con, *args)

    here = copy_of(one, tmp_path / "here")
    monkeypatch.setattr(delta_run, "rearrange", bent)
    bring(here, 2)
    assert digests(here) == digests(in_full(one, tmp_path))
    assert story(here)["completeness"] == IN_FULL
    assert any("is not what was counted" in line for line in here.voice.lines)
