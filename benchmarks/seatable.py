"""A wide SeaTable table read whole from the sandbox: requests, seconds, bytes, peak memory of the reader alone.

Run it as ``python -m benchmarks.seatable [--rows 100000] [--edited]``: the server runs in a process of its own, so that
its memory and its Python do not count. `--edited` changes a row at every fourth request.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.machine import machine
from crantdb.sandbox.seatable import Base, Clock, Column, SeaTable, Table, update_row
from crantdb.sources.seatable.read import ReadRules, read_tables
from crantdb.sources.seatable.server import Limits, SeaTableServer, TokenKind
from crantdb.tokens import Token

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from multiprocessing.connection import Connection

TEXTS, NUMBERS, SELECTS = 30, 20, 10
OPTIONS = ("left", "right", "medial")
EDITS_UNTIL = 12


def rows_of(count: int) -> Iterator[Mapping[str, object]]:
    """Yield rows of sixty columns: texts, numbers, options."""
    for number in range(count):
        texts: dict[str, object] = {f"text {i}": f"some text {number} {i}" for i in range(TEXTS)}
        numbers: dict[str, object] = {f"number {i}": number * 1.5 + i for i in range(NUMBERS)}
        yield texts | numbers | {f"option {i}": OPTIONS[number % 3] for i in range(SELECTS)}


def serve(rows: int, told: Connection, *, edited: bool) -> None:
    """Serve a base until told to stop; say the address first."""
    columns = [
        *(Column(f"text {i}") for i in range(TEXTS)),
        *(Column(f"number {i}", "number") for i in range(NUMBERS)),
        *(Column(f"option {i}", "single-select", options=OPTIONS) for i in range(SELECTS)),
    ]
    base = Base(
        "bench", [Table("wide", columns, rows_of(rows))], clock=Clock(datetime.now(UTC) - timedelta(hours=2))
    )
    some = list(base.table("wide").rows)[:: max(1, rows // 20)]
    with SeaTable(base) as server:
        for nth in range(4, EDITS_UNTIL, 4) if edited else ():
            server.on(nth, partial(update_row, base, "wide", some[nth], {"text 0": "new"}), match="/sql")
        told.send(server.url)
        told.recv()


def peak_mb() -> float:
    """Return the most memory this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--edited", action="store_true")
    given = parser.parse_args()
    print(machine())
    near, far = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(
        target=serve, args=(given.rows, far), kwargs={"edited": given.edited}, daemon=True
    )
    process.start()
    url = near.recv()
    source = SeaTableServer(
        url, Token("any", "the benchmark"), kind=TokenKind.ACCOUNT, limits=Limits(requests_per_s=1e9)
    )
    before, busy = peak_mb(), time.process_time()
    with TemporaryDirectory() as folder:
        read = read_tables(
            source.open_base(62919, "bench"), None, spill=Path(folder), rules=ReadRules(settle_s=0)
        )
        (table,) = read.tables.values()
        busy = time.process_time() - busy
        rows = sum(piece.num_rows for piece in table.pieces())
    near.send("stop")
    process.join()
    print(
        f"{rows:,} rows x {TEXTS + NUMBERS + SELECTS} columns, {read.consistency}: {read.requests} requests, "
        f"{read.seconds:.1f} s ({busy:.1f} s of them this process's), {read.bytes / 2**20:.0f} MB, "
        f"peak memory {peak_mb():.0f} MB (of which {before:.0f} MB before)"
    )


if __name__ == "__main__":
    main()
