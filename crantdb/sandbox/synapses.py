"""The synapse tables of the generated brain: synapses where neurites pass each other, and notes on them.

Every sort of dirt seen in real tables has its rows: points outside of the segmentation or not yet looked
up, autapses, superseded rows, gaps between ids, and ids beyond 32 and 53 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from crantdb.errors import ConfigError
from crantdb.sandbox.annotations import FOREVER, LiveTable, Points
from crantdb.sandbox.brain import IMAGERY_NM, dirty

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crantdb.sandbox.brain import Brain

# Ids that a 32-bit integer or a double cannot hold; the recordings have the same.
BIG_IDS = (3_000_000_001, 3_000_000_002, 2**53 + 1)


def synapses(brain: Brain, count: int, first: int, rng: np.random.Generator) -> LiveTable:
    """Return the synapses: one row in ten comes with the two versions after the first, one in a hundred goes."""
    pre, post = (brain.points(nodes, IMAGERY_NM) for nodes in _partners(brain, count, rng))
    room = np.sort(rng.choice(np.arange(1, count + count // 20 + 100), count, replace=False))
    ids = np.r_[room[: count - len(BIG_IDS)], BIG_IDS].astype(np.int64)
    since = np.where(np.arange(count) < int(count * 0.9), 0, first + 1 + np.arange(count) % 2)
    since[-len(BIG_IDS) :] = 0
    until, by = _superseded(ids, since, rng)
    size = np.round(rng.lognormal(4, 0.8, count), 3)
    return LiveTable(
        "synapses_v2",
        "synapse",
        ids,
        values={"size": pa.array(size, mask=rng.random(count) < 0.002)},
        points={
            "pre_pt": dirty(pre, rng),
            "post_pt": dirty(post, rng),
            "ctr_pt": Points((pre.voxels + post.voxels) // 2),
        },
        since=since,
        until=until,
        superceded_by=by,
        description="Generated synapses (all).",
    )


def _superseded(
    ids: NDArray[np.int64], since: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return until which version each row stands and which row took its place, for one row in a hundred."""
    until, by = np.full(len(ids), FOREVER), np.zeros(len(ids), dtype=np.int64)
    newer = rng.choice(np.flatnonzero(since > 0), len(ids) // 100, replace=False)
    older = rng.choice(np.flatnonzero(since == 0), len(ids) // 100, replace=False)
    until[older], by[older] = since[newer], ids[newer]
    return until, by


def groups(synapses: LiveTable, rng: np.random.Generator) -> LiveTable:
    """Return groups of synapses, which refer to some that were superseded: a join loses those."""
    targets = np.sort(rng.choice(synapses.ids, len(synapses.ids) // 5, replace=False))
    values = {"target_id": pa.array(targets), "group_id": pa.array(targets % 37, pa.int32())}
    ids = np.arange(1, len(targets) + 1)
    return LiveTable(
        "syn_groups", "reference_simple_group", ids, values=values, reference_table="synapses_v2"
    )


def transmitters(brain: Brain, rng: np.random.Generator) -> LiveTable:
    """Return a synapse table with predicted transmitters."""
    pre, post = _partners(brain, 200, rng)
    shares = rng.dirichlet(np.ones(6), 200)
    names = ("gaba", "ach", "glut", "oct", "ser", "da")
    values = {name: pa.array(shares[:, number]) for number, name in enumerate(names)}
    values |= {name: pa.array(rng.random(200) * 100) for name in ("connection_score", "cleft_score")}
    values["valid_nt"] = pa.array(rng.random(200) < 0.9)
    points = {"pre_pt": brain.points(pre, IMAGERY_NM), "post_pt": brain.points(post, IMAGERY_NM)}
    return LiveTable("syn_nt", "fly_nt_synapse", np.arange(1, 201), values=values, points=points)


def validity(synapses: LiveTable, rng: np.random.Generator) -> LiveTable:
    """Return notes on whether synapses are right."""
    targets = np.sort(rng.choice(synapses.ids, min(300, len(synapses.ids) // 2), replace=False))
    values = {"target_id": pa.array(targets), "is_valid": pa.array(rng.random(len(targets)) < 0.9)}
    ids = np.arange(1, len(targets) + 1)
    return LiveTable(
        "valid_synapses", "reference_synapse_valid", ids, values=values, reference_table="synapses_v2"
    )


def _partners(
    brain: Brain, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the two nodes of each synapse: the nearest of eight draws in the first one's chunk.

    One in a hundred is an autapse, at a single node.
    """
    pieces = brain.pieces
    shape = pieces.piece_shape[pieces.node_piece]
    _, chunk = np.unique(pieces.piece_chunk, axis=0, return_inverse=True)
    chunk = chunk.reshape(-1)  # numpy 2.0 alone keeps the axis
    node_chunk = chunk[pieces.node_piece]
    neighbours = np.bincount(np.unique(np.stack([chunk, pieces.piece_shape]), axis=1)[0])
    drive = rng.lognormal(0, 0.7, len(brain.shapes))[shape] * (neighbours[node_chunk] > 1)
    by_chunk = np.argsort(node_chunk, kind="stable")
    room = np.bincount(node_chunk)
    start = np.cumsum(room) - room
    pre = rng.choice(len(shape), 4 * count, p=drive / drive.sum())
    draws = (rng.random((len(pre), 8)) * room[node_chunk[pre], None]).astype(np.int64)
    drawn = by_chunk[start[node_chunk[pre], None] + draws]
    away = np.linalg.norm(pieces.node_xyz_nm[drawn] - pieces.node_xyz_nm[pre, None], axis=2)
    away[shape[drawn] == shape[pre, None]] = np.inf
    best = away.argmin(axis=1)
    met = np.flatnonzero(np.isfinite(away.min(axis=1)))[:count]
    if len(met) < count:
        msg = f"only {len(met)} of {count} synapses found a partner: ask for more neurons or fewer synapses"
        raise ConfigError(msg)
    post = drawn[met, best[met]]
    own = rng.random(count) < 0.01
    post[own] = pre[met][own]
    return pre[met], post
