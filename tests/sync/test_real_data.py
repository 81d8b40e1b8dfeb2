"""Real rows of real connectomes, served, synced, and read back: every row, every id, exactly."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import crantdb
from crantdb.sandbox import GivenTable, Sandbox, datastack_from_tables

from .bench import QUICK, bench, by_id, synapses

if TYPE_CHECKING:
    from pathlib import Path

MICRONS = (4.0, 4.0, 40.0)
_POINTS = ("pre_pt_position", "post_pt_position", "ctr_pt_position")


def _microns(path: Path) -> pa.Table:
    """Return MICrONS synapses in the types in which CAVE serves them."""
    rows = pq.read_table(path).replace_schema_metadata(None)
    for index, name in enumerate(rows.column_names):
        if "_position_" in name:
            rows = rows.set_column(index, name, rows[name].cast(pa.int32()))
    rows = rows.set_column(rows.column_names.index("size"), "size", rows["size"].cast(pa.float32()))
    return rows.add_column(1, "valid", pa.repeat(pa.scalar(value=True), len(rows)))


def _crantb_synapses(path: Path) -> pa.Table:
    """Return the CRANTb rows with their positions, written "[x, y, z]", as three columns each."""
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    columns: dict[str, pa.Array] = {
        "id": pa.array([int(line["id"]) for line in lines], pa.int64()),
        "valid": pa.array([line["valid"] == "t" for line in lines]),
    }
    for point in _POINTS:
        places = [json.loads(line[point]) for line in lines]
        for axis, letter in enumerate("xyz"):
            columns[f"{point}_{letter}"] = pa.array([place[axis] for place in places], pa.int32())
        base = point.removesuffix("_position")
        for ending in ("supervoxel_id", "root_id"):
            if f"{base}_{ending}" in lines[0]:
                whole = [int(line[f"{base}_{ending}"]) for line in lines]
                columns[f"{base}_{ending}"] = pa.array(whole, pa.int64())
    columns["size"] = pa.array([float(line["size"]) for line in lines], pa.float32())
    return pa.table(columns)


def _texts(path: Path) -> pa.Table:
    """Return a CSV's rows as texts, an empty cell as NULL, under an id of their own."""
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    columns = {name: pa.array([line[name] or None for line in lines], pa.string()) for name in lines[0]}
    ids = pa.array([int(line["index"]) + 1 for line in lines], pa.int64())
    return pa.table({"id": ids, "valid": pa.array([True] * len(lines)), **columns})


def _served_and_synced(root: Path, tables: list[GivenTable]) -> None:
    """Sync tables from a sandbox that gives few rows at once, and compare both ways of reading with the given rows."""
    with Sandbox(datastack_from_tables(tables), row_limit=100) as sandbox:
        here = bench(root, sandbox)
        report = here.sync()
        assert report.fetched == {table.name: len(table.rows) for table in tables}
    for table in tables:
        wanted = by_id(table.rows)
        assert here.rows(table.name).select(wanted.column_names).equals(wanted)
        assert here.scanned(table.name).select(wanted.column_names).equals(wanted)


def test_microns_synapses_as_two_tables(shared: Path, tmp_path: Path) -> None:
    """A real MICrONS neuron's outgoing and incoming synapses come back whole, each in its table."""
    folder = shared / "data" / "microns_l2_neuron"
    tables = [
        GivenTable(name, _microns(folder / f"{name}.parquet"), voxel_resolution=MICRONS)
        for name in ("pre_synapses", "post_synapses")
    ]
    assert [len(table.rows) for table in tables] == [259, 2165]
    _served_and_synced(tmp_path / "w", tables)


def test_microns_synapses_as_one_table(shared: Path, tmp_path: Path) -> None:
    """Both directions in one table, autapses once: all roots beyond 2^53 exact, and the canonical view agrees."""
    folder = shared / "data" / "microns_l2_neuron"
    parts = [_microns(folder / f"{name}.parquet") for name in ("pre_synapses", "post_synapses")]
    common = [name for name in parts[0].column_names if name in parts[1].column_names]
    both = pa.concat_tables([part.select(common) for part in parts])
    once = (
        by_id(both).group_by("id", use_threads=False).aggregate([(n, "first") for n in common if n != "id"])
    )
    rows = once.rename_columns([name.removesuffix("_first") for name in once.column_names]).select(common)
    _served_and_synced(tmp_path / "w", [GivenTable("synapses", rows, voxel_resolution=MICRONS)])
    con = crantdb.connect(tmp_path / "w")
    seen = con.sql(
        "SELECT id, pre_pt_root_id, post_pt_root_id, ctr_x_nm FROM synapses ORDER BY id"
    ).to_arrow_table()
    con.close()
    assert seen["pre_pt_root_id"].equals(by_id(rows)["pre_pt_root_id"])
    assert seen["post_pt_root_id"].equals(by_id(rows)["post_pt_root_id"])
    nm = pc.multiply(by_id(rows)["ctr_pt_position_x"].cast(pa.float64()), 4.0)
    assert seen["ctr_x_nm"].cast(pa.float64()).equals(nm)


def test_crantb_rows(shared: Path, tmp_path: Path) -> None:
    """Fifty real CRANTb synapses and fifty rows of CRANTb_meta come back to the last character."""
    folder = shared / "data" / "crantb_rows"
    found = _crantb_synapses(folder / "synapses_v2_50_rows.csv")
    meta = _texts(folder / "CRANTb_meta_50_rows.csv")
    assert (len(found), len(meta), meta.num_columns) == (50, 50, 33)
    _served_and_synced(
        tmp_path / "w",
        [GivenTable("synapses_v2", found), GivenTable("crantb_meta", meta, schema_type="bound_tag")],
    )


def test_a_million_rows_in_no_order(tmp_path: Path) -> None:
    """A million rows, ten thousand at once, in another order at every request: none lost, none twice, none bent."""
    rows = synapses(1_000_000, seed=3, gaps=True)
    table = GivenTable("synapses_v2", rows)
    with Sandbox(datastack_from_tables([table]), row_limit=10_000) as sandbox:
        here = bench(tmp_path / "w", sandbox)
        report = here.sync(options=replace(QUICK, chunk_rows=100_000))
        assert report.fetched == {"synapses_v2": len(rows)}
    con = crantdb.connect(tmp_path / "w")
    try:
        con.register("given", rows)
        names = ", ".join(f'"{name}"' for name in rows.column_names)
        mine, theirs = f"SELECT {names} FROM cave.synapses_v2", f"SELECT {names} FROM given"
        for one, other in ((mine, theirs), (theirs, mine)):
            assert con.sql(f"SELECT count(*) FROM ({one} EXCEPT ALL {other})").fetchall() == [(0,)]
        assert con.sql("SELECT count(*) FROM cave.synapses_v2").fetchall() == [(len(rows),)]
    finally:
        con.close()
