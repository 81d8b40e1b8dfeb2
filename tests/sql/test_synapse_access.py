"""Looking synapses up reads the row groups that hold them, and every way of reading gives the same rows."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import crantdb
from crantdb.warehouse import files, parquet, sorting
from crantdb.warehouse.register import register
from tests.warehouse.brain import brain, synapses
from tests.warehouse.making import add, cells, make_warehouse

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

ROWS, GROUP = 400_000, 8192
GROUPS = -(-ROWS // GROUP)
"""Row groups of a form with a row a synapse; they are small here, so that a small table has many."""

Scan = tuple[str, int, int, int]
"""A table read: its name, the row groups read, those there are, and the rows that came out."""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a warehouse of some hundred thousand synapses in many row groups."""
    warehouse = make_warehouse(tmp_path_factory.mktemp("large"))
    with (
        patch.object(files, "ROW_GROUP_ROWS", GROUP),
        patch.object(parquet, "ROW_GROUP_ROWS", GROUP),
        patch.object(sorting, "ROW_GROUP_ROWS", GROUP),
    ):
        brain(warehouse, synapses(ROWS, roots=5000))
    return warehouse.root


@pytest.fixture(scope="module")
def con(large: Path) -> duckdb.DuckDBPyConnection:
    """Connect to it."""
    return crantdb.connect(large)


@pytest.fixture(scope="module")
def some(con: duckdb.DuckDBPyConnection) -> dict[str, list[int]]:
    """Return pre roots, post roots and ids from the middle of each order."""
    order = "WHERE {0} > 1 GROUP BY {0} ORDER BY {0} LIMIT 3 OFFSET 2000"
    return {
        name: [v for (v,) in con.sql(f"SELECT {name} FROM synapses {order.format(name)}").fetchall()]
        for name in ("pre_pt_root_id", "post_pt_root_id")
    } | {
        "id": [
            v
            for (v,) in con.sql(
                "SELECT id FROM synapses WHERE pre_pt_root_id > 1 AND post_pt_root_id > 1 "
                "ORDER BY id LIMIT 3 OFFSET 200000"
            ).fetchall()
        ]
    }


def scans(con: duckdb.DuckDBPyConnection, query: str, values: Sequence[object] = ()) -> list[Scan]:
    """Run a query and return which files it read how much of, as DuckDB's profile says."""
    [(_, text)] = con.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", list(values)).fetchall()
    found: list[Scan] = []

    def walk(operators: list[dict[str, Any]]) -> None:
        for operator in operators:
            name = operator["extra_info"].get("Filename(s)", "")
            if "row_groups_scanned" in operator:
                counts = (
                    operator[k] for k in ("row_groups_scanned", "total_row_groups_to_scan", "rows_scanned")
                )
                found.append((Path(name).parent.parent.name, *counts))
            walk(operator.get("children", []))

    walk(json.loads(text).get("operator", []))
    if not found:
        pytest.skip("this DuckDB does not say how many row groups it read")
    return found


LOOKUPS = [
    ("synapses", "pre_pt_root_id", "syn"),
    ("cave.syn", "pre_pt_root_id", "syn"),
    ("synapses_by_post", "post_pt_root_id", "synapses_by_post"),
    ("synapse_ids", "id", "synapse_ids"),
]
CONDITIONS = {
    "a number": "{column} = {first}",
    "a parameter": "{column} = $1",
    "a list": "{column} IN ({first}, {second})",
    "a list of parameters": "{column} IN ($1, $2)",
    "a subquery": "{column} IN (SELECT unnest([{first}, {second}]))",
    "a range": "{column} BETWEEN {first} AND {second}",
}


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize(("relation", "column", "table"), LOOKUPS)
def test_lookups_read_few_row_groups(
    con: duckdb.DuckDBPyConnection,
    some: dict[str, list[int]],
    *,
    relation: str,
    column: str,
    table: str,
    condition: str,
) -> None:
    """A lookup in the order of a form, however it is written, reads two of its row groups at the most."""
    first, second, _ = some[column]
    text = CONDITIONS[condition].format(column=column, first=first, second=second)
    values = [first, second][: text.count("$")]
    [(name, read, there, rows)] = scans(con, f"FROM {relation} WHERE {text}", values)
    assert (name, there) == (table, GROUPS)
    assert 1 <= read <= 2
    assert rows <= 2 * GROUP


@pytest.mark.parametrize(("table", "column"), [("edges", "pre_root_id"), ("edges_by_post", "post_root_id")])
def test_partners_read_few_row_groups(
    con: duckdb.DuckDBPyConnection, some: dict[str, list[int]], table: str, column: str
) -> None:
    """The partners of a neuron, either way, are two row groups of edges at the most."""
    root = some[column.replace("root", "pt_root")][0]
    [(name, read, there, _)] = scans(con, f"FROM {table} WHERE {column} = $1", [root])
    assert name == table
    assert read <= 2 < there


def test_in_synapses_of_the_main_form_read_it_all(
    con: duckdb.DuckDBPyConnection, some: dict[str, list[int]]
) -> None:
    """What the second form is for: in the main one, a postsynaptic root may lie in any row group."""
    [(_, read, _, _)] = scans(con, f"FROM synapses WHERE post_pt_root_id = {some['post_pt_root_id'][0]}")
    assert read > GROUPS // 2


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("prepared", [False, True])
def test_synapse_by_id_reads_few_rows(
    con: duckdb.DuckDBPyConnection, some: dict[str, list[int]], *, count: int, prepared: bool
) -> None:
    """The macro finds whole rows by id, by way of their roots, from a few row groups of the main form."""
    ids = some["id"][:count]
    query = "FROM synapse($1)" if prepared else f"FROM synapse({ids})"
    values = [ids] if prepared else []
    found = con.execute(f"SELECT id {query}", values).fetchall()
    assert sorted(found) == [(one,) for one in ids]
    read = scans(con, query, values)
    assert {name for name, *_ in read} == {"syn", "synapse_ids"}
    # Not the row groups: DuckDB says 'all' of a scan that it gave up for want of anything to join with.
    assert sum(rows for _, _, _, rows in read) <= (count + 2) * GROUP


def test_synapse_by_id_with_a_root_that_is_null(con: duckdb.DuckDBPyConnection) -> None:
    """A synapse whose root is NULL is found by its id like any other, and only once."""
    query = "SELECT id FROM synapses WHERE {} IS NULL AND {} IS {} NULL ORDER BY id LIMIT 1"
    sides = ("pre_pt_root_id", "post_pt_root_id")
    for one, other, there in ((*sides, "NOT"), (*sides[::-1], "NOT"), (*sides, "")):
        [(wanted,)] = con.sql(query.format(one, other, there)).fetchall()
        assert con.sql(f"SELECT id FROM synapse([{wanted}, {wanted}])").fetchall() == [(wanted,)]


# --- polars ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", ["one", "some"])
@pytest.mark.parametrize(("relation", "column", "table"), [*LOOKUPS, ("edges", "pre_root_id", "edges")])
def test_polars_prunes_too(
    large: Path,
    con: duckdb.DuckDBPyConnection,
    some: dict[str, list[int]],
    capfd: pytest.CaptureFixture[str],
    *,
    relation: str,
    column: str,
    table: str,
    wanted: str,
) -> None:
    """A filter on a scan goes down into the Parquet files, reads a few row groups, and gives DuckDB's rows."""
    values = some[column.replace("pre_root", "pre_pt_root")][: 1 if wanted == "one" else 2]
    condition = pl.col(column) == values[0] if wanted == "one" else pl.col(column).is_in(values)
    frame = crantdb.scan(relation, large).filter(condition)
    plan = frame.explain()
    assert re.search(rf'Parquet SCAN \[.*{table}/[^\n]*\n.*\n *SELECTION: [^\n]*"{column}"', plan), plan
    with pl.Config(verbose=True):
        capfd.readouterr()
        rows = frame.collect()
        said = capfd.readouterr().err
    truth = con.sql(f"FROM {relation} WHERE {column} IN ({', '.join(map(str, values))})")
    assert digest(rows.to_arrow()) == digest(truth.to_arrow_table())
    assert rows.height
    counted = re.findall(r"reading (\d+) / (\d+) row groups", said)
    if not counted:
        pytest.skip(
            "this polars does not say how many row groups it read; rows and plan are as they should be"
        )
    assert [int(read) <= 2 < int(there) for read, there in counted] == [True]


# --- the same rows everywhere ------------------------------------------------------------------------

TABLES = ["synapses", "synapses_by_post", "edges", "edges_by_post", "synapse_ids", "cave.syn", "cave.cells"]


def digest(rows: pa.Table) -> tuple[int, int]:
    """Return the number of rows and the sum of their hashes, column by column by name: whatever order they are in."""
    rows = rows.select(sorted(rows.column_names))
    total = 0
    for row in zip(*(column.to_pylist() for column in rows.columns), strict=True):
        total += int.from_bytes(hashlib.sha256(repr(row).encode()).digest()[:8], "big")
    return rows.num_rows, total % 2**64


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a warehouse of synapses and cells, registered for other programs."""
    warehouse = make_warehouse(tmp_path_factory.mktemp("small"))
    first = brain(warehouse, synapses(5000, first_id=2**53 - 2500))
    add(warehouse, {"cells": cells(range(500))}, carried=list(first.main.tables.values()))
    register(warehouse.root)
    return warehouse.root


@pytest.fixture(scope="module")
def shell(small: Path) -> dict[str, pa.Table]:
    """Return every table as the DuckDB shell reads it."""
    beside = Path(sys.executable).parent / "duckdb"
    program = str(beside) if beside.is_file() else shutil.which("duckdb")
    if program is None:
        pytest.skip("there is no duckdb shell: pip install duckdb-cli")
    folder = small.parent
    copies = [f"COPY (FROM {table}) TO '{folder}/{table}.parquet';" for table in TABLES]
    subprocess.run([program, "-readonly", small / "crantdb.duckdb", "-c", "".join(copies)], check=True)
    return {table: pq.read_table(folder / f"{table}.parquet") for table in TABLES}


@pytest.mark.parametrize("table", TABLES)
def test_every_way_reads_the_same_rows(small: Path, shell: dict[str, pa.Table], table: str) -> None:
    """The DuckDB shell, polars and Python read the same rows of every table: a hash over all of them is equal."""
    python = crantdb.connect(small).sql(f"FROM {table}").to_arrow_table()
    polars = crantdb.scan(table, small).collect()
    assert python.num_rows > 100
    assert digest(python) == digest(shell[table]) == digest(polars.to_arrow())


def test_the_hash_tells_rows_apart() -> None:
    """The hash sees one id moved to its neighbour, a NULL for a zero, and a row that comes twice; not the order."""
    rows = pa.table(
        {"a": pa.array([2**60, 2**60 + 2, None], pa.int64()), "b": pa.array([1, 2, 3], pa.int64())}
    )
    others = [
        rows.set_column(0, "a", pa.array(values, pa.int64()))
        for values in ([2**60 + 1, 2**60 + 2, None], [2**60, 2**60 + 2, 0])
    ]
    assert len({digest(table) for table in (rows, *others, pa.concat_tables([rows, rows.slice(1, 1)]))}) == 4
    assert digest(rows.take([2, 0, 1])) == digest(rows.select(["b", "a"]))
