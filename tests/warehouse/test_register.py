"""What other programs read: crantdb.duckdb and crantdb.sql, in the real DuckDB shell, always of one snapshot."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from crantdb.errors import WarehouseBusy
from crantdb.warehouse.layout import Warehouse
from crantdb.warehouse.register import register
from tests.warehouse.making import ROOT, add, cells, child, copy_of, make_warehouse, start, synapse_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

OPEN = """
import sys, duckdb
con = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "read")
print("open", flush=True)
sys.stdin.readline()
"""


KILLED = """
import duckdb, os, signal, sys
con = duckdb.connect(sys.argv[1])
con.execute("CREATE TABLE ghost AS SELECT 1")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="session")
def shell() -> str:
    """Return the duckdb shell of this environment."""
    beside = Path(sys.executable).with_name("duckdb")
    found = str(beside) if beside.exists() else shutil.which("duckdb")
    if found is None:
        pytest.skip("the duckdb shell (duckdb-cli) is not installed")
    return found


def ask(shell: str, *args: str | Path, query: str) -> list[dict[str, object]]:
    """Run the shell with arguments and a query; return the rows."""
    done = subprocess.run(
        [shell, *map(str, args), "-json", "-c", query],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    rows: list[dict[str, object]] = json.loads(done.stdout)
    return rows


@pytest.fixture(scope="module")
def unregistered(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Return a warehouse of versions 1 and 2, which no test changes."""
    made = make_warehouse(tmp_path_factory.mktemp("unregistered"))
    add(made, {"syn": synapse_rows(range(50)), "cells": cells(range(10))}, 1)
    add(made, {"syn": synapse_rows(range(60), shift=1), "cells": cells(range(20))}, 2)
    return made


@pytest.fixture
def registered(unregistered: Warehouse, tmp_path: Path) -> Warehouse:
    """Return a registered warehouse of versions 1 and 2."""
    made = copy_of(unregistered, tmp_path / "wh")
    register(made.root)
    return made


@pytest.fixture(params=["database", "init"])
def way(request: pytest.FixtureRequest) -> str:
    """Return each way in which the shell can read a warehouse."""
    return str(request.param)


def through(shell: str, warehouse: Warehouse, way: str, query: str) -> list[dict[str, object]]:
    """Ask the shell by the database file or by the text."""
    args = ["-readonly", warehouse.database] if way == "database" else ["-init", warehouse.init_sql]
    return ask(shell, *args, query=query)


def test_the_shell_reads_views_and_macros(shell: str, registered: Warehouse, way: str) -> None:
    """The shell sees the current snapshot: mirrored tables, canonical views in nm, macros, exact ids."""
    query = "SELECT count(*) AS n, max(pre_pt_root_id) AS root, max(ctr_z_nm) AS z FROM synapses"
    assert through(shell, registered, way, query) == [{"n": 60, "root": ROOT + 60, "z": 2520.0}]
    query = f"SELECT layer FROM id_chunk([{2**56 + 5}])"
    assert through(shell, registered, way, query) == [{"layer": 1}]
    assert through(shell, registered, way, "SELECT snapshot, version FROM snapshot") == [
        {"snapshot": 2, "version": 2}
    ]


def test_the_shell_reads_every_kept_version(shell: str, registered: Warehouse, way: str) -> None:
    """Other kept versions are schemas whose views and tables have their own rows."""
    query = (
        "SELECT (SELECT count(*) FROM v1.synapses) AS old, (SELECT count(*) FROM synapses) AS new, "
        "(SELECT count(*) FROM cave_v1.cells) AS cells, (SELECT max(pre_pt_root_id) FROM v1.synapses) AS root"
    )
    assert through(shell, registered, way, query) == [{"old": 50, "new": 60, "cells": 10, "root": ROOT + 49}]


def test_registering_anew_follows_the_snapshot(shell: str, registered: Warehouse, way: str) -> None:
    """After a commit the files stand for the old snapshot until `register`, then for the new one."""
    add(registered, {"cells": cells(range(30))}, 3)
    query = "SELECT snapshot FROM snapshot"
    assert through(shell, registered, way, query) == [{"snapshot": 2}]
    register(registered.root)
    assert through(shell, registered, way, query) == [{"snapshot": 3}]
    files = sorted(path.name for path in registered.root.iterdir() if path.is_file())
    assert files.pop(0).startswith(".catalog-")
    assert files == [
        "crantdb.duckdb",
        "crantdb.sql",
        "crantdb.toml",
    ]


def test_a_moved_warehouse_is_registered_again(shell: str, registered: Warehouse, way: str) -> None:
    """The derived files hold absolute paths: after a move, `register` makes them right, quotes in the path and all."""
    moved = Warehouse(registered.root.with_name("it's here; [now]"))
    registered.root.rename(moved.root)
    register(moved.root)
    assert through(shell, moved, way, "SELECT count(*) AS n FROM cells") == [{"n": 20}]


@pytest.fixture(params=["read", "write"])
def opened(request: pytest.FixtureRequest, registered: Warehouse) -> Iterator[str]:
    """Return how another process has crantdb.duckdb open."""
    with start(OPEN, registered.database, request.param) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield str(request.param)
        process.communicate("close\n", timeout=30)


@pytest.mark.parametrize("wal", [False, True], ids=["no wal", "wal"])
def test_a_database_open_for_writing_is_left_alone(registered: Warehouse, opened: str, wal: bool) -> None:
    """Open for writing elsewhere: refused, with or without a log yet, and nothing is swapped; a reader is no hindrance."""
    log = registered.database.with_name("crantdb.duckdb.wal")
    if wal:
        log.write_bytes(b"something")
    before = registered.database.stat().st_ino
    if opened == "write":
        with pytest.raises(WarehouseBusy, match="open for writing in another program"):
            register(registered.root)
        assert registered.database.stat().st_ino == before
        assert log.exists() is wal
        log.unlink(missing_ok=True)
    else:
        register(registered.root)
        assert registered.database.stat().st_ino != before
        assert not log.exists()


def test_a_stale_log_is_not_replayed(shell: str, registered: Warehouse) -> None:
    """The write-ahead log of a killed read-write shell is removed: what it holds is never seen in the new file."""
    database = registered.database
    done = child(KILLED, database)
    assert done.returncode == -9
    assert database.with_name("crantdb.duckdb.wal").exists()
    add(registered, {"cells": cells(range(30))}, 3)
    register(registered.root)
    found = ask(
        shell,
        "-readonly",
        database,
        query="SELECT count(*) AS n FROM duckdb_tables() WHERE table_name = 'ghost'",
    )
    assert found == [{"n": 0}]


def test_a_failed_register_leaves_the_old_files(
    registered: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When building the new database fails, the old one stays whole and nothing is left beside it."""
    before = {path: path.read_bytes() for path in (registered.database, registered.init_sql)}

    def fail(*_: object, **__: object) -> list[str]:
        return ["SELECT error('mine')"]

    monkeypatch.setattr("crantdb.warehouse.register.catalog_statements", fail)
    with pytest.raises(duckdb.Error, match="mine"):
        register(registered.root)
    assert {path: path.read_bytes() for path in before} == before
    assert list(registered.root.glob(".*.partial")) == []
