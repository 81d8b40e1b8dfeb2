"""Tables of no version: carried from snapshot to snapshot, seen by every version; logs never lose a row."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from crantdb.errors import CorruptWarehouse, TimeMismatch, ValidationError
from crantdb.warehouse.catalog import connect, fence, scan
from crantdb.warehouse.expire import Rules, expire
from crantdb.warehouse.manifest import FORMAT, checksum, to_json
from crantdb.warehouse.register import register
from crantdb.warehouse.rollback import rollback
from crantdb.warehouse.snapshot import current, read_snapshot, state_for
from crantdb.warehouse.state import LOG
from crantdb.warehouse.verify import verify
from tests.warehouse.making import add, cells, make_warehouse, tree
from tests.warehouse.sharing import (
    FETCHED,
    births,
    events,
    logged,
    mirrored,
    rows_of,
    share,
    shared_facts,
    shared_key,
    valid_shared,
)

if TYPE_CHECKING:
    from pathlib import Path

    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import Snapshot


def ids(con: duckdb.DuckDBPyConnection, relation: str) -> list[Any]:
    """Return the first column of a relation, in order."""
    return [row[0] for row in con.sql(f"FROM {relation} ORDER BY 1").fetchall()]


def rewritten(warehouse: Warehouse, change: Any) -> None:
    """Change the newest manifest as JSON and sum it again."""
    path = warehouse.manifest(warehouse.numbers()[-1])
    content = json.loads(path.read_bytes())
    content.pop("checksum")
    change(content)
    path.unlink()
    path.write_bytes(json.dumps({"checksum": checksum(content)} | content).encode())


def test_a_warehouse_may_begin_with_seatable_alone(warehouse: Warehouse) -> None:
    """Without a materialization, shared tables stand in a snapshot with no version; one that comes later keeps them."""
    made = share(warehouse, shared=[mirrored(warehouse, "Cells", rows_of([1, 2]))])
    assert (made.main.version, made.main.as_of, dict(made.versions)) == (None, None, {})
    with connect(warehouse.root) as con:
        assert ids(con, "seatable.Cells") == ids(con, "main.Cells") == ["r0001", "r0002"]
        assert con.sql("SELECT version, as_of FROM snapshot").fetchall() == [(None, None)]
    later = add(warehouse, {"cells_of_cave": cells([7])}, 3)
    assert later.shared == made.shared
    assert dict(later.versions) == {3: 2}


def test_files_lie_where_the_design_says(warehouse: Warehouse) -> None:
    """A base's table lies by base, table and moment; a log in one folder; names are encoded for any file system."""
    share(
        warehouse,
        shared=[mirrored(warehouse, "My Cells", rows_of([1]))],
        appended=[logged(warehouse, events([1]))],
    )
    tables = warehouse.root / "tables"
    folders = {str(path.parent.relative_to(tables)) for path in tables.rglob("*.parquet")}
    assert folders == {"seatable/%41nts/%4Dy%20%43ells/fetched=20260701T083000Z", "history/edits"}


def test_other_shared_tables_are_carried_and_one_is_replaced(warehouse: Warehouse) -> None:
    """A commit touches the shared tables it names; a version's commit touches none; what is dropped is gone."""
    share(warehouse, shared=[mirrored(warehouse, name, rows_of([1])) for name in ("a", "b")])
    add(warehouse, {"cells": cells([1])}, 1)
    made = share(warehouse, shared=[mirrored(warehouse, "a", rows_of([1, 2]), hours=2)])
    assert {key: table.rows for key, table in made.shared.items()} == {
        "seatable.Ants.a": 2,
        "seatable.Ants.b": 1,
    }
    assert made.shared["seatable.Ants.a"].fetched_at == FETCHED + timedelta(hours=2)
    assert set(made.main.tables) == {"cave.cells"}
    assert set(share(warehouse, dropped=["seatable.Ants.b"]).shared) == {"seatable.Ants.a"}


def test_a_restated_table_keeps_its_files(warehouse: Warehouse) -> None:
    """What was read again and found the same is said anew, without a file being written."""
    made = share(warehouse, shared=[mirrored(warehouse, "a", rows_of([1]))])
    [state] = made.shared.values()
    before = {name for name in tree(warehouse.root) if name.endswith(".parquet")}
    again = share(warehouse, restated=[type(state)(**_fields(state) | {"completeness": "atomic(9)"})])
    assert again.shared["seatable.Ants.a"].completeness == "atomic(9)"
    assert again.shared["seatable.Ants.a"].files == state.files
    assert {name for name in tree(warehouse.root) if name.endswith(".parquet")} == before


def _fields(value: Any) -> dict[str, Any]:
    """Return a value's fields."""
    return {name: getattr(value, name) for name in value.__slots__}


def test_a_log_grows(warehouse: Warehouse) -> None:
    """Rows appended stand behind those that were there; counts add up; nothing appended adds no file."""
    share(warehouse, appended=[logged(warehouse, events([1, 2]))])
    share(warehouse, appended=[logged(warehouse, events([5]), hours=1)])
    made = share(warehouse, appended=[logged(warehouse, events([]), hours=2)])
    log = made.shared["history.edits"]
    assert (log.kind, log.rows, log.rows_expected, len(log.files)) == (LOG, 3, 3, 2)
    assert (log.fetched_at, log.sort_order) == (FETCHED + timedelta(hours=2), ("operation_id",))
    assert [(file.key_min, file.key_max) for file in log.files] == [(1, 2), (5, 5)]
    with connect(warehouse.root) as con:
        assert ids(con, "history.edits") == [1, 2, 5]


def test_a_log_may_be_out_of_order_from_file_to_file(warehouse: Warehouse) -> None:
    """`verify --deep` holds each file of a log to its order, and does not ask one to go on where another ended."""
    share(warehouse, appended=[logged(warehouse, events([5, 6]))])
    share(warehouse, appended=[logged(warehouse, events([1, 2, 2]))])
    assert [checked.finding for checked in verify(warehouse, deep=True) if checked.finding] == []


def test_a_log_is_compacted_but_never_shortened(warehouse: Warehouse) -> None:
    """A whole replacement with as many rows takes the place of many files; one with fewer is refused."""
    for number in range(3):
        share(warehouse, appended=[logged(warehouse, events([number]))])
    with pytest.raises(ValidationError, match="a log keeps its 3 rows"):
        share(warehouse, shared=[logged(warehouse, events([0, 1]))])
    made = share(warehouse, shared=[logged(warehouse, events([0, 1, 2]))])
    assert len(made.shared["history.edits"].files) == 1
    with connect(warehouse.root) as con:
        assert ids(con, "history.edits") == [0, 1, 2]


def test_rows_with_other_columns_do_not_come_behind(warehouse: Warehouse) -> None:
    """Rows are appended only to a table with their columns."""
    share(warehouse, appended=[logged(warehouse, events([1]))])
    other = events([2]).rename_columns(["operation_id", "why"])
    with pytest.raises(ValidationError, match="rows behind others have their columns"):
        share(warehouse, appended=[logged(warehouse, other)])
    assert len(warehouse.numbers()) == 1


def test_a_table_of_a_version_is_not_shared(warehouse: Warehouse) -> None:
    """A table with a version, or with a moment, is refused among the shared ones."""
    valid, facts = mirrored(warehouse, "a", rows_of([1]))
    of_a_moment = type(facts)(**_fields(facts) | {"as_of": FETCHED})
    with pytest.raises(TimeMismatch, match="cannot be shared"):
        share(warehouse, shared=[(valid, of_a_moment)])


def test_every_version_sees_shared_tables(warehouse: Warehouse) -> None:
    """They stand once in their own schema, and under their free name in every version's."""
    add(warehouse, {"cells": cells([1])}, 1)
    add(warehouse, {"cells": cells([1, 2])}, 2)
    share(warehouse, shared=[mirrored(warehouse, "Notes", rows_of([4]))])
    with connect(warehouse.root, versions=[1]) as con:
        for relation in ("seatable.Notes", "main.Notes", "v1.Notes"):
            assert ids(con, relation) == ["r0004"], relation
        for schema in ("main", "v1"):
            query = f"SELECT relation, version FROM {schema}.tables WHERE name = 'Notes'"
            assert con.sql(query).fetchall() == [("seatable.Notes", None)]
    assert scan("seatable.Notes", warehouse.root, version=1).collect()["_id"].to_list() == ["r0004"]
    assert set(state_for(warehouse, read_snapshot(warehouse), 1).tables) == {
        "cave.cells",
        "seatable.Ants.Notes",
    }
    register(warehouse.root)
    with duckdb.connect(str(warehouse.database), read_only=True) as other:
        assert ids(other, "v1.Notes") == ["r0004"]


def test_bases_with_tables_of_one_name_are_told_apart(warehouse: Warehouse) -> None:
    """Where two bases have a table of one name, whatever its case, each bears its base's name; others do not."""
    tables = [("One", "Notes"), ("Two", "notes"), ("Two", "More"), ("Two", "links"), ("Two", "Links")]
    made = share(
        warehouse,
        shared=[mirrored(warehouse, t, rows_of([n]), base=b) for n, (b, t) in enumerate(tables)],
    )
    assert len(made.shared) == 5
    with connect(warehouse.root) as con:
        relations = dict(con.sql("SELECT name || ' ' || rows, relation FROM tables").fetchall())
        assert ids(con, "seatable.One_Notes") == ["r0000"]
        assert ids(con, "seatable.Two_notes") == ["r0001"]
        assert ids(con, "seatable.More") == ["r0002"]
        assert ids(con, "seatable.links") == ["r0003"]
        assert relations["links 1"] == "seatable.links"
        assert ids(con, f'"seatable"."{relations["Links 1"].split(".")[1]}"') == ["r0004"]


def test_tables_of_our_own_stand_in_main(warehouse: Warehouse) -> None:
    """A synced log or derived table stands under its declared name; before that, its own empty table does."""
    add(warehouse, {"cells": cells([1])}, 1)
    with connect(warehouse.root, versions=[1]) as con:
        assert ids(con, "root_history") == ids(con, "v1.root_history") == []
    share(warehouse, appended=[logged(warehouse, births([3]), "root_history")])
    with connect(warehouse.root, versions=[1]) as con:
        assert ids(con, "main.root_history") == ids(con, "v1.root_history") == [3]
    assert scan("root_history", warehouse.root).collect().height == 1
    assert scan("history.root_history", warehouse.root).collect().height == 1


def test_a_seatable_table_hides_nothing_of_ours(warehouse: Warehouse) -> None:
    """A base's table that is called like one of ours keeps to `seatable`."""
    share(
        warehouse, shared=[mirrored(warehouse, name, rows_of([1])) for name in ("Neurons", "edges", "tables")]
    )
    with connect(warehouse.root) as con:
        assert ids(con, "neurons") == ids(con, "edges") == []
        assert ids(con, "seatable.edges") == ids(con, "seatable.Neurons") == ["r0001"]


def test_the_fence_lets_shared_files_be_read(warehouse: Warehouse) -> None:
    """With the fences up, shared tables answer like any other."""
    made = share(warehouse, shared=[mirrored(warehouse, "Notes", rows_of([4]))])
    with connect(warehouse.root) as con:
        fence(con, warehouse.root, [state_for(warehouse, made, None)])
        assert ids(con, "Notes") == ["r0004"]


def test_rollback_takes_the_tables_back_and_keeps_the_logs(warehouse: Warehouse) -> None:
    """What a rollback brings back is the mirror of then; the facts learnt since stay."""
    share(
        warehouse,
        shared=[mirrored(warehouse, "a", rows_of([1]))],
        appended=[logged(warehouse, events([1]))],
    )
    later = share(
        warehouse,
        shared=[mirrored(warehouse, "a", rows_of([1, 2]), hours=1)],
        appended=[logged(warehouse, events([2])), logged(warehouse, events([9]), "root_overlaps")],
    )
    made = rollback(warehouse, 1)
    assert made.shared["seatable.Ants.a"].rows == 1
    logs = {key: table for key, table in later.shared.items() if table.kind == LOG}
    assert {key: table for key, table in made.shared.items() if table.kind == LOG} == logs


def test_a_damaged_manifest_does_not_cost_the_logs(warehouse: Warehouse) -> None:
    """Rolled back over a manifest that cannot be read, the logs are those of the newest that can."""
    share(warehouse, appended=[logged(warehouse, events([1]))])
    share(warehouse, appended=[logged(warehouse, events([2]))])
    made = share(warehouse, appended=[logged(warehouse, events([3]))])
    path = warehouse.manifest(made.number)
    path.unlink()
    path.write_bytes(b"{}")
    with pytest.raises(CorruptWarehouse):
        current(warehouse)
    assert rollback(warehouse, 1).shared["history.edits"].rows == 2


def test_expire_keeps_what_the_current_snapshot_shares(warehouse: Warehouse) -> None:
    """Replaced files of shared tables go with the snapshots that listed them; the log and the newest mirror stay."""
    for number in range(3):
        share(
            warehouse,
            shared=[mirrored(warehouse, "a", rows_of([number]), hours=number)],
            appended=[logged(warehouse, events([number]))],
        )
    before = {path for path in tree(warehouse.root) if path.startswith("tables/")}
    expire(warehouse, Rules(keep_versions=None, keep_days=None, grace_days=0))
    after = {path for path in tree(warehouse.root) if path.startswith("tables/")}
    assert len(before - after) == 2
    assert all("seatable" in path for path in before - after)
    with connect(warehouse.root) as con:
        assert ids(con, "seatable.a") == ["r0002"]
        assert ids(con, "history.edits") == [0, 1, 2]


def test_expire_leaves_files_of_what_is_being_staged(warehouse: Warehouse) -> None:
    """A file that a killed commit linked is left alone while its table is staged, and goes when it is not."""
    share(warehouse, appended=[logged(warehouse, events([1]))])
    stray = warehouse.root / "tables/history/edits/x-part-00000.parquet"
    stray.write_bytes(b"left by a kill")
    valid_shared(
        warehouse, shared_key("history", "edits", sort_key="operation_id"), events([2]), "operation_id"
    )
    rules = Rules(keep_versions=None, keep_days=None, grace_days=0)
    expire(warehouse, rules)
    assert stray.exists()
    for folder in warehouse.staging.iterdir():
        (folder / "key.json").unlink()
    expire(warehouse, rules)
    assert not stray.exists()


@pytest.mark.parametrize("harm", ["flip", "cut", "gone"])
def test_verify_looks_at_shared_files(warehouse: Warehouse, harm: str) -> None:
    """A damaged file of a shared table is named with its table."""
    share(warehouse, shared=[mirrored(warehouse, "a", rows_of(range(50)))])
    assert not any(checked.finding for checked in verify(warehouse, deep=True))
    [path] = (warehouse.root / "tables/seatable").rglob("*.parquet")
    content = bytearray(path.read_bytes())
    path.unlink()
    if harm != "gone":
        content[40] ^= 1
        path.write_bytes(content if harm == "flip" else content[:-9])
    [found] = [checked.finding for checked in verify(warehouse) if checked.finding]
    assert found.path == path
    assert "seatable.Ants.a" in found.what


def test_verify_deep_holds_texts_to_their_order(warehouse: Warehouse) -> None:
    """Rows that are not in the order of their text ids, or that come twice, are found."""
    for wrong in (rows_of([1, 2]).take([1, 0]), rows_of([1, 1])):
        share(warehouse, shared=[mirrored(warehouse, "a", wrong)])
        findings = [checked.finding for checked in verify(warehouse, deep=True) if checked.finding]
        assert ["is not sorted by _id: row 1" in finding.what for finding in findings][-1:] == [True]


def test_shared_tables_come_back_from_json(warehouse: Warehouse) -> None:
    """What is written is what is read, base and all, in the format of now."""
    made = share(warehouse, shared=[mirrored(warehouse, "a", rows_of([1]))])
    assert read_snapshot(warehouse) == made
    assert json.loads(to_json(made))["format"] == FORMAT == 3
    assert made.shared["seatable.Ants.a"].base == "Ants"


def test_a_manifest_of_format_1_opens(warehouse: Warehouse) -> None:
    """A manifest of before there were shared tables reads as one without any, and can be built upon."""
    add(warehouse, {"cells": cells([1])})

    def older(content: dict[str, Any]) -> None:
        content["format"] = 1
        del content["shared"]
        del content["main"]["tables"]["cave.cells"]["base"]

    rewritten(warehouse, older)
    found = read_snapshot(warehouse)
    assert (dict(found.shared), found.main.tables["cave.cells"].base) == ({}, None)
    made = share(warehouse, shared=[mirrored(warehouse, "a", rows_of([1]))])
    assert set(made.main.tables) == {"cave.cells"}


def test_a_staging_of_before_there_were_bases_keeps_its_folder(tmp_path: Path) -> None:
    """The folder of a table without a base does not depend on bases: what was staged before is gone on with."""
    warehouse = make_warehouse(tmp_path)
    key = shared_key("cave", "cells")
    old = {name: value for name, value in _fields(key).items() if name != "base"}
    folder = warehouse.staging_folder(key.folder())
    folder.mkdir(parents=True)
    (folder / "key.json").write_text(json.dumps(old))
    from crantdb.warehouse.staging import open_staging, staged  # noqa: PLC0415 - only this test stages by pieces

    assert open_staging(warehouse, key).folder == folder
    assert staged(warehouse) == [key]


def test_counts_of_a_snapshot_include_what_is_shared(warehouse: Warehouse) -> None:
    """`snapshots` counts tables, rows and bytes of the main version and of what all versions share."""
    add(warehouse, {"cells": cells([1, 2])}, 1)
    made: Snapshot = share(warehouse, shared=[mirrored(warehouse, "a", rows_of([1]))])
    with connect(warehouse.root) as con:
        [row] = con.sql("SELECT tables, rows, bytes FROM snapshots WHERE is_current").fetchall()
    assert row == (2, 3, sum(file.bytes for table in made.tables() for file in table.files))


def test_what_a_shared_table_says_of_itself_comes_back(warehouse: Warehouse) -> None:
    """Facts of a shared table are in `tables` as for any other."""
    key = shared_key("seatable", "a", "Ants")
    valid = valid_shared(warehouse, key, rows_of([1]), "_id")
    share(warehouse, shared=[(valid, shared_facts(description="who is who"))])
    with connect(warehouse.root) as con:
        query = "SELECT name, kind, completeness, description, as_of FROM tables"
        assert con.sql(query).fetchall() == [("a", "table", "atomic(7)", "who is who", None)]
