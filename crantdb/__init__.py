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
    from crantdb.analysis.connectivity import connectivity_graph, get_connectivity, get_synapse_counts
    from crantdb.analysis.criteria import NeuronCriteria
    from crantdb.analysis.l2_info import (
        find_anchor_loc,
        get_l2_chunk_info,
        get_l2_dotprops,
        get_l2_graph,
        get_l2_info,
    )
    from crantdb.analysis.mapping import IdsMapped
    from crantdb.analysis.predicate import Where
    from crantdb.analysis.skeletons import (
        SkeletonOptions,
        get_compartments,
        get_l2_skeleton,
        get_l2_skeletons,
    )
    from crantdb.analysis.swc import SwcWish, write_swc
    from crantdb.analysis.synapses import get_synapses
    from crantdb.errors import CrantdbError
    from crantdb.warehouse.catalog import connect, scan

__all__ = [
    "CrantdbError",
    "IdsMapped",
    "NeuronCriteria",
    "SkeletonOptions",
    "SparseAdjacency",
    "SwcWish",
    "SynapseChoice",
    "Where",
    "attach_synapses",
    "connect",
    "connectivity_graph",
    "find_anchor_loc",
    "get_adjacency",
    "get_compartments",
    "get_connectivity",
    "get_l2_chunk_info",
    "get_l2_dotprops",
    "get_l2_graph",
    "get_l2_info",
    "get_l2_skeleton",
    "get_l2_skeletons",
    "get_synapse_counts",
    "get_synapses",
    "scan",
    "sparse_adjacency",
    "write_swc",
]


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for."""
    rooms = {
        "CrantdbError": "crantdb.errors",
        "IdsMapped": "crantdb.analysis.mapping",
        "NeuronCriteria": "crantdb.analysis.criteria",
        "SkeletonOptions": "crantdb.analysis.skeletons",
        "SparseAdjacency": "crantdb.analysis.adjacency",
        "SwcWish": "crantdb.analysis.swc",
        "SynapseChoice": "crantdb.analysis.attached",
        "Where": "crantdb.analysis.predicate",
        "attach_synapses": "crantdb.analysis.attached",
        "connect": "crantdb.warehouse.catalog",
        "connectivity_graph": "crantdb.analysis.connectivity",
        "find_anchor_loc": "crantdb.analysis.l2_info",
        "get_adjacency": "crantdb.analysis.adjacency",
        "get_compartments": "crantdb.analysis.skeletons",
        "get_connectivity": "crantdb.analysis.connectivity",
        "get_l2_chunk_info": "crantdb.analysis.l2_info",
        "get_l2_dotprops": "crantdb.analysis.l2_info",
        "get_l2_graph": "crantdb.analysis.l2_info",
        "get_l2_info": "crantdb.analysis.l2_info",
        "get_l2_skeleton": "crantdb.analysis.skeletons",
        "get_l2_skeletons": "crantdb.analysis.skeletons",
        "get_synapse_counts": "crantdb.analysis.connectivity",
        "get_synapses": "crantdb.analysis.synapses",
        "scan": "crantdb.warehouse.catalog",
        "sparse_adjacency": "crantdb.analysis.adjacency",
        "write_swc": "crantdb.analysis.swc",
    }
    if name not in rooms:
        msg = f"module 'crantdb' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(rooms[name]), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
