"""Long work of DuckDB that Ctrl-C ends: DuckDB hears signals only now and then, so it works in a thread of its own."""

from __future__ import annotations

import threading
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

Result = TypeVar("Result")

_WAKE_S = 0.1


def interruptible(con: duckdb.DuckDBPyConnection, work: Callable[[], Result]) -> Result:
    """Return what `work` gives; Ctrl-C meanwhile ends the query that runs on the connection.

    Args:
        con: the connection that `work` uses, and nothing else while it does.
        work: done in another thread when this is the main one, which alone hears signals.

    Raises:
        KeyboardInterrupt: when interrupted; the query has ended by then.
        Exception: what `work` raised.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    future: Future[Result] = Future()
    threading.Thread(target=_fulfil, args=(future, work), daemon=True, name="duckdb").start()
    # Waited for by its future: Python 3.11 takes a thread for ended when joining it is interrupted.
    try:
        while not wait([future], _WAKE_S).done:
            continue
    except KeyboardInterrupt:
        while not wait(
            [future], _WAKE_S
        ).done:  # again and again: a query that has not quite begun hears nothing
            con.interrupt()
        raise
    return future.result()


def _fulfil(future: Future[Result], work: Callable[[], Result]) -> None:
    """Put what work gives, or raises, into a future."""
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001 - raised by whoever waits
        future.set_exception(error)
