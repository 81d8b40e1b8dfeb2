"""The api-gateway: rates, the quota, base tokens, and which path is answered by which endpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import Map, Rule

from crantdb.sandbox.exchange import Response
from crantdb.sandbox.seatable import other_calls, row_calls, schema_calls
from crantdb.sandbox.seatable.answers import Refused, gateway_error, not_found
from crantdb.sandbox.seatable.limits import Standing
from crantdb.sandbox.seatable.spoil import forced, garbled
from crantdb.sandbox.seatable.state import Call
from crantdb.sandbox.seatable.tokens import sent_token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crantdb.sandbox.exchange import Request
    from crantdb.sandbox.seatable.faults import Fault
    from crantdb.sandbox.seatable.state import State

Endpoint = Callable[..., Response]

_ROOT = "/api-gateway/api/v2/dtables/<uuid>"


class Gateway:
    """The gateway of a server.

    Args:
        state: the server's.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        rules = [Rule(_ROOT + path, endpoint=point, methods=[verb]) for verb, path, point in _routes()]
        self._map = Map(rules, strict_slashes=False)

    def answer(self, request: Request, faults: tuple[Fault, ...]) -> Response:
        """Return the answer to a call, with the headers that every answer of the gateway has."""
        found = self._match(request)
        if isinstance(found, Response):
            return found
        endpoint, values = found
        uuid = str(values.pop("uuid"))
        standing = self._standing(uuid)
        if not standing.is_in:
            return Response(429, b"", standing.headers())
        response = forced(faults, self._state.url)
        if response is None:
            call = self._call(uuid, request, faults)
            response = call if isinstance(call, Response) else carried_out(endpoint, call, values)
        if any(fault.kind == "invalid_utf8" for fault in faults):
            response = garbled(response)
        return response.with_headers(*standing.headers())

    def _standing(self, uuid: str) -> Standing:
        """Count a call of a base; return how it stands: the month is asked before the minute."""
        limit = self._state.options.base_rpm
        until = self._state.month.hit()
        if until is not None:
            return Standing(is_in=False, limit=limit or 0, remaining=0, reset=until)
        return self._state.window(uuid, limit).hit()

    def _call(self, uuid: str, request: Request, faults: tuple[Fault, ...]) -> Call | Response:
        """Return a request with what its token allows, or the refusal."""
        base = self._state.base(uuid)
        grant = self._state.tokens.base(sent_token(request), uuid)
        if base is None or grant is None:
            return gateway_error("invalid token", 403)
        return Call(self._state, base, grant, request, faults=faults)

    def _match(self, request: Request) -> tuple[Endpoint, dict[str, Any]] | Response:
        """Return the endpoint and the values of its path, or the answer when there is none."""
        if not self._state.options.since("4.4"):
            return not_found()
        try:
            endpoint, values = self._map.bind("sandbox").match(request.path, method=request.method)
        except MethodNotAllowed:
            return gateway_error("method not allowed", 405)
        except HTTPException:
            return not_found()
        return endpoint, dict(values)


def carried_out(endpoint: Endpoint, call: Call, values: Mapping[str, Any]) -> Response:
    """Return an endpoint's answer, its refusals as the gateway words them; the base stands still meanwhile."""
    try:
        with call.base.lock:
            return endpoint(call, **values)
    except Refused as refused:
        return gateway_error(refused.message, refused.status)
    except (KeyError, TypeError, ValueError) as error:
        return gateway_error(f"invalid request: {error!r}", 400)


def _routes() -> Iterator[tuple[str, str, Endpoint]]:
    """Give the paths behind the base's root."""
    yield "GET", "/metadata/", schema_calls.metadata
    yield "GET", "/rows/", row_calls.list_rows
    yield "POST", "/rows/", row_calls.append
    yield "PUT", "/rows/", row_calls.update
    yield "DELETE", "/rows/", row_calls.delete
    yield "GET", "/rows/<row_id>/", row_calls.get_row
    yield "POST", "/query-links/", row_calls.query_links
    yield "POST", "/links/", row_calls.add_links
    yield "PUT", "/links/", row_calls.replace_links
    yield "DELETE", "/links/", row_calls.remove_links
    yield "POST", "/sql/", other_calls.sql
    yield "GET", "/operations/", other_calls.operations
    yield "GET", "/db-operations/", other_calls.archive_operations
    yield "GET", "/activities/", other_calls.activities
    yield "POST", "/snapshot/", other_calls.snapshot
    yield "POST", "/add-archived-rows/", other_calls.add_archived
    yield "GET", "/columns/", schema_calls.columns
    yield "POST", "/columns/", schema_calls.insert_column
    yield "PUT", "/columns/", schema_calls.change_column
    yield "DELETE", "/columns/", schema_calls.delete_column
    yield "POST", "/column-options/", schema_calls.add_options
    yield "POST", "/tables/", schema_calls.add_table
    yield "PUT", "/tables/", schema_calls.rename_table
    yield "DELETE", "/tables/", schema_calls.drop_table
    yield "GET", "/views/", schema_calls.views
    yield "GET", "/views/<name>/", schema_calls.view
