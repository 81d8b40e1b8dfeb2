"""From the store to a folder of SWC: neurons a second, beside the least that any program could take.

Run it as ``python -m benchmarks.l2 [--neurons 2000]``. A warehouse of generated L2 graphs of CRANTb's size (100 to 900
L2 ids, 1 % of them unknown to the cache) is written, then `write_swc` is timed: read the graphs, make the skeletons,
write a file each. The floor reads the same columns once and writes the same bytes under the same names.
"""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

import crantdb
from benchmarks.machine import machine
from benchmarks.skeletons import case
from crantdb.analysis.swc import SwcWish, write_swc
from crantdb.config import config_text
from crantdb.morphology.many import to_swc_many
from crantdb.morphology.store import read_l2
from crantdb.sync.l2_staging import ORDERS, SCHEMAS
from crantdb.warehouse.commit import Change, TableFacts, commit
from crantdb.warehouse.layout import create_warehouse
from crantdb.warehouse.staging import StagingKey
from crantdb.warehouse.validate import validate
from crantdb.warehouse.whole import stage_whole

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

    from crantdb.warehouse.layout import Warehouse

ROOT = 576460752303423488
SEGMENTS = 1000
MISSING = 0.01
INFO = {
    "graph": {
        "chunk_size": [512, 512, 256],
        "cv_mip": 0,
        "n_bits_for_layer_id": 8,
        "spatial_bit_masks": {"1": 10, "2": 10, "8": 1},
    },
    "scales": [{"resolution": [16, 16, 42], "voxel_offset": [1024, 1024, 0]}],
}


def tables(neurons: int) -> dict[str, pa.Table]:
    """Return the L2 tables of so many neurons."""
    rng = np.random.default_rng(7)
    members, edges, nodes = [], [], []
    for number in range(neurons):
        one = case(int(np.clip(rng.lognormal(5.9, 0.45), 100, 900)), seed=number)
        ids, root = one.ids + number * SEGMENTS, ROOT + number
        pairs = np.unique(np.sort(one.edges + number * SEGMENTS, axis=1), axis=0)
        pairs = pairs[pairs[:, 0] < pairs[:, 1]]
        known = rng.random(len(ids)) >= MISSING
        members.append(pa.table({"root_id": np.full(len(ids), root), "l2_id": np.sort(ids)}))
        edges.append(
            pa.table({"root_id": np.full(len(pairs), root), "l2_a": pairs[:, 0], "l2_b": pairs[:, 1]})
        )
        nodes.append(_nodes(ids[known], one.xyz[known], one.radius[known]))
    made = {"l2_members": members, "l2_edges": edges, "l2_nodes": nodes}
    ordered = {
        name: pa.concat_tables(parts).sort_by([(key, "ascending") for key in ORDERS[name]])
        for name, parts in made.items()
    }
    return {name: table.cast(SCHEMAS[name]) for name, table in ordered.items()}


def _nodes(ids: np.ndarray, xyz: np.ndarray, radius: np.ndarray) -> pa.Table:
    """Return what a cache would know of L2 ids."""
    whole = {"l2_id": ids, **{f"{axis}_nm": xyz[:, at] for at, axis in enumerate("xyz")}}
    sizes = {"size_nm3": np.full(len(ids), 10**9), "area_nm2": np.full(len(ids), 10**7)}
    radii = {"max_dt_nm": radius, "mean_dt_nm": radius / 2}
    axes = {
        name: pa.nulls(len(ids), SCHEMAS["l2_nodes"].field(name).type)
        for name in ("pca", "pca_val", "intersects")
    }
    return pa.table({**whole, **sizes, **radii, **axes})


def store(folder: Path, neurons: int) -> Warehouse:
    """Return a warehouse of so many neurons."""
    warehouse = create_warehouse(folder, config_text("ants", "http://127.0.0.1:1"))
    said = TableFacts("log", {}, datetime.now(UTC), None, "made here")
    appended = []
    for name, table in tables(neurons).items():
        key = StagingKey("http://127.0.0.1:1", "ants", "l2", name, None, "", ORDERS[name][0], unique=False)
        staged = stage_whole(warehouse, key, SCHEMAS[name], [table], order=ORDERS[name])
        appended.append((validate(staged, rows_expected=table.num_rows), said))
    commit(
        warehouse,
        Change(
            parent=None,
            operation="benchmark",
            datastack="ants",
            server="http://127.0.0.1:1",
            info={},
            chunkedgraph=INFO,
            version=None,
            as_of=None,
            tables=[],
            appended=appended,
        ),
    )
    return warehouse


def floor(con: duckdb.DuckDBPyConnection, swc: Path, folder: Path) -> float:
    """Return the seconds of reading every column that is used, once, and of writing the same files."""
    contents = {path.name: path.read_bytes() for path in sorted(swc.glob("*.swc"))}
    folder.mkdir()
    start = time.perf_counter()
    for columns, table in (
        ("root_id, l2_id", "l2_members"),
        ("root_id, l2_a, l2_b", "l2_edges"),
        ("l2_id, x_nm, y_nm, z_nm, max_dt_nm", "l2_nodes"),
    ):
        con.sql(f"SELECT {columns} FROM {table}").to_arrow_table()
    for name, content in contents.items():
        beside = folder / f".{name}.part"
        beside.write_bytes(content)
        beside.replace(folder / name)
    return time.perf_counter() - start


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--neurons", type=int, default=2000)
    asked = parser.parse_args()
    print(machine())
    with TemporaryDirectory() as place:
        folder = Path(place)
        warehouse = store(folder / "wh", asked.neurons)
        roots = np.arange(ROOT, ROOT + asked.neurons)
        with crantdb.connect(warehouse.root) as con:
            [(ids,)] = con.sql("SELECT count(*) FROM l2_members").fetchall()
            print(
                f"{asked.neurons:,} neurons, {ids:,} L2 ids, mean {ids / asked.neurons:.0f}, 1 % unknown to the cache"
            )
            write_swc(con, roots[:50], folder / "warm")
            whole = timed(lambda: write_swc(con, roots, folder / "swc"))
            again = timed(lambda: write_swc(con, roots, folder / "swc"))
            one = timed(lambda: write_swc(con, roots[:1], folder / "one"))
            read = timed(lambda: list(read_l2(con, roots)))
            given = [neuron.given() for neuron in read_l2(con, roots)]
            made = timed(lambda: to_swc_many(given, missing="drop"))
            both = timed(lambda: write_swc(con, roots, folder / "two", SwcWish(workers=2)))
            least = floor(con, folder / "swc", folder / "floor")
    count = asked.neurons
    print(
        f"store to folder: {whole:.2f} s, {count / whole:,.0f} neurons/s ({1e3 * whole / count:.2f} ms a neuron)"
    )
    print(f"  of which reading {read:.2f} s; skeletons and text (from arrays) {made:.2f} s")
    print(
        f"  floor (read the columns, write the files): {least:.2f} s; share of the floor {least / whole:.0%}"
    )
    print(f"all up to date: {again:.2f} s; one neuron alone: {1e3 * one:.0f} ms")
    print(f"two processes: {both:.2f} s, {count / both:,.0f} neurons/s")


if __name__ == "__main__":
    main()
