"""A checked query turned into DuckDB's SQL: conditions, joins, columns as served, order and limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from crantdb.sandbox.exchange import ServerError
from crantdb.sandbox.query import COMPARISONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crantdb.sandbox.columns import Column
    from crantdb.sandbox.query import Filter, Query, Ratio

# What SQLAlchemy calls the type of a column; the real server puts it into one of its error messages.
_SQLALCHEMY = {"int64": "BigInteger", "int32": "Integer", "double": "Float", "bool": "Boolean"}


@dataclass(frozen=True, slots=True)
class Source:
    """One table of a query.

    Attributes:
        name: the table's name in CAVE.
        relation: its quoted name in DuckDB.
        columns: the model's columns as the version serves them.
        resolution: nm a voxel of its points.
        is_split: whether NULL ids are served as 1.
    """

    name: str
    relation: str
    columns: tuple[Column, ...]
    resolution: Ratio
    is_split: bool = False

    def column(self, name: str) -> Column:
        """Return a model column.

        Raises:
            ServerError: as the real server does for a filter on a column that is not there.
        """
        found = next((column for column in self.columns if column.name == name), None)
        if found is None:
            msg = f"'{name}'"
            raise ServerError(msg)
        return found


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with its parameters, and the header that names the columns: table → model name → served name."""

    sql: str
    parameters: tuple[Any, ...]
    column_names: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a statement takes besides the query itself.

    Attributes:
        limit: the rows at most.
        count: whether only the number of rows is wanted.
        order_seed: a number that fixes the order of the rows, or None for the order of the table.
        sample_percent: the share of the table to look at, or None for all of it.
    """

    limit: int
    count: bool = False
    order_seed: int | None = None
    sample_percent: float | None = None


def build(sources: Sequence[Source], extra: Sequence[Source], query: Query, shape: Shape) -> Statement:
    """Return the statement for a query.

    Args:
        sources: the table, or the two tables of a join in the order in which their columns are served.
        extra: tables that only filters name; the real server makes a cartesian product with them.
        query: what was asked.
        shape: limit, order and the like.

    Raises:
        ServerError: for columns that do not exist or cannot be selected or filtered so.
    """
    picked = {source.name: _picked(source, query) for source in sources}
    names = _served_names(sources, picked, query)
    every = {source.name: source for source in (*sources, *extra)}
    conditions, parameters = _conditions(every, query.filters)
    if query.tables:
        (left, left_column), (right, right_column) = query.tables
        conditions.insert(0, f"{_at(left, left_column)} = {_at(right, right_column)}")
    conditions += [f"{_at(s.name, 'valid')}" for s in sources if any(c.name == "valid" for c in s.columns)]
    selected = ["count(*) AS count"] if shape.count else _select_list(sources, names, picked, query)
    tables = ", ".join(f"{source.relation} AS {quoted(source.name)}" for source in every.values())
    sample = f" TABLESAMPLE SYSTEM ({shape.sample_percent}%)" if shape.sample_percent is not None else ""
    sql = f"SELECT {', '.join(selected)} \nFROM {tables}{sample} \n"
    sql += f"WHERE {' AND '.join(conditions)} \n" if conditions else ""
    sql += "" if shape.count or shape.order_seed is None else _order(sources, shape.order_seed)
    sql += f" LIMIT {shape.limit} OFFSET {0 if shape.count else query.offset}"
    return Statement(sql, tuple(parameters), names)


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _at(table: str, column: str) -> str:
    """Return a column of a table as an SQL expression."""
    return f"{quoted(table)}.{quoted(column)}"


def _order(sources: Sequence[Source], seed: int) -> str:
    """Return the clause that shuffles the rows by a seed."""
    rows = ", ".join(f"{quoted(source.name)}.rowid" for source in sources)
    return f"ORDER BY hash({rows}, {seed}) \n"


def _picked(source: Source, query: Query) -> tuple[Column, ...]:
    """Return the model columns to serve; a root id brings its supervoxel id with it."""
    wanted = query.select.get(source.name)
    if wanted is None:
        # A join in which only the other table's columns were asked for gives none of this one's.
        return () if query.select else source.columns
    names: dict[str, None] = {}
    for name in wanted:
        if not any(column.name == name for column in source.columns):
            msg = f"{name} not in model or models for {source.name}"
            raise ServerError(msg)
        if name.endswith("_root_id"):
            names[name.removesuffix("_root_id") + "_supervoxel_id"] = None
        names[name] = None
    present = {column.name for column in source.columns}
    picked = tuple(source.column(name) for name in names if name in present)
    if len(picked) == 1 and not query.tables and not picked[0].is_point:
        kind = _SQLALCHEMY.get(str(picked[0].type), "String")
        msg = f"'{kind}' object has no attribute 'id'"
        raise ServerError(msg)
    return picked


def _served_names(
    sources: Sequence[Source], picked: Mapping[str, tuple[Column, ...]], query: Query
) -> dict[str, dict[str, str]]:
    """Return the served name of each picked column; only names that clash get their table's suffix."""
    seen: dict[str, int] = {}
    for columns in picked.values():
        for column in columns:
            seen[column.name] = seen.get(column.name, 0) + 1
    suffixes = _suffixes(sources, query)
    return {
        name: {c.name: c.name + (suffixes.get(name, "") if seen[c.name] > 1 else "") for c in columns}
        for name, columns in picked.items()
    }


def _suffixes(sources: Sequence[Source], query: Query) -> Mapping[str, str]:
    """Return the suffix of each table: as asked by name, as asked in a list, or x and y."""
    if query.suffixes is not None:
        return query.suffixes
    if query.suffix_list is not None:
        return dict(zip((name for name, _ in query.tables), query.suffix_list, strict=False))
    return {source.name: letter for source, letter in zip(sources, ("x", "y", "z"), strict=False)}


def _select_list(
    sources: Sequence[Source],
    names: Mapping[str, Mapping[str, str]],
    picked: Mapping[str, tuple[Column, ...]],
    query: Query,
) -> list[str]:
    """Return the SQL expressions of all served columns."""
    last = next((s for s in sources if query.tables and s.name == query.tables[-1][0]), sources[0])
    wanted = query.resolution or last.resolution
    out = []
    for source in sources:
        ratio = [have / want for have, want in zip(source.resolution, wanted, strict=True)]
        for column in picked[source.name]:
            if query.tables and column.name == "superceded_id":
                continue
            out += _expressions(source, column, names[source.name][column.name], ratio)
    return out


def _expressions(source: Source, column: Column, name: str, ratio: Sequence[float]) -> list[str]:
    """Return the SQL expressions of one model column."""
    if column.is_point:
        axes = zip(column.parts, "xyz", ratio, strict=True)
        return [
            f"{_voxel(_at(source.name, part), r)} AS {quoted(f'{name}_{axis}')}" for part, axis, r in axes
        ]
    expressions = [_at(source.name, part) for part in column.parts]
    if source.is_split and column.is_segmentation:
        expressions = [f"coalesce({expression}, 1)" for expression in expressions]
    return [f"{expression} AS {quoted(name)}" for expression in expressions]


def _voxel(expression: str, ratio: float) -> str:
    """Return a coordinate as int32: rounded half to even, then scaled and truncated, wrapping on overflow."""
    whole = f"CAST({expression} AS INTEGER)"
    if ratio == 1:
        return whole
    scaled = f"trunc({whole} * CAST({ratio!r} AS DOUBLE))"
    fits = f"{scaled} BETWEEN -2147483648 AND 2147483647"
    return f"CASE WHEN {fits} THEN CAST({scaled} AS INTEGER) WHEN {whole} IS NOT NULL THEN -2147483648 END"


def _conditions(sources: Mapping[str, Source], filters: Sequence[Filter]) -> tuple[list[str], list[Any]]:
    """Return the SQL conditions of all filters, and their parameters."""
    conditions: list[str] = []
    parameters: list[Any] = []
    for wanted in filters:
        if wanted.kind == "notin":
            continue  # the client sends it, the real server reads another name: silently without effect
        column = sources[wanted.table].column(wanted.column)
        condition, values = _condition(wanted, column)
        conditions.append(condition)
        parameters += values
    return conditions, parameters


def _condition(wanted: Filter, column: Column) -> tuple[str, list[Any]]:
    """Return the SQL condition of one filter, and its parameters."""
    at = _at(wanted.table, wanted.column)
    if wanted.kind == "spatial":
        return _inside_box(wanted, column)
    if wanted.kind == "regex":
        if not pa.types.is_string(column.type):
            msg = "Regex filter is only supported on string columns"
            raise ServerError(msg)
        return f"regexp_matches({at}, ?)", [wanted.value]
    if wanted.kind == "in":
        values = [value for value in wanted.value if value is not None]
        return (f"{at} IN (SELECT unnest(?))", [values]) if values else ("false", [])
    if wanted.value is None:
        return f"{at} IS NULL", []
    return f"{at} {COMPARISONS[wanted.kind]} ?", [wanted.value]


def _inside_box(wanted: Filter, column: Column) -> tuple[str, list[Any]]:
    """Return the condition that a point lies in a box, faces included."""
    low, high = wanted.value
    if not all(a < b for a, b in zip(low, high, strict=True)):
        shown = ["[" + " ".join(f"{value:>5}" for value in corner) + "]" for corner in (low, high)]
        msg = f"min bounds: {shown[0]} must be less than max bounds: {shown[1]}"
        raise ServerError(msg)
    if not column.is_point:
        msg = f"'{column.name}' is not a spatial column"
        raise ServerError(msg)
    axes = [f"{_at(wanted.table, part)} BETWEEN ? AND ?" for part in column.parts]
    return " AND ".join(axes), [value for pair in zip(low, high, strict=True) for value in pair]
