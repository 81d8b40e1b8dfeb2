"""Ranges over a key: they cover it, their counts add up, and a cut lies strictly inside; from memory and from files."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crantdb.sources.ranges import HIGHEST, LOWEST, Span
from crantdb.sync.delta import candidate as known
from crantdb.sync.delta.candidate import Candidate, widest
from crantdb.sync.delta.cover import mostly
from crantdb.sync.delta.keys import cut, halfway, keys_of

if TYPE_CHECKING:
    import pytest

    from crantdb.sync.delta.keys import Counted

VALUE = st.one_of(
    st.integers(-4, 12), st.integers(2**53, 2**53 + 3), st.sampled_from([LOWEST, LOWEST + 1, HIGHEST])
)
COUNTED = st.dictionaries(VALUE, st.integers(1, 9), max_size=30)
BOUND = st.one_of(st.none(), VALUE)


def batches(counted: dict[int, int], size: int) -> list[Counted]:
    """Return values with their rows, ascending, in batches of so many values."""
    values = np.array(sorted(counted), np.int64)
    counts = np.array([counted[value] for value in sorted(counted)], np.int64)
    return [(values[at : at + size], counts[at : at + size]) for at in range(0, len(values), size)]


def inside(counted: dict[int, int], span: Span) -> dict[int, int]:
    """Return those values that lie in a span."""
    return {value: rows for value, rows in counted.items() if span.start <= value < span.end}


def spans(low: int | None, high: int | None) -> Span:
    """Return a span that is not empty."""
    span = Span(low, high)
    return span if span.start < span.end else Span(high)


def check_partition(found: list[Span], whole: Span) -> None:
    """Check that ranges follow one another without a gap, each with room for a value, from end to end of a span."""
    assert (found[0].low, found[-1].high) == (whole.low, whole.high)
    assert all(one.high is not None and one.high == other.low for one, other in pairwise(found))
    assert all(span.start < span.end for span in found)


@given(counted=COUNTED, low=BOUND, high=BOUND, rows=st.integers(1, 20), size=st.integers(1, 8))
@example(counted={5: 9}, low=None, high=None, rows=1, size=1)
@example(counted={1: 9, 2: 9, 3: 1}, low=None, high=None, rows=5, size=2)
def test_ranges_cover_a_span(
    counted: dict[int, int], low: int | None, high: int | None, rows: int, size: int
) -> None:
    """Ranges are the whole span and nothing beside, and none but that of a single value holds more rows than it may."""
    whole = spans(low, high)
    within = inside(counted, whole)
    found = cut(batches(within, size), whole, rows)
    check_partition(found, whole)
    held = [inside(within, span) for span in found]
    assert sum(sum(part.values()) for part in held) == sum(within.values())
    assert all(sum(part.values()) <= rows or len(part) == 1 for part in held)


@given(counted=COUNTED, low=BOUND, high=BOUND, rows=st.integers(1, 20), size=st.integers(1, 8))
def test_no_two_ranges_could_be_one(
    counted: dict[int, int], low: int | None, high: int | None, rows: int, size: int
) -> None:
    """Each range takes all the values it may: no request is wasted on a range that would have fitted into another."""
    whole = spans(low, high)
    found = cut(batches(inside(counted, whole), size), whole, rows)
    for one, other in pairwise(found):
        first = min(inside(counted, other))
        assert sum(inside(counted, one).values()) + counted[first] > rows


@given(counted=COUNTED, nulls=st.integers(0, 3), low=BOUND, high=BOUND)
def test_counts_and_cuts(counted: dict[int, int], nulls: int, low: int | None, high: int | None) -> None:
    """Counts are those of the rows; a cut lies strictly inside, and leaves a known value on either side of it."""
    [(values, counts)] = batches(counted, 99) or [(np.empty(0, np.int64),) * 2]
    keys, span = keys_of(values, counts, nulls), spans(low, high)
    assert keys.count(span) == sum(inside(counted, span).values())
    assert keys.count(Span(nulls=True)) == nulls
    assert keys.middle(Span(nulls=True)) is None
    at = keys.middle(span)
    if at is None:
        assert len(inside(counted, span)) < 2
        return
    assert span.start < at < span.end
    below, above = span.cut(at)
    assert keys.count(below) + keys.count(above) == keys.count(span)
    assert keys.count(below) > 0
    assert keys.count(above) > 0


@given(low=BOUND, high=BOUND)
def test_halfway_is_strictly_inside(low: int | None, high: int | None) -> None:
    """A span of more than one value is cut strictly inside, however wide; one of a single value, or NULL, is not."""
    span = spans(low, high)
    at = halfway(span)
    assert (at is None) == (span.end - span.start == 1)
    assert at is None or span.start < at < span.end
    assert halfway(Span(nulls=True)) is None


@given(here=st.integers(0, 50), there=st.integers(0, 50))
def test_a_range_is_mostly_other_when_half_of_it_is(here: int, there: int) -> None:
    """Cutting is given up where at least half of the larger number differs, in whichever way."""
    assert mostly(here, there) == (abs(here - there) >= max(here, there) / 2)


ROOT = st.one_of(st.none(), st.integers(0, 6), st.just(HIGHEST))
ROWS = st.dictionaries(VALUE, ROOT, max_size=30)


def check_edges(edges: list[int], ids: set[int]) -> None:
    """Check that between two edges, or beyond the last, lie either ids of the last version without a wide gap, or none."""
    for low, high in pairwise([LOWEST, *edges, HIGHEST + 1]):
        there = sorted(row for row in ids if low <= row < high)
        assert not there or (low in there and high - 1 in there)
        assert all(other - one <= known.LEAST_GAP for one, other in pairwise(there))
    assert edges == sorted(set(edges))
    assert all(LOWEST < edge <= HIGHEST for edge in edges)


@given(
    base=ROWS,
    fetched=ROWS,
    gone=st.sets(VALUE, max_size=8),
    rows=st.integers(1, 12),
    at_once=st.integers(1, 9),
)
@settings(max_examples=40, deadline=None)
def test_what_is_known_of_the_next_version(
    tmp_path_factory: pytest.TempPathFactory,
    base: dict[int, int | None],
    fetched: dict[int, int | None],
    gone: set[int],
    *,
    rows: int,
    at_once: int,
) -> None:
    """Rows fetched are in the place of the last version's, ids that are gone are not; ranges cover both columns."""

    def table(content: dict[int, int | None]) -> pa.Table:
        return pa.table({"id": pa.array(content, pa.int64()), "root": pa.array(content.values(), pa.int64())})

    now = {row: root for row, root in base.items() if row not in gone} | fetched
    file = tmp_path_factory.mktemp("c") / "base.parquet"
    pq.write_table(table(base), file)
    with duckdb.connect(":memory:") as con:
        found = Candidate(con, [file], ["root"])
        found.put(table(fetched))
        found.drop(np.array(sorted(gone), np.int64))
        found.drop(np.array(sorted(gone), np.int64))
        assert found.total() == len(now)
        check_edges(found.edges(), set(base))
        before, known.AT_ONCE = known.AT_ONCE, at_once
        try:
            for column, values in (("id", [*now]), ("root", [*now.values()])):
                ranges = found.ranges(column, Span(), rows)
                check_partition(ranges, Span())
                counts = found.counts(column, [Span(nulls=True), *ranges])
                assert counts[0] == values.count(None)
                keys = found.keys(column, Span())
                assert counts[1:] == [keys.count(span) for span in ranges]
                assert sum(counts) == len(now)
            for root in (None, 3):
                key = ("root", Span(nulls=True) if root is None else Span(root, root + 1))
                mine = sorted(row for row, value in now.items() if value == root)
                assert found.ids_where([key]).tolist() == mine
                ranges = found.ranges("id", Span(), rows, (key,))
                assert sum(found.counts("id", ranges, (key,))) == len(mine)
        finally:
            known.AT_ONCE = before


@given(ids=st.sets(VALUE, min_size=2), most=st.integers(1, 5), least=st.integers(1, 4))
def test_the_widest_gaps(ids: set[int], most: int, least: int) -> None:
    """Of all gaps that are wide enough the widest are taken; ids that follow one another have none."""
    between = [(one + 1, other) for one, other in pairwise(sorted(ids))]
    gaps = {(first, end) for first, end in between if end - first >= least}
    found = [(first, end) for first, end in widest(np.array(between), most=most, least=least).tolist()]
    assert len(found) == min(most, len(gaps))
    assert set(found) <= gaps
    narrowest = min((end - first for first, end in found), default=0)
    assert all(end - first <= narrowest for first, end in gaps - set(found))
