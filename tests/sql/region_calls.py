"""How the macros of regions and transmitters are called, and what they give in each schema of the two versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.warehouse.making import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

IDS = {"main": range(1, 10), "v2": range(1, 10), "v1": range(1, 5)}
SHIFT = {"main": 2, "v2": 2, "v1": 1}
KEPT = "keep_autapses := true"


def _pairs(schema: str, region: str) -> list[tuple[object, ...]]:
    """Return the pairs of a region: every synapse here is of a neuron with itself."""
    ids = [number for number in IDS[schema] if (number % 2 == 1) == (region == "left")]
    return [(region, ROOT + SHIFT[schema] + n, ROOT + SHIFT[schema] + n, 1, float(n)) for n in ids]


CALLS: Mapping[str, tuple[str, Callable[[str], list[tuple[object, ...]]]]] = {
    "region_list": ("FROM {s}.region_list(['left', 'left', NULL])", lambda _: [("left",)]),
    "region_adjacency": (
        f"FROM {{s}}.region_adjacency(in_regions := 'other', {KEPT}) ORDER BY pre",
        lambda s: _pairs(s, "other"),
    ),
    "region_connectivity": (
        f"FROM {{s}}.region_connectivity({{ROOT4}}, {KEPT})".replace("{ROOT4}", str(ROOT + 4)),
        lambda s: [row for region in ("left", "other") for row in _pairs(s, region) if row[1] == ROOT + 4],
    ),
    "region_synapse_counts": (
        f"SELECT * FROM {{s}}.region_synapse_counts(in_regions := ['left'], {KEPT}) ORDER BY root_id",
        lambda s: [(pre, region, 1, 1, 1, 1) for region, pre, *_ in _pairs(s, "left")],
    ),
    "neuron_transmitters": (
        f"FROM {{s}}.neuron_transmitters([{ROOT + 3}, 5], {KEPT}) ORDER BY root_id DESC, place, transmitter",
        lambda _: [
            (ROOT + 3, "gaba", 0.5, 1, 1),
            (ROOT + 3, "acetylcholine", 0.25, 1, 2),
            (5, "acetylcholine", None, 0, None),
            (5, "gaba", None, 0, None),
        ],
    ),
}
