"""From an HTTP answer to an error of ours, or to none. Pure: tested on every recorded answer.

The materialization engine answers nearly every failure with status 500 and the true one in words
(`{"code": 500, "message": "404 Not Found: …"}`), so the words decide.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crantdb.errors import (
    AuthError,
    BadResponse,
    NotServed,
    RateLimited,
    ReferenceNotLoaded,
    ServiceUnavailable,
    SourceError,
    TermsNotAccepted,
    Unreadable,
    VersionUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHOWN = 300

_DATABASE_HICCUP = re.compile(
    r"Can't reconnect until invalid transaction|server closed the connection|connection already closed"
    r"|could not connect to server|SSL connection has been closed|terminating connection|too many clients"
    r"|QueuePool limit|remaining connection slots|the database system is (starting|shutting|in recovery)"
    r"|EOF detected|OperationalError|canceling statement|deadlock detected|Lost connection",
    re.IGNORECASE,
)
_DATABASE_GONE = re.compile(r'relation \\?"[^"]+\\?" does not exist|database \\?"[^"]+\\?" does not exist')
_FOREIGN_KEY = re.compile(r"Foreign key associated with column .* could not find table '([^']+)'")
# Ids as bytes come as "text/html" too, and may begin with any byte: a page has a tag.
_PAGE = re.compile(rb"\s*<(!--|!doctype|\?xml|html|head|title|body)", re.IGNORECASE)
_NOT_THERE = re.compile(r"^404 |No row was found|No table named|info not returned 404|has no attribute 'get'")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, headers (any case), body, and the address asked (without query)."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    def header(self, name: str) -> str:
        """Return a header's value, or an empty text."""
        return next((value for key, value in self.headers.items() if key.lower() == name), "")

    def json(self) -> Any:  # noqa: ANN401 - whatever JSON the server sent
        """Return the body as JSON, or None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def is_web_page(self) -> bool:
        """Tell whether the body is a web page, whatever its status says."""
        return "text/html" in self.header("content-type") and bool(_PAGE.match(self.body))


def error_of(answer: Answer) -> SourceError | None:
    """Return the error an answer stands for; None for one that is what was asked.

    Transient ones are `TransientError`s: the same request may be answered a moment later.
    """
    if answer.status < 300:
        return _web_page(answer) if answer.is_web_page() else None
    if answer.status < 400:
        return _redirect(answer)
    if answer.status >= 500:
        return _server_error(answer)
    return _client_error(answer)


def _web_page(answer: Answer) -> SourceError:
    """A page where data should be: a proxy's maintenance notice, or a login form."""
    return _make(
        ServiceUnavailable, answer, f"{answer.url} answered with a web page instead of data: {_text(answer)}"
    )


def _redirect(answer: Answer) -> SourceError:
    """A redirect: to the login page when there is no token, else to another address."""
    target = answer.header("location")
    if "authorize" in target:
        return _make(AuthError, answer, f"{answer.url} asks for a token and was sent none. {HOW_TO_GET_ONE}")
    address = target.split("?")[0]
    return _make(
        BadResponse,
        answer,
        f"{answer.url} redirects to {address}. Write that address as `server` in crantdb.toml",
    )


HOW_TO_GET_ONE = (
    "Get one from your CAVE administrator's page (…/auth/api/v1/create_token), then put it into the environment "
    'as CAVE_TOKEN or into ~/.cloudvolume/secrets/cave-secret.json as {"token": "…"}'
)


def _client_error(answer: Answer) -> SourceError:
    """An error with its true status, as the auth layer and the chunkedgraph give it."""
    content = answer.json()
    kind = content.get("error") if isinstance(content, dict) else None
    if kind == "missing_tos":
        return _terms(answer, content.get("data", {}))
    if kind == "missing_permission":
        said = content.get("message", "missing permission")
        return _make(AuthError, answer, f"{said}. Ask the owner of the datastack to grant it to you")
    if answer.status == 401 or kind in {"bad_auth_header", "invalid_token", "no_token"}:
        return _make(AuthError, answer, f"{answer.url} refuses the token ({_text(answer)}). {HOW_TO_GET_ONE}")
    if answer.status == 429:
        wait = _seconds(answer.header("retry-after"))
        after = "" if wait is None else f", the next one after {wait:g} s"
        msg = f"{answer.url} asks for fewer requests{after}: {_text(answer)}"
        return RateLimited(msg, url=answer.url, status=answer.status, retry_after_s=wait)
    kinds = {
        403: (AuthError, "forbids this"),
        404: (NotServed, "is not there"),
        408: (ServiceUnavailable, "timed out"),
    }
    error, said = kinds.get(answer.status, (BadResponse, f"answered {answer.status}"))
    return _make(error, answer, f"{answer.url} {said}: {_text(answer)}")


def _terms(answer: Answer, data: Mapping[str, str]) -> SourceError:
    """Terms of service that only a person can accept, in a browser of theirs."""
    msg = (
        f"the terms of service {data.get('tos_name', '')!r} are not accepted yet. "
        f"Read and accept them in a browser: {data.get('tos_form_url', answer.url)}"
    )
    return _make(TermsNotAccepted, answer, msg)


def _server_error(answer: Answer) -> SourceError:
    """A 5xx: a gateway's, a crash, or any failure at all of the materialization engine."""
    content = answer.json()
    if answer.status != 500 or not isinstance(content, dict):
        return _make(ServiceUnavailable, answer, f"{answer.url} answered {answer.status}: {_text(answer)}")
    if "message" not in content:
        return _make(BadResponse, answer, f"{answer.url} does not understand the request: {_text(answer)}")
    message = str(content["message"])
    if message.startswith("401 "):
        return _make(Unreadable, answer, _short(message))
    kind = next((kind for pattern, kind in _MEANINGS if pattern.search(message)), BadResponse)
    hint = " (its database is gone: the version expired)" if kind is VersionUnavailable else ""
    return _make(kind, answer, f"{answer.url} says: {_short(message)}{hint}")


_MEANINGS: tuple[tuple[re.Pattern[str], type[SourceError]], ...] = (
    (re.compile(r"^429 "), RateLimited),
    (re.compile(r"^403 "), AuthError),
    (_FOREIGN_KEY, ReferenceNotLoaded),
    (_DATABASE_GONE, VersionUnavailable),
    (_NOT_THERE, NotServed),
    (_DATABASE_HICCUP, ServiceUnavailable),
)


def _make(kind: type[SourceError], answer: Answer, message: str) -> SourceError:
    """Return an error of a kind with where it came from."""
    return kind(message, url=answer.url, status=answer.status)


def _seconds(text: str) -> float | None:
    """Parse a Retry-After in seconds; the date form is left to our own backoff."""
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text.strip()) else None


def _text(answer: Answer) -> str:
    """Return the telling part of a body in a few words."""
    content = answer.json()
    if isinstance(content, dict):
        return _short(str(content.get("message") or content.get("schema_errors") or content))
    if isinstance(content, str):
        return _short(content)
    text = answer.body.decode("utf-8", "replace")
    if answer.is_web_page():
        title = re.search(r"<title>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        text = title[1] if title else re.sub(r"<[^>]*>", " ", text)
    return _short(text) or "(no words)"


def _short(text: str) -> str:
    """Fold white space and fit a text into a line of a message: the middle goes, for reasons stand at the end."""
    folded = " ".join(text.split())
    half = _SHOWN // 2
    return folded if len(folded) <= _SHOWN else f"{folded[:half]} … {folded[-half:]}"
