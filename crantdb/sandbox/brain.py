"""The tables of the generated brain: synapses where neurites pass each other, nuclei, labels, and dirt.

Every sort of dirt seen in real tables has its rows: points without a supervoxel, outside of the
segmentation or missing, autapses, superseded rows, ids beyond 32 and 53 bits, text that is empty, NULL,
looks like a number or is not ASCII.
"""

# ruff: noqa: RUF001 (letters that look alike are part of the dirt)
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from crantdb.errors import ConfigError
from crantdb.sandbox.annotations import FOREVER, LiveTable, Points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from crantdb.sandbox.chunks import Pieces
    from crantdb.sandbox.history import History
    from crantdb.sandbox.morphology import Skeleton

# Ids that a 32-bit integer or a double cannot hold; the recordings have the same.
BIG_IDS = (3_000_000_001, 3_000_000_002, 2**53 + 1)
_IMAGERY_NM = np.array([8.0, 8.0, 42.0])
_NUCLEI_NM = np.array([16.0, 16.0, 42.0])
_TAGS = (
    *("plain", "", "NA", "NULL", "None", "nan", "null", "true", "t", "f", "0", "007", "1e5", "2026-01-01"),
    *("  padded  ", "tab\there", "line1\nline2", 'comma,quote" \\ back', "naïve Ångström"),
    *("é (e+combining: é)", "\u200bzero-width", "🐜 ant", "notes follow", "x" * 400, None),
)
_CELL_TYPES = (
    *("Kenyon cell", "Kenyon cell γ", "ALLN", "OSN/ΔL7", "PN — mPN", "glia", "motor neuron", "unknown"),
    *('ring neuron "R4d"', "l'LNv", "蟻 neuron", "", "NA", "two\nlines", None),
)
_SYSTEMS = ("crant_v1", "flywire\tlike", "crant_v1")


@dataclass(frozen=True, slots=True)
class Brain:
    """What tables are made from.

    Attributes:
        pieces: the shapes, cut.
        shapes: the neurons and twigs themselves.
        neurons: how many of the shapes are neurons.
        history: the edits.
    """

    pieces: Pieces
    shapes: Sequence[Skeleton]
    neurons: int
    history: History

    def points(self, nodes: NDArray[np.int64], voxel_nm: NDArray[np.float64]) -> Points:
        """Return nodes as points bound to their supervoxels."""
        voxels = np.round(self.pieces.node_xyz_nm[nodes] / voxel_nm).astype(np.int64)
        return Points(voxels, self.pieces.node_supervoxel[nodes])

    def roots(self, nodes: NDArray[np.int64], at_us: int) -> NDArray[np.int64]:
        """Return the root id at each node at a moment."""
        return self.history.roots_at(self.pieces.node_supervoxel[nodes], at_us)

    def somata(self) -> NDArray[np.int64]:
        """Return the node of each neuron's soma, its root where it has none."""
        lengths = [len(shape.parent) for shape in self.shapes[: self.neurons]]
        starts = np.cumsum([0, *lengths[:-1]])
        inside = [
            int(np.flatnonzero(s.parent < 0)[0]) if s.soma is None else s.soma
            for s in self.shapes[: self.neurons]
        ]
        return np.asarray(starts + np.array(inside), dtype=np.int64)

    def neuron_nodes(self) -> int:
        """Return how many nodes the neurons have; they come before those of the twigs."""
        return sum(len(shape.parent) for shape in self.shapes[: self.neurons])


def all_tables(
    brain: Brain, *, synapses: int, first_version: int, at_us: int, rng: np.random.Generator
) -> tuple[LiveTable, ...]:
    """Return every live table.

    Args:
        brain: what they annotate.
        synapses: the number of synapse rows.
        first_version: the version that sees the rows of the beginning; later ones come with the next two.
        at_us: the moment at which proofreaders noted root ids down, in µs since 1970.
        rng: where chance comes from.
    """
    synapse_table = _synapses(brain, synapses, first_version, rng)
    nuclei = _nuclei(brain, rng)
    return (
        synapse_table,
        nuclei,
        _cell_types(brain, rng),
        _tags(brain, "bound_tags", 100, rng),
        _tags_of_users(brain, rng),
        _groups(synapse_table, rng),
        _types_of_nuclei(nuclei, rng),
        _proofreading(brain, at_us, rng),
        _proofread(brain, at_us, rng),
        _points_at_nuclei(brain, nuclei, rng),
        _transmitters(brain, rng),
        _validity(synapse_table, rng),
        _tags(brain, "private_tags", 50, rng, read_permission="PRIVATE", user_id="17", description="private"),
        _tags(brain, "notice_unicode", 50, rng, notice_text="⚠ vorläufig — 蟻 labels"),
    )


def _synapses(brain: Brain, count: int, first: int, rng: np.random.Generator) -> LiveTable:
    pre, post = _partners(brain, count, rng)
    pre_points, post_points = brain.points(pre, _IMAGERY_NM), brain.points(post, _IMAGERY_NM)
    room = np.sort(rng.choice(np.arange(1, count + count // 20 + 100), count, replace=False))
    ids = np.r_[room[: count - len(BIG_IDS)], BIG_IDS].astype(np.int64)
    since = np.where(np.arange(count) < int(count * 0.9), 0, first + 1 + np.arange(count) % 2)
    since[-len(BIG_IDS) :] = 0
    until = np.full(count, FOREVER)
    by = np.zeros(count, dtype=np.int64)
    newer = rng.choice(np.flatnonzero(since > 0), count // 100, replace=False)
    older = rng.choice(np.flatnonzero(since == 0), count // 100, replace=False)
    until[older], by[older] = since[newer], ids[newer]
    size = np.round(rng.lognormal(4, 0.8, count), 3)
    return LiveTable(
        "synapses_v2",
        "synapse",
        ids,
        values={"size": pa.array(size, mask=rng.random(count) < 0.002)},
        points={
            "pre_pt": _dirty(pre_points, rng),
            "post_pt": _dirty(post_points, rng),
            "ctr_pt": Points((pre_points.voxels + post_points.voxels) // 2),
        },
        since=since,
        until=until,
        superceded_by=by,
        description="Generated synapses (all).",
    )


def _partners(
    brain: Brain, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the two nodes of each synapse: the nearest of eight draws in the first one's chunk.

    One in a hundred is an autapse, at a single node.
    """
    pieces = brain.pieces
    shape = pieces.piece_shape[pieces.node_piece]
    drive = rng.lognormal(0, 0.7, len(brain.shapes))[shape]
    _, chunk = np.unique(pieces.piece_chunk, axis=0, return_inverse=True)
    node_chunk = chunk[pieces.node_piece]
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


def _dirty(points: Points, rng: np.random.Generator) -> Points:
    """Return bound points of which some lie outside of the segmentation and some are not looked up yet."""
    dice = rng.random(len(points.voxels))
    bound = np.zeros(len(dice), dtype=np.int64) if points.supervoxel is None else points.supervoxel
    pending = (dice >= 0.003) & (dice < 0.007)
    return Points(points.voxels, np.where(dice < 0.003, 0, bound), is_pending=pending)


def _nuclei(brain: Brain, rng: np.random.Generator) -> LiveTable:
    somata = np.r_[brain.somata(), rng.integers(brain.neuron_nodes(), size=12)]
    points = brain.points(somata, _NUCLEI_NM)
    count = len(somata)
    is_null = np.arange(count) >= count - 4
    half = rng.integers(80, 200, (count, 3))
    return LiveTable(
        "nuclei_v1",
        "nucleus_detection",
        np.arange(1, count + 1),
        values={"volume": pa.array(np.round(rng.normal(40, 9, count), 4), mask=rng.random(count) < 0.05)},
        points={
            "pt": Points(points.voxels, points.supervoxel, is_null=is_null),
            "bb_start": Points(points.voxels - half, is_null=is_null),
            "bb_end": Points(points.voxels + half, is_null=is_null),
        },
        resolution=(16.0, 16.0, 42.0),
        description="Nuclei",
    )


def _cell_types(brain: Brain, rng: np.random.Generator) -> LiveTable:
    nodes = np.r_[brain.somata(), rng.integers(len(brain.pieces.node_piece), size=90)]
    count = len(nodes)
    return LiveTable(
        "cell_types",
        "cell_type_local",
        np.arange(1, count + 1),
        values={
            "classification_system": pa.array([_SYSTEMS[row % 3] for row in range(count)]),
            "cell_type": pa.array([_CELL_TYPES[row % len(_CELL_TYPES)] for row in range(count)]),
        },
        points={"pt": _dirty(brain.points(nodes, _IMAGERY_NM), rng)},
        notice_text="Preliminary labels, do not cite.",
        description="Cell types",
    )


def _tags(brain: Brain, name: str, count: int, rng: np.random.Generator, **metadata: str) -> LiveTable:
    nodes = rng.integers(len(brain.pieces.node_piece), size=count)
    return LiveTable(
        name,
        "bound_tag",
        np.arange(1, count + 1),
        values={"tag": pa.array([_TAGS[row % len(_TAGS)] for row in range(count)])},
        points={"pt": brain.points(nodes, _IMAGERY_NM)},
        **({"description": "Free text tags"} | metadata),  # type: ignore[arg-type]
    )


def _tags_of_users(brain: Brain, rng: np.random.Generator) -> LiveTable:
    nodes = rng.integers(len(brain.pieces.node_piece), size=40)
    users = pa.array(np.where(np.arange(40) % 7 == 0, 0, 17 + np.arange(40) % 3), pa.int32())
    tags = pa.array([_TAGS[row % len(_TAGS)] for row in range(40)])
    points = {"pt": brain.points(nodes, _IMAGERY_NM)}
    values = {"tag": tags, "user_id": users}
    return LiveTable("bound_tags_user", "bound_tag_user", np.arange(1, 41), values=values, points=points)


def _groups(synapses: LiveTable, rng: np.random.Generator) -> LiveTable:
    targets = np.sort(rng.choice(synapses.ids, len(synapses.ids) // 5, replace=False))
    values = {"target_id": pa.array(targets), "group_id": pa.array(targets % 37, pa.int32())}
    ids = np.arange(1, len(targets) + 1)
    return LiveTable(
        "syn_groups", "reference_simple_group", ids, values=values, reference_table="synapses_v2"
    )


def _types_of_nuclei(nuclei: LiveTable, rng: np.random.Generator) -> LiveTable:
    # The last row's target does not exist: a join loses it.
    targets = np.r_[nuclei.ids, nuclei.ids.max() + 1000]
    types = rng.integers(len(_CELL_TYPES), size=len(targets))
    values = {
        "target_id": pa.array(targets),
        "classification_system": pa.array([_SYSTEMS[row % 3] for row in range(len(targets))]),
        "cell_type": pa.array([_CELL_TYPES[kind] for kind in types]),
    }
    ids = np.arange(1, len(targets) + 1)
    name = "nuc_cell_type_ref"
    return LiveTable(name, "cell_type_reference", ids, values=values, reference_table="nuclei_v1")


def _proofreading(brain: Brain, at_us: int, rng: np.random.Generator) -> LiveTable:
    nodes = np.r_[brain.somata(), brain.somata()[:20]]
    points = brain.points(nodes, _IMAGERY_NM)
    count = len(points.voxels)
    return LiveTable(
        "proofreading_status",
        "compartment_proofread_status_strategy",
        np.arange(1, count + 1),
        values={
            "valid_id": pa.array(brain.roots(nodes, at_us)),
            "status_dendrite": pa.array(rng.random(count) < 0.8),
            "status_axon": pa.array(rng.random(count) < 0.6),
            "strategy_dendrite": pa.array(["dendrite_extended", "none"] * count)[:count],
            "strategy_axon": pa.array(["axon_fully_extended", "none", ""] * count)[:count],
        },
        points={"pt": points},
        description="Proofreading status",
    )


def _proofread(brain: Brain, at_us: int, rng: np.random.Generator) -> LiveTable:
    nodes = np.r_[brain.somata(), brain.somata()[:20]]
    points = brain.points(nodes, _IMAGERY_NM)
    count = len(points.voxels)
    values = {
        "valid_id": pa.array(brain.roots(nodes, at_us)),
        "proofread": pa.array(rng.random(count) < 0.5, mask=rng.random(count) < 0.1),
        "user_id": pa.array(rng.integers(1, 30, count), pa.int32()),
    }
    ids = np.arange(1, count + 1)
    return LiveTable(
        "proofread_bool", "proofreading_boolstatus_user", ids, values=values, points={"pt": points}
    )


def _points_at_nuclei(brain: Brain, nuclei: LiveTable, rng: np.random.Generator) -> LiveTable:
    targets = np.sort(rng.choice(nuclei.ids, max(12, len(nuclei.ids) // 2)))
    nodes = rng.integers(brain.neuron_nodes(), size=len(targets))
    return LiveTable(
        "ref_points",
        "reference_point",
        np.arange(1, len(targets) + 1),
        values={"target_id": pa.array(targets)},
        points={"pt": _dirty(brain.points(nodes, _IMAGERY_NM), rng)},
        reference_table="nuclei_v1",
        description="reference table with its own point",
    )


def _transmitters(brain: Brain, rng: np.random.Generator) -> LiveTable:
    pre, post = _partners(brain, 200, rng)
    shares = rng.dirichlet(np.ones(6), 200)
    names = ("gaba", "ach", "glut", "oct", "ser", "da")
    values = {name: pa.array(shares[:, number]) for number, name in enumerate(names)}
    values |= {name: pa.array(rng.random(200) * 100) for name in ("connection_score", "cleft_score")}
    values["valid_nt"] = pa.array(rng.random(200) < 0.9)
    points = {"pre_pt": brain.points(pre, _IMAGERY_NM), "post_pt": brain.points(post, _IMAGERY_NM)}
    return LiveTable("syn_nt", "fly_nt_synapse", np.arange(1, 201), values=values, points=points)


def _validity(synapses: LiveTable, rng: np.random.Generator) -> LiveTable:
    targets = np.sort(rng.choice(synapses.ids, min(300, len(synapses.ids) // 2), replace=False))
    values = {"target_id": pa.array(targets), "is_valid": pa.array(rng.random(len(targets)) < 0.9)}
    ids = np.arange(1, len(targets) + 1)
    return LiveTable(
        "valid_synapses", "reference_synapse_valid", ids, values=values, reference_table="synapses_v2"
    )
