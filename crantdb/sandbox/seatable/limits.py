"""Rates and the monthly quota."""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from crantdb.sandbox.seatable.answers import answer

if TYPE_CHECKING:
    from crantdb.sandbox.exchange import Response
    from crantdb.sandbox.seatable.clock import Clock
    from crantdb.sandbox.seatable.options import Options

_WINDOW_S = 60.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How a caller stands: whether a call is let in, the limit, what is left, and when (unix seconds) more is."""

    is_in: bool
    limit: int
    remaining: int
    reset: int

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return the gateway's headers."""
        return (
            ("x-ratelimit-limit", str(self.limit)),
            ("x-ratelimit-remaining", str(self.remaining)),
            ("x-ratelimit-reset", str(self.reset)),
            ("x-powered-by", "SeaTable-Api-Gateway"),
        )


class Window:
    """A sliding window of 60 s; a refused call takes no place in it.

    Args:
        limit: calls within the window; None for any number.
        clock: the server's.
    """

    def __init__(self, limit: int | None, clock: Clock) -> None:
        self._limit = 1_000_000_000 if limit is None else limit
        self._clock = clock
        self._calls: deque[float] = deque()
        self._lock = threading.Lock()

    def hit(self) -> Standing:
        """Count a call if it is let in; return how the caller stands after it."""
        with self._lock:
            return self._hit()

    def _hit(self) -> Standing:
        """Count a call, under the lock."""
        now = self._clock.unix()
        while self._calls and self._calls[0] <= now - _WINDOW_S:
            self._calls.popleft()
        is_in = len(self._calls) < self._limit
        if is_in:
            self._calls.append(now)
        oldest = self._calls[0] if self._calls else now
        left = self._limit - len(self._calls)
        return Standing(is_in, self._limit, left, math.ceil(oldest + _WINDOW_S))


class Month:
    """The team's quota of gateway calls a calendar month, in the server's zone.

    Args:
        clock: the server's.
        options: the quota, and by how many calls the flag "exceeded" comes late.
    """

    def __init__(self, clock: Clock, options: Options) -> None:
        self._clock = clock
        self._options = options
        self._month = (0, 0)
        self.calls = 0
        self.is_exceeded = False

    def hit(self) -> int | None:
        """Count a call; return when the quota starts anew (unix seconds) if it is exceeded, else None."""
        now = self._clock.now().astimezone(self._options.zone)
        if (now.year, now.month) != self._month:
            self._month, self.calls, self.is_exceeded = (now.year, now.month), 0, False
        quota = self._options.monthly_quota
        if not self.is_exceeded and quota is not None and self.calls >= quota + self._options.quota_lag:
            self.is_exceeded = True
        if not self.is_exceeded:
            self.calls += 1
            return None
        begun = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        following = (begun.replace(tzinfo=None) + timedelta(days=32)).replace(day=1)
        return int(following.replace(tzinfo=self._options.zone).timestamp())

    def exhaust(self) -> None:
        """Set the flag "exceeded" for the rest of the month."""
        self.hit()
        self.is_exceeded = True


def throttled(standing: Standing, clock: Clock) -> Response:
    """Return dtable-web's answer to a caller over the rate."""
    wait = max(1, standing.reset - math.floor(clock.unix()))
    detail = {"detail": f"Request was throttled. Expected available in {wait} seconds."}
    return answer(detail, 429).with_headers(("Retry-After", str(wait)))
