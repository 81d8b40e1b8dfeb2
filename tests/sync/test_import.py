"""Files become the same snapshot that a sync of the same rows makes, or an error says which file and why."""

from __future__ import annotations

import gzip
import json
import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import crantdb
from crantdb.errors import (
    BadFile,
    ConfigError,
    CrantdbError,
    IncompleteError,
    StorageError,
    TimeMismatch,
    ValidationError,
)
from crantdb.sandbox import GivenTable, Sandbox
from crantdb.sources.dumps import find_dumps, of_version
from crantdb.sources.exports import export_rows, find_export
from crantdb.sources.opening import open_cave
from crantdb.sync.dump_table import EXACT_DRIFT
from crantdb.sync.importing import ImportReport, import_tables
from crantdb.sync.known import ImportWish

from .bench import FIRST, QUICK, Bench, bench, by_id, stack, synapses, tags, version
from .dumping import ewkb, write_dump

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from crantdb.sources.dumps import TableDump
    from crantdb.warehouse.state import VersionState

pytestmark = pytest.mark.usefixtures("unregistered")

MARCH_31 = FIRST + timedelta(days=30)
"""The moment of version 1."""


def holes() -> pa.Table:
    """Return synapses with roots NULL, 0 and 1, and ids beyond 2^53."""
    rows = synapses(900, seed=5, gaps=True)
    for name, step in (("pre_pt_root_id", 3), ("post_pt_root_id", 4), ("pre_pt_supervoxel_id", 5)):
        values = rows[name].to_pylist()
        for start, special in enumerate((None, 0, 1)):
            values[start * 50 : (start + 1) * 50 : step] = [special] * len(
                values[start * 50 : (start + 1) * 50 : step]
            )
        rows = rows.set_column(rows.column_names.index(name), name, pa.array(values, pa.int64()))
    return rows


def notes() -> pa.Table:
    """Return annotations whose texts and points are hard to write as CSV: empty, NULL, quoted, of several lines."""
    texts = [
        "",
        None,
        'a "quoted" one',
        "two\nlines",
        "comma, and more",
        "蟻",
        "NULL",
        "\\N",
        " spaces ",
        "t",
    ]
    rows = tags(len(texts)).rows
    rows = rows.set_column(rows.column_names.index("tag"), "tag", pa.array(texts, pa.string()))
    for axis in "xyz":
        name = f"pt_position_{axis}"
        places = [None, *rows[name].to_pylist()[1:]]
        rows = rows.set_column(rows.column_names.index(name), name, pa.array(places, pa.int32()))
    return rows


def hashes(state: VersionState) -> dict[str, list[tuple[str, int]]]:
    """Return the SHA-256 and rows of every table's files."""
    return {key: [(file.sha256, file.rows) for file in table.files] for key, table in state.tables.items()}


def bring(
    here: Bench, dumps: list[TableDump], number: int = 1, *, offline: bool = False, **wish: Any
) -> ImportReport:
    """Import as the command line does."""
    cave = None if offline else open_cave(here.config.datastack, here.config.server, here.token, QUICK)
    return import_tables(
        cave, here.warehouse, here.config, dumps, wish=ImportWish(number, **wish), progress=here.voice
    )


def dumps_in(folder: Path, number: int = 1) -> list[TableDump]:
    """Return the dumps of a version in a folder."""
    return of_version(find_dumps(folder), number, datastack="given")


# --- equal to a sync ---------------------------------------------------------------------------------


@pytest.mark.parametrize("srid", [None, 4326])
def test_dumps_equal_a_sync(tmp_path: Path, unregistered: list[Path], srid: int | None) -> None:
    """Rows in any order, with NULL, 0 and 1 roots, ids beyond 2^53 and odd texts: every file as a sync has it.

    The files for other programs are made anew, too.
    """
    tables = (GivenTable("synapses_v2", holes()), GivenTable("cell_types", notes(), schema_type="bound_tag"))
    for table in tables:
        write_dump(tmp_path / "dump", table.name, table.rows, srid=srid)
    with Sandbox(stack(version(1, *tables), synapse_table="synapses_v2")) as sandbox:
        synced = bench(tmp_path / "synced", sandbox).sync().snapshot.main
        here = bench(tmp_path / "imported", sandbox)
        unregistered.clear()
        report = bring(here, dumps_in(tmp_path / "dump"))
        assert unregistered == [here.warehouse.root]
        again = bring(here, dumps_in(tmp_path / "dump"))
    assert hashes(report.snapshot.main) == hashes(synced)
    assert len(synced.tables) == 8  # two mirrored, four forms, root_ids and cell_ids
    assert report.imported == {"synapses_v2": 900, "cell_types": 10}
    assert here.rows("cell_types").equals(by_id(notes()))
    for key, table in report.snapshot.main.tables.items():
        assert (table.exceptions, table.as_of) == (synced.tables[key].exceptions, MARCH_31)
    table = report.snapshot.main.tables["cave.synapses_v2"]
    assert (table.completeness, report.snapshot.operation) == ("import (server count)", "import")
    assert (table.source["imported_from"], table.source["voxel_resolution_z"]) == (
        ["synapses_v2.csv.gz"],
        42.0,
    )
    assert (again.changed, again.imported) == (False, {})
    assert here.journal() == []


def _delta(folder: Path, rows: pa.Table) -> None:
    """Write rows as CAVE's Delta export: in parts, with Morton places, doubles, and a part that was replaced."""
    exported = rows.drop_columns(["valid"]).append_column("valid", rows["valid"])
    for name in rows.column_names:
        if "_position_" in name or name == "size":
            exported = exported.set_column(
                exported.column_names.index(name), name, rows[name].cast(pa.float64())
            )
        if name.endswith("_position_x"):
            exported = exported.append_column(f"{name[:-2]}_morton", pa.array(range(len(rows)), pa.int64()))
    lines: list[list[dict[str, Any]]] = [[{"protocol": {"minReaderVersion": 1}}], []]
    for number in range(4):
        name = f"bucket={number % 2}/part-{number:05d}-c000.snappy.parquet"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(exported.take(list(range(number, len(rows), 4))), folder / name)
        lines[0].append({"add": {"path": name.replace("=", "%3D"), "size": 1}})
    pq.write_table(exported, folder / "bucket=0" / "old.parquet")
    lines[0].append({"add": {"path": "bucket%3D0/old.parquet"}})
    lines[1].append({"remove": {"path": "bucket%3D0/old.parquet"}})
    (folder / "_delta_log").mkdir()
    for number, actions in enumerate(lines):
        text = "\n".join(json.dumps(action) for action in actions)
        (folder / "_delta_log" / f"{number:020d}.json").write_text(text)


def _arrow(folder: Path, rows: pa.Table) -> None:
    """Write rows as Arrow files: one in the file form, one in the stream form, an empty one."""
    folder.mkdir()
    parts = [(rows.slice(500), pa.ipc.new_file), (rows.slice(0, 500), pa.ipc.new_stream)]
    for number, (part, open_writer) in enumerate([*parts, (rows.slice(0, 0), pa.ipc.new_file)]):
        with open_writer(str(folder / f"{number}.arrow"), rows.schema) as writer:
            writer.write_table(part)


@pytest.mark.parametrize("write", [_delta, _arrow])
def test_folders_equal_a_sync(tmp_path: Path, write: Callable[[Path, pa.Table], None]) -> None:
    """CAVE's Delta export and a folder of Arrow files: every file as a sync of the same rows has it."""
    rows = holes()
    write(tmp_path / "folder", rows)
    with Sandbox(stack(version(1, GivenTable("synapses_v2", rows)), synapse_table="synapses_v2")) as sandbox:
        synced = bench(tmp_path / "synced", sandbox).sync().snapshot.main
        here = bench(tmp_path / "imported", sandbox)
        report = bring(here, [find_export(tmp_path / "folder", "synapses_v2")])
    assert hashes(report.snapshot.main) == hashes(synced)
    left_out = report.snapshot.main.tables["cave.synapses_v2"].source["columns_left_out"]
    assert left_out == (
        [] if write is _arrow else [f"{point}_pt_position_morton" for point in ("pre", "post", "ctr")]
    )


def _doubles() -> pa.Table:
    """Return synapses whose doubles and points do not fit what is served."""
    rows = synapses(6)
    sizes = [16777217.0, 0.1, float("nan"), None, 1e300, 2.5]
    rows = rows.set_column(rows.column_names.index("size"), "size", pa.array(sizes, pa.float64()))
    places = [10.5, 11.5, -10.5, -0.5, 0.49999999, 2147483647.4]
    return rows.set_column(2, "pre_pt_position_x", pa.array(places, pa.float64()))


def test_values_are_cast_as_the_server_casts_them(tmp_path: Path) -> None:
    """Doubles become single floats, NaN NULL, halves the even voxel: as a sync of the same doubles gives them."""
    rows = _doubles()
    write_dump(tmp_path / "dump", "synapses_v2", rows)
    with Sandbox(stack(version(1, GivenTable("synapses_v2", rows)))) as sandbox:
        synced = bench(tmp_path / "synced", sandbox).sync().snapshot.main
        here = bench(tmp_path / "imported", sandbox)
        report = bring(here, dumps_in(tmp_path / "dump"))
    assert hashes(report.snapshot.main) == hashes(synced)
    found = here.rows("synapses_v2")
    assert found["pre_pt_position_x"].to_pylist() == [10, 12, -10, 0, 0, 2147483647]
    assert found["size"].to_pylist() == [16777216.0, float(np.float32(0.1)), None, None, float("inf"), 2.5]


def test_exact_keeps_doubles_and_says_so(tmp_path: Path) -> None:
    """With --exact a double comes back to the last bit, the table is marked, and the canonical view still reads it."""
    write_dump(tmp_path / "dump", "synapses_v2", _doubles())
    with Sandbox(
        stack(version(1, GivenTable("synapses_v2", _doubles())), synapse_table="synapses_v2")
    ) as sandbox:
        here = bench(tmp_path / "w", sandbox)
        state = bring(here, dumps_in(tmp_path / "dump"), exact=True).snapshot.main.tables["cave.synapses_v2"]
    assert here.rows("synapses_v2")["size"].to_pylist() == [16777217.0, 0.1, None, None, 1e300, 2.5]
    assert here.rows("synapses_v2")["pre_pt_position_x"].type == pa.int32()
    assert (state.source["exact"], EXACT_DRIFT in state.drift) == (True, True)
    con = crantdb.connect(here.warehouse.root)
    assert con.sql("SELECT size FROM synapses WHERE id = 2").fetchall() == [(float(np.float32(0.1)),)]
    con.close()


def test_rows_that_are_not_valid_and_bookkeeping_go(tmp_path: Path) -> None:
    """Rows whose valid is false are left out and counted; created, deleted and superceded_id are not served."""
    rows = synapses(100)
    valid = pa.array([key % 10 > 0 for key in range(100)])
    more = {
        "created": ["2026-01-01 10:00:00.5"] * 100,
        "deleted": [""] * 50 + ["2026-02-01 10:00:00"] * 50,
        "superceded_id": ["7"] * 100,
    }
    write_dump(tmp_path / "dump", "synapses_v2", rows.set_column(1, "valid", valid), **more)
    with Sandbox(stack(version(1, GivenTable("synapses_v2", rows.filter(valid))))) as sandbox:
        synced = bench(tmp_path / "synced", sandbox).sync().snapshot.main
        here = bench(tmp_path / "imported", sandbox)
        report = bring(here, dumps_in(tmp_path / "dump"))
    assert hashes(report.snapshot.main) == hashes(synced)
    source = report.snapshot.main.tables["cave.synapses_v2"].source
    assert (source["invalid_rows_left_out"], source["columns_left_out"]) == (10, list(more))
    assert any("10 that are not valid left out" in line for line in here.voice.lines)


def test_an_empty_dump_is_an_empty_table(tmp_path: Path) -> None:
    """A dump without rows, and a Parquet file without rows, are tables with their columns and no rows."""
    empty = synapses(5).slice(0, 0)
    write_dump(tmp_path / "dump", "synapses_v2", empty)
    pq.write_table(empty, tmp_path / "other.parquet")
    with Sandbox(stack(version(1, GivenTable("synapses_v2", empty)), synapse_table="synapses_v2")) as sandbox:
        synced = bench(tmp_path / "synced", sandbox).sync().snapshot.main
        here = bench(tmp_path / "imported", sandbox)
        report = bring(here, dumps_in(tmp_path / "dump"))
        assert hashes(report.snapshot.main) == hashes(synced)
        assert bring(here, [find_export(tmp_path / "other.parquet", "other")]).imported == {"other": 0}
    assert here.rows("other").equals(empty.combine_chunks())


def test_a_disk_that_is_too_small_is_refused_before(
    twenty: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that cannot fit while they are imported are refused with what they need and what is free."""
    write_dump(tmp_path / "dump", "synapses_v2", synapses(20))
    here = bench(tmp_path / "w", twenty)
    monkeypatch.setattr("crantdb.sync.importing.free_bytes", lambda _: 100)
    with pytest.raises(
        StorageError, match=r"of files need about .* GB while they are imported; .* has 0\.0 GB free"
    ):
        bring(here, dumps_in(tmp_path / "dump"))
    assert (here.snapshot, here.journal()) == (None, [])


# --- what is wrong with files ------------------------------------------------------------------------


def _edit(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change the text of a dump."""
    path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()))))


def _far(rows: pa.Table) -> pa.Table:
    """Return rows one of which lies beyond 32 bits."""
    places = [float(place) for place in rows["ctr_pt_position_z"].to_pylist()]
    places[6] = 2147483647.5
    return rows.set_column(
        rows.column_names.index("ctr_pt_position_z"), "ctr_pt_position_z", pa.array(places)
    )


POINT = ewkb(1, 2, 3).encode()
BROKEN: dict[str, tuple[Callable[[Path], object], type[CrantdbError], str]] = {
    "no header": (
        lambda path: path.with_name("synapses_v2_header.csv").unlink(),
        BadFile,
        r"synapses_v2\.csv\.gz has no synapses_v2_header\.csv beside it",
    ),
    "odd header": (
        lambda path: path.with_name("synapses_v2_header.csv").write_text("id,bigint\nsize\n"),
        BadFile,
        r"synapses_v2_header\.csv has the line 'size'",
    ),
    "unknown type": (
        lambda path: path.with_name("synapses_v2_header.csv").write_text("id,bigint\ntag,tsvector\n"),
        BadFile,
        "column tag is of type 'tsvector'",
    ),
    "column count": (
        lambda path: _edit(path, lambda text: text.replace(b",t,", b",t,9,", 1)),
        BadFile,
        r"synapses_v2\.csv\.gz .*Expected 10 columns, got 11",
    ),
    "cut short": (
        lambda path: path.write_bytes(path.read_bytes()[:-40]),
        BadFile,
        r"csv\.gz .*was cut short",
    ),
    "no bytes": (lambda path: path.write_bytes(b""), BadFile, r"csv\.gz has no bytes: it was cut short"),
    "not a number": (
        lambda path: _edit(path, lambda text: text.replace(b",t,", b".5,t,", 1)),
        BadFile,
        r"csv\.gz .*conversion error to int64: invalid value '\d+\.5'",
    ),
    "bad point": (
        lambda path: _edit(
            path, lambda text: b"77,t," + b"0101,7,7," + POINT + b",7,7," + POINT + b",1\n" + text
        ),
        BadFile,
        r"csv\.gz: pre_pt_position of the row of id 77 is '0101'",
    ),
    "point of another kind": (
        lambda path: _edit(path, lambda text: text.replace(b"0101000080", b"0102000080", 1)),
        BadFile,
        r"csv\.gz: pre_pt_position of the row of id \d+ is '0102000080",
    ),
    "not hex": (
        lambda path: _edit(path, lambda text: text.replace(b"0101000080", b"01010000zz", 1)),
        BadFile,
        r"of the row of id \d+ is '01010000zz",
    ),
    "far away": (
        lambda path: write_dump(path.parent, "synapses_v2", _far(synapses(20))),
        ValidationError,
        r"ctr_pt_position_z fits 32 bits.*e\.g\. 2147483647\.5 in the row of id 7",
    ),
    "id twice": (
        lambda path: _edit(path, lambda text: text + text.split(b"\n", 1)[0] + b"\n"),
        IncompleteError,
        "the server counts 20 rows in this version, the files hold 21",
    ),
    "id NULL": (
        lambda path: _edit(path, lambda text: text[text.index(b",") :]),
        ValidationError,
        "1 row.s. break 'id is never NULL'",
    ),
    "row lost": (
        lambda path: _edit(path, lambda text: text.split(b"\n", 1)[1]),
        IncompleteError,
        "the server counts 20 rows in this version, the files hold 19",
    ),
    "split version": (
        lambda path: write_dump(path.parent, "synapses_v2__sandbox_pcg", synapses(20)),
        BadFile,
        "the segmentation of synapses_v2 in a table of its own",
    ),
}


@pytest.fixture(scope="module")
def twenty() -> Any:
    """Serve a version of twenty synapses."""
    with Sandbox(
        stack(version(1, GivenTable("synapses_v2", synapses(20))), synapse_table="synapses_v2")
    ) as sandbox:
        yield sandbox


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_dump_is_refused_by_name(twenty: Sandbox, tmp_path: Path, case: str) -> None:
    """Whatever is wrong with a dump: one error with the file and the value, nothing committed, nothing left staged."""
    spoil, kind, words = BROKEN[case]
    path = write_dump(tmp_path / "dump", "synapses_v2", synapses(20))
    spoil(path)
    here = bench(tmp_path / "w", twenty)
    with pytest.raises(kind, match=words) as caught:
        bring(here, dumps_in(tmp_path / "dump"))
    assert "Nothing was committed" in str(caught.value)
    assert (here.snapshot, here.journal()) == (None, [])
    write_dump(tmp_path / "good", "synapses_v2", synapses(20))
    assert bring(here, dumps_in(tmp_path / "good")).imported == {"synapses_v2": 20}


@pytest.mark.parametrize("name", ["synapses_v2", "other"])
def test_an_id_that_comes_twice_is_refused(twenty: Sandbox, tmp_path: Path, name: str) -> None:
    """Ids are unique, of a synapse table and of any other, also when nobody counts on the server."""
    path = write_dump(tmp_path / "dump", name, synapses(20))
    _edit(path, lambda text: text + text.split(b"\n", 1)[0] + b"\n")
    here = bench(tmp_path / "w", twenty)
    with pytest.raises(ValidationError, match="id is unique"):
        bring(here, dumps_in(tmp_path / "dump"), offline=True, as_of=MARCH_31, schema_type="synapse")
    assert (here.snapshot, here.journal()) == (None, [])


def _table(**columns: Any) -> pa.Table:
    """Return three rows of a table."""
    return pa.table({"id": pa.array([1, 2, 3], pa.int64())} | columns)


WRONG_PARQUET = {
    "float ids": (pa.table({"id": [1.0, 2.0, 3.0]}), "column id holds ids as double"),
    "float roots": (_table(pt_root_id=[1.0, None, 2.0]), "column pt_root_id holds ids as double"),
    "text roots": (_table(pt_root_id=["1", "2", "3"]), "column pt_root_id holds ids as string"),
    "beyond int64": (
        _table(pt_root_id=pa.array([1, 2, 2**63], pa.uint64())),
        "pt_root_id holds numbers that are no ids",
    ),
    "no id": (pa.table({"size": [1.0]}), "has no column id"),
    "lists": (_table(pt_position=[[1, 2, 3]] * 3), "column pt_position is list<.*pt_position_x"),
    "valid as text": (_table(valid=["t", "t", "f"]), "column valid is string"),
}


@pytest.mark.parametrize("case", WRONG_PARQUET)
def test_parquet_that_is_no_cave_table_is_refused(twenty: Sandbox, tmp_path: Path, case: str) -> None:
    """Ids that were floats or text, no id, nested columns: refused with the file and the column."""
    rows, words = WRONG_PARQUET[case]
    pq.write_table(rows, tmp_path / "t.parquet")
    here = bench(tmp_path / "w", twenty)
    with pytest.raises(BadFile, match=rf"t\.parquet.*{words}"):
        bring(here, [find_export(tmp_path / "t.parquet", "t")])
    assert (here.snapshot, here.journal()) == (None, [])


def test_files_of_one_table_have_the_same_columns(twenty: Sandbox, tmp_path: Path) -> None:
    """A file with another column, one that is cut short, and a folder without files are refused by name."""
    here, folder = bench(tmp_path / "w", twenty), tmp_path / "t"
    folder.mkdir()
    with pytest.raises(BadFile, match="holds no file of a table"):
        find_export(folder, "t")
    pq.write_table(_table(), folder / "a.parquet")
    pq.write_table(_table(size=[1.0, 2.0, 3.0]), folder / "b.parquet")
    with pytest.raises(BadFile, match=r"b\.parquet has other columns than a\.parquet \(size float"):
        bring(here, [find_export(folder, "t")])
    (folder / "b.parquet").write_bytes((folder / "a.parquet").read_bytes()[:-30])
    with pytest.raises(BadFile, match=r"b\.parquet .* cannot be read"):
        bring(here, [find_export(folder, "t")])
    (folder / "b.parquet").unlink()
    with pa.ipc.new_stream(str(folder / "b.arrow"), _table().schema) as writer:
        writer.write_table(_table(), max_chunksize=1)
    (folder / "b.arrow").write_bytes((folder / "b.arrow").read_bytes()[:-8])
    with pytest.raises(BadFile, match=r"b\.arrow .* was cut short"):
        bring(here, [find_export(folder, "t")])
    with pytest.raises(BadFile, match="come with cave-dump"):
        find_export(write_dump(folder, "t", synapses(2)), "t")
    assert (here.snapshot, here.journal()) == (None, [])


def test_a_delta_folder_must_be_whole(tmp_path: Path) -> None:
    """A file that the log lists but that is not there, and a log with a gap, are refused."""
    _delta(tmp_path / "folder", synapses(20))
    log = tmp_path / "folder" / "_delta_log"
    (tmp_path / "folder" / "bucket=1" / "part-00003-c000.snappy.parquet").unlink()
    with pytest.raises(
        BadFile, match=r"lacks 1 of the 4 files that its log lists, e\.g\. bucket=1/part-00003"
    ):
        find_export(tmp_path / "folder", "t")
    (log / f"{0:020d}.json").rename(log / f"{2:020d}.json")
    with pytest.raises(BadFile, match="has gaps"):
        find_export(tmp_path / "folder", "t")


# --- version, moment, metadata -----------------------------------------------------------------------


def test_the_moment_is_looked_up_or_given_and_must_agree(twenty: Sandbox, tmp_path: Path) -> None:
    """The server's moment is taken; another than it says, or than the warehouse has, is refused with both."""
    write_dump(tmp_path / "dump", "synapses_v2", synapses(20))
    write_dump(tmp_path / "dump", "cell_types", tags(5).rows)
    dumps, here = dumps_in(tmp_path / "dump"), bench(tmp_path / "w", twenty)
    with pytest.raises(
        TimeMismatch, match=r"2026-03-31T12:00:00\+00:00, but http.* 2026-03-31T12:00:00\.084051"
    ):
        bring(here, dumps, as_of=MARCH_31.replace(microsecond=0))
    with pytest.raises(ConfigError, match=r"moment of version 1 is not known.*--as-of"):
        bring(here, dumps, offline=True)
    with pytest.raises(ConfigError, match=r"moment of version 9 is not known.*--as-of"):
        bring(here, dumps, 9)
    assert bring(here, dumps, tables=("synapses_v2",)).snapshot.main.as_of == MARCH_31
    with pytest.raises(TimeMismatch, match="but this warehouse has it"):
        bring(here, dumps, offline=True, as_of=MARCH_31.replace(microsecond=0))
    report = bring(here, dumps, offline=True)
    assert (report.imported, report.snapshot.main.as_of) == ({"cell_types": 5}, MARCH_31)


def test_an_expired_version_can_still_be_imported(tmp_path: Path) -> None:
    """The server knows the moment of an expired version; its rows it no longer counts, and the class says so."""
    write_dump(tmp_path / "dump", "synapses_v2", synapses(20))
    gone = version(1, status="EXPIRED", valid=False)
    with Sandbox(stack(gone, version(2, tags(3)))) as sandbox:
        here = bench(tmp_path / "w", sandbox)
        report = bring(
            here, dumps_in(tmp_path / "dump"), voxel_resolution=(8.0, 8.0, 42.0), schema_type="synapse"
        )
        assert sandbox.log.count("/version/1/") == 0
    table = report.snapshot.main.tables["cave.synapses_v2"]
    assert (report.snapshot.main.as_of, table.completeness) == (MARCH_31, "import (file rows)")
    assert (table.source["voxel_resolution_z"], table.source["schema_type"]) == (42.0, "synapse")


def test_without_a_server_flags_say_what_it_is(twenty: Sandbox, tmp_path: Path) -> None:
    """Offline, one table with a synapse schema is the synapse table: five forms, and positions in nm."""
    rows = synapses(20)
    write_dump(tmp_path / "dump", "my_synapses", rows)
    here = bench(tmp_path / "w", twenty)
    flags: dict[str, Any] = {"schema_type": "synapse", "voxel_resolution": (8.0, 8.0, 42.0)}
    report = bring(here, dumps_in(tmp_path / "dump"), offline=True, as_of=MARCH_31, **flags)
    assert len(report.snapshot.main.tables) == 7  # its forms, root_ids and cell_ids
    con = crantdb.connect(here.warehouse.root)
    [(z_nm,)] = con.sql("SELECT ctr_z_nm FROM synapses WHERE id = 3").fetchall()
    con.close()
    assert z_nm == rows["ctr_pt_position_z"][2].as_py() * 42


def test_flags_may_not_contradict_the_server(twenty: Sandbox, tmp_path: Path) -> None:
    """A voxel resolution other than the served one is refused with both; so is a dump of a split version."""
    write_dump(tmp_path / "dump", "synapses_v2", synapses(20))
    here = bench(tmp_path / "w", twenty)
    with pytest.raises(ConfigError, match=r"voxel_resolution_x was given as 4\.0, but the server says 8\.0"):
        bring(here, dumps_in(tmp_path / "dump"), voxel_resolution=(4.0, 4.0, 40.0))
    split = version(1, GivenTable("synapses_v2", synapses(20)), is_merged=False)
    with Sandbox(stack(split)) as sandbox, pytest.raises(ConfigError, match="version 1 is a split one"):
        bring(bench(tmp_path / "v", sandbox), dumps_in(tmp_path / "dump"))
    assert here.snapshot is None


def test_a_bucket_is_searched_by_version(tmp_path: Path) -> None:
    """In `<datastack>/v<version>/` the version asked for is taken; one that is not there is refused with those that are."""
    for number in (1, 2):
        write_dump(tmp_path / "given" / f"v{number}", "cell_types", tags(number * 5).rows)
    write_dump(tmp_path / "other" / "v1", "cell_types", tags(3).rows)
    assert [(d.datastack, d.version, d.table) for d in find_dumps(tmp_path)] == [
        ("given", 1, "cell_types"),
        ("given", 2, "cell_types"),
        ("other", 1, "cell_types"),
    ]
    assert [dump.version for dump in dumps_in(tmp_path, 2)] == [2]
    assert [dump.version for dump in dumps_in(tmp_path / "given", 1)] == [1]
    with pytest.raises(BadFile, match="no dump of given v3; there are given v1, given v2, other v1"):
        dumps_in(tmp_path, 3)
    with pytest.raises(BadFile, match="no dump of given v1; there are given v2"):
        dumps_in(tmp_path / "given" / "v2", 1)
    write_dump(tmp_path / "given", "cell_types", tags(4).rows)
    with pytest.raises(BadFile, match="cell_types is there more than once"):
        dumps_in(tmp_path / "given", 1)


def test_versions_follow_the_rules_of_a_sync(tmp_path: Path) -> None:
    """A newer version brings every table or drops it by name; an older one is added beside; both are read by number."""
    for number in (1, 2, 3):
        write_dump(tmp_path / f"{number}", "cell_types", tags(number * 5).rows)
    write_dump(tmp_path / "2", "more_types", tags(7, "more_types").rows)
    versions = [version(n, tags(n * 5), *([tags(7, "more_types")] if n == 2 else [])) for n in (1, 2, 3)]
    with Sandbox(stack(*versions)) as sandbox:
        here = bench(tmp_path / "w", sandbox)
        bring(here, dumps_in(tmp_path / "2"), 2)
        with pytest.raises(TimeMismatch, match="crantdb import … --drop more_types"):
            bring(here, dumps_in(tmp_path / "3"), 3)
        older = bring(here, dumps_in(tmp_path / "1"), 1).snapshot
        assert (older.main.version, older.versions) == (2, {1: 2, 2: 1})
        newer = bring(here, dumps_in(tmp_path / "3"), 3, drop=("more_types",)).snapshot
        assert (newer.main.version, newer.versions) == (3, {1: 2, 2: 1, 3: 3})
        synced = here.sync(3)
    assert not synced.changed
    assert [len(here.queried("cell_types", number)) for number in (1, 2, 3)] == [5, 10, 15]


# --- interrupted, and large --------------------------------------------------------------------------


def test_an_interrupted_import_goes_on(
    twenty: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after any of its steps, the next run goes on, reads no file twice, and ends in the same bytes."""
    rows = synapses(5_000, gaps=True, seed=2)
    folder = tmp_path / "t"
    folder.mkdir()
    for number in range(4):
        pq.write_table(rows.take(list(range(number, 5_000, 4))), folder / f"{number}.parquet")
    monkeypatch.setattr("crantdb.sync.dump_table.PIECE_ROWS", 1_000)
    monkeypatch.setattr("crantdb.sync.dump_table.ROW_GROUP_ROWS", 500)
    wanted = _offline(bench(tmp_path / "whole", twenty), folder)
    here = bench(tmp_path / "w", twenty)
    stops, read = 0, []
    monkeypatch.setattr(
        "crantdb.sync.dump_table.export_rows", lambda file: read.append(file.name) or export_rows(file)
    )
    for stop in range(1, 40):
        with monkeypatch.context() as patch:
            patch.setattr("crantdb.warehouse.staging.Staging._append", _stops_after(stop))
            try:
                report = _offline(here, folder)
                break
            except KeyboardInterrupt:
                stops += 1
                assert here.snapshot is None
    assert stops > 3
    assert sorted(read) == [f"{number}.parquet" for number in range(4)]
    assert hashes(report.snapshot.main) == hashes(wanted.snapshot.main)


def _offline(here: Bench, folder: Path) -> ImportReport:
    """Import a folder as the synapse table, without a server."""
    return bring(here, [find_export(folder, "syn")], offline=True, as_of=MARCH_31, schema_type="synapse")


def _stops_after(count: int) -> Callable[..., None]:
    """Return a journal that lets a few lines in and then is interrupted."""
    from crantdb.warehouse.staging import Staging  # noqa: PLC0415 - the original, before it is replaced

    append, left = Staging._append, [count]

    def stop(self: Staging, line: dict[str, Any]) -> None:
        left[0] -= 1
        append(self, line)
        if not left[0]:
            raise KeyboardInterrupt

    return stop


def test_a_changed_file_is_read_anew(
    twenty: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is staged of one edition of a file is never mixed with another: the next import begins anew; a sync meanwhile says what waits."""
    here, folder = bench(tmp_path / "w", twenty), tmp_path / "t"
    folder.mkdir()
    for number in range(2):
        pq.write_table(synapses(50, first=1 + 50 * number), folder / f"{number}.parquet")
    with monkeypatch.context() as patch:
        patch.setattr("crantdb.warehouse.staging.Staging._append", _stops_after(2))
        with pytest.raises(KeyboardInterrupt):
            _offline(here, folder)
    assert len(here.journal()) == 1
    here.sync()
    assert [line for line in here.voice.lines if "staged of an unfinished import" in line]
    pq.write_table(synapses(60, seed=9), folder / "0.parquet")
    pq.write_table(synapses(40, first=61), folder / "1.parquet")
    report = _offline(here, folder)
    assert here.rows("syn").equals(by_id(pa.concat_tables([synapses(60, seed=9), synapses(40, first=61)])))
    assert (report.imported, here.journal()) == ({"syn": 100}, [])


def test_a_million_rows(twenty: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A million rows in no order come back exactly; how fast is printed, not promised."""
    rows = synapses(1_000_000, seed=3, gaps=True)
    shuffled = rows.take(np.random.default_rng(0).permutation(len(rows)))
    pq.write_table(shuffled, tmp_path / "syn.parquet")
    here = bench(tmp_path / "w", twenty)
    start = time.monotonic()
    _offline(here, tmp_path / "syn.parquet")
    with capsys.disabled():
        print(f"\nimport of {len(rows):,} rows: {len(rows) / (time.monotonic() - start):,.0f} rows/s")
    assert here.rows("syn").equals(by_id(rows))


def test_a_small_memory_promise_is_refused_before(twenty: Sandbox, tmp_path: Path) -> None:
    """Less memory than anything can be sorted in is refused before a file is read."""
    write_dump(tmp_path / "dump", "synapses_v2", synapses(20))
    here = bench(tmp_path / "w", twenty)
    cave = open_cave(here.config.datastack, here.config.server, None, replace(QUICK))
    with pytest.raises(ConfigError, match="too little"):
        import_tables(
            cave, here.warehouse, here.config, dumps_in(tmp_path / "dump"), wish=ImportWish(1), memory="10MB"
        )
    assert (here.snapshot, here.journal()) == (None, [])
