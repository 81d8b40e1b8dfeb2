"""What happens to a sync from outside: Ctrl-C, a kill, a disk that fills, a folder that may not be written."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from crantdb.sandbox import Fault, GivenTable, Sandbox

from .bench import Bench, bench, by_id, copy_of, stack, synapses, tags, version
from .test_bad_days import OPTIONS, ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[2]
OLD = version(2, GivenTable("synapses_v2", synapses(300)), tags(9))
NEW = version(3, GivenTable("synapses_v2", synapses(2_000, seed=8, gaps=True)), tags(12))

SCRIPT = """
import resource, sys
from pathlib import Path
from crantdb.config import read_config
from crantdb.errors import CrantdbError
from crantdb.sources.cave import CaveOptions
from crantdb.sources.opening import open_cave
from crantdb.sources.transport import RetryRule
from crantdb.sync.run import sync
from crantdb.sync.selection import Wish
from crantdb.warehouse.layout import open_warehouse

root, largest = sys.argv[1], int(sys.argv[2])
place = open_warehouse(root)
config = read_config(place.config)
options = CaveOptions(parallel=1, chunk_rows=300, timeout_s=60, rule=RetryRule(tries=2, patience_s=60))
if largest:
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
try:
    sync(open_cave(config.datastack, config.server, None, options), place, config, Wish())
except CrantdbError as error:
    sys.exit(f"{type(error).__name__}: {error}")
except KeyboardInterrupt:
    sys.exit("interrupted")
"""

READ = """
import sys, crantdb
con = crantdb.connect(sys.argv[1])
print(con.sql("SELECT count(*) FROM cave.synapses_v2").fetchall()[0][0])
print(crantdb.scan("cave.synapses_v2", sys.argv[1]).collect().height)
"""


def _without_privileges() -> None:
    """Let root, too, be refused by file modes (Linux: drop CAP_DAC_OVERRIDE, _READ_SEARCH and CAP_FOWNER)."""
    if os.geteuid() == 0 and sys.platform == "linux":
        libc = ctypes.CDLL(None)
        for capability in (1, 2, 3):
            libc.prctl(24, capability, 0, 0, 0)


def _start(script: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a script of ours in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_without_privileges,  # noqa: PLW1509 - no thread of this process forks
    )


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Give a server, and a warehouse that holds version 2, which no test changes."""
    with Sandbox(stack(OLD), row_limit=500) as sandbox:
        found = bench(tmp_path_factory.mktemp("before") / "w", sandbox)
        found.sync(options=OPTIONS)
        sandbox.replace(stack(OLD, NEW))
        yield found


@pytest.fixture
def here(before: Bench, tmp_path: Path) -> Bench:
    """Give a warehouse that holds version 2, and a server that now has version 3 too."""
    before.sandbox.faults.clear()
    before.sandbox.log.clear()
    return copy_of(before, tmp_path / "w")


@dataclass(frozen=True, slots=True)
class Resumed:
    """What a resumed sync found staged of the synapses, and what it asked for."""

    staged: int
    asked: int


def _resume(here: Bench) -> Resumed:
    """Check that nothing is changed yet; then sync on, check that all is there, and say what it took."""
    assert here.warehouse.numbers() == [1]
    assert len(here.rows("synapses_v2")) == 300
    here.sandbox.faults.clear()
    here.sandbox.log.clear()
    here.voice.lines.clear()
    here.sync(options=OPTIONS)
    for table in NEW.tables:
        assert here.rows(table.name).select(table.rows.column_names).equals(by_id(table.rows))
    assert here.journal() == []
    [line] = [line for line in here.voice.lines if line.startswith("begin synapses_v2: 2000 rows, ")]
    entries = here.sandbox.log.entries("/version/3/table/synapses_v2/query")
    asked = sum(entry.rows or 0 for entry in entries if "count=True" not in entry.query)
    return Resumed(int(line.split()[-2]), asked)


def _fetched(here: Bench) -> int:
    """Return how many times the server was asked for rows of the new synapses."""
    entries = here.sandbox.log.entries("/version/3/table/synapses_v2/query")
    return sum("count=True" not in entry.query for entry in entries)


def _wait_for(here: Bench, requests: int, process: subprocess.Popen[str]) -> None:
    """Wait until so many requests for rows came."""
    until = time.monotonic() + 30
    while _fetched(here) < requests and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    assert process.poll() is None, process.communicate()
    assert _fetched(here) >= requests


@pytest.mark.parametrize("hangs", [False, True], ids=["between requests", "while a request hangs"])
def test_ctrl_c_stops_and_the_next_sync_goes_on(here: Bench, *, hangs: bool) -> None:
    """Ctrl-C ends a sync although a request hangs; no lock is left; the next sync asks for no row twice."""
    if hangs:
        here.sandbox.faults.add(Fault("stall", match=ROWS, after=3, times=None, seconds=60))
    else:
        here.sandbox.faults.add(Fault("stall", match=ROWS, times=None, seconds=0.15))
    process = _start(SCRIPT, str(here.warehouse.root), "0")
    _wait_for(here, 4, process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=10)
    assert (process.returncode, said.strip()) == (1, "interrupted")
    assert not here.warehouse.lock.exists()
    took = _resume(here)
    assert took.staged > 0
    assert took.asked == 2_000 - took.staged


def test_a_killed_sync_is_gone_on_with(here: Bench) -> None:
    """After SIGKILL the lock of the dead process is taken over, and the next sync asks for no staged row again."""
    here.sandbox.faults.add(Fault("stall", match=ROWS, times=None, seconds=0.15))
    process = _start(SCRIPT, str(here.warehouse.root), "0")
    _wait_for(here, 4, process)
    process.kill()
    process.communicate(timeout=10)
    assert here.warehouse.lock.exists()
    took = _resume(here)
    assert took.staged > 0
    assert took.asked == 2_000 - took.staged


@pytest.mark.parametrize(
    ("largest", "staged"), [(4_000, 0), (40_000, 2_000)], ids=["at the first piece", "at the table's files"]
)
def test_a_disk_that_fills(here: Bench, largest: int, staged: int) -> None:
    """`StorageError` names the file and what to do; what was fetched is kept; with room again the sync goes on."""
    process = _start(SCRIPT, str(here.warehouse.root), str(largest))
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.startswith("StorageError: the disk is full: ")
    assert f"while writing {here.warehouse.root}" in said
    assert "free some space and run the same command again" in said
    assert not list(here.warehouse.root.rglob("*.partial"))
    assert _resume(here) == Resumed(staged, 2_000 - staged)


def _registered(here: Bench) -> int:
    """Return how many synapses a program sees that opens `crantdb.duckdb`."""
    con = duckdb.connect(str(here.warehouse.database), read_only=True)
    try:
        return int(con.sql("SELECT count(*) FROM cave.synapses_v2").fetchall()[0][0])
    finally:
        con.close()


def test_a_disk_that_fills_behind_the_commit(here: Bench) -> None:
    """The snapshot stands, the message says what is missing; the next sync brings the files for other programs along."""
    process = _start(SCRIPT, str(here.warehouse.root), "160000")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.startswith("StorageError: snapshot 2 is committed and whole, but ")
    assert "File too large" in said
    assert said.strip().endswith("then run `crantdb register`")
    assert not list(here.warehouse.root.rglob("*.partial*"))
    assert len(here.rows("synapses_v2")) == 2_000
    assert _registered(here) == 300
    assert not here.sync(options=OPTIONS).changed
    assert _registered(here) == 2_000


def test_a_folder_that_may_only_be_read(here: Bench) -> None:
    """A sync says which path it may not write; reading goes on as ever, for readers write nothing."""
    folders = [here.warehouse.root, *(path for path in here.warehouse.root.rglob("*") if path.is_dir())]
    before = {path: path.stat().st_mode for path in folders}
    try:
        for path in folders:
            path.chmod(0o555)
        process = _start(SCRIPT, str(here.warehouse.root), "0")
        _, said = process.communicate(timeout=60)
        reader = _start(READ, str(here.warehouse.root))
        read, errors = reader.communicate(timeout=60)
    finally:
        for path, mode in before.items():
            path.chmod(mode)
    assert process.returncode == 1
    assert said.startswith(f"StorageError: cannot write {here.warehouse.root}")
    assert "Give yourself write permission" in said
    assert (reader.returncode, read.split()) == (0, ["300", "300"]), errors
    assert _resume(here).asked == 2_000
