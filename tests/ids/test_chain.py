"""Every id of ten versions and 2,200 random edits, mapped offline, against the truth."""

from __future__ import annotations

import socket
from collections import Counter
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from crantdb.analysis.idmap import ids_at, ids_at_all
from crantdb.sources.chunkedgraph import open_chunkedgraph
from tests.ids.chain import micros, moment
from tests.ids.conftest import VERSIONS, Chain

if TYPE_CHECKING:
    import duckdb

BY_EVIDENCE = ("supervoxels of synapses", "lineage", "shared synapses", "shared L2 chunks")


def mapped(con: duckdb.DuckDBPyConnection, ids: list[int], version: int) -> pl.DataFrame:
    """Return ids mapped to a version."""
    rows = ids_at(con, ids, materialization=version)
    assert isinstance(rows, pl.DataFrame)
    assert rows.get_column("old_id").to_list() == ids
    return rows


@pytest.mark.parametrize("version", [1, 4, 7, 10])
def test_no_id_mapped_with_confidence_is_wrong(
    mirrored: Chain, con: duckdb.DuckDBPyConnection, version: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """By synapses and lineage, onward and back in time: above 0.9, the new root has most of the old one's supervoxels."""
    rows = mapped(con, mirrored.stood(), version)
    rates: Counter[tuple[str, bool]] = Counter()
    for row in rows.filter(pl.col("method").is_in(BY_EVIDENCE)).iter_rows(named=True):
        shares = mirrored.truth.shares(row["old_id"], version)
        right = shares.get(row["new_id"], 0) == max(shares.values())
        rates[row["method"], right] += 1
        assert right or row["confidence"] <= 0.9, row
        assert row["new_id"] in shares, row
    with capsys.disabled():
        said = ", ".join(
            f"{method} {rates[method, True]} of {rates[method, True] + rates[method, False]} right"
            for method in BY_EVIDENCE
            if rates[method, True] + rates[method, False]
        )
        left = rows.filter(pl.col("new_id").is_null()).height
        print(f"\nversion {version}: {rows.height} ids; {said}; {left} undecided")
    assert sum(rates[method, True] for method in BY_EVIDENCE) > 40


@pytest.mark.parametrize("version", [1, 5, 10])
def test_every_id_with_an_anchor_is_right(
    mirrored: Chain, con: duckdb.DuckDBPyConnection, version: int
) -> None:
    """A root whose anchors are in one root at the version is that root; with anchors in several it is one of them."""
    seen: dict[int, dict[int, set[int]]] = {}
    for root, supervoxel, rank in con.sql("SELECT root_id, supervoxel_id, rank FROM root_anchors").fetchall():
        seen.setdefault(root, {}).setdefault(rank, set()).add(mirrored.truth.root(supervoxel, version))
    ids = sorted(set(seen) & set(mirrored.stood()))
    one = 0
    for row in mapped(con, ids, version).iter_rows(named=True):
        best = seen[row["old_id"]][min(seen[row["old_id"]])]
        if row["method"] == "identity":
            assert mirrored.truth.history.roots[row["old_id"]].is_latest(micros(moment(version)))
        elif len(best) == 1:
            one += 1
            assert (row["new_id"], row["method"]) == (min(best), "anchor supervoxel"), row
        else:
            assert row["new_id"] is None or row["new_id"] in mirrored.truth.shares(row["old_id"], version), (
                row
            )
            assert row["confidence"] <= 0.9 or row["method"] != "anchor supervoxel", row
    assert one > 50


def test_a_root_that_stands_is_itself_and_no_other_is(
    mirrored: Chain, con: duckdb.DuckDBPyConnection
) -> None:
    """`identity` is said of roots that were current at the version's moment, of no other root of any age."""
    for version in (2, 6, 10):
        rows = mapped(con, mirrored.stood(), version)
        at = micros(moment(version))
        for row in rows.iter_rows(named=True):
            stands = mirrored.truth.history.roots[row["old_id"]].is_latest(at)
            if row["method"] == "identity":
                assert stands, row
                assert (row["changed"], row["kind"], row["new_id"]) == (False, "unchanged", row["old_id"])
            # A root that the warehouse never saw may stand unknown; it is never called something else.
            elif stands:
                assert (row["new_id"], row["kind"]) == (None, "unknown"), row


def test_kinds_are_what_edits_did(mirrored: Chain, con: duckdb.DuckDBPyConnection) -> None:
    """A root whose lineage is known is merged into one, or split into as many as the truth counts."""
    rows = mapped(con, mirrored.stood(range(1, VERSIONS)), VERSIONS)
    checked = Counter[str]()
    for row in rows.iter_rows(named=True):
        shares = mirrored.truth.shares(row["old_id"], VERSIONS)
        if row["kind"] == "merged into":
            assert len(shares) == 1, row
            old = mirrored.truth.history.roots[row["old_id"]]
            assert len(mirrored.truth.history.roots[row["new_id"]].pieces) >= len(old.pieces)
            checked["merged"] += 1
        elif row["kind"].startswith("split into"):
            # Lineage counts every root with a part, and those that only parts merged with were split from.
            assert int(row["kind"].split()[-1]) >= len(shares) or row["method"] in BY_EVIDENCE, row
            checked["split"] += 1
    assert checked["merged"] > 5
    assert checked["split"] > 100


def test_all_parts_add_up(mirrored: Chain, con: duckdb.DuckDBPyConnection) -> None:
    """Shares by synapses of one root add up to 1, the largest first, and name only roots that hold a part."""
    ids = mirrored.stood(range(1, VERSIONS))
    rows = ids_at_all(con, ids)
    assert isinstance(rows, pl.DataFrame)
    shares = rows.filter(pl.col("method") == "supervoxels of synapses")
    sums = shares.group_by("old_id").agg(
        pl.col("fraction").sum(), pl.col("fraction").is_sorted(descending=True).alias("falls")
    )
    assert sums.height > 50
    assert all(abs(total - 1) < 1e-9 for total in sums.get_column("fraction"))
    assert sums.get_column("falls").all()
    for old, new in shares.select("old_id", "new_id").iter_rows():
        assert new in mirrored.truth.shares(old, VERSIONS)


def test_what_nothing_decides_is_asked_online(mirrored: Chain, con: duckdb.DuckDBPyConnection) -> None:
    """With a chunkedgraph at hand, ids that were undecided get the root with most of their L2 chunks."""
    ids = mirrored.stood(range(1, VERSIONS))
    offline = mapped(con, ids, VERSIONS)
    open_ids = offline.filter(pl.col("new_id").is_null()).get_column("old_id").to_list()
    left = [root for root in open_ids if max(mirrored.truth.shares(root, VERSIONS).values()) > 0.7][:40]
    graph = open_chunkedgraph(mirrored.brought.cave)
    rows = ids_at(con, [*left, None, "x"], online=graph)
    assert isinstance(rows, pl.DataFrame)
    assert rows.height == len(left) + 2
    asked = rows.filter(pl.col("method") == "chunkedgraph")
    assert asked.height > len(left) / 2
    for row in asked.iter_rows(named=True):
        shares = mirrored.truth.shares(int(row["old_id"]), VERSIONS)
        assert row["new_id"] in shares
        assert row["confidence"] <= 0.9 or shares[row["new_id"]] == max(shares.values()), row


def test_a_hundred_thousand_ids_with_the_network_cut(
    mirrored: Chain, con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mapping opens no socket: 100,000 ids in one call, duplicates kept, in input order."""

    def refuse(*_: Any, **__: Any) -> None:
        msg = "a socket was opened"
        raise AssertionError(msg)

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    stood = mirrored.stood()
    ids = (stood * (100_000 // len(stood) + 1))[:100_000]
    rows = mapped(con, ids, VERSIONS)
    once = mapped(con, stood, VERSIONS)
    assert rows.head(len(stood)).equals(once)
    assert rows.height == 100_000
