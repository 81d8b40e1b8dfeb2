"""Calls the macros of `sql/`, and hands their rows over as polars or as pandas, ids exact in both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from crantdb.errors import BadArgument, NoSuchSnapshot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb
    import pandas as pd
    import polars as pl
    from numpy.typing import NDArray

Materialization = int | Literal["latest"]
"""Which materialization version to ask: `latest` is the one that stands in the connection's `main`."""

Output = Literal["polars", "pandas"]
"""The library whose frames a function gives."""


def schema_of(con: duckdb.DuckDBPyConnection, materialization: Materialization = "latest") -> str:
    """Return the schema in which a materialization version stands on a connection.

    Args:
        con: a connection of `crantdb.connect`.
        materialization: a version's number, or `latest` for the version in `main`.

    Raises:
        NoSuchSnapshot: when the connection does not hold that version.
        BadArgument: for anything else, such as crantpy's `live`: a snapshot is of one moment.
    """
    if materialization == "latest":
        return "main"
    if isinstance(materialization, bool) or not isinstance(materialization, (int, np.integer)):
        msg = (
            f"materialization is 'latest' or the number of a version, not {materialization!r}: a snapshot is of one "
            f"moment, so nothing here is live"
        )
        raise BadArgument(msg)
    [(main,)] = con.execute("SELECT version FROM main.snapshot").fetchall()
    if materialization == main:
        return "main"
    schema = f"v{int(materialization)}"
    found = con.execute("SELECT 1 FROM duckdb_schemas() WHERE schema_name = ?", [schema]).fetchall()
    if not found:
        msg = (
            f"the connection holds version {main} in main and no schema {schema}: connect with "
            f"versions=[{int(materialization)}]; `crantdb status` lists the versions that are kept"
        )
        raise NoSuchSnapshot(msg)
    return schema


def thresholds(threshold: int, min_size: float | None, *, clean: bool) -> dict[str, str]:
    """Return the arguments that every macro of connectivity takes, as SQL.

    Args:
        threshold: the fewest synapses of a pair that is kept.
        min_size: the least size of a synapse that is counted, None for all.
        clean: whether autapses and root 0 are dropped.

    Raises:
        BadArgument: when a threshold is not a number.
    """
    if isinstance(threshold, bool) or not isinstance(threshold, (int, np.integer)):
        msg = f"threshold is a number of synapses, not {threshold!r}"
        raise BadArgument(msg)
    given = {"min_synapses": str(int(threshold))}
    if min_size is not None:
        if isinstance(min_size, bool) or not isinstance(min_size, (int, float, np.integer, np.floating)):
            msg = f"min_size is a size as the server gives it, not {min_size!r}"
            raise BadArgument(msg)
        if not np.isfinite(min_size):
            msg = f"min_size is a size as the server gives it, not {min_size!r}"
            raise BadArgument(msg)
        given["min_size"] = repr(float(min_size))
    if not clean:
        given |= {"keep_autapses": "true", "keep_root_zero": "true"}
    return given


def call(
    con: duckdb.DuckDBPyConnection,
    macro: str,
    lists: Sequence[NDArray[np.int64] | None] = (),
    given: Mapping[str, str] | None = None,
    *,
    schema: str = "main",
    select: str = "SELECT *",
    behind: str = "",
) -> duckdb.DuckDBPyRelation:
    """Return the rows of a table macro.

    Args:
        con: a connection of `crantdb.connect`.
        macro: its name.
        lists: lists of ids for its first parameters, bound rather than written out; None becomes NULL.
        given: named arguments, as SQL of ours.
        schema: the schema of the version.
        select: what is selected, SQL of ours.
        behind: clauses behind the macro, SQL of ours.
    """
    query = _statement(macro, lists, given, schema=schema, select=select)
    return con.sql(f"{query} {behind}", params=_bound(lists))


def whole_columns(
    con: duckdb.DuckDBPyConnection,
    macro: str,
    lists: Sequence[NDArray[np.int64] | None] = (),
    given: Mapping[str, str] | None = None,
    *,
    schema: str = "main",
    columns: Sequence[str],
) -> list[NDArray[np.int64]]:
    """Return columns of a table macro that are whole numbers and never NULL: planned once, and not by way of Arrow.

    Args:
        con: a connection of `crantdb.connect`.
        macro: its name.
        lists: lists of ids for its first parameters, as `call` takes them.
        given: named arguments, as SQL of ours.
        schema: the schema of the version.
        columns: which columns.

    Returns:
        An array a column, int64, of one length.
    """
    select = f"SELECT {', '.join(columns)}"
    found = con.execute(_statement(macro, lists, given, schema=schema, select=select), _bound(lists))
    arrays = found.fetchnumpy()
    return [np.asarray(arrays[name], np.int64) for name in columns]


def _statement(
    macro: str,
    lists: Sequence[NDArray[np.int64] | None],
    given: Mapping[str, str] | None,
    *,
    schema: str,
    select: str,
) -> str:
    """Return a macro's call as SQL, a placeholder for each list."""
    places = ["NULL" if ids is None else "?" for ids in lists]
    arguments = ", ".join(places + [f"{name} := {value}" for name, value in (given or {}).items()])
    return f'{select} FROM "{schema}".{macro}({arguments}) AS answer'


def _bound(lists: Sequence[NDArray[np.int64] | None]) -> list[list[int]]:
    """Return what stands for the placeholders."""
    return [ids.tolist() for ids in lists if ids is not None]


def check_like(like: str | None) -> None:
    """Refuse to be like anything but crantpy.

    Raises:
        BadArgument: for another name.
    """
    if like not in {None, "crantpy"}:
        msg = f"like is None or 'crantpy', not {like!r}"
        raise BadArgument(msg)


def check_output(output: str) -> None:
    """Refuse libraries that frames are not given in.

    Raises:
        BadArgument: for another than polars and pandas.
    """
    if output not in get_args(Output):
        msg = f"output is 'polars' or 'pandas', not {output!r}"
        raise BadArgument(msg)


def framed(rows: pl.DataFrame, output: Output) -> pl.DataFrame | pd.DataFrame:
    """Return a frame in the library asked for.

    Raises:
        BadArgument: when that is neither polars nor pandas.
    """
    check_output(output)
    return exact_pandas(rows) if output == "pandas" else rows


def exact_pandas(rows: pl.DataFrame) -> pd.DataFrame:
    """Return a frame as pandas; whole numbers beside a NULL become pandas' Int64, never floats; moments stay moments."""
    import pandas as pd  # noqa: PLC0415 - heavy, and only here
    import polars as pl  # noqa: PLC0415 - as above

    columns: dict[str, object] = {}
    for column in rows.iter_columns():
        if column.dtype.is_integer() and column.null_count():
            missing = column.is_null().to_numpy()
            values = column.fill_null(0).to_numpy()
            columns[column.name] = pd.arrays.IntegerArray(values.copy(), missing.copy())
        elif column.dtype.is_numeric() or (column.dtype == pl.Boolean and not column.null_count()):
            columns[column.name] = column.to_numpy().copy()
        elif column.dtype.is_temporal():
            columns[column.name] = column.to_pandas()
        else:
            columns[column.name] = pd.Series(column.to_list(), dtype=object)
    return pd.DataFrame(columns, columns=rows.columns)
