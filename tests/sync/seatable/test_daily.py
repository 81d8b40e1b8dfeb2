"""Daily CSV files become history: each change between two days once, whatever is imported how often."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from crantdb.errors import BadFile, NoSuchTable
from crantdb.sync.seatable.daily import CsvReport, import_daily

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sync.seatable.lab import Lab

HEAD = "_id,_mtime,_last_modifier,root_id,side,note\n"
DAYS = {
    "2026-07-01": HEAD + "r1,2026-07-01T08:00:00.000+00:00,eve@auth.local,1,left,NA\n"
    'r2,NA,NA,2,right,"two\nlines, ""quoted"""\n',
    "2026-07-02": HEAD + "r1,2026-07-02T09:30:00.000+02:00,adam@auth.local,1,right,\n"
    'r2,NA,NA,2,right,"two\nlines, ""quoted"""\n',
    "2026-07-05": HEAD + "r1,2026-07-02T09:30:00.000+02:00,adam@auth.local,1,right,new\nr3,NA,NA,3,NA,NA\n",
}


def write(folder: Path, *days: str) -> Path:
    """Write daily files into a folder."""
    folder.mkdir(exist_ok=True)
    for day in days:
        (folder / f"{day}_crantb_seatable.csv").write_text(DAYS[day], encoding="utf-8")
    return folder


def bring(ants: Lab, folder: Path) -> CsvReport:
    """Import daily files of the table `neurons`."""
    return import_daily(ants.warehouse, ants.config, folder, table="neurons", progress=ants.voice)


CHANGES = [
    ("r1", "cell changed", "side", "left", "right"),
    ("r1", "cell changed", "note", None, "new"),
    (
        "r2",
        "row removed",
        None,
        '{"_id":"r2","note":"two\\nlines, \\"quoted\\"","root_id":"2","side":"right"}',
        None,
    ),
    ("r3", "row added", None, None, '{"_id":"r3","root_id":"3"}'),
]


def test_changes_between_days_are_appended(ants: Lab, tmp_path: Path) -> None:
    """Cells changed, rows added and removed, with who and when, between the beginning of one day and the end of the other."""
    report = bring(ants, write(tmp_path / "csv", *DAYS))
    assert (report.changed, len(report.days)) == (True, 3)
    assert ants.changes() == CHANGES
    [first, *_] = ants.rows("SELECT modified_by, modified_at, seen_before, seen_at, source, base FROM "
                            "annotation_history('r1')")  # fmt: skip
    assert first == (
        "adam@auth.local",
        datetime(2026, 7, 2, 7, 30),  # noqa: DTZ001 - UTC, as stored
        datetime(2026, 7, 1),  # noqa: DTZ001
        datetime(2026, 7, 2, 23, 59, 59, 999999),  # noqa: DTZ001
        "csv",
        "CRANTb",
    )


@pytest.mark.parametrize("steps", [[1, 3], [2, 3], [3, 3], [1, 2, 3]])
def test_imported_in_steps_it_is_the_same(ants: Lab, tmp_path: Path, steps: list[int]) -> None:
    """A folder may be imported again as it grows: days that were there bring nothing twice."""
    for count in steps:
        bring(ants, write(tmp_path / "csv", *list(DAYS)[:count]))
    assert ants.changes() == CHANGES
    again = bring(ants, tmp_path / "csv")
    assert (again.changed, again.days) == (False, ())


def test_columns_are_known_by_their_key_where_the_table_is_mirrored(ants: Lab, tmp_path: Path) -> None:
    """Beside a mirrored table, a column of a file has the key that the base gives it, and a sync appends behind."""
    ants.sync()
    bring(ants, write(tmp_path / "csv", *DAYS))
    keys = dict(
        ants.rows(
            "SELECT DISTINCT column_name, column_key FROM annotation_changes WHERE column_name NOT NULL"
        )
    )
    assert keys == {"side": ants.base.tables[0].columns[1].key, "note": None}
    from crantdb.sandbox.seatable import update_row  # noqa: PLC0415 - only here

    update_row(ants.base, "neurons", ants.row_ids[0], {"size": 55})
    ants.sync()
    assert len(ants.changes()) == 5
    assert bring(ants, tmp_path / "csv").changed is False


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("2026-07-01_crantb_seatable.csv", "id,a\n1,2\n", "has no column _id"),
        ("2026-07-01_crantb_seatable.csv", "_id,a\nr1,2\nr1,3\n", "comes twice"),
        ("2026-07-01_crantb_seatable.csv", "_id,a\nr1,2\nr2\n", "1 cells, not 2"),
        ("2026-07-01_crantb_seatable.csv", '_id,a\nr1,"2\n', "cannot be read as CSV"),
        ("2026-07-01_crantb_seatable.csv", "_id,a,a\nr1,2,3\n", "has a column twice"),
        ("2026-02-31_crantb_seatable.csv", "_id\n", "no day that there is"),
        ("july.csv", "_id\n", "holds no file named like"),
    ],
)
def test_a_file_that_is_wrong_commits_nothing(
    ants: Lab, tmp_path: Path, name: str, content: str, said: str
) -> None:
    """What is no whole CSV of a table is named with its line; nothing of its folder is committed."""
    folder = write(tmp_path / "csv", *(["2026-07-02"] if name.startswith("2026") else []))
    (folder / name).write_text(content)
    with pytest.raises(BadFile, match=said):
        bring(ants, folder)
    assert ants.warehouse.numbers() == []


def test_two_files_of_one_day_are_refused(ants: Lab, tmp_path: Path) -> None:
    """Which of two came first is not known."""
    folder = write(tmp_path / "csv", *DAYS)
    (folder / "2026-07-02_other_seatable.csv").write_text(DAYS["2026-07-02"])
    with pytest.raises(BadFile, match="are of one day"):
        bring(ants, folder)


def test_the_base_must_be_known(ants: Lab, tmp_path: Path) -> None:
    """Without a base in crantdb.toml it must be said."""
    from dataclasses import replace  # noqa: PLC0415 - only here

    with pytest.raises(NoSuchTable, match="--base"):
        import_daily(
            ants.warehouse,
            replace(ants.config, seatable=None),
            write(tmp_path / "csv", *DAYS),
            table="neurons",
        )
