"""Ids given are first brought to the snapshot's moment, and what became of them is said, never assumed.

An id that occurs in the snapshot is as it should be. Only the others are mapped, by whatever the warehouse knows.
"""

from __future__ import annotations

import inspect
import warnings
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from crantdb.analysis.given_ids import id_list
from crantdb.errors import NotAnId
from crantdb.ids import parse_id, whole_ids

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

MAPPING = pl.Schema(
    {
        "old_id": pl.Int64,
        "new_id": pl.Int64,
        "method": pl.String,
        "confidence": pl.Float64,
        "changed": pl.Boolean,
        "kind": pl.String,
    }
)
"""The columns of a mapping, one row an id given: `new_id` is its root at as_of, NULL when nothing tells."""


class IdsMapped(UserWarning):
    """Ids that were given are not roots of the snapshot's moment: some were mapped, some are not known at all.

    Attributes:
        mapping: one row an id that is not as given, with the columns of `MAPPING`.
    """

    def __init__(self, message: str, mapping: pl.DataFrame) -> None:
        super().__init__(message)
        self.mapping = mapping


def parsed_ids(values: object) -> NDArray[np.int64]:
    """Return ids given in any form as int64, shape (n,), in the order given, each once.

    Args:
        values: an int, text of digits, or any iterable, array or column of such.

    Raises:
        NotAnId: for a float, a bool, a missing id, text that is no number, a negative number, or beyond int64; and for
            a frame, of which one column must be chosen.
    """
    if type(values) is np.ndarray and values.dtype.kind in "iu" and (values >= 0).all():
        return each_once(whole_ids(values.ravel()))
    listed = id_list(values)
    if any(one is None for one in listed):
        msg = f"{sum(one is None for one in listed):,} of {len(listed):,} ids are missing: leave them out"
        raise NotAnId(msg)
    return each_once(np.fromiter((parse_id(one) for one in listed), np.int64, len(listed)))


def each_once(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ids each once, in the order in which they first come."""
    _, first = np.unique(ids, return_index=True)
    return ids[np.sort(first)]


def at_snapshot(con: duckdb.DuckDBPyConnection, ids: NDArray[np.int64], schema: str = "main") -> pl.DataFrame:
    """Return what ids are called at the snapshot's moment, one row an id in the order given.

    An id that occurs in `edges` or `neurons` is unchanged, and so is 0.

    Args:
        con: a connection of `crantdb.connect`.
        ids: shape (n,), each once.
        schema: the schema of the version.

    Returns:
        A frame with the columns of `MAPPING`.
    """
    here = _current(con, ids, schema)
    known = pl.DataFrame(
        {
            "old_id": ids[here],
            "new_id": ids[here],
            "method": ["identity"] * int(here.sum()),
            "confidence": [1.0] * int(here.sum()),
            "changed": [False] * int(here.sum()),
            "kind": ["unchanged"] * int(here.sum()),
        },
        schema=MAPPING,
    )
    if here.all():
        return known
    rows = pl.concat([known, _mapped(con, ids[~here], schema)])
    return in_order(ids, rows, "old_id")


def in_order(ids: NDArray[np.int64], rows: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return the row of each id, in the order of the ids; an id without one has NULLs."""
    order = pl.DataFrame({column: ids}, schema={column: pl.Int64}).with_row_index("place")
    return order.join(rows, on=column, how="left").sort("place").drop("place")


def brought_here(
    con: duckdb.DuckDBPyConnection, ids: NDArray[np.int64], schema: str = "main"
) -> NDArray[np.int64]:
    """Return the ids to ask for, each once, in the order given; warn of every one that is not as given.

    An id of which nothing is known stays as it is: it has no rows, and results say so with zeros.

    Args:
        con: a connection of `crantdb.connect`.
        ids: shape (n,), each once.
        schema: the schema of the version.

    Warns:
        IdsMapped: naming the ids that were mapped, and those that are not known.
    """
    mapping = at_snapshot(con, ids, schema)
    other = mapping.filter(pl.col("changed") | pl.col("new_id").is_null())
    if not other.height:
        return ids
    warnings.warn(IdsMapped(_words(other, ids.size, con, schema), other), stacklevel=_outside())
    asked = mapping.get_column("new_id").fill_null(mapping.get_column("old_id")).to_numpy()
    return each_once(asked.astype(np.int64))


def _current(con: duckdb.DuckDBPyConnection, ids: NDArray[np.int64], schema: str) -> NDArray[np.bool_]:
    """Tell which ids occur in the snapshot."""
    here = ids == 0
    for table, column in (
        ("edges", "pre_root_id"),
        ("edges_by_post", "post_root_id"),
        ("neurons", "root_id"),
    ):
        left = ids[~here]
        if not left.size:
            break
        query = (
            f'SELECT DISTINCT found.{column} AS root_id FROM "{schema}".{table} AS found '
            f"SEMI JOIN (SELECT unnest(?) AS root_id) AS wanted ON found.{column} = wanted.root_id"
        )
        found = con.sql(query, params=[left.tolist()]).fetchnumpy()["root_id"]
        here = here | np.isin(ids, np.asarray(found, np.int64))
    return np.asarray(here, np.bool_)


def _mapped(con: duckdb.DuckDBPyConnection, ids: NDArray[np.int64], schema: str) -> pl.DataFrame:
    """Return the mapping of ids that do not occur in the snapshot, by what the warehouse knows of them."""
    query = f'SELECT {", ".join(MAPPING)} FROM "{schema}".ids_at(?::BIGINT[])'
    rows: pl.DataFrame = con.sql(query, params=[ids.tolist()]).pl()
    return rows.cast(MAPPING)


def _words(other: pl.DataFrame, given: int, con: duckdb.DuckDBPyConnection, schema: str) -> str:
    """Say what became of ids, naming up to five of each kind."""
    [(version,)] = con.execute(f'SELECT version FROM "{schema}".snapshot').fetchall()
    moved = other.filter(pl.col("new_id").is_not_null())
    lost = other.filter(pl.col("new_id").is_null()).get_column("old_id")
    said = []
    if moved.height:
        pairs = [f"{old} → {new}" for old, new in moved.select("old_id", "new_id").iter_rows()]
        said.append(f"{moved.height} mapped to their roots at its moment: {_some(pairs)}")
    if lost.len():
        said.append(f"{lost.len()} unknown to it, counted as without synapses: {_some(list(map(str, lost)))}")
    return (
        f"of {given} id(s) given, version {version} has {other.height} under no such root: {'; '.join(said)}"
    )


def _outside() -> int:
    """Return how many calls above its caller the first one outside of crantdb is: there a warning belongs."""
    level, frame = 0, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").startswith("crantdb."):
        level, frame = level + 1, frame.f_back
    return level


def _some(words: list[str]) -> str:
    """Name up to five."""
    return ", ".join(words[:5]) + (f" and {len(words) - 5} more" if len(words) > 5 else "")
