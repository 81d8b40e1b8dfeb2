"""The servers before the gateway: ``/dtable-server`` and ``/dtable-db``, removed in 5.3."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crantdb.sandbox.exchange import Response
from crantdb.sandbox.seatable import other_calls, row_calls, schema_calls
from crantdb.sandbox.seatable.answers import not_found, web_error
from crantdb.sandbox.seatable.gateway import carried_out
from crantdb.sandbox.seatable.spoil import forced
from crantdb.sandbox.seatable.state import Call
from crantdb.sandbox.seatable.tokens import sent_token

if TYPE_CHECKING:
    from collections.abc import Callable

    from crantdb.sandbox.exchange import Request
    from crantdb.sandbox.seatable.faults import Fault
    from crantdb.sandbox.seatable.state import State

_SERVER = re.compile(
    r"/dtable-server/api/v1/dtables/(?P<uuid>[^/]+)/(?P<what>[a-z-]+)/(?:(?P<row_id>[^/]+)/?)?$"
)
_DB = re.compile(r"/dtable-db/api/v1/query/(?P<uuid>[^/]+)/?$")


class Legacy:
    """The old servers.

    Args:
        state: the server's.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def answer(self, request: Request, faults: tuple[Fault, ...]) -> Response:
        """Return the answer to a request: none since 5.3, a redirect to the gateway since 5.0."""
        match = _SERVER.match(request.path) or _DB.match(request.path)
        if match is None or self._state.options.since("5.3"):
            return not_found()
        found = match.groupdict()
        what = found.get("what") or "sql"
        if self._state.options.since("5.0"):
            query = f"?{request.query_string}" if request.query_string else ""
            there = f"{self._state.url}/api-gateway/api/v2/dtables/{found['uuid']}/{what}/{query}"
            return Response(302, b"", (("Location", there),))
        endpoint = _endpoints().get((request.method, what + ("/" if found.get("row_id") else "")))
        if endpoint is None:
            return not_found()
        return forced(faults, self._state.url) or self._called(endpoint, request, faults, found)

    def _called(
        self,
        endpoint: Callable[..., Response],
        request: Request,
        faults: tuple[Fault, ...],
        found: dict[str, str | None],
    ) -> Response:
        """Return the answer of the token's check, else of the endpoint."""
        uuid = str(found["uuid"])
        base, grant = self._state.base(uuid), self._state.tokens.base(sent_token(request), uuid)
        if base is None or grant is None:
            return web_error("Token expired.", 403)
        values = {"row_id": found["row_id"]} if found.get("row_id") else {}
        call = Call(self._state, base, grant, request, faults=faults, legacy=True)
        return carried_out(endpoint, call, values)


def _endpoints() -> dict[tuple[str, str], Callable[..., Response]]:
    """Return the endpoints by method and the last part of the path; a slash stands for a row's id."""
    return {
        ("GET", "metadata"): schema_calls.metadata,
        ("GET", "columns"): schema_calls.columns,
        ("GET", "rows"): row_calls.list_rows,
        ("GET", "rows/"): row_calls.get_row,
        ("POST", "sql"): other_calls.sql,
    }
