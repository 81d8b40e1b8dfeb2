"""Requests and responses as values, and the few forms in which the real servers put their answers."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crantdb.sandbox.faults import Fault

Headers = tuple[tuple[str, str], ...]

JSON = "application/json"
# What gunicorn answers when a view raises outside of Flask, e.g. for a header it cannot encode.
GUNICORN_500 = b"""<html>
  <head>
    <title>Internal Server Error</title>
  </head>
  <body>
    <h1><p>Internal Server Error</p></h1>
    \n  </body>
</html>
"""
FLASK_404 = b"""<!doctype html>
<html lang=en>
<title>404 Not Found</title>
<h1>Not Found</h1>
<p>The requested URL was not found on the server. If you entered the URL manually please check your spelling and try again.</p>
"""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request.

    Attributes:
        method: GET, POST, …
        path: the decoded path.
        query_string: what stood behind the question mark, undecoded.
        headers: names in lower case.
        body: the raw body.
        faults: the faults that strike this request.
        client_port: the caller's port; 0 where it is not known.
    """

    method: str
    path: str
    query_string: str
    headers: Mapping[str, str]
    body: bytes = b""
    faults: tuple[Fault, ...] = ()
    client_port: int = 0

    @property
    def target(self) -> str:
        """The request as faults and the log match it: ``METHOD path?query``."""
        return f"{self.method} {self.path}" + (f"?{self.query_string}" if self.query_string else "")

    def query(self, name: str, default: str = "") -> str:
        """Return the last value of a query parameter, or the default."""
        return dict(parse_qsl(self.query_string, keep_blank_values=True)).get(name, default)

    def flag(self, name: str) -> bool:
        """Return whether a query parameter says true."""
        return self.query(name).lower() in {"true", "1", "yes"}

    def accepts(self, encoding: str) -> bool:
        """Return whether the Accept-Encoding header names an encoding."""
        return encoding in self.headers.get("accept-encoding", "")

    def fault(self, kind: str) -> Fault | None:
        """Return the fault of a kind that strikes this request, or None."""
        return next((fault for fault in self.faults if fault.kind == kind), None)


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response.

    Attributes:
        status: the status code.
        body: the body as sent, encodings applied.
        headers: in the order sent; a name may come more than once.
        rows: how many table rows the body holds, for the request log; None when it is no table.
    """

    status: int = 200
    body: bytes = b""
    headers: Headers = ()
    rows: int | None = None

    def with_headers(self, *headers: tuple[str, str]) -> Response:
        """Return the response with more headers."""
        return replace(self, headers=(*self.headers, *headers))

    def gzipped(self) -> Response:
        """Return the response with a gzip body."""
        added = (("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding"))
        return replace(self, body=gzip.compress(self.body, 1, mtime=0), headers=(*self.headers, *added))


class Answered(Exception):
    """Raised in an endpoint to leave with an answer.

    Attributes:
        response: the answer.
    """

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


class ServerError(Answered):
    """The answer of the materialization engine when anything in it fails or aborts: a 500 with the message."""

    def __init__(self, message: str) -> None:
        super().__init__(wrapped_500(message))


class SchemaError(Answered):
    """The answer to a body that marshmallow refuses: a 500 that names the fields."""

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        super().__init__(json_response({"schema_errors": dict(errors)}, status=500))


def json_response(value: object, *, status: int = 200, indent: int | None = None) -> Response:
    """Return a JSON response, with the newline that Flask puts at its end."""
    body = json.dumps(value, indent=indent).encode() + b"\n"
    return Response(status, body, (("Content-Type", JSON),))


def compact_json(request: Request, value: object) -> Response:
    """Return JSON as the chunkedgraph sends it: without blanks, gzipped when the client takes gzip."""
    body = json.dumps(value, separators=(",", ":")).encode() + b"\n"
    response = Response(200, body, (("Content-Type", JSON),))
    return response.gzipped() if request.accepts("gzip") else response


def wrapped_500(message: str) -> Response:
    """Return the 500 into which the materialization engine turns every exception and every abort."""
    body: dict[str, Any] = {"code": 500, "message": message, "traceback": ["(left out)"]}
    return Response(500, json.dumps(body).encode(), (("Content-Type", JSON),))


def not_found_page() -> Response:
    """Return Flask's HTML page for a route that does not exist."""
    return Response(404, FLASK_404, (("Content-Type", "text/html; charset=utf-8"),))


def broken_header_page() -> Response:
    """Return gunicorn's HTML page for a response whose headers cannot be encoded."""
    return Response(500, GUNICORN_500, (("Content-Type", "text/html"), ("Connection", "close")))
