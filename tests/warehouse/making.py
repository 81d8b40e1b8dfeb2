"""Small warehouses, made by the same steps as a sync makes them, and processes of their own to disturb them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from crantdb.config import config_text
from crantdb.warehouse.commit import Change, TableFacts, commit
from crantdb.warehouse.layout import Warehouse, create_warehouse
from crantdb.warehouse.rows import rows_sql
from crantdb.warehouse.snapshot import current, state_for
from crantdb.warehouse.staging import Staging, StagingKey, clear, open_staging
from crantdb.warehouse.validate import ValidTable, validate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from crantdb.warehouse.state import Snapshot

CHECKOUT = Path(__file__).resolve().parents[2]
SERVER = "http://127.0.0.1:1"
FIRST = datetime(2026, 3, 1, 12, 0, 0, 84051, UTC)
ROOT = 576460752303423488
"""The lowest id of CRANTb's root layer; a float would bend every root beyond 2^53."""

GRAPH = {"graph": {"n_bits_for_layer_id": 8, "spatial_bit_masks": {"1": 10, "2": 10, "3": 5, "8": 1}}}
VOXELS = {"voxel_resolution_x": 8.0, "voxel_resolution_y": 8.0, "voxel_resolution_z": 42.0}


def as_of(version: int) -> datetime:
    """Return the moment of a version: each a week after the one before."""
    return FIRST + timedelta(weeks=version)


def make_warehouse(folder: Path) -> Warehouse:
    """Return a new, empty warehouse in a new folder below `folder`."""
    return create_warehouse(folder / "wh", config_text("ants", SERVER))


def cells(ids: Iterable[int], *, shift: int = 0) -> pa.Table:
    """Return rows of a table of cells: id, root id (shifted), a float and a text, each given by the id."""
    numbers = list(ids)
    return pa.table(
        {
            "id": pa.array(numbers, pa.int64()),
            "pt_root_id": pa.array([ROOT + shift + number for number in numbers], pa.int64()),
            "volume": pa.array([number / 8 for number in numbers], pa.float32()),
            "tag": pa.array(
                [None if number % 7 == 0 else f"tag {number}" for number in numbers], pa.string()
            ),
        }
    )


def synapse_rows(ids: Iterable[int], *, shift: int = 0) -> pa.Table:
    """Return rows of a synapse table with every declared column and one of the server's own."""
    numbers = list(ids)
    columns: dict[str, pa.Array] = {"id": pa.array(numbers, pa.int64())}
    for side in ("pre_pt", "post_pt", "ctr_pt"):
        for axis in "xyz":
            values = [number + shift for number in numbers]
            columns[f"{side}_position_{axis}"] = pa.array(values, pa.int32())
    for side in ("pre_pt", "post_pt"):
        columns[f"{side}_supervoxel_id"] = pa.array([2**56 + number for number in numbers], pa.int64())
        columns[f"{side}_root_id"] = pa.array([ROOT + shift + number for number in numbers], pa.int64())
    columns["size"] = pa.array([float(number) for number in numbers], pa.float32())
    columns["gaba"] = pa.array([0.5 for _ in numbers], pa.float32())
    return pa.table(columns)


def staging_key(
    table: str = "cells", version: int = 1, *, sort_key: str | None = "id", unique: bool = True
) -> StagingKey:
    """Return the key of a table's staging."""
    return StagingKey(
        server=SERVER,
        datastack="ants",
        schema="cave",
        table=table,
        version=version,
        as_of=as_of(version).isoformat(),
        sort_key=sort_key,
        unique=unique,
    )


def fill(warehouse: Warehouse, key: StagingKey, pieces: Sequence[pa.Table]) -> Staging:
    """Stage pieces under their place in the sequence, but for those that are staged."""
    staging = open_staging(warehouse, key)
    there = {piece.span for piece in staging.pieces}
    for index, piece in enumerate(pieces):
        if str(index) not in there:
            staging.add(str(index), piece)
    return staging


def valid_table(warehouse: Warehouse, table: str, rows: pa.Table, version: int = 1) -> ValidTable:
    """Stage, finish and validate a table whose rows all come in one piece."""
    staged = fill(warehouse, staging_key(table, version), [rows]).finish()
    return validate(staged, rows_expected=rows.num_rows)


def facts(version: int = 1, **source: Any) -> TableFacts:
    """Return what a source says of a table of a version."""
    fetched = datetime(2026, 6, 1, tzinfo=UTC)
    return TableFacts("table", VOXELS | source, fetched, as_of(version), "counted id ranges")


def change(warehouse: Warehouse, rows: Mapping[str, pa.Table], version: int = 1, **others: Any) -> Change:
    """Return the change that brings tables as a version onto the current snapshot (or onto `parent`)."""
    made = [(valid_table(warehouse, name, table, version), facts(version)) for name, table in rows.items()]
    values: dict[str, Any] = {
        "parent": others.pop("parent") if "parent" in others else current(warehouse),
        "operation": "sync",
        "datastack": "ants",
        "server": SERVER,
        "info": {"synapse_table": "syn"},
        "chunkedgraph": GRAPH,
        "version": version,
        "as_of": as_of(version),
        "tables": made,
    }
    return Change(**(values | others))


def add(warehouse: Warehouse, rows: Mapping[str, pa.Table], version: int = 1, **others: Any) -> Snapshot:
    """Commit tables as a version, on the current snapshot, and clear their stagings."""
    wanted = change(warehouse, rows, version, **others)
    made = commit(warehouse, wanted)
    clear(warehouse, [valid.staged.key for valid, _ in wanted.tables])
    return made


def rows_of(warehouse: Warehouse, table: str, version: int | None = None) -> pa.Table:
    """Return the rows of a mirrored table of the current snapshot, as the files that its manifest lists hold them."""
    snapshot = current(warehouse)
    assert snapshot is not None
    state = state_for(warehouse, snapshot, version).tables[f"cave.{table}"]
    with duckdb.connect() as con:
        return con.sql(rows_sql(warehouse, state)).to_arrow_table()


def copy_of(warehouse: Warehouse, root: Path) -> Warehouse:
    """Return a copy of a warehouse."""
    shutil.copytree(warehouse.root, root)
    return Warehouse(root)


def child(code: str, *args: object, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own, the package importable; return what it left."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, args)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def start(code: str, *args: object) -> subprocess.Popen[str]:
    """Start Python code in a process of its own that talks over its pipes."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder with its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
