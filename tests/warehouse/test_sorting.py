"""Sorted files hold whole keys, in order, and their bytes tell nothing of pieces, threads or memory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from crantdb.warehouse.durable import sha256_of
from crantdb.warehouse.sorting import rows_of as rows_in
from crantdb.warehouse.sorting import write_sorted

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from crantdb.warehouse.files import StagedFile

KEYS = st.lists(st.one_of(st.none(), st.integers(0, 9), st.just(2**62)), max_size=300)


def sorted_files(
    folder: Path, pieces: list[pa.Table], *, full_rows: int, threads: int = 2, memory: str = "1GB"
) -> tuple[StagedFile, ...]:
    """Write pieces, then sort them by (key, id)."""
    sources = []
    for number, piece in enumerate(pieces):
        sources.append(folder / f"{number}.parquet")
        pq.write_table(piece, sources[-1])
    with duckdb.connect(":memory:") as con, ThreadPoolExecutor(1) as pool:
        con.execute(f"SET threads = {threads}")
        con.execute(f"SET memory_limit = '{memory}'")
        con.execute(f"SET temp_directory = '{folder / 'spill'}'")
        con.execute("SET disabled_optimizers = 'statistics_propagation'")
        return write_sorted(
            con,
            rows_in(con, sources),
            ["key", "id"],
            order=("key", "id"),
            into=folder / "done" / "run",
            summing=pool,
            full_rows=full_rows,
        )


def rows_of(keys: list[int | None]) -> pa.Table:
    """Return rows with these keys, numbered."""
    return pa.table({"key": pa.array(keys, pa.int64()), "id": pa.array(range(len(keys)), pa.int64())})


@given(keys=KEYS, full_rows=st.integers(1, 120))
@settings(max_examples=40, deadline=None)
def test_files_hold_whole_keys_in_order(
    tmp_path_factory: pytest.TempPathFactory, keys: list[int | None], full_rows: int
) -> None:
    """Whatever the keys, the files one after the other are the rows in order, and no key lies in two of them."""
    files = sorted_files(tmp_path_factory.mktemp("s"), [rows_of(keys)], full_rows=full_rows)
    parts = [pq.read_table(file.path) for file in files]
    assert pa.concat_tables(parts).equals(rows_of(keys).sort_by([("key", "ascending"), ("id", "ascending")]))
    held = [set(part["key"].to_pylist()) for part in parts]
    assert all(not one & other for one, other in pairwise(held))
    assert all(part.num_rows >= full_rows for part in parts[:-1])
    for file, part in zip(files, parts, strict=True):
        there = [key for key in part["key"].to_pylist() if key is not None]
        assert (file.rows, file.bytes) == (part.num_rows, file.path.stat().st_size)
        assert (file.key_min, file.key_max) == ((min(there), max(there)) if there else (None, None))
        assert file.sha256 == sha256_of(file.path)


def test_bytes_tell_nothing_of_threads_memory_and_pieces(tmp_path: Path) -> None:
    """The same rows give the same bytes on one thread or four, in much memory or little, from one piece or from nine."""
    keys = np.random.default_rng(7).integers(0, 5000, 400_000)
    rows = rows_of(keys.tolist())
    ways = {
        "one": ([rows], 1, "1GB"),
        "four": ([rows], 4, "1GB"),
        "little memory": ([rows], 2, "24MB"),
        "pieces": ([rows.slice(at, 50_000) for at in range(350_000, -1, -50_000)], 2, "1GB"),
    }
    sums = {}
    for name, (pieces, threads, memory) in ways.items():
        folder = tmp_path / name
        folder.mkdir()
        files = sorted_files(folder, pieces, full_rows=150_000, threads=threads, memory=memory)
        sums[name] = [file.sha256 for file in files]
        assert len(files) == 3
    assert len({tuple(value) for value in sums.values()}) == 1
