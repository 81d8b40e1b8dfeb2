"""A harvest gives every row exactly once, or says that the source did not."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crantdb.errors import IncompleteError, Interrupted, ServiceUnavailable
from crantdb.sources.harvest import Fetched, Harvest
from crantdb.sources.ranges import HIGHEST, LOWEST, Span, gaps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from crantdb.sources.extract import Batch


@dataclass(slots=True)
class Memory:
    """Rows in memory, served as the materialization engine does: in no order, cut at a limit.

    Attributes:
        ids: the rows, by id.
        limit: the most rows it gives.
        warns: whether it says that it cut, as the server does whenever it gave as many as its limit.
        hidden: ids that it counts but never gives.
        lies: what is added to the count of a span.
    """

    ids: frozenset[int]
    limit: int = 10**9
    warns: bool = True
    hidden: frozenset[int] = frozenset()
    lies: Callable[[Span], int] = lambda _: 0
    name: str = "rows"
    asked: list[str] = field(default_factory=list)

    def _inside(self, span: Span) -> list[int]:
        return [key for key in self.ids if span.start <= key < span.end]

    def count(self, span: Span) -> int:
        """Count the rows of a span."""
        self.asked.append(f"count {span}")
        return len(self._inside(span)) + self.lies(span)

    def fetch(self, span: Span) -> Fetched:
        """Give the rows of a span in no order, up to the limit."""
        self.asked.append(f"fetch {span}")
        found = [key for key in self._inside(span) if key not in self.hidden]
        random.Random(len(self.asked)).shuffle(found)
        given = found[: self.limit]
        rows = pa.table({"id": pa.array(given, pa.int64())})
        return Fetched(rows, self.limit if self.warns and len(given) == self.limit else None)


def _harvest(
    source: Memory, *, chunk_rows: int = 100, parallel: int = 1, done: Iterable[Span] = ()
) -> list[Batch]:
    """Return everything a harvest yields for the spans that are not done."""
    spans = [(span, None) for span in gaps(done)]
    harvest = Harvest(source, spans, chunk_rows=chunk_rows, parallel=parallel, stop=threading.Event())
    return list(harvest.batches())


def _ids(batches: Iterable[Batch]) -> list[int]:
    """Return all ids, sorted, repeats kept."""
    return sorted(key for batch in batches for key in batch.rows["id"].to_pylist())


run = st.builds(
    lambda start, length: set(range(start, min(start + length, HIGHEST + 1))),
    st.one_of(st.just(1), st.integers(LOWEST, HIGHEST), st.integers(-20, 20)),
    st.integers(0, 40),
)
lone = st.sets(
    st.one_of(st.integers(LOWEST, HIGHEST), st.sampled_from([LOWEST, HIGHEST, 0, -1])), max_size=10
)
id_sets = st.builds(lambda *parts: frozenset().union(*parts), run, run, lone)
quick = settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(id_sets, st.integers(1, 25), st.integers(1, 40), st.integers(1, 3), st.booleans())
def test_every_row_comes_exactly_once(
    ids: frozenset[int], limit: int, chunk_rows: int, parallel: int, warns: bool
) -> None:
    """Dense, gapped, huge and negative ids, any limit from 1, warned of or not, any parallelism: all, once."""
    source = Memory(ids, limit, warns)
    batches = _harvest(source, chunk_rows=chunk_rows, parallel=parallel)
    assert _ids(batches) == sorted(ids)
    for batch in batches:
        assert all(batch.span.start <= key < batch.span.end for key in _ids([batch]))


@quick
@given(id_sets, st.integers(1, 10), st.integers(0, 2**32))
def test_a_resumed_harvest_fetches_the_rest_only(ids: frozenset[int], limit: int, seed: int) -> None:
    """Whatever spans were done before, the rest comes once, and none of the done rows again."""
    first = _harvest(Memory(ids, limit), chunk_rows=limit)
    before = [batch for batch in first if random.Random(seed + batch.span.start).random() < 0.5]
    source = Memory(ids, limit)
    after = _harvest(source, chunk_rows=limit, done=[batch.span for batch in before])
    assert _ids([*before, *after]) == sorted(ids)


def test_dense_ids_need_few_requests() -> None:
    """A hundred thousand dense rows at ten thousand a request come in a handful of requests for each ten thousand."""
    source = Memory(frozenset(range(1, 100_001)), limit=10_000)
    assert len(_ids(_harvest(source, chunk_rows=9_999))) == 100_000
    assert sum(line.startswith("fetch") for line in source.asked) <= 20
    assert sum(line.startswith("count") for line in source.asked) <= 80


def test_an_empty_table_is_one_span_proved_empty() -> None:
    """A table without rows yields a batch of its schema, and no rows."""
    [batch] = _harvest(Memory(frozenset()))
    assert batch.span == Span()
    assert batch.rows.schema == pa.schema([("id", pa.int64())])
    assert batch.rows.num_rows == 0


@quick
@given(id_sets.filter(bool), st.data(), st.integers(1, 12), st.integers(1, 3))
def test_a_row_silently_left_out_is_found(
    ids: frozenset[int], data: st.DataObject, limit: int, parallel: int
) -> None:
    """A row that the server counts but never gives ends the harvest with the span it is missing from."""
    lost = data.draw(st.sampled_from(sorted(ids)))
    source = Memory(ids, limit, hidden=frozenset({lost}))
    with pytest.raises(IncompleteError, match=r"counted 1 rows in .* and gave 0") as caught:
        _harvest(source, chunk_rows=limit, parallel=parallel)
    assert (caught.value.expected, caught.value.got) == (1, 0)
    assert str(lost) in str(caught.value) or lost in {LOWEST, HIGHEST}


@quick
@given(id_sets, st.integers(1, 12), st.integers(1, 5))
def test_a_count_of_rows_that_are_not_there_is_found(ids: frozenset[int], limit: int, lie: int) -> None:
    """A table counted larger than it is never ends in a table taken for whole."""
    source = Memory(ids, limit, lies=lambda span: lie if span == Span() else 0)
    with pytest.raises(IncompleteError, match="the server counted"):
        _harvest(source, chunk_rows=limit)


@pytest.mark.parametrize("lie", [-1, -7, -19])
def test_a_count_of_fewer_rows_than_come_is_found(lie: int) -> None:
    """A span that gives more rows than were counted in it is not taken either."""
    source = Memory(frozenset(range(1, 21)), 1000, lies=lambda _: lie)
    with pytest.raises(IncompleteError, match="gave 20"):
        _harvest(source)


def test_a_part_counted_larger_than_its_whole_is_found() -> None:
    """A count of a part that exceeds the whole's is a server that cannot count: said with both numbers."""
    source = Memory(frozenset(range(1, 31)), 10, lies=lambda span: 0 if span == Span() else 100)
    with pytest.raises(IncompleteError, match=r"counted 30 rows in \[,\) but 1\d\d in"):
        _harvest(source, chunk_rows=10)


def test_the_first_failure_ends_the_harvest() -> None:
    """A request that fails for good raises its own error in the thread that listens."""

    class Failing(Memory):
        def fetch(self, span: Span) -> Fetched:
            msg = f"down at {span}"
            raise ServiceUnavailable(msg)

    with pytest.raises(ServiceUnavailable, match="down at"):
        _harvest(Failing(frozenset(range(50))), chunk_rows=5, parallel=3)


class Hanging(Memory):
    """A source that gives one batch and then hangs until it is let go."""

    go = threading.Event()

    def fetch(self, span: Span) -> Fetched:
        """Give the span of key 0; hang in any other."""
        if not span.start <= 0 < span.end:
            self.go.wait(30)
        return Memory.fetch(self, span)


def test_a_stop_is_heard_while_a_request_hangs() -> None:
    """Setting `stop` ends the wait with `Interrupted`, even though the request never answers."""
    stop, source = threading.Event(), Hanging(frozenset(range(20)), 3)
    source.go.clear()
    harvest = Harvest(source, [(Span(), None)], chunk_rows=3, parallel=2, stop=stop)
    batches = harvest.batches()
    try:
        next(batches)
        stop.set()
        with pytest.raises(Interrupted, match="what was staged is kept"):
            for _ in batches:
                pass
    finally:
        source.go.set()


def test_no_thread_is_left_when_nobody_listens_any_more() -> None:
    """A harvest given up in the middle (Ctrl-C) ends its threads: nothing goes on fetching."""
    source = Memory(frozenset(range(500)), 2, name="given-up")
    harvest = Harvest(source, [(Span(), None)], chunk_rows=2, parallel=3, stop=threading.Event())
    batches = harvest.batches()
    next(batches)
    batches.close()
    until = time.monotonic() + 10
    while any(t.name.startswith("given-up-") for t in threading.enumerate()) and time.monotonic() < until:
        time.sleep(0.02)
    assert not [t.name for t in threading.enumerate() if t.name.startswith("given-up-")]
    assert len(source.asked) < 500
