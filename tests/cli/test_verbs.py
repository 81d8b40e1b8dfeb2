"""The verbs as a user runs them: real processes, a real server on loopback."""

from __future__ import annotations

import csv
import io
import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow.parquet as pq
import pytest

import crantdb
from crantdb.cli.main import VERBS
from tests.cli.conftest import run, start

if TYPE_CHECKING:
    from crantdb.sandbox import Sandbox


def as_json(*args: str | Path) -> object:
    """Return what a verb prints as JSON."""
    done = run(*args, "--output", "json")
    assert done.code == 0, done.err
    return json.loads(done.out)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str) -> None:
    """Every verb says what it does, without a warehouse and without a server."""
    done = run(verb, "--help")
    assert done.code == 0
    assert len(done.out.splitlines()) > 4


def test_no_verb_like_that() -> None:
    """A verb that does not exist is wrong usage, and near ones are named."""
    done = start("tabels")
    assert (done.code, "tables" in done.err) == (2, True)


def test_wrong_option_is_wrong_usage() -> None:
    """An unknown option exits 2."""
    assert run("tables", "--nope").code == 2


def test_no_warehouse(tmp_path: Path) -> None:
    """A folder that is no warehouse fails in one line that says how to make one."""
    done = run("tables", "--warehouse", tmp_path / "none")
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert "crantdb init" in done.err


def test_empty_warehouse(tmp_path: Path) -> None:
    """A warehouse without a snapshot says so, in `status` without failing, elsewhere with the remedy."""
    assert run("init", tmp_path / "wh").code == 0
    assert "none yet" in run("status", "--warehouse", tmp_path / "wh").out
    done = run("sql", "FROM snapshot", "--warehouse", tmp_path / "wh")
    assert (done.code, "crantdb sync" in done.err) == (1, True)
    assert run("snapshots", "--warehouse", tmp_path / "wh").code == 0
    assert run("verify", "--warehouse", tmp_path / "wh").code == 0


def test_init_refuses_what_is_there(made: Path, tmp_path: Path) -> None:
    """A warehouse, and a folder with other files, are not written into."""
    assert run("init", made).code == 1
    (tmp_path / "thesis.docx").write_text("x")
    done = run("init", tmp_path)
    assert (done.code, "other files" in done.err) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]


def test_init_unknown_datastack(tmp_path: Path) -> None:
    """A datastack whose server is unknown asks for the server, and makes nothing."""
    done = run("init", tmp_path / "wh", "--datastack", "minnie65_phase3_v1")
    assert (done.code, "--cave-server" in done.err, (tmp_path / "wh").exists()) == (1, True, False)


def test_init_is_private(tmp_path: Path) -> None:
    """The folder is for its owner alone unless told otherwise."""
    run("init", tmp_path / "own")
    run("init", tmp_path / "ours", "--shared")
    assert (tmp_path / "own").stat().st_mode & 0o077 == 0
    assert (tmp_path / "ours").stat().st_mode & 0o050


def test_options_before_or_after(made: Path) -> None:
    """The common options stand before or after the verb."""
    before = run("--warehouse", made, "--output", "csv", "tables")
    after = run("tables", "--output", "csv", "--warehouse", made)
    assert before.code == 0
    assert before.out == after.out


def test_warehouse_from_the_environment(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Standing in a warehouse says which one is meant; CRANTDB_WAREHOUSE does too."""
    monkeypatch.chdir(made)
    assert run("status").code == 0
    monkeypatch.chdir("/")
    monkeypatch.setenv("CRANTDB_WAREHOUSE", str(made))
    assert run("status").code == 0


def test_status(made: Path) -> None:
    """`status` says the snapshot, the kept versions, what is staged and who writes."""
    found = as_json("status", "--warehouse", made)
    assert isinstance(found, dict)
    assert (found["snapshot"], found["version"], found["kept versions"]) == (3, 5, [3, 4, 5])
    assert (found["staged"], found["writing"]) == ([], "nobody")


def test_snapshots(made: Path) -> None:
    """`snapshots` lists the line; the last is current, and the added version stands beside the main one."""
    found = as_json("snapshots", "--warehouse", made)
    assert isinstance(found, list)
    assert [row["version"] for row in found] == [3, 5, 5]
    assert [row["added"] for row in found] == [None, None, 4]
    assert [row["current"] for row in found] == [False, False, True]


def test_tables_say_what_was_skipped(made: Path) -> None:
    """`tables` lists what is mirrored with its proof, and what was skipped with the reason."""
    found = as_json("tables", "--warehouse", made)
    assert isinstance(found, list)
    by_name = {row["name"]: row for row in found}
    assert by_name["private_tags"]["status"] == "skipped"
    assert "owner" in by_name["private_tags"]["completeness"]
    assert by_name["notice_unicode"]["status"] == "skipped"
    assert by_name["synapses_v2"]["completeness"] == "delta (counts + sample)"
    assert by_name["cell_types"]["completeness"] == "full (counts + unique ids)"
    assert by_name["connections_view"]["completeness"] == "full (counts)"


def test_schema(made: Path) -> None:
    """`schema` shows columns of canonical views and mirrored tables, and names near ones for a wrong name."""
    columns = as_json("schema", "synapses", "--warehouse", made)
    assert isinstance(columns, list)
    assert {"column": "pre_pt_root_id", "type": "BIGINT"}.items() <= columns[2].items()
    assert run("schema", "cave.cell_types", "--warehouse", made).code == 0
    done = run("schema", "synapse", "--warehouse", made)
    assert (done.code, "synapses" in done.err) == (1, True)


def test_macros_have_words(made: Path) -> None:
    """Every macro says what it answers."""
    found = as_json("macros", "--warehouse", made)
    assert isinstance(found, list)
    assert len(found) >= 4
    assert all(row["answers"] for row in found)


def test_cite(made: Path) -> None:
    """`cite` names datastack, version, moment and server."""
    found = as_json("cite", "--warehouse", made)
    assert isinstance(found, dict)
    assert all(word in found["cite"] for word in ("sandbox_ant", "version 5", "2026-05-20", "http://"))


def test_doctor(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`doctor` exits 0 when all is well; with a wrong token or a dead server it says which, and exits 1."""
    assert run("doctor", "--warehouse", made).code == 0
    with monkeypatch.context() as patch:
        patch.setenv("CAVE_TOKEN", "wrong")
        wrong = run("doctor", "--warehouse", made)
    assert (wrong.code, "refuses the token" in wrong.out) == (1, True)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{taken.getsockname()[1]}"
        run("init", tmp_path / "wh", "--datastack", "x", "--cave-server", dead)
        text = (tmp_path / "wh/crantdb.toml").read_text() + "tries = 1\n"
        (tmp_path / "wh/crantdb.toml").write_text(text)
        done = run("doctor", "--warehouse", tmp_path / "wh")
    assert (done.code, dead in done.out) == (1, True)


def test_plan_fetches_nothing(made: Path, sandbox: Sandbox) -> None:
    """`plan` and `sync --dry-run` say the same, and ask for no rows."""
    before = sandbox.log.count("/query")
    plan = as_json("plan", "--warehouse", made)
    dry = as_json("sync", "--dry-run", "--warehouse", made)
    assert plan == dry
    assert isinstance(plan, list)
    actions = {row["table"]: row["action"] for row in plan}
    assert (actions["synapses_v2"], actions["notice_unicode"]) == ("keep", "skip")
    assert sandbox.log.count("/query") - before == 0


def test_sync_twice_is_once(made: Path) -> None:
    """A second sync of the same version makes no snapshot and says so."""
    done = run("sync", "--warehouse", made)
    assert (done.code, "nothing to do" in done.err) == (0, True)
    assert json.loads(run("status", "--warehouse", made, "--output", "json").out)["snapshot"] == 3


def test_sql_prints_ids_whole(made: Path) -> None:
    """Ids come out of every format as they are stored."""
    query = "SELECT id, pre_pt_root_id FROM synapses WHERE pre_pt_root_id > 1 ORDER BY id DESC LIMIT 5"
    con = crantdb.connect(made)
    truth = con.sql(query).fetchall()
    from_json = as_json("sql", query, "--warehouse", made)
    assert isinstance(from_json, list)
    assert [tuple(row.values()) for row in from_json] == truth
    table = run("sql", query, "--warehouse", made, "--output", "csv")
    rows = list(csv.reader(io.StringIO(table.out)))
    assert [tuple(map(int, row)) for row in rows[1:]] == truth
    assert str(truth[0][1]) in run("sql", query, "--warehouse", made).out


def test_sql_parquet(made: Path, tmp_path: Path) -> None:
    """A result goes to a Parquet file, ids as int64; without a path it is wrong usage."""
    out = tmp_path / "out.parquet"
    query = "SELECT id, pre_pt_root_id FROM synapses"
    done = run("sql", query, "--output", "parquet", out, "--warehouse", made)
    assert done.code == 0, done.err
    table = pq.read_table(out)
    con = crantdb.connect(made)
    assert [(table.num_rows,)] == con.sql("SELECT count(*) FROM synapses").fetchall()
    assert str(table.schema.field("id").type) == "int64"
    assert run("sql", query, "--output", "parquet", "--warehouse", made).code == 2


@pytest.mark.parametrize(
    "query",
    [
        "COPY (SELECT 1) TO 'x.csv'",
        "CREATE TABLE t AS SELECT 1",
        "SET threads = 1",
        "ATTACH 'x.db'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO 'x.csv'",
        "EXPLAIN (ANALYZE) COPY (SELECT 1) TO 'x.csv'",
        "COPY (PIVOT (SELECT 1 AS a) ON a USING sum(a)) TO 'x.csv'",
        "SELECT 1; DROP VIEW synapses",
        "INSTALL spatial",
        "CALL pragma_version()",
    ],
)
def test_sql_only_reads(made: Path, tmp_path: Path, query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement that does more than read is refused by name, before any runs."""
    monkeypatch.chdir(tmp_path)
    done = run("sql", query, "--warehouse", made)
    assert (done.code, "more than read" in done.err) == (1, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "query", ["FROM read_text('/etc/hostname')", "FROM glob('/*')", "FROM read_csv('/etc/passwd')"]
)
def test_sql_reads_only_the_snapshot(made: Path, query: str) -> None:
    """A query can open the snapshot's files and no other."""
    done = run("sql", query, "--warehouse", made)
    assert done.code == 1
    assert "disabled" in done.err


OLD_DUCKDB = int(duckdb.__version__.split(".")[0]) < 2


@pytest.mark.parametrize(
    "query",
    [
        "DESCRIBE synapses",
        "SHOW TABLES",
        "SUMMARIZE cell_types",
        "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE FROM snapshot",
        "VALUES (1)",
        "/* a comment */ FROM snapshot",
        pytest.param(
            "PIVOT (SELECT 1 AS a, 2 AS b) ON a USING sum(b)",
            marks=pytest.mark.skipif(OLD_DUCKDB, reason="before 2.0, DuckDB makes a CREATE TYPE of a PIVOT"),
        ),
    ],
)
def test_sql_reading_forms(made: Path, query: str) -> None:
    """Every form that reads is let through."""
    done = run("sql", query, "--warehouse", made)
    assert done.code == 0, done.err


def test_sql_unsafe(made: Path, tmp_path: Path) -> None:
    """--unsafe lifts the fences."""
    done = run("sql", f"COPY (SELECT 1 AS a) TO '{tmp_path}/x.csv'", "--unsafe", "--warehouse", made)
    assert done.code == 0, done.err
    assert (tmp_path / "x.csv").read_text() == "a\n1\n"


def test_sql_mistake_is_one_failure(made: Path) -> None:
    """A query that DuckDB does not understand exits 1 in DuckDB's words, without a trace; -v shows one."""
    done = run("sql", "SELEC 1", "--warehouse", made)
    assert (done.code, "syntax error" in done.err, "Traceback" in done.err) == (1, True, False)
    assert "Traceback" in run("sql", "SELEC 1", "--warehouse", made, "-v").err


def test_sql_from_a_file(made: Path, tmp_path: Path) -> None:
    """-f reads the query from a file."""
    (tmp_path / "q.sql").write_text("SELECT count(*) AS n FROM synapses")
    found = as_json("sql", "-f", tmp_path / "q.sql", "--warehouse", made)
    assert found == as_json("sql", "SELECT count(*) AS n FROM synapses", "--warehouse", made)


def test_sql_versions(made: Path) -> None:
    """Each kept version answers with its own rows, in main or beside it."""
    query = "SELECT version, (SELECT count(*) FROM synapses) AS n FROM snapshot"
    main = as_json("sql", query, "--warehouse", made)
    older = as_json("sql", query, "--warehouse", made, "--version", "4")
    beside = as_json(
        "sql",
        "SELECT version, (SELECT count(*) FROM v4.synapses) AS n FROM v4.snapshot",
        "--versions",
        "4",
        "--warehouse",
        made,
    )
    assert older == beside
    assert isinstance(main, list)
    assert isinstance(older, list)
    assert (main[0]["version"], older[0]["version"]) == (5, 4)
    done = run("sql", query, "--warehouse", made, "--version", "77")
    assert (done.code, "3, 4, 5" in done.err) == (1, True)


def test_closed_pipe_is_no_failure(made: Path) -> None:
    """`| head` ends the output without a word."""
    command = (
        f"{sys.executable} -m crantdb sql 'FROM range(200000)' --output csv --warehouse {made} | head -2"
    )
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602
    assert (done.stdout, done.stderr) == ("range\n0\n", "")


def test_verify_names_the_damage(made: Path, tmp_path: Path) -> None:
    """`verify` exits 0 on a whole warehouse and names a file changed by hand."""
    copy = tmp_path / "wh"
    shutil.copytree(made, copy)
    assert run("verify", "--deep", "--warehouse", copy).code == 0
    victim = next((copy / "tables").rglob("*.parquet"))
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.chmod(0o644)
    victim.write_bytes(content)
    done = run("verify", "--warehouse", copy)
    assert (done.code, victim.name in done.out) == (1, True)


def test_damaged_manifest(made: Path, tmp_path: Path) -> None:
    """A manifest changed by hand is named by every verb, and `rollback` gets out of it."""
    copy = tmp_path / "wh"
    shutil.copytree(made, copy)
    manifest = copy / "snapshots/00000003.json"
    manifest.write_text(manifest.read_text().replace("sandbox_ant", "sandbox_bee", 1))
    done = run("tables", "--warehouse", copy)
    assert (done.code, manifest.name in done.err, "rollback" in done.err) == (1, True, True)
    assert "unreadable" in run("snapshots", "--warehouse", copy).out
    assert run("rollback", "2", "--warehouse", copy).code == 0
    assert run("tables", "--warehouse", copy).code == 0


def test_rollback(made: Path, tmp_path: Path) -> None:
    """`rollback` makes a new snapshot with the old content, and the derived files follow."""
    copy = tmp_path / "wh"
    shutil.copytree(made, copy)
    assert run("rollback", "1", "--warehouse", copy).code == 0
    assert as_json("sql", "SELECT snapshot, version FROM snapshot", "--warehouse", copy) == [
        {"snapshot": 4, "version": 3}
    ]
    shell = start("shell", "--warehouse", copy, "--", "-csv", "-c", "SELECT snapshot, version FROM snapshot")
    assert shell.out.splitlines() == ["snapshot,version", "4,3"]
    done = run("rollback", "77", "--warehouse", copy)
    assert (done.code, "1, 2, 3, 4" in done.err) == (1, True)


def test_shell_is_the_real_one(made: Path) -> None:
    """`shell` opens the DuckDB shell on the snapshot, which answers as the connection does."""
    done = start("shell", "--warehouse", made, "--", "-csv", "-c", "SELECT count(*) AS n FROM synapses")
    assert done.code == 0, done.err
    con = crantdb.connect(made)
    [(rows,)] = con.sql("SELECT count(*) FROM synapses").fetchall()
    assert done.out.splitlines() == ["n", str(rows)]


def test_shell_absent(made: Path, tmp_path: Path) -> None:
    """Without a DuckDB shell, `shell` says how to get one."""
    code = (
        "import sys, crantdb.cli.query as q; sys.executable = '/nowhere/python'; "
        f"from crantdb.cli.main import run; sys.exit(run(['shell', '--warehouse', {str(made)!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PATH": str(tmp_path)}, check=False
    )
    assert (done.returncode, "pip install duckdb-cli" in done.stderr) == (1, True)


def test_demo(tmp_path: Path) -> None:
    """`demo` runs from nothing to answers in a fresh folder, and says what to try next."""
    done = start("demo", tmp_path / "demo")
    assert done.code == 0, done.err
    assert "try next" in done.err
    assert "576460752303" in done.out
    assert run("verify", "--warehouse", tmp_path / "demo").code == 0
