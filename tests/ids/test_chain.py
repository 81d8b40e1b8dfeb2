"""Every id of ten versions and 2,200 random edits, mapped offline, against the truth."""

from __future__ import annotations

import socket
from collections import Counter
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from crantdb.analysis.idmap import ids_at, ids_at_all
from crantdb.sources.chunkedgraph import open_chunkedgraph
from crantdb.warehouse.catalog import connect
from tests.ids.chain import micros, moment
from tests.ids.long_chain import (
    BY_EVIDENCE,
    IDS,
    L2,
    LINEAGE,
    SYNAPSES,
    TEN,
    WITH_L2,
    Rates,
    knowing_only,
    mapped,
    mirrored_long,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

    from tests.ids.conftest import Chain


@pytest.fixture(scope="module", name="mirrored")
def _mirrored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """Return the long chain; version 10 is the main one."""
    with mirrored_long(tmp_path_factory.mktemp("long") / "wh") as made:
        yield made


@pytest.fixture(scope="module", name="con")
def _con(mirrored: Chain) -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a connection with version 10 in main, and every version in a schema of its own."""
    with connect(mirrored.root, versions=range(1, TEN + 1)) as connection:
        yield connection


@pytest.mark.parametrize("version", WITH_L2)
def test_no_id_mapped_with_confidence_is_wrong(
    mirrored: Chain, con: duckdb.DuckDBPyConnection, version: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Onward and back in time: above 0.9, the new root has most of the old one's supervoxels, whatever decided.

    Of every root that there ever was, also those that no version saw; the rates are printed.
    """
    stood, every = set(mirrored.stood()), set(mirrored.truth.history.roots)
    near = mirrored.stood([one for one in (version - 1, version + 1) if 0 < one <= TEN])
    rows = mapped(con, sorted(every), version)
    said = []
    for name, some in (
        ("stood at a version", stood),
        ("stood at a version next to it", set(near)),
        ("stood at none", every - stood),
    ):
        rates = Rates(mirrored.truth, version)
        of_these = rows.filter(pl.col("old_id").is_in(sorted(some)))
        rates.count(of_these.iter_rows(named=True))
        plain = Counter(of_these.filter(~pl.col("method").is_in(BY_EVIDENCE)).get_column("method").to_list())
        left = of_these.get_column("new_id").null_count()
        counts = ", ".join(f"{method} {count}" for method, count in sorted(plain.items()) if method)
        said.append(f"  of {len(some)} that {name}: {counts}, {rates.said()}; {left} undecided")
        assert rates.right() > 10
    with capsys.disabled():
        print(f"\nto version {version}:", *said, sep="\n")


@pytest.mark.parametrize(("sort", "least"), [(SYNAPSES, 150), (IDS, 150), (LINEAGE, 10), (L2, 15)])
def test_each_sort_of_evidence_by_itself(
    mirrored: Chain, sort: str, least: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ids known by synapses, lineage or L2 chunks only, onward and back: what that alone decides, and how often it is right."""
    said = []
    for version in WITH_L2:
        at, roots = micros(moment(version)), mirrored.truth.history.roots
        onward, back = Rates(mirrored.truth, version), Rates(mirrored.truth, version)
        ids = [root for root in mirrored.stood() if not roots[root].is_latest(at)]
        with knowing_only(mirrored.root, version, sort) as con:
            rows = mapped(con, ids)
            known = con.sql(
                "SELECT count(DISTINCT id) FROM id_evidence(?::BIGINT[]) WHERE method = ?", params=[ids, sort]
            ).fetchall()[0][0]
        assert set(rows.get_column("method").to_list()) <= {sort, None}
        onward.count(rows.filter(pl.col("old_id").is_in(_before(mirrored, ids, at))).iter_rows(named=True))
        back.count(rows.filter(~pl.col("old_id").is_in(_before(mirrored, ids, at))).iter_rows(named=True))
        both = onward.decided() + back.decided()
        said.append(
            f"  version {version}: {known} of {len(ids)} stale ids known; onward {onward.right()} of {onward.decided()} right, "
            f"back {back.right()} of {back.decided()}; {onward.sure + back.sure} above 0.9, none of them wrong"
        )
        assert both >= least, (version, both)
        assert both <= known
    with capsys.disabled():
        print(f"\nby {sort} alone:", *said, sep="\n")


def _before(mirrored: Chain, ids: list[int], at_us: int) -> list[int]:
    """Return those of some roots that had been replaced by a moment."""
    ends = {root: mirrored.truth.history.roots[root].retired_us for root in ids}
    return [root for root, end in ends.items() if end is not None and end <= at_us]


@pytest.mark.parametrize("version", [1, 4, 10])
def test_nothing_is_left_open_that_the_data_decide(
    mirrored: Chain, con: duckdb.DuckDBPyConnection, version: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stale root stays open only when no majority, no single end and no anchor speaks; why is printed, by the truth."""
    schema = "main" if version == TEN else f"v{version}"
    ids = mirrored.stood()
    rows = mapped(con, ids, version)
    open_ids = rows.filter(pl.col("new_id").is_null()).get_column("old_id").to_list()
    evidence: dict[int, dict[str, list[tuple[int, int]]]] = {root: {} for root in open_ids}
    for root, method, votes, of_all in con.sql(
        f'SELECT id, method, votes, all_votes FROM "{schema}".id_evidence(?::BIGINT[]) WHERE method IS NOT NULL',
        params=[open_ids],
    ).fetchall():
        evidence[root].setdefault(method, []).append((votes, of_all))
    of_l2 = {root for (root,) in con.sql("SELECT DISTINCT root_id FROM l2_members").fetchall()}
    why: Counter[str] = Counter()
    for root, sorts in evidence.items():
        assert len(sorts.get(LINEAGE, ())) != 1, root
        for method in (SYNAPSES, L2, "anchor supervoxel"):
            assert all(2 * votes <= of_all for votes, of_all in sorts.get(method, ())), (root, method)
        shares = mirrored.truth.shares(root, version)
        if max(shares.values()) <= 0.5:
            why["in several roots, no half in one"] += 1
        elif set(sorts) & {SYNAPSES, IDS, "anchor supervoxel"}:
            why["its synapses or anchors lie in several roots, no half in one"] += 1
        elif L2 in sorts:
            why["too few of its L2 chunks are left"] += 1
        elif LINEAGE in sorts:
            chunks = "none of its L2 chunks is left" if root in of_l2 else "its L2 chunks are not mirrored"
            why[f"its lineage ends in several roots, it has no synapse, {chunks}"] += 1
        else:
            why["nothing is known of it"] += 1
    with capsys.disabled():
        said = "; ".join(f"{count} {reason}" for reason, count in why.most_common())
        print(f"\nversion {version}, open: {len(open_ids)} of {len(ids)}: {said}")
    assert not why["nothing is known of it"]


@pytest.mark.parametrize("version", [1, 5, 10])
def test_every_id_with_an_anchor_is_right(
    mirrored: Chain, con: duckdb.DuckDBPyConnection, version: int
) -> None:
    """A root whose anchors are in one root at the version is that root; with anchors in several it is one of them.

    Anchors of its best sort: of annotations, whenever they came, else of nuclei, else of other points.
    """
    held: dict[int, dict[int, set[int]]] = {}
    anchors = con.sql("SELECT root_id, supervoxel_id, rank FROM root_anchors").fetchall()
    places = mirrored.truth.roots(sorted({supervoxel for _, supervoxel, _ in anchors}), version)
    for root, supervoxel, rank in anchors:
        held.setdefault(root, {}).setdefault(rank, set()).add(places[supervoxel])
    by_rank: Counter[int] = Counter()
    for row in mapped(con, sorted(held), version).iter_rows(named=True):
        rank = min(held[row["old_id"]])
        best = held[row["old_id"]][rank]
        if row["method"] == "identity":
            assert mirrored.truth.history.roots[row["old_id"]].is_latest(micros(moment(version)))
        elif len(best) == 1:
            by_rank[rank] += 1
            assert (row["new_id"], row["method"]) == (min(best), "anchor supervoxel"), row
            assert row["confidence"] == 1.0 or rank == 3, row
        else:
            assert row["new_id"] is None or row["new_id"] in mirrored.truth.shares(row["old_id"], version), (
                row
            )
            assert row["confidence"] <= 0.9 or row["method"] != "anchor supervoxel", row
    assert by_rank.total() > 60
    assert min(by_rank[rank] for rank in (1, 2, 3)) > 0


def test_a_root_that_stands_is_itself_and_no_other_is(
    mirrored: Chain, con: duckdb.DuckDBPyConnection
) -> None:
    """`identity` is said of roots that were current at the version's moment, of no other root of any age."""
    for version in (2, 6, 10):
        rows = mapped(con, sorted(mirrored.truth.history.roots), version)
        at = micros(moment(version))
        for row in rows.iter_rows(named=True):
            stands = mirrored.truth.history.roots[row["old_id"]].is_latest(at)
            if row["method"] == "identity":
                assert stands, row
                assert (row["changed"], row["kind"], row["new_id"]) == (False, "unchanged", row["old_id"])
            # A root that the warehouse never saw may stand unknown; it is never called something else.
            elif stands:
                assert (row["new_id"], row["kind"]) == (None, "unknown"), row


@pytest.mark.parametrize("version", [1, 6, 10])
def test_kinds_are_what_edits_did(mirrored: Chain, con: duckdb.DuckDBPyConnection, version: int) -> None:
    """Split into n: at least n roots have a part, of a root of any age; merged into: all of it is in one, and others too."""
    rows = mapped(con, sorted(mirrored.truth.history.roots), version)
    checked = Counter[str]()
    for row in rows.iter_rows(named=True):
        shares = mirrored.truth.shares(row["old_id"], version)
        if row["kind"] == "merged into":
            new, old = (mirrored.truth.history.roots[row[name]].pieces for name in ("new_id", "old_id"))
            assert set(old.tolist()) < set(new.tolist()), row
            checked["merged"] += 1
        elif row["kind"].startswith("split into"):
            parts = int(row["kind"].split()[-1])
            assert 2 <= parts <= len(shares), row
            checked["split"] += 1
    assert checked["merged"] > 50
    assert checked["split"] > 100


def test_all_parts_add_up(mirrored: Chain, con: duckdb.DuckDBPyConnection) -> None:
    """Shares by synapses of one root add up to 1, the largest first, and name only roots that hold a part."""
    ids = mirrored.stood(range(1, TEN))
    rows = ids_at_all(con, ids)
    assert isinstance(rows, pl.DataFrame)
    shares = rows.filter(pl.col("method") == "supervoxels of synapses")
    sums = shares.group_by("old_id").agg(
        pl.col("fraction").sum(), (pl.col("fraction").diff() <= 0).all().alias("falls")
    )
    assert sums.height > 50
    assert all(abs(total - 1) < 1e-9 for total in sums.get_column("fraction"))
    assert sums.get_column("falls").all()
    for old, new in shares.select("old_id", "new_id").iter_rows():
        assert new in mirrored.truth.shares(old, TEN)


def test_what_nothing_decides_is_asked_online(mirrored: Chain, con: duckdb.DuckDBPyConnection) -> None:
    """With a chunkedgraph at hand, ids that were undecided get the root with most of their L2 chunks."""
    ids = mirrored.stood(range(1, TEN))
    offline = mapped(con, ids, TEN)
    open_ids = offline.filter(pl.col("new_id").is_null()).get_column("old_id").to_list()
    left = [root for root in open_ids if max(mirrored.truth.shares(root, TEN).values()) > 0.7][:40]
    graph = open_chunkedgraph(mirrored.brought.cave)
    rows = ids_at(con, [*left, None, "x"], online=graph)
    assert isinstance(rows, pl.DataFrame)
    assert rows.height == len(left) + 2
    asked = rows.filter(pl.col("method") == "chunkedgraph")
    assert asked.height > len(left) / 2
    for row in asked.iter_rows(named=True):
        shares = mirrored.truth.shares(int(row["old_id"]), TEN)
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
    rows = mapped(con, ids, TEN)
    once = mapped(con, stood, TEN)
    assert rows.head(len(stood)).equals(once)
    assert rows.height == 100_000
