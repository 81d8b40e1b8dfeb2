"""The other tables of the generated brain: nuclei, cell types, tags, proofreading.

Text comes with every sort of dirt seen in real tables: empty, NULL, "NA", what looks like a number or a
date, line breaks, letters beyond ASCII and beyond 16 bits.
"""

# ruff: noqa: RUF001 (letters that look alike are part of the dirt)
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from crantdb.sandbox.annotations import LiveTable, Points
from crantdb.sandbox.brain import IMAGERY_NM, NUCLEI_NM, dirty

if TYPE_CHECKING:
    from crantdb.sandbox.brain import Brain

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


def nuclei(brain: Brain, rng: np.random.Generator) -> LiveTable:
    """Return a nucleus for each neuron and some more, the last four without a point."""
    somata = np.r_[brain.somata(), rng.integers(brain.neuron_nodes(), size=12)]
    points = brain.points(somata, NUCLEI_NM)
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


def cell_types(brain: Brain, rng: np.random.Generator) -> LiveTable:
    """Return cell types at points, with the owner's notice."""
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
        points={"pt": dirty(brain.points(nodes, IMAGERY_NM), rng)},
        notice_text="Preliminary labels, do not cite.",
        description="Cell types",
    )


def tags(brain: Brain, name: str, count: int, rng: np.random.Generator, **metadata: str) -> LiveTable:
    """Return free text at points; `metadata` are further fields of the table."""
    nodes = rng.integers(len(brain.pieces.node_piece), size=count)
    return LiveTable(
        name,
        "bound_tag",
        np.arange(1, count + 1),
        values={"tag": pa.array([_TAGS[row % len(_TAGS)] for row in range(count)])},
        points={"pt": brain.points(nodes, IMAGERY_NM)},
        **({"description": "Free text tags"} | metadata),  # type: ignore[arg-type]
    )


def tags_of_users(brain: Brain, rng: np.random.Generator) -> LiveTable:
    """Return free text at points, with who wrote it; a table that later versions no longer have."""
    nodes = rng.integers(len(brain.pieces.node_piece), size=40)
    users = pa.array(np.where(np.arange(40) % 7 == 0, 0, 17 + np.arange(40) % 3), pa.int32())
    tags = pa.array([_TAGS[row % len(_TAGS)] for row in range(40)])
    points = {"pt": brain.points(nodes, IMAGERY_NM)}
    values = {"tag": tags, "user_id": users}
    return LiveTable("bound_tags_user", "bound_tag_user", np.arange(1, 41), values=values, points=points)


def types_of_nuclei(nuclei: LiveTable, rng: np.random.Generator) -> LiveTable:
    """Return cell types that refer to nuclei; the last one's nucleus does not exist."""
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


def proofreading(brain: Brain, at_us: int, rng: np.random.Generator) -> LiveTable:
    """Return how far neurons are proofread, with the root id noted down at a moment in µs since 1970."""
    nodes = np.r_[brain.somata(), brain.somata()[:20]]
    points = brain.points(nodes, IMAGERY_NM)
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


def proofread(brain: Brain, at_us: int, rng: np.random.Generator) -> LiveTable:
    """Return whether neurons are proofread, some of them neither yes nor no."""
    nodes = np.r_[brain.somata(), brain.somata()[:20]]
    points = brain.points(nodes, IMAGERY_NM)
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


def points_at_nuclei(brain: Brain, nuclei: LiveTable, rng: np.random.Generator) -> LiveTable:
    """Return points of their own that refer to nuclei."""
    targets = np.sort(rng.choice(nuclei.ids, max(12, len(nuclei.ids) // 2)))
    nodes = rng.integers(brain.neuron_nodes(), size=len(targets))
    return LiveTable(
        "ref_points",
        "reference_point",
        np.arange(1, len(targets) + 1),
        values={"target_id": pa.array(targets)},
        points={"pt": dirty(brain.points(nodes, IMAGERY_NM), rng)},
        reference_table="nuclei_v1",
        description="reference table with its own point",
    )
