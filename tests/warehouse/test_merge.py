"""Files of a sorted table with rows replaced: the rows, the order and the files that stay, wherever keys and NULLs lie."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crantdb.warehouse.merge import Replaced, merge_sorted
from crantdb.warehouse.sorting import write_sorted

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from crantdb.warehouse.files import StagedFile

KEY = st.one_of(st.none(), st.integers(-3, 9), st.just(2**62))
Rows = dict[int, int | None]


def table(rows: Rows) -> pa.Table:
    """Return rows as a table: the key by id."""
    columns = {"key": pa.array(list(rows.values()), pa.int64()), "id": pa.array(list(rows), pa.int64())}
    return pa.table(columns)


@dataclass(frozen=True)
class Merged:
    """Files before and after rows were replaced."""

    before: tuple[StagedFile, ...]
    after: tuple[StagedFile, ...]


def merged(folder: Path, before: Rows, after: Rows, *, full_rows: int) -> Merged:
    """Write files of the rows before, then replace what differs from the rows after."""
    out = {row: key for row, key in before.items() if row not in after or after[row] != key}
    into = {row: key for row, key in after.items() if row not in before or before[row] != key}
    order = ("key", "id")
    with duckdb.connect(":memory:") as con, ThreadPoolExecutor(1) as pool:
        con.execute("SET disabled_optimizers = 'statistics_propagation'")
        for name, rows in (("last", before), ("goes", out), ("comes", into)):
            con.register(f"given_{name}", table(rows))
            con.execute(f"CREATE TABLE {name} AS FROM given_{name}")
        files = write_sorted(
            con,
            con.table("last"),
            order,
            order=order,
            into=folder / "old",
            summing=pool,
            full_rows=full_rows,
        )
        made = merge_sorted(
            con, files, Replaced("goes", "comes"), order, order=order, into=folder / "new", summing=pool
        )
    return Merged(files, made)


@given(
    before=st.dictionaries(st.integers(0, 40), KEY, max_size=40),
    changed=st.dictionaries(st.integers(0, 60), KEY, max_size=15),
    gone=st.sets(st.integers(0, 40), max_size=15),
    full_rows=st.integers(1, 12),
)
@example(before={1: 5, 2: 6, 3: None}, changed={4: 7}, gone=set(), full_rows=2)
@example(before={1: 5, 2: 6, 3: None}, changed={3: 4}, gone=set(), full_rows=2)
@settings(max_examples=60, deadline=None)
def test_rows_and_order(
    tmp_path_factory: pytest.TempPathFactory, before: Rows, changed: Rows, gone: set[int], full_rows: int
) -> None:
    """Whatever goes and comes, the files one after the other are the new rows in order; each has its key range."""
    after = {row: key for row, key in (before | changed).items() if row not in gone}
    found = merged(tmp_path_factory.mktemp("m"), before, after, full_rows=full_rows).after
    parts = [pq.read_table(file.path) for file in found]
    expected = table(after).sort_by([("key", "ascending"), ("id", "ascending")])
    assert pa.concat_tables(parts).equals(expected)
    for file, part in zip(found, parts, strict=True):
        there = [key for key in part["key"].to_pylist() if key is not None]
        assert (file.rows, file.key_min, file.key_max) == (
            part.num_rows,
            min(there, default=None),
            max(there, default=None),
        )


def test_files_without_a_change_are_listed_as_they_are(tmp_path: Path) -> None:
    """A row with a key of its own behind the last one touches the last file with keys, not that of the NULLs."""
    before: Rows = {1: 1, 2: 2, 3: 3, 4: 4, 5: None, 6: None}
    found = merged(tmp_path, before, before | {7: 9}, full_rows=2)
    assert [file.rows for file in found.before] == [2, 2, 2]
    assert [file.rows for file in found.after] == [2, 3, 2]
    assert (found.after[0], found.after[2]) == (found.before[0], found.before[2])
