"""The CRANTb-like base: deterministic, dirty in every described way, and its truth true."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

from crantdb.errors import ConfigError
from crantdb.sandbox import Datastack, Sandbox
from crantdb.sandbox.seatable import (
    Base,
    Clock,
    Crantb,
    SeaTable,
    annotate,
    base_from_rows,
    crantb_base,
    rows_from_csv,
)
from crantdb.sandbox.seatable.annotators import shown
from crantdb.sandbox.seatable.dirt import Kind
from tests.sandbox.seatable.conftest import NOON, WRITER, Asker, asker, opened

META = "CRANTb_meta"
TOKENS = {WRITER: "rw"}
CSV = "data/crantb_rows/CRANTb_meta_50_rows.csv"


@pytest.fixture(scope="module")
def crantb(world: Datastack) -> Crantb:
    """Return the base over the shared world; not to be changed."""
    return crantb_base(world, api_tokens=TOKENS, clock=Clock(NOON))


def raw(base: Base) -> list[list[dict[str, Any]]]:
    """Return all rows of all tables."""
    return [list(table.rows.values()) for table in base.tables]


def micros(moment: datetime) -> int:
    """Return a moment in µs since 1970."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def test_the_same_seed_makes_the_same_base(world: Datastack, crantb: Crantb) -> None:
    """Rows, ids, truth and what annotators do afterwards; another seed makes another."""
    again, other = (crantb_base(world, seed=seed, api_tokens=TOKENS, clock=Clock(NOON)) for seed in (0, 1))
    assert (raw(again.base), again.truth) == (raw(crantb.base), crantb.truth)
    assert raw(other.base) != raw(crantb.base)
    third = crantb_base(world, clock=Clock(NOON))
    assert annotate(again, 30) == annotate(third, 30)
    assert raw(again.base) == raw(third.base)


def test_every_kind_of_dirt_is_there(crantb: Crantb) -> None:
    """Three rows of each at least, and more clean ones than dirty."""
    counts = {kind: len(crantb.rows_of(kind)) for kind in get_args(Kind)}
    assert min(counts.values()) >= 3
    assert counts["clean"] > sum(counts.values()) / 2
    assert set(crantb.truth) == set(crantb.base.table(META).rows)


def test_the_texts_are_what_the_truth_says(world: Datastack, crantb: Crantb) -> None:
    """Roots and supervoxels against the history of the segmentation."""
    assert world.truth is not None
    history = world.truth.history
    newest = micros(max(v.time_stamp for v in world.versions if v.valid))
    for row_id, truth in crantb.truth.items():
        typed, named = shown(crantb, row_id, "root_id"), shown(crantb, row_id, "supervoxel_id")
        now = int(history.roots_at([truth.at_supervoxel], newest)[0])
        if truth.supervoxel:
            assert int(named) == truth.supervoxel == truth.at_supervoxel
        if truth.kind in {"clean", "shared", "no_supervoxel", "spaces", "negative_position"}:
            assert int(typed) == now == truth.typed_root
        if truth.kind == "stale":
            assert int(typed) != now
            assert not history.roots[int(typed)].is_latest(newest)
        if truth.kind == "unborn":
            assert history.roots[int(typed)].born_us > newest
        if truth.kind == "disagrees":
            assert truth.typed_root in history.roots
            assert truth.typed_root != now
        if truth.kind == "never_a_root":
            assert truth.typed_root not in history.roots
        if truth.kind == "unknown_supervoxel":
            assert int(history.roots_at([int(named)], newest)[0]) == 0


@pytest.mark.parametrize(
    ("kind", "column", "pattern"),
    [
        ("excel", "root_id", r"\d\.\d{5}E\+17"),
        ("spaces", "root_id", "\u00a0 \\d{18} "),
        ("list", "root_id", r"\d{18}, \d{18}"),
        ("apostrophe", "root_id", r"'\d{18}"),
        ("point_zero", "root_id", r"\d{18}\.0"),
        ("thousands", "root_id", r"\d{3}(,\d{3}){5}"),
        ("zero_root", "root_id", "0"),
        ("no_root", "root_id", ""),
        ("zero_both", "supervoxel_id", "0"),
        ("no_supervoxel", "supervoxel_id", ""),
        ("negative_position", "position", r"-\d+, \d+, \d+"),
        ("decimal_position", "position", r"\d+\.25, \d+\.5, \d+\.75"),
        ("short_position", "position", r"\d+, \d+"),
        ("bracketed_position", "position", r"\[\d+, \d+, \d+\]"),
        ("clean", "position", r"\d+, \d+, \d+"),
    ],
)
def test_how_dirt_looks(crantb: Crantb, kind: Kind, column: str, pattern: str) -> None:
    """Ids as spreadsheets and people leave them, positions of every form."""
    import re  # noqa: PLC0415 - only here

    for row_id in crantb.rows_of(kind):
        assert re.fullmatch(pattern, shown(crantb, row_id, column)), row_id


def test_blank_rows_and_shared_roots(crantb: Crantb) -> None:
    """A blank row has nothing but its times; some roots stand in several rows."""
    table = crantb.base.table(META)
    for row_id in crantb.rows_of("blank"):
        assert all(key.startswith("_") for key, cell in table.rows[row_id].items() if cell is not None)
    typed = [truth.typed_root for truth in crantb.truth.values() if truth.typed_root]
    assert len(set(typed)) < len(typed)


def test_it_is_served_with_every_type(crantb: Crantb) -> None:
    """The client reads it whole: the columns with their types, the cut-off links and the complete ones."""
    with SeaTable(crantb.base, clock=crantb.base.clock) as server:
        client = opened(server)
        table = client.get_table_by_name(META)
        kinds = {column["name"]: column["type"] for column in table["columns"]}
        assert (kinds["root_id"], kinds["status"], kinds["side"]) == (
            "text",
            "multiple-select",
            "single-select",
        )
        assert (kinds["proofread"], kinds["user_annotator"], kinds["papers"]) == (
            "checkbox",
            "collaborator",
            "link",
        )
        rows = client.query(f"SELECT * FROM {META} LIMIT 10000")
        assert len(rows) == len(crantb.truth)
        assert sum(row["modified"] is None for row in rows) == len(rows) // 40
        assert {row["connections"] for row in rows} >= {"#VALUE!"}
        cited = client.query("SELECT name, neurons FROM CRANTb_papers")[0]["neurons"]
        assert len(cited) == 50
        key = next(c["key"] for c in client.list_columns("CRANTb_papers") if c["name"] == "neurons")
        papers = client.get_table_by_name("CRANTb_papers")["_id"]
        paper = client.query("SELECT _id FROM CRANTb_papers LIMIT 1")[0]["_id"]
        page = client.get_linked_records(papers, key, [{"row_id": paper, "limit": 100}])[paper]
        assert [record["row_id"] for record in page] == list(crantb.truth)[:60]


def test_what_annotators_did_is_what_changed(world: Datastack) -> None:
    """The changes told are the differences between two reads, and the truth is kept."""
    made = crantb_base(world, api_tokens=TOKENS, clock=Clock(NOON))

    def read(asked: Asker) -> dict[str, dict[str, Any]]:
        """Return all rows by id."""
        return {row["_id"]: row for row in asked.rows(f"SELECT * FROM {META} LIMIT 10000")}

    with SeaTable(made.base, clock=made.base.clock) as server:
        asked = asker(server)
        before = read(asked)
        made.base.clock.advance(60)
        version = made.base.version
        changes = annotate(made, 40)
        after = read(asked)
    assert made.base.version == version + 40
    added, deleted = ({c.row_id for c in changes if c.kind == kind} for kind in ("added", "deleted"))
    assert (set(after) - set(before), set(before) - set(after)) == (added - deleted, deleted - added)
    assert set(made.truth) == set(after)
    last = {(c.row_id, c.column): c.after for c in changes if c.kind == "cell"}
    for (row_id, column), value in last.items():
        if row_id in after:
            assert after[row_id][column] == value
            assert after[row_id]["modified"] == "2026-08-01T12:01:00.000+00:00"
    written = {row_id for row_id, _ in last}
    for row_id in set(before) & set(after) - written:
        kept = {name: cell for name, cell in before[row_id].items() if name != "papers"}
        assert kept.items() <= after[row_id].items()


def test_a_size_can_be_asked_for(world: Datastack) -> None:
    """Rows as many as asked, dirt first."""
    made = crantb_base(world, rows=1_000)
    assert len(made.truth) == 1_000
    assert len(made.rows_of("stale")) == 3


def test_a_given_datastack_has_no_truth(world: Datastack) -> None:
    """It is said what to do instead."""
    with pytest.raises(ConfigError, match="base_from_rows"):
        crantb_base(Datastack("given", world.versions))


def test_the_real_rows_are_served(shared: Path, serve: Callable[..., Asker]) -> None:
    """The 50 published rows of CRANTb come out as they stand in the file."""
    path = shared / CSV
    if not path.is_file():
        pytest.skip("the published rows are not at hand")
    rows = rows_from_csv(path)
    asked = serve(base_from_rows(rows, api_tokens=TOKENS))
    kinds = {c["name"]: c["type"] for c in asked.sql(f"SELECT * FROM {META} LIMIT 1").json()["metadata"]}
    assert (kinds["root_id"], kinds["position"], kinds["proofread"]) == ("text", "text", "checkbox")
    assert (kinds["status"], kinds["region"], kinds["user_annotator"]) == ("multiple-select",) * 3
    found = asked.rows(f"SELECT * FROM {META} LIMIT 100")
    assert [{name: row[name] for name in rows[0]} for row in found] == rows
    assert rows[0]["root_id"] == "576460752700282748"
    assert rows[0]["status"] == ["DAMAGED", "PARTIALLY_PROOFREAD", "TRACING_ISSUE"]
    assert rows[0]["position"] == "[32782, 30214, 1532]"


def test_a_csv_without_a_header_is_refused(tmp_path: Path) -> None:
    """It is said what a snapshot begins with."""
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(ConfigError, match="header"):
        rows_from_csv(tmp_path / "empty.csv")


def test_columns_from_values(serve: Callable[..., Asker]) -> None:
    """Lists become multiple-selects, booleans checkboxes, numbers numbers; system fields stay what they are."""
    rows = [{"_id": "A" * 22, "l": ["x"], "b": True, "n": 1, "t": "s", "_mtime": None}, {"l": None, "t": ""}]
    asked = serve(base_from_rows(rows, table="t", api_tokens=TOKENS))
    found = asked.sql("SELECT l, b, n, t, _id, _mtime FROM t LIMIT 1").json()
    kinds = {c["name"]: c["type"] for c in found["metadata"] if c["name"][0] != "_"}
    assert kinds == {"l": "multiple-select", "b": "checkbox", "n": "number", "t": "text"}
    assert found["results"] == [{"l": ["x"], "b": True, "n": 1, "t": "s", "_id": "A" * 22, "_mtime": None}]


def test_one_port_for_both(world: Datastack) -> None:
    """On a CAVE sandbox's port SeaTable answers its paths and CAVE its own."""
    import requests  # noqa: PLC0415 - only here

    made = crantb_base(world, api_tokens=TOKENS)
    seatable = SeaTable(made.base)
    with Sandbox(world, seatable=seatable) as sandbox:
        assert seatable.url == sandbox.url
        assert requests.get(f"{sandbox.url}/info/version", timeout=30).ok
        assert asker(seatable).rows(f"SELECT COUNT(*) AS n FROM {META}") == [{"n": len(made.truth)}]
        assert (sandbox.log.count("api-gateway"), seatable.log.gateway_calls()) == (0, 1)
