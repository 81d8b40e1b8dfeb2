"""Seeded synapses for measurements: CRANTb-like ids, power-law degrees and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

ROOT = 8 << 56
SUPERVOXEL_LOW, SUPERVOXEL_HIGH = 72 * 10**15, 75 * 10**15
BLOCK_ROWS = 5_000_000


def synapses(count: int, seed: int = 1, neurons: int | None = None) -> pa.Table:
    """Return `count` synapses with the columns of a merged CAVE synapse table, ids in no order.

    Out-degrees are log-normal, a neuron's synapses fall on its partners by a power law (about four an edge at
    the scale of a brain), one root in a hundred is 0 and one in a thousand NULL, as on real servers.

    Args:
        count: rows.
        seed: the same seed gives the same rows.
        neurons: how many roots there are; one for fifty synapses by default.
    """
    rng = np.random.default_rng(seed)
    neurons = neurons or max(100, count // 50)
    columns: dict[str, object] = {"id": rng.permutation(np.arange(1, count + 1) + np.arange(count) // 10)}
    for side, roots in zip(("pre", "post"), _roots(rng, count, neurons), strict=True):
        for axis, high in zip("xyz", (45_000, 43_000, 6_100), strict=True):
            columns[f"{side}_pt_position_{axis}"] = rng.integers(2_000, high, count, dtype=np.int32)
        columns[f"{side}_pt_supervoxel_id"] = rng.integers(SUPERVOXEL_LOW, SUPERVOXEL_HIGH, count)
        roots[rng.random(count) < 0.01] = 0
        columns[f"{side}_pt_root_id"] = pa.array(roots, mask=rng.random(count) < 0.001)
    for axis, high in zip("xyz", (45_000, 43_000, 6_100), strict=True):
        columns[f"ctr_pt_position_{axis}"] = rng.integers(2_000, high, count, dtype=np.int32)
    columns["size"] = rng.lognormal(5, 1, count).astype(np.float32).astype(np.float64)
    return pa.table(columns)


def _roots(rng: np.random.Generator, count: int, neurons: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the roots of both sides: the same neurons and partners for every seed."""
    world = np.random.default_rng(0)
    drive = world.lognormal(0, 1.5, neurons)
    names = ROOT + np.sort(world.permutation(neurons * 8)[:neurons])
    pre = rng.choice(neurons, count, p=drive / drive.sum())
    partner = np.minimum(rng.zipf(1.4, count), 400)
    return names[pre], names[(pre * 7919 + partner * 104_729) % neurons]


def pieces(count: int, piece_rows: int = 500_000) -> Iterator[pa.Table]:
    """Yield `count` synapses in id order, piece by piece, as a sync stages them; memory stays bounded."""
    neurons = max(100, count // 300)
    for number, start in enumerate(range(0, count, BLOCK_ROWS)):
        rows = synapses(min(BLOCK_ROWS, count - start), seed=number + 1, neurons=neurons).sort_by("id")
        rows = rows.set_column(0, "id", pc.add(rows["id"], start + start // 10 + number))
        size = rows.column_names.index("size")
        rows = rows.set_column(size, "size", rows["size"].cast(pa.float32()))
        for first in range(0, rows.num_rows, piece_rows):
            yield rows.slice(first, piece_rows)
