"""Paging over ids: keyset pages against what is truly there, whatever the page size, the order and the edits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crantdb.sandbox.seatable import Base, Column, Options, Table, delete_rows, insert_rows
from crantdb.sandbox.seatable.sql.run import Asked, run
from tests.sandbox.seatable.conftest import WRITER, Asker


def many(count: int, seed: int = 0) -> Base:
    """Return a base with a table `t` of numbered rows."""
    rows = ({"n": float(n)} for n in range(count))
    return Base("CRANTb", [Table("t", [Column("n", "number")], rows)], seed=seed, api_tokens={WRITER: "rw"})


def pages(base: Base, size: int, options: Options, between: Callable[[int], None] | None = None) -> list[str]:
    """Return the ids that keyset paging reads, calling something between the pages."""
    out: list[str] = []
    for turn in range(1000):
        where = "WHERE `_id` > ? " if out else ""
        asked = Asked(f"SELECT `_id`, `n` FROM `t` {where}ORDER BY `_id` LIMIT {size}", out[-1:])
        found = run(base, options, asked)["results"]
        if not found:
            return out
        out += [row["_id"] for row in found]
        if between is not None:
            between(turn)
    pytest.fail("the pages never end")


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 60),
    st.integers(1, 25),
    st.integers(0, 5),
    st.sampled_from(["bytes", "ci"]),
    st.integers(1, 20),
)
def test_keyset_pages_are_the_table(count: int, size: int, seed: int, collation: str, cap: int) -> None:
    """Every row exactly once, in the collation's order, with a page size or a cap below it."""
    base = many(count, seed)
    options = Options(id_collation=collation, sql_hard_limit=cap)  # type: ignore[arg-type]
    found = pages(base, size, options)
    key = str.lower if collation == "ci" else str
    assert found == sorted(base.table("t").rows, key=key)


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_untouched_rows_survive_edits_between_pages(data: st.DataObject) -> None:
    """Rows inserted and deleted between pages never cost a keyset reader another row, or give it one twice."""
    base = many(40, data.draw(st.integers(0, 3)))
    untouched = set(base.table("t").rows)

    def edit(turn: int) -> None:
        """Insert and delete some rows."""
        if turn < 6:
            insert_rows(
                base,
                "t",
                data.draw(st.integers(0, 3)),
                ids=data.draw(st.sampled_from(["low", "high", "random"])),
            )
            gone = data.draw(st.lists(st.sampled_from(sorted(base.table("t").rows)), max_size=3, unique=True))
            delete_rows(base, "t", gone)
            untouched.difference_update(gone)

    found = pages(base, data.draw(st.integers(1, 12)), Options(), edit)
    assert untouched <= set(found)
    assert len(found) == len(set(found))


_IDS = st.sampled_from(["-", "0", "A", "M", "Zz", "a", "m", "zz", "~"])
_TESTS = st.one_of(
    st.tuples(st.sampled_from(["<", "<=", ">", ">="]), _IDS).map(lambda t: (f"`_id` {t[0]} '{t[1]}'", t)),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(_TESTS, min_size=1, max_size=3), st.integers(0, 4), st.booleans())
def test_bounds_on_ids_agree_with_comparing(
    tests: list[tuple[str, tuple[str, str]]], seed: int, descending: bool
) -> None:
    """Bounds answered from the sorted ids give the rows that comparing each id would."""
    base = many(30, seed)
    where = " AND ".join(text for text, _ in tests)
    sql = f"SELECT _id FROM t WHERE {where} ORDER BY _id {'DESC' if descending else 'ASC'} LIMIT 100"
    found = [row["_id"] for row in run(base, Options(), Asked(sql))["results"]]
    holds = {
        "<": str.__lt__,
        "<=": str.__le__,
        ">": str.__gt__,
        ">=": str.__ge__,
    }
    truly = [i for i in base.table("t").rows if all(holds[op](i, bound) for _, (op, bound) in tests)]
    assert found == sorted(truly, reverse=descending)


def test_ids_are_picked_by_in(serve: Callable[..., Asker]) -> None:
    """IN over ids gives those that are there, in their order, and a condition beside it still holds."""
    base = many(50)
    asked = serve(base)
    some = sorted(base.table("t").rows)[10:20]
    listed = ", ".join(f"'{i}'" for i in reversed([*some, "absent"]))
    found = asked.rows(f"SELECT _id FROM t WHERE _id IN ({listed}) ORDER BY _id")
    assert [row["_id"] for row in found] == some
    wanted = [i for i in some if base.table("t").rows[i]["0000"] >= 25]
    found = asked.rows(f"SELECT _id FROM t WHERE _id IN ({listed}) AND n >= 25 ORDER BY _id")
    assert [row["_id"] for row in found] == wanted


def test_a_server_without_ordered_strings_says_so(serve: Callable[..., Asker]) -> None:
    """`keyset_strings=False` refuses bounds on ids and still pages by OFFSET."""
    base = many(30)
    asked = serve(base, keyset_strings=False)
    assert "_id" in asked.error("SELECT _id FROM t WHERE _id > 'A' ORDER BY _id LIMIT 5")
    found = [
        r["_id"] for at in (0, 20) for r in asked.rows(f"SELECT _id FROM t ORDER BY _id LIMIT 20 OFFSET {at}")
    ]
    assert found == sorted(base.table("t").rows)


@pytest.mark.parametrize("collation", ["bytes", "ci"])
def test_low_and_high_ids_lie_outside(collation: str) -> None:
    """Ids asked for as low sort before every other one, as high behind, in both collations."""
    base = many(200)
    before = set(base.table("t").rows)
    low, high = insert_rows(base, "t", 3, ids="low"), insert_rows(base, "t", 3, ids="high")
    ordered = [row_id for _, row_id in base.table("t").ordered_ids(collation)]
    assert (set(ordered[:3]), set(ordered[3:-3]), set(ordered[-3:])) == (set(low), before, set(high))
    assert all(len(row_id) == 22 for row_id in ordered)
