"""A base over loopback: 100,000 rows of 60 columns. Requests, seconds, bytes, memory; again; and after one edit.

    python -m benchmarks.seatable --rows 100000 --columns 60

The sandbox runs in a process of its own, so that neither its time nor its memory is ours. The pace that spares
other users (two requests a second) is lifted, but the time that it would take is printed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import resource
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.machine import machine
from crantdb.config import Config, SeaTableSettings, config_text
from crantdb.sandbox.seatable import Base, Column, Options, SeaTable, Table, update_row
from crantdb.sources.seatable.read import ReadRules
from crantdb.sources.seatable.server import Limits, SeaTableServer, TokenKind
from crantdb.sync.run import sync
from crantdb.sync.seatable.part import SeaTable as Source
from crantdb.sync.selection import Wish
from crantdb.tokens import Token
from crantdb.warehouse.layout import create_warehouse

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from crantdb.warehouse.layout import Warehouse

NAME = "CRANTb"
WORDS = ("olfactory_projection_neuron", "ER", "FBc", "descending_neuron", "intrinsic", "left", "mALT", "")
KINDS = (
    "text",
    "text",
    "text",
    "number",
    "checkbox",
    "single-select",
    "multiple-select",
    "date",
    "long-text",
    "url",
)
PACE = 2.0
SECRET = "bench"  # noqa: S105 - of a server on loopback


def base(rows: int, columns: int, seed: int = 0) -> Base:
    """Return a base with one table of as many rows and columns, of all common types."""
    rng = random.Random(seed)
    kinds = [KINDS[number % len(KINDS)] for number in range(columns)]
    made = [Column(f"column {number}", kind) for number, kind in enumerate(kinds)]
    names = [column.name for column in made]
    return Base(
        NAME,
        [Table("CRANTb_meta", made, [_row(names, kinds, rng) for _ in range(rows)])],
        api_tokens={SECRET: "r"},
    )


def _row(names: list[str], kinds: list[str], rng: random.Random) -> dict[str, object]:
    """Return the cells of a row; a third are empty, as in CRANTb."""
    cells = ((name, _cell(kind, rng)) for name, kind in zip(names, kinds, strict=True) if rng.random() > 0.33)
    return dict(cells)


def _cell(kind: str, rng: random.Random) -> object:
    """Return a cell."""
    made: dict[str, object] = {
        "text": str(rng.randrange(576460752303423488, 576460752903423488)),
        "number": rng.random() * 1e6,
        "checkbox": rng.random() > 0.5,
        "single-select": rng.choice(WORDS[:-1]),
        "multiple-select": rng.sample(WORDS[:-1], 2),
        "date": f"2026-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}",
        "long-text": " ".join(rng.choice(WORDS) for _ in range(8)),
        "url": f"https://spelunker.example.org/#!middleauth+https://x/{rng.randrange(10**16)}",
    }
    return made[kind]


def serve(rows: int, columns: int, pipe: Connection) -> None:
    """Serve the base; edit a row whenever told to, until told to stop."""
    served = base(rows, columns)
    table = served.table("CRANTb_meta")
    with SeaTable(served, token=SECRET, options=Options(base_rpm=None, gzip=True)) as server:
        pipe.send(server.url)
        while pipe.recv() == "edit":
            update_row(served, "CRANTb_meta", next(iter(table.rows)), {"column 0": str(time.time_ns())})
            pipe.send("edited")


def measure(warehouse: Warehouse, url: str, what: str, expected: int) -> None:
    """Sync, and print what it took."""
    settings = SeaTableSettings(url, 62919, (NAME,))
    token = Token(SECRET, "the benchmark")
    server = SeaTableServer(url, token, kind=TokenKind.ACCOUNT, limits=Limits(requests_per_s=1e9))
    config = Config("bench", url, seatable=settings)
    wall, own = time.perf_counter(), time.process_time()
    source = Source(server, settings, ReadRules(settle_s=0))
    report = sync(None, warehouse, config, Wish(), seatable=source)
    wall, own = time.perf_counter() - wall, time.process_time() - own
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    stored = sum(file.bytes for table in report.snapshot.shared.values() for file in table.files)
    print(
        f"{what}: {report.requests} gateway requests (at two a second {report.requests / PACE:.0f} s), {wall:.1f} s, "
        f"{own:.1f} s of them our CPU = {expected / max(own, 1e-9):,.0f} rows/s; {report.bytes_received / 1e6:.1f} MB "
        f"received unzipped, {stored / 1e6:.1f} MB on the disk; changes {dict(report.bases[0].changes)}; "
        f"peak RSS so far {peak:,.0f} MB"
    )


def main() -> None:
    """Measure a first sync, one of nothing new, and one after an edit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--columns", type=int, default=60)
    given = parser.parse_args()
    print(f"{machine()}\n{given.rows:,} rows of {given.columns} columns")
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(given.rows, given.columns, theirs), daemon=True)
    process.start()
    url = ours.recv()
    with tempfile.TemporaryDirectory() as folder:
        warehouse = create_warehouse(Path(folder) / "wh", config_text("bench", url))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"before: RSS {peak:,.0f} MB")
        measure(warehouse, url, "first sync", given.rows)
        measure(warehouse, url, "nothing new", 0)
        ours.send("edit")
        ours.recv()
        measure(warehouse, url, "one row edited", given.rows)
    ours.send("stop")
    process.join()


if __name__ == "__main__":
    main()
