"""Predicates at random against a second, plain reading of the rules."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from crantdb.sandbox.seatable import Base, Column, Options, Table
from crantdb.sandbox.seatable.sql.run import Asked, run

NUMBERS, TEXTS, OPTIONS = (-1, 0, 1.5, 2), ("", "a", "B", "b", "ab"), ("x", "y", "z, w")
COLUMNS = {"n": NUMBERS, "t": TEXTS, "s": OPTIONS}
ROW = st.fixed_dictionaries(
    {
        "n": st.none() | st.sampled_from(NUMBERS),
        "t": st.none() | st.sampled_from(TEXTS),
        "s": st.none() | st.sampled_from(OPTIONS),
        "m": st.none() | st.lists(st.sampled_from(OPTIONS), unique=True),
    }
)
ATOM = st.one_of(
    st.sampled_from(sorted(COLUMNS)).flatmap(
        lambda c: st.tuples(
            st.just(c),
            st.sampled_from(["=", "!=", "<>", "<", "<=", ">", ">="]),
            st.sampled_from(COLUMNS[c]).map(lambda v: [v]),
        )
    ),
    st.sampled_from(sorted(COLUMNS)).flatmap(
        lambda c: st.tuples(
            st.just(c), st.sampled_from(["IN", "NOT IN"]), st.lists(st.sampled_from(COLUMNS[c]), min_size=1)
        )
    ),
    st.tuples(
        st.just("m"),
        st.sampled_from(["HAS ANY OF", "HAS ALL OF", "HAS NONE OF", "IS EXACTLY"]),
        st.lists(st.sampled_from(OPTIONS), min_size=1),
    ),
    st.tuples(st.sampled_from([*COLUMNS, "m"]), st.sampled_from(["IS NULL", "IS NOT NULL"]), st.just([])),
)
TREE = st.recursive(
    ATOM,
    lambda inner: st.one_of(
        st.tuples(st.just("NOT"), inner),
        st.tuples(st.sampled_from(["AND", "OR"]), inner, inner),
    ),
    max_leaves=5,
)


def text_of(tree: Any, parameters: list[Any]) -> str:
    """Return a predicate as SQL, its constants put into the parameters."""
    if tree[0] == "NOT":
        return f"NOT ({text_of(tree[1], parameters)})"
    if tree[0] in {"AND", "OR"}:
        return f"({text_of(tree[1], parameters)}) {tree[0]} ({text_of(tree[2], parameters)})"
    column, op, values = tree
    parameters += values
    marks = ", ".join("?" * len(values))
    return f"`{column}` {op} {f'({marks})' if op[0].isalpha() and values else marks}"


def holds(tree: Any, row: dict[str, Any]) -> bool:
    """Return whether a row passes, by the rules as they are written down."""
    if tree[0] == "NOT":
        return not holds(tree[1], row)
    if tree[0] in {"AND", "OR"}:
        sides = (holds(tree[1], row), holds(tree[2], row))
        return all(sides) if tree[0] == "AND" else any(sides)
    column, op, values = tree
    cell = row[column]
    if cell is None or cell in ("", []):
        return op in {"!=", "<>", "NOT IN", "HAS NONE OF", "IS NULL"}
    wanted = [value for value in values if value != ""]
    return {
        "=": lambda: cell in wanted,
        "!=": lambda: cell not in wanted,
        "<>": lambda: cell not in wanted,
        "<": lambda: bool(wanted) and cell < wanted[0],
        "<=": lambda: bool(wanted) and cell <= wanted[0],
        ">": lambda: bool(wanted) and cell > wanted[0],
        ">=": lambda: bool(wanted) and cell >= wanted[0],
        "IN": lambda: cell in wanted,
        "NOT IN": lambda: cell not in wanted,
        "HAS ANY OF": lambda: bool(set(cell) & set(values)),
        "HAS ALL OF": lambda: set(values) <= set(cell),
        "HAS NONE OF": lambda: not set(cell) & set(values),
        "IS EXACTLY": lambda: set(cell) == set(values),
        "IS NULL": lambda: False,
        "IS NOT NULL": lambda: True,
    }[op]()


@settings(deadline=None, max_examples=200)
@given(st.lists(ROW, max_size=8), TREE)
def test_any_predicate_picks_the_rows_that_pass(rows: list[dict[str, Any]], tree: Any) -> None:
    """Comparisons, sets and NULL under AND, OR and NOT, with parameters, as the rules say."""
    columns = [
        Column("n", "number"),
        Column("t"),
        Column("s", "single-select", options=OPTIONS),
        Column("m", "multiple-select", options=OPTIONS),
    ]
    base = Base("CRANTb", [Table("t", columns, [row | {"_id": f"{at:022d}"} for at, row in enumerate(rows)])])
    parameters: list[Any] = []
    sql = f"SELECT _id FROM t WHERE {text_of(tree, parameters)} ORDER BY _id"
    found = [int(row["_id"]) for row in run(base, Options(), Asked(sql, parameters))["results"]]
    assert found == [at for at, row in enumerate(rows) if holds(tree, row)]
