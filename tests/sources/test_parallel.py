"""Work in parallel: everything once, the first failure told, an end when asked to stop."""

from __future__ import annotations

import threading

import pytest

from crantdb.errors import BadResponse, Interrupted
from crantdb.sources.parallel import in_parallel


def test_every_item_is_done_once_by_so_many_at_the_most() -> None:
    """Each item's result comes once, and never more are worked on at a time than asked."""
    guard, now, most = threading.Lock(), [0], [0]

    def work(item: int) -> int:
        with guard:
            now[0] += 1
            most[0] = max(most[0], now[0])
        threading.Event().wait(0.001)
        with guard:
            now[0] -= 1
        return item * item

    found = list(in_parallel(work, range(100), parallel=3, stop=threading.Event()))
    assert sorted(found) == [item * item for item in range(100)]
    assert 1 <= most[0] <= 3


def test_the_first_failure_is_raised_and_the_rest_given_up() -> None:
    """An error in a thread is raised where the results are taken; what was not begun is not begun any more."""
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 3:
            msg = "no"
            raise BadResponse(msg)
        return item

    with pytest.raises(BadResponse, match="no"):
        list(in_parallel(work, range(1000), parallel=1, stop=threading.Event()))
    assert begun[:4] == [0, 1, 2, 3]
    assert len(begun) < 10


def test_asked_to_stop_it_ends_although_a_request_hangs() -> None:
    """When `stop` is set while every thread waits for an answer, the taker is interrupted at once."""
    stop, never = threading.Event(), threading.Event()
    timer = threading.Timer(0.05, stop.set)
    timer.start()
    with pytest.raises(Interrupted):
        list(in_parallel(lambda _: never.wait(30), [1, 2], parallel=2, stop=stop))
    never.set()
    timer.join()


def test_nothing_to_do_is_done() -> None:
    """Without items there are no results and no threads."""
    before = threading.active_count()
    assert list(in_parallel(lambda item: item, [], parallel=4, stop=threading.Event())) == []
    assert threading.active_count() == before
