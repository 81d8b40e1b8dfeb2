"""Allowances: a wait as long as the server says, room left for others, and an end when the month is used up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from crantdb.errors import Interrupted, QuotaExhausted, RateLimited
from crantdb.sandbox.seatable import Clock, Fault, SeaTable
from crantdb.sources.seatable.read import ReadRules, read_tables
from tests.conftest import CANARY
from tests.sources.seatable.serving import FAST, neurons, opened, same_as_truth, served

RULES = ReadRules(page_rows=100, settle_s=0.0)


class Waits:
    """Waits that put a clock forward, and are remembered."""

    def __init__(self, clock: Clock) -> None:
        self.seconds: list[float] = []
        self._clock = clock

    def __call__(self, seconds: float) -> None:
        """Wait."""
        self.seconds.append(seconds)
        self._clock.advance(seconds)


def reading(server: SeaTable, waits: Callable[[float], None], **limits: float) -> object:
    """Read a server's base with waits of a test."""
    base = opened(server, sleep=waits, limits=replace(FAST, **limits))
    return read_tables(base, None, rules=RULES)


def test_a_429_is_waited_for_as_long_as_it_says() -> None:
    """One refusal that names its seconds: the wait is that long, and a little jitter."""
    base = neurons(500)
    waits = Waits(base.clock)
    with served(base) as server:
        server.fault(Fault("status", code=429, match="/sql", nth=2, headers=(("Retry-After", "42"),)))
        reading(server, waits)
    assert len(waits.seconds) == 1
    assert 42 <= waits.seconds[0] <= 43


def test_a_429_that_names_its_end_is_waited_for_until_then() -> None:
    """A used-up window of 60 s that began 18 s ago: the wait is the 42 s that are left."""
    base = neurons(50)
    waits = Waits(base.clock)
    with served(base, base_rpm=2) as server:
        server.on(2, lambda: base.clock.advance(18), match="/sql|metadata", when="after")
        reading(server, waits, spare=0.0)
    assert 41.5 <= waits.seconds[0] <= 43.5


def test_a_minute_of_refusals() -> None:
    """A base whose allowance others have used up is read when the window has slid on."""
    base = neurons(900)
    waits = Waits(base.clock)
    with served(base, base_rpm=5) as server:
        result = reading(server, waits, spare=0.0)
        same_as_truth(result, base)
        assert 429 in [entry.status for entry in server.log.entries()]
    assert all(seconds <= 62 for seconds in waits.seconds)


def test_a_429_without_a_word_is_waited_for_longer_each_time() -> None:
    """Four waits, 5, 15, 45 and 60 s, then the end."""
    base = neurons(50)
    waits = Waits(base.clock)
    refuse = Fault("status", code=429, match="/temp-api-token", times=None)
    with served(base) as server:
        server.fault(refuse)
        with pytest.raises(RateLimited):
            reading(server, waits)
    told = zip((5, 15, 45, 60), waits.seconds, strict=True)
    assert all(low <= seconds <= low + 1 for low, seconds in told)


def test_the_websites_own_throttle() -> None:
    """The client hides the header of the authentication's throttle; its words say how long to wait."""
    base = neurons(50)
    waits = Waits(base.clock)
    body = '{"detail": "Request was throttled. Expected available in 42 seconds."}'
    with served(base) as server:
        server.fault(
            Fault("status", code=429, body=body, match=r"/app-access-token", headers=(("Retry-After", "42"),))
        )
        same_as_truth(reading(server, waits), base)
    assert len(waits.seconds) == 1
    assert 42 <= waits.seconds[0] <= 43


def test_room_is_left_for_others() -> None:
    """A fifth of the minute's allowance is never touched: the reading waits for the window to slide."""
    base = neurons(1_500)
    waits = Waits(base.clock)
    with served(base, base_rpm=10) as server:
        same_as_truth(reading(server, waits), base)
        times = [entry.at for entry in server.log.entries() if entry.is_gateway]
        assert 429 not in [entry.status for entry in server.log.entries()]
    busiest = max(sum(0 <= (later - first).total_seconds() < 60 for later in times) for first in times)
    assert busiest <= 9


def test_a_month_that_is_used_up() -> None:
    """The error comes at once, names the day when the quota is back, and nothing is waited for."""
    base = neurons(500)
    waits = Waits(base.clock)
    with served(base, monthly_quota=4) as server:
        with pytest.raises(
            QuotaExhausted, match=r"until 2026-(08-31|09-01) .*quota of API requests"
        ) as caught:
            reading(server, waits)
        assert caught.value.reset is not None
        assert (caught.value.reset.year, caught.value.reset.month) in {(2026, 8), (2026, 9)}
        assert (caught.value.reset - base.clock.now()).days >= 29
        assert [entry.status for entry in server.log.entries()].count(429) == 1
    assert not waits.seconds
    assert CANARY not in str(caught.value)


def test_our_own_bound_on_requests() -> None:
    """No request is made beyond max_requests; the message says how to allow more."""
    base = neurons(2_000)
    with served(base) as server:
        with pytest.raises(QuotaExhausted, match="--max-requests") as caught:
            reading(server, lambda _seconds: None, max_requests=6)
        assert server.log.gateway_calls() == 6
    assert caught.value.reset is None


def test_requests_keep_a_pace() -> None:
    """At two a second, the next request waits for its turn."""
    base = neurons(500)
    waits = Waits(base.clock)
    with served(base) as server:
        result = reading(server, waits, requests_per_s=2.0)
        same_as_truth(result, base)
        asked = server.log.gateway_calls()
    assert len(waits.seconds) == asked - 1
    assert all(0 < seconds <= 0.5 for seconds in waits.seconds)


def test_a_stop_ends_a_wait() -> None:
    """Somebody who asks to stop does not wait for the server's window."""
    base = neurons(500)
    stop = threading.Event()
    at = str(int(base.clock.unix()) + 600)
    with served(base) as server:
        server.fault(Fault("status", code=429, match="/sql", nth=2, headers=(("x-ratelimit-reset", at),)))
        server.on(2, stop.set, match="/sql", when="after")
        source = opened(server, sleep=None, stop=stop)
        with pytest.raises(Interrupted):
            read_tables(source, None, rules=RULES)
