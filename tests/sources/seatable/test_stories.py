"""Any story of edits while a base is read, and CRANTb's real rows: what comes out is what is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from crantdb.sandbox.seatable import (
    Base,
    Clock,
    Column,
    Fault,
    add_column,
    append_socket_row,
    archive_rows,
    delete_rows,
    insert_rows,
    rename_option,
    set_links,
    update_row,
)
from crantdb.sandbox.seatable.given import base_from_rows, rows_from_csv
from tests.sources.seatable.serving import (
    BORN,
    ids_of,
    neurons,
    read,
    rows_of,
    same_as_truth,
    select_ids,
    served,
    table_of,
    truth,
    with_links,
)

ROWS = 60


def _some(base: Base, at: int) -> str:
    """Return the id of a row."""
    ids = ids_of(base)
    return ids[at % len(ids)]


def _linked(base: Base, at: int) -> None:
    """Link a row to other rows than before; no time tells."""
    types = list(base.table("types").rows)
    set_links(base, "neurons", "types", {_some(base, at): types[: at % len(types)]})


def _locked(base: Base, at: int) -> None:
    """Lock a row; no time tells."""
    with base.lock:
        row = base.table("neurons").row(_some(base, at))
        assert row is not None
        row["_locked"], row["_locked_by"] = True, "a@auth.local"
        base.record({"op_type": "lock_rows", "row_ids": [row["_id"]]})


EDITS: tuple[Callable[[Base, int], object], ...] = (
    lambda base, at: insert_rows(base, "neurons", 1 + at % 3, ids=("low", "high", "random")[at % 3]),
    lambda base, at: delete_rows(base, "neurons", [_some(base, at)]),
    lambda base, at: update_row(base, "neurons", _some(base, at), {"n": at}),
    _locked,
    lambda base, at: append_socket_row(base, "neurons", {"n": at}),
    _linked,
    lambda base, _at: archive_rows(base, "neurons", [next(iter(base.table("neurons").rows))]),
    lambda base, _at: rename_option(base, "neurons", "side", "left", name="left"),
    lambda base, _at: add_column(base, "neurons", Column(f"new {len(base.table('neurons').columns)}")),
)
STORIES = st.lists(
    st.tuples(st.integers(1, 12), st.integers(0, len(EDITS) - 1), st.integers(0, 200)), max_size=5
)
SERVERS = st.fixed_dictionaries(
    {
        "id_collation": st.sampled_from(["bytes", "ci"]),
        "keyset_strings": st.booleans(),
        "empty_results": st.sampled_from(["[]", "null"]),
        "sql_hard_limit": st.sampled_from([7, 20, 10_000]),
        "seed": st.integers(0, 3),
    }
)

KINDS = (
    "status",
    "reset",
    "truncate",
    "html200",
    "empty200",
    "success_false",
    "clamp",
    "nan_literal",
    "invalid_utf8",
)
FAULTS = st.lists(st.tuples(st.integers(1, 20), st.sampled_from(KINDS)), max_size=3)
REVOKED = st.none() | st.integers(1, 20)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.target],  # shrinking takes minutes
)
@example(
    story=[(1, 0, 0), (1, 0, 0), (1, 0, 56), (1, 0, 56)],
    page_rows=5,
    options={"keyset_strings": False, "sql_hard_limit": 7},
    faults=[],
    revoked=None,
)
@given(story=STORIES, page_rows=st.integers(5, 40), options=SERVERS, faults=FAULTS, revoked=REVOKED)
def test_any_story_of_edits(
    story: list[tuple[int, int, int]],
    page_rows: int,
    options: dict[str, Any],
    faults: list[tuple[int, Any]],
    revoked: int | None,
) -> None:
    """Whatever is edited or fails whenever: an atomic result is the table and its hash a full reading's; a window loses nothing.

    In a window no row comes twice, and none that nobody touched is lost or changed.
    """
    base = neurons(ROWS, clock=Clock(BORN))
    with_links(base, 4)
    before = {row["_id"]: row for row in truth(base, "neurons")}
    with served(base, **options) as server:
        for at, edit, number in story:
            server.on(at, lambda edit=edit, number=number: EDITS[edit](base, number), match="/sql")
        for nth, kind in faults:
            server.fault(Fault(kind, match="/sql", nth=nth, size=3))
        if revoked is not None:
            server.fault(Fault("revoke_tokens", match="/sql", nth=revoked))
        result = read(server, "neurons", page_rows=page_rows)
        server.clear()
        whole = read(server, "neurons", page_rows=page_rows + 3)
    if result.consistency.atomic:
        same_as_truth(result, base)
        assert table_of(result, "neurons").content_hash == table_of(whole, "neurons").content_hash
        assert [row["types"] for row in rows_of(result, "neurons")] == [
            row["types"] for row in rows_of(whole, "neurons")
        ]
        return
    got = rows_of(result, "neurons")
    assert len(select_ids(got)) == len(got)
    after = {row["_id"]: row for row in truth(base, "neurons")}
    for row in got:
        known = before.get(row["_id"])
        if known is not None and after.get(row["_id"]) == known:
            assert {key: row[key] for key in known} == known
    assert {row_id for row_id, row in before.items() if row_id in after} <= select_ids(got)


def test_real_rows_come_out_as_they_are(shared: Path) -> None:
    """Fifty real rows of CRANTb, with line ends, lists and links in their cells, to the last character."""
    given = rows_from_csv(shared / "data" / "crantb_rows" / "CRANTb_meta_50_rows.csv")
    base = base_from_rows(given, clock=Clock(BORN))
    order = list(base.table("CRANTb_meta").rows)
    with served(base) as server:
        result = read(server, page_rows=20)
    rows = {row["_id"]: row for row in rows_of(result, "CRANTb_meta")}
    assert len(given) == len(rows) == 50
    for row_id, wanted in zip(order, given, strict=True):
        assert {name: rows[row_id][name] for name in wanted} == wanted
    assert table_of(result, "CRANTb_meta").findings == ()
