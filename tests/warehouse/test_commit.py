"""A snapshot comes into being whole or not at all, of one moment, and of two commits one wins."""

from __future__ import annotations

import os
import stat
from datetime import timedelta
from typing import TYPE_CHECKING

import duckdb
import pytest

from crantdb.errors import CommitConflict, CorruptWarehouse, NoSuchSnapshot, TimeMismatch
from crantdb.warehouse.catalog import connect
from crantdb.warehouse.commit import commit
from crantdb.warehouse.durable import sha256_of
from crantdb.warehouse.manifest import to_json
from crantdb.warehouse.rollback import rollback
from crantdb.warehouse.snapshot import current, read_snapshot
from crantdb.warehouse.verify import verify
from tests.warehouse.making import (
    add,
    as_of,
    cells,
    change,
    child,
    facts,
    rows_of,
    staging_key,
    tree,
    valid_table,
)

if TYPE_CHECKING:
    from pathlib import Path

    from crantdb.warehouse.layout import Warehouse

KILLED = """
import os, signal, sys
from pathlib import Path
from crantdb.warehouse.layout import Warehouse
from tests.warehouse.making import add, cells
link, wanted, calls = os.link, int(sys.argv[2]), []
def link_until(*args):
    calls.append(args)
    if len(calls) == wanted:
        os.kill(os.getpid(), signal.SIGKILL)
    link(*args)
os.link = link_until
warehouse = Warehouse(Path(sys.argv[1]))
add(warehouse, {"cells": cells(range(50)), "more": cells(range(9))}, 2)
"""


def ids(warehouse: Warehouse, table: str = "cells") -> list[int]:
    """Return the ids of a table, as the files that its manifest lists hold them."""
    found: list[int] = sorted(rows_of(warehouse, table)["id"].to_pylist())
    return found


def read(warehouse: Warehouse, **pins: int) -> list[int]:
    """Return the ids of the table of cells, read as a user would."""
    with connect(warehouse.root, **pins) as con:
        return [row[0] for row in con.sql("SELECT id FROM cave.cells ORDER BY id").fetchall()]


def data_files(warehouse: Warehouse) -> list[Path]:
    """Return every data file that lies in the warehouse."""
    return sorted(path for path in (warehouse.root / "tables").rglob("*") if path.is_file())


def test_a_commit_is_what_was_staged(warehouse: Warehouse) -> None:
    """The first snapshot has number 1, no parent, exactly the rows, and the source's facts in its manifest."""
    made = add(warehouse, {"cells": cells(range(100))})
    assert (made.number, made.parent, made.versions, made.main.version) == (1, None, {1: 1}, 1)
    assert current(warehouse) == made
    table = made.main.tables["cave.cells"]
    assert (table.rows, table.rows_expected, table.sort_key, table.as_of) == (100, 100, "id", as_of(1))
    [file] = table.files
    path = warehouse.root / file.path
    assert (file.rows, file.key_min, file.key_max) == (100, 0, 99)
    assert (path.stat().st_size, sha256_of(path)) == (file.bytes, file.sha256)
    assert ids(warehouse) == read(warehouse) == list(range(100))


def test_data_files_are_read_only(warehouse: Warehouse) -> None:
    """What a manifest lists cannot be written to by accident."""
    add(warehouse, {"cells": cells(range(3))})
    [path] = data_files(warehouse)
    assert stat.S_IMODE(path.stat().st_mode) == 0o444


def test_a_commit_follows_its_parent(warehouse: Warehouse) -> None:
    """The next version becomes snapshot 2, of that moment; the first stays as it was and is still kept."""
    add(warehouse, {"cells": cells(range(3))})
    before = tree(warehouse.root / "snapshots") | tree(warehouse.root / "tables")
    made = add(warehouse, {"cells": cells(range(5))}, 2)
    assert (made.number, made.parent, made.versions, made.main.as_of) == (2, 1, {1: 1, 2: 2}, as_of(2))
    assert ids(warehouse) == list(range(5))
    assert read(warehouse, snapshot=1) == read(warehouse, version=1) == list(range(3))
    after = tree(warehouse.root / "snapshots") | tree(warehouse.root / "tables")
    assert {name: after[name] for name in before} == before


def test_a_competitor_wins_and_nothing_of_ours_is_seen(warehouse: Warehouse) -> None:
    """Of two commits on one parent the second hears CommitConflict; the first one's snapshot stays to the byte."""
    add(warehouse, {"cells": cells(range(3))})
    parent = current(warehouse)
    ours = change(warehouse, {"cells": cells(range(9))}, 3, parent=parent)
    add(warehouse, {"cells": cells(range(5))}, 2)
    before = tree(warehouse.snapshots)
    with pytest.raises(CommitConflict, match=r"another commit made snapshot 2.*from snapshot 1"):
        commit(warehouse, ours)
    assert tree(warehouse.snapshots) == before
    assert ids(warehouse) == list(range(5))


def test_after_a_conflict_the_same_rows_commit_on_top(warehouse: Warehouse) -> None:
    """What lost once is not lost: committed again on the new parent, it links the very files it had linked."""
    ours = change(warehouse, {"cells": cells(range(9))}, 2)
    add(warehouse, {"cells": cells(range(5))}, 1)
    with pytest.raises(CommitConflict):
        commit(warehouse, ours)
    left = data_files(warehouse)
    again = change(warehouse, {}, 2, tables=ours.tables)
    assert commit(warehouse, again).number == 2
    assert data_files(warehouse) == left
    assert ids(warehouse) == list(range(9))


@pytest.mark.parametrize("what", ["other version", "other moment", "carried"])
def test_two_moments_never_meet(warehouse: Warehouse, what: str) -> None:
    """A table of another version or moment is refused, by name, before a file of it is linked or a manifest made."""
    first = add(warehouse, {"cells": cells(range(3))})
    before = tree(warehouse.root / "tables"), tree(warehouse.snapshots)
    table = valid_table(warehouse, "more", cells(range(4)), 1 if what == "other version" else 2)
    fact = facts(1) if what == "other moment" else facts(2)
    carried = [first.main.tables["cave.cells"]] if what == "carried" else []
    wrong = change(warehouse, {}, 2, tables=[(table, fact)], carried=carried)
    name = "cave.cells" if what == "carried" else "cave.more"
    with pytest.raises(TimeMismatch, match=rf"{name} is of version 1|{name} is of version 2 at"):
        commit(warehouse, wrong)
    assert (tree(warehouse.root / "tables"), tree(warehouse.snapshots)) == before


def test_a_table_without_roots_has_no_moment_to_differ(warehouse: Warehouse) -> None:
    """A table whose facts name no moment joins any version it is of."""
    table = valid_table(warehouse, "names", cells(range(4)), 1)
    timeless = facts(1)
    made = commit(
        warehouse,
        change(
            warehouse, {}, 1, tables=[(table, type(timeless)("table", {}, timeless.fetched_at, None, "x"))]
        ),
    )
    assert made.main.tables["cave.names"].as_of is None


def test_an_older_version_is_added_without_becoming_main(warehouse: Warehouse) -> None:
    """Added beside the main one, an older version can be read by name; an unadorned query still reads the main one."""
    add(warehouse, {"cells": cells(range(5))}, 5)
    made = add(warehouse, {"cells": cells(range(3))}, 3, main=False)
    assert made.added is not None
    assert (made.main.version, made.added.version, made.versions) == (5, 3, {5: 1, 3: 2})
    assert ids(warehouse) == list(range(5))
    assert read(warehouse, version=3) == list(range(3))
    add(warehouse, {"cells": cells(range(6))}, 6)
    assert [read(warehouse, version=version) for version in (3, 5, 6)] == [list(range(n)) for n in (3, 5, 6)]


def test_carried_tables_come_along_unfetched(warehouse: Warehouse) -> None:
    """A table of the same version is taken over from the parent with its very files."""
    first = add(warehouse, {"cells": cells(range(3))})
    made = add(warehouse, {"more": cells(range(4))}, carried=list(first.main.tables.values()))
    assert made.main.tables["cave.cells"] == first.main.tables["cave.cells"]
    assert (ids(warehouse), ids(warehouse, "more")) == ([0, 1, 2], [0, 1, 2, 3])


def test_a_skipped_table_is_said_so_unless_it_is_there(warehouse: Warehouse) -> None:
    """The reason for a table that could not be read stands in the manifest and in `tables`, not beside its own rows."""
    made = add(warehouse, {"cells": cells([1])}, skipped={"cave.secret": "private", "cave.cells": "stale"})
    assert made.main.skipped == {"cave.secret": "private"}
    with connect(warehouse.root) as con:
        found = con.sql("SELECT name, status, completeness FROM tables ORDER BY name").fetchall()
    assert found == [("cells", "mirrored", "counted id ranges"), ("secret", "skipped", "private")]


@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_kill_between_links_leaves_the_last_snapshot(warehouse: Warehouse, call: int) -> None:
    """Killed before the first file, between files, or before the manifest's link: snapshot 1 stands, and a retry completes."""
    add(warehouse, {"cells": cells(range(3))})
    done = child(KILLED, warehouse.root, call)
    assert done.returncode == -9, done.stderr
    assert warehouse.numbers() == [1]
    assert ids(warehouse) == [0, 1, 2]
    linked = data_files(warehouse)
    assert len(linked) == call
    done = child(KILLED, warehouse.root, 0)
    assert done.returncode == 0, done.stderr
    assert warehouse.numbers() == [1, 2]
    assert (ids(warehouse), ids(warehouse, "more")) == (list(range(50)), list(range(9)))


def test_a_file_of_that_name_with_other_bytes_is_not_taken(warehouse: Warehouse) -> None:
    """A damaged file that a killed try left under the name is left alone; ours gets a name of its own."""
    ours = change(warehouse, {"cells": cells(range(9))})
    [(valid, _)] = ours.tables
    folder = warehouse.table_folder("cave", "cells", 1)
    folder.mkdir(parents=True)
    (folder / valid.staged.files[0].path.name).write_bytes(b"half")
    commit(warehouse, ours)
    assert ids(warehouse) == list(range(9))
    assert [checked.finding for checked in verify(warehouse)] == [None, None]


def test_rollback_makes_an_earlier_content_current(warehouse: Warehouse) -> None:
    """A rollback is a new snapshot with the earlier one's tables; nothing between is lost, and one can go forth again."""
    add(warehouse, {"cells": cells(range(3))})
    add(warehouse, {"cells": cells(range(5))}, 2)
    made = rollback(warehouse, 1)
    assert (made.number, made.parent, made.operation) == (3, 2, "rollback to 1")
    assert made.main == read_snapshot(warehouse, 1).main
    assert made.versions == {1: 3}
    assert ids(warehouse) == [0, 1, 2]
    assert read(warehouse, snapshot=2) == list(range(5))
    assert rollback(warehouse, 2).number == 4
    assert ids(warehouse) == list(range(5))


def test_rollback_past_a_damaged_current_manifest(warehouse: Warehouse) -> None:
    """When the newest manifest is damaged, a rollback to a whole one makes the warehouse readable again."""
    add(warehouse, {"cells": cells(range(3))})
    warehouse.manifest(2).write_bytes(b"{")
    with pytest.raises(CorruptWarehouse):
        connect(warehouse.root)
    assert rollback(warehouse, 1).number == 3
    assert ids(warehouse) == [0, 1, 2]


def test_rollback_to_what_is_not_whole_is_refused(warehouse: Warehouse) -> None:
    """A number that is not there, a file that is gone or of another size: said, and nothing is made."""
    add(warehouse, {"cells": cells(range(3))})
    add(warehouse, {"cells": cells(range(5))}, 2)
    with pytest.raises(NoSuchSnapshot, match=r"no snapshot 7 .*there are 1, 2"):
        rollback(warehouse, 7)
    path = warehouse.root / read_snapshot(warehouse, 1).main.tables["cave.cells"].files[0].path
    path.chmod(0o644)
    os.truncate(path, 10)
    with pytest.raises(CorruptWarehouse, match="has 10 bytes"):
        rollback(warehouse, 1)
    path.unlink()
    with pytest.raises(CorruptWarehouse, match="is gone") as caught:
        rollback(warehouse, 1)
    assert caught.value.path == path
    assert warehouse.numbers() == [1, 2]


def test_a_rollback_may_lose_the_race_too(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that takes the number while a rollback is on its way wins; the rollback hears CommitConflict."""
    add(warehouse, {"cells": cells(range(3))})
    link = os.link

    def competitor_first(source: Path, target: Path) -> None:
        monkeypatch.setattr(os, "link", link)
        add(warehouse, {"cells": cells(range(5))}, 2)
        link(source, target)

    monkeypatch.setattr(os, "link", competitor_first)
    with pytest.raises(CommitConflict, match="another commit made snapshot 2"):
        rollback(warehouse, 1)
    assert ids(warehouse) == list(range(5))


def test_a_manifest_holds_no_time_but_utc(warehouse: Warehouse) -> None:
    """Moments come back from a manifest as they went in, to the microsecond, with their zone."""
    made = add(warehouse, {"cells": cells([1])})
    assert to_json(made) == warehouse.manifest(1).read_bytes()
    assert made.main.as_of == as_of(1)
    assert made.committed_at.utcoffset() == timedelta(0)
    with connect(warehouse.root) as con:
        assert con.sql("SELECT as_of FROM snapshot").fetchall() == [(as_of(1).replace(tzinfo=None),)]


def test_a_reader_in_the_middle_is_not_disturbed(warehouse: Warehouse) -> None:
    """A query begun before ten commits and a rollback gives its own snapshot's rows to the last one."""
    add(warehouse, {"cells": cells(range(200_000))})
    with connect(warehouse.root) as con:
        reader = con.sql("SELECT id FROM cells ORDER BY id").to_arrow_reader(1000)
        got = reader.read_next_batch().num_rows
        for version in range(2, 12):
            add(warehouse, {"cells": cells(range(version))}, version)
        rollback(warehouse, 5)
        got += sum(batch.num_rows for batch in reader)
        assert got == 200_000
        assert con.sql("SELECT count(*), max(id) FROM cells").fetchall() == [(200_000, 199_999)]
        assert con.sql("SELECT snapshot FROM snapshot").fetchall() == [(1,)]
    assert isinstance(con, duckdb.DuckDBPyConnection)


def test_a_staging_key_is_what_places_a_table(warehouse: Warehouse) -> None:
    """Files lie under their schema, table and version, where two names that differ in case lie apart."""
    add(warehouse, {"Cells": cells([1]), "cells": cells([2])})
    folders = {path.parent.relative_to(warehouse.root).as_posix() for path in data_files(warehouse)}
    assert folders == {"tables/cave/%43ells/version=1", "tables/cave/cells/version=1"}
    assert staging_key().schema == "cave"
