"""A local analytical warehouse of a CAVE connectome: complete, of one moment, exact, offline.

    import crantdb

    con = crantdb.connect("data")
    con.sql("FROM snapshot").show()

The names load when first used, so that importing costs nothing and `crantdb --help` answers at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crantdb.analysis.adjacency import SparseAdjacency, get_adjacency, sparse_adjacency
    from crantdb.analysis.attached import SynapseChoice, attach_synapses
    from crantdb.analysis.cell_ids import cell_id_to_root_id, root_id_to_cell_id
    from crantdb.analysis.connectivity import connectivity_graph, get_connectivity, get_synapse_counts
    from crantdb.analysis.criteria import NeuronCriteria
    from crantdb.analysis.id_verbs import (
        get_latest_roots,
        get_lineage_graph,
        is_latest_roots,
        is_valid_root,
        is_valid_supervoxel,
        roots_to_supervoxels,
        suggest_latest_roots,
        supervoxels_to_roots,
        update_ids,
    )
    from crantdb.analysis.idmap import ids_at, ids_at_all
    from crantdb.analysis.idmap_times import find_common_time, version_for, versions_for
    from crantdb.analysis.l2_info import (
        find_anchor_loc,
        get_l2_chunk_info,
        get_l2_dotprops,
        get_l2_graph,
        get_l2_info,
    )
    from crantdb.analysis.mapping import IdsMapped
    from crantdb.analysis.matrices.collection import All, NeuropilCollection
    from crantdb.analysis.matrices.directed import DirectedNestedMatrix
    from crantdb.analysis.matrices.nested import NestedMatrix
    from crantdb.analysis.predicate import Where
    from crantdb.analysis.regions import (
        count_synapses_in_regions,
        get_region_connectivity,
        get_region_synapse_counts,
    )
    from crantdb.analysis.skeletons import (
        SkeletonOptions,
        get_compartments,
        get_l2_skeleton,
        get_l2_skeletons,
    )
    from crantdb.analysis.swc import SwcWish, write_swc
    from crantdb.analysis.synapses import get_synapses
    from crantdb.analysis.transmitters import collapse_nt_predictions, get_transmitter_predictions
    from crantdb.analysis.versions import changes, diff, row_changes
    from crantdb.errors import CrantdbError
    from crantdb.warehouse.catalog import connect, scan

__all__ = [
    "All",
    "CrantdbError",
    "DirectedNestedMatrix",
    "IdsMapped",
    "NestedMatrix",
    "NeuronCriteria",
    "NeuropilCollection",
    "SkeletonOptions",
    "SparseAdjacency",
    "SwcWish",
    "SynapseChoice",
    "Where",
    "attach_synapses",
    "cell_id_to_root_id",
    "changes",
    "collapse_nt_predictions",
    "connect",
    "connectivity_graph",
    "count_synapses_in_regions",
    "diff",
    "find_anchor_loc",
    "find_common_time",
    "get_adjacency",
    "get_compartments",
    "get_connectivity",
    "get_l2_chunk_info",
    "get_l2_dotprops",
    "get_l2_graph",
    "get_l2_info",
    "get_l2_skeleton",
    "get_l2_skeletons",
    "get_latest_roots",
    "get_lineage_graph",
    "get_region_connectivity",
    "get_region_synapse_counts",
    "get_synapse_counts",
    "get_synapses",
    "get_transmitter_predictions",
    "ids_at",
    "ids_at_all",
    "is_latest_roots",
    "is_valid_root",
    "is_valid_supervoxel",
    "root_id_to_cell_id",
    "roots_to_supervoxels",
    "row_changes",
    "scan",
    "sparse_adjacency",
    "suggest_latest_roots",
    "supervoxels_to_roots",
    "update_ids",
    "version_for",
    "versions_for",
    "write_swc",
]


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for."""
    rooms = {
        "All": "crantdb.analysis.matrices.collection",
        "CrantdbError": "crantdb.errors",
        "DirectedNestedMatrix": "crantdb.analysis.matrices.directed",
        "IdsMapped": "crantdb.analysis.mapping",
        "NestedMatrix": "crantdb.analysis.matrices.nested",
        "NeuronCriteria": "crantdb.analysis.criteria",
        "NeuropilCollection": "crantdb.analysis.matrices.collection",
        "SkeletonOptions": "crantdb.analysis.skeletons",
        "SparseAdjacency": "crantdb.analysis.adjacency",
        "SwcWish": "crantdb.analysis.swc",
        "SynapseChoice": "crantdb.analysis.attached",
        "Where": "crantdb.analysis.predicate",
        "attach_synapses": "crantdb.analysis.attached",
        "cell_id_to_root_id": "crantdb.analysis.cell_ids",
        "changes": "crantdb.analysis.versions",
        "collapse_nt_predictions": "crantdb.analysis.transmitters",
        "connect": "crantdb.warehouse.catalog",
        "connectivity_graph": "crantdb.analysis.connectivity",
        "count_synapses_in_regions": "crantdb.analysis.regions",
        "diff": "crantdb.analysis.versions",
        "find_anchor_loc": "crantdb.analysis.l2_info",
        "find_common_time": "crantdb.analysis.idmap_times",
        "get_adjacency": "crantdb.analysis.adjacency",
        "get_compartments": "crantdb.analysis.skeletons",
        "get_connectivity": "crantdb.analysis.connectivity",
        "get_l2_chunk_info": "crantdb.analysis.l2_info",
        "get_l2_dotprops": "crantdb.analysis.l2_info",
        "get_l2_graph": "crantdb.analysis.l2_info",
        "get_l2_info": "crantdb.analysis.l2_info",
        "get_l2_skeleton": "crantdb.analysis.skeletons",
        "get_l2_skeletons": "crantdb.analysis.skeletons",
        "get_latest_roots": "crantdb.analysis.id_verbs",
        "get_lineage_graph": "crantdb.analysis.id_verbs",
        "get_region_connectivity": "crantdb.analysis.regions",
        "get_region_synapse_counts": "crantdb.analysis.regions",
        "get_synapse_counts": "crantdb.analysis.connectivity",
        "get_synapses": "crantdb.analysis.synapses",
        "get_transmitter_predictions": "crantdb.analysis.transmitters",
        "ids_at": "crantdb.analysis.idmap",
        "ids_at_all": "crantdb.analysis.idmap",
        "is_latest_roots": "crantdb.analysis.id_verbs",
        "is_valid_root": "crantdb.analysis.id_verbs",
        "is_valid_supervoxel": "crantdb.analysis.id_verbs",
        "root_id_to_cell_id": "crantdb.analysis.cell_ids",
        "roots_to_supervoxels": "crantdb.analysis.id_verbs",
        "row_changes": "crantdb.analysis.versions",
        "scan": "crantdb.warehouse.catalog",
        "sparse_adjacency": "crantdb.analysis.adjacency",
        "suggest_latest_roots": "crantdb.analysis.id_verbs",
        "supervoxels_to_roots": "crantdb.analysis.id_verbs",
        "update_ids": "crantdb.analysis.id_verbs",
        "version_for": "crantdb.analysis.idmap_times",
        "versions_for": "crantdb.analysis.idmap_times",
        "write_swc": "crantdb.analysis.swc",
    }
    if name not in rooms:
        msg = f"module 'crantdb' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(rooms[name]), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
