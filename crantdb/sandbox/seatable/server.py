"""SeaTable on loopback: started and stopped like a file, alone or on a CAVE sandbox's port."""

from __future__ import annotations

import email.utils
import logging
from typing import TYPE_CHECKING, Self

from crantdb.sandbox.seatable.answers import gateway_error
from crantdb.sandbox.seatable.base import Base
from crantdb.sandbox.seatable.clock import Clock
from crantdb.sandbox.seatable.control import Control
from crantdb.sandbox.seatable.faults import Armed, Fault, Hook
from crantdb.sandbox.seatable.gateway import Gateway
from crantdb.sandbox.seatable.legacy import Legacy
from crantdb.sandbox.seatable.limits import Month
from crantdb.sandbox.seatable.log import Entry, RequestLog
from crantdb.sandbox.seatable.options import Options
from crantdb.sandbox.seatable.state import State
from crantdb.sandbox.seatable.tokens import Tokens, User, sent_token
from crantdb.sandbox.seatable.web import Web
from crantdb.sandbox.transport import Delivery, Listener

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from crantdb.sandbox.exchange import Request, Response

_LOG = logging.getLogger(__name__)
_PATHS = ("/api2/", "/api/v2.1/", "/api-gateway/", "/dtable-server/", "/dtable-db/", "/__ctl__/")
_LOG_IN = "/api2/auth-token"


class SeaTable:
    """A SeaTable server over some bases. Use it as a context manager, or hand it to a CAVE `Sandbox`.

    Attributes:
        url: the address, once started or mounted.
        bases: what it serves; change them with the functions of this package while it serves.
        options: how it behaves.
        clock: its time; `Clock.advance` lets tokens expire and limits pass.
        tokens: what it gave out: `Tokens.revoke_base_tokens`, `Tokens.revoke`.
        month: the team's monthly quota: `Month.exhaust`.
        log: what was asked.
    """

    def __init__(
        self,
        bases: Base | Sequence[Base],
        *,
        token: str | None = None,
        users: Sequence[User] | None = None,
        options: Options | None = None,
        clock: Clock | None = None,
        port: int = 0,
    ) -> None:
        """Nothing is bound before `start`.

        Args:
            bases: what to serve.
            token: the account token of the one user; None lets any text pass for one.
            users: who has an account, in the place of that one user.
            options: how the server behaves (default: SeaTable Cloud 6.2).
            clock: its time (default: the machine's).
            port: 0 takes a free one.
        """
        self.bases: Sequence[Base] = (bases,) if isinstance(bases, Base) else tuple(bases)
        self.options = options or Options()
        self.clock = clock or Clock()
        self.log = RequestLog()
        self.url = ""
        self.tokens = Tokens(users or (User(account_token=token),), self.bases, self.clock, self.options)
        self.month = Month(self.clock, self.options)
        for base in self.bases:
            base.clock = self.clock
            base.cleared_text = None if self.options.cleared_text == "null" else self.options.cleared_text
        self._armed = Armed()
        self._state = State(self.bases, self.options, self.clock, self.tokens, self.month)
        self._gateway, self._web, self._legacy = Gateway(self._state), Web(self._state), Legacy(self._state)
        self._control = Control(self)
        self._port = port
        self._listener: Listener | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Bind the port and begin to answer.

        Raises:
            ConfigError: when the port is taken.
        """
        self._listener = Listener(self._port, self.deliver, clock_offset_s=0.0)
        self.mount(f"http://127.0.0.1:{self._listener.port}")
        self._listener.start()

    def stop(self) -> None:
        """Close all connections and the port."""
        if self._listener is not None:
            self._listener.stop()

    def mount(self, url: str) -> None:
        """Be reached at an address at which somebody else listens and calls `deliver`."""
        self.url = self._state.url = url

    def owns(self, path: str) -> bool:
        """Return whether a path is SeaTable's."""
        return path.startswith(_PATHS)

    def fault(self, fault: Fault) -> None:
        """Set a fault."""
        self._armed.add(fault)

    def on(self, which: int | Callable[[Request], bool], run: Callable[[], object], **more: object) -> None:
        """Call something between two requests, e.g. an edit of a base.

        Args:
            which: the number of the request (counted from 1, from now), or a condition on requests: the first
                that meets it.
            run: what to call, with nothing.
            **more: further attributes of `Hook`: `match`, `when` ("before" or "after"), `nth`, `times`.
        """
        picked = {"nth": which} if isinstance(which, int) else {"wanted": which}
        self._armed.add(Hook(run, **(picked | more)))  # type: ignore[arg-type]

    def clear(self) -> None:
        """Take all faults and hooks back."""
        self._armed.clear()

    def deliver(self, request: Request) -> Delivery:
        """Return what to send to a request and how, and log it."""
        if request.path.startswith("/__ctl__/"):
            return Delivery(self._control.answer(request))
        faults, hooks = self._armed.strike(request)
        self._run(hooks, "before")
        kinds: dict[str, Fault] = {fault.kind: fault for fault in faults}
        if "revoke_tokens" in kinds:
            self.tokens.revoke_base_tokens()
        if "quota" in kinds:
            self.month.exhaust()
        label = self.tokens.label(sent_token(request))
        response = self._answered(request, faults)
        if self.options.gzip and response.body and request.accepts("gzip"):
            response = response.gzipped()
        # The Date header tells the server's time, which clients wait by.
        response = response.with_headers(("Date", email.utils.formatdate(self.clock.unix(), usegmt=True)))
        self._note(request, response, label)
        self._run(hooks, "after")
        return _delivery(response, kinds, self.options.latency)

    def _answered(self, request: Request, faults: tuple[Fault, ...]) -> Response:
        """Return the answer of the server that a path belongs to."""
        try:
            if request.path.startswith("/api-gateway/"):
                return self._gateway.answer(request, faults)
            if request.path.startswith("/dtable-"):
                return self._legacy.answer(request, faults)
            return self._web.answer(request, faults)
        except Exception as error:  # noqa: BLE001 (a server outlives whatever one request does)
            _LOG.exception("the sandbox failed at %s", request.target)
            return gateway_error(f"the sandbox itself failed: {error!r}", 500)

    def _run(self, hooks: Sequence[Hook], when: str) -> None:
        """Call the hooks of before or after a request."""
        for hook in hooks:
            if hook.when == when:
                hook.run()

    def _note(self, request: Request, response: Response, label: str) -> None:
        """Log a request."""
        body = "" if request.path.startswith(_LOG_IN) else request.body.decode("utf-8", "replace")
        self.log.add(
            Entry(
                method=request.method,
                path=request.path,
                query=request.query_string,
                body=body,
                status=response.status,
                token=label,
                at=self.clock.now(),
                client_port=request.client_port,
                size=len(response.body),
                rows=response.rows,
            )
        )


def _delivery(response: Response, faults: Mapping[str, Fault], latency: float) -> Delivery:
    """Return how an answer is delivered."""
    stall, drip, cut = (faults.get(kind) for kind in ("stall", "drip", "truncate"))
    wait = latency + (stall.seconds if stall else 0.0)
    if "reset" in faults:
        return Delivery(response, sent=0.0, reset=True, wait_s=wait)
    sent = min(cut.size / max(len(response.body), 1), 1.0) if cut else None
    return Delivery(response, sent=sent, wait_s=wait, drip_s=drip.seconds if drip else 0.0)
