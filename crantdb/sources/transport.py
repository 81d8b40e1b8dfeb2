"""One way to ask a service: a timeout on every call, bounded retries with jitter, every failure an error of ours."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import requests
import tenacity
from requests.adapters import HTTPAdapter

from crantdb.errors import AuthError, Interrupted, RateLimited, ServiceUnavailable, TransientError
from crantdb.sources.classify import Answer, error_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CONNECT_TIMEOUT_S = 20.0
SECRET_CHARS = 16
"""Real tokens are 32 characters; a much shorter one would be found in texts that do not hold it."""

log = logging.getLogger("crantdb.sources")
Decoded = TypeVar("Decoded")


@dataclass(frozen=True, slots=True)
class RetryRule:
    """How often and how long a request is tried.

    Attributes:
        tries: tries at the most.
        patience_s: seconds after which no further try is begun.
        backoff_s: the first wait is up to this; each later one up to twice the one before.
        longest_wait_s: no wait is longer, unless the server asks for it.
    """

    tries: int = 6
    patience_s: float = 600.0
    backoff_s: float = 0.5
    longest_wait_s: float = 60.0


@dataclass(slots=True)
class Meter:
    """What a transport has done so far; safe to read from any thread."""

    requests: int = 0
    retries: int = 0
    bytes: int = 0
    seconds: float = 0.0
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, *, requests: int = 0, retries: int = 0, size: int = 0, seconds: float = 0.0) -> None:
        """Count."""
        with self._guard:
            self.requests += requests
            self.retries += retries
            self.bytes += size
            self.seconds += seconds


class Transport:
    """Asks over one session.

    Args:
        session: with the auth headers of the service; its own retries are switched off, ours count.
        timeout_s: seconds without a byte after which a try is given up.
        rule: how often a transient failure is tried again.
        secret: text that may appear in no message, whatever a server echoes.
    """

    def __init__(
        self, session: requests.Session, *, timeout_s: float, rule: RetryRule, secret: str | None = None
    ) -> None:
        for prefix in ("http://", "https://"):
            session.mount(prefix, HTTPAdapter(max_retries=0, pool_maxsize=16))
        # Without an `auth` of its own a session takes one from ~/.netrc and puts it in the token's place.
        session.auth = _as_it_is
        self.stop = threading.Event()
        self.meter = Meter()
        self.last_date = ""
        self._session = session
        self._timeout = (min(CONNECT_TIMEOUT_S, timeout_s), timeout_s)
        self._rule = rule
        self._secret = secret

    @property
    def secret(self) -> str | None:
        """The token, for another library that asks the same service; it may appear in no message."""
        return self._secret

    def json(self, url: str, params: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON is anything
        """Return the JSON behind an address.

        Raises:
            SourceError: of the kind that the answer stands for; transient ones only after the last try.
            Interrupted: when `stop` was set.
        """
        return self.ask("GET", url, decode=_decode_json, params=params)

    def ask(
        self,
        method: str,
        url: str,
        *,
        decode: Callable[[Answer], Decoded],
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Decoded:
        """Return what `decode` makes of the answer; a decoder may raise a `TransientError` to have it tried again.

        Raises:
            SourceError, Interrupted: as `json`.
        """

        def once() -> Decoded:
            if self.stop.is_set():
                msg = "stopped; what was staged is kept"
                raise Interrupted(msg)
            return decode(self._once(method, url, params, body, headers))

        start = time.monotonic()
        retrying = self._retrying()
        try:
            return retrying(once)
        except TransientError as error:
            took = f"{retrying.statistics['attempt_number']} tries in {time.monotonic() - start:.0f} s"
            error.args = (
                f"{error} (given up after {took}; tries and patience_s in crantdb.toml set the bounds)",
            )
            raise

    def _retrying(self) -> tenacity.Retrying:
        """Return the rule as tenacity has it."""
        rule = self._rule
        return tenacity.Retrying(
            # "Before": a wait that would outlast the patience, as a Retry-After may, is not begun.
            stop=tenacity.stop_after_attempt(rule.tries) | tenacity.stop_before_delay(rule.patience_s),
            wait=_Wait(rule),
            retry=tenacity.retry_if_exception_type(TransientError),
            sleep=tenacity.sleep_using_event(self.stop),
            before_sleep=self._say_retry,
            reraise=True,
        )

    def _say_retry(self, state: tenacity.RetryCallState) -> None:
        """Log what failed and when it is tried again."""
        self.meter.add(retries=1)
        error = state.outcome.exception() if state.outcome else None
        wait = state.next_action.sleep if state.next_action else 0.0
        log.warning("try %d failed, again in %.1f s: %s", state.attempt_number, wait, error)

    def _once(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None,
        body: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> Answer:
        """Make one try; return an answer that is what was asked."""
        start = time.monotonic()
        try:
            response = self._session.request(
                method,
                url,
                params=dict(params or {}),
                data=body,
                headers=dict(headers or {}),
                timeout=self._timeout,
                allow_redirects=False,
            )
        except requests.Timeout as error:
            msg = f"{url} gave no byte for {self._timeout[1]:g} s (timeout_s in crantdb.toml)"
            raise ServiceUnavailable(msg, url=url) from error
        except (requests.exceptions.InvalidHeader, UnicodeError):
            msg = "the token holds characters that no HTTP header may carry: copy it again, without blanks or line ends"
            raise AuthError(msg, url=url) from None
        except requests.RequestException as error:
            raise ServiceUnavailable(self._hidden(f"{url}: {_cause(error)}"), url=url) from error
        finally:
            self.meter.add(requests=1, seconds=time.monotonic() - start)
        self.meter.add(size=len(response.content))
        self.last_date = response.headers.get("Date", "")
        answer = Answer(response.status_code, response.headers, self._readable(response), url)
        failure = error_of(answer)
        if failure is not None:
            failure.args = (self._hidden(str(failure)),)
            raise failure
        return answer

    def _readable(self, response: requests.Response) -> bytes:
        """Return the body; a text without the secret, so that nothing made of it later can show it."""
        rows = "arrow" in response.headers.get("Content-Type", "")
        if self._secret is None or len(self._secret) < SECRET_CHARS or rows:
            return response.content
        return response.content.replace(self._secret.encode(), b"[token]")

    def _hidden(self, text: str) -> str:
        """Return a text without the secret."""
        return text.replace(self._secret, "[token]") if self._secret else text


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Return a request unchanged: its headers carry the token already."""
    return request


class _Wait(tenacity.wait.wait_base):
    """Full jitter, doubling; but as long as the server asked for, when it asked."""

    def __init__(self, rule: RetryRule) -> None:
        self._jitter = tenacity.wait_random_exponential(multiplier=rule.backoff_s, max=rule.longest_wait_s)

    def __call__(self, retry_state: tenacity.RetryCallState) -> float:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        asked = error.retry_after_s if isinstance(error, RateLimited) else None
        return max(asked or 0.0, float(self._jitter(retry_state)))


def _decode_json(answer: Answer) -> Any:  # noqa: ANN401 - JSON is anything
    """Return the body as JSON; a body that is none was cut short or is not the service's."""
    content = answer.json()
    if content is None and answer.body.strip() != b"null":
        msg = f"{answer.url} answered with something that is not JSON ({len(answer.body)} bytes)"
        raise ServiceUnavailable(msg, url=answer.url, status=answer.status)
    return content


def _cause(error: BaseException) -> str:
    """Return the innermost cause of a connection's failure, in its own words."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    reason = getattr(error, "reason", None)
    return f"{type(error).__name__}: {reason if isinstance(reason, str) else error}"
