"""Choosing neurons as crantpy does: by their annotations, field by field."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from crantdb.analysis.predicate import columns_of, matching, no_such_column
from crantdb.errors import BadArgument, NoMatches, NotAnId, QueryRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb
    from numpy.typing import NDArray

_TEXT = "VARCHAR"
_SHOWN = 5
"""How many values of a field an error names."""


@dataclass(frozen=True, slots=True, init=False)
class NeuronCriteria:
    """Neurons by the fields of their annotations: ``NeuronCriteria(cell_class="ER", side="left")``.

    A row of `annotations` matches when every field does. A field's value is one value, or a list, array or series of
    them, any of which will do; None, alone or in a list, asks for rows without a value. Text is compared whole and
    without regard to case:

    - `exact=False` looks for the value anywhere in the text (as it stands, not as a pattern);
    - `case=True` tells upper from lower case;
    - `regex=True` looks for a pattern anywhere in the text (DuckDB's RE2: no look-around, no back-references).

    A field that holds a list (status, region, …) matches when any of its elements does by the same rules; with
    `match_all`, when every given value finds an element. Numbers, dates and checkboxes are compared as they are.

    Attributes:
        criteria: the fields and their values.
        regex: whether values are patterns.
        case: whether case matters.
        match_all: whether a list must match all values.
        exact: whether the whole text must match.
    """

    criteria: Mapping[str, Any] = field(default_factory=dict)
    regex: bool = False
    case: bool = False
    match_all: bool = False
    exact: bool = True

    def __init__(
        self,
        *,
        regex: bool = False,
        case: bool = False,
        match_all: bool = False,
        exact: bool = True,
        **criteria: Any,  # noqa: ANN401 - text, number, date, bool, None, or a list of such
    ) -> None:
        fields = MappingProxyType({name: _kept(value) for name, value in criteria.items()})
        values = {"regex": regex, "case": case, "match_all": match_all, "exact": exact}
        for name, value in (values | {"criteria": fields}).items():
            object.__setattr__(self, name, value)

    def get_roots(self, con: duckdb.DuckDBPyConnection, schema: str = "main") -> NDArray[np.int64]:
        """Return the root ids at as_of of the neurons that match, shape (n,), ascending, each once.

        Args:
            con: a connection of `crantdb.connect`.
            schema: the schema of the version.

        Raises:
            BadArgument: for a field that annotations do not have; the message names near ones.
            NoMatches: when no neuron matches.
            NotAnId: for a float where an id belongs.
            QueryRefused: when a value cannot be compared with its field, or is no regular expression.
        """
        columns = columns_of(con, "annotations", schema)
        for name in self.criteria:
            if name not in columns:
                raise BadArgument(no_such_column(name, columns))
        values: list[object] = []
        conditions = [self._condition(name, columns[name], values) for name in self.criteria]
        parts = ["root_id IS NOT NULL", "root_id <> 0", *conditions]
        query = f'SELECT DISTINCT root_id FROM "{schema}".annotations WHERE {" AND ".join(parts)} ORDER BY root_id'
        found = matching(con, query, str(self), values)
        if not len(found):
            msg = f"no annotation of a neuron matches {self}: {self._why(con, schema, columns)}"
            raise NoMatches(msg)
        return found

    def __str__(self) -> str:
        """Write the criteria as they would be typed."""
        given = [f"{name}={value!r}" for name, value in self.criteria.items()]
        flags = ("regex", "case", "match_all") if self.exact else ("regex", "case", "match_all", "exact")
        given += [f"{name}={getattr(self, name)}" for name in flags if getattr(self, name) or name == "exact"]
        return f"NeuronCriteria({', '.join(given)})"

    def _condition(self, name: str, kind: str, values: list[object]) -> str:
        """Return the condition of one field; its values go behind those of the others."""
        column, value = '"' + name + '"', self.criteria[name]
        given = list(value) if isinstance(value, tuple) else [value]
        if not given:
            msg = f"{name}: an empty list matches nothing; leave the field out to match everything"
            raise BadArgument(msg)
        wanted = [_comparable(name, kind, one) for one in given if one is not None]
        tests = [self._matches(name, column, kind, one, values) for one in wanted]
        tests += [f"{column} IS NULL"] if len(wanted) < len(given) else []
        return f"({(' AND ' if self.match_all and kind.endswith('[]') else ' OR ').join(tests)})"

    def _matches(self, name: str, column: str, kind: str, value: object, values: list[object]) -> str:
        """Return the condition that a field matches one value."""
        if kind.endswith("[]"):
            return f"len(list_filter({column}, lambda part: {self._test(name, 'part', value, values)})) > 0"
        if kind == _TEXT:
            return self._test(name, column, value, values)
        values.append(value)
        return f"{column} = ?"

    def _test(self, name: str, text: str, value: object, values: list[object]) -> str:
        """Return the condition that a text matches one value."""
        if not str(value) and (self.regex or not self.exact):
            msg = f"{name}: an empty text is in every text; None asks for rows without a value"
            raise BadArgument(msg)
        values.append(str(value))
        if self.regex:
            return f"regexp_matches({text}, ?, '{'c' if self.case else 'i'}')"
        left, right = (text, "?") if self.case else (f"lower({text})", "lower(?)")
        return f"{left} = {right}" if self.exact else f"contains({left}, {right})"

    def _why(self, con: duckdb.DuckDBPyConnection, schema: str, columns: Mapping[str, str]) -> str:
        """Say which field nothing matches, and what it has; or that all fields match something, but no row all."""
        for name in self.criteria:
            values: list[object] = []
            condition = self._condition(name, columns[name], values)
            query = f'SELECT 1 FROM "{schema}".annotations WHERE root_id > 0 AND {condition} LIMIT 1'
            if not con.execute(query, values).fetchall():
                return _what_there_is(con, schema, name, columns[name], self.criteria[name])
        return "each field matches some, and no row all of them together"


def _kept(value: object) -> object:
    """Return a field's value as Python has it: one value, or a tuple of all that a list, array or series holds."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        return value
    return tuple(_kept(one) for one in value)


def _comparable(name: str, kind: str, value: object) -> object:
    """Return a value as it can be compared with a field; whole numbers as such.

    Raises:
        BadArgument: for NaN, which is neither a value nor None.
        NotAnId: for a float, or text of one, where an id belongs.
        QueryRefused: for other text there.
    """
    if isinstance(value, float) and value != value:  # noqa: PLR0124 - only NaN is not itself
        msg = f"{name}: NaN is no value; None asks for rows without one"
        raise BadArgument(msg)
    if kind != "BIGINT" or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    text = str(value).strip()
    if text.removeprefix("-").isdigit():
        return int(text)
    try:
        float(text)
    except ValueError:
        msg = f"{name} holds whole numbers, which {value!r} is not"
        raise QueryRefused(msg) from None
    msg = f"{name}: a float beside an id bends it into a neighbour's; write a whole number, not {value!r}"
    raise NotAnId(msg)


def _what_there_is(con: duckdb.DuckDBPyConnection, schema: str, name: str, kind: str, asked: object) -> str:
    """Say what values a field has: those near to what was asked for, else the most frequent."""
    each = f'unnest("{name}")' if kind.endswith("[]") else f'"{name}"'
    query = (
        f'SELECT one::VARCHAR AS shown, count(*) FROM (SELECT {each} AS one FROM "{schema}".annotations '
        f"WHERE root_id > 0) WHERE one IS NOT NULL GROUP BY shown ORDER BY count(*) DESC, shown LIMIT 5000"
    )
    counts = dict(con.execute(query).fetchall())
    if not counts:
        return f"{name} has no value in any annotation"
    folded = {text.casefold(): text for text in reversed(counts)}
    wanted = [str(one).casefold() for one in (asked if isinstance(asked, tuple) else (asked,))]
    near = [folded[hit] for one in wanted for hit in difflib.get_close_matches(one, folded, n=3, cutoff=0.6)]
    shown = list(dict.fromkeys(near))[:_SHOWN] or list(counts)[:_SHOWN]
    more = len(counts) - len(shown)
    return f"{name} is {', '.join(f'{text} ({counts[text]:,})' for text in shown)}" + (
        f" and {more:,} others" if more else ""
    )
