"""Synapses at scale: what arranging them costs, and what it buys, against the rivals in the same run.

    python -m benchmarks.synapses --scale 20m

Rivals: DuckDB and polars on an unsorted file as labs keep it (pyarrow's defaults), polars on its best file (ours,
read directly), and the pandas way of crantpy: a frame of all synapses in memory, filtered and grouped.
Each question is put to all in turn, several times over; printed is the least time of each, and the ratio.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import polars as pl
import pyarrow.parquet as pq

from benchmarks.machine import SCALES, cores_at_hand, machine
from benchmarks.rows import pieces
from crantdb.sync.finish import Forms, finish
from crantdb.warehouse.arrange import ID, POST, PRE
from crantdb.warehouse.catalog import connect, scan
from crantdb.warehouse.commit import Change, TableFacts, commit
from crantdb.warehouse.layout import Warehouse, create_warehouse
from crantdb.warehouse.memory import parse_bytes
from crantdb.warehouse.parquet import ROW_GROUP_ROWS
from crantdb.warehouse.sorting import rows_of, sorting, write_sorted
from crantdb.warehouse.staging import Staging, StagingKey, open_staging

if TYPE_CHECKING:
    from collections.abc import Callable

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
VOXELS = {f"voxel_resolution_{axis}": size for axis, size in zip("xyz", (8, 8, 42), strict=True)}


@dataclass(frozen=True)
class Question:
    """One question: ours, and the rivals by name. Each callable answers it once and returns the rows it found."""

    name: str
    ours: Callable[[], int]
    rivals: dict[str, Callable[[], int]]


def stage(warehouse: Warehouse, unsorted: Path, rows: int) -> Staging:
    """Stage generated synapses, and write the same rows unsorted as labs keep them."""
    key = StagingKey("http://bench", "bench", "cave", "synapses_v2", 1, AS_OF.isoformat(), "id", unique=True)
    staging = open_staging(warehouse, key)
    writer: pq.ParquetWriter | None = None
    for number, piece in enumerate(pieces(rows)):
        staging.add(f"[{number},{number + 1})", piece)
        writer = writer or pq.ParquetWriter(unsorted, piece.schema)
        writer.write_table(piece)
    if writer is not None:
        writer.close()
    return staging


def build(folder: Path, rows: int, memory: str) -> Path:
    """Make a warehouse of generated synapses; print what arranging them took."""
    warehouse = create_warehouse(folder / "warehouse", "")
    start = time.perf_counter()
    staging = stage(warehouse, folder / "unsorted.parquet", rows)
    print(f"staged {rows:,} generated rows in {time.perf_counter() - start:.0f} s, making them included")
    facts = TableFacts("table", VOXELS, AS_OF, AS_OF, "generated")
    start = time.perf_counter()
    made = finish(staging, facts, expected_rows=rows, forms=Forms("synapses_v2", (), parse_bytes(memory)))
    seconds = time.perf_counter() - start
    peak, cores = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, cores_at_hand()
    print(
        f"five tables sorted, written, summed and checked in {seconds:.1f} s = {rows / seconds / 1e6:.2f}M rows/s = "
        f"{rows / seconds / cores / 1e6:.2f}M rows/s/core; peak RSS {peak / 1e9:.2f} GB ({memory} promised)"
    )
    for valid, _ in made:
        size = sum(file.bytes for file in valid.staged.files)
        print(f"  {valid.staged.key.table:<17} {valid.staged.rows:>12,} rows {size / rows:>6.1f} B/synapse")
    main_alone(staging, memory)
    info = {"synapse_table": "synapses_v2"}
    commit(warehouse, Change(None, "bench", "bench", "http://bench", info, None, 1, AS_OF, made))
    staging.discard()
    return warehouse.root


def main_alone(staging: Staging, memory: str) -> None:
    """Print what the main table alone takes: sorted, written and summed, and as a bare COPY of DuckDB, in turn."""
    least = {"ours": float("inf"), "DuckDB's bare COPY": float("inf")}
    for _ in range(2):
        for name, write in (("ours", _ours), ("DuckDB's bare COPY", _bare_copy)):
            with sorting(staging, parse_bytes(memory)) as con:
                start = time.perf_counter()
                write(staging, con)
                least[name] = min(least[name], time.perf_counter() - start)
            shutil.rmtree(staging.folder / "alone")
    for name, seconds in least.items():
        speed = staging.rows / seconds / cores_at_hand() / 1e6
        print(f"  main table alone, {name}: {seconds:.1f} s = {speed:.2f}M rows/s/core")


def _ours(staging: Staging, con: duckdb.DuckDBPyConnection) -> None:
    """Write the main table as `arrange` does."""
    with ThreadPoolExecutor(1) as pool:
        columns, into = staging.schema().names, staging.folder / "alone" / "x"
        write_sorted(
            con, rows_of(con, staging.files()), columns, order=(PRE, POST, ID), into=into, summing=pool
        )


def _bare_copy(staging: Staging, con: duckdb.DuckDBPyConnection) -> None:
    """Write the main table with one statement of DuckDB's: one file, neither flushed nor summed."""
    (staging.folder / "alone").mkdir()
    rows = con.from_parquet([str(path) for path in staging.files()], hive_partitioning=False)
    con.execute(
        f"COPY ({rows.order(f'{PRE}, {POST}, {ID}').sql_query()}) TO '{staging.folder / 'alone' / 'x.parquet'}' "
        f"(FORMAT parquet, PARQUET_VERSION 'V2', COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP_ROWS})"
    )


def questions(root: Path, unsorted: Path, *, pandas: bool) -> list[Question]:
    """Return the questions, each to every contestant."""
    con, plain = connect(root), duckdb.connect(":memory:")
    plain.from_parquet(str(unsorted)).create_view("s")
    busy = con.sql(
        "SELECT pre_root_id FROM edges GROUP BY 1 HAVING pre_root_id > 0 ORDER BY sum(syn_count) DESC LIMIT 3"
    )
    one = busy.fetchall()[2][0]
    [(wanted,)] = con.sql("SELECT id FROM synapse_ids LIMIT 1 OFFSET 77777").fetchall()
    some = [
        root
        for (root,) in con.sql(
            "SELECT DISTINCT pre_root_id FROM edges WHERE pre_root_id > 0 LIMIT 5000"
        ).fetchall()
    ]
    found = [
        _lookup("out-synapses of one neuron", "pre_pt_root_id", "synapses", one, con, plain, root, unsorted),
        _lookup(
            "in-synapses of one neuron",
            "post_pt_root_id",
            "synapses_by_post",
            one,
            con,
            plain,
            root,
            unsorted,
        ),
        Question(
            "a synapse by id",
            lambda: len(con.execute("FROM synapse([?])", [wanted]).fetchall()),
            {"DuckDB, unsorted": lambda: len(plain.execute("FROM s WHERE id = ?", [wanted]).fetchall())},
        ),
        Question(
            "in-synapses, whole rows joined back",
            lambda: len(con.execute(_JOINED_BACK, [one]).fetchall()),
            {
                "DuckDB, unsorted": lambda: len(
                    plain.execute("FROM s WHERE post_pt_root_id = ?", [one]).fetchall()
                )
            },
        ),
    ]
    return found + (_pandas_questions(con, root, unsorted, some) if pandas else [])


_JOINED_BACK = """
    SELECT s.* FROM synapses AS s
    JOIN (SELECT id, pre_pt_root_id FROM synapses_by_post WHERE post_pt_root_id = ?1) AS mine
        ON s.id = mine.id AND s.pre_pt_root_id IS NOT DISTINCT FROM mine.pre_pt_root_id
    WHERE s.post_pt_root_id = ?1
"""


def _lookup(  # noqa: PLR0917 - a row of a table of questions
    name: str,
    column: str,
    view: str,
    root_id: int,
    con: duckdb.DuckDBPyConnection,
    plain: duckdb.DuckDBPyConnection,
    root: Path,
    unsorted: Path,
) -> Question:
    """Return the question for the synapses on one side of one neuron, narrow columns."""
    columns = ["id", "pre_pt_root_id", "post_pt_root_id", "size"]
    chosen = ", ".join(columns)
    mine = pl.col(column) == root_id
    return Question(
        name,
        lambda: con.sql(f"SELECT {chosen} FROM {view} WHERE {column} = ?", params=[root_id]).pl().height,
        {
            "polars, best file": lambda: scan(view, root).filter(mine).select(columns).collect().height,
            "DuckDB, unsorted": lambda: (
                plain.sql(f"SELECT {chosen} FROM s WHERE {column} = ?", params=[root_id]).pl().height
            ),
            "polars, unsorted": lambda: (
                pl.scan_parquet(unsorted).filter(mine).select(columns).collect().height
            ),
        },
    )


def _pandas_questions(
    con: duckdb.DuckDBPyConnection, root: Path, unsorted: Path, some: list[int]
) -> list[Question]:
    """Return the questions that crantpy answers from a frame in memory."""
    start = time.perf_counter()
    # NULLs go before pandas comes: beside a NULL it would make floats of the ids.
    rows = pl.read_parquet(unsorted, columns=["id", "pre_pt_root_id", "post_pt_root_id"]).drop_nulls()
    frame = rows.to_pandas()
    print(
        f"pandas: a frame of {len(frame):,} rows loaded in {time.perf_counter() - start:.1f} s (not timed below)"
    )
    pair = ["pre_pt_root_id", "post_pt_root_id"]

    def adjacency() -> int:
        """As crantpy's `get_adjacency` counts: the synapses among the neurons, autapses and root 0 left out."""
        chosen = frame[frame[pair[0]].isin(some) & frame[pair[1]].isin(some)]
        chosen = chosen[chosen[pair[0]] != chosen[pair[1]]]
        chosen = chosen[(chosen[pair[0]] != 0) & (chosen[pair[1]] != 0)]
        return len(chosen.groupby(pair).size().reset_index(name="weight"))

    def edge_list() -> int:
        """As crantpy's `get_connectivity` does: each synapse once, pairs counted, thresholded, strongest first."""
        counts = frame.drop_duplicates("id").groupby(pair).size().reset_index(name="weight")
        return len(counts[counts["weight"] >= 5].sort_values("weight", ascending=False))

    among = "FROM edges SEMI JOIN (SELECT unnest(?) AS n) ON pre_root_id = n"
    ours = (
        f"SELECT pre_root_id, post_root_id, syn_count FROM ({among}) "
        "SEMI JOIN (SELECT unnest(?) AS n) ON post_root_id = n WHERE pre_root_id <> post_root_id"
    )
    return [
        Question(
            f"adjacency of {len(some):,} neurons",
            lambda: con.sql(ours, params=[some, some]).pl().height,
            {"pandas, in memory": adjacency},
        ),
        Question(
            "whole-brain edge list, 5 synapses or more",
            lambda: (
                con.sql(
                    "SELECT pre_root_id, post_root_id, syn_count FROM edges WHERE syn_count >= 5 ORDER BY 3 DESC"
                )
                .pl()
                .height
            ),
            {
                "our own scan": lambda: (
                    scan("edges", root)
                    .filter(pl.col("syn_count") >= 5)
                    .select("pre_root_id", "post_root_id", "syn_count")
                    .sort("syn_count", descending=True)
                    .collect()
                    .height
                ),
                "pandas, in memory": edge_list,
            },
        ),
    ]


def ask(question: Question, times: int) -> None:
    """Put a question to everybody in turn, `times` over; print the least times and the ratios."""
    contestants = {"crantdb": question.ours} | question.rivals
    least = dict.fromkeys(contestants, float("inf"))
    rows: dict[str, int] = {}
    for _ in range(times):
        for name, answer in contestants.items():
            start = time.perf_counter()
            rows[name] = answer()
            least[name] = min(least[name], time.perf_counter() - start)
    if len(set(rows.values())) != 1:
        msg = f"{question.name}: the contestants disagree: {rows}"
        raise AssertionError(msg)
    print(f"{question.name}: {rows['crantdb']:,} rows, crantdb {least['crantdb'] * 1000:.1f} ms")
    for name in question.rivals:
        print(f"    {name:<18} {least[name] * 1000:>9.1f} ms   {least[name] / least['crantdb']:>8.2f} x ours")


def main() -> None:
    """Run the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", choices=SCALES, default="1m")
    parser.add_argument("--memory", default="8GB")
    parser.add_argument("--folder", type=Path, help="where the files go (default: a temporary folder)")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--no-pandas", action="store_true", help="leave the pandas way out (it needs memory)")
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        root = build(Path(place), SCALES[options.scale], options.memory)
        for question in questions(root, Path(place) / "unsorted.parquet", pandas=not options.no_pandas):
            ask(question, options.times)


if __name__ == "__main__":
    main()
