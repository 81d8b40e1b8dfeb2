"""What is staged is resumed exactly, and its joined bytes depend on its rows alone."""

from __future__ import annotations

import json
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crantdb.errors import StagingMismatch, StorageError, ValidationError
from crantdb.warehouse.durable import sha256_of
from crantdb.warehouse.files import FileWriter
from crantdb.warehouse.staging import StagedTable, clear, open_staging, staged
from tests.warehouse.making import ROOT, cells, child, fill, make_warehouse, staging_key

if TYPE_CHECKING:
    from crantdb.warehouse.layout import Warehouse

FULL = """
import resource, sys
import numpy as np, pyarrow as pa
from pathlib import Path
from crantdb.errors import StorageError
from crantdb.warehouse.layout import Warehouse
from crantdb.warehouse.staging import open_staging
from tests.warehouse.making import staging_key
staging = open_staging(Warehouse(Path(sys.argv[1])), staging_key())
noise = np.random.default_rng(1)
def rows(low, count):
    return pa.table({"id": np.arange(low, low + count), "noise": noise.integers(0, 2**62, count)})
staging.add("small", rows(0, 5_000))
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
for step in (lambda: staging.add("large", rows(5_000, 50_000)), lambda: staging.add("more", rows(5_000, 5_000)), staging.finish):
    try:
        step()
        print("fits")
    except StorageError as error:
        print(error)
"""


def journal(warehouse: Warehouse) -> Path:
    """Return the journal of the only staging there is."""
    [path] = warehouse.staging.glob("*/journal.jsonl")
    return path


def joined(table: StagedTable) -> pa.Table:
    """Return a staged table's rows in the order of its files."""
    return pa.concat_tables([pq.read_table(file.path, partitioning=None) for file in table.files])


def sums(table: StagedTable) -> list[tuple[str, int, int, int | None, int | None]]:
    """Return what of a staged table's files must not depend on how it was fetched."""
    return [(file.sha256, file.rows, file.bytes, file.key_min, file.key_max) for file in table.files]


def test_a_table_comes_back_sorted_and_whole(warehouse: Warehouse) -> None:
    """Pieces in any order, rows in any order inside, join to the rows in key order, with true sums and bounds."""
    rows = cells(range(1000))
    backwards = [cells(reversed(range(start, start + 250))) for start in (500, 0, 750, 250)]
    table = fill(warehouse, staging_key(), backwards).finish()
    [file] = table.files
    assert joined(table).equals(rows)
    assert (table.rows, file.rows, file.key_min, file.key_max) == (1000, 1000, 0, 999)
    assert (file.bytes, file.sha256) == (file.path.stat().st_size, sha256_of(file.path))


IDS = st.lists(st.integers(-(2**63), 2**63 - 1), unique=True, max_size=60)


@settings(max_examples=25)
@given(data=st.data(), ids=IDS, kind=st.sampled_from(["table", "view"]))
def test_the_bytes_depend_on_the_rows_alone(data: st.DataObject, ids: list[int], kind: str) -> None:
    """However a table is cut, in whatever order its pieces and their rows come: the same files, byte for byte."""
    rows = [(key, value, text) for key in sorted(ids) for value, text in _values(data, kind)]
    found = []
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            pieces = [_table(data.draw(st.permutations(part))) for part in _cut(data, rows)]
            key = staging_key(unique=kind == "table")
            table = fill(make_warehouse(Path(folder)), key, data.draw(st.permutations(pieces))).finish()
            assert table.rows == len(rows)
            found.append(sums(table))
    assert found[0] == found[1]


def _values(data: st.DataObject, kind: str) -> list[tuple[float | None, str | None]]:
    """Draw the other columns of a key's rows: one row of a table, one or more of a view."""
    value = st.tuples(st.none() | st.sampled_from([0.5, 1.0, float("inf")]), st.none() | st.text(max_size=3))
    return data.draw(st.lists(value, min_size=1, max_size=1 if kind == "table" else 3))


def _cut(data: st.DataObject, rows: list[Any]) -> list[list[Any]]:
    """Cut rows into pieces, never between rows of one key; some pieces are empty."""
    keys = sorted({row[0] for row in rows})
    bounds = sorted(data.draw(st.lists(st.sampled_from(keys), max_size=5))) if keys else []
    edges = [-(2**63), *bounds, 2**63]
    return [[row for row in rows if low <= row[0] < high] for low, high in pairwise(edges)]


def _table(rows: list[tuple[int, float | None, str | None]]) -> pa.Table:
    """Return rows as the table that a server would send."""
    schema = pa.schema([("id", pa.int64()), ("value", pa.float64()), ("text", pa.string())])
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


def test_a_large_table_becomes_many_files_in_key_order(tmp_path: Path) -> None:
    """A full file ends where its key changes, at the latest at its limit; no row is lost between files."""
    keys = pa.array([key for key in range(40) for _ in range(7 if key < 30 else 60)], pa.int64())
    rows = pa.table({"key": keys, "row": pa.array(range(len(keys)), pa.int64())})
    writer = FileWriter(tmp_path, "run", rows.schema, key="key", full_rows=100, file_rows=150)
    parts = [rows.slice(start, 33) for start in range(0, len(keys), 33)]
    files = writer.write(parts)
    assert pa.concat_tables(pq.read_table(file.path) for file in files).equals(rows)
    assert [file.path.name for file in files] == [f"run-part-{n:05d}.parquet" for n in range(len(files))]
    assert all(100 <= file.rows <= 150 for file in files[:-1])
    whole = [file.key_max for file in files[:-1] if file.rows < 150]
    assert whole
    assert all(file.key_min not in whole for file in files[1:])
    for file in files:
        low, high = pq.read_table(file.path)["key"][0].as_py(), pq.read_table(file.path)["key"][-1].as_py()
        assert (file.key_min, file.key_max) == (low, high)


def test_a_staging_goes_on_where_it_was(warehouse: Warehouse) -> None:
    """Opened anew, a staging has its pieces, rows and notes, and ends in the bytes of one never interrupted."""
    parts = [cells(range(start, start + 10)) for start in (0, 10, 20)]
    first = fill(warehouse, staging_key(), parts[:2])
    first.set_note("fetched_at", "then")
    again = open_staging(warehouse, staging_key())
    assert (again.pieces, again.rows, again.note("fetched_at")) == (first.pieces, 20, "then")
    again.add("2", parts[2])
    undisturbed = fill(warehouse, staging_key("cells", 2), parts).finish()
    assert sums(again.finish()) == sums(undisturbed)


def test_finishing_twice_gives_the_same_names_and_bytes(warehouse: Warehouse) -> None:
    """A retry after a kill makes the same files under the same names, so that it leaves no orphans."""
    fill(warehouse, staging_key(), [cells(range(10))]).finish()
    files = [open_staging(warehouse, staging_key()).finish().files for _ in range(2)]
    assert files[0] == files[1]
    assert [path.name for path in files[0][0].path.parent.iterdir()] == [files[0][0].path.name]


@pytest.mark.parametrize("cut", [1, 20, -1])
def test_a_torn_last_line_was_never_there(warehouse: Warehouse, cut: int) -> None:
    """A journal cut anywhere in its last line loses that piece alone, and goes on with whole lines."""
    fill(warehouse, staging_key(), [cells(range(10)), cells(range(10, 20))])
    lines = journal(warehouse).read_bytes().splitlines(keepends=True)
    journal(warehouse).write_bytes(lines[0] + lines[1][:cut])
    again = open_staging(warehouse, staging_key())
    assert [piece.span for piece in again.pieces] == ["0"]
    again.add("1", cells(range(10, 20)))
    assert [piece.span for piece in open_staging(warehouse, staging_key()).pieces] == ["0", "1"]
    assert joined(again.finish())["id"].to_pylist() == list(range(20))


@pytest.mark.parametrize("harm", ["gone", "shorter", "longer"])
def test_a_piece_whose_file_is_not_right_is_fetched_again(warehouse: Warehouse, harm: str) -> None:
    """A piece that the journal lists but whose file is gone or of another size counts as not there."""
    first = fill(warehouse, staging_key(), [cells(range(10)), cells(range(10, 20))])
    path = first.folder / str(first.pieces[0].file)
    content = path.read_bytes()
    path.unlink()
    if harm != "gone":
        path.write_bytes(content[:-1] if harm == "shorter" else content + b"x")
    again = open_staging(warehouse, staging_key())
    assert ([piece.span for piece in again.pieces], again.rows) == (["1"], 10)
    again.add("0", cells(range(10)))
    assert again.finish().rows == 20


def test_files_that_the_journal_does_not_list_were_never_there(warehouse: Warehouse) -> None:
    """A piece written just before a kill, or a half file, has no part in the table."""
    staging = fill(warehouse, staging_key(), [cells(range(10))])
    pq.write_table(cells(range(10, 20)), staging.folder / "000001-abcdefgh.parquet")
    (staging.folder / ".000002-x.parquet.y.partial").write_bytes(b"half")
    assert open_staging(warehouse, staging_key()).finish().rows == 10


def test_an_empty_table_keeps_its_columns(warehouse: Warehouse) -> None:
    """A table proved empty becomes one file without rows, with the server's columns and types."""
    table = fill(warehouse, staging_key(), [cells([])]).finish()
    assert (table.rows, table.files[0].rows, table.files[0].key_min) == (0, 0, None)
    assert joined(table).schema.equals(cells([]).schema)
    table = fill(warehouse, staging_key("more"), [cells([]), cells([1]), cells([])]).finish()
    assert joined(table).equals(cells([1]))


def test_nothing_staged_is_no_table(warehouse: Warehouse) -> None:
    """A staging without a piece cannot be finished: it has no columns."""
    with pytest.raises(StagingMismatch, match="nothing is staged"):
        open_staging(warehouse, staging_key()).finish()


def test_a_piece_with_other_columns_is_refused(warehouse: Warehouse) -> None:
    """Columns that change between pieces are named, with both types."""
    other = cells([5]).drop_columns("tag").set_column(2, "volume", pa.array([1.0], pa.float64()))
    staging = fill(warehouse, staging_key(), [cells([1]), other])
    wanted = r"cells: span 1 .*volume: float then double; tag: string then absent"
    with pytest.raises(StagingMismatch, match=wanted):
        staging.finish()


@pytest.mark.parametrize("pieces", [[[1, 2, 2, 3]], [[1, 2], [2, 3]], [[2, 5], [1, 2]]])
def test_an_id_that_comes_twice_is_refused(warehouse: Warehouse, pieces: list[list[int]]) -> None:
    """The same id in one piece or in two breaks the promise; table, count and id are said."""
    staging = fill(warehouse, staging_key(), [cells(ids) for ids in pieces])
    with pytest.raises(ValidationError, match=r"table cells: 1 row.*id is unique.*2") as caught:
        staging.finish()
    assert (caught.value.table, caught.value.count, caught.value.examples) == ("cells", 1, (2,))


def test_pieces_of_a_view_may_repeat_a_key_but_not_overlap(warehouse: Warehouse) -> None:
    """Rows of a view may share a key; pieces whose ranges overlap mean that rows came twice."""
    rows = cells([1, 2, 2, 3])
    assert fill(warehouse, staging_key("v", unique=False), [rows]).finish().rows == 4
    staging = fill(warehouse, staging_key("w", unique=False), [cells([1, 5]), cells([3, 7])])
    with pytest.raises(ValidationError, match="does not overlap"):
        staging.finish()


def test_a_null_id_is_refused_and_a_views_null_key_kept(warehouse: Warehouse) -> None:
    """An id that must be unique is never NULL; a view's rows without a key come last, none lost."""
    rows = cells([3, 1, 2]).set_column(0, "id", pa.array([3, None, 2], pa.int64()))
    with pytest.raises(ValidationError, match="id is never NULL") as caught:
        open_staging(warehouse, staging_key()).add("0", rows)
    assert caught.value.count == 1
    assert open_staging(warehouse, staging_key()).rows == 0
    table = fill(warehouse, staging_key(unique=False), [rows]).finish()
    assert joined(table)["id"].to_pylist() == [2, 3, None]
    assert (table.files[0].key_min, table.files[0].key_max) == (2, 3)


def test_a_view_without_a_key_may_hold_lists(warehouse: Warehouse) -> None:
    """Rows without a key are put in one order by all their columns, lists too, so that the bytes are theirs alone."""
    rows = [{"root": ROOT + 1, "ids": [2, 1]}, {"root": ROOT, "ids": None}, {"root": ROOT + 1, "ids": [1]}]
    schema = pa.schema([("root", pa.int64()), ("ids", pa.list_(pa.int64()))])
    found = []
    for version, order in enumerate(([0, 1, 2], [2, 1, 0])):
        piece = pa.Table.from_pylist([rows[i] for i in order], schema=schema)
        table = fill(warehouse, staging_key("v", version, sort_key=None, unique=False), [piece]).finish()
        assert sorted(map(str, joined(table).to_pylist())) == sorted(map(str, rows))
        found.append(sums(table))
    assert found[0] == found[1]


def test_a_folder_of_something_else_is_not_mixed_in(warehouse: Warehouse) -> None:
    """A staging folder whose key says something else is refused, with the way out."""
    staging = open_staging(warehouse, staging_key())
    marker = staging.folder / "key.json"
    marker.write_text(json.dumps(json.loads(marker.read_text()) | {"layout": 0}))
    with pytest.raises(StagingMismatch, match=r"something else.*--discard"):
        open_staging(warehouse, staging_key())


def test_what_is_staged_is_listed_and_cleared(warehouse: Warehouse) -> None:
    """`staged` gives the keys of what is unfinished; `clear` and `discard` leave nothing of them."""
    keys = [staging_key("a"), staging_key("b"), staging_key("b", 2)]
    assert staged(warehouse) == []
    stagings = [fill(warehouse, key, [cells([1])]) for key in keys]
    assert set(staged(warehouse)) == set(keys)
    clear(warehouse, keys[:1])
    stagings[1].discard()
    assert staged(warehouse) == keys[2:]


def test_what_a_killed_clearing_left_goes_with_the_next(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A staging whose removal was cut short is no staging any more, and the next clearing takes the rest."""
    keys = [staging_key("a"), staging_key("b")]
    for key in keys:
        fill(warehouse, key, [cells([1])])
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", lambda *_, **__: None)
        clear(warehouse, keys[:1])
    assert staged(warehouse) == keys[1:]
    clear(warehouse, keys[1:])
    assert list(warehouse.staging.iterdir()) == []
    clear(warehouse, keys)


def test_a_disk_that_fills_keeps_what_was_staged(warehouse: Warehouse) -> None:
    """A piece, or the joined file, that does not fit is a StorageError; pieces before and after it count."""
    done = child(FULL, warehouse.root)
    assert (done.returncode, done.stderr) == (0, "")
    large, more, finish = done.stdout.splitlines()
    assert "the disk is full" in large
    assert more == "fits"
    assert "the disk is full" in finish
    again = open_staging(warehouse, staging_key())
    assert [piece.span for piece in again.pieces] == ["small", "more"]
    assert list(warehouse.root.rglob("*.partial")) == []
    assert again.finish().rows == 10_000


def test_a_staging_folder_that_cannot_be_made_is_a_stated_failure(warehouse: Warehouse) -> None:
    """A file where the staging folder should be is not a bare OSError of crantdb's own making."""
    warehouse.staging.write_text("")
    with pytest.raises((StorageError, NotADirectoryError)):
        open_staging(warehouse, staging_key())
