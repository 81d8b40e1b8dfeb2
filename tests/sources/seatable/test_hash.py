"""The content hash is of the content alone; one cheap request tells that nothing changed; the naive way loses rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import seatable_api

from crantdb.sandbox.seatable import (
    Base,
    Clock,
    Column,
    Table,
    delete_rows,
    insert_rows,
    rename_column,
    rename_option,
    set_links,
    update_row,
)
from crantdb.sources.seatable.catalogue import base_hash
from crantdb.sources.seatable.read import read_tables, unchanged
from tests.conftest import CANARY
from tests.sources.seatable.serving import (
    BORN,
    WORKSPACE,
    ids_of,
    neurons,
    opened,
    read,
    same_as_truth,
    served,
    table_of,
    with_links,
)


def dated() -> Base:
    """Return a base with dates, a time of day, a volatile formula, options and numbers."""
    columns = [
        Column("name"),
        Column("day", "date", {"format": "YYYY-MM-DD"}),
        Column("time", "date", {"format": "YYYY-MM-DD HH:mm"}),
        Column("age", "formula", {"result_type": "number", "formula": "dateDif({day}, now(), 'D')"}),
        Column("double", "formula", {"result_type": "number", "formula": "{age} * 2"}),
        Column("n", "number"),
        Column("side", "single-select", options=["left", "right"]),
    ]
    rows = [
        {
            "name": f"ä{i}",
            "day": f"2026-{i % 12 + 1:02d}-28",
            "time": f"2026-03-{i % 28 + 1:02d} 02:30",
            "n": i / 7,
            "side": ("left", "right")[i % 2],
        }
        for i in range(1_100)
    ]
    return Base("CRANTb", [Table("neurons", columns, rows)], clock=Clock(BORN))


def hash_of(base: Base, *, page_rows: int = 500, **options: Any) -> str:
    """Return the content hash of a base's table, its volatile formulas other at every reading."""
    number = options.pop("now", 0)
    for name in ("age", "double"):
        base.table("neurons").column(name).compute = lambda _row: number
    with served(base, **options) as server:
        return str(table_of(read(server, page_rows=page_rows), "neurons").content_hash)


def test_the_same_content_has_the_same_hash() -> None:
    """Page size, order of keys, compression, zone, order of ids, cap, version and the time of day make no difference."""
    base = dated()
    wanted = hash_of(base)
    variations: list[dict[str, Any]] = [
        {"page_rows": 3_000},
        {"page_rows": 10_000},
        {"page_rows": 7 * 37},
        {"seed": 5},
        {"gzip": True},
        {"tz": "UTC"},
        {"tz": "Asia/Shanghai"},
        {"id_collation": "ci"},
        {"keyset_strings": False},
        {"sql_hard_limit": 100},
        {"version": "5.3"},
        {"empty_results": "null"},
        {"now": 77},
    ]
    assert {str(variation): hash_of(base, **variation) for variation in variations} == {
        str(variation): wanted for variation in variations
    }


CHANGES: dict[str, Callable[[Base], object]] = {
    "a cell": lambda base: update_row(base, "neurons", ids_of(base)[3], {"n": 8}),
    "a row more": lambda base: insert_rows(base, "neurons", 1),
    "a row less": lambda base: delete_rows(base, "neurons", ids_of(base)[:1]),
    "a column's name": lambda base: rename_column(base, "neurons", "n", "m"),
    "an option's name": lambda base: rename_option(base, "neurons", "side", "left", name="L"),
    "a link": lambda base: set_links(
        base, "neurons", "types", {ids_of(base)[4]: list(base.table("types").rows)[:1]}
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_content_has_another_hash(change: str) -> None:
    """Whatever changes in what people see changes the hash."""
    base = neurons(120)
    with_links(base, 3)
    with served(base) as server:
        before = table_of(read(server), "neurons").content_hash
        CHANGES[change](base)
        assert table_of(read(server), "neurons").content_hash != before


def test_volatile_columns_are_named() -> None:
    """Formulas of now() and what is made of them are listed, and marked in the schema."""
    base = dated()
    with served(base) as server:
        table = table_of(read(server), "neurons")
    assert table.volatile == ("age", "double")
    assert table.schema.field("double").metadata[b"seatable.volatile"] == b"true"


def test_an_unchanged_base_costs_one_request() -> None:
    """One request tells that nothing changed; every sort of change is told by it too."""
    base = neurons(50)
    with_links(base, 3)
    with served(base) as server:
        last = read(server)
        known = base_hash(last.info.tables)
        source = opened(server)
        before = server.log.gateway_calls()
        assert unchanged(source.metadata(), last.info.version, known)
        assert server.log.gateway_calls() == before + 1
        for change in CHANGES.values():
            version = base.version
            change(base)
            assert not unchanged(source.metadata(), version, known)
    assert not unchanged(last.info, None, known)


def test_a_base_that_has_just_changed_is_let_settle() -> None:
    """Metadata known already saves a request; a version other than the last mirror's waits ten seconds and looks again."""
    base = neurons(50)
    waits: list[float] = []
    with served(base) as server:
        source = opened(server, sleep=waits.append)
        info = source.metadata()
        read_tables(source, None, known=info, previous_version=info.version)
        assert (waits, server.log.count("metadata")) == ([], 2)
        result = read_tables(source, None, known=info, previous_version=1)
        assert (waits, server.log.count("metadata")) == ([10.0], 4)
    assert result.requests == 6


def test_new_columns_are_let_settle() -> None:
    """Columns that change while the table is read are waited for, and looked at again, before they are trusted."""
    base = neurons(50)
    waits: list[float] = []
    with served(base) as server:
        server.on(2, lambda: rename_column(base, "neurons", "n", "m"), match="/sql")
        result = read_tables(opened(server, sleep=waits.append), None)
        assert (waits, server.log.count("metadata")) == ([10.0], 4)
    same_as_truth(result, base)


def test_news_of_every_page() -> None:
    """Whoever listens hears how many rows there are of how many, and how many requests it took."""
    base = neurons(500)
    news: list[Any] = []
    with served(base) as server:
        result = read(server, page_rows=200, on_page=news.append)
    assert [(item.table, item.doing, item.rows, item.expected) for item in news] == [
        ("neurons", "rows", rows, 500) for rows in (200, 400, 500)
    ]
    assert [item.requests for item in news] == [3, 4, 5]
    assert result.requests == 7


def test_a_client_that_pages_by_offset_loses_rows_where_ours_does_not() -> None:
    """Unordered pages by offset until a short one lose untouched rows and stop at a cap; ours give every row once."""

    def edits(base: Base) -> None:
        insert_rows(base, "neurons", 4, ids="low")
        delete_rows(base, "neurons", list(base.table("neurons").rows)[:9])

    def naive(base: Base, **options: Any) -> list[str]:
        with served(base, **options) as server:
            server.on(2, lambda: edits(base), match=r"/sql.*OFFSET")
            account = seatable_api.Account(None, None, server.url)
            account.token = CANARY
            client = account.get_base(WORKSPACE, "CRANTb")
            rows: list[str] = []
            while True:
                page = client.query(f"SELECT _id FROM neurons LIMIT 500 OFFSET {len(rows)}")
                rows += [row["_id"] for row in page]
                if len(page) < 500:
                    return rows

    base = neurons(2_000)
    untouched = set(list(base.table("neurons").rows)[9:])
    assert untouched - set(naive(base)), "rows that nobody touched are lost"
    assert len(naive(neurons(2_000), sql_hard_limit=300)) == 300, "a cap is taken for the end"
    again = neurons(2_000)
    with served(again, sql_hard_limit=300) as server:
        server.on(3, lambda: edits(again), match=r"SELECT \* FROM")
        same_as_truth(read(server, page_rows=500), again)
