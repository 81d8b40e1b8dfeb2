"""The sandbox itself: CAVE's servers behind one loopback address, started and stopped like a file."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Self

from crantdb.sandbox.auth import NO_TOKENS, Gate, RateLimit, invalid_token
from crantdb.sandbox.exchange import Answered, Request, Response, wrapped_500
from crantdb.sandbox.faults import Faults
from crantdb.sandbox.given import Datastack
from crantdb.sandbox.requestlog import Entry, RequestLog
from crantdb.sandbox.routes import Routes
from crantdb.sandbox.site import SERVER_VERSIONS, Options, Site
from crantdb.sandbox.transport import Delivery, Listener

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from crantdb.sandbox.seatable import SeaTable

_LOG = logging.getLogger(__name__)


class Sandbox:
    """CAVE on loopback: global and local server in one, over given or generated datastacks.

    Use it as a context manager, or call `start` and `stop`.

    Attributes:
        url: the address of both servers, e.g. ``http://127.0.0.1:40123``.
        faults: what goes wrong, and when.
        log: what was asked.
    """

    def __init__(
        self,
        datastacks: Datastack | Sequence[Datastack],
        *,
        port: int = 0,
        token: str | None = None,
        tokens: Mapping[str, str] = NO_TOKENS,
        row_limit: int = 10_000,
        rows_in_order: bool = False,
        foreign_key_500: bool = False,
        rate_limit: tuple[int, int] | None = None,
        server_versions: Mapping[str, str] | None = None,
        clock_offset_s: float = 0.0,
        seed: int = 0,
        quiet_500: bool = False,
        seatable: SeaTable | None = None,
    ) -> None:
        """Bind the port; nothing is answered before `start`.

        Args:
            datastacks: what to serve.
            port: 0 takes a free one.
            token: the token to ask for; None asks for none.
            tokens: other tokens and why they are refused (``missing_permission``, ``missing_tos``).
            row_limit: the most rows a query gives.
            rows_in_order: False serves rows in another order at every request, so that paging by offset
                loses some.
            foreign_key_500: whether reference tables fail on a worker that has not met their target.
            rate_limit: queries and the seconds in which a user may ask them of one endpoint.
            server_versions: replaces what info, materialize or segmentation say they are.
            clock_offset_s: how far the servers' clocks are ahead.
            seed: where the orders of rows start.
            quiet_500: whether the chunkedgraph fails for the edits of a time without any, as older ones do.
            seatable: a SeaTable to answer on the same port; its paths and CAVE's do not meet.

        Raises:
            ConfigError: when the port is taken.
        """
        stacks = [datastacks] if isinstance(datastacks, Datastack) else list(datastacks)
        versions = {**SERVER_VERSIONS, **(server_versions or {})}
        options = Options(row_limit, rows_in_order, foreign_key_500, versions, seed, quiet_500)
        self.faults = Faults()
        self.log = RequestLog()
        self._site = Site(stacks, options)
        self._routes = Routes(self._site)
        self._gate = Gate(token, tokens, dataset=stacks[0].name if stacks else "sandbox")
        self._rate = RateLimit(*rate_limit) if rate_limit else None
        self._listener = Listener(port, self._serve, clock_offset_s=clock_offset_s)
        self.url = self._site.url = f"http://127.0.0.1:{self._listener.port}"
        self._seatable = seatable
        if seatable is not None:
            seatable.mount(self.url)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to answer."""
        self._listener.start()

    def stop(self) -> None:
        """Close all connections, the port and the database."""
        self._listener.stop()
        self._site.store.close()

    def replace(self, datastack: Datastack) -> None:
        """Serve a new state of a datastack from now on, e.g. with a version expired or a new one."""
        self._site.replace(datastack)

    def _serve(self, request: Request) -> Delivery:
        """Return what to send to a request and how, and log it."""
        if self._seatable is not None and self._seatable.owns(request.path):
            return self._seatable.deliver(request)
        struck = Request(
            request.method,
            request.path,
            request.query_string,
            request.headers,
            request.body,
            self.faults.strike(request.target),
        )
        response = self._forced(struck) or self._answer(struck)
        entry = Entry(request.method, request.path, request.query_string, response.status, response.rows)
        self.log.add(entry)
        stall, reset, cut = (struck.fault(kind) for kind in ("stall", "reset", "truncate"))
        broken = reset or cut
        return Delivery(
            response,
            sent=broken.fraction if broken else None,
            reset=reset is not None,
            wait_s=stall.seconds if stall else 0.0,
        )

    def _forced(self, request: Request) -> Response | None:
        """Return the answer that a fault puts in the place of the real one, or None."""
        if fault := request.fault("status"):
            kind = ("Content-Type", "text/plain; charset=utf-8")
            return Response(fault.code, fault.body, (kind, *fault.headers))
        if fault := request.fault("me_500"):
            return wrapped_500(fault.message)
        if request.fault("html"):
            page = b"<!doctype html>\n<html><head><title>Sign in</title></head><body>Please sign in.</body></html>\n"
            return Response(200, page, (("Content-Type", "text/html; charset=utf-8"),))
        return invalid_token(self.url) if request.fault("token_expired") else None

    def _answer(self, request: Request) -> Response:
        """Return the answer of the gate, else of the endpoint."""
        refusal = self._gate.refusal(request, self.url)
        if refusal is None and self._rate is not None:
            refusal = self._rate.refusal(request)
        if refusal is not None:
            return refusal
        try:
            return self._routes.answer(request)
        except Answered as answer:
            return answer.response
        except Exception as error:  # noqa: BLE001 (a server outlives whatever one request does)
            _LOG.exception("the sandbox failed at %s", request.target)
            return wrapped_500(f"the sandbox itself failed: {error!r}")
