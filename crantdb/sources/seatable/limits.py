"""How a server is asked: pace, allowance, tries and waits. Every wait ends at once when a stop is asked for."""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar

from crantdb.errors import Interrupted, QuotaExhausted, RateLimited, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Sleep = Callable[[float], None]

MARGIN_S = 0.5
"""Clocks are told in whole seconds: a window is waited for a little longer."""

UNTOLD_WAITS_S = (5.0, 15.0, 45.0, 60.0)
"""Waits after a 429 that does not say how long."""

log = logging.getLogger("crantdb.sources")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Limits:
    """How a server is asked.

    Attributes:
        requests_per_s: gateway requests a second at the most, one at a time.
        max_requests: gateway requests in all (retries too); None for no bound.
        spare: the share of the server's allowance a minute that is left to others.
        timeout_s: seconds without a byte after which a request is given up.
        tries: how often a request is made before a transient failure becomes final.
        backoff_s: the first wait; each later one is twice the one before.
        longest_wait_s: a server that wants a longer wait has its quota exhausted: an error.
        patience_s: seconds waited for the allowance in one request before it is given up.
    """

    requests_per_s: float = 2.0
    max_requests: int | None = None
    spare: float = 0.2
    timeout_s: float = 120.0
    tries: int = 5
    backoff_s: float = 1.0
    longest_wait_s: float = 900.0
    patience_s: float = 1800.0


class Waiting:
    """Waits, and can be stopped.

    Args:
        stop: set from outside to end early.
        sleep: what waits; a test's own clock, or None for the machine's.
    """

    def __init__(self, stop: threading.Event | None = None, sleep: Sleep | None = None) -> None:
        self.stop = stop or threading.Event()
        self._sleep: Callable[[float], object] = sleep or self.stop.wait

    def check(self) -> None:
        """Raise when a stop was asked for.

        Raises:
            Interrupted: then.
        """
        if self.stop.is_set():
            msg = "stopped; the last snapshot stays as it is"
            raise Interrupted(msg)

    def wait(self, seconds: float) -> None:
        """Wait.

        Raises:
            Interrupted: when a stop is asked for meanwhile.
        """
        self.check()
        if seconds > 0:
            self._sleep(seconds)
        self.check()


@dataclass(slots=True)
class Budget:
    """Gateway requests of one run: counted, and never faster than agreed.

    Attributes:
        limits: the agreement.
        waiting: how waits are done.
        spent: requests made so far.
    """

    limits: Limits
    waiting: Waiting
    spent: int = 0
    last: float = float("-inf")

    def spend(self) -> None:
        """Wait for one's turn and count one request.

        Raises:
            QuotaExhausted: when `max_requests` were made.
            Interrupted: when a stop was asked for.
        """
        self.waiting.check()
        most = self.limits.max_requests
        if most is not None and self.spent >= most:
            msg = (
                f"{self.spent:,} requests were made, as many as allowed (--max-requests, max_requests in "
                f"crantdb.toml), and the base is not read yet: the last snapshot stays. Allow more, or name fewer tables"
            )
            raise QuotaExhausted(msg)
        self.waiting.wait(self.last + 1.0 / self.limits.requests_per_s - time.monotonic())
        self.last = time.monotonic()
        self.spent += 1


@dataclass(slots=True)
class Allowance:
    """What a base's server still allows within its window, as its headers say.

    Attributes:
        limit: requests a window; None when the server does not say.
        remaining: requests left for all users of the base together.
        reset: when more are allowed, Unix seconds by the server's clock.
        date: the server's clock when it last answered, Unix seconds; None before.
        heard: our own clock then.
    """

    limit: float | None = None
    remaining: float | None = None
    reset: float | None = None
    date: float | None = None
    heard: float = 0.0

    def hear(self, headers: Mapping[str, str]) -> None:
        """Read an answer's headers."""
        self.limit = _number(headers.get("x-ratelimit-limit"))
        self.remaining = _number(headers.get("x-ratelimit-remaining"))
        self.reset = _number(headers.get("x-ratelimit-reset"))
        self.date = _date(headers.get("Date"))
        self.heard = time.monotonic()

    def now(self) -> float:
        """Return the time by the server's clock, Unix seconds; our own when it did not say."""
        if self.date is None:
            return time.time()
        return self.date + time.monotonic() - self.heard

    def until_reset(self) -> float | None:
        """Return the seconds until more requests are allowed, or None when the server does not say."""
        return None if self.reset is None else max(0.0, self.reset - self.now())

    def pause(self, limits: Limits) -> float:
        """Return how long to wait so that the spare share stays with others."""
        if self.limit is None or self.remaining is None or self.remaining >= limits.spare * self.limit:
            return 0.0
        wait = self.until_reset()
        return 0.0 if wait is None or wait > limits.longest_wait_s else max(1.0, wait + MARGIN_S)


def persist(act: Callable[[int], Result], limits: Limits, waiting: Waiting) -> Result:
    """Do something until it is done or a failure is final.

    Args:
        act: what to do; is given how many transient failures there were so far.
        limits: tries and waits.
        waiting: how waits are done.

    Raises:
        SourceError: a failure that is not transient, or the last of those that are.
        QuotaExhausted: when the server wants a wait longer than `longest_wait_s`.
        Interrupted: when a stop was asked for.
    """
    failures, untold, waited = 0, 0, 0.0
    while True:
        try:
            return act(failures)
        except RateLimited as error:
            asked = error.retry_after_s
            if asked is not None and asked > limits.longest_wait_s:
                raise
            if asked is None and untold >= len(UNTOLD_WAITS_S):
                raise
            wait = UNTOLD_WAITS_S[untold] if asked is None else max(1.0, asked)
            untold += asked is None
            waited += wait
            if waited > limits.patience_s:
                raise
            say_wait(wait, error)
            waiting.wait(wait + _jitter(1.0))
        except TransientError as error:
            failures += 1
            if failures >= limits.tries:
                error.args = (f"{error} (given up after {failures} tries; the last snapshot stays)",)
                raise
            wait = limits.backoff_s * 2.0 ** (failures - 1)
            say_wait(wait, error)
            waiting.wait(wait + _jitter(wait / 4))


def say_wait(wait: float, why: object) -> None:
    """Log a wait and its reason."""
    log.warning("again in %.1f s: %s", wait, why)


def quota_exhausted(url: str, wait_s: float, now: float) -> QuotaExhausted:
    """Return the error for a server that wants a wait too long to be a pause: a quota, used up."""
    reset = datetime.fromtimestamp(now + wait_s, UTC).replace(microsecond=0)
    msg = (
        f"{url} answers no more requests until {reset:%Y-%m-%d %H:%M:%S} UTC: the team's quota of API requests "
        f"is used up (all its people and scripts share it). The last snapshot stays; sync again after that date, "
        f"or ask the team's owner for a larger quota"
    )
    return QuotaExhausted(msg, url=url, status=429, reset=reset)


def _jitter(most: float) -> float:
    """Return a little more time, so that clients do not come back together."""
    return random.uniform(0.0, most)  # noqa: S311 - not a secret


def _number(text: str | None) -> float | None:
    """Return a header's number, or None."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _date(text: str | None) -> float | None:
    """Return the moment of a Date header, Unix seconds, or None."""
    try:
        return None if text is None else parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None
