"""The log of what a server was asked."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """One answered request.

    Attributes:
        method: GET, POST, ….
        path: the decoded path.
        query: what stood behind the question mark.
        body: the request's body as text; a password in it is not kept.
        status: the status answered.
        token: which token was sent, by a label that holds nothing of it.
        at: the server's time.
        client_port: the caller's port, so that connections can be told apart; 0 where it is not known.
        size: bytes of the answer's body.
        rows: rows in the answer; None when it has none.
    """

    method: str
    path: str
    query: str
    body: str
    status: int
    token: str
    at: datetime
    client_port: int
    size: int
    rows: int | None

    @property
    def is_gateway(self) -> bool:
        """Whether the call counts for the rate and the month."""
        return self.path.startswith("/api-gateway/")

    @property
    def is_sql(self) -> bool:
        """Whether it is a SQL call."""
        return self.is_gateway and self.path.rstrip("/").endswith("/sql")


class RequestLog:
    """The requests in the order in which they were answered; safe to read while the server serves."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[Entry] = []

    def add(self, entry: Entry) -> None:
        """Append an entry."""
        with self._lock:
            self._entries.append(entry)

    def entries(self, pattern: str = "") -> tuple[Entry, ...]:
        """Return the entries in whose ``METHOD path body`` a regular expression is found."""
        found = re.compile(pattern, re.DOTALL)
        with self._lock:
            return tuple(e for e in self._entries if found.search(f"{e.method} {e.path} {e.body}"))

    def count(self, pattern: str = "") -> int:
        """Return the number of such entries."""
        return len(self.entries(pattern))

    def gateway_calls(self) -> int:
        """Return how many calls counted for the rate and the month, refused ones too."""
        return sum(entry.is_gateway for entry in self.entries())

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
