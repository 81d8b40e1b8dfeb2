"""The next version of a synapse table by what changed, beside fetching it in full, over loopback.

    python -m benchmarks.delta --scale 20m

One root in a hundred is edited between the two versions, so that about two rows in a hundred change. The sandbox
runs in a process of its own; the chunkedgraph's part (which roots are new) is played here, for a history of so many
synapses would take longer to make than all that is measured.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from benchmarks.machine import SCALES, machine
from benchmarks.rows import pieces
from crantdb.config import Config, config_text
from crantdb.sandbox import Datastack, GivenTable, Sandbox, Version
from crantdb.sources.cave import CaveOptions
from crantdb.sources.opening import open_cave
from crantdb.sync.delta import run as delta_run
from crantdb.sync.run import sync
from crantdb.sync.selection import Wish
from crantdb.warehouse.layout import create_warehouse, open_warehouse

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from numpy.typing import NDArray

    from crantdb.sync.run import SyncReport

TABLE = "synapses_v2"
ROOTS = ("pre_pt_root_id", "post_pt_root_id")
FIRST = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = FIRST + timedelta(days=3)
NEW = 1 << 40
"""What an edited root's id grows by."""


@dataclass(frozen=True)
class Played:
    """The chunkedgraph's part: the roots that an edit retired, each made into one new root."""

    retired: NDArray[np.int64]

    def delta_roots(self, past: datetime, future: datetime) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the roots retired and born: all in the window that ends with the later version."""
        if past <= LATER <= future:
            return self.retired, self.retired + NEW
        return self.retired[:0], self.retired[:0]

    def is_latest(self, roots: NDArray[np.int64], _at: datetime) -> NDArray[np.bool_]:
        """Return whether each root stands at the later version, the only moment that is asked for."""
        return ~np.isin(roots, self.retired)


def edited_roots(rows: pa.Table) -> NDArray[np.int64]:
    """Return one root in a hundred, drawn by chance."""
    roots = np.unique(rows[ROOTS[0]].drop_null().to_numpy())
    roots = roots[roots > 1]
    drawn = np.random.default_rng(5).choice(roots, max(1, len(roots) // 100), replace=False)
    return np.sort(drawn)


def after_edits(rows: pa.Table, retired: NDArray[np.int64]) -> pa.Table:
    """Return the rows of the later version."""
    for name in ROOTS:
        values = rows[name].combine_chunks()
        known = np.asarray(values.fill_null(0))
        new = np.where(np.isin(known, retired), known + NEW, known)
        array = pa.array(new, mask=np.asarray(values.is_null()))
        rows = rows.set_column(rows.column_names.index(name), name, array)
    return rows


def serve(count: int, pipe: Connection) -> None:
    """Serve both versions until told to stop."""
    rows = pa.concat_tables(pieces(count)).combine_chunks()
    retired = edited_roots(rows)
    versions = tuple(
        Version(number, moment, tables=(GivenTable(TABLE, table),))
        for number, moment, table in ((1, FIRST, rows), (2, LATER, after_edits(rows, retired)))
    )
    stack = Datastack("bench", versions, synapse_table=TABLE)
    with Sandbox(stack, row_limit=200_000, rows_in_order=True) as sandbox:
        pipe.send((sandbox.url, retired))
        pipe.recv()


def bring(url: str, folder: Path, version: int, *, full: bool = False) -> SyncReport:
    """Sync a version into a warehouse, made when it is not there."""
    options = CaveOptions(parallel=4)
    there = folder.is_dir()
    warehouse = open_warehouse(folder) if there else create_warehouse(folder, config_text("bench", url))
    cave = open_cave("bench", url, None, options)
    return sync(cave, warehouse, Config("bench", url), Wish(version, full=full), memory="8GB")


def told(report: SyncReport, seconds: float, name: str) -> None:
    """Print what a sync took."""
    table = report.snapshot.main.tables[f"cave.{TABLE}"]
    fetched = table.source.get("delta", {}).get("rows_fetched", table.rows)
    print(
        f"{name}: {seconds:.1f} s, {report.requests:,} requests, {report.bytes_received / 1e6:,.0f} MB received, "
        f"{fetched:,} rows fetched = {fetched / table.rows:.1%} of {table.rows:,} ({table.completeness})"
    )


def main() -> None:
    """Run the measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", choices=SCALES, default="1m")
    parser.add_argument("--folder", type=Path, help="where the files go (default: a temporary folder)")
    options = parser.parse_args()
    print(machine())
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    server = context.Process(target=serve, args=(SCALES[options.scale], theirs), daemon=True)
    server.start()
    url, retired = ours.recv()
    delta_run.open_chunkedgraph = lambda _cave: Played(retired)  # type: ignore[assignment,return-value]
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        here = Path(place) / "here"
        bring(url, here, 1)
        for name, folder, full in (
            ("by what changed", here, False),
            ("in full", Path(place) / "whole", True),
        ):
            start = time.perf_counter()
            report = bring(url, folder, 2, full=full)
            told(report, time.perf_counter() - start, name)
    print(f"peak RSS {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB")
    ours.send("stop")
    server.join()


if __name__ == "__main__":
    main()
