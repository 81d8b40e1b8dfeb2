"""Warehouses that follow a chain of versions, by deltas and in full; and how their tables are held together."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import replace
from typing import Any

import duckdb

from crantdb.sandbox.chain import TABLE
from crantdb.sources.opening import open_cave
from crantdb.sync.run import SyncReport, sync
from crantdb.sync.selection import Wish
from crantdb.warehouse.rows import rows_sql
from crantdb.warehouse.snapshot import state_for
from tests.sync.bench import QUICK, Bench

FORMS = ("synapses_v2", "synapses_by_post", "edges", "edges_by_post", "synapse_ids")
OPTIONS = replace(QUICK, chunk_rows=1000, parallel=4)


def bring(bench: Bench, version: int, *, full: bool = False) -> SyncReport:
    """Sync a version: by what changed where that can be shown, or in full."""
    cave = open_cave(bench.config.datastack, bench.config.server, None, OPTIONS)
    return sync(cave, bench.warehouse, bench.config, Wish(version, full=full), bench.voice)


def digests(bench: Bench, version: int | None = None) -> dict[str, str]:
    """Return a digest of all rows of every form, as the files that a manifest lists hold them, in whatever order."""
    assert bench.snapshot is not None
    tables = state_for(bench.warehouse, bench.snapshot, version).tables.values()
    reads = {table.name: f"({rows_sql(bench.warehouse, table)})" for table in tables}
    with contextlib.closing(duckdb.connect()) as con:
        return {name: digest(con, reads[name]) for name in FORMS}


def answers(bench: Bench, version: int) -> dict[str, str]:
    """Return a digest of all rows of every form, as `connect` gives them."""
    con = bench.connected(version)
    return {name: digest(con, name) for name in FORMS}


def digest(con: duckdb.DuckDBPyConnection, rows_of: str) -> str:
    """Return a digest of all rows of a relation, each column's name and type included."""
    rows = con.sql(f"FROM {rows_of} ORDER BY ALL")
    said = repr([rows.columns, list(map(str, rows.types))]).encode()
    lines = "\n".join(map(repr, rows.fetchall())).encode()
    return hashlib.sha256(said + lines).hexdigest()


def story(bench: Bench) -> dict[str, Any]:
    """Return what the current snapshot says of how its synapses came."""
    snapshot = bench.snapshot
    assert snapshot is not None
    table = snapshot.main.tables[f"cave.{TABLE}"]
    return {"completeness": table.completeness, "rows": table.rows} | dict(table.source.get("delta", {}))
