"""LOCK: who is writing to a warehouse. Advice against wasted work, not the safety: that is the commit's link.

It works where flock is refused or local to one node (NFS, Lustre): a file made exclusively, with a
heartbeat whose age is read against the file system's own clock, so that clocks apart do not matter.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from crantdb.errors import WarehouseBusy
from crantdb.warehouse.durable import neighbour, storage_errors, sweep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crantdb.warehouse.layout import Warehouse

HEARTBEAT_S = 10.0
STALE_S = 120.0

_TRIES, _PAUSE_S = 50, 0.02
"""For a lock that others are about to set aside or to take."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a warehouse.

    Attributes:
        host: the machine's name.
        pid: the process on it.
        purpose: what it does, e.g. ``sync``.
        since: when it began, by its own clock, as text.
        nonce: tells two holders of the same process number apart.
    """

    host: str
    pid: int
    purpose: str
    since: str
    nonce: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} ({self.purpose}, since {self.since})"


@contextlib.contextmanager
def writing(warehouse: Warehouse, purpose: str) -> Iterator[Holder]:
    """Hold the warehouse for writing while the block runs.

    A lock whose process is gone, or whose heartbeat stopped two minutes ago, is taken over, and the partial
    files and claims that killed writers left are removed.

    Raises:
        WarehouseBusy: when somebody else holds it; the message says who.
        StorageError: when the disk refuses.
    """
    me = Holder(
        socket.gethostname(),
        os.getpid(),
        purpose,
        f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
        os.urandom(8).hex(),
    )
    _take(warehouse, me)
    stop = threading.Event()
    beat = threading.Thread(target=_beat, args=(warehouse.lock, stop), daemon=True, name="crantdb-heartbeat")
    beat.start()
    try:
        for folder in (warehouse.root, warehouse.snapshots):
            sweep(folder)
        for claim in warehouse.root.glob(f".{warehouse.lock.name}.*.claim"):
            claim.unlink(missing_ok=True)
        yield me
    finally:
        stop.set()
        if holder(warehouse) == me:
            warehouse.lock.unlink(missing_ok=True)


def holder(warehouse: Warehouse) -> Holder | None:
    """Return who holds the warehouse, dead or alive, or None when nobody does."""
    return _named_in(warehouse.lock)


def _named_in(path: Path) -> Holder | None:
    """Return whom a lock or a claim names, or None when it is gone."""
    try:
        return Holder(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        return Holder("?", 0, "an unreadable LOCK", "?", "")


def is_stale(warehouse: Warehouse, who: Holder) -> bool:
    """Tell whether a lock's holder is gone: its process on this machine, or its heartbeat anywhere."""
    return _is_gone(who) or _age_s(warehouse.lock) > STALE_S


def _is_gone(who: Holder) -> bool:
    """Tell whether a process was one of this machine and does not run any more."""
    return who.host == socket.gethostname() and not _alive(who.pid)


def _take(warehouse: Warehouse, me: Holder) -> None:
    """Create the lock, taking a stale one over."""
    path = warehouse.lock
    for _ in range(_TRIES):
        if _create(path, me):
            return
        who = holder(warehouse)
        if who is None:
            continue
        if not is_stale(warehouse, who):
            msg = (
                f"{path.parent} is being written to by {who}. Wait for it to end; readers are not disturbed. "
                f"If that process is gone, its lock is taken over {STALE_S:.0f} s after its last heartbeat"
            )
            raise WarehouseBusy(msg)
        if not _set_aside(warehouse, who, me):
            time.sleep(_PAUSE_S)
    msg = f"{path} keeps changing hands; run the command again"
    raise WarehouseBusy(msg)


def _create(path: Path, me: Holder) -> bool:
    """Create the lock file with its content in one step; False when it exists."""
    partial = neighbour(path)
    content = json.dumps({name: getattr(me, name) for name in me.__slots__})
    with storage_errors(path):
        try:
            partial.write_text(content)
            os.link(partial, path)
        except FileExistsError:
            return False
        finally:
            partial.unlink(missing_ok=True)
    return True


def _set_aside(warehouse: Warehouse, who: Holder, me: Holder) -> bool:
    """Take a stale lock away. Of all who find it dead, only the one that first claims it by its nonce does.

    Without the claim, one would take away the lock that another, quicker one has just made.

    Returns:
        False when somebody else is at it.
    """
    claim = warehouse.lock.with_name(f".{warehouse.lock.name}.{who.nonce}.claim")
    with storage_errors(claim):
        if not _create(claim, me):
            claimant = _named_in(claim)
            if claimant is None or not (_is_gone(claimant) or _age_s(claim) > HEARTBEAT_S):
                return False
            claim.unlink(missing_ok=True)  # whoever claimed it was killed on the spot
            return True
        try:
            if holder(warehouse) == who:
                warehouse.lock.unlink(missing_ok=True)
        finally:
            claim.unlink(missing_ok=True)
    return True


def _beat(path: Path, stop: threading.Event) -> None:
    """Touch the lock until told to stop."""
    while not stop.wait(HEARTBEAT_S):
        with contextlib.suppress(OSError):
            os.utime(path)


def _age_s(path: Path) -> float:
    """Return the seconds since the last heartbeat, both ends by the file system's clock."""
    probe = neighbour(path)
    try:
        probe.touch()
        return probe.stat().st_mtime - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
    finally:
        probe.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    """Tell whether a process of this machine runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid > 0
