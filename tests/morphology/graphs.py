"""Graphs of L2 ids for property tests: any shape, dirty, with gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from .conftest import CRANTB

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Dirty:
    """An L2 graph as a careless server would give it.

    Attributes:
        edges: with repetitions, both directions, and self-loops.
        ids: ascending.
        xyz: positions inside the ids' chunks on a coarse lattice, so that many lengths are equal; NaN: missing.
        radius: NaN where the position is missing.
    """

    edges: NDArray[np.int64]
    ids: NDArray[np.int64]
    xyz: NDArray[np.float64]
    radius: NDArray[np.float64]

    def shuffled(self, seed: int) -> Dirty:
        """Return the same graph told otherwise: ids and edges in another order, edges flipped, some twice."""
        rng = np.random.default_rng(seed)
        nodes, links = rng.permutation(len(self.ids)), rng.permutation(len(self.edges))
        edges = self.edges[links]
        flip = rng.random(len(edges)) < 0.5
        edges = np.where(flip[:, None], edges[:, ::-1], edges)
        edges = np.concatenate([edges, edges[: len(edges) // 2]])
        return Dirty(edges, self.ids[nodes], self.xyz[nodes], self.radius[nodes])


def made(
    chunks: list[tuple[int, int, int]], pairs: list[tuple[int, int]], missing: list[int], seed: int
) -> Dirty:
    """Return the graph with one L2 id for each of `chunks` (an id of its own also where chunks repeat)."""
    count = len(chunks)
    rng = np.random.default_rng(seed)
    ids = np.sort(CRANTB.layout.make(2, np.array(chunks), np.arange(1, count + 1)))
    # Every other graph has positions that are not whole.
    xyz = CRANTB.lower_nm(ids) + rng.integers(0, 3, (count, 3)) * (2_000.0 if seed % 2 else 1_999.7)
    radius = rng.integers(1, 40, count) * 25.0
    lost = np.array([at for at in missing if at < count], dtype=np.int64)
    if len(lost) < count:
        xyz[lost], radius[lost] = np.nan, np.nan
    edges = np.array([(a % count, b % count) for a, b in pairs], dtype=np.int64).reshape(-1, 2)
    return Dirty(ids[edges], ids, xyz, radius)


def dirty_graphs(*, missing: bool = False, most: int = 40) -> st.SearchStrategy[Dirty]:
    """Return a strategy for graphs: circles, repeated edges, self-loops, parts, stars, single nodes."""
    cell = st.integers(0, 5)
    return st.builds(
        made,
        st.lists(st.tuples(cell, cell, cell), min_size=1, max_size=most),
        st.lists(st.tuples(st.integers(0, most), st.integers(0, most)), max_size=2 * most),
        st.lists(st.integers(0, most - 1), unique=True, max_size=most // 2) if missing else st.just([]),
        st.integers(0, 10_000),
    )
