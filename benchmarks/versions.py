"""Two versions at scale: what keeping the older one as layers saves and costs, and what comparing them takes.

    python -m benchmarks.versions --scale 20m

The second version has one root in a hundred edited, so that about two rows in a hundred differ. Each question is put to
the older version while it is whole and when it is layers, several times over; printed is the least time of each.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.machine import SCALES, machine
from benchmarks.rows import pieces
from crantdb.analysis.versions import changes, diff
from crantdb.sync.finish import Forms, finish
from crantdb.warehouse.catalog import connect, scan
from crantdb.warehouse.commit import Change, TableFacts, commit
from crantdb.warehouse.expire import Rules, expire
from crantdb.warehouse.layout import Warehouse, create_warehouse
from crantdb.warehouse.memory import parse_bytes
from crantdb.warehouse.snapshot import current, read_snapshot
from crantdb.warehouse.staging import StagingKey, open_staging

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
VOXELS = {f"voxel_resolution_{axis}": size for axis, size in zip("xyz", (8, 8, 42), strict=True)}
EDITED, MOVED = 100, 2**40
COPIES = ("synapses_v2", "synapses_by_post", "synapse_ids")


def edited(piece: pa.Table) -> pa.Table:
    """Return synapses after one root in a hundred got another id."""
    for name in ("pre_pt_root_id", "post_pt_root_id"):
        roots = np.asarray(pc.fill_null(piece[name], 0))
        moved = (roots > 1) & (roots % EDITED == 7)
        column = pa.array(np.where(moved, roots + MOVED, roots), mask=np.asarray(piece[name].is_null()))
        piece = piece.set_column(piece.column_names.index(name), name, column)
    return piece


def build(warehouse: Warehouse, rows: int, version: int, memory_bytes: int) -> None:
    """Make a version of generated synapses."""
    as_of = FIRST + timedelta(days=7 * version)
    key = StagingKey(
        "http://bench", "bench", "cave", "synapses_v2", version, as_of.isoformat(), "id", unique=True
    )
    staging = open_staging(warehouse, key)
    for number, piece in enumerate(pieces(rows)):
        staging.add(f"[{number},{number + 1})", edited(piece) if version == 2 else piece)
    facts = TableFacts("table", VOXELS, as_of, as_of, "generated")
    made = finish(staging, facts, expected_rows=rows, forms=Forms("synapses_v2", (), memory_bytes))
    info = {"synapse_table": "synapses_v2"}
    commit(
        warehouse,
        Change(current(warehouse), "bench", "bench", "http://bench", info, None, version, as_of, made),
    )
    staging.discard()


def own_bytes(warehouse: Warehouse, version: int) -> dict[str, int]:
    """Return the bytes that are there for each of a version's tables alone."""
    snapshot = read_snapshot(warehouse)
    state = read_snapshot(warehouse, snapshot.versions[version]).state_of(version)
    tables = {} if state is None else state.tables
    return {table.name: sum(file.bytes for file in table.own) for table in tables.values()}


def questions(root: Path) -> dict[str, Callable[[], int]]:
    """Return questions to version 1, each on a connection of its own that stays open."""
    con = connect(root, version=1)
    found = con.sql(
        "SELECT pre_root_id FROM edges WHERE pre_root_id > 1 GROUP BY 1 ORDER BY sum(syn_count) DESC LIMIT 3"
    ).fetchall()
    [(some,)] = con.sql("SELECT id FROM synapse_ids LIMIT 1 OFFSET 77777").fetchall()
    one = found[2][0]
    columns = "id, pre_pt_root_id, post_pt_root_id, size"

    def ask(query: str) -> Callable[[], int]:
        return lambda: con.sql(query).pl().height

    return {
        "connect(version=1)": lambda: len(connect(root, version=1).sql("FROM snapshot").fetchall()),
        "out-synapses of one neuron": ask(f"SELECT {columns} FROM synapses WHERE pre_pt_root_id = {one}"),
        "in-synapses of one neuron": ask(
            f"SELECT {columns} FROM synapses_by_post WHERE post_pt_root_id = {one}"
        ),
        "a synapse by id": ask(f"FROM synapse([{some}])"),
        "count and sum over all": ask("SELECT count(*), sum(size::DOUBLE) FROM synapses"),
        "scan: out-synapses in polars": lambda: (
            scan("synapses", root, version=1)
            .filter(pre_pt_root_id=one)
            .select(columns.split(", "))
            .collect()
            .height
        ),
    }


def least(answer: Callable[[], int], times: int) -> tuple[float, int]:
    """Return the least time of an answer, and its rows."""
    best, rows = float("inf"), 0
    for _ in range(times):
        start = time.perf_counter()
        rows = answer()
        best = min(best, time.perf_counter() - start)
    return best, rows


def compared(root: Path, how: str, times: int) -> None:
    """Print what comparing the two versions takes."""
    with connect(root, versions=[1, 2]) as con:
        for kind in ("roots", "edges", "synapses"):
            seconds, _ = least(
                lambda kind=kind: changes(con, kind, 1, 2).aggregate("count(*)").fetchall()[0][0],  # type: ignore[misc]
                times,
            )
            print(f"  {kind}: {seconds:.2f} s ({how})")
        start = time.perf_counter()
        found = diff(con, 1, 2)
        print(f"  all counts, rows of every column compared: {time.perf_counter() - start:.2f} s ({how})")
    for what, table, change, rows in found.rows():
        print(f"    {what:<9} {table:<18} {change:<11} {rows:>12,}")


def main() -> None:
    """Build two versions, make layers of the older one, print what each costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", choices=SCALES, default="1m")
    parser.add_argument("--memory", default="4GB")
    parser.add_argument("--times", type=int, default=5)
    args = parser.parse_args()
    rows, memory_bytes = SCALES[args.scale], parse_bytes(args.memory)
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        warehouse = create_warehouse(Path(folder) / "warehouse", "")
        for version in (1, 2):
            start = time.perf_counter()
            build(warehouse, rows, version, memory_bytes)
            print(
                f"version {version}: {rows:,} synapses in five forms in {time.perf_counter() - start:.0f} s"
            )
        measure(warehouse, memory_bytes, args.times)
    print(f"peak RSS {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9:.2f} GB")


def measure(warehouse: Warehouse, memory_bytes: int, times: int) -> None:
    """Print sizes and times, before and after version 1 became layers."""
    root = warehouse.root
    whole = own_bytes(warehouse, 1)
    before = {name: least(answer, times) for name, answer in questions(root).items()}
    print("diff of two whole versions")
    compared(root, "whole", times)
    start = time.perf_counter()
    done = expire(warehouse, Rules(9, None, 0, full_versions=1), memory_bytes=memory_bytes)
    seconds = time.perf_counter() - start
    if done is None or done.layered != (1,):
        msg = "version 1 did not become layers"
        raise SystemExit(msg)
    thin = own_bytes(warehouse, 1)
    copies, layer = sum(whole[name] for name in COPIES), thin[COPIES[0]]
    edges = sum(size for name, size in whole.items() if name not in COPIES)
    print(f"version 1 compared, written as a layer and held against the whole in {seconds:.1f} s")
    print(f"  main table whole {whole[COPIES[0]] / 1e6:.1f} MB, with its two copies {copies / 1e6:.1f} MB")
    print(f"  the layer, for all three: {layer / 1e6:.2f} MB = 1/{copies / layer:.0f}")
    print(f"  edges, whole in both: {edges / 1e6:.1f} MB")
    print("version 1 whole → as layers, the least of each")
    for name, answer in questions(root).items():
        (was, rows), (now, rows_now) = before[name], least(answer, times)
        same = "" if rows == rows_now else f" OTHER ROWS: {rows} and {rows_now}"
        print(
            f"  {name:<30} {was * 1000:>8.1f} ms → {now * 1000:>8.1f} ms = {now / was:.1f}x ({rows:,} rows){same}"
        )
    print("diff of layers and a whole version")
    compared(root, "layers", times)


if __name__ == "__main__":
    main()
