"""One writer at a time, and a dead one does not block the next."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from crantdb.errors import WarehouseBusy
from crantdb.warehouse import lock
from crantdb.warehouse.layout import create_warehouse
from crantdb.warehouse.lock import Holder, holder, is_stale, writing
from tests.warehouse.making import start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crantdb.warehouse.layout import Warehouse

HOLD = """
import sys
from pathlib import Path
from crantdb.warehouse.layout import Warehouse
from crantdb.warehouse.lock import writing
with writing(Warehouse(Path(sys.argv[1])), "sync"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def other(warehouse: Warehouse) -> Iterator[subprocess.Popen[str]]:
    """Return another process that holds the warehouse."""
    with start(HOLD, warehouse.root) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def leave(warehouse: Warehouse, age_s: float = 0, **fields: Any) -> None:
    """Leave a lock as a process would that held it `age_s` seconds ago."""
    values = {"host": "elsewhere", "pid": 1, "purpose": "sync", "since": "then", "nonce": "n"}
    warehouse.lock.write_text(json.dumps(values | fields))
    then = warehouse.lock.stat().st_mtime - age_s
    os.utime(warehouse.lock, (then, then))


def test_of_two_writers_one_wins_and_the_other_hears_who(
    warehouse: Warehouse, other: subprocess.Popen[str]
) -> None:
    """A second writer is refused with the first one's process, host and purpose, and the lock stays as it was."""
    before = warehouse.lock.read_bytes()
    wanted = rf"process {other.pid} on {socket.gethostname()} \(sync, since .* UTC\)"
    with pytest.raises(WarehouseBusy, match=wanted), writing(warehouse, "rollback"):
        pytest.fail("two writers at once")
    assert warehouse.lock.read_bytes() == before


def test_a_lock_ends_with_its_holder(warehouse: Warehouse, other: subprocess.Popen[str]) -> None:
    """When the first is done, its lock is gone and the next may write."""
    other.communicate("done\n", timeout=30)
    assert holder(warehouse) is None
    with writing(warehouse, "sync") as me:
        assert holder(warehouse) == me
        assert me.pid == os.getpid()
    assert not warehouse.lock.exists()


def test_a_killed_holder_is_taken_over_at_once(warehouse: Warehouse, other: subprocess.Popen[str]) -> None:
    """A lock whose process on this machine is gone holds nobody up."""
    other.kill()
    other.wait(timeout=30)
    assert holder(warehouse) is not None
    with writing(warehouse, "sync") as me:
        assert holder(warehouse) == me


def test_of_many_who_find_a_dead_lock_one_wins(warehouse: Warehouse) -> None:
    """Six at once take over one dead lock, fifty times: one holds it, the others hear that it is busy."""
    with ThreadPoolExecutor(6) as pool:
        for _ in range(50):
            leave(warehouse, age_s=3600)
            ready, last = threading.Barrier(6), threading.Barrier(6)
            results = list(pool.map(lambda _: take(warehouse, ready, last), range(6)))  # noqa: B023
            assert sorted(results) == ["busy"] * 5 + ["held"]


def take(warehouse: Warehouse, ready: threading.Barrier, last: threading.Barrier) -> str:
    """Try to hold a warehouse, together with others, until all of them have tried."""
    ready.wait(30)
    try:
        with writing(warehouse, "sync"):
            last.wait(30)
            return "held"
    except WarehouseBusy:
        last.wait(30)
        return "busy"


def test_a_takeover_that_was_killed_holds_nobody_up(warehouse: Warehouse) -> None:
    """A claim on a dead lock, left by one that was killed while taking it over, is forgotten after a heartbeat."""
    leave(warehouse, age_s=3600)
    claim = warehouse.lock.with_name(".LOCK.n.claim")
    claim.touch()
    with pytest.raises(WarehouseBusy, match="run the command again"), writing(warehouse, "sync"):
        pytest.fail("two writers at once")
    os.utime(claim, (0, 0))
    with writing(warehouse, "sync") as me:
        assert holder(warehouse) == me
    assert not claim.exists()


def test_a_takeover_that_was_killed_just_now_holds_nobody_up(warehouse: Warehouse) -> None:
    """A claim of this machine whose process is gone is set aside at once: the same command goes on, not ten seconds later."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    leave(warehouse, host=socket.gethostname(), pid=gone.pid)
    claim = warehouse.lock.with_name(".LOCK.n.claim")
    claim.write_text(json.dumps(asdict(Holder(socket.gethostname(), gone.pid, "sync", "now", "m"))))
    with writing(warehouse, "sync") as me:
        assert holder(warehouse) == me
        assert not claim.exists()


def test_claims_of_locks_long_gone_are_swept(warehouse: Warehouse) -> None:
    """One killed between a lock's end and its claim's leaves the claim, which the next writer removes."""
    claim = warehouse.lock.with_name(".LOCK.old.claim")
    claim.touch()
    with writing(warehouse, "sync"):
        assert not claim.exists()


@pytest.mark.parametrize(("age_s", "gone"), [(60, False), (110, False), (130, True), (90_000, True)])
def test_another_machines_lock_lives_by_its_heartbeat(warehouse: Warehouse, age_s: float, gone: bool) -> None:
    """A lock of another host counts until two minutes after its last heartbeat; its process number says nothing here."""
    leave(warehouse, age_s=age_s, pid=2**22 + 1)
    who = holder(warehouse)
    assert who is not None
    assert is_stale(warehouse, who) is gone
    if gone:
        with writing(warehouse, "sync") as me:
            assert holder(warehouse) == me
    else:
        with pytest.raises(WarehouseBusy, match="on elsewhere"), writing(warehouse, "sync"):
            pytest.fail("two writers at once")


def test_a_live_process_whose_heart_stopped_is_taken_over(warehouse: Warehouse) -> None:
    """A process number that was given to somebody else does not hold the warehouse for ever."""
    leave(warehouse, age_s=130, host=socket.gethostname(), pid=os.getppid())
    with writing(warehouse, "sync"):
        pass


def test_an_unreadable_lock_is_waited_for_then_taken_over(warehouse: Warehouse) -> None:
    """A LOCK that is no JSON is held by somebody unknown until its heartbeat is two minutes old."""
    warehouse.lock.write_text("not json")
    with pytest.raises(WarehouseBusy, match="unreadable LOCK"), writing(warehouse, "sync"):
        pytest.fail("two writers at once")
    then = warehouse.lock.stat().st_mtime - 130
    os.utime(warehouse.lock, (then, then))
    with writing(warehouse, "sync") as me:
        assert holder(warehouse) == me


def test_a_lock_that_was_taken_over_is_not_taken_away(warehouse: Warehouse) -> None:
    """A writer that ends after somebody took its lock over leaves the new holder's lock alone."""
    with writing(warehouse, "sync"):
        leave(warehouse)
    assert holder(warehouse) == Holder("elsewhere", 1, "sync", "then", "n")


def test_a_lock_ends_with_a_failure_too(warehouse: Warehouse) -> None:
    """An exception inside the block ends the lock and passes on."""
    failure = ValueError("mine")
    with pytest.raises(ValueError, match="mine"), writing(warehouse, "sync"):
        raise failure
    assert sorted(path.name for path in warehouse.root.iterdir()) == ["crantdb.toml", "snapshots"]


def test_the_heart_beats_while_the_block_runs(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock's age is set back again and again while its holder lives."""
    monkeypatch.setattr(lock, "HEARTBEAT_S", 0.01)
    with writing(warehouse, "sync"):
        os.utime(warehouse.lock, (0, 0))
        beaten = threading.Event()
        for _ in range(1000):
            if warehouse.lock.stat().st_mtime > 0:
                break
            beaten.wait(0.01)
        assert warehouse.lock.stat().st_mtime > 0


@pytest.mark.skipif(sys.platform == "win32", reason="processes are asked by signal 0")
def test_a_process_of_somebody_else_is_alive() -> None:
    """Process 1, which a user may not signal, counts as alive; 0 and numbers of nobody do not."""
    assert lock._alive(1)
    assert not lock._alive(0)
    assert not lock._alive(2**22 + 1)


def test_what_killed_writers_left_is_swept(tmp_path: Path) -> None:
    """Taking the lock removes partial files of more than an hour ago, and leaves those that may still be written."""
    warehouse = create_warehouse(tmp_path / "wh", "")
    old, young = (warehouse.snapshots / f".0000000{number}.json.abc.partial" for number in (1, 2))
    for path in (old, young):
        path.write_text("half")
    os.utime(old, (0, 0))
    with writing(warehouse, "test"):
        assert (old.exists(), young.exists()) == (False, True)
