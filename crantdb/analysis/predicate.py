"""Choosing neurons by a predicate of SQL: parsed, checked to be a predicate and nothing else, then asked."""

from __future__ import annotations

import difflib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crantdb.errors import QueryRefused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import duckdb
    from numpy.typing import NDArray
    from sqlglot import exp

_ALLOWED = (
    *("And", "Or", "Not", "Paren", "EQ", "NEQ", "GT", "GTE", "LT", "LTE", "Is", "In", "Between"),
    *("Like", "ILike", "Escape", "RegexpLike", "RegexpILike", "StartsWith", "EndsWith", "Contains"),
    *(
        "NullSafeEQ",
        "NullSafeNEQ",
        "ArrayContains",
        "ArrayContainsAll",
        "ArrayOverlaps",
        "Array",
        "ArraySize",
    ),
    *("Lower", "Upper", "Length", "Trim", "Coalesce", "Neg", "Tuple", "Cast", "DataType"),
    *("Column", "Identifier", "Literal", "Boolean", "Null", "DataTypeParam", "RegexpFullMatch"),
)
"""What may stand in a predicate, by sqlglot's names: comparisons, logic, and a few functions of text and lists."""

_FUNCTIONS = frozenset({"list_contains", "list_has_any", "list_has_all", "regexp_full_match", "len"})
_TIMES = frozenset({"DATE", "TIMESTAMP", "TIMESTAMPNTZ", "TIMESTAMPTZ"})
_LOGIC = frozenset({"And", "Or", "Not", "Paren"})


@dataclass(frozen=True, slots=True)
class Where:
    """Neurons by a predicate over the columns of `neurons`, e.g. ``Where("cell_class = 'ER' AND side = 'left'")``.

    Attributes:
        text: the predicate: comparisons, AND, OR, NOT, IN, BETWEEN, LIKE, IS NULL, regular expressions
            (`regexp_matches`), and `list_contains(status, '…')` for lists. No subquery, no other function.
    """

    text: str

    def get_roots(self, con: duckdb.DuckDBPyConnection, schema: str = "main") -> NDArray[np.int64]:
        """Return the root ids at as_of of the neurons for which the predicate holds, shape (n,), ascending.

        Args:
            con: a connection of `crantdb.connect`.
            schema: the schema of the version.

        Raises:
            QueryRefused: when the text is no predicate, or names a column that `neurons` does not have.
        """
        condition, parts = checked(self.text, columns_of(con, "neurons", schema))
        _check_parts(con, parts, self.text, schema)
        query = f'SELECT root_id FROM "{schema}".neurons WHERE {condition} ORDER BY root_id'
        return matching(con, query, self.text)


def matching(
    con: duckdb.DuckDBPyConnection, query: str, said: str, values: list[object] | None = None
) -> NDArray[np.int64]:
    """Run a query for root ids; what DuckDB cannot compare is an error about the words that asked for it.

    Args:
        con: a connection of `crantdb.connect`.
        query: selects one column of ids without NULL.
        said: the words of the user that the query was made from.
        values: values for the query's parameters.

    Raises:
        QueryRefused: when DuckDB does not understand it, e.g. text that should be a number.
    """
    with _said(said):
        [ids] = con.sql(query, params=values or []).fetchnumpy().values()
    return np.asarray(ids, np.int64)


@contextmanager
def _said(words: str) -> Iterator[None]:
    """Turn what DuckDB cannot do into an error about the words that asked for it.

    Raises:
        QueryRefused: with the words and DuckDB's reason.
    """
    import duckdb as engine  # noqa: PLC0415 - its error class only

    try:
        yield
    except engine.Error as error:
        msg = f"{words!r} cannot be asked: {str(error).splitlines()[0]}"
        raise QueryRefused(msg) from error


def columns_of(con: duckdb.DuckDBPyConnection, table: str, schema: str) -> dict[str, str]:
    """Return the columns of a relation and their DuckDB types."""
    relation = con.sql(f'FROM "{schema}".{table} LIMIT 0')
    return dict(zip(relation.columns, map(str, relation.types), strict=True))


def checked(text: str, columns: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return a predicate as DuckDB is to read it: parsed, every part of it known, every column quoted.

    Args:
        text: as the user wrote it.
        columns: the columns it may name, and their types.

    Returns:
        The predicate, and the conditions in it that AND, OR and NOT join: each must be true or false by itself.

    Raises:
        QueryRefused: when it is not one predicate over these columns.
    """
    found = _parsed(text)
    for node in found.walk():
        _check(node, text, columns)
    parts = list(_conditions(found))
    for part in parts:
        _check_ids(part)
    return _written(found), [_written(part) for part in parts]


def _written(node: exp.Expression) -> str:
    """Return a part of a predicate as DuckDB is to read it."""
    return str(node.sql(dialect="duckdb", identify=True, comments=False))


def _conditions(node: exp.Expression) -> Iterator[exp.Expression]:
    """Yield the conditions that AND, OR, NOT and parentheses join."""
    if type(node).__name__ not in _LOGIC:
        yield node
        return
    for part in node.iter_expressions():
        yield from _conditions(part)


def _check_parts(con: duckdb.DuckDBPyConnection, parts: list[str], text: str, schema: str) -> None:
    """Refuse a condition that is neither true nor false, which DuckDB would take for true when it is not 0.

    Raises:
        QueryRefused: naming it.
    """
    with _said(text):
        kinds = con.sql(f'SELECT {", ".join(parts)} FROM "{schema}".neurons LIMIT 0').types
    for part, kind in zip(parts, kinds, strict=True):
        if str(kind) != "BOOLEAN":
            shown = part.replace('"', "")
            msg = f"in {text!r}, {shown} is no yes or no: compare it with something, such as side = 'left'"
            raise QueryRefused(msg)


def _parsed(text: str) -> exp.Expression:
    """Parse a text as one condition."""
    import sqlglot  # noqa: PLC0415 - takes a moment, and most calls need none
    from sqlglot import errors  # noqa: PLC0415 - as above

    try:
        [found] = sqlglot.parse(text, dialect="duckdb")
    except (errors.SqlglotError, ValueError) as error:
        msg = f"{text!r} is not a predicate, such as \"cell_class = 'ER' AND side = 'left'\""
        raise QueryRefused(msg) from error
    if found is None:
        msg = "the predicate is empty; one is, e.g., \"cell_class = 'ER'\""
        raise QueryRefused(msg)
    return found


def _check(node: exp.Expression, text: str, columns: Mapping[str, str]) -> None:
    """Refuse a part of a predicate that is not one of those known to be harmless."""
    kind = type(node).__name__
    if kind == "Anonymous" and str(node.name).lower() in _FUNCTIONS:
        return
    if kind not in _ALLOWED:
        what = f"the function {node.name}" if kind == "Anonymous" else kind.lower()
        msg = (
            f"a predicate compares columns of neurons with values (AND, OR, NOT, IN, LIKE, regexp_matches, "
            f"list_contains); {what} in {text!r} is none of that. For anything else use `crantdb sql`"
        )
        raise QueryRefused(msg)
    if kind == "Column":
        _check_column(node, columns)
    if kind == "DataType" and str(node.this.value) not in _TIMES:
        msg = f"in {text!r}, only dates and times may be cast; ids and text are compared as they are"
        raise QueryRefused(msg)


def _check_ids(condition: exp.Expression) -> None:
    """Refuse a condition that compares an id with a fraction, or with text of one: DuckDB would round it."""
    nodes = list(condition.walk())
    ids = [node.name for node in nodes if node.key == "column" and node.name.casefold().endswith("_id")]
    bent = [str(node.this) for node in nodes if node.key == "literal" and _is_fraction(str(node.this))]
    if ids and bent:
        msg = f"{bent[0].strip()} beside {ids[0]} would bend ids: write a whole number"
        raise QueryRefused(msg)


def _is_fraction(text: str) -> bool:
    """Tell whether a literal is a number other than digits alone."""
    if text.strip().isdigit():
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True


def _check_column(node: exp.Expression, columns: Mapping[str, str]) -> None:
    """Refuse a column that is not there, naming near ones."""
    if len(node.parts) > 1:
        msg = f"name the column alone: {node.name}, not {node.sql()}"
        raise QueryRefused(msg)
    if node.name.casefold() in {name.casefold() for name in columns}:
        return
    raise QueryRefused(no_such_column(node.name, columns) + ". Text stands in single quotes: 'ER'")


def no_such_column(name: str, columns: Mapping[str, str]) -> str:
    """Return the words for a column that is not there, with near ones."""
    near = difflib.get_close_matches(name.casefold(), columns, n=3, cutoff=0.5)
    if len(name) > 2:
        near += [column for column in columns if name.casefold() in column.casefold() and column not in near]
    hint = f"; did you mean {' or '.join(near[:3])}?" if near else f"; there are {', '.join(columns)}"
    return f"neurons have no field {name!r}{hint}"
