"""Whose L2 data are mirrored: every annotated neuron that is one, or those that a predicate says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import crantdb
from crantdb.analysis.l2_roots import roots_to_mirror
from crantdb.errors import NoMatches, QueryRefused
from tests.analysis.making import add_brain, synapses_of_edges
from tests.warehouse.making import ROOT, make_warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb

STATUS = {
    1: None,
    2: ["BACKBONE_PROOFREAD"],
    3: ["DAMAGED", "DEBRIS"],
    4: ["GLIA"],
    5: ["NOT_A_NEURON"],
    6: ["DELETE"],
    7: [],
    8: ["TO_PROOFREAD", "MERGE_ERROR"],
}


@pytest.fixture
def con(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Connect to a warehouse of eight annotated neurons."""
    warehouse = make_warehouse(tmp_path)
    rows = [
        {"root_id": ROOT + n, "status": said, "side": "left" if n % 2 else "right"}
        for n, said in STATUS.items()
    ]
    add_brain(warehouse, synapses_of_edges([(ROOT + 1, ROOT + 2, 2)]), rows)
    with crantdb.connect(warehouse.root) as made:
        yield made


def test_all_but_what_is_marked_as_no_neuron(con: duckdb.DuckDBPyConnection) -> None:
    """Debris, glia, what is to be deleted and what is no neuron are left out; damaged and unmarked ones are not."""
    assert (roots_to_mirror(con) - ROOT).tolist() == [1, 2, 7, 8]


def test_a_predicate_says_otherwise(con: duckdb.DuckDBPyConnection) -> None:
    """With a predicate, it alone decides; one that names no neuron, or is none, is refused."""
    assert (roots_to_mirror(con, "side = 'left'") - ROOT).tolist() == [1, 3, 5, 7]
    with pytest.raises(NoMatches, match="side = 'up'"):
        roots_to_mirror(con, "side = 'up'")
    with pytest.raises(QueryRefused):
        roots_to_mirror(con, "1 = 1; DROP TABLE neurons")


def test_without_annotations_it_says_how_else(tmp_path: Path) -> None:
    """A warehouse without annotations gives no roots, and the message names the other ways."""
    warehouse = make_warehouse(tmp_path)
    add_brain(warehouse, synapses_of_edges([(ROOT + 1, ROOT + 2, 2)]), [])
    with crantdb.connect(warehouse.root) as con, pytest.raises(NoMatches, match="crantdb sync l2 ROOT"):
        roots_to_mirror(con)
