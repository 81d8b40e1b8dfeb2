"""Faults on demand: what can go wrong between a client and a CAVE server, struck at chosen requests."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import Literal

from crantdb.errors import ConfigError

Kind = Literal[
    "status",
    "me_500",
    "reset",
    "stall",
    "truncate",
    "html",
    "drop_warning",
    "rows",
    "duplicate_rows",
    "wrong_schema",
    "row_limit",
    "token_expired",
]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault and the requests it strikes.

    Attributes:
        kind: what happens:

            * ``status`` answers `code` with `body` and `headers`;
            * ``me_500`` answers the materialization engine's 500 with `message`;
            * ``html`` answers an HTML page with status 200;
            * ``token_expired`` answers the 401 of an expired token;
            * ``stall`` waits `seconds`, then goes on;
            * ``reset`` resets the connection after the head and `fraction` of the body (0: before the head);
            * ``truncate`` declares the whole length, sends `fraction` of the body and closes;
            * ``drop_warning`` leaves out the Warning headers;
            * ``rows`` leaves out `rows` rows and says nothing;
            * ``duplicate_rows`` replaces the last `rows` rows by copies of the first ones;
            * ``wrong_schema`` serves `column` as a double;
            * ``row_limit`` serves at most `rows` rows, with the server's usual Warning.
        match: a regular expression searched for in ``METHOD path?query``.
        times: how many matching requests are struck; None for all.
        after: how many matching requests are let through first.
        code: the status of ``status``.
        body: the body of ``status``.
        headers: further headers of ``status``, e.g. Retry-After.
        message: the message of ``me_500``.
        seconds: how long ``stall`` waits.
        fraction: the share of the response that ``reset`` and ``truncate`` send.
        rows: the number of rows of ``rows``, ``duplicate_rows`` and ``row_limit``.
        column: the column of ``wrong_schema``.
    """

    kind: Kind
    match: str = ""
    times: int | None = 1
    after: int = 0
    code: int = 503
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    message: str = "(psycopg2.OperationalError) server closed the connection unexpectedly"
    seconds: float = 1.0
    fraction: float = 0.5
    rows: int = 1
    column: str = "id"


class Faults:
    """The faults of a running sandbox; safe to change while it serves."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[_Armed] = []

    def add(self, fault: Fault) -> None:
        """Arm a fault.

        Raises:
            ConfigError: when its `match` is no regular expression.
        """
        try:
            pattern = re.compile(fault.match)
        except re.error as error:
            msg = f"match={fault.match!r} is no regular expression ({error}); escape it with re.escape"
            raise ConfigError(msg) from error
        with self._lock:
            self._armed.append(_Armed(fault, pattern))

    def clear(self) -> None:
        """Disarm every fault."""
        with self._lock:
            self._armed.clear()

    def strike(self, target: str) -> tuple[Fault, ...]:
        """Return the faults that strike a request, and count it.

        Args:
            target: ``METHOD path?query``.
        """
        with self._lock:
            return tuple(armed.fault for armed in self._armed if armed.strikes(target))


class _Armed:
    """A fault with the number of matching requests seen; used under the lock of `Faults`."""

    def __init__(self, fault: Fault, pattern: re.Pattern[str]) -> None:
        self.fault = fault
        self._pattern = pattern
        self._seen = 0

    def strikes(self, target: str) -> bool:
        """Count a request that matches; return whether it is struck."""
        if not self._pattern.search(target):
            return False
        turn = self._seen - self.fault.after
        self._seen += 1
        return turn >= 0 and (self.fault.times is None or turn < self.fault.times)
