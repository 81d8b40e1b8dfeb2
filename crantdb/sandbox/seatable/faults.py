"""Faults and hooks: what goes wrong, or is changed, at which request."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from crantdb.sandbox.exchange import Request

Kind = Literal[
    "status",
    "reset",
    "stall",
    "drip",
    "truncate",
    "html200",
    "empty200",
    "success_false",
    "redirect302",
    "revoke_tokens",
    "quota",
    "clamp",
    "dup_row",
    "stale_metadata",
    "nan_literal",
    "invalid_utf8",
]
When = Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault and the requests it strikes.

    Attributes:
        kind: what happens:

            * ``status`` answers `code` with `body` and `headers`;
            * ``reset`` resets the connection before the first byte;
            * ``stall`` waits `seconds` before the first byte;
            * ``drip`` spreads the answer over `seconds`;
            * ``truncate`` declares the whole length and sends `size` bytes of the body;
            * ``html200`` answers an HTML page with status 200, ``empty200`` nothing with status 200;
            * ``success_false`` answers SQL with status 200 and success false, `body` as its message (none: null);
            * ``redirect302`` redirects to the sign-in page;
            * ``revoke_tokens`` makes every base token invalid before the request is looked at;
            * ``quota`` exhausts the monthly quota before the request is looked at;
            * ``clamp`` gives at most `size` rows, whatever was asked;
            * ``dup_row`` gives the first row again at the end;
            * ``stale_metadata`` answers with the metadata served before;
            * ``nan_literal`` puts NaN in the place of a number;
            * ``invalid_utf8`` puts a byte into the body that is no UTF-8.
        match: a regular expression searched for in ``METHOD path?query`` and the body, a blank between.
        nth: the first matching request that is struck, counted from 1 from when the fault is set.
        times: how many matching requests are struck; None for all.
        code: the status of ``status``.
        body: the body of ``status``, the message of ``success_false``.
        headers: further headers of ``status``.
        seconds: of ``stall`` and ``drip``.
        size: bytes of ``truncate``, rows of ``clamp``.
    """

    kind: Kind
    match: str = ""
    nth: int = 1
    times: int | None = 1
    code: int = 503
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    seconds: float = 1.0
    size: int = 100


@dataclass(frozen=True, slots=True)
class Hook:
    """A call between two requests.

    Attributes:
        run: what is called, with nothing.
        match: which requests count, as of `Fault.match`.
        nth: the first matching request it belongs to.
        times: how many matching requests it belongs to; None for all.
        when: before or after that request.
        wanted: a further condition on the request; None for none.
    """

    run: Callable[[], object]
    match: str = ""
    nth: int = 1
    times: int | None = 1
    when: When = "before"
    wanted: Callable[[Request], bool] | None = None


class Armed:
    """The faults and hooks of a server; safe to change while it serves."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: list[_Counted] = []

    def add(self, what: Fault | Hook) -> None:
        """Arm a fault or a hook."""
        with self._lock:
            self._all.append(_Counted(what))

    def clear(self) -> None:
        """Disarm everything."""
        with self._lock:
            self._all.clear()

    def strike(self, request: Request) -> tuple[tuple[Fault, ...], tuple[Hook, ...]]:
        """Count a request; return the faults and hooks that it meets."""
        text = f"{request.target} {request.body.decode('utf-8', 'replace')}"
        with self._lock:
            met = [counted.what for counted in self._all if counted.meets(text, request)]
        faults = tuple(what for what in met if isinstance(what, Fault))
        return faults, tuple(what for what in met if isinstance(what, Hook))


class _Counted:
    """A fault or hook with the number of matching requests seen; used under the lock of `Armed`."""

    def __init__(self, what: Fault | Hook) -> None:
        self.what = what
        self._pattern = re.compile(what.match, re.DOTALL)
        self._seen = 0

    def meets(self, text: str, request: Request) -> bool:
        """Count a request that matches; return whether it is one of those meant."""
        if not self._pattern.search(text):
            return False
        if isinstance(self.what, Hook) and self.what.wanted is not None and not self.what.wanted(request):
            return False
        self._seen += 1
        turn = self._seen - self.what.nth
        return turn >= 0 and (self.what.times is None or turn < self.what.times)
