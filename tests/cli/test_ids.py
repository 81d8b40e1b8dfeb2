"""The verb ids: from arguments, a file or standard input, to a table, CSV or JSON, or to an exit code."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest

from crantdb.warehouse.catalog import connect
from tests.cli.conftest import run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def roots(made: Path) -> tuple[int, int]:
    """Return a root that stands at version 5, and one of version 3 that no longer does."""
    with connect(made, versions=[3]) as con:
        [(here,)] = con.sql("SELECT min(pre_root_id) FROM edges WHERE pre_root_id > 1").fetchall()
        [(gone,)] = con.sql(
            "SELECT min(pre_root_id) FROM v3.edges WHERE pre_root_id > 1 "
            "AND pre_root_id NOT IN (SELECT pre_root_id FROM edges UNION SELECT post_root_id FROM edges)"
        ).fetchall()
    return here, gone


def as_csv(text: str) -> list[dict[str, str]]:
    """Return printed CSV as rows."""
    return list(csv.DictReader(io.StringIO(text)))


def test_arguments_are_mapped_and_the_moment_is_named(made: Path, roots: tuple[int, int]) -> None:
    """One row an argument, in order, ids whole; what is no id has its row too; the version and moment are said."""
    here, gone = roots
    done = run("ids", str(here), str(gone), "0", "5.7e17", str(here), "--warehouse", made, "--output", "csv")
    assert done.code == 0, done.err
    rows = as_csv(done.out)
    assert [row["old_id"] for row in rows] == [str(here), str(gone), "0", "5.7e17", str(here)]
    assert rows[0] == rows[4]
    assert (rows[0]["new_id"], rows[0]["kind"]) == (str(here), "unchanged")
    assert rows[1]["kind"] != "unchanged"
    assert [rows[n]["method"] for n in (2, 3)] == ["empty", "damaged"]
    assert {row["version"] for row in rows} == {"5"}
    table = run("ids", str(here), "--warehouse", made)
    assert "at version 5, as of 2026-05-20 07:08:32.879313 UTC: 1 unchanged" in table.err


def test_a_version_is_chosen(made: Path, roots: tuple[int, int]) -> None:
    """--at goes to a kept version, where the older root is itself."""
    _, gone = roots
    done = run("ids", str(gone), "--at", "3", "--warehouse", made, "--output", "json")
    [row] = json.loads(done.out)
    assert (row["new_id"], row["method"], row["version"]) == (gone, "identity", 3)
    missing = run("ids", str(gone), "--at", "99", "--warehouse", made)
    assert missing.code == 1
    assert "99" in missing.err


def test_a_column_of_a_file_is_read(made: Path, roots: tuple[int, int], tmp_path: Path) -> None:
    """A CSV column by name, the first one without; a column that is not there is wrong usage."""
    path = tmp_path / "cells.csv"
    path.write_text(f"name,root_id\nA,{roots[0]}\nB,\nC,{roots[1]}\n", "utf-8")
    options = ("--warehouse", made, "--output", "csv")
    done = run("ids", "-f", path, "--column", "root_id", *options)
    assert [row["old_id"] for row in as_csv(done.out)] == [str(roots[0]), "", str(roots[1])]
    wrong = run("ids", "-f", path, "--column", "nope", *options)
    assert (wrong.code, "name, root_id" in wrong.err) == (2, True)
    plain = tmp_path / "plain.txt"
    plain.write_text(f"root_id\n{roots[0]}\n{roots[1]}\n", "utf-8")
    assert [row["old_id"] for row in as_csv(run("ids", "-f", plain, *options).out)] == list(map(str, roots))


def test_standard_input_is_read(made: Path, roots: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ids and without a file, standard input is."""
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{roots[0]}\n{roots[1]}\n"))
    done = run("ids", "--warehouse", made, "--output", "csv")
    assert [row["old_id"] for row in as_csv(done.out)] == list(map(str, roots))


def test_quiet_answers_by_its_exit_code(made: Path, roots: tuple[int, int]) -> None:
    """0 when all are current, 1 when any is stale or unknown; nothing is printed."""
    here, gone = map(str, roots)
    found = [
        run("ids", "--quiet", "--warehouse", made, *ids) for ids in ([here], [here, gone], ["700000"], ["x"])
    ]
    assert [done.code for done in found] == [0, 1, 1, 1]
    assert all(done.out == "" for done in found)


def test_all_parts_are_listed(made: Path, roots: tuple[int, int]) -> None:
    """--all gives every root that has a part, the largest share first."""
    done = run("ids", "--all", str(roots[1]), "--warehouse", made, "--output", "json")
    rows = json.loads(done.out)
    assert rows
    assert {row["old_id"] for row in rows} == {str(roots[1])}
    assert {"new_id", "method", "fraction", "votes"} <= set(rows[0])


def test_online_asks_the_chunkedgraph(made: Path, roots: tuple[int, int]) -> None:
    """What nothing in the warehouse knows is asked for, with the token that everything else uses."""
    with connect(made) as con:
        [(supervoxel,)] = con.sql("SELECT min(supervoxel_id) FROM root_ids WHERE root_id > 1").fetchall()
    unknown = supervoxel + 1  # the next one of its chunk: some other object's, or none
    done = run("ids", str(roots[0]), str(unknown), "--online", "--warehouse", made, "--output", "json")
    assert done.code == 0, done.err
    rows = json.loads(done.out)
    assert rows[0]["method"] == "identity"
    assert rows[1]["method"] in {"supervoxel", "chunkedgraph", None}
