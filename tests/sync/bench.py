"""A sandbox, a warehouse, and the way from one to the other: what the tests of the sync stand on."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

import crantdb
import crantdb.sync.registration
from crantdb.config import Config, config_text, read_config
from crantdb.sandbox import Datastack, GivenTable, Sandbox, Version
from crantdb.sources.cave import CaveOptions
from crantdb.sources.opening import open_cave
from crantdb.sources.transport import RetryRule
from crantdb.sync.run import SyncReport, sync
from crantdb.sync.selection import Wish
from crantdb.warehouse.layout import Warehouse, create_warehouse
from crantdb.warehouse.rows import rows_sql
from crantdb.warehouse.snapshot import current, state_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crantdb.warehouse.state import Snapshot

FIRST = datetime(2026, 3, 1, 12, 0, 0, 84051, UTC)
ROOT = 576460752303423488
"""The lowest id of CRANTb's root layer; every root beyond 2^53 is bent by a float."""

QUICK = CaveOptions(
    parallel=2,
    chunk_rows=5_000,
    timeout_s=3.0,
    rule=RetryRule(tries=4, patience_s=20, backoff_s=0.001, longest_wait_s=0.002),
)
"""Waits of a millisecond, so that a bad day is over soon."""


@dataclass(slots=True)
class Voice:
    """Hears a sync and keeps what was said."""

    lines: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Keep a line."""
        self.lines.append(text)

    def begin(self, table: str, expected_rows: int, staged_rows: int) -> None:
        """Keep how a table began."""
        self.lines.append(f"begin {table}: {expected_rows} rows, {staged_rows} staged")

    def advance(self, table: str, rows: int) -> None:
        """Hear that rows came."""

    def end(self, table: str) -> None:
        """Keep that a table ended."""
        self.lines.append(f"end {table}")


@dataclass(slots=True)
class Bench:
    """A warehouse that mirrors a datastack of a sandbox.

    Attributes:
        sandbox: serves.
        warehouse: mirrors.
        config: the warehouse's `crantdb.toml`.
        voice: what syncs said.
        token: the token to send.
        reader: the connection that was last read through, and to which snapshot and version.
    """

    sandbox: Sandbox
    warehouse: Warehouse
    config: Config
    voice: Voice = field(default_factory=Voice)
    token: str | None = None
    reader: tuple[tuple[int, int | None], duckdb.DuckDBPyConnection] | None = field(default=None, init=False)

    def sync(
        self,
        version: int | None = None,
        *,
        tables: tuple[str, ...] | None = None,
        drop: tuple[str, ...] = (),
        options: CaveOptions = QUICK,
    ) -> SyncReport:
        """Sync as the command line does: open the datastack, then bring a version."""
        cave = open_cave(self.config.datastack, self.config.server, self.token, options)
        return sync(cave, self.warehouse, self.config, Wish(version, tables, drop), self.voice)

    @property
    def snapshot(self) -> Snapshot | None:
        """The current snapshot."""
        return current(self.warehouse)

    def rows(self, table: str, version: int | None = None) -> pa.Table:
        """Return a table as the files that its manifest lists hold it, by id where it has one."""
        assert self.snapshot is not None
        state = state_for(self.warehouse, self.snapshot, version)
        with contextlib.closing(duckdb.connect()) as con:
            found = con.sql(rows_sql(self.warehouse, state.tables[f"cave.{table}"])).to_arrow_table()
        return by_id(found)

    def queried(self, table: str, version: int | None = None) -> pa.Table:
        """Return a table through `crantdb.connect`, by id where it has one."""
        return by_id(self.connected(version).sql(f'FROM cave."{table}"').to_arrow_table())

    def connected(self, version: int | None = None) -> duckdb.DuckDBPyConnection:
        """Return `crantdb.connect` to the current snapshot: the last one as long as that is asked for again."""
        asked = (self.warehouse.numbers()[-1], version)
        if self.reader is None or self.reader[0] != asked:
            if self.reader is not None:
                self.reader[1].close()
            self.reader = asked, crantdb.connect(self.warehouse.root, version=version)
        return self.reader[1]

    def scanned(self, table: str) -> pa.Table:
        """Return a table through `crantdb.scan`, by id."""
        found = crantdb.scan(f"cave.{table}", self.warehouse.root).collect().to_arrow()
        return by_id(found.cast(pa.schema([_narrow(f) for f in found.schema])))

    def journal(self) -> list[str]:
        """Return what lies in the staging: the names of its folders."""
        folder = self.warehouse.staging
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


@contextlib.contextmanager
def unregistered() -> Iterator[list[Path]]:
    """Leave out `crantdb.duckdb` while the block lasts, half the time of a small sync; other tests look at it.

    Gives the list of the warehouses that would have been registered.
    """
    asked: list[Path] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crantdb.sync.registration, "register", asked.append)
        yield asked


def mirrored(snapshot: Snapshot) -> list[str]:
    """Return the keys of the main version's tables that are the server's own."""
    return [key for key, table in snapshot.main.tables.items() if table.kind != "derived"]


def _narrow(column: pa.Field) -> pa.Field:
    """Return a column as Arrow has it where polars has the large form of its type."""
    return pa.field(column.name, pa.string()) if pa.types.is_large_string(column.type) else column


def by_id(rows: pa.Table) -> pa.Table:
    """Return rows in the order of their id, in one chunk."""
    ordered = rows.sort_by("id") if "id" in rows.column_names else rows
    return ordered.combine_chunks().replace_schema_metadata(None)


def bench(root: Path, sandbox: Sandbox, datastack: str = "given", token: str | None = None) -> Bench:
    """Return a fresh warehouse for a datastack of a running sandbox."""
    warehouse = create_warehouse(root, config_text(datastack, sandbox.url))
    return Bench(sandbox, warehouse, read_config(warehouse.config), token=token)


def copy_of(made: Bench, root: Path) -> Bench:
    """Return a bench of its own, at the same server, whose warehouse is a copy."""
    shutil.copytree(made.warehouse.root, root)
    return Bench(made.sandbox, Warehouse(root), made.config, token=made.token)


def synapses(n: int, *, seed: int = 0, first: int = 1, gaps: bool = False) -> pa.Table:
    """Return generated synapse rows as a merged version serves them: every column in the server's type.

    Args:
        n: rows.
        seed: where chance starts.
        first: the lowest id.
        gaps: whether ids leave gaps, up to far beyond 2^53.
    """
    rng = np.random.default_rng(seed)
    ids = np.arange(first, first + n, dtype="i8")
    if gaps:
        ids = np.unique(np.concatenate([ids[: n // 2] * 3, 2**55 + rng.integers(0, 2**40, n - n // 2)]))
        n = len(ids)
    columns: dict[str, Any] = {"id": ids, "valid": np.ones(n, bool)}
    for point in ("pre_pt", "post_pt", "ctr_pt"):
        for axis in "xyz":
            columns[f"{point}_position_{axis}"] = rng.integers(0, 60_000, n).astype("i4")
        if point != "ctr_pt":
            columns[f"{point}_supervoxel_id"] = 72057800196358145 + rng.integers(0, 2**50, n)
            columns[f"{point}_root_id"] = ROOT + rng.integers(0, 2**40, n)
    columns["size"] = rng.integers(1, 5000, n).astype("f4")
    return pa.table(columns)


def tags(n: int, name: str = "cell_types", **given: Any) -> GivenTable:
    """Return a small annotation table with roots and texts."""
    ids = np.arange(1, n + 1, dtype="i8")
    columns = {
        "id": ids,
        "valid": np.ones(n, bool),
        "pt_position_x": (ids % 1000).astype("i4"),
        "pt_position_y": (ids % 777).astype("i4"),
        "pt_position_z": (ids % 55).astype("i4"),
        "pt_supervoxel_id": 72057800196358145 + ids,
        "pt_root_id": ROOT + ids * 1009,
        "tag": [f"tag {key}" for key in ids],
    }
    return GivenTable(name, pa.table(columns), schema_type="bound_tag", **given)


def version(number: int, *tables: GivenTable, **given: Any) -> Version:
    """Return an available version, a month after the one before."""
    return Version(number, FIRST + timedelta(days=30 * number), tables=tables, **given)


def stack(*versions: Version, **given: Any) -> Datastack:
    """Return a datastack of these versions."""
    return Datastack("given", versions, **given)
