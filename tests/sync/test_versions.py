"""Which version a sync brings, what it needs to become the main one, and what of each table comes with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import crantdb
from crantdb.errors import NotServed, TimeMismatch, Unreadable, VersionUnavailable
from crantdb.sandbox import GivenTable, GivenView, Sandbox
from crantdb.sources.opening import open_cave

from .bench import FIRST, QUICK, ROOT, Bench, bench, by_id, mirrored, stack, synapses, tags, version

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("unregistered")

SYNAPSES = GivenTable("synapses_v2", synapses(300))


def _bench(root: Path, sandbox: Sandbox) -> Bench:
    """Return a fresh warehouse for the given datastack."""
    return bench(root / "w", sandbox)


# --- which version ----------------------------------------------------------------------------------------


def test_the_newest_available_version_is_chosen(tmp_path: Path) -> None:
    """Newer versions that are running, failed, expired or no longer valid are passed over, and not even asked for."""
    versions = (
        version(3, tags(3)),
        version(2, tags(2)),
        version(4, tags(4), status="EXPIRED", valid=False),
        version(5, tags(5), status="FAILED", valid=False),
        version(6, tags(6), status="RUNNING", valid=False),
        version(7, tags(7), valid=False),
    )
    with Sandbox(stack(*versions)) as sandbox:
        here = _bench(tmp_path, sandbox)
        report = here.sync()
        assert report.snapshot.main.version == 3
        assert report.snapshot.main.as_of == FIRST + timedelta(days=90)
        assert sandbox.log.count(r"/version/[4567]/") == 0
    assert len(here.rows("cell_types")) == 3


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (4, "expired on 2026-08-01"),
        (5, "failed to materialize"),
        (6, "still being made: wait"),
        (7, "valid: False"),
        (99, "no materialization version 99"),
    ],
)
def test_a_version_that_is_not_to_be_mirrored_is_refused_by_name(
    tmp_path: Path, number: int, words: str
) -> None:
    """Expired, failed, running, invalid and unknown versions are refused in words, with those available listed."""
    versions = (
        version(2, tags(2)),
        version(3, tags(3)),
        version(4, tags(4), status="EXPIRED", valid=False, expires_on=datetime(2026, 8, 1, tzinfo=UTC)),
        version(5, tags(5), status="FAILED", valid=False),
        version(6, tags(6), status="RUNNING", valid=False),
        version(7, tags(7), valid=False),
    )
    with Sandbox(stack(*versions)) as sandbox:
        here = _bench(tmp_path, sandbox)
        with pytest.raises(VersionUnavailable, match=words) as caught:
            here.sync(number)
        assert "available: 2, 3" in str(caught.value)
        assert sandbox.log.count(rf"/version/{number}/") == 0
    assert here.snapshot is None


def test_no_version_at_all_is_said(tmp_path: Path) -> None:
    """A datastack that has materialized nothing yet is `VersionUnavailable`, whether it lists failed ones or none."""
    for number, versions in enumerate([(), (version(1, status="FAILED", valid=False),)]):
        told = pytest.raises(VersionUnavailable, match="no materialization version to mirror now")
        with Sandbox(stack(*versions)) as sandbox, told:
            bench(tmp_path / str(number), sandbox).sync()


@pytest.mark.parametrize(
    "expires", [None, datetime(2126, 1, 1, tzinfo=UTC)], ids=["never", "no microseconds"]
)
def test_odd_expiry_times_are_no_obstacle(tmp_path: Path, expires: datetime | None) -> None:
    """No expiry, and an expiry without microseconds (on which caveclient fails), sync like any other."""
    with Sandbox(stack(version(1, tags(5), expires_on=expires))) as sandbox:
        here = _bench(tmp_path, sandbox)
        assert here.sync().fetched == {"cell_types": 5}


def test_an_older_version_is_added_without_becoming_main(tmp_path: Path) -> None:
    """`--version` of an older one adds it: the main version stays, and both are read by their number."""
    old, new = tags(10), tags(25)
    with Sandbox(stack(version(2, old), version(3, new))) as sandbox:
        here = _bench(tmp_path, sandbox)
        here.sync()
        report = here.sync(2)
    assert report.changed
    assert (report.snapshot.main.version, report.snapshot.versions) == (3, {3: 1, 2: 2})
    assert here.queried("cell_types").equals(by_id(new.rows))
    assert here.queried("cell_types", 2).equals(by_id(old.rows))


def test_the_same_version_twice_changes_nothing(tmp_path: Path) -> None:
    """A second sync of the same version asks for no row, makes no snapshot, and says so."""
    with Sandbox(stack(version(2, SYNAPSES, tags(9)))) as sandbox:
        here = _bench(tmp_path, sandbox)
        first = here.sync()
        sandbox.log.clear()
        again = here.sync()
        assert sandbox.log.count(r"/(query|count)$") == 0
    assert (again.changed, again.fetched, again.snapshot) == (False, {}, first.snapshot)
    assert here.warehouse.numbers() == [1]
    assert any("0 tables and views to fetch, 2 here already" in line for line in here.voice.lines)


def test_a_further_table_of_the_same_version_joins_the_others(tmp_path: Path) -> None:
    """Tables may come one after another: the second sync carries the first one's over without fetching them again."""
    with Sandbox(stack(version(2, SYNAPSES, tags(9)))) as sandbox:
        here = _bench(tmp_path, sandbox)
        here.sync(tables=("synapses_v2",))
        sandbox.log.clear()
        report = here.sync(tables=("cell_types",))
        assert sandbox.log.count(r"/synapses_v2/(query|count)$") == 0
    assert report.fetched == {"cell_types": 9}
    assert sorted(mirrored(report.snapshot)) == ["cave.cell_types", "cave.synapses_v2"]


# --- moving on --------------------------------------------------------------------------------------------


def test_a_new_version_brings_every_table_the_old_one_had(tmp_path: Path) -> None:
    """Even when fewer are asked for: a snapshot never mixes moments, and never loses a table in silence."""
    with Sandbox(stack(version(2, SYNAPSES, tags(9)))) as sandbox:
        here = _bench(tmp_path, sandbox)
        here.sync()
        sandbox.replace(stack(version(2, SYNAPSES, tags(9)), version(3, SYNAPSES, tags(12))))
        report = here.sync(tables=("cell_types",))
    assert report.fetched == {"cell_types": 12, "synapses_v2": 300}
    assert {table.version for table in report.snapshot.main.tables.values()} == {3}


def test_a_table_gone_from_the_new_version_is_dropped_by_name_only(tmp_path: Path) -> None:
    """A version without one of our tables is refused, naming the flag; with the flag it becomes main, the old one stays."""
    with Sandbox(stack(version(2, SYNAPSES, tags(9)))) as sandbox:
        here = _bench(tmp_path, sandbox)
        here.sync()
        sandbox.replace(stack(version(2, SYNAPSES, tags(9)), version(3, SYNAPSES)))
        with pytest.raises(TimeMismatch, match=r"snapshot 1 has cell_types, .* --drop cell_types"):
            here.sync()
        assert here.warehouse.numbers() == [1]
        report = here.sync(drop=("cell_types",))
    assert sorted(mirrored(report.snapshot)) == ["cave.synapses_v2"]
    assert len(here.rows("cell_types", 2)) == 9


def test_a_version_made_anew_is_another_moment(tmp_path: Path) -> None:
    """A version whose number stays but whose moment moved brings every table again, or is refused as a new one is."""
    before = version(2, SYNAPSES, tags(9))
    later = before.time_stamp + timedelta(hours=5)
    with Sandbox(stack(before)) as sandbox:
        here = _bench(tmp_path, sandbox)
        here.sync()
        sandbox.replace(stack(replace(before, time_stamp=later, tables=(SYNAPSES,))))
        with pytest.raises(TimeMismatch, match="--drop cell_types"):
            here.sync()
        sandbox.replace(stack(replace(before, time_stamp=later, tables=(SYNAPSES, tags(11)))))
        report = here.sync()
    assert report.snapshot.main.as_of == later
    assert report.fetched == {"cell_types": 11, "synapses_v2": 300}


def test_a_table_that_is_not_listed_is_refused_with_near_names(tmp_path: Path) -> None:
    """A misspelt table is `NotServed`, and the message has the right name in it."""
    with Sandbox(stack(version(2, SYNAPSES, tags(9)))) as sandbox:
        here = _bench(tmp_path, sandbox)
        with pytest.raises(NotServed, match=r"no table or view 'synapse_v2'.*synapses_v2"):
            here.sync(tables=("synapse_v2",))
    assert here.snapshot is None


# --- what tables are like ---------------------------------------------------------------------------------


def _holes() -> pa.Table:
    """Return synapses whose ids are NULL, 1, 0 and real, in every mixture."""
    rows = synapses(400, seed=4)
    for name, steps in (
        ("pre_pt_root_id", (3, 5, 7)),
        ("pre_pt_supervoxel_id", (11, 5, 7)),
        ("post_pt_root_id", (2, 13, 17)),
    ):
        ids, values = rows["id"].to_pylist(), rows[name].to_pylist()
        for index, key in enumerate(ids):
            special = [(None, steps[0]), (1, steps[1]), (0, steps[2])]
            values[index] = next((value for value, step in special if key % step == 0), values[index])
        rows = rows.set_column(rows.column_names.index(name), name, pa.array(values, pa.int64()))
    return rows


@pytest.mark.parametrize("row_limit", [10_000, 37])
def test_nulls_of_a_split_version_are_restored(tmp_path: Path, row_limit: int) -> None:
    """A split version serves NULL ids as 1: they come back NULL, while a real 1 stays 1 and 0 stays 0."""
    rows = _holes()
    table = GivenTable("synapses_v2", rows)
    with Sandbox(stack(version(4, table, is_merged=False)), row_limit=row_limit) as sandbox:
        here = _bench(tmp_path, sandbox)
        report = here.sync()
    found = here.rows("synapses_v2")
    assert found.select(rows.column_names).equals(by_id(rows))
    counted = report.snapshot.main.tables["cave.synapses_v2"].exceptions
    for name in ("pre_pt_root_id", "pre_pt_supervoxel_id", "post_pt_root_id"):
        assert counted[f"{name} is NULL"] == rows[name].null_count
        for value in (0, 1):
            assert counted.get(f"{name} is {value}", 0) == pc.sum(pc.equal(rows[name], value)).as_py()


def _reference(n: int) -> GivenTable:
    """Return a table that refers to synapses, some of which are not there."""
    rows = pa.table(
        {
            "id": pa.array(range(1, n + 1), pa.int64()),
            "valid": pa.array([True] * n),
            "target_id": pa.array([key * 4 for key in range(1, n + 1)], pa.int64()),
            "group_id": pa.array([key % 5 for key in range(1, n + 1)], pa.int32()),
        }
    )
    return GivenTable("syn_groups", rows, schema_type="reference_simple_group", reference_table="synapses_v2")


@pytest.mark.parametrize("foreign_key_500", [False, True])
def test_a_reference_table_comes_unmerged(tmp_path: Path, *, foreign_key_500: bool) -> None:
    """Rows that refer to nothing are kept, and workers that have not met the target are talked round."""
    table = _reference(200)
    with Sandbox(
        stack(version(2, SYNAPSES, table)), row_limit=60, foreign_key_500=foreign_key_500
    ) as sandbox:
        here = _bench(tmp_path, sandbox)
        report = here.sync(tables=("syn_groups",))
        assert sandbox.log.count(r"/version/2/query$") == 0
    assert report.fetched == {"syn_groups": 200}
    assert here.rows("syn_groups").equals(by_id(table.rows))


SECRET = tags(5, "private_tags", read_permission="PRIVATE")
GROUP = tags(5, "group_tags", read_permission="GROUP")
ANT = tags(5, "ant_tags", notice_text="\N{CJK UNIFIED IDEOGRAPH-87FB}: do not cite")


def test_tables_that_cannot_be_read_are_skipped_and_reported(tmp_path: Path) -> None:
    """Private tables and one whose notice breaks every query are left out with the reason; the rest is whole."""
    with Sandbox(stack(version(2, SECRET, GROUP, ANT, tags(9)))) as sandbox:
        here = _bench(tmp_path, sandbox)
        report = here.sync()
        again = here.sync()
    assert report.fetched == {"cell_types": 9}
    assert sorted(report.skipped) == ["cave.ant_tags", "cave.group_tags", "cave.private_tags"]
    assert "only be read by its owner" in report.skipped["cave.private_tags"]
    assert "ask the owner" in report.skipped["cave.ant_tags"]
    assert report.snapshot.main.skipped == report.skipped
    assert [line for line in here.voice.lines if line.startswith("skipped private_tags")]
    assert not again.changed
    con = crantdb.connect(here.warehouse.root)
    listed = con.sql("SELECT name FROM tables WHERE status = 'skipped' ORDER BY name").fetchall()
    con.close()
    assert listed == [("ant_tags",), ("group_tags",), ("private_tags",)]


@pytest.mark.parametrize("name", ["private_tags", "ant_tags"])
def test_a_table_asked_for_by_name_must_be_readable(tmp_path: Path, name: str) -> None:
    """Asked for by name, a table that cannot be read is an error that says why and what to do; nothing is committed."""
    with Sandbox(stack(version(2, SECRET, ANT, tags(9)))) as sandbox:
        here = _bench(tmp_path, sandbox)
        with pytest.raises(Unreadable, match=rf"{name} cannot be read: .*(owner).*--drop {name}"):
            here.sync(tables=(name, "cell_types"))
        assert here.snapshot is None


def test_an_empty_table_is_a_table(tmp_path: Path) -> None:
    """A table without rows comes with its columns and no rows."""
    empty = GivenTable("synapses_v2", synapses(10).slice(0, 0))
    with Sandbox(stack(version(2, empty))) as sandbox:
        here = _bench(tmp_path, sandbox)
        report = here.sync()
    assert report.fetched == {"synapses_v2": 0}
    assert here.rows("synapses_v2").equals(empty.rows.combine_chunks())


# --- views ------------------------------------------------------------------------------------------------


def _view(n: int, *, nulls: int = 0) -> GivenView:
    """Return a view of connections, some without a root."""
    roots = [ROOT + key * 7 for key in range(n - nulls)] + [None] * nulls
    rows = pa.table(
        {
            "pre_pt_root_id": pa.array(roots, pa.int64()),
            "n_syn": pa.array(range(n), pa.int64()),
            "mean_size": pa.array([key / 3 for key in range(n)], pa.float64()),
        }
    )
    kinds = {"pre_pt_root_id": "integer", "n_syn": "integer", "mean_size": "number"}
    return GivenView("connections", rows, schema={name: {"type": kind} for name, kind in kinds.items()})


@pytest.mark.parametrize("chunk_rows", [5_000, 20])
@pytest.mark.parametrize(("row_limit", "nulls"), [(10_000, 0), (40, 0), (40, 11), (10_000, 11)])
def test_a_view_comes_whole(tmp_path: Path, row_limit: int, nulls: int, chunk_rows: int) -> None:
    """A view comes whole, in one request or cut by its root ids, rows without a root included; floats stay doubles."""
    view = _view(120, nulls=nulls)
    with Sandbox(stack(version(2, tags(3), views=(view,))), row_limit=row_limit) as sandbox:
        here = _bench(tmp_path, sandbox)
        report = here.sync(options=replace(QUICK, chunk_rows=chunk_rows))
    assert report.fetched == {"cell_types": 3, "connections": 120}
    assert here.rows("connections").sort_by("n_syn").combine_chunks().equals(view.rows.combine_chunks())


def test_a_view_too_large_to_cut_is_left_out_with_the_reason(tmp_path: Path) -> None:
    """A view beyond one request with no whole number to cut it by is skipped, or refused when asked for by name."""
    rows = pa.table({"tag": [f"t{key}" for key in range(60)], "size": [key / 7 for key in range(60)]})
    view = GivenView("texts", rows, schema={"tag": {"type": "string"}, "size": {"type": "number"}})
    options = replace(QUICK, chunk_rows=50)
    with Sandbox(stack(version(2, tags(3), views=(view,))), row_limit=50) as sandbox:
        here = _bench(tmp_path, sandbox)
        report = here.sync(options=options)
        assert "60 rows and no whole-number column" in report.skipped["cave.texts"]
        with pytest.raises(Unreadable, match="texts cannot be read"):
            here.sync(tables=("texts",), options=options)


def test_a_view_without_a_key_comes_in_one_request(tmp_path: Path) -> None:
    """A small view without a key comes whole; one the server cuts after all is an error, never part of a view."""
    rows = pa.table({"tag": [f"t{key:02}" for key in range(60)], "size": [key / 7 for key in range(60)]})
    view = GivenView("texts", rows, schema={"tag": {"type": "string"}, "size": {"type": "number"}})
    with Sandbox(stack(version(2, tags(3), views=(view,)))) as sandbox:
        here = bench(tmp_path / "whole", sandbox)
        here.sync()
        assert here.rows("texts").sort_by("tag").combine_chunks().equals(rows.combine_chunks())
    with Sandbox(stack(version(2, tags(3), views=(view,))), row_limit=50) as sandbox:
        there = bench(tmp_path / "cut", sandbox)
        report = there.sync()
        assert report.fetched == {"cell_types": 3}
        assert "60 rows and no whole-number column" in report.skipped["cave.texts"]


def test_a_view_of_exactly_the_limit_comes_whole(tmp_path: Path) -> None:
    """A view without a key that has just as many rows as the server gives is whole, although the server warns."""
    rows = pa.table({"tag": [f"t{key:02}" for key in range(50)], "size": [key / 7 for key in range(50)]})
    view = GivenView("texts", rows, schema={"tag": {"type": "string"}, "size": {"type": "number"}})
    with Sandbox(stack(version(2, tags(3), views=(view,))), row_limit=50) as sandbox:
        here = _bench(tmp_path, sandbox)
        assert here.sync().fetched == {"cell_types": 3, "texts": 50}
    assert here.rows("texts").sort_by("tag").combine_chunks().equals(rows.combine_chunks())


def test_metadata_is_kept_with_the_table(tmp_path: Path) -> None:
    """What the server says of a table stands in the snapshot: resolution, owner's notice, schema type."""
    table = tags(4, notice_text="Preliminary labels, do not cite.", voxel_resolution=(16.0, 16.0, 42.0))
    with Sandbox(stack(version(2, table))) as sandbox:
        here = _bench(tmp_path, sandbox)
        state = here.sync().snapshot.main.tables["cave.cell_types"]
    assert state.source["notice_text"] == "Preliminary labels, do not cite."
    assert [state.source[f"voxel_resolution_{axis}"] for axis in "xyz"] == [16.0, 16.0, 42.0]
    assert (state.as_of, state.rows_expected, state.rows) == (FIRST + timedelta(days=60), 4, 4)


def test_opening_asks_for_no_row(tmp_path: Path) -> None:
    """Opening a datastack reads its description and its versions, and nothing of a table."""
    with Sandbox(stack(version(2, SYNAPSES))) as sandbox:
        open_cave("given", sandbox.url, None, QUICK)
        assert sandbox.log.count(r"/table/|/query|/views") == 0
