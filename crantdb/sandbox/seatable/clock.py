"""The clock of a sandbox: it runs with the machine's or stands still, and can be put forward."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta


class Clock:
    """What time it is for the server.

    Args:
        at: the moment at which the clock stands still (with its zone); None runs with the machine's clock.
    """

    def __init__(self, at: datetime | None = None) -> None:
        self._lock = threading.Lock()
        self._at = at
        self._ahead = timedelta()

    def now(self) -> datetime:
        """Return the time, in UTC."""
        with self._lock:
            return ((self._at or datetime.now(UTC)) + self._ahead).astimezone(UTC)

    def unix(self) -> float:
        """Return the time in seconds since 1970."""
        return self.now().timestamp()

    def advance(self, seconds: float) -> None:
        """Put the clock forward; also what a client under test calls in the place of sleeping."""
        with self._lock:
            self._ahead += timedelta(seconds=seconds)

    def set(self, at: datetime) -> None:
        """Put the clock to a moment; it goes on as it did, running or standing."""
        self.advance((at - self.now()).total_seconds())


def stamp(moment: datetime) -> str:
    """Return a moment as SeaTable writes ``_ctime`` and ``_mtime``: UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
