"""Small brains as frames, and what a matrix of them must hold, computed pair by pair."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = 576460752303423488
"""The lowest root id of CRANTb: beyond what a float can tell apart."""

RING = ("R1", "L8", "R2", "L7", "R3", "L6", "R4", "L5", "R5", "L4", "R6", "L3", "R7", "L2", "R8", "L1")
"""The columns around the ellipsoid body, written down once more."""


def annotated(rows: Sequence[tuple[int, str | None]], **columns: Sequence[str | None]) -> pl.DataFrame:
    """Return annotations: root id (added to ROOT) and type, and further columns of text."""
    return pl.DataFrame(
        {
            "root_id": pl.Series([ROOT + number for number, _ in rows], dtype=pl.Int64),
            "cell_type": pl.Series([name for _, name in rows], dtype=pl.String),
            **{name: pl.Series(values, dtype=pl.String) for name, values in columns.items()},
        }
    )


def edge_list(edges: Sequence[tuple[int, int, int]]) -> pl.DataFrame:
    """Return an edge list: pre and post (added to ROOT) and weight."""
    return pl.DataFrame(
        {
            "pre": pl.Series([ROOT + pre for pre, _, _ in edges], dtype=pl.Int64),
            "post": pl.Series([ROOT + post for _, post, _ in edges], dtype=pl.Int64),
            "weight": pl.Series([weight for _, _, weight in edges], dtype=pl.Int64),
        }
    )


def synapses(pairs: Sequence[tuple[int, int]], **columns: Sequence[object]) -> pl.DataFrame:
    """Return synapses, one row each, under CAVE's names."""
    return pl.DataFrame(
        {
            "id": pl.Series(range(1, len(pairs) + 1), dtype=pl.Int64),
            "pre_pt_root_id": pl.Series([ROOT + pre for pre, _ in pairs], dtype=pl.Int64),
            "post_pt_root_id": pl.Series([ROOT + post for _, post in pairs], dtype=pl.Int64),
            **{name: pl.Series(values) for name, values in columns.items()},
        }
    )


def totals(edges: Sequence[tuple[int, int, int]]) -> Counter[tuple[int, int]]:
    """Return the weight of each pair, by root ids."""
    counted: Counter[tuple[int, int]] = Counter()
    for pre, post, weight in edges:
        counted[ROOT + pre, ROOT + post] += weight
    return counted
