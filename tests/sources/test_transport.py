"""One way to ask: bounded in tries and seconds, every failure an error in words, the token in none of them."""

from __future__ import annotations

import gzip
import logging
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
import tenacity

from crantdb.errors import (
    AuthError,
    BadResponse,
    Interrupted,
    RateLimited,
    ServiceUnavailable,
    SourceError,
    TransientError,
)
from crantdb.sources.cave import Cave, CaveOptions
from crantdb.sources.opening import open_cave
from crantdb.sources.transport import RetryRule, Transport

from .loopback import RESET, STALL, Loopback, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

CANARY = "canary7d1f0c52e94b4a6f8b3c0e6a51d2f7"
QUICK = RetryRule(tries=4, patience_s=20, backoff_s=0.001, longest_wait_s=0.002)
BUSY = Reply(b"busy", "503 Service Unavailable")
HTML = Reply(b"<!doctype html><title>Maintenance</title>", headers=(("Content-Type", "text/html"),))
GOOD = Reply(b'{"good": true}')


def _transport(rule: RetryRule = QUICK, *, timeout_s: float = 5.0, token: str = CANARY) -> Transport:
    """Return a transport that sends a token."""
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    return Transport(session, timeout_s=timeout_s, rule=rule, secret=token)


class Waits(threading.Event):
    """An event that notes how long it was asked to wait, and does not wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        """Note it."""
        self.waits.append(timeout or 0.0)
        return self.is_set()


TROUBLES = {
    "503": BUSY,
    "a reset connection": RESET,
    "a body cut short": Reply(b'{"good"', length=14),
    "a page with 200": HTML,
    "no JSON": Reply(b'{"good": tr'),
    "a body that is not the gzip it says": Reply(b"nonsense", headers=(("Content-Encoding", "gzip"),)),
    "a rate limit as 500": Reply(
        b'{"code": 500, "message": "429 Too Many Requests: 3 per 1 minute"}', "500 Internal Server Error"
    ),
    "a stumbling database": Reply(
        b'{"message": "(sqlalchemy.exc.InvalidRequestError) Can\'t reconnect until invalid transaction"}',
        "500 Internal Server Error",
    ),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_passing_trouble_is_tried_again(trouble: str) -> None:
    """What a later try may not see is tried again, and the answer then counts."""
    with Loopback([TROUBLES[trouble], TROUBLES[trouble], GOOD]) as server:
        transport = _transport()
        assert transport.json(server.url) == {"good": True}
    assert (transport.meter.requests, transport.meter.retries, len(server.seen)) == (3, 2, 3)


@pytest.mark.parametrize("trouble", TROUBLES)
def test_tries_are_bounded(trouble: str, caplog: pytest.LogCaptureFixture) -> None:
    """A trouble that stays is given up after `tries` requests; each retry is logged, the error says all of it."""
    with Loopback([TROUBLES[trouble]]) as server, caplog.at_level(logging.WARNING):
        transport = _transport()
        with pytest.raises(TransientError, match=r"given up after 4 tries") as caught:
            transport.json(f"{server.url}/where")
    assert len(server.seen) == 4
    assert "/where" in str(caught.value)
    assert [record.args[0] for record in caplog.records if isinstance(record.args, tuple)] == [1, 2, 3]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b'{"error": "invalid_token", "message": "Invalid"}', "401 Unauthorized"),
        Reply(b"nothing here", "404 Not Found"),
        Reply(b'{"schema_errors": {"x": ["Unknown field."]}}', "500 Internal Server Error"),
        Reply(b'{"message": "400 Bad Request: no"}', "500 Internal Server Error"),
    ],
    ids=["wrong token", "404", "schema errors", "bad request"],
)
def test_a_failure_that_stays_is_asked_once(reply: Reply) -> None:
    """What no later try can mend is not tried again."""
    with Loopback([reply]) as server, pytest.raises(SourceError) as caught:
        _transport().json(server.url)
    assert not isinstance(caught.value, TransientError)
    assert len(server.seen) == 1


def test_nobody_listens() -> None:
    """A server that is not there is `ServiceUnavailable` in the system's own words."""
    with Loopback([GOOD]) as server:
        url = server.url
    with pytest.raises(ServiceUnavailable, match=r"[Cc]onnection refused"):
        _transport().json(url)


def test_a_stall_ends_at_the_timeout() -> None:
    """A server that accepts and says nothing is given up after `timeout_s`, which the message names."""
    rule = RetryRule(tries=2, patience_s=20, backoff_s=0.001, longest_wait_s=0.002)
    with (
        Loopback([STALL]) as server,
        pytest.raises(ServiceUnavailable, match=r"no byte for 0\.2 s \(timeout_s"),
    ):
        _transport(rule, timeout_s=0.2).json(server.url)
    assert len(server.seen) == 2


# --- waiting ----------------------------------------------------------------------------------------------


def _wait(rule: RetryRule, attempt: int, error: Exception) -> float:
    """Return the wait that the rule draws after a failed attempt."""
    retrying = _transport(rule)._retrying()
    state = tenacity.RetryCallState(retrying, None, (), {})
    state.attempt_number = attempt
    future: tenacity.Future = tenacity.Future(attempt)
    future.set_exception(error)
    state.outcome = future
    assert callable(retrying.wait)
    return float(retrying.wait(state))


def test_jitter_stays_in_its_bounds_and_is_spread() -> None:
    """The n-th wait is drawn from 0 to backoff·2^(n-1), never above the longest; not all waits are alike."""
    rule = RetryRule(backoff_s=0.5, longest_wait_s=3.0)
    for attempt in range(1, 12):
        bound = min(3.0, 0.5 * 2 ** (attempt - 1))
        drawn = [_wait(rule, attempt, ServiceUnavailable("x")) for _ in range(200)]
        assert all(0 <= wait <= bound for wait in drawn)
        assert max(drawn) - min(drawn) > bound / 4


def test_retry_after_is_obeyed() -> None:
    """The wait is never shorter than the seconds that a 429 asks for, on the wire and in the rule."""
    asked = RateLimited("slow", retry_after_s=7.5)
    assert all(_wait(QUICK, 1, asked) >= 7.5 for _ in range(50))
    reply = Reply(b"slow down", "429 Too Many Requests", (("Retry-After", "7.5"),))
    with Loopback([reply, GOOD]) as server:
        transport = _transport()
        transport.stop = waits = Waits()
        assert transport.json(server.url) == {"good": True}
    assert len(waits.waits) == 1
    assert waits.waits[0] >= 7.5


def test_no_wait_outlasts_the_patience() -> None:
    """A server that asks for an hour is not waited for when patience ends before: one request, said with the hour."""
    reply = Reply(b"slow down", "429 Too Many Requests", (("Retry-After", "3600"),))
    with Loopback([reply]) as server:
        transport = _transport()
        transport.stop = waits = Waits()
        with pytest.raises(RateLimited, match="3600 s") as caught:
            transport.json(server.url)
    assert (waits.waits, len(server.seen)) == ([], 1)
    assert "patience_s" in str(caught.value)


def test_patience_zero_is_one_try() -> None:
    """With no patience the first failure is the last."""
    with Loopback([BUSY]) as server, pytest.raises(ServiceUnavailable):
        _transport(RetryRule(patience_s=0)).json(server.url)
    assert len(server.seen) == 1


def test_a_stop_is_heard_before_a_request() -> None:
    """Once `stop` is set nothing is asked any more."""
    with Loopback([GOOD]) as server:
        transport = _transport()
        transport.stop.set()
        with pytest.raises(Interrupted):
            transport.json(server.url)
    assert server.seen == []


def test_a_stop_is_heard_while_waiting() -> None:
    """A wait of minutes ends as soon as `stop` is set, with `Interrupted` and no further request."""
    reply = Reply(b"slow down", "429 Too Many Requests", (("Retry-After", "15"),))
    with Loopback([reply]) as server:
        transport = _transport()
        timer = threading.Timer(0.2, transport.stop.set)
        timer.start()
        with pytest.raises(Interrupted):
            transport.json(server.url)
    assert len(server.seen) == 1


# --- the token --------------------------------------------------------------------------------------------


def _echoes(token: str) -> dict[str, Reply]:
    """Return answers in which a server echoes the token."""
    text = token.encode()
    page = (("Content-Type", "text/html"),)
    away = (("Location", f"http://elsewhere.example/{token}/x?token={token}"),)
    return {
        "message": Reply(
            b'{"message": "400 Bad Request: you sent ' + text + b'"}', "500 Internal Server Error"
        ),
        "401": Reply(b'{"error": "invalid_token", "message": "bad ' + text + b'"}', "401 Unauthorized"),
        "permission": Reply(b'{"error": "missing_permission", "message": "' + text + b'"}', "403 Forbidden"),
        "terms": Reply(
            b'{"error": "missing_tos", "data": {"tos_name": "'
            + text
            + b'", "tos_form_url": "'
            + text
            + b'"}}',
            "403 Forbidden",
        ),
        "page": Reply(b"<html><title>" + text + b"</title>", "502 Bad Gateway", page),
        "page with 200": Reply(b"<html><title>" + text + b"</title>", headers=page),
        "text": Reply(text, "404 Not Found"),
        "redirect": Reply(b"", "302 Found", away),
        "rate limit": Reply(text, "429 Too Many Requests"),
    }


@pytest.mark.parametrize("how", _echoes(""))
def test_an_echoed_token_is_in_no_message(how: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a server echoes, the token stands in no error, no cause of one, and no line of the log."""
    with Loopback([_echoes(CANARY)[how]]) as server, caplog.at_level(logging.DEBUG):
        with pytest.raises(SourceError) as caught:
            _transport().json(f"{server.url}/x")
        shown = "".join(traceback.format_exception(caught.value))
    assert CANARY not in shown + repr(caught.value) + caught.value.url
    assert CANARY not in "".join(record.getMessage() for record in caplog.records)


def _cave(transport: Transport, url: str) -> Cave:
    """Return a datastack behind a transport."""
    return Cave("ant", url, {"local_server": url}, transport, CaveOptions())


ASKS: dict[str, Callable[[Cave], Any]] = {
    "versions": lambda cave: cave.versions(),
    "engine": lambda cave: cave.engine_version(),
}


@pytest.mark.parametrize("what", ASKS)
def test_a_token_echoed_in_good_json_is_in_no_message(what: str) -> None:
    """A well-formed answer that makes no sense is shown without the token in it."""
    bodies = {"versions": f'[{{"version": "{CANARY}"}}]', "engine": f'"{CANARY}"'}
    with Loopback([Reply(bodies[what].encode())]) as server, pytest.raises(SourceError) as caught:
        ASKS[what](_cave(_transport(), server.url))
    assert CANARY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "token", ["abc\ndef", "abc\r\nX-Evil: 1", "abc\N{EN DASH}def", "abc\N{ZERO WIDTH SPACE}"]
)
def test_a_token_that_fits_no_header_is_said_so(token: str) -> None:
    """A token with a line end or a foreign character is refused before anything is sent, and is not shown."""
    with Loopback([GOOD]) as server, pytest.raises(AuthError, match="copy it again") as caught:
        open_cave("ant", server.url, token, CaveOptions(rule=QUICK))
    assert server.seen == []
    assert token not in "".join(traceback.format_exception(caught.value))


def test_the_token_goes_to_no_other_server() -> None:
    """A redirect is not followed, so the token is not sent on; the message says what to write in crantdb.toml."""
    with Loopback([GOOD]) as other:
        away = Reply(b"", "301 Moved", (("Location", f"{other.url}/x"),))
        told = r"redirects to .* Write that address as `server`"
        with Loopback([away]) as server, pytest.raises(BadResponse, match=told):
            _transport().json(server.url)
    assert other.seen == []


def test_a_netrc_does_not_replace_the_token(own_home: Path) -> None:
    """An entry in ~/.netrc for the same machine leaves our Authorization header as it is."""
    netrc = own_home / ".netrc"
    netrc.write_text("machine 127.0.0.1 login ada password lovelace\n")
    netrc.chmod(0o600)
    with Loopback([GOOD]) as server:
        _transport().json(server.url)
    netrc.unlink()
    assert f"Authorization: Bearer {CANARY}" in server.seen[0]


def test_a_gzipped_answer_is_unpacked() -> None:
    """A body that is gzip, as its header says, is read."""
    packed = Reply(gzip.compress(b'{"good": true}'), headers=(("Content-Encoding", "gzip"),))
    with Loopback([packed]) as server:
        assert _transport().json(server.url) == {"good": True}
