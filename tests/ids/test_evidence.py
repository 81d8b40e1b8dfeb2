"""Each sort of evidence on hand-made rows: which decides, how sure it is, and what it makes of a tie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.ids.test_lineage import DAY, con, ends, tell

if TYPE_CHECKING:
    import duckdb

__all__ = ["con"]

OLD, ONE, TWO, THREE = (576460752303423489 + number for number in range(4))
L2 = 2 << 56
SUPERVOXEL = 1 << 56


@pytest.fixture(name="bare")
def _bare(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Return a snapshot of version 1 in which roots one, two and three stand, and nothing is known of old."""
    tell(con, covered=(9, 20))
    for root in (ONE, TWO, THREE):
        con.execute("INSERT INTO edges VALUES (?, ?, 1, 1)", [root, root])
    return con


def mapped(con: duckdb.DuckDBPyConnection, one: object = OLD) -> tuple[Any, ...]:
    """Return what an id is mapped to, by which method, and what edits did."""
    [row] = con.sql("SELECT new_id, method, kind FROM ids_at(?)", params=[[one]]).fetchall()
    return row


def sure(con: duckdb.DuckDBPyConnection) -> float:
    """Return how sure the mapping of the old root is."""
    [(confidence,)] = con.sql(f"SELECT confidence FROM ids_at([{OLD}])").fetchall()
    return float(confidence)


def overlap(con: duckdb.DuckDBPyConnection, *rows: tuple[int, int, int, int]) -> None:
    """Write what the old root of a version shares with roots of version 1: version, root, supervoxels, synapses."""
    for version, root, supervoxels, synapses in rows:
        con.execute(
            "INSERT INTO root_overlaps VALUES (?, ?, 1, ?, ?, ?)", [version, OLD, root, supervoxels, synapses]
        )


def anchor(con: duckdb.DuckDBPyConnection, number: int, root: int, rank: int) -> None:
    """Write a supervoxel that was in the old root and is in another now."""
    con.execute("INSERT INTO root_anchors VALUES (?, ?, ?, ?)", [OLD, SUPERVOXEL + number, rank, DAY])
    con.execute("INSERT INTO root_ids VALUES (?, ?)", [SUPERVOXEL + number, root])


def test_the_best_sort_of_anchor_decides(bare: duckdb.DuckDBPyConnection) -> None:
    """An annotation's anchor outweighs a nucleus, and both any number of other points."""
    for number in range(5):
        anchor(bare, number, THREE, 3)
    assert mapped(bare) == (THREE, "anchor supervoxel", "edited")
    assert sure(bare) <= 0.9
    anchor(bare, 10, TWO, 2)
    assert (mapped(bare)[0], sure(bare)) == (TWO, 1.0)
    anchor(bare, 11, ONE, 1)
    assert (mapped(bare)[0], sure(bare)) == (ONE, 1.0)


def test_anchors_that_disagree_leave_it_to_synapses(bare: duckdb.DuckDBPyConnection) -> None:
    """Two anchors in two roots decide nothing; where nothing else does, the majority of three does, unsurely."""
    anchor(bare, 0, ONE, 1)
    anchor(bare, 1, TWO, 1)
    assert mapped(bare) == (None, None, "split into 2")
    anchor(bare, 2, TWO, 1)
    assert mapped(bare)[:2] == (TWO, "anchor supervoxel")
    assert sure(bare) < 0.9
    overlap(bare, (2, ONE, 60, 80), (2, TWO, 10, 10))
    assert mapped(bare)[:2] == (ONE, "supervoxels of synapses")


def test_few_votes_speak_for_little(bare: duckdb.DuckDBPyConnection) -> None:
    """One synapse that says so is no certainty, nor are a hundred of a hundred; a tie decides nothing."""
    overlap(bare, (2, ONE, 1, 1))
    assert mapped(bare) == (ONE, "supervoxels of synapses", "edited")
    assert sure(bare) < 0.3
    bare.execute("DELETE FROM root_overlaps")
    overlap(bare, (2, ONE, 100, 100))
    assert sure(bare) == 0.9
    bare.execute("DELETE FROM root_overlaps")
    overlap(bare, (2, ONE, 50, 50), (2, TWO, 50, 50))
    assert mapped(bare) == (None, None, "split into 2")


def test_the_version_that_shares_most_is_asked(bare: duckdb.DuckDBPyConnection) -> None:
    """Of several kept versions the one with the most shared votes counts, not their sum."""
    overlap(bare, (2, ONE, 30, 30), (3, TWO, 40, 40), (4, ONE, 30, 30))
    assert mapped(bare)[0] == TWO


def test_ids_of_synapses_do_not_outvote_their_supervoxels(bare: duckdb.DuckDBPyConnection) -> None:
    """Synapses crowd in few supervoxels: where those say otherwise nothing is decided, where they tie it is, unsurely."""
    overlap(bare, (2, ONE, 5, 500), (2, TWO, 6, 6), (2, THREE, 3, 3))
    assert mapped(bare)[0] is None
    bare.execute("DELETE FROM root_overlaps")
    overlap(bare, (2, ONE, 5, 500), (2, TWO, 5, 5))
    assert mapped(bare)[:2] == (ONE, "shared synapses")
    assert sure(bare) <= 0.9
    bare.execute("DELETE FROM root_overlaps")
    overlap(bare, (2, ONE, 0, 500), (2, TWO, 0, 5))
    assert mapped(bare)[:2] == (ONE, "shared synapses")


def test_votes_are_certain_by_lineage_only(bare: duckdb.DuckDBPyConnection) -> None:
    """A part may have no synapse and be the larger one: 0.9 at the most, but where lineage has one end, the one voted for."""
    bare.execute("DELETE FROM snapshot")
    tell(bare, (OLD, "retired", 5, [ONE, TWO]), (ONE, "born", 5, [OLD]), (TWO, "born", 5, [OLD]))
    overlap(bare, (2, ONE, 500, 500))
    assert [root for root, *_ in ends(bare, OLD)] == [ONE, TWO]
    assert mapped(bare) == (ONE, "supervoxels of synapses", "split into 2")
    assert sure(bare) == 0.9
    overlap(bare, (2, TWO, 5, 5))
    assert sure(bare) == 0.9
    bare.execute("UPDATE root_history SET related_ids = [?] WHERE event = 'retired'", [ONE])
    assert sure(bare) == 1.0


def test_chunks_decide_when_most_are_shared(bare: duckdb.DuckDBPyConnection) -> None:
    """More than half of the old root's L2 chunks in a root that stands: that share is the confidence; a chunk is its root's.

    Only all of them are certain: a few may be the soma, and the larger part.
    """
    for number in range(10):
        bare.execute("INSERT INTO l2_members VALUES (?, ?)", [OLD, L2 + number])
    for number in range(7):
        bare.execute("INSERT INTO l2_members VALUES (?, ?)", [ONE, L2 + number])
    bare.execute("INSERT INTO l2_members VALUES (?, ?)", [TWO, L2 + 8])
    assert mapped(bare)[:2] == (ONE, "shared L2 chunks")
    assert sure(bare) == pytest.approx(0.7)
    assert mapped(bare, L2 + 3) == (ONE, "L2 chunk", "unchanged")
    assert mapped(bare, L2 + 9) == (None, None, "unknown")
    bare.executemany("INSERT INTO l2_members VALUES (?, ?)", [(ONE, L2 + number) for number in (7, 9, 20)])
    bare.execute("INSERT INTO l2_members SELECT ?, ? + 20 + i FROM range(1, 20) AS t(i)", [OLD, L2])
    bare.execute("INSERT INTO l2_members SELECT ?, ? + 20 + i FROM range(1, 20) AS t(i)", [ONE, L2])
    assert sure(bare) == 0.9
    bare.execute("DELETE FROM l2_members WHERE root_id = ? AND l2_id = ?", [OLD, L2 + 8])
    assert sure(bare) == 1.0
    bare.execute("DELETE FROM l2_members WHERE l2_id > ?", [L2 + 9])
    bare.execute("DELETE FROM l2_members WHERE root_id = ? AND l2_id > ?", [ONE, L2 + 3])
    assert mapped(bare)[0] is None


def test_chunks_that_are_left_decide_when_all_heirs_are_mirrored(bare: duckdb.DuckDBPyConnection) -> None:
    """Where lineage names every root that may have a part, and all their chunks are mirrored, the majority of what is left decides.

    The confidence stays the share of the old root; a root that may have the rest unseen takes the answer away.
    """
    bare.execute("DELETE FROM snapshot")
    tell(
        bare,
        (OLD, "retired", 5, [OLD + 9]),
        (OLD + 9, "born", 5, [OLD, OLD + 8]),
        (OLD + 9, "retired", 6, [ONE, TWO]),
        (ONE, "born", 6, [OLD + 9]),
        (TWO, "born", 6, [OLD + 9]),
    )
    bare.executemany("INSERT INTO l2_members VALUES (?, ?)", [(OLD, L2 + n) for n in range(10)])
    bare.executemany("INSERT INTO l2_members VALUES (?, ?)", [(ONE, L2 + n) for n in range(3)])
    assert mapped(bare)[0] is None
    bare.execute("INSERT INTO l2_members VALUES (?, ?)", [TWO, L2 + 100])
    assert mapped(bare) == (ONE, "shared L2 chunks", "edited")
    assert sure(bare) == pytest.approx(0.3)
    bare.executemany("INSERT INTO l2_members VALUES (?, ?)", [(TWO, L2 + n) for n in (7, 8, 9)])
    assert mapped(bare)[0::2] == (None, "split into 2")


def test_nuclei_and_rows_lead_to_their_roots(bare: duckdb.DuckDBPyConnection) -> None:
    """The soma table before the backup table; a nucleus and an _id of an annotation; a row without a root is retired."""
    for cell, root, rank in ((7, ONE, 1), (7, TWO, 2), (8, TWO, 2)):
        bare.execute("INSERT INTO cell_ids VALUES (?, NULL, ?, ?, 'nuclei')", [cell, root, rank])
    for name, root, nucleus in (("rowA", THREE, 99), ("rowB", None, None)):
        bare.execute(
            "INSERT INTO annotations BY NAME SELECT ? AS _id, ? AS root_id, ? AS nucleus_id, 'current' AS root_status, [] AS findings",
            [name, root, nucleus],
        )
    assert mapped(bare, 7) == (ONE, "nucleus", "unchanged")
    assert mapped(bare, 8) == (TWO, "nucleus", "unchanged")
    assert mapped(bare, "99") == (THREE, "nucleus", "unchanged")
    assert mapped(bare, "rowA") == (THREE, "annotation row", "unchanged")
    assert mapped(bare, "rowB") == (None, "annotation row", "retired")
    assert mapped(bare, "rowC") == (None, None, "unknown")
