"""Lineage out of hand-made histories: followed only where every path is known to the moment."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import duckdb
import pytest

from crantdb.schema import declarations
from crantdb.warehouse.qualify import qualified, sql_objects

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY = datetime(2026, 3, 1)  # noqa: DTZ001 - moments in tables are UTC without a zone
FIRST = 576460752303423489
A, B, C, D, E, F, G = range(FIRST, FIRST + 7)

Event = tuple[int | None, str, int, list[int] | None]


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """Return declared tables without rows, and every object of sql/ over them."""
    with duckdb.connect(":memory:") as made:
        texts, objects = declarations(), sql_objects()
        for text in texts.values():
            made.execute(text.split("\nCOMMENT ON")[0])
        relations = set(texts) | {item.name for item in objects if item.room != "functions"}
        macros = {item.name for item in objects if item.room != "views"}
        for item in objects:
            made.execute(qualified(item, "main", relations, macros))
        yield made


def tell(
    con: duckdb.DuckDBPyConnection, *events: Event, as_of: int = 10, covered: tuple[int, int] = (0, 20)
) -> None:
    """Write a history: events on days of March, all edits known from one day to another; as_of is a day too."""
    moment = DAY + timedelta(days=as_of)
    con.execute("INSERT INTO snapshot VALUES (1, 1, ?, 'ants', 's', ?, 'sync', 't', 'w')", [moment, moment])
    for root, event, day, related in events:
        at = DAY + timedelta(days=day)
        con.execute("INSERT INTO root_history VALUES (?, ?, ?, NULL, NULL, ?)", [root, event, at, related])
    since, until = (DAY + timedelta(days=day) for day in covered)
    con.execute("INSERT INTO root_history VALUES (NULL, 'covered', ?, ?, NULL, NULL)", [until, since])


def ends(con: duckdb.DuckDBPyConnection, root: int) -> list[tuple[int, bool]]:
    """Return the roots at as_of that a root's lineage ends in, and whether it was merged on the way."""
    return con.sql(f"SELECT new_id, merged FROM evidence_of_lineage([{root}]) ORDER BY ALL").fetchall()


def mapped(con: duckdb.DuckDBPyConnection, root: int) -> tuple[object, ...]:
    """Return what a root is mapped to, by which method, how sure, and what edits did."""
    [row] = con.sql(f"SELECT new_id, method, confidence, kind FROM ids_at([{root}])").fetchall()
    return row


def test_a_merge_is_followed_onward(con: duckdb.DuckDBPyConnection) -> None:
    """A and B became C before as_of: both are C, for certain, and merged into it."""
    tell(con, (A, "retired", 5, [C]), (B, "retired", 5, [C]), (C, "born", 5, [A, B]))
    assert ends(con, A) == ends(con, B) == [(C, True)]
    assert mapped(con, A) == (C, "lineage", 1.0, "merged into")


def test_an_edit_after_as_of_is_none(con: duckdb.DuckDBPyConnection) -> None:
    """What happens after as_of has not happened: A stands, and C, born later, was two roots then."""
    tell(con, (A, "born", 1, None), (A, "retired", 15, [C]), (B, "retired", 15, [C]), (C, "born", 15, [A, B]))
    assert mapped(con, A) == (A, "identity", 1.0, "unchanged")
    assert ends(con, C) == [(A, False), (B, False)]
    assert mapped(con, C) == (None, None, 0.0, "split into 2")


def test_a_split_decides_nothing(con: duckdb.DuckDBPyConnection) -> None:
    """A became B and C: without other evidence neither is chosen."""
    tell(con, (A, "retired", 5, [B, C]), (B, "born", 5, [A]), (C, "born", 5, [A]))
    assert mapped(con, A) == (None, None, 0.0, "split into 2")


def test_a_merge_then_a_split_elsewhere(con: duckdb.DuckDBPyConnection) -> None:
    """A was merged into C, C split into D and E: A may be in either, whichever edit came first."""
    tell(
        con, (A, "retired", 3, [C]), (B, "retired", 3, [C]), (C, "born", 3, [A, B]), (C, "retired", 6, [D, E])
    )
    assert [new for new, _ in ends(con, A)] == [D, E]
    assert mapped(con, A) == (None, None, 0.0, "retired")


def test_a_split_before_a_merge_elsewhere(con: duckdb.DuckDBPyConnection) -> None:
    """A was split into B and C, B merged into D with E: A has a part in C and in D, each for certain."""
    tell(
        con,
        (A, "retired", 3, [B, C]),
        (B, "born", 3, [A]),
        (C, "born", 3, [A]),
        (B, "retired", 6, [D]),
        (D, "born", 6, [B, E]),
    )
    assert mapped(con, A) == (None, None, 0.0, "split into 2")


def test_a_part_that_may_be_anywhere_is_not_counted(con: duckdb.DuckDBPyConnection) -> None:
    """Only roots that hold a part of A for certain make it split: of B, merged with others and split, either side may."""
    tell(
        con,
        (A, "retired", 2, [B, C]),
        (B, "born", 2, [A]),
        (C, "born", 2, [A]),
        (B, "retired", 3, [D]),
        (D, "born", 3, [B, E]),
        (D, "retired", 4, [F, G]),
        (F, "born", 4, [D]),
        (G, "born", 4, [D]),
    )
    assert [new for new, _ in ends(con, A)] == [C, F, G]
    assert mapped(con, A) == (None, None, 0.0, "retired")


def test_a_birth_that_is_not_told_may_have_had_others(con: duckdb.DuckDBPyConnection) -> None:
    """A became B, of whose making nothing else is known; when B is split, A may be in one of the two alone."""
    tell(con, (A, "retired", 3, [B]), (B, "retired", 6, [C, D]))
    assert [new for new, _ in ends(con, A)] == [C, D]
    assert mapped(con, A) == (None, None, 0.0, "retired")


def test_back_in_time_the_same_holds(con: duckdb.DuckDBPyConnection) -> None:
    """D was split from C, which was made of A and B: at as_of D may have been in either, and is not said to be split."""
    tell(
        con,
        (A, "retired", 13, [C]),
        (B, "retired", 13, [C]),
        (C, "born", 13, [A, B]),
        (C, "retired", 15, [D, E]),
        (D, "born", 15, [C]),
        (E, "born", 15, [C]),
    )
    assert [new for new, _ in ends(con, D)] == [A, B]
    assert mapped(con, D) == (None, None, 0.0, "retired")
    assert mapped(con, C) == (None, None, 0.0, "split into 2")


def test_a_lost_path_makes_the_others_worth_nothing(con: duckdb.DuckDBPyConnection) -> None:
    """D, born after as_of, was made of A and of C, of whose past nothing is known: A alone is not the answer."""
    tell(con, (A, "born", 2, None), (C, "born", 13, None), (D, "born", 15, [A, C]))
    assert ends(con, D) == []
    assert mapped(con, D) == (None, None, 0.0, "retired")


def test_a_time_of_unknown_edits_ends_nowhere(con: duckdb.DuckDBPyConnection) -> None:
    """A became C, but what happened between the known edits and as_of is not known: C is not believed to stand."""
    tell(con, (A, "retired", 5, [C]), (C, "born", 5, [A]), covered=(0, 7))
    assert ends(con, A) == []
    assert mapped(con, A) == (None, None, 0.0, "retired")


def test_one_way_of_a_link_tells_nothing_of_the_other(con: duckdb.DuckDBPyConnection) -> None:
    """C was made of A; that A became nothing else is only told by A's end, which is not there."""
    tell(con, (A, "born", 1, None), (C, "born", 5, [A]))
    assert ends(con, A) == []
