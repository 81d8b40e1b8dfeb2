"""The gate: CAVE's middle-auth refusals, and the materialization engine's rate limit."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import quote

from crantdb.sandbox.exchange import Response, json_response, wrapped_500

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crantdb.sandbox.exchange import Request

_AUTHORIZE = "/sticky_auth/api/v1/authorize"
_OPEN = re.compile(r"^/(\w+/api|info|materialize|schema)/versions?$|^/(sticky_auth|watershed)/")
_QUERY = re.compile(r"/query$")
NO_TOKENS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Gate:
    """Who may come in.

    Attributes:
        token: the good token; None lets everybody in.
        tokens: further tokens and what is wrong with them: ``missing_permission`` or ``missing_tos``.
        dataset: the name that the refusals give.
    """

    token: str | None = None
    tokens: Mapping[str, str] = field(default_factory=lambda: NO_TOKENS)
    dataset: str = "sandbox"

    def refusal(self, request: Request, url: str) -> Response | None:
        """Return why a request is refused, or None when it may pass.

        Args:
            request: the request.
            url: the sandbox's own address.
        """
        if self.token is None or _OPEN.search(request.path):
            return None
        header = request.headers.get("authorization")
        if header is not None and not header.startswith("Bearer "):
            return _bad_scheme(url)
        token = _token_of(request, header)
        if token is None:
            return self._without_token(request, url)
        if token == self.token:
            return None
        if token in self.tokens:
            return _forbidden(self.tokens[token], self.dataset, url)
        return invalid_token(url)

    def _without_token(self, request: Request, url: str) -> Response:
        """Return how a request without a token is turned away: a browser is sent to sign in."""
        given = request.query("middle_auth_token")
        if given:
            cookie = ("Set-Cookie", f"middle_auth_token={given}; Secure; HttpOnly; Path=/")
            return _redirect(url + request.path).with_headers(cookie)
        if "x-requested-with" in request.headers or "origin" in request.headers:
            refusal = {"error": "no_token", "message": "Unauthorized - No Token Provided"}
            return json_response(refusal, status=401).with_headers(_challenge(url))
        here = quote(url + request.path)
        return _redirect(f"{url}{_AUTHORIZE}?redirect={here}")


class RateLimit:
    """The materialization engine's limit of queries by user and endpoint, in windows of fixed length."""

    def __init__(self, queries: int, seconds: int) -> None:
        self._queries = queries
        self._seconds = seconds
        self._lock = threading.Lock()
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}

    def refusal(self, request: Request) -> Response | None:
        """Return the 429 as the server sends it, wrapped in a 500; None when the request may pass."""
        if not _QUERY.search(request.path):
            return None
        bucket = (request.headers.get("authorization", ""), request.path.rsplit("/", 3)[1])
        with self._lock:
            start, seen = self._windows.get(bucket, (time.monotonic(), 0))
            if time.monotonic() - start >= self._seconds:
                start, seen = time.monotonic(), 0
            self._windows[bucket] = (start, seen + 1)
        if seen < self._queries:
            return None
        window = "1 minute" if self._seconds == 60 else f"{self._seconds} second"
        return wrapped_500(f"429 Too Many Requests: {self._queries} per {window}")


def invalid_token(url: str) -> Response:
    """Return the answer to a token that is wrong or has expired."""
    refusal = {"error": "invalid_token", "message": "Unauthorized - Token is Invalid or Expired"}
    why = ', error="invalid_token", error_description="Invalid/Expired Token"'
    return json_response(refusal, status=401).with_headers(_challenge(url, why))


def _token_of(request: Request, header: str | None) -> str | None:
    """Return the token of the header, else of the cookie, else None."""
    if header is not None:
        return header.removeprefix("Bearer ")
    cookie = SimpleCookie(request.headers.get("cookie", "")).get("middle_auth_token")
    return cookie.value if cookie else None


def _bad_scheme(url: str) -> Response:
    """Return the answer to an Authorization header that is no bearer's."""
    message = "Authorization header must begin with 'Bearer'"
    why = ', error="invalid_request", error_description="Header must begin with \'Bearer\'"'
    refusal = json_response({"error": "bad_auth_header", "message": message}, status=400)
    return refusal.with_headers(_challenge(url, why))


def _challenge(url: str, why: str = "") -> tuple[str, str]:
    """Return the header that says where a token is to be had."""
    return ("WWW-Authenticate", f'Bearer realm="{url}{_AUTHORIZE}"{why}')


def _forbidden(reason: str, dataset: str, url: str) -> Response:
    """Return the 403 for a token that lacks a permission or the terms of service."""
    if reason == "missing_tos":
        form = f"{url}/sticky_auth/api/v1/tos/9/accept"
        data: dict[str, object] = {"tos_form_url": form, "tos_id": 9, "tos_name": "Sandbox terms"}
        message = "Need to accept Terms of Service to access resource."
    else:
        data = {"auth_dataset": dataset, "required_permission": "view"}
        message = f"Missing permission: view for dataset {dataset}"
    return json_response({"data": data, "error": reason, "message": message}, status=403)


def _redirect(to: str) -> Response:
    """Return a redirect with the page that goes with it."""
    link = f'<a href="{to}">{to}</a>'
    page = (
        "<!doctype html>\n<html lang=en>\n<title>Redirecting...</title>\n<h1>Redirecting...</h1>\n"
        f"<p>You should be redirected automatically to the target URL: {link}. If not, click the link.\n"
    )
    headers = (("Content-Type", "text/html; charset=utf-8"), ("Location", to))
    return Response(302, page.encode(), headers)
