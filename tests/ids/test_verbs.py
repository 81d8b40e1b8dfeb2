"""The peers' verbs over a snapshot: what theirs say of now, ours say of a stated moment."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import polars as pl
import pytest

from crantdb.analysis import cell_ids, id_verbs, idmap_times
from crantdb.errors import BadArgument, NoMatches, NotAnId
from tests.ids.chain import micros, moment
from tests.ids.conftest import VERSIONS, Chain

if TYPE_CHECKING:
    import duckdb


def current(mirrored: Chain, version: int) -> list[int]:
    """Return the roots with synapses that stand at a version."""
    table = mirrored.stack.versions[version - 1].table("synapses_v2")
    assert table is not None
    return sorted({root for root in table.rows["pre_pt_root_id"].to_pylist() if root})


def stale(mirrored: Chain, version: int = VERSIONS) -> list[int]:
    """Return roots with synapses at version 1 that no longer stand at a version."""
    roots, at = mirrored.truth.history.roots, micros(moment(version))
    return [root for root in current(mirrored, 1) if not roots[root].is_latest(at)]


def test_update_ids_keeps_rows_and_order(con: duckdb.DuckDBPyConnection, mirrored: Chain) -> None:
    """Duplicates and missing ids keep their places; given supervoxels decide where an id is not current."""
    old, here = stale(mirrored)[0], current(mirrored, VERSIONS)[0]
    supervoxel = int(mirrored.truth.history.leaves(mirrored.truth.history.roots[old])[0])
    known = mirrored.truth.root(supervoxel, VERSIONS)
    rows = id_verbs.update_ids(con, [old, here, None, old])
    assert isinstance(rows, pl.DataFrame)
    assert rows.columns == ["old_id", "new_id", "confidence", "changed", "method", "kind", "version", "as_of"]
    assert rows.get_column("old_id").to_list() == [old, here, None, old]
    assert rows.row(1)[1:4] == (here, 1.0, False)
    frame = pd.DataFrame(
        {"root_id": [str(old), str(here), ""], "supervoxel_id": [str(supervoxel), "0", None]}
    )
    of_frame = id_verbs.update_ids(con, frame, output="pandas")
    assert isinstance(of_frame, pd.DataFrame)
    mirrored_supervoxel = id_verbs.supervoxels_to_roots(con, [supervoxel])[0]
    if mirrored_supervoxel:
        assert of_frame["new_id"].tolist()[:2] == [known, here]
        assert of_frame["method"].tolist()[0] == "given supervoxel"
    with pytest.raises(BadArgument, match="3 supervoxels"):
        id_verbs.update_ids(con, [old], [1, 2, 3])
    with pytest.raises(BadArgument, match="no column root_id"):
        id_verbs.update_ids(con, pd.DataFrame({"id": [1]}))


def test_given_supervoxels_decide(con: duckdb.DuckDBPyConnection, mirrored: Chain) -> None:
    """A stale root with one of its synapses' supervoxels is that supervoxel's root, for certain."""
    table = mirrored.stack.versions[0].table("synapses_v2")
    assert table is not None
    roots, supervoxels = (table.rows[f"pre_pt_{name}_id"].to_pylist() for name in ("root", "supervoxel"))
    gone = set(stale(mirrored))
    asked = [(r, s) for r, s in zip(roots, supervoxels, strict=True) if r in gone and s][:200]
    rows = id_verbs.update_ids(con, [r for r, _ in asked], [s for _, s in asked])
    assert isinstance(rows, pl.DataFrame)
    told = rows.with_columns(pl.Series("supervoxel", [s for _, s in asked])).filter(
        pl.col("method") == "given supervoxel"
    )
    assert told.height > 150
    assert all(
        mirrored.truth.root(s, VERSIONS) == new for new, s in told.select("new_id", "supervoxel").iter_rows()
    )


def test_is_latest_roots_is_of_the_version(con: duckdb.DuckDBPyConnection, mirrored: Chain) -> None:
    """Current and stale are told apart at each version; 0, NULL and what is no id never were current."""
    ids = [*current(mirrored, 1), *current(mirrored, VERSIONS)]
    for version in (1, 3, VERSIONS):
        at = micros(moment(version))
        expected = [mirrored.truth.history.roots[root].is_latest(at) for root in ids]
        assert id_verbs.is_latest_roots(con, ids, materialization=version).tolist() == expected
    assert id_verbs.is_latest_roots(con, [0, None, "x", ids[-1]]).tolist() == [False, False, False, True]


def test_latest_roots_are_all_descendants(con: duckdb.DuckDBPyConnection, mirrored: Chain) -> None:
    """Every root that has a part of an old one is among its latest roots; a root that stands is its own."""
    for root in stale(mirrored)[:6]:
        assert set(mirrored.truth.shares(root, VERSIONS)) <= set(
            id_verbs.get_latest_roots(con, root).tolist()
        )
    here = current(mirrored, VERSIONS)[0]
    assert id_verbs.get_latest_roots(con, here).tolist() == [here]


def test_suggestions_come_with_their_shares(con: duckdb.DuckDBPyConnection, mirrored: Chain) -> None:
    """The largest share first; of one suggestion or all; nothing known is an error that says what to do."""
    root = stale(mirrored)[0]
    roots, shares = id_verbs.suggest_latest_roots(con, root, return_all=True, return_fraction_overlap=True)  # type: ignore[misc]
    assert isinstance(roots, np.ndarray)
    assert isinstance(shares, np.ndarray)
    assert set(roots.tolist()) <= set(mirrored.truth.shares(root, VERSIONS))
    assert (np.diff(shares) <= 0).all()
    assert id_verbs.suggest_latest_roots(con, root) == roots[0]
    assert id_verbs.suggest_latest_roots(con, root, return_fraction_overlap=True) == (roots[0], shares[0])
    with pytest.raises(NoMatches, match="--online"):
        id_verbs.suggest_latest_roots(con, 2**59 + 2**45)


def test_supervoxels_and_roots_both_ways(con: duckdb.DuckDBPyConnection, mirrored: Chain) -> None:
    """Mirrored supervoxels lead to their roots and back; 0 for what is not mirrored, none for a root without any."""
    here = current(mirrored, VERSIONS)[:5]
    found = id_verbs.roots_to_supervoxels(con, [*here, 2**59 + 2**45])
    assert list(found) == [*here, 2**59 + 2**45]
    assert found[2**59 + 2**45].tolist() == []
    for root in here:
        leaves = mirrored.truth.history.leaves(mirrored.truth.history.roots[root])
        assert len(found[root])
        assert set(found[root].tolist()) <= set(leaves.tolist())
        assert set(id_verbs.supervoxels_to_roots(con, found[root]).tolist()) == {root}
    assert id_verbs.supervoxels_to_roots(con, [72057594037927941, 0, here[0]]).tolist() == [0, 0, 0]


def test_the_lineage_graph_is_the_histories(con: duckdb.DuckDBPyConnection, mirrored: Chain) -> None:
    """Ancestors and descendants with births, and the edit that made each, as far as the versions reach."""
    history = mirrored.truth.history
    first, last = micros(moment(1)), micros(moment(VERSIONS))
    edits = [edit for edit in history.operations if first < edit.time_us <= last]
    merge = next(edit for edit in edits if edit.kind == "merge")
    graph = id_verbs.get_lineage_graph(con, merge.new_roots[0])
    assert {(old, merge.new_roots[0]) for old in merge.old_roots} <= set(graph.edges)
    made = {new: edit.number for edit in edits for new in edit.new_roots}
    for node, data in graph.nodes(data=True):
        assert data["operation_id"] == made.get(node)
        assert micros(data["timestamp"]) == history.roots[node].born_us
    assert list(id_verbs.get_lineage_graph(con, 2**59 + 2**45)) == [2**59 + 2**45]


def test_layers_tell_roots_from_supervoxels(con: duckdb.DuckDBPyConnection, mirrored: Chain) -> None:
    """Bits alone say what an id may be; text and nonsense are neither."""
    root = current(mirrored, 1)[0]
    supervoxel = int(mirrored.truth.history.pieces.supervoxels[0])
    ids = [root, supervoxel, str(root), 0, "x", None]
    assert id_verbs.is_valid_root(con, ids).tolist() == [True, False, True, False, False, False]
    assert id_verbs.is_valid_supervoxel(con, ids).tolist() == [False, True, False, False, False, False]


def test_cells_outlast_their_roots(con: duckdb.DuckDBPyConnection, mirrored: Chain) -> None:
    """A nucleus leads to its root of the version and back, from roots of any age too; -1 where there is none, or two."""
    table = mirrored.stack.versions[-1].table("nuclei_v1")
    assert table is not None
    ids, roots = table.rows["id"].to_pylist(), table.rows["pt_root_id"].to_pylist()
    assert cell_ids.cell_id_to_root_id(con, [*ids, 10**6, None]).tolist() == [
        *(r or -1 for r in roots),
        -1,
        -1,
    ]
    expected = [
        cell if root and roots.count(root) == 1 else -1 for cell, root in zip(ids, roots, strict=True)
    ]
    assert cell_ids.root_id_to_cell_id(con, [root or 0 for root in roots]).tolist() == expected
    first = mirrored.stack.versions[0].table("nuclei_v1")
    assert first is not None
    cells, olds = first.rows["id"].to_pylist(), first.rows["pt_root_id"].to_pylist()
    found = cell_ids.root_id_to_cell_id(con, [old or 0 for old in olds]).tolist()
    assert all(
        now in {cell, -1} or olds.count(old) > 1 for now, cell, old in zip(found, cells, olds, strict=True)
    )
    assert any(now > 0 for now in found)


def test_the_version_that_suits_ids(con: duckdb.DuckDBPyConnection, mirrored: Chain) -> None:
    """The newest version at which all were current; one for each; and a stated error when none has them all."""
    roots = mirrored.truth.history.roots
    for version in (2, 3):
        at = [micros(moment(number)) for number in range(1, VERSIONS + 1)]
        lasting = [r for r in current(mirrored, version) if not roots[r].is_latest(at[version])][:5]
        assert idmap_times.version_for(con, lasting) == version
    table = idmap_times.versions_for(con, [*current(mirrored, 1)[:20], 2**59 + 2**45])
    for root, newest, versions in table.iter_rows():
        truth = [
            n for n in range(VERSIONS, 0, -1) if root in roots and roots[root].is_latest(micros(moment(n)))
        ]
        assert (newest, versions) == (truth[0] if truth else None, truth)
    gone = stale(mirrored)[0]
    born = next(r for r in current(mirrored, VERSIONS) if roots[r].born_us > (roots[gone].retired_us or 0))
    with pytest.raises(NoMatches, match="no version has them all"):
        idmap_times.version_for(con, [gone, born])
    with pytest.raises(NotAnId):
        idmap_times.version_for(con, [None])


def test_a_time_at_which_all_were_current(con: duckdb.DuckDBPyConnection, mirrored: Chain) -> None:
    """The middle of what the lives of roots have in common; an error that names the two that never met."""
    roots = mirrored.truth.history.roots
    for version in (1, 2, 3):
        some = current(mirrored, version)[:6]
        at = idmap_times.find_common_time(con, some)
        assert at.tzinfo is UTC
        assert all(roots[root].is_latest(micros(at)) for root in some)
    gone = stale(mirrored)[0]
    born = next(r for r in current(mirrored, VERSIONS) if roots[r].born_us >= (roots[gone].retired_us or 0))
    with pytest.raises(NoMatches, match=f"{born} was born"):
        idmap_times.find_common_time(con, [gone, born])
    with pytest.raises(NoMatches, match="nothing is known"):
        idmap_times.find_common_time(con, [2**59 + 2**45])


def test_moments_of_history_are_exact(con: duckdb.DuckDBPyConnection, mirrored: Chain) -> None:
    """Births and ends in `root_history` are those of the truth, to the µs; no event comes twice."""
    roots = mirrored.truth.history.roots
    lives = con.sql("SELECT root_id, born_at, retired_at FROM root_lives").fetchall()
    assert len(lives) > 500
    for root, born, retired in lives:
        assert micros(born.replace(tzinfo=UTC)) == roots[root].born_us
        if retired is not None:
            assert micros(retired.replace(tzinfo=UTC)) == roots[root].retired_us
    twice = con.sql(
        "SELECT root_id FROM root_history WHERE event = 'retired' GROUP BY ALL HAVING count(*) > 1"
    ).fetchall()
    assert twice == []
    [(since, until)] = con.sql(
        "SELECT min(since), max(happened_at) FROM root_history WHERE event = 'covered'"
    ).fetchall()
    assert (since, until) == (moment(1).replace(tzinfo=None), moment(VERSIONS).replace(tzinfo=None))
    assert until - since > timedelta(days=2)
