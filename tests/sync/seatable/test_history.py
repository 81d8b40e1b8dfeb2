"""What happened to every cell is kept: who, when, from what to what, between which readings; and it outlives snapshots."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from crantdb.sandbox.seatable import (
    Column,
    add_column,
    delete_column,
    delete_rows,
    insert_rows,
    recompute_formula,
    rename_column,
    rename_option,
    update_row,
)
from crantdb.warehouse.expire import Rules, expire
from crantdb.warehouse.rollback import rollback
from tests.sync.seatable.lab import lab, neurons

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sync.seatable.lab import Lab


def test_a_changed_cell_is_told_as_people_see_it(ants: Lab) -> None:
    """Options by name, lists as JSON, numbers as served, empty as NULL; with who, when and between which readings."""
    ants.sync()
    row = ants.row_ids[0]
    edits = {
        "side": "right",
        "status": ["DONE, checked", "TODO"],
        "proofread": True,
        "size": 2.5,
        "root_id": "",
    }
    update_row(ants.base, "neurons", row, edits, author="eve@auth.local")
    moment = ants.base.clock.now()
    ants.sync()
    assert ants.changes() == [
        (row, "cell changed", "proofread", "false", "true"),
        (row, "cell changed", "root_id", "576460752700282748", None),
        (row, "cell changed", "side", "left", "right"),
        (row, "cell changed", "size", "0", "2.5"),
        (row, "cell changed", "status", '["TODO"]', '["DONE, checked","TODO"]'),
    ]
    said = ants.rows("SELECT DISTINCT modified_by, epoch_ms(modified_at), base, table_name, source, column_key IS NULL "
                     "FROM annotation_changes")  # fmt: skip
    assert said == [
        ("eve@auth.local", int(moment.timestamp() * 1000), "CRANTb", "neurons", "seatable", False)
    ]
    [(before, after)] = ants.rows("SELECT DISTINCT seen_before, seen_at FROM annotation_changes")
    readings = [
        ants.rows("SELECT fetched_at FROM tables WHERE name = 'neurons'", snapshot=n)[0][0] for n in (1, 2)
    ]
    assert [before, after] == readings


def test_rows_come_and_go_whole(ants: Lab) -> None:
    """A row added or removed is kept with all its cells, by column key."""
    ants.sync()
    gone = ants.row_ids[5]
    delete_rows(ants.base, "neurons", [gone])
    [new] = insert_rows(ants.base, "neurons", [{"root_id": "77"}])
    ants.sync()
    found = {row[0]: row[1:] for row in ants.changes()}
    assert json.loads(found[gone][2])["0000"] == "576460752700282753"
    assert found[gone][3] is None
    assert json.loads(found[new][3])["0000"] == "77"


def test_a_renamed_column_or_option_is_no_change_of_cells(ants: Lab) -> None:
    """Identity is the column's key and the option's id: renaming changes no cell; the history bears the name of then."""
    ants.sync()
    rename_column(ants.base, "neurons", "side", "soma side")
    rename_option(ants.base, "neurons", "soma side", "left", name="sinister")
    ants.sync()
    assert ants.changes() == []
    assert ants.rows('SELECT DISTINCT "soma side" FROM seatable.neurons ORDER BY 1') == [
        ("right",),
        ("sinister",),
    ]
    update_row(ants.base, "neurons", ants.row_ids[0], {"soma side": "right"})
    ants.sync()
    assert ants.changes() == [(ants.row_ids[0], "cell changed", "soma side", "sinister", "right")]
    keys = ants.rows("SELECT column_key FROM annotation_changes")
    assert keys == ants.rows("SELECT column_key FROM st_columns WHERE column_name = 'soma side'")


def test_columns_that_come_and_go_change_only_cells_that_hold_something(ants: Lab) -> None:
    """A new, empty column changes nothing; a deleted one takes its cells with it, which the history keeps."""
    ants.sync()
    add_column(ants.base, "neurons", Column("note"))
    ants.sync()
    assert ants.changes() == []
    update_row(ants.base, "neurons", ants.row_ids[0], {"note": "big"})
    ants.sync()
    delete_column(ants.base, "neurons", "note")
    ants.sync()
    assert [row[2:] for row in ants.changes()] == [("note", None, "big"), ("note", "big", None)]


def test_formulas_are_followed_but_not_those_of_the_clock(tmp_path: Path) -> None:
    """A formula that gives something else is a change; one of now() or today() changes by itself and is not told."""
    base = neurons(2)
    add_column(base, "neurons", Column("age", "formula", {"result_type": "number", "formula": "today()"}))
    made = lab(tmp_path, base)
    with made.server:
        made.sync()
        recompute_formula(base, "neurons", "age", lambda _: 3)
        recompute_formula(base, "neurons", "score", lambda _: 41)
        made.sync()
        assert {row[2] for row in made.changes()} == {"score"}


@pytest.mark.parametrize("option", [{"tz": "UTC"}, {"cleared_text": ""}, {"sql_hard_limit": 7}, {"seed": 5}])
def test_a_server_that_writes_otherwise_changes_nothing(tmp_path: Path, option: dict[str, object]) -> None:
    """Another zone, another way to write what is empty, other pages, other orders of keys: the same cells."""
    base = neurons(9)
    add_column(base, "neurons", Column("day", "date", {"format": "YYYY-MM-DD"}))
    update_row(base, "neurons", next(iter(base.table("neurons").rows)), {"day": "2030-06-20", "root_id": ""})
    first = lab(tmp_path / "one", base)
    with first.server:
        first.sync()
    second = lab(tmp_path / "two", base, **option)
    second.warehouse = first.warehouse
    with second.server:
        second.sync(full_every_h=0.0)
        assert second.changes() == []
        assert second.rows("SELECT day::VARCHAR FROM seatable.neurons WHERE day IS NOT NULL") == [
            ("2030-06-20",)
        ]


def test_the_history_outlives_snapshots_and_rollbacks(ants: Lab) -> None:
    """Expired snapshots and a rollback take no row of it."""
    ants.sync()
    for size in (100, 200):
        update_row(ants.base, "neurons", ants.row_ids[0], {"size": size})
        ants.sync()
    known = ants.changes()
    rollback(ants.warehouse, 1)
    assert ants.changes() == known
    assert ants.rows("SELECT max(size) FROM seatable.neurons") == [(19.0,)]
    expire(ants.warehouse, Rules(None, None, grace_days=0))
    assert ants.changes() == known
    assert [row[4] for row in known] == ["100", "200"]


def test_many_files_become_one_and_lose_nothing(ants: Lab) -> None:
    """Past sixteen files the log is written anew as one, sorted by row, with every change in it."""
    ants.sync()
    for size in range(100, 119):
        update_row(ants.base, "neurons", ants.row_ids[size % 3], {"size": size})
        ants.sync()
    snapshot = ants.snapshot
    assert snapshot is not None
    log = snapshot.shared["history.annotation_changes"]
    assert (log.rows, len(log.files) < 8) == (19, True)
    assert sorted(row[4] for row in ants.changes()) == [str(size) for size in range(100, 119)]
    assert list(ants.warehouse.staging.iterdir()) == []


def test_annotation_history_tells_a_row_from_its_beginning(ants: Lab) -> None:
    """The macro gives one row's changes, oldest first, and no other row's."""
    ants.sync()
    [new] = insert_rows(ants.base, "neurons", [{"root_id": "77"}])
    ants.sync()
    update_row(ants.base, "neurons", new, {"side": "left"})
    update_row(ants.base, "neurons", ants.row_ids[0], {"size": 5})
    ants.sync()
    found = ants.rows(f"SELECT change, column_name, to_value FROM annotation_history('{new}')")
    assert [row[0] for row in found] == ["row added", "cell changed"]
    assert found[1][1:] == ("side", "left")
