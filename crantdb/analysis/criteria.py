"""Choosing neurons as crantpy does: by their annotations, field by field."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from crantdb.analysis.predicate import columns_of, matching, no_such_column
from crantdb.errors import BadArgument, NoMatches, NotAnId

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb
    import numpy as np
    from numpy.typing import NDArray

_TEXT = "VARCHAR"


@dataclass(frozen=True, slots=True, init=False)
class NeuronCriteria:
    """Neurons by the fields of their annotations: ``NeuronCriteria(cell_class="ER", side="left")``.

    A row of `annotations` matches when every field does. A field's value is one value or a list of them, any of
    which will do; None asks for rows without a value. Text is compared whole and without regard to case:

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
        values = {"regex": regex, "case": case, "match_all": match_all, "exact": exact}
        for name, value in (values | {"criteria": MappingProxyType(criteria)}).items():
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
        values: list[object] = []
        parts = ["root_id IS NOT NULL", "root_id <> 0"]
        for name, value in self.criteria.items():
            if name not in columns:
                raise BadArgument(no_such_column(name, columns))
            parts.append(self._condition(name, columns[name], value, values))
        query = f'SELECT DISTINCT root_id FROM "{schema}".annotations WHERE {" AND ".join(parts)} ORDER BY root_id'
        found = matching(con, query, str(self), values)
        if not len(found):
            msg = f"no annotation of a neuron matches {self}. `crantdb types --level cell_class` lists what there is"
            raise NoMatches(msg)
        return found

    def __str__(self) -> str:
        """Write the criteria as they would be typed."""
        given = [f"{name}={value!r}" for name, value in self.criteria.items()]
        flags = ("regex", "case", "match_all") if self.exact else ("regex", "case", "match_all", "exact")
        given += [f"{name}={getattr(self, name)}" for name in flags if getattr(self, name) or name == "exact"]
        return f"NeuronCriteria({', '.join(given)})"

    def _condition(self, name: str, kind: str, value: object, values: list[object]) -> str:
        """Return the condition of one field; its values go behind those of the others."""
        column = '"' + name + '"'
        if value is None:
            return f"{column} IS NULL"
        wanted = list(value) if isinstance(value, (list, tuple, set, frozenset)) else [value]
        if not wanted:
            msg = f"{name}: an empty list matches nothing; leave the field out to match everything"
            raise BadArgument(msg)
        if kind.endswith("[]"):
            found = [
                f"len(list_filter({column}, lambda part: {self._test('part', one, values)})) > 0"
                for one in wanted
            ]
            return f"({(' AND ' if self.match_all else ' OR ').join(found)})"
        if kind == _TEXT:
            return f"({' OR '.join(self._test(column, one, values) for one in wanted)})"
        if kind == "BIGINT" and any(isinstance(one, float) for one in wanted):
            msg = f"{name}: a float beside an id bends it into a neighbour's; write a whole number, not {value!r}"
            raise NotAnId(msg)
        values.extend(wanted)
        return f"{column} IN ({', '.join('?' for _ in wanted)})"

    def _test(self, text: str, value: object, values: list[object]) -> str:
        """Return the condition that a text matches one value."""
        values.append(str(value))
        if self.regex:
            return f"regexp_matches({text}, ?, '{'c' if self.case else 'i'}')"
        left, right = (text, "?") if self.case else (f"lower({text})", "lower(?)")
        return f"{left} = {right}" if self.exact else f"contains({left}, {right})"
