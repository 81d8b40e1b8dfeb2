"""L2 data out of a connection: split by root, in order, with gaps as NaN; where nuclei and chunks lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from crantdb.morphology.skeleton import skeletonize
from crantdb.morphology.store import grid_of, known_counts, mirrored, read_l2, soma_points
from crantdb.schema import declarations

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOT, L2 = 576460752303423488, 2**57


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a connection with the declared tables, and the L2 data of roots 1 (three ids), 2 (one) and 4 (two)."""
    made = duckdb.connect(":memory:")
    for name in ("l2_members", "l2_edges", "l2_nodes", "chunk_grid", "id_layout", "neurons", "tables"):
        made.execute(declarations()[name])
    members = [(1, 2), (1, 0), (1, 1), (4, 9), (2, 5), (4, 8)]
    made.executemany("INSERT INTO l2_members VALUES (?, ?)", [(ROOT + r, L2 + n) for r, n in members])
    edges = [(1, 1, 2), (4, 8, 9), (1, 0, 1)]
    made.executemany(
        "INSERT INTO l2_edges VALUES (?, ?, ?)", [(ROOT + r, L2 + a, L2 + b) for r, a, b in edges]
    )
    nodes = [(L2 + n, 10.0 * n, 0.0, 5.0, 100 + n, None, 3.0) for n in (0, 2, 5, 8, 9)]
    columns = "l2_id, x_nm, y_nm, z_nm, size_nm3, area_nm2, max_dt_nm"
    made.executemany(f"INSERT INTO l2_nodes ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", nodes)
    yield made
    made.close()


@pytest.mark.parametrize("at_once", [1, 2, 256])
def test_each_root_has_its_own_rows(con: duckdb.DuckDBPyConnection, at_once: int) -> None:
    """Roots come ascending, each once, those that are not mirrored left out; their ids ascending, their own edges."""
    found = list(read_l2(con, [ROOT + n for n in (4, 2, 3, 1, 4)], at_once=at_once))
    assert [neuron.root_id - ROOT for neuron in found] == [1, 2, 4]
    assert [(neuron.l2_ids - L2).tolist() for neuron in found] == [[0, 1, 2], [5], [8, 9]]
    assert [(neuron.edges - L2).tolist() for neuron in found] == [[[0, 1], [1, 2]], [], [[8, 9]]]
    assert all(neuron.edges.shape[1] == 2 for neuron in found)


def test_what_the_cache_lacks_is_nan(con: duckdb.DuckDBPyConnection) -> None:
    """An L2 id without a node has NaN everywhere, and is counted; a NULL alone is NaN there only."""
    [neuron] = read_l2(con, [ROOT + 1])
    assert np.isnan(neuron.points_nm).all(axis=1).tolist() == [False, True, False]
    assert np.isnan(neuron.area_nm2).all()
    assert neuron.size_nm3[[0, 2]].tolist() == [100.0, 102.0]
    assert neuron.missing == 1
    assert known_counts(con, [ROOT + 1, ROOT + 2, ROOT + 3]) == {ROOT + 1: (3, 2), ROOT + 2: (1, 1)}


def test_nothing_asked_for_is_nothing(con: duckdb.DuckDBPyConnection) -> None:
    """No roots, no rows."""
    assert list(read_l2(con, [])) == []
    assert mirrored(con, []).tolist() == []
    assert (known_counts(con, []), soma_points(con, [])) == ({}, {})


def test_mirrored_roots_are_told(con: duckdb.DuckDBPyConnection) -> None:
    """Only roots with members are mirrored."""
    assert (mirrored(con, [ROOT + n for n in (9, 4, 1, 3)]) - ROOT).tolist() == [1, 4]


def test_the_grid_is_the_snapshots_or_none(con: duckdb.DuckDBPyConnection) -> None:
    """Without the chunkedgraph's info there is no grid; with it, chunks lie where it says."""
    assert grid_of(con) is None
    con.execute("INSERT INTO chunk_grid VALUES (16384, 16384, 0, 8192, 8192, 10752)")
    con.execute("INSERT INTO id_layout VALUES (1, 8, 10, 26), (2, 8, 10, 26)")
    grid = grid_of(con)
    assert grid is not None
    [corner] = grid.lower_nm(grid.layout.make(2, [[1, 2, 3]], [7]))
    assert corner.tolist() == [24_576, 32_768, 32_256]


def test_an_annotated_nucleus_counts_before_the_table(con: duckdb.DuckDBPyConnection) -> None:
    """The annotation's nucleus comes first, then the one row of the nucleus table; of two rows none is taken."""
    con.execute("CREATE SCHEMA cave")
    con.execute(
        """CREATE TABLE cave.nuclei AS SELECT * FROM (VALUES
        (1, 10, 20, 30), (2, 1, 1, 1), (4, 5, 5, 5), (4, 6, 6, 6)) AS one(r, pt_position_x, pt_position_y, pt_position_z)"""
    )
    con.execute("ALTER TABLE cave.nuclei ADD COLUMN pt_root_id BIGINT")
    con.execute(f"UPDATE cave.nuclei SET pt_root_id = {ROOT} + r")
    con.execute(
        """INSERT INTO tables (relation, name, kind, status, schema_type, voxel_resolution)
        VALUES ('cave.nuclei', 'nuclei', 'table', 'mirrored', 'nucleus_detection', [16, 16, 42])"""
    )
    con.execute(
        f"""INSERT INTO neurons (root_id, _id, annotation_ids, annotation_count, merged_at_as_of, duplicate_annotations,
            inconsistent_annotations, root_status, nucleus_position_x_nm, nucleus_position_y_nm, nucleus_position_z_nm)
        VALUES ({ROOT + 2}, 'a', [], 1, false, false, false, 'current', 7, 8, 9),
               ({ROOT + 1}, 'b', [], 1, false, false, false, 'current', NULL, NULL, NULL)"""
    )
    found = {
        root - ROOT: point.tolist() for root, point in soma_points(con, [ROOT + n for n in (1, 2, 4)]).items()
    }
    assert found == {1: [160.0, 320.0, 1260.0], 2: [7.0, 8.0, 9.0]}


def test_a_real_neuron_comes_out_of_the_store_as_it_went_in(
    con: duckdb.DuckDBPyConnection, shared: Path
) -> None:
    """The MICrONS neuron of 5,830 L2 ids, through the tables, has the shortest tree that is known of it."""
    folder = shared / "data" / "microns_l2_neuron"
    given = pq.read_table(folder / "l2_attributes.parquet")
    pairs = pq.read_table(folder / "l2_edges.parquet")
    for name, table in (("given", given), ("pairs", pairs)):
        con.register(name, table)
    con.execute(f"INSERT INTO l2_members SELECT {ROOT}, l2_id FROM given")
    con.execute(
        f"INSERT INTO l2_edges SELECT {ROOT}, least(l2_id_a, l2_id_b), greatest(l2_id_a, l2_id_b) FROM pairs"
    )
    con.execute(
        """INSERT INTO l2_nodes (l2_id, x_nm, y_nm, z_nm, size_nm3)
        SELECT l2_id, rep_coord_nm_x, rep_coord_nm_y, rep_coord_nm_z, 1 FROM given"""
    )
    [neuron] = read_l2(con, [ROOT])
    skeleton = skeletonize(neuron.edges, neuron.l2_ids, neuron.points_nm)
    assert (len(skeleton), len(neuron.edges)) == (5830, 6635)
    assert round(skeleton.cable_nm, 3) == 8_331_271.358
