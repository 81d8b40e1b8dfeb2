"""`like="crantpy"` against crantpy's own steps: its documented order of operations, in pandas, on the mirror's raw rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import crantdb
from tests.analysis.making import add_brain, synapses_of_edges
from tests.warehouse.making import ROOT, make_warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

IDS = [ROOT + number for number in range(1, 9)]
ASKED = st.lists(st.sampled_from([*IDS, ROOT + 99, 0]), unique=True, max_size=9)
RULES = st.fixed_dictionaries(
    {"threshold": st.integers(1, 4), "min_size": st.sampled_from([None, 1, 300, 650.5, 5000]), "clean": st.booleans()}
)  # fmt: skip
QUICK = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """Connect to eight neurons that talk at random, to themselves and to root 0 too."""
    random = np.random.default_rng(11)
    pairs = {(int(a), int(b)) for a, b in random.choice([0, *IDS], (40, 2))}
    edges = [(a, b, int(random.integers(1, 7))) for a, b in sorted(pairs)]
    warehouse = make_warehouse(tmp_path_factory.mktemp("like"))
    add_brain(warehouse, synapses_of_edges(edges, seed=3, unresolved=5), [])
    with crantdb.connect(warehouse.root) as made:
        yield made


@pytest.fixture(scope="module")
def rows(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Return the raw synapses; those without a root are in no answer of crantdb's, which its page says."""
    found = con.sql("SELECT id, pre_pt_root_id AS pre, post_pt_root_id AS post, size FROM cave.syn").df()
    return found.dropna().astype({"pre": "int64", "post": "int64"})


def their_synapses(
    rows: pd.DataFrame,
    pre: Sequence[int] | None,
    post: Sequence[int] | None,
    *,
    threshold: int,
    min_size: float | None,
    clean: bool,
) -> pd.DataFrame:
    """Return the synapses as crantpy finds them: sides, size, pairs, and then what is not clean."""
    if pre is not None:
        rows = rows[rows["pre"].isin(pre)]
    if post is not None:
        rows = rows[rows["post"].isin(post)]
    if min_size is not None:
        rows = rows[rows["size"] >= min_size]
    if len(rows):
        rows = rows[rows.groupby(["pre", "post"])["id"].transform("size") >= threshold]
    if clean:
        rows = rows[(rows["pre"] != rows["post"]) & (rows["pre"] != 0) & (rows["post"] != 0)]
    return rows


def their_connectivity(
    rows: pd.DataFrame, ids: Sequence[int], *, upstream: bool, downstream: bool, **rules: Any
) -> pd.DataFrame:
    """Return the edge list as crantpy makes it: both ways, each synapse once, then pairs of so many."""
    threshold = rules.pop("threshold")
    parts = [their_synapses(rows, None, ids, threshold=1, **rules)] if upstream else []
    parts += [their_synapses(rows, ids, None, threshold=1, **rules)] if downstream else []
    both = pd.concat(parts).drop_duplicates("id")
    edges = both.groupby(["pre", "post"]).size().rename("weight").reset_index()
    return edges[edges["weight"] >= threshold]


@QUICK
@given(pre=st.none() | ASKED, post=st.none() | ASKED, rules=RULES)
def test_synapses(
    con: duckdb.DuckDBPyConnection,
    rows: pd.DataFrame,
    pre: list[int] | None,
    post: list[int] | None,
    rules: dict[str, Any],
) -> None:
    """For any neurons and rules, the synapses are those that crantpy's steps leave."""
    if pre is None and post is None:
        return
    found = crantdb.get_synapses(con, pre, post, **rules, like="crantpy", update_ids=False)
    assert sorted(found["id"]) == sorted(their_synapses(rows, pre, post, **rules)["id"])


@QUICK
@given(pre=ASKED, post=ASKED, symmetric=st.booleans(), rules=RULES)
def test_adjacency(
    con: duckdb.DuckDBPyConnection,
    rows: pd.DataFrame,
    pre: list[int],
    post: list[int],
    *,
    symmetric: bool,
    rules: dict[str, Any],
) -> None:
    """For any neurons and rules, axes and cells are crantpy's: who turns up, ascending; with nobody, who was asked for."""
    kept = their_synapses(rows, pre, post, **rules)
    axes = (set(kept["pre"]), set(kept["post"])) if len(kept) else (set(pre), set(post))
    if symmetric:
        axes = (axes[0] | axes[1],) * 2
    counts = kept.groupby(["pre", "post"]).size()
    wanted = [[int(counts.get((a, b), 0)) for b in sorted(axes[1])] for a in sorted(axes[0])]
    found = crantdb.get_adjacency(
        con, pre, post, **rules, symmetric=symmetric, like="crantpy", update_ids=False
    )
    assert isinstance(found, pd.DataFrame)
    assert (list(found.index), list(found.columns)) == (sorted(axes[0]), sorted(axes[1]))
    assert found.to_numpy().tolist() == wanted


@QUICK
@given(ids=ASKED, ways=st.sampled_from([(True, True), (True, False), (False, True)]), rules=RULES)
def test_connectivity_and_counts(
    con: duckdb.DuckDBPyConnection,
    rows: pd.DataFrame,
    ids: list[int],
    ways: tuple[bool, bool],
    rules: dict[str, Any],
) -> None:
    """For any neurons and rules, the edges are crantpy's, strongest first, and so are the partners that it counts."""
    upstream, downstream = ways
    wanted = their_connectivity(rows, ids, upstream=upstream, downstream=downstream, **rules)
    found = crantdb.get_connectivity(
        con, ids, upstream, downstream, **rules, like="crantpy", update_ids=False
    )
    assert isinstance(found, pd.DataFrame)
    assert sorted(map(tuple, found.to_numpy())) == sorted(map(tuple, wanted.to_numpy()))
    assert found["weight"].is_monotonic_decreasing
    both = their_connectivity(rows, ids, upstream=True, downstream=True, **rules)
    counts = crantdb.get_synapse_counts(con, ids, **rules, like="crantpy", update_ids=False)
    assert isinstance(counts, pd.DataFrame)
    assert list(counts.index) == ids
    assert counts["pre"].tolist() == [int((both["pre"] == one).sum()) for one in ids]
    assert counts["post"].tolist() == [int((both["post"] == one).sum()) for one in ids]
