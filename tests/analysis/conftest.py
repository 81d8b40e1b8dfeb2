"""The larva's brain in a warehouse, and two versions of a small generated one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import crantdb
from tests.analysis.larva import Larva, read_larva
from tests.analysis.making import add_brain, synapses_of_edges
from tests.warehouse.making import make_warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb


@pytest.fixture(scope="session")
def larva(shared: Path) -> Larva:
    """Return the larva's connectome as its text says."""
    return read_larva(shared / "data" / "larva_connectome")


@pytest.fixture(scope="session")
def brain(larva: Larva, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a warehouse of it: a synapse for each count of each edge, 500 from root 0, 300 from nowhere."""
    warehouse = make_warehouse(tmp_path_factory.mktemp("larva"))
    edges = list(larva.edges.itertuples(index=False, name=None))
    neurons = larva.neurons.astype(object).where(larva.neurons.notna(), None).to_dict("records")
    add_brain(warehouse, synapses_of_edges(edges, unresolved=300, background=500), neurons)
    return warehouse.root


@pytest.fixture(scope="session")
def con(brain: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Connect to it."""
    with crantdb.connect(brain) as made:
        yield made
