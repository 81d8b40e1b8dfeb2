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
    from crantdb.analysis.connectivity import connectivity_graph, get_connectivity, get_synapse_counts
    from crantdb.analysis.criteria import NeuronCriteria
    from crantdb.analysis.mapping import IdsMapped
    from crantdb.analysis.predicate import Where
    from crantdb.analysis.synapses import get_synapses
    from crantdb.errors import CrantdbError
    from crantdb.warehouse.catalog import connect, scan

__all__ = [
    "CrantdbError",
    "IdsMapped",
    "NeuronCriteria",
    "SparseAdjacency",
    "Where",
    "connect",
    "connectivity_graph",
    "get_adjacency",
    "get_connectivity",
    "get_synapse_counts",
    "get_synapses",
    "scan",
    "sparse_adjacency",
]


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for."""
    rooms = {
        "CrantdbError": "crantdb.errors",
        "IdsMapped": "crantdb.analysis.mapping",
        "NeuronCriteria": "crantdb.analysis.criteria",
        "SparseAdjacency": "crantdb.analysis.adjacency",
        "Where": "crantdb.analysis.predicate",
        "connect": "crantdb.warehouse.catalog",
        "connectivity_graph": "crantdb.analysis.connectivity",
        "get_adjacency": "crantdb.analysis.adjacency",
        "get_connectivity": "crantdb.analysis.connectivity",
        "get_synapse_counts": "crantdb.analysis.connectivity",
        "get_synapses": "crantdb.analysis.synapses",
        "scan": "crantdb.warehouse.catalog",
        "sparse_adjacency": "crantdb.analysis.adjacency",
    }
    if name not in rooms:
        msg = f"module 'crantdb' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(rooms[name]), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
