"""The hemibrain's example neurons as a warehouse: real places of synapses, and a real neuropil around some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import navis
import numpy as np
import pyarrow as pa

from crantdb.morphology.regions import Region, Regions, surface
from tests.analysis.making import add_brain
from tests.warehouse.making import ROOT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crantdb.warehouse.layout import Warehouse

NM = np.array([8.0, 8.0, 42.0])
"""nm a voxel of the tests' tables: the hemibrain is stretched by it, neuropil and synapses alike."""


def synapse_table(rows: int | None = None) -> pa.Table:
    """Return the synapses of three example neurons, of each the neuron and one of 40 strangers as the other end."""
    random = np.random.default_rng(5)
    places: list[NDArray[np.int64]] = []
    pre: list[NDArray[np.int64]] = []
    post: list[NDArray[np.int64]] = []
    for number, neuron in enumerate(navis.example_neurons(3, kind="skeleton")):
        table = neuron.connectors
        own = np.full(len(table), ROOT + number + 1, np.int64)
        strange = ROOT + 100 + random.integers(0, 40, len(table))
        told = table["type"].to_numpy(str) == "pre"
        places.append(table[["x", "y", "z"]].to_numpy(np.int64))
        pre.append(np.where(told, own, strange))
        post.append(np.where(told, strange, own))
    points = np.concatenate(places)
    ids = 1000 + random.permutation(len(points))
    columns = {
        "id": pa.array(ids, pa.int64()),
        "pre_pt_root_id": pa.array(np.concatenate(pre), pa.int64()),
        "post_pt_root_id": pa.array(np.concatenate(post), pa.int64()),
        **{f"{side}_pt_supervoxel_id": pa.array(2**56 + ids, pa.int64()) for side in ("pre", "post")},
        **{
            f"{point}_pt_position_{axis}": pa.array(points[:, place], pa.int32())
            for point in ("pre", "post", "ctr")
            for place, axis in enumerate("xyz")
        },
        "size": pa.array(random.integers(1, 500, len(points)).astype(np.float32)),
    }
    made = pa.table(columns).sort_by("id")
    return made if rows is None else made.slice(0, rows)


def neuropils() -> Regions:
    """Return the lateral horn, and a ball that lies partly in it."""
    horn = navis.example_volume("LH")
    from trimesh.creation import icosphere  # noqa: PLC0415 - heavy

    ball = icosphere(subdivisions=3, radius=2500)
    middle = horn.vertices.mean(axis=0)
    return Regions(
        [
            Region("lateral_horn", (surface(horn.vertices * NM, horn.faces),)),
            Region("ball", (surface((ball.vertices + middle) * NM, ball.faces),)),
        ]
    )


def points_nm(synapses: pa.Table) -> NDArray[np.float64]:
    """Return the centres of synapses."""
    return np.column_stack([synapses[f"ctr_pt_position_{axis}"].to_numpy() for axis in "xyz"]) * NM


def add_synapses(warehouse: Warehouse, synapses: pa.Table, version: int = 1) -> None:
    """Commit synapses as a version, its three neurons and half of the strangers annotated."""
    neurons = [{"root_id": ROOT + number, "cell_type": "PN", "cell_class": "PN"} for number in (1, 2, 3)]
    neurons += [
        {"root_id": ROOT + number, "cell_type": f"X{number % 3}", "cell_class": "X"}
        for number in range(100, 120)
    ]
    add_brain(warehouse, synapses, neurons, version=version)
