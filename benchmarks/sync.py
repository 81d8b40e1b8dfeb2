"""A sync over loopback: rows a second, whose time it is, memory; and the time to connect.

    python -m benchmarks.sync --scale 1m

The sandbox runs in a process of its own, so that its time is not ours. Rival for the fetch: caveclient's own
`query_table` over the same ranges, into pandas, as labs do it today.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.machine import SCALES, machine
from benchmarks.rows import synapses
from crantdb.config import Config, config_text
from crantdb.sandbox import GivenTable, Sandbox, datastack_from_tables
from crantdb.sources.cave import CaveOptions
from crantdb.sources.opening import open_cave
from crantdb.sync.run import sync
from crantdb.sync.selection import Wish
from crantdb.warehouse.catalog import connect
from crantdb.warehouse.layout import create_warehouse

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

ROW_LIMIT = 200_000


def serve(rows: int, pipe: Connection) -> None:
    """Serve the rows until told to stop."""
    table = GivenTable("synapses_v2", synapses(rows))
    datastack = datastack_from_tables([table], name="bench", synapse_table="synapses_v2")
    with Sandbox(datastack, row_limit=ROW_LIMIT) as sandbox:
        pipe.send(sandbox.url)
        pipe.recv()


def measure_sync(url: str, rows: int, folder: Path) -> None:
    """Sync, and print the rate and whose time it was."""
    warehouse = create_warehouse(folder, config_text("bench", url))
    cave = open_cave("bench", url, None, CaveOptions())
    wall, own = time.perf_counter(), time.process_time()
    report = sync(cave, warehouse, Config("bench", url), Wish())
    wall, own = time.perf_counter() - wall, time.process_time() - own
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"sync: {rows:,} rows in {wall:.2f} s = {rows / wall:,.0f} rows/s; {report.requests} requests, "
        f"{report.bytes_received / 1e6:.1f} MB received; our own CPU {own:.2f} s = {own / wall:.0%} of the time; "
        f"peak RSS {peak:,.0f} MB"
    )


def measure_rival(url: str, rows: int) -> float:
    """Fetch the same rows as labs do: caveclient's query_table by id range into pandas; return its seconds."""
    from caveclient import CAVEclient  # noqa: PLC0415 - not part of what is timed above

    client = CAVEclient("bench", server_address=url, write_server_cache=False)
    start = time.perf_counter()
    got = low = 0
    while got < rows:
        frame = client.materialize.query_table(
            "synapses_v2",
            filter_greater_equal_dict={"id": low},
            filter_less_dict={"id": low + 100_000},
            split_positions=True,
            metadata=False,
            log_warning=False,
        )
        got, low = got + len(frame), low + 100_000
    seconds = time.perf_counter() - start
    print(
        f"rival: caveclient query_table into pandas, unchecked and not stored: {rows / seconds:,.0f} rows/s"
    )
    return seconds


def measure_connect(folder: Path) -> None:
    """Print the time to connect, and to the first answer."""
    connects = []
    for _ in range(15):
        start = time.perf_counter()
        con = connect(folder)
        connects.append(time.perf_counter() - start)
        con.close()
    connects.sort()
    print(
        f"connect: {connects[0] * 1000:.1f} ms least, {connects[len(connects) // 2] * 1000:.1f} ms median of 15"
    )


def main() -> None:
    """Run the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", choices=SCALES, default="1m")
    rows = SCALES[parser.parse_args().scale]
    print(machine())
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(rows, theirs), daemon=True)
    server.start()
    url = ours.recv()
    with tempfile.TemporaryDirectory() as place:
        for number in range(3):
            measure_sync(url, rows, Path(place) / str(number))
            measure_rival(url, rows)
        measure_connect(Path(place) / "0")
    ours.send("stop")
    server.join()


if __name__ == "__main__":
    main()
