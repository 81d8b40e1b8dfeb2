"""Something that may hang, done in a thread that is waited for: a time in all, and a stop that is heard."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

from crantdb.errors import ServiceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")
LISTEN_S = 0.2


def within(seconds: float, act: Callable[[], Result], *, check: Callable[[], None], what: str) -> Result:
    """Return what something gives. Timeouts of sockets are between bytes; a server that drips is stopped here.

    Args:
        seconds: how long it may take in all; then it is left to itself in its thread.
        act: what to do.
        check: raises when a stop is asked for; called often.
        what: says what is waited for.

    Raises:
        ServiceUnavailable: when it takes longer.
        BaseException: whatever `act` or `check` raises.
    """
    result: list[Result] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            result.append(act())
        except BaseException as error:  # noqa: BLE001 - raised by the thread that waits
            failure.append(error)

    # A daemon: a request that hangs must not keep an interrupted program from ending.
    thread = threading.Thread(target=run, daemon=True, name="seatable")
    thread.start()
    until = time.monotonic() + seconds
    while thread.is_alive():
        thread.join(LISTEN_S)
        check()
        if thread.is_alive() and time.monotonic() > until:
            msg = f"{what} was not done within {seconds:g} s, and is given up"
            raise ServiceUnavailable(msg)
    if failure:
        raise failure[0]
    return result[0]
