"""Files of ids as people have them: from spreadsheets, R and pandas, with rows that miss an id, damaged or empty."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from crantdb.cli.id_files import ids_of, is_heading
from crantdb.warehouse.catalog import connect
from tests.cli.conftest import run

if TYPE_CHECKING:
    from pathlib import Path

ROOT = 576460752667713229
ROW_ID = "QtfYxPmoRaiFyQPObaENTg"
"""An _id of SeaTable's in which no digit happens to be."""


@pytest.fixture(scope="module")
def root(made: Path) -> int:
    """Return a root that stands at the main version."""
    with connect(made) as con:
        [(here,)] = con.sql("SELECT min(pre_root_id) FROM edges WHERE pre_root_id > 1").fetchall()
    return int(here)


def old_ids(made: Path, path: Path, *options: str) -> list[str]:
    """Return the ids that the verb answers for a file, one a row."""
    done = run("ids", "-f", path, *options, "--warehouse", made, "--output", "csv")
    assert done.code == 0, done.err
    return [row["old_id"] for row in csv.DictReader(io.StringIO(done.out))]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_tables_as_spreadsheets_save_them(tmp_path: Path, encoding: str, end: str, delimiter: str) -> None:
    """A column is found by its name, quoted or not, whatever the file's bytes, line ends and delimiters are."""
    lines = [["Zelltyp, für", " root_id "], ["a, b", f"{ROOT}"], ['"', ""], ["c", f" {ROOT} "]]
    text = end.join(delimiter.join('"' + cell.replace('"', '""') + '"' for cell in line) for line in lines)
    path = tmp_path / "cells.csv"
    path.write_bytes(text.encode(encoding))
    assert ids_of(path, "root_id") == [f"{ROOT}", "", f" {ROOT} "]


def test_a_byte_order_mark_is_no_part_of_the_first_id(made: Path, root: int, tmp_path: Path) -> None:
    """Without a heading, and quoted too, the first id is itself."""
    path = tmp_path / "ids.txt"
    path.write_bytes(b'\xef\xbb\xbf"%d"\r\n%d\r\n' % (root, root))
    assert old_ids(made, path) == [f"{root}"] * 2


def test_every_row_has_its_answer(made: Path, root: int, tmp_path: Path) -> None:
    """A row without an id, and a first line that says that there is none, keep their places; blank lines are no rows."""
    path = tmp_path / "ids.csv"
    path.write_text(f"NA,first\n{root},second\n,third\n\n{root},fourth\n\n", "utf-8")
    assert old_ids(made, path) == ["NA", f"{root}", "", f"{root}"]
    path.write_text(f"{ROW_ID}\n{root}\n", "utf-8")
    assert old_ids(made, path) == [ROW_ID, f"{root}"]


@pytest.mark.parametrize(
    ("cell", "heading"),
    [
        ("root_id", True),
        ("pt_root_id (v1610)", True),
        ("Wurzel-Id", True),
        (ROW_ID, False),
        ("", False),
        ("NaN", False),
        ("None", False),
        ("576460752303423489", False),
        ("5.7e17", False),
        ("'576460752303423489", False),
    ],
)
def test_a_heading_is_told_from_an_id(cell: str, heading: bool) -> None:
    """Words are a heading, also with a number in them; what stands for an id or for none is not."""
    assert is_heading(cell) == heading


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        (b"root_id,a\n5,6\n", ("--column", "sv"), "which column is 'sv'? it has root_id, a"),
        (b"id,id\n5,6\n", ("--column", "id"), "which column is 'id'? has that column more than once"),
        (b"", ("--column", "root_id"), "it has none"),
        (b'5\n"6\n7\n8\n', (), "cannot be read as a table: line 4: unexpected end of data"),
        (b"5,%s\n" % (b"x" * 200_000), (), "cannot be read as a table: line 1: field larger"),
    ],
)
def test_what_is_no_table_is_wrong_usage(
    made: Path, tmp_path: Path, content: bytes, options: tuple[str, ...], said: str
) -> None:
    """No line is passed over in silence: an open quote, which would swallow all that follows, is told with its line."""
    path = tmp_path / "ids.csv"
    path.write_bytes(content)
    done = run("ids", "-f", path, *options, "--warehouse", made)
    assert done.code == 2
    assert said in " ".join(done.err.split())


def test_ids_are_said_in_one_way(made: Path, root: int, tmp_path: Path) -> None:
    """Arguments beside a file, a column without one, and --all with --online are wrong usage, not half of it ignored."""
    path = tmp_path / "ids.txt"
    path.write_text(f"{root}\n", "utf-8")
    for options in (("-f", str(path)), ("--column", "root_id"), ("--all", "--online")):
        assert run("ids", str(root), *options, "--warehouse", made).code == 2


def test_no_ids_are_no_stale_ids(made: Path, tmp_path: Path) -> None:
    """An empty file, and one with a heading alone, has no rows; that is said, and nothing in it is stale."""
    path = tmp_path / "ids.txt"
    for content in ("", "root_id\n", "\n\n"):
        path.write_text(content, "utf-8")
        assert old_ids(made, path) == []
        assert "no ids were given" in run("ids", "-f", path, "--warehouse", made).err
        assert run("ids", "-f", path, "--quiet", "--warehouse", made).code == 0


@pytest.mark.parametrize("redirection", ["<&-", "</dev/null"])
def test_standard_input_that_is_closed_or_empty(made: Path, redirection: str) -> None:
    """Closed, it is wrong usage; empty, it has no ids; neither waits for somebody to type."""
    program = f'"{sys.executable}" -m crantdb ids --warehouse "{made}" --output csv {redirection}'
    done = subprocess.run(["/bin/sh", "-c", program], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == (2 if redirection == "<&-" else 0), done.stderr
    assert ("say which ids" in done.stderr) == (redirection == "<&-")


def test_bytes_that_are_no_text_are_no_id(made: Path, root: int) -> None:
    """An argument in another encoding has its row like any other; the ids beside it are answered."""
    done = run("ids", "\udcff\udcfe", str(root), "--warehouse", made, "--output", "csv")
    assert done.code == 0, done.err
    assert [row["kind"] for row in csv.DictReader(io.StringIO(done.out))] == ["unknown", "unchanged"]


def test_brackets_are_printed_as_they_are(made: Path) -> None:
    """Text in square brackets is text, not a style."""
    done = run("ids", "[/x]", "[red]5[/red]", ":smile:", "--warehouse", made)
    assert done.code == 0, done.err
    assert [line.split()[0] for line in done.out.splitlines()[1:]] == ["[/x]", "[red]5[/red]", ":smile:"]


def test_ids_cut_by_a_spreadsheet_are_pointed_at(made: Path, root: int) -> None:
    """Unknown ids that end in 000 were cut to 15 digits: the summary says how many look like that."""
    cut = root // 1000 * 1000 + 7_000_000_000_000
    done = run("ids", str(root), str(cut), str(cut + 1), "--warehouse", made)
    assert "1 of the unknown end in 000" in " ".join(done.err.split())


def test_a_long_table_is_printed_at_once(made: Path, root: int, tmp_path: Path) -> None:
    """Thousands of rows for eyes come in lines of one width, every id whole."""
    path = tmp_path / "ids.txt"
    path.write_text(f"{root}\n0\n" * 10_000, "utf-8")
    lines = run("ids", "-f", path, "--warehouse", made).out.splitlines()
    assert len(lines) == 20_001
    assert {line.split()[0] for line in lines} == {"old_id", f"{root}", "0"}
    assert len({line.index("2026-") for line in lines[1:]}) == 1
