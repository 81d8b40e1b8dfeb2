"""How each macro of connectivity is called on two versions whose synapses are all autapses, and what it gives.

In main (and v2) synapse i, of size i, leads from root 2 + i to itself, i from 1 to 9; in v1 from 1 + i, i from 1 to 4.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tests.warehouse.making import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SHIFT = MappingProxyType({"main": 2, "v2": 2, "v1": 1})
COUNT = MappingProxyType({"main": 9, "v2": 9, "v1": 4})
ASKED = ROOT + 4
"""A root that both versions have: synapse 2 of version 2, synapse 3 of version 1."""

_KEPT = "keep_autapses := true"


def _pair(schema: str) -> list[tuple[Any, ...]]:
    """Return the asked root's only connection: pre, post, weight, sum of sizes."""
    return [(ASKED, ASKED, 1, float(4 - SHIFT[schema]))]


def _synapse(schema: str) -> list[tuple[Any, ...]]:
    """Return the asked root's only synapse: id, size, and a position that the id gives."""
    number = 4 - SHIFT[schema]
    return [(number, float(number), 42.0 * (number + SHIFT[schema]))]


CALLS: Mapping[str, tuple[str, Callable[[str], list[tuple[Any, ...]]]]] = MappingProxyType(
    {
        "root_list": (f"FROM {{s}}.root_list([{ASKED}, '{ASKED}', NULL])", lambda _: [(ASKED,)]),
        "downstream": (f"FROM {{s}}.downstream([{ASKED}, 5], {_KEPT})", _pair),
        "upstream": (f"FROM {{s}}.upstream({ASKED}, {_KEPT}, min_size := 1)", _pair),
        "adjacency": (f"FROM {{s}}.adjacency([{ASKED}], {ASKED}, {_KEPT})", _pair),
        "connectivity": (f"FROM {{s}}.connectivity({ASKED}, {_KEPT})", _pair),
        "synapses_of": (f"SELECT id, size, ctr_z_nm FROM {{s}}.synapses_of({ASKED}, {_KEPT})", _synapse),
        "synapses_between": (
            f"SELECT id, size, ctr_z_nm FROM {{s}}.synapses_between(of_post := {ASKED}, {_KEPT})",
            _synapse,
        ),
        "synapse_counts": (
            f"FROM {{s}}.synapse_counts([{ASKED}, 5], {_KEPT}) ORDER BY root_id",
            lambda _: [(5, 0, 0, 0, 0), (ASKED, 1, 1, 1, 1)],
        ),
        "reciprocal": (f"FROM {{s}}.reciprocal({ASKED})", lambda _: []),
        "paths": (f"FROM {{s}}.paths({ASKED}, {ASKED + 1})", lambda _: []),
        "neuron_labels": ("FROM {s}.neuron_labels('cell_type')", lambda _: []),
        "type_counts": ("FROM {s}.type_counts('cell_class')", lambda _: []),
        "type_connectivity": (
            f"FROM {{s}}.type_connectivity('side', {_KEPT}, keep_untyped := true)",
            lambda s: [(None, None, COUNT[s], COUNT[s], COUNT[s], COUNT[s])],
        ),
        "partners": (
            f"SELECT neuron, direction, partner, weight, share, cell_type FROM {{s}}.partners({ASKED}, {_KEPT})",
            lambda _: [(ASKED, way, ASKED, 1, 1.0, None) for way in ("downstream", "upstream")],
        ),
        "shared_partners": (
            f"SELECT direction, partner, neurons, weight FROM {{s}}.shared_partners({ASKED}, 1, {_KEPT})",
            lambda _: [(way, ASKED, 1, 1) for way in ("downstream", "upstream")],
        ),
        "connectome_stats": (
            f"SELECT neurons, connections, synapses, autapses FROM {{s}}.connectome_stats({_KEPT})",
            lambda s: [(COUNT[s],) * 4],
        ),
    }
)
