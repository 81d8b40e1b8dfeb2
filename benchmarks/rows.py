"""Seeded synapses for measurements: CRANTb-like ids, power-law degrees."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

ROOT = 8 << 56
SUPERVOXEL_LOW, SUPERVOXEL_HIGH = 72 * 10**15, 75 * 10**15


def synapses(count: int, seed: int = 1) -> pa.Table:
    """Return `count` synapses with the columns of a merged CAVE synapse table, ids in no order.

    A few root ids are NULL or 0, as on real servers. Degrees follow a power law.
    """
    rng = np.random.default_rng(seed)
    neurons = max(100, count // 50)
    columns: dict[str, object] = {"id": rng.permutation(np.arange(1, count + 1) + np.arange(count) // 10)}
    for side in ("pre", "post"):
        for axis, high in zip("xyz", (45_000, 43_000, 6_100), strict=True):
            columns[f"{side}_pt_position_{axis}"] = rng.integers(2_000, high, count, dtype=np.int32)
        columns[f"{side}_pt_supervoxel_id"] = rng.integers(SUPERVOXEL_LOW, SUPERVOXEL_HIGH, count)
        ranks = np.minimum(rng.zipf(1.3, count), neurons)
        roots = ROOT + rng.permutation(neurons * 8)[:neurons][ranks - 1]
        roots[rng.random(count) < 0.01] = 0
        columns[f"{side}_pt_root_id"] = pa.array(roots, mask=rng.random(count) < 0.001)
    for axis, high in zip("xyz", (45_000, 43_000, 6_100), strict=True):
        columns[f"ctr_pt_position_{axis}"] = rng.integers(2_000, high, count, dtype=np.int32)
    columns["size"] = rng.lognormal(5, 1, count).astype(np.float32).astype(np.float64)
    return pa.table(columns)
