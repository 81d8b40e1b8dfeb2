"""Spans cut the whole key range without a gap and without an overlap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crantdb.sources.ranges import HIGHEST, LOWEST, Span, cut_point, gaps

keys = st.one_of(
    st.integers(LOWEST, HIGHEST),
    st.integers(-50, 50),
    st.sampled_from([LOWEST, LOWEST + 1, HIGHEST - 1, HIGHEST]),
)
inner = st.integers(LOWEST + 1, HIGHEST)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    """Draw a span with at least one key in it, open or closed at either end."""
    low, high = sorted((draw(keys), draw(keys)))
    return Span(draw(st.sampled_from([None, low])), draw(st.sampled_from([None, min(high + 1, HIGHEST)])))


def _cut_up(edges: list[int]) -> list[Span]:
    """Return the spans between edges, open at both far ends."""
    lows: list[int | None] = [None, *edges]
    highs: list[int | None] = [*edges, None]
    return [Span(low, high) for low, high in zip(lows, highs, strict=True)]


def _as_ranges(parts: list[Span]) -> list[tuple[int, int]]:
    """Return spans as whole ranges of keys, neighbours joined."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted((part.start, part.end) for part in parts):
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


@given(spans())
def test_a_span_written_down_is_read_back_the_same(span: Span) -> None:
    """`parse(str(span))` is the span, whatever its ends."""
    assert Span.parse(str(span)) == span


def test_the_span_of_rows_without_a_key_has_a_name() -> None:
    """NULL keys are a span of their own, single, and read back the same."""
    assert Span.parse(str(Span(nulls=True))) == Span(nulls=True)
    assert Span(nulls=True).is_single


@pytest.mark.parametrize("text", ["", "[1,2]", "(1,2)", "[1;2)", "[a,b)", "[1.0,2)", "null"])
def test_what_is_no_span_is_refused(text: str) -> None:
    """A journal line that is no span is a ValueError that shows it."""
    with pytest.raises(ValueError, match="is not a span"):
        Span.parse(text)


@given(spans(), st.integers(1, 10**9), st.integers(1, 10**6), st.integers(0, 2**64))
def test_a_cut_lies_strictly_inside(span: Span, rows: int, chunk_rows: int, stride: int) -> None:
    """Any span of two keys or more is cut so that both parts are smaller, adjoin, and are the span together."""
    if span.end - span.start < 2:
        assert span.is_single
        return
    at = cut_point(span, rows, chunk_rows=chunk_rows, stride=stride)
    below, above = span.cut(at)
    assert span.start < at < span.end
    assert (below.start, below.end, above.start, above.end) == (span.start, at, at, span.end)


@given(st.integers(LOWEST, HIGHEST), st.integers(1, 10**6), st.integers(1, 10**4))
def test_cutting_around_a_key_ends_at_that_key(key: int, rows: int, chunk_rows: int) -> None:
    """Following one key through cut after cut ends at the span of that key alone, in a few hundred cuts."""
    span, stride = Span(), 0
    for _ in range(400):
        if span.is_single:
            break
        at = cut_point(span, rows, chunk_rows=chunk_rows, stride=stride)
        below, above = span.cut(at)
        span, stride = (below, 0) if key < at else (above, at - span.start)
    assert (span.start, span.end) == (key, key + 1)


@given(st.sets(inner, max_size=12), st.data())
def test_gaps_are_exactly_what_is_left(edges: set[int], data: st.DataObject) -> None:
    """What is done and what the gaps say together is every key once: resuming neither skips nor repeats."""
    parts = _cut_up(sorted(edges))
    kept = data.draw(st.lists(st.sampled_from(parts), unique=True))
    done = [*kept, Span(nulls=True)]
    left = gaps(data.draw(st.permutations(done)))
    assert _as_ranges([*kept, *left]) == [(LOWEST, HIGHEST + 1)]
    assert sum(part.end - part.start for part in (*kept, *left)) == 2**64


@given(st.sets(inner, max_size=8))
def test_a_lower_end_written_out_is_the_open_one(edges: set[int]) -> None:
    """A view's first span says its lowest key aloud; it leaves no gap below it."""
    parts = _cut_up(sorted(edges))
    said = [Span(part.start, part.high) for part in parts]
    assert gaps(said) == []
    assert gaps([]) == [Span()]
