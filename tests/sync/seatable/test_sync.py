"""A base is mirrored whole, at the cost of one request when nothing changed, and never shrinks in silence."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import pytest

from crantdb.errors import AuthError, NotServed, QuotaExhausted, ServiceUnavailable, ValidationError
from crantdb.sandbox.seatable import (
    Column,
    Fault,
    Table,
    add_link_column,
    add_table,
    append_socket_row,
    archive_rows,
    delete_rows,
    drop_table,
    insert_rows,
    recompute_formula,
    rename_column,
    rename_option,
    rename_table,
    set_links,
    update_row,
)
from crantdb.warehouse.verify import verify
from tests.conftest import CANARY
from tests.sync.seatable.lab import ROOT, lab, neurons

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sync.seatable.lab import Lab


def test_a_first_sync_mirrors_the_base(ants: Lab) -> None:
    """Every row and column comes, options by name, ids as text; the catalogue tells what it is; nobody reads wrongly."""
    report = ants.sync()
    assert (report.changed, report.fetched) == (True, {"CRANTb.neurons": 20})
    found = ants.rows(
        "SELECT _id, root_id, side, status, proofread, size FROM seatable.neurons ORDER BY size"
    )
    assert [row[0] for row in found] == ants.row_ids
    assert [row[1:] for row in found[:2]] == [
        (str(ROOT), "left", ["TODO"], False, 0.0),
        (str(ROOT + 1), "right", ["TODO"], False, 1.0),
    ]
    assert ants.rows("SELECT table_name, mirrored FROM st_tables") == [("neurons", True)]
    columns = ants.rows("SELECT column_name, type FROM st_columns ORDER BY ord")
    assert columns == [(column.name, column.type) for column in ants.base.tables[0].columns]
    assert ants.rows("SELECT option_name FROM st_options WHERE option_name LIKE 'DONE%'") == [
        ("DONE, checked",)
    ]
    assert ants.rows("SELECT count(*) FROM annotation_changes") == [(0,)]
    assert not any(checked.finding for checked in verify(ants.warehouse, deep=True))


def test_the_manifest_says_how_it_was_read(ants: Lab) -> None:
    """Consistency class, base version, counts and requests stand with the table; `tables` shows the class."""
    ants.sync()
    snapshot = ants.snapshot
    assert snapshot is not None
    table = snapshot.shared["seatable.CRANTb.neurons"]
    assert table.completeness == f"atomic({ants.base.version})"
    assert (table.base, table.as_of, table.version, table.rows, table.source["counted"]) == (
        "CRANTb",
        None,
        None,
        20,
        20,
    )
    assert table.source["base_version"] == ants.base.version
    assert table.source["requests"] == ants.gateway_calls()
    assert ants.rows("SELECT completeness FROM tables WHERE name = 'neurons'") == [(table.completeness,)]


def test_an_unchanged_base_costs_one_request_and_makes_no_snapshot(ants: Lab) -> None:
    """Scenario 6: asked again, the version says that nothing changed: one gateway request, the same snapshot."""
    first = ants.sync()
    before = ants.gateway_calls()
    report = ants.sync()
    assert ants.gateway_calls() - before == 1
    assert (report.changed, report.snapshot.number, report.fetched) == (False, first.snapshot.number, {})
    assert report.bases[0].read is False
    assert len(ants.warehouse.numbers()) == 1


def test_once_a_day_the_base_is_read_all_the_same(ants: Lab) -> None:
    """A base that says it rests is read when the last reading is old; found the same, its files stay and its moment moves."""
    ants.sync()
    report = ants.sync(full_every_h=0.0)
    assert (report.changed, report.fetched, report.bases[0].read) == (True, {}, True)
    old, new = (ants.rows("SELECT fetched_at FROM tables WHERE name = 'neurons'", snapshot=n) for n in (1, 2))
    assert new > old
    files = [path for path in (ants.warehouse.root / "tables").rglob("*.parquet") if "neurons" in str(path)]
    assert len(files) == 1


def test_archived_rows_are_seen_by_the_daily_reading(ants: Lab) -> None:
    """What moves no version (a row is archived) is missed by the cheap question and found by the reading."""
    ants.sync()
    archive_rows(ants.base, "neurons", ants.row_ids[:2])
    ants.base.version -= 1 if ants.base.version > 2 else 0
    ants.sync(full_every_h=0.0)
    assert ants.rows("SELECT count(*), count(*) FILTER (WHERE _archived) FROM seatable.neurons") == [(20, 2)]


def test_equal_numbers_of_rows_added_and_removed_are_both_found(ants: Lab) -> None:
    """Scenario 4: a count that stays does not hide rows that come and go."""
    ants.sync()
    gone = ants.row_ids[3]
    delete_rows(ants.base, "neurons", [gone])
    [new] = insert_rows(ants.base, "neurons", [{"root_id": "7"}])
    ants.sync()
    ids = {row[0] for row in ants.rows("SELECT _id FROM seatable.neurons")}
    assert gone not in ids
    assert new in ids
    assert sorted(row[:2] for row in ants.changes()) == sorted([(gone, "row removed"), (new, "row added")])


def test_what_moves_no_mtime_is_mirrored(tmp_path: Path) -> None:
    """Scenario 5: rows without times, links, renamed options and recomputed formulas: a second sync equals a first one."""
    base = neurons(12)
    add_table(base, Table("types", [Column("name")], [{"name": f"type {i}"} for i in range(3)]))
    add_link_column(base, "neurons", "types", "types", other_name="neurons")
    one = lab(tmp_path / "one", base)
    with one.server:
        one.sync()
        append_socket_row(base, "neurons", {"root_id": "11"})
        rows, types = list(base.table("neurons").rows), list(base.table("types").rows)
        set_links(base, "neurons", "types", {rows[0]: types[:2]})
        rename_option(base, "neurons", "side", "left", name="sinister")
        recompute_formula(base, "neurons", "score", lambda _: 7)
        one.sync()
        other = dataclasses.replace(one, warehouse=lab(tmp_path / "two", base).warehouse)
        other.sync()
        for query in (
            "SELECT * EXCLUDE row_json, row_json FROM seatable.neurons ORDER BY _id",
            "FROM seatable.types ORDER BY _id",
            "FROM st_links ORDER BY ALL",
            "FROM st_options ORDER BY ALL",
        ):
            assert one.rows(query) == other.rows(query), query
        first, second = one.snapshot, other.snapshot
        assert first is not None
        assert second is not None
        key = "seatable.CRANTb.neurons"
        assert first.shared[key].source["content_hash"] == second.shared[key].source["content_hash"]
        assert one.rows("SELECT DISTINCT side FROM seatable.neurons WHERE side LIKE 's%'") == [("sinister",)]
        assert one.rows("SELECT count(*) FROM st_links WHERE table_id = '0000'") == [(2,)]


def test_links_beyond_fifty_are_complete(tmp_path: Path) -> None:
    """Scenario 12: a cell shows fifty links, `st_links` has them all."""
    base = neurons(3)
    add_table(base, Table("types", [Column("name")], [{"name": f"type {i}"} for i in range(130)]))
    add_link_column(base, "neurons", "types", "types", other_name="neurons")
    others = list(base.table("types").rows)
    set_links(base, "neurons", "types", {next(iter(base.table("neurons").rows)): others})
    made = lab(tmp_path, base)
    with made.server:
        made.sync()
        found = made.rows("SELECT other_row_id FROM st_links WHERE table_id = '0000' ORDER BY ord")
        assert [row[0] for row in found] == others


def test_findings_are_counted_in_report_and_manifest(tmp_path: Path) -> None:
    """Scenarios 12 and 13: ids in a number column, formula errors and damaged ids are told, by column, with counts."""
    base = neurons(4)
    table = base.table("neurons")
    for row in list(table.rows)[:3]:
        update_row(base, "neurons", row, {"size": 576460752667713229})
    update_row(base, "neurons", next(iter(table.rows)), {"root_id": "5.76461E+17"})
    recompute_formula(base, "neurons", "score", lambda _: "#VALUE!")
    made = lab(tmp_path, base)
    with made.server:
        report = made.sync()
        [(counted,)] = made.rows("SELECT exceptions FROM tables WHERE name = 'neurons'")
        assert counted["size: number_holds_ids"] == 3
        assert counted["root_id: damaged_id"] == 1
        assert counted["score: formula_error"] == 4
        told = " ".join(report.bases[0].findings)
        assert "neurons.size: 3 x number_holds_ids" in told
        [(kind,)] = made.rows("SELECT typeof(size) FROM seatable.neurons LIMIT 1")
        assert kind == "DOUBLE"


def test_a_table_that_shrinks_is_refused(ants: Lab) -> None:
    """Scenario 16: of a table that lost 30 % nothing is committed, unless it is accepted; a fifth may go."""
    ants.sync()
    delete_rows(ants.base, "neurons", ants.row_ids[:4])
    assert ants.sync().changed
    delete_rows(ants.base, "neurons", ants.row_ids[:5])
    with pytest.raises(
        ValidationError, match=r"no more than 20% of the rows vanish.*16 on.*11 now.*--accept"
    ):
        ants.sync()
    assert ants.rows("SELECT count(*) FROM seatable.neurons") == [(16,)]
    assert ants.sync(accept_shrink=True).changed
    assert ants.rows("SELECT count(*) FROM seatable.neurons") == [(11,)]
    assert len(ants.changes()) == 9


def test_a_table_that_vanishes_is_refused(tmp_path: Path) -> None:
    """Scenario 16: a table that the base no longer has stays mirrored until that is accepted; its rows are in the history."""
    base = neurons(3)
    add_table(base, Table("types", [Column("name")], [{"name": "a"}]))
    made = lab(tmp_path, base)
    with made.server:
        made.sync()
        drop_table(base, "types")
        with pytest.raises(ValidationError, match=r"has no longer the table\(s\) types.*--accept-shrink"):
            made.sync()
        assert made.rows("SELECT name FROM seatable.types") == [("a",)]
        made.sync(accept_shrink=True)
        snapshot = made.snapshot
        assert snapshot is not None
        assert "seatable.CRANTb.types" not in snapshot.shared
        [(_, change, _, before, _)] = made.changes()
        assert change == "row removed"
        assert "a" in json.loads(before).values()


def test_another_base_of_the_same_name_is_no_successor(tmp_path: Path) -> None:
    """A base that was deleted and made anew under its name has other rows: its tables do not take the old ones' place."""
    made = lab(tmp_path, neurons(3))
    with made.server:
        made.sync()
    again = lab(tmp_path / "again", neurons(3, seed=9))
    with again.server:
        other = dataclasses.replace(again, warehouse=made.warehouse)
        with pytest.raises(ValidationError, match="is another base than before"):
            other.sync()


def test_a_renamed_table_is_the_same_table(ants: Lab) -> None:
    """Identity is the table's id: under a new name it keeps its files and its history."""
    ants.sync(tables=("neurons",))
    rename_table(ants.base, "neurons", "cells")
    update_row(ants.base, "cells", ants.row_ids[0], {"side": "right"})
    ants.sync(tables=("neurons",))
    snapshot = ants.snapshot
    assert snapshot is not None
    assert [key for key in snapshot.shared if key.startswith("seatable.CRANTb.")] == ["seatable.CRANTb.cells"]
    assert [row[1:] for row in ants.changes()] == [("cell changed", "side", "left", "right")]


def test_only_named_tables_are_read(tmp_path: Path) -> None:
    """`tables` of crantdb.toml bounds what is read; a name that no base has is an error with near ones."""
    base = neurons(3)
    add_table(base, Table("types", [Column("name")], [{"name": "a"}]))
    made = lab(tmp_path, base)
    with made.server:
        made.sync(tables=("types",))
        assert made.rows("SELECT name FROM tables WHERE relation NOT LIKE 'seatable.st_%'") == [("types",)]
        assert made.rows("SELECT table_name, mirrored FROM st_tables ORDER BY ord") == [
            ("neurons", False),
            ("types", True),
        ]
        with pytest.raises(NotServed, match=r"a table 'typos'.*types"):
            made.sync(tables=("typos",))
        made.sync()
        assert made.rows("SELECT count(*) FROM seatable.neurons") == [(3,)]


def test_two_bases_are_two_mirrors(tmp_path: Path) -> None:
    """Bases are asked one by one: the one that rests is not read, and its catalogue stays."""
    one, two = neurons(3), neurons(4, seed=5)
    two.name = "Other"
    two.clock = one.clock
    made = lab(tmp_path, [one, two])
    with made.server:
        made.sync()
        assert made.rows("SELECT count(*) FROM seatable.CRANTb_neurons") == [(3,)]
        assert made.rows("SELECT count(*) FROM seatable.Other_neurons") == [(4,)]
        update_row(two, "neurons", next(iter(two.table("neurons").rows)), {"size": 99})
        report = made.sync()
        assert [(base.base, base.read) for base in report.bases] == [("CRANTb", False), ("Other", True)]
        assert made.rows("SELECT base, count(*) FROM st_columns GROUP BY ALL ORDER BY ALL") == [
            ("CRANTb", 6),
            ("Other", 6),
        ]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("status", match="/sql", nth=1, times=99, code=502), ServiceUnavailable),
        (Fault("revoke_tokens", match="/sql", nth=1, times=99), AuthError),
        (Fault("quota", match="/sql", nth=2), QuotaExhausted),
    ],
)
def test_a_failure_leaves_the_last_snapshot(ants: Lab, fault: Fault, error: type[Exception]) -> None:
    """Whatever stops a reading, nothing of it is committed and nothing is left in the staging."""
    ants.sync()
    update_row(ants.base, "neurons", ants.row_ids[0], {"size": 99})
    ants.server.fault(fault)
    with pytest.raises(error):
        ants.sync()
    assert ants.warehouse.numbers() == [1]
    assert ants.rows("SELECT max(size) FROM seatable.neurons") == [(19.0,)]
    assert list(ants.warehouse.staging.glob("*.partial")) == []
    ants.server.clear()


def test_requests_are_bounded(ants: Lab) -> None:
    """`--max-requests` is kept to the request, and says what to do."""
    with pytest.raises(QuotaExhausted, match="--max-requests"):
        ants.sync(max_requests=2)
    assert ants.gateway_calls() == 2


def test_only_questions_are_asked(ants: Lab) -> None:
    """A sync writes nothing: no request but GET, SELECT and query-links reaches the server."""
    ants.sync()
    rename_column(ants.base, "neurons", "size", "volume")
    ants.sync()
    for entry in ants.server.log.entries():
        asks = entry.method == "GET" or "query-links" in entry.path
        assert asks or json.loads(entry.body)["sql"].lstrip().upper().startswith("SELECT"), entry


def test_no_token_is_left_behind(ants: Lab) -> None:
    """The token stands in no file of the warehouse, in nothing that was said, and in no report."""
    report = ants.sync()
    update_row(ants.base, "neurons", ants.row_ids[0], {"size": 1e6})
    ants.sync()
    found = [path for path in ants.warehouse.root.rglob("*") if path.is_file()]
    assert found
    assert [path for path in found if CANARY.encode() in path.read_bytes()] == []
    assert CANARY not in " ".join(ants.voice.lines) + repr(report)
