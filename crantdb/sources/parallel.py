"""Work done by a few threads at a time, its results handed over as they come; ended at once when asked to stop."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, TypeVar

from crantdb.errors import Interrupted, ServiceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_parallel(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    parallel: int,
    stop: threading.Event,
    patience_s: float | None = None,
) -> Iterator[Result]:
    """Yield what `work` makes of each item, in the order in which it is done.

    Args:
        work: called from several threads.
        items: what to work on.
        parallel: threads at the most.
        stop: set from outside to end early.
        patience_s: seconds without any result after which it is given up, for work that has no time-outs of its
            own; what hangs is left behind. None to wait for ever.

    Raises:
        Interrupted: when `stop` was set.
        ServiceUnavailable: when nothing came for `patience_s`.
        Exception: the first that `work` raised; what is not begun yet is given up.
    """
    waiting = list(items)[::-1]
    left = len(waiting)
    done: queue.Queue[Result | BaseException] = queue.Queue(maxsize=2 * parallel)
    over = threading.Event()

    def put(item: Result | BaseException) -> None:
        while not over.is_set():
            try:
                done.put(item, timeout=0.2)
            except queue.Full:
                continue
            return

    def run() -> None:
        while not over.is_set():
            try:
                item = waiting.pop()
            except IndexError:
                return
            try:
                put(work(item))
            except BaseException as error:  # noqa: BLE001 - handed to the thread that asked, which raises it
                put(error)
                return

    for _ in range(min(parallel, left)):
        # Daemons: a request that hangs must not keep an interrupted program from ending.
        threading.Thread(target=run, daemon=True, name="parallel").start()
    try:
        for _ in range(left):
            yield _next(done, stop, patience_s)
    finally:
        over.set()


def _next(
    done: queue.Queue[Result | BaseException], stop: threading.Event, patience_s: float | None
) -> Result:
    """Return the next result; wakes often, so that Ctrl-C is heard."""
    begun = time.monotonic()
    while True:
        try:
            result = done.get(timeout=0.2)
        except queue.Empty:
            if stop.is_set():
                msg = "stopped; what was staged is kept"
                raise Interrupted(msg) from None
            if patience_s is not None and time.monotonic() - begun > patience_s:
                msg = f"no answer for {patience_s:g} s"
                raise ServiceUnavailable(msg) from None
            continue
        if isinstance(result, BaseException):
            raise result
        return result
