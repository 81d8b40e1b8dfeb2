"""L2 graphs → skeletons → SWC text, beside the way through networkx, pandas and navis. Ratios in one process.

Run it as ``python -m benchmarks.skeletons [--quick]``. The other way does what crantpy 2025-10 and fafbseg do, with
the same public calls: skeletor's `edges_to_graph` and `make_swc`, positions and radii filled in, a
`navis.TreeNeuron`, `navis.remove_nodes` for L2 ids without data, `navis.write_swc`.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.machine import machine
from crantdb.ids import BitLayout
from crantdb.morphology.chunkgrid import ChunkGrid
from crantdb.morphology.many import NeuronL2, to_swc_many
from crantdb.morphology.skeleton import skeletonize
from crantdb.morphology.swc import to_swc

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from crantdb.morphology.skeleton import Missing

GRID = ChunkGrid(BitLayout(8, {1: 10, 2: 10}), (16_384.0, 16_384.0, 0.0), (8192.0, 8192.0, 10_752.0))
SIZES = (400, 1_000, 6_000, 26_000, 100_000)


@dataclass(frozen=True, slots=True)
class Case:
    """An L2 graph like those measured: a tree with a seventh as many edges again that close cycles."""

    edges: NDArray[np.int64]
    ids: NDArray[np.int64]
    xyz: NDArray[np.float64]
    radius: NDArray[np.float64]


def case(count: int, seed: int = 0) -> Case:
    """Return a graph of `count` L2 ids: a branching walk over the grid, one id a step, each in the step's chunk."""
    rng = np.random.default_rng(seed)
    before = np.maximum(0, np.arange(count) - rng.integers(1, 8, count))
    step = np.rint(rng.normal(0, 1_500, (count, 3)) / 8) * 8
    xyz = np.empty((count, 3))
    xyz[0] = 4_000_000
    for node in range(1, count):
        xyz[node] = xyz[before[node]] + step[node]
    chunk = np.floor((xyz - GRID.origin_nm) / GRID.chunk_nm).astype(np.int64)
    ids = GRID.layout.make(2, chunk, np.arange(1, count + 1))
    extra = rng.integers(8, count, count // 7)
    pairs = np.concatenate(
        [
            np.stack([np.arange(1, count), before[1:]], axis=1),
            np.stack([extra, extra - rng.integers(1, 8, len(extra))], axis=1),
        ]
    )
    order = np.argsort(ids)
    radius = rng.integers(50, 900, count).astype(np.float64)
    edges = np.unique(np.sort(ids[pairs], axis=1), axis=0)
    return Case(edges, ids[order], xyz[order], radius[order])


def with_gaps(full: Case, share: float) -> Case:
    """Return the graph with a share of the ids unknown to the L2 cache."""
    lost = np.random.default_rng(1).random(len(full.ids)) < share
    return Case(
        full.edges,
        full.ids,
        np.where(lost[:, None], np.nan, full.xyz),
        np.where(lost, np.nan, full.radius),
    )


def our_way(graph: Case, missing: Missing = "interpolate") -> bytes:
    """Return SWC, through arrays."""
    skeleton = skeletonize(graph.edges, graph.ids, graph.xyz, graph.radius, grid=GRID, missing=missing)
    return to_swc(skeleton, root_id=1)


def other_way(graph: Case, path: Path) -> None:
    """Write SWC, through networkx, pandas and navis."""
    import navis  # noqa: PLC0415 (takes seconds to load)
    from skeletor.skeletonize.utils import edges_to_graph, make_swc  # noqa: PLC0415 (as above)

    edges = np.unique(np.sort(graph.edges, axis=1), axis=0)
    ids = np.unique(edges)
    place = dict(zip(ids.tolist(), range(len(ids)), strict=True))
    index = np.array([[place[a], place[b]] for a, b in edges.tolist()])
    tree = edges_to_graph(index, nodes=np.arange(len(ids)), fix_tree=True, weight=False)
    table = make_swc(tree, coords=np.nan_to_num(graph.xyz), reindex=False)
    table["radius"] = graph.radius[table["node_id"].to_numpy()]
    neuron = navis.TreeNeuron(table, id=1, units="1 nm", soma=None)
    lost = np.flatnonzero(np.isnan(graph.xyz[:, 0]))
    if len(lost):
        navis.remove_nodes(neuron, lost, inplace=True)
    navis.write_swc(neuron, path)


def interleaved(ways: Sequence[Callable[[], object]], rounds: int, calls: int = 1) -> list[float]:
    """Return the least seconds of each way, taken in turns of some calls, so that a busy machine slows all alike."""
    best = [float("inf")] * len(ways)
    for _ in range(rounds):
        for at, way in enumerate(ways):
            for _ in range(calls):
                start = time.perf_counter()
                way()
                best[at] = min(best[at], time.perf_counter() - start)
    return best


def rounds_for(count: int) -> int:
    """Return how often to measure a graph of a size."""
    return 6 if count <= 6_000 else 3


def single(sizes: Sequence[int], folder: Path) -> None:
    """Print one neuron at a time: ours, the other way, their ratio, and what missing data cost each."""
    print(
        "one neuron, L2 graph → SWC text; ms       ours   other   ratio | 20 % missing: placed, dropped; other way"
    )
    for count in sizes:
        full, gaps = case(count), with_gaps(case(count), 0.2)

        def theirs(graph: Case) -> Callable[[], None]:
            return lambda: other_way(graph, folder / "other.swc")

        def ours(graph: Case, missing: Missing = "interpolate") -> Callable[[], bytes]:
            return lambda: our_way(graph, missing)

        rounds = rounds_for(count)
        for once in (ours(full), theirs(case(50)), theirs(with_gaps(case(50), 0.2))):
            once()  # libraries load at the first call
        # Eight calls of ours to one of theirs: short calls meet a busy machine's pauses in all or in none.
        times = interleaved([ours(full)] * 8 + [theirs(full)], rounds)
        mine, other = min(times[:-1]), times[-1]
        plain, placed, dropped = interleaved((ours(full), ours(gaps), ours(gaps, "drop")), rounds, calls=8)
        tail = f"{placed / plain:.2f}x, {dropped / plain:.2f}x"
        if count <= 6_000:
            tail += f"; {interleaved([theirs(gaps)], 1)[0] / other:.2f}x"
        text = f"{count:>9,} nodes {len(full.edges):>9,} edges {mine * 1e3:9.2f} {other * 1e3:9.1f} {other / mine:6.1f}x"
        print(f"{text} | {tail}")


def bulk(count: int) -> None:
    """Print many neurons of CRANTb's size, from arrays to SWC text."""
    rng = np.random.default_rng(3)
    neurons = [case(int(size), seed) for seed, size in enumerate(rng.integers(220, 600, count))]
    given = [
        NeuronL2(at, each.edges, each.ids, each.xyz, each.radius) for at, each in enumerate(neurons, start=1)
    ]
    seconds = interleaved([lambda: to_swc_many(given, grid=GRID)], 3)[0]
    nodes = sum(len(each.ids) for each in neurons)
    print(f"bulk: {count:,} neurons, {nodes:,} nodes, to SWC text: {count / seconds:,.0f} neurons/s")


def teasar(sizes: Sequence[int]) -> None:
    """Print the time of TEASAR; meshparty, which it would be compared with, is no dependency of the project."""
    for count in sizes:
        graph = case(count)
        seconds = interleaved(
            [lambda graph=graph: skeletonize(graph.edges, graph.ids, graph.xyz, method="teasar")], 2
        )
        print(f"teasar {count:>9,} nodes {seconds[0] * 1e3:9.1f} ms")


def main() -> None:
    """Print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="without 100,000 nodes and with fewer in bulk")
    quick = parser.parse_args().quick
    print(machine())
    with TemporaryDirectory() as folder:
        single(SIZES[:-1] if quick else SIZES, Path(folder))
    bulk(200 if quick else 1_000)
    teasar((400, 6_000) if quick else (400, 6_000, 26_000))


if __name__ == "__main__":
    main()
