"""Edges are what counting pairs of roots in a dictionary gives, however the rows are cut into tables."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crantdb.warehouse.edges import EDGES, edges_of
from tests.warehouse.making import ROOT

type_of_root = st.one_of(st.none(), st.sampled_from([0, 1, ROOT, ROOT + 1, ROOT + 2, 2**62 + 1]))
Row = tuple[int | None, int | None, float | None]
ROWS = st.lists(
    st.tuples(type_of_root, type_of_root, st.one_of(st.none(), st.integers(0, 9).map(float))), max_size=30
)
CUTS = st.lists(st.integers(0, 30), max_size=6)


def in_order(rows: list[Row]) -> list[Row]:
    """Return rows as the synapses come: by pre root, then by post root, NULL last."""
    return sorted(rows, key=lambda row: (row[0] is None, row[0] or 0, row[1] is None, row[1] or 0))


def tables_of(rows: list[Row], cuts: list[int], *, sizes: bool = True) -> list[pa.Table]:
    """Cut rows into tables, some perhaps empty."""
    columns = {
        "pre_pt_root_id": pa.array([row[0] for row in rows], pa.int64()),
        "post_pt_root_id": pa.array([row[1] for row in rows], pa.int64()),
    }
    if sizes:
        columns["size"] = pa.array([row[2] for row in rows], pa.float32())
    table = pa.table(columns)
    ends = sorted({0, len(rows), *(min(cut, len(rows)) for cut in cuts)})
    return [table.slice(start, end - start) for start, end in pairwise([0, *ends])]


def counted(rows: list[Row]) -> dict[tuple[int, int], tuple[int, float]]:
    """Count pairs the plain way."""
    counts: dict[tuple[int, int], int] = defaultdict(int)
    sums: dict[tuple[int, int], float] = defaultdict(float)
    for pre, post, size in rows:
        if pre is not None and post is not None:
            counts[pre, post] += 1
            sums[pre, post] += size or 0.0
    return {pair: (counts[pair], sums[pair]) for pair in counts}


def made(tables: list[pa.Table]) -> list[dict[str, object]]:
    """Return the edges of tables, as rows."""
    result = pa.concat_tables([EDGES.empty_table(), *edges_of(tables)])
    assert result.schema == EDGES
    rows: list[dict[str, object]] = result.to_pylist()
    return rows


@given(ROWS, CUTS)
@example([(ROOT, ROOT, 1.0)] * 6, [2, 4])
@example([(ROOT, None, 1.0)] * 3 + [(None, None, None)] * 3, [1, 2])
@example([(0, 0, None), (0, 0, 2.0), (0, 1, 3.0)], [1])
def test_edges_are_a_count_of_pairs(rows: list[Row], cuts: list[int]) -> None:
    """Each pair with both roots is one edge with its count and sum, in order, runs across tables being one."""
    rows = in_order(rows)
    edges = made(tables_of(rows, cuts))
    found = {(e["pre_root_id"], e["post_root_id"]): (e["syn_count"], e["size_sum"]) for e in edges}
    assert found == counted(rows)
    assert list(found) == sorted(found)
    assert len(found) == len(edges)


@given(ROWS, CUTS)
def test_without_sizes_there_is_no_sum(rows: list[Row], cuts: list[int]) -> None:
    """A table without sizes gives the same edges, their sums NULL."""
    rows = in_order(rows)
    edges = made(tables_of(rows, cuts, sizes=False))
    assert {(e["pre_root_id"], e["post_root_id"]): e["syn_count"] for e in edges} == {
        pair: count for pair, (count, _) in counted(rows).items()
    }
    assert all(edge["size_sum"] is None for edge in edges)


@pytest.mark.parametrize("tables", [[], [tables_of([], [])[0]], tables_of([(None, ROOT, 1.0)] * 3, [1])])
def test_no_edges(tables: list[pa.Table]) -> None:
    """No rows, and rows without both roots, give no edge."""
    assert made(tables) == []


def test_a_size_that_is_no_number_stays_in_its_edge() -> None:
    """A NaN spoils the sum of its own edge and of no other."""
    rows: list[Row] = [(ROOT, 1, 1.0), (ROOT, 2, math.nan), (ROOT, 2, 1.0), (ROOT, 3, 4.0)]
    sums = [edge["size_sum"] for edge in made(tables_of(rows, [2]))]
    assert (sums[0], sums[2]) == (1.0, 4.0)
    assert isinstance(sums[1], float)
    assert math.isnan(sums[1])
