"""Asks a base's gateway over a session of our own, so that status, headers and metadata survive."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter

from crantdb.errors import AuthError, RateLimited, ServiceUnavailable, SourceError
from crantdb.sources.classify import Answer
from crantdb.sources.seatable.answers import TokenRefused, content_of
from crantdb.sources.seatable.bounded import within
from crantdb.sources.seatable.limits import Allowance, Budget, log, persist, quota_exhausted
from crantdb.sources.transport import Meter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from crantdb.sources.seatable.keys import Door, Opened
    from crantdb.sources.seatable.limits import Limits, Waiting

CONNECT_TIMEOUT_S = 10.0
EARLY_S = 60.0
"""A base token is renewed this long before it expires."""

AUTH_S = 90.0
SLOW = 5.0
"""An answer that takes this many timeouts in all is given up, however steadily it drips."""


class Gateway:
    """One base's endpoints.

    Args:
        door: opens the base, now and whenever the token expires.
        budget: requests and pace, shared by all bases of a run.
        waiting: how waits are done.

    Attributes:
        opened: the base as it was opened last.
        asked: gateway requests made, retries too.
        meter: requests of every kind, bytes and seconds.
        allowance: what the server still allows.
    """

    def __init__(self, door: Door, budget: Budget, waiting: Waiting) -> None:
        self._door = door
        self._budget = budget
        self._waiting = waiting
        self._session = _session()
        self.asked = 0
        self.meter = Meter()
        self.allowance = Allowance()
        self.opened = self._open()

    @property
    def limits(self) -> Limits:
        """How the server is asked."""
        return self._budget.limits

    @property
    def waiting(self) -> Waiting:
        """How waits are done."""
        return self._waiting

    def get(self, path: str) -> dict[str, Any]:
        """Return the JSON behind an endpoint (`metadata/`).

        Raises:
            SourceError: as the answer says; transient ones after the last try.
            Interrupted: when a stop was asked for.
        """
        return self._ask("GET", path, lambda _failures: None)

    def post(self, path: str, body: Callable[[int], Mapping[str, Any]]) -> dict[str, Any]:
        """Return what an endpoint answers to a body; only ever asks, so that a repeat does no harm.

        Args:
            path: `sql` or `query-links/`.
            body: gives the body, told how many tries failed: a failing page may be made smaller.

        Raises:
            SourceError, Interrupted: as `get`.
        """
        return self._ask("POST", path, body)

    def elsewhere(self, path: str) -> dict[str, Any]:
        """Return the JSON of an endpoint outside the gateway, which counts for no quota.

        Raises:
            SourceError, Interrupted: as `get`.
        """
        url = f"{self._door.url}{path}"
        return persist(lambda _failures: self._once("GET", url, None), self.limits, self._waiting)

    def _ask(self, method: str, path: str, body: Callable[[int], Mapping[str, Any] | None]) -> dict[str, Any]:
        """Ask until there is an answer, renewing the token once when it is refused."""
        renewed = False

        def act(failures: int) -> dict[str, Any]:
            nonlocal renewed
            self._renew_early()
            self._pause()
            content = body(failures)
            try:
                return self._counted(method, path, content)
            except TokenRefused as error:
                if renewed:
                    raise self._refused_again(error) from None
                renewed = True
                log.warning("the base token of %r is refused; it is renewed", self._door.name)
                self.opened = self._open()
                return self._counted(method, path, content)

        try:
            return persist(act, self.limits, self._waiting)
        except TokenRefused as error:
            raise self._refused_again(error) from None

    def _counted(self, method: str, path: str, content: Mapping[str, Any] | None) -> dict[str, Any]:
        """Make one gateway request, counted."""
        self._budget.spend()
        self.asked += 1
        return self._once(method, f"{self.opened.gateway}/{path}", content)

    def _refused_again(self, error: SourceError) -> AuthError:
        """Return the error for a token that is refused although it was renewed."""
        msg = (
            f"{error} - also with a renewed base token. {self._door.token} no longer opens the base "
            f"{self._door.name!r}: ask its owner for permission, or make a new token"
        )
        return AuthError(msg, url=error.url, status=error.status)

    def _open(self) -> Opened:
        """Open the base, trying again what is worth it."""
        return persist(lambda _failures: self._open_once(), self.limits, self._waiting)

    def _open_once(self) -> Opened:
        """Open the base; a server that wants a long wait has a quota used up."""
        what = f"authentication at {self._door.url}"
        try:
            # seatable_api's own timeouts are 30 s each, between bytes.
            return within(AUTH_S, self._door.open, check=self._waiting.check, what=what)
        except RateLimited as error:
            self._stop_when_long(error)
            raise

    def _renew_early(self) -> None:
        """Renew a token that is about to expire."""
        expires = self.opened.expires
        if (
            expires is not None
            and self.allowance.date is not None
            and self.allowance.now() > expires - EARLY_S
        ):
            self.opened = self._open()

    def _pause(self) -> None:
        """Wait while the server's allowance is needed by others."""
        wait = self.allowance.pause(self.limits)
        if wait:
            log.warning(
                "%d of %d requests a minute are left for all users of %r: again in %.0f s",
                self.allowance.remaining, self.allowance.limit, self._door.name, wait,
            )  # fmt: skip
            self._waiting.wait(wait)

    def _once(self, method: str, url: str, content: Mapping[str, Any] | None) -> dict[str, Any]:
        """Make one request and return its JSON."""
        answer = self._answer(method, url, content)
        try:
            result: dict[str, Any] = content_of(answer)
        except RateLimited as error:
            asked = answer.header("retry-after")
            error.retry_after_s = float(asked) if asked.isdigit() else self.allowance.until_reset()
            self._stop_when_long(error)
            raise
        return result

    def _stop_when_long(self, error: RateLimited) -> None:
        """Raise when the wait is too long to be a pause."""
        wait = error.retry_after_s
        if wait is not None and wait > self.limits.longest_wait_s:
            raise quota_exhausted(error.url, wait, self.allowance.now()) from None

    def _answer(self, method: str, url: str, content: Mapping[str, Any] | None) -> Answer:
        """Make one request; return the answer, whatever it says."""
        start = time.monotonic()
        try:
            return within(
                SLOW * self.limits.timeout_s,
                lambda: self._asked(method, url, content),
                check=self._waiting.check,
                what=f"an answer of {url}",
            )
        finally:
            self.meter.add(requests=1, seconds=time.monotonic() - start)

    def _asked(self, method: str, url: str, content: Mapping[str, Any] | None) -> Answer:
        """Make one request, in a thread that is waited for."""
        timeout = self.limits.timeout_s
        try:
            response = self._session.request(
                method,
                url,
                json=content,
                headers={"Authorization": f"Token {self.opened.secret}"},
                timeout=(min(CONNECT_TIMEOUT_S, timeout), timeout),
                allow_redirects=False,
            )
        except requests.Timeout:
            msg = f"{url} gave no byte for {timeout:g} s (timeout_s in crantdb.toml)"
            raise ServiceUnavailable(msg, url=url) from None
        except requests.RequestException as error:
            msg = f"{url}: the connection failed ({type(error).__name__})"
            raise ServiceUnavailable(msg, url=url) from None
        self.meter.add(size=len(response.content))
        self.allowance.hear(response.headers)
        return Answer(response.status_code, response.headers, response.content, url)


def _session() -> requests.Session:
    """Return a session whose token is ours: without an `auth` of its own it would take one from ~/.netrc."""
    session = requests.Session()
    session.auth = _as_it_is
    for prefix in ("http://", "https://"):
        session.mount(prefix, HTTPAdapter(max_retries=0))
    return session


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Return a request unchanged: its headers carry the token already."""
    return request
