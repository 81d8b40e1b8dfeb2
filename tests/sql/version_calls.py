"""How the macros that compare two versions are called, and what they give in each schema of the two versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.warehouse.making import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

IDS = {"main": range(1, 10), "v2": range(1, 10), "v1": range(1, 5)}
SHIFT = {"main": 2, "v2": 2, "v1": 1}


def _edges(schema: str) -> list[tuple[object, ...]]:
    """Return what became of edges since version 1: each is of a root with itself, its size the id of its synapse."""
    if schema == "v1":
        return []
    lost = [(ROOT + 2, ROOT + 2, "lost", 1, None, 1.0, None)]
    changed = [(ROOT + n, ROOT + n, "changed", 1, 1, n - 1.0, n - 2.0) for n in (3, 4, 5)]
    return lost + changed + [(ROOT + n, ROOT + n, "gained", None, 1, None, n - 2.0) for n in range(6, 12)]


def _synapses(schema: str) -> list[tuple[object, ...]]:
    """Return what became of synapses since version 1: all have another root, and some came."""
    if schema == "v1":
        return []
    moved = [(n, "reassigned", ROOT + 1 + n, ROOT + 2 + n, ROOT + 1 + n, ROOT + 2 + n) for n in range(1, 5)]
    return moved + [(n, "added", None, ROOT + 2 + n, None, ROOT + 2 + n) for n in range(5, 10)]


CALLS: Mapping[str, tuple[str, Callable[[str], list[tuple[object, ...]]]]] = {
    "edge_changes": ("FROM {s}.edge_changes('v1', '{s}') ORDER BY pre_root_id", _edges),
    "synapse_changes": ("FROM {s}.synapse_changes('v1', '{s}') ORDER BY id", _synapses),
    "standing_in": (
        "FROM {s}.standing_in('{s}') ORDER BY root_id",
        lambda s: [(ROOT + SHIFT[s] + n,) for n in IDS[s]],
    ),
    "root_changes": (
        "FROM {s}.root_changes('v1', '{s}') ORDER BY root_id",
        lambda s: (
            []
            if s == "v1"
            else [(ROOT + 2, "retired"), *((ROOT + number, "born") for number in range(6, 12))]
        ),
    ),
}
