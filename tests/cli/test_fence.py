"""The fence around user SQL: every way out is refused in one line, and no file changes by a byte."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import duckdb
import pytest

from crantdb.warehouse.register import register
from tests.cli.conftest import run
from tests.warehouse.making import tree

if TYPE_CHECKING:
    from pathlib import Path

NEW_DUCKDB = int(duckdb.__version__.split(".")[0]) >= 2

TO = "(USE_TMP_FILE false, FORMAT parquet)"

ATTEMPTS = {
    "read a file": "FROM read_text('{outside}')",
    "read bytes": "FROM read_blob('{outside}')",
    "read a CSV": "FROM read_csv('{outside}')",
    "read by name": "FROM '{outside}'",
    "read JSON": "FROM read_json('{outside}')",
    "read Parquet outside": "FROM read_parquet('{parquet}')",
    "list a folder": "FROM glob('{folder}/*')",
    "sniff": "FROM sniff_csv('{outside}')",
    "read a manifest": "FROM read_text('{manifest}')",
    "read the network": "FROM read_csv('http://127.0.0.1:9/x.csv')",
    "copy out": "COPY (SELECT 1) TO '{fresh}'",
    "copy out of a WITH": "WITH a AS (COPY (SELECT 1) TO '{fresh}') FROM a",
    "export": "EXPORT DATABASE '{fresh}'",
    "import": "IMPORT DATABASE '{folder}'",
    "attach a new file": "ATTACH '{fresh}'",
    "attach a warehouse's file": "ATTACH '{data}' AS other",
    "attach the register": "ATTACH '{registered}' AS other",
    "install": "INSTALL spatial",
    "load": "LOAD spatial",
    "update extensions": "UPDATE EXTENSIONS",
    "read with an extension": "FROM read_xlsx('{outside}')",
    "read a database": "FROM read_duckdb('{registered}')",
    "read the environment": "FROM read_blob('/proc/self/environ')",
    "climb out of an allowed file": "FROM read_text('{data}/../../../../outside.txt')",
    "load a file": "LOAD '{outside}'",
    "secret": "CREATE SECRET (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "copy over, through a temporary file": "COPY (SELECT 1 AS a) TO '{data}' (FORMAT parquet)",
    "copy over, straight": f"COPY (SELECT 1 AS a) TO '{{data}}' {TO}",
    "copy over, in an EXPLAIN ANALYZE": f"EXPLAIN ANALYZE COPY (SELECT 1 AS a) TO '{{data}}' {TO}",
    "copy over, in an EXPLAIN (ANALYZE)": f"EXPLAIN (ANALYZE) COPY (SELECT 1 AS a) TO '{{data}}' {TO}",
    "copy over, behind a query": f"SELECT 1; COPY (SELECT 1 AS a) TO '{{data}}' {TO}",
    "copy over, in a WITH": f"WITH a AS (COPY (SELECT 1 AS a) TO '{{data}}' {TO}) FROM a",
    "copy over, in a WITH in an EXPLAIN": f"EXPLAIN ANALYZE WITH a AS (COPY (SELECT 1 AS a) TO '{{data}}' {TO}) FROM a",
    "copy over, in a text that is run": "FROM json_execute_serialized_sql(json_serialize_sql("
    f"'WITH a AS (COPY (SELECT 1 AS a) TO ''{{data}}'' {TO}) FROM a'))",
    "copy over, in a text in a text": "FROM query('FROM json_execute_serialized_sql(json_serialize_sql("
    f"''WITH a AS (COPY (SELECT 1 AS a) TO ''''{{data}}'''' {TO}) FROM a''))')",
    "copy over, with a PIVOT": f"COPY (PIVOT (SELECT 1 AS a) ON a USING sum(a)) TO '{{data}}' {TO}",
    "copy over, prepared": f"PREPARE p AS COPY (SELECT 1 AS a) TO '{{data}}' {TO}; EXECUTE p",
    "copy from": "COPY snapshot FROM '{outside}'",
    "create a table": "CREATE TABLE t AS SELECT 1",
    "create a macro": "CREATE MACRO m() AS 1",
    "replace a view": "CREATE OR REPLACE VIEW synapses AS SELECT 1",
    "drop": "DROP VIEW synapses",
    "insert": "INSERT INTO snapshot FROM snapshot",
    "insert behind a PIVOT": "WITH p AS (PIVOT (SELECT 1 AS a) ON a USING sum(a)) INSERT INTO snapshot FROM snapshot",
    "delete": "DELETE FROM snapshot",
    "delete in a WITH": "WITH d AS (DELETE FROM snapshot RETURNING *) FROM d",
    "update": "UPDATE snapshot SET version = 1",
    "open the fence": "SET enable_external_access = true",
    "widen the fence": "SET allowed_paths = ['{outside}']",
    "unlock": "SET lock_configuration = false",
    "change a setting": "SET threads = 1",
    "reset a setting": "RESET enable_external_access",
    "a pragma": "PRAGMA enable_profiling",
    "a call": "CALL pragma_version()",
    "log to a file": "FROM enable_logging('QueryLog', storage := 'file', storage_config := {{'path': '{fresh}'}})",
    "checkpoint": "FROM checkpoint()",
    "another catalog": "USE temp",
    "a transaction": "BEGIN",
}
"""What somebody may try; each is refused."""


@pytest.fixture(scope="module")
def fenced(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the warehouse whose files may be written, and files outside to reach for."""
    folder = tmp_path_factory.mktemp("fenced")
    shutil.copytree(made, folder / "wh")
    register(folder / "wh")  # as the place it is now: a connection is made in a fraction of the time
    for path in (folder / "wh").rglob("*"):
        path.chmod(0o777 if path.is_dir() else 0o666)
    (folder / "outside.txt").write_text("a,b\n1,2\n")
    duckdb.sql("SELECT 1 AS a").write_parquet(str(folder / "outside.parquet"))
    return folder


def places(folder: Path) -> dict[str, str]:
    """Return the paths that an attempt may name."""
    warehouse = folder / "wh"
    return {
        "outside": f"{folder}/outside.txt",
        "parquet": f"{folder}/outside.parquet",
        "fresh": f"{folder}/fresh",
        "folder": str(folder),
        "manifest": str(next((warehouse / "snapshots").iterdir())),
        "registered": str(warehouse / "crantdb.duckdb"),
        "data": str(next((warehouse / "tables").rglob("*.parquet"))),
    }


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_every_way_out_is_refused(fenced: Path, attempt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading outside, writing, attaching, installing, copying over and settings: one line, exit 1, no byte changed."""
    monkeypatch.chdir(fenced)
    query = ATTEMPTS[attempt].format(**places(fenced))
    before = tree(fenced)
    done = run("sql", query, "--warehouse", fenced / "wh")
    assert tree(fenced) == before
    assert (done.code, done.out) == (1, ""), done
    # A DuckDB that cannot parse an attempt shows the place, as it does for any mistake.
    assert done.err.count("\n") == 1 or (not NEW_DUCKDB and "Parser Error" in done.err), done
    assert done.err.startswith("crantdb: ")
    assert "bug of crantdb" not in done.err
    assert not done.err.rstrip().endswith(":")


def test_without_the_fence_the_file_is_gone(fenced: Path, tmp_path: Path) -> None:
    """The attempt that gets through DuckDB's own fence overwrites the file where nothing else stops it: the test can fail."""
    copy = tmp_path / "copy"
    shutil.copytree(fenced, copy)
    before = tree(copy)
    done = run(
        "sql", ATTEMPTS["copy over, straight"].format(**places(copy)), "--unsafe", "--warehouse", copy / "wh"
    )
    assert (done.code, tree(copy) == before) == (0, False)


@pytest.mark.skipif(not NEW_DUCKDB, reason="before 2.0, DuckDB has no COPY in a WITH")
@pytest.mark.parametrize("attempt", ["copy over, in a WITH", "copy over, in a text that is run"])
def test_duckdbs_own_fence_lets_it_through(fenced: Path, tmp_path: Path, attempt: str) -> None:
    """External access off and allowed_paths alone do not save a file: why statements are looked into."""
    copy = tmp_path / "copy"
    shutil.copytree(fenced, copy)
    data = places(copy)["data"]
    before = tree(copy)
    with duckdb.connect() as con:
        con.execute(f"SET allowed_paths = ['{data}']")
        con.execute("SET enable_external_access = false")
        con.execute("SET lock_configuration = true")
        con.execute(ATTEMPTS[attempt].format(**places(copy))).fetchall()
    assert tree(copy) != before


READINGS = [
    "WITH p AS (PIVOT (SELECT 1 AS a, 2 AS b) ON a USING sum(b)) FROM p",
    "FROM query('SELECT 1')",
    "SELECT current_setting('threads')",
    "FROM duckdb_settings()",
    "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 5) FROM r",
    'SELECT 1 AS "insert", \'COPY t TO x\' AS "delete"',
    "SELECT 1 /* DELETE FROM snapshot */ -- COPY",
    "FROM partners(576460752303423489)",
]


@pytest.mark.parametrize("query", READINGS)
def test_what_only_reads_is_let_through(made: Path, query: str) -> None:
    """The fence is in nobody's way: queries of every form, and words of writing that are only words."""
    if not NEW_DUCKDB and "PIVOT" in query:
        pytest.skip("before 2.0, DuckDB makes a CREATE TYPE of a PIVOT")
    done = run("sql", query, "--warehouse", made)
    assert done.code == 0, done.err


def test_a_mistake_is_shown_where_it_is(made: Path) -> None:
    """A query with a name that is not there fails in DuckDB's words about that query, near names included."""
    done = run("sql", "SELECT nothing_like_it FROM snapshot", "--warehouse", made)
    assert (done.code, "nothing_like_it" in done.err, "EXPLAIN" in done.err) == (1, True, False)


def test_the_folders_of_the_test_can_be_written(fenced: Path) -> None:
    """The files that attempts reach for are writable, so that only the fence keeps them."""
    assert all(os.access(path, os.W_OK) for path in fenced.rglob("*"))
