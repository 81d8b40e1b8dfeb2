"""The body of a query: read, checked as the server checks it, and turned into DuckDB's SQL."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crantdb.sandbox.exchange import SchemaError, ServerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crantdb.sandbox.exchange import Request

Ratio = tuple[float, float, float]

# Each kind of filter and its comparison; "notin" is accepted and ignored, as by the real server.
COMPARISONS = {"greater": ">", "less": "<", "greater_equal": ">=", "less_equal": "<=", "equal": "="}
FILTERS = ("in", "notin", *COMPARISONS, "spatial", "regex")
_FILTER_FIELDS = frozenset(f"filter_{kind}_dict" for kind in FILTERS)
_ONE_TABLE_FIELDS = _FILTER_FIELDS | {"select_columns", "offset", "limit", "desired_resolution"}
_JOIN_FIELDS = _FILTER_FIELDS | {
    *("tables", "select_columns", "select_column_map", "offset", "limit"),
    *("suffixes", "suffix_map", "desired_resolution"),
}


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition: kind (a key of ``filter_<kind>_dict``), table, model column and value."""

    kind: str
    table: str
    column: str
    value: Any


@dataclass(frozen=True, slots=True)
class Query:
    """A query's body, checked.

    Attributes:
        filters: the conditions, all of which must hold.
        select: model columns by table; a table that is not named gives all its columns.
        limit: the rows the client asked for, or None.
        offset: rows to leave out first.
        resolution: nm a voxel in which points are wanted, or None for the stored one.
        tables: table and column to join on, in the order asked; empty for one table.
        suffixes: what to append to clashing names, by table.
        suffix_list: the deprecated form: suffixes in the order of the tables.
    """

    filters: tuple[Filter, ...]
    select: Mapping[str, tuple[str, ...]]
    limit: int | None
    offset: int
    resolution: Ratio | None
    tables: tuple[tuple[str, str], ...] = ()
    suffixes: Mapping[str, str] | None = None
    suffix_list: tuple[str, ...] | None = None


def read_query(request: Request, table: str | None) -> Query:
    """Return the body of a query on one table (or view), or of a join when `table` is None.

    Raises:
        ServerError: when the body is no JSON object.
        SchemaError: when it has a field that the server does not know, or one of the wrong form.
    """
    body = _json_object(request)
    _check(body, _JOIN_FIELDS if table is None else _ONE_TABLE_FIELDS)
    select = body.get("select_column_map") or {}
    if table is not None and body.get("select_columns"):
        select = {table: body["select_columns"]}
    resolution = body.get("desired_resolution")
    suffixes = body.get("suffixes")
    return Query(
        filters=_filters(body),
        select={name: tuple(names) for name, names in select.items()},
        limit=body.get("limit"),
        offset=body.get("offset") or 0,
        resolution=(resolution[0], resolution[1], resolution[2]) if resolution else None,
        tables=tuple((name, column) for name, column in body.get("tables") or ()),
        suffixes=body.get("suffix_map"),
        suffix_list=tuple(suffixes) if suffixes else None,
    )


def _json_object(request: Request) -> dict[str, Any]:
    """Return the body as a dict."""
    try:
        body = json.loads(request.body or b"{}")
    except ValueError:
        body = None
    if not isinstance(body, dict):
        msg = "400 Bad Request: The browser (or proxy) sent a request that this server could not understand."
        raise ServerError(msg)
    return body


def _check(body: dict[str, Any], known: frozenset[str]) -> None:
    """Refuse fields that the server does not know, or of the wrong form."""
    errors = {name: ["Unknown field."] for name in body if name not in known}
    for name in ("limit", "offset"):
        value = body.get(name, 0)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            errors[name] = ["Not a valid integer."]
    if "tables" in known and "tables" not in body:
        errors["tables"] = ["Missing data for required field."]
    resolution = body.get("desired_resolution")
    if resolution is not None and len(resolution) != 3:
        errors["desired_resolution"] = ["Length must be 3."]
    if errors:
        raise SchemaError(errors)


def _filters(body: dict[str, Any]) -> tuple[Filter, ...]:
    """Return all conditions of a body."""
    return tuple(
        Filter(kind, table, column, value)
        for kind in FILTERS
        for table, wanted in (body.get(f"filter_{kind}_dict") or {}).items()
        for column, value in (wanted or {}).items()
    )
