"""The log of what the sandbox was asked, so that a test can count requests."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One answered request: method, path, query string, status, and rows served (None when no table)."""

    method: str
    path: str
    query: str
    status: int
    rows: int | None


class RequestLog:
    """The requests in the order in which they were answered; safe to read while the sandbox serves."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[Entry] = []

    def add(self, entry: Entry) -> None:
        """Append an entry."""
        with self._lock:
            self._entries.append(entry)

    def entries(self, pattern: str = "") -> tuple[Entry, ...]:
        """Return the entries in whose ``METHOD path`` a regular expression is found."""
        found = re.compile(pattern)
        with self._lock:
            return tuple(e for e in self._entries if found.search(f"{e.method} {e.path}"))

    def count(self, pattern: str = "") -> int:
        """Return the number of such entries."""
        return len(self.entries(pattern))

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
