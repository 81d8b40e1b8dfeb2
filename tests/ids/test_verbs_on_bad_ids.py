"""The peers' verbs on lists in which some are no ids: each has its answer, and none takes the others down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from crantdb.analysis import cell_ids, id_verbs
from tests.ids.chain import moment
from tests.ids.conftest import VERSIONS, Chain

if TYPE_CHECKING:
    import duckdb

BAD: tuple[Any, ...] = (None, "", "x", "²", "٣", "5.7e17", 0, -1, "-1", 2**63, "9" * 30, "0x8")


@pytest.fixture
def root(con: duckdb.DuckDBPyConnection) -> int:
    """Return a root that stands."""
    [(found,)] = con.sql("SELECT min(pre_root_id) FROM edges WHERE pre_root_id > 1").fetchall()
    return int(found)


@pytest.mark.parametrize(
    ("verb", "missing"),
    [
        (id_verbs.is_latest_roots, False),
        (id_verbs.is_valid_root, False),
        (id_verbs.is_valid_supervoxel, False),
        (id_verbs.supervoxels_to_roots, 0),
        (cell_ids.cell_id_to_root_id, -1),
        (cell_ids.root_id_to_cell_id, -1),
    ],
)
def test_what_is_no_id_has_no_answer(
    con: duckdb.DuckDBPyConnection, root: int, verb: Any, missing: object
) -> None:
    """Missing, damaged, negative and too large ones, digits of other scripts: the verb's word for missing, in their places."""
    found = verb(con, [root, *BAD, root]).tolist()
    assert found[1:-1] == [missing] * len(BAD)
    assert found[0] == found[-1] == verb(con, [root])[0]
    assert verb(con, np.array([root, 2**63], np.uint64)).tolist() == [found[0], missing]
    assert verb(con, []).tolist() == []


def test_cells_and_roots_lead_to_each_other(con: duckdb.DuckDBPyConnection) -> None:
    """What one verb gives the other takes, its -1 too."""
    cells = [row[0] for row in con.sql("SELECT DISTINCT cell_id FROM cell_ids ORDER BY ALL").fetchall()]
    roots = cell_ids.cell_id_to_root_id(con, cells)
    assert (roots == -1).any()
    back = cell_ids.root_id_to_cell_id(con, roots)
    assert ((back == cells) | (back == -1)).all()
    assert (back == cells).any()
    assert cell_ids.cell_id_to_root_id(con, back)[back == -1].tolist() == [-1] * int((back == -1).sum())


def test_a_lineage_graph_says_how_far_it_reaches(
    con: duckdb.DuckDBPyConnection, root: int, mirrored: Chain
) -> None:
    """All edits between the two moments are known; to the µs, with their zone."""
    graph = id_verbs.get_lineage_graph(con, root)
    assert (graph.graph["since"], graph.graph["until"]) == (moment(1), moment(VERSIONS))
    assert mirrored.stack.versions[0].time_stamp == moment(1)
