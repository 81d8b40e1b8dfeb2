"""Where a table is cut into files and row groups follows from its rows alone."""

from __future__ import annotations

import hashlib
import tempfile
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crantdb.warehouse import files as room
from crantdb.warehouse.files import FileWriter, StagedFile

SCHEMA = pa.schema([pa.field("key", pa.int64()), pa.field("n", pa.int64())])
GROUP, FULL, MOST = 4, 6, 11
"""Row groups, and files, of a size that a person can count."""

KEYS = st.lists(st.one_of(st.none(), st.integers(0, 6)), max_size=50)
CUTS = st.lists(st.integers(0, 50), max_size=8)


def in_order(keys: list[int | None]) -> list[int | None]:
    """Return keys sorted, NULL last."""
    return sorted(keys, key=lambda key: (key is None, key or 0))


def write(
    folder: Path, keys: list[int | None], cuts: list[int], *, key: str | None = "key"
) -> tuple[StagedFile, ...]:
    """Write keys, numbered, that come in tables cut at some places."""
    table = pa.table([pa.array(keys, pa.int64()), pa.array(range(len(keys)), pa.int64())], schema=SCHEMA)
    ends = sorted({0, len(keys), *(min(cut, len(keys)) for cut in cuts)})
    tables = (table.slice(start, end - start) for start, end in pairwise([0, *ends]))
    with patch.object(room, "ROW_GROUP_ROWS", GROUP):
        return FileWriter(folder, "run", SCHEMA, key=key, full_rows=FULL, file_rows=MOST).write(tables)


def lengths(keys: list[int | None], *, keyed: bool = True) -> list[int]:
    """Say the plain way how many rows each file has: full files end where the key changes, or at the most rows."""
    result, start = [], 0
    while start < len(keys) or not result:
        end = min(start + MOST, len(keys))
        changes = [i for i in range(start + FULL, end) if keys[i] != keys[i - 1]]
        end = changes[0] if keyed and changes else end
        result.append(end - start)
        start = end
    return result


@given(KEYS, CUTS)
@example([0] * 6 + [1] * 6, [])
@example([0] * 30, [7])
@example([0, 0, None, None] + [None] * 10, [])
@example([], [])
def test_files_are_cut_by_the_rows_alone(keys: list[int | None], cuts: list[int]) -> None:
    """A full file ends at the next change of the key and never has more than the most; how rows come in changes nothing."""
    keys = in_order(keys)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        files = write(Path(one), keys, cuts)
        again = write(Path(other), keys, [])
        assert [file.rows for file in files] == lengths(keys)
        assert [file.sha256 for file in files] == [file.sha256 for file in again]
        _check(files, keys)


@given(KEYS, CUTS)
def test_without_a_key_files_are_of_one_length(keys: list[int | None], cuts: list[int]) -> None:
    """Without a key every file but the last has the most rows, and no key range is recorded."""
    with tempfile.TemporaryDirectory() as folder:
        files = write(Path(folder), keys, cuts, key=None)
        assert [file.rows for file in files] == lengths(keys, keyed=False)
        assert {(file.key_min, file.key_max) for file in files} == {(None, None)}


def _check(files: tuple[StagedFile, ...], keys: list[int | None]) -> None:
    """Check that files hold the rows in order, and are what is said of them."""
    held: list[int] = []
    for number, file in enumerate(files):
        content = pq.ParquetFile(file.path)
        part = content.read()
        values = [key for key in part["key"].to_pylist() if key is not None]
        assert (file.key_min, file.key_max) == ((min(values), max(values)) if values else (None, None))
        assert file.path.name == f"run-part-{number:05d}.parquet"
        assert (file.bytes, file.rows) == (file.path.stat().st_size, part.num_rows)
        assert file.sha256 == hashlib.sha256(file.path.read_bytes()).hexdigest()
        groups = [content.metadata.row_group(i).num_rows for i in range(content.num_row_groups)]
        assert all(rows <= GROUP for rows in groups)
        held += part["n"].to_pylist()
    assert held == list(range(len(keys)))


def test_a_table_without_rows_is_one_file(tmp_path: Path) -> None:
    """No rows, come they as no table, as one or as many empty ones, make one file with the columns."""
    empty = SCHEMA.empty_table()
    for number, tables in enumerate(([], [empty], [empty, empty, empty])):
        [file] = FileWriter(tmp_path / str(number), "run", SCHEMA, key="key").write(tables)
        assert (file.rows, pq.read_schema(file.path)) == (0, SCHEMA)


def test_a_source_that_fails_leaves_no_file(tmp_path: Path) -> None:
    """When the rows stop coming with an error, what was begun is not there, and nothing lies beside it."""

    def failing() -> object:
        yield pa.table([[1], [1]], schema=SCHEMA)
        msg = "gone"
        raise ConnectionError(msg)

    with pytest.raises(ConnectionError):
        FileWriter(tmp_path, "run", SCHEMA, key="key").write(failing())  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
