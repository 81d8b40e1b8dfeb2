"""Ids of any age and sort, brought to the one moment of a snapshot's version, with how sure that is.

The evidence is weighed in SQL (`ids_at`, `ids_at_all`), offline. What nothing in the warehouse decides can be
asked of a chunkedgraph that the caller hands over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import polars as pl

from crantdb.analysis.answers import Materialization, Output, framed, schema_of
from crantdb.analysis.given_ids import id_list

if TYPE_CHECKING:
    from datetime import datetime

    import duckdb
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

ASKED = "chunkedgraph"
"""The method of ids that were looked up online."""


class Online(Protocol):
    """A chunkedgraph that can be asked, such as `crantdb.sources.chunkedgraph.Chunkedgraph`."""

    def known(self, ids: ArrayLike) -> NDArray[np.bool_]:
        """Return whether each id is one of the chunkedgraph."""

    def roots_of(self, ids: ArrayLike, at: datetime) -> NDArray[np.int64]:
        """Return the root of each supervoxel, L2 id or root at a moment; 0 for ids that are none."""

    def is_latest(self, roots: ArrayLike, at: datetime) -> NDArray[np.bool_]:
        """Return whether each id was a current root at a moment."""

    def leaves(self, root: int, *, stop_layer: int | None = None) -> NDArray[np.int64]:
        """Return the supervoxels of a root, or with ``stop_layer=2`` its L2 ids."""


def ids_at(
    con: duckdb.DuckDBPyConnection,
    ids: object,
    *,
    materialization: Materialization = "latest",
    online: Online | None = None,
    output: Output = "polars",
) -> pl.DataFrame | pd.DataFrame:
    """Return what ids are called at the moment of a materialization version.

    Args:
        con: a connection of `crantdb.connect`.
        ids: one id or many, in any mix: roots of any age, supervoxels, L2 chunks, nuclei, SeaTable `_id`s; as
            integers or as text. What is missing or damaged has a row that says so.
        materialization: the version to go to: `latest` for the connection's main one, or the number of one
            that the connection holds (`connect(versions=…)`).
        online: a chunkedgraph to ask where nothing in the warehouse decides; None to stay offline.
        output: ``polars`` or ``pandas``.

    Returns:
        One row an input, in input order: ``old_id`` (as given), ``new_id`` (NULL when nothing decides), ``method``,
        ``confidence`` (0 to 1), ``changed``, ``kind``, and the ``version`` and ``as_of`` that the ids are at.

    Raises:
        NotAnId: when the ids are floats, bools or times, or in a frame: one float in an array bends every id in it.
        NoSuchSnapshot, BadArgument: as `schema_of`.
    """
    schema = schema_of(con, materialization)
    rows = _asked(con, "ids_at", id_list(ids), schema)
    if online is not None:
        rows = _online(rows, online)
    return framed(rows, output)


def ids_at_all(
    con: duckdb.DuckDBPyConnection,
    ids: object,
    *,
    materialization: Materialization = "latest",
    output: Output = "polars",
) -> pl.DataFrame | pd.DataFrame:
    """Return every root at a version's moment that holds a part of what ids stand for.

    Args:
        con: as `ids_at`.
        ids: as `ids_at`.
        materialization: as `ids_at`.
        output: as `ids_at`.

    Returns:
        One row an input, sort of evidence and root, the largest share first: ``old_id``, ``new_id``, ``method``,
        ``fraction`` (NULL where lineage names several), ``votes``, ``version``, ``as_of``.

    Raises:
        NotAnId, NoSuchSnapshot, BadArgument: as `ids_at`.
    """
    return framed(_asked(con, "ids_at_all", id_list(ids), schema_of(con, materialization)), output)


def _asked(
    con: duckdb.DuckDBPyConnection,
    macro: str,
    ids: list[int] | list[int | None] | list[str | None],
    schema: str,
) -> pl.DataFrame:
    """Return the rows of a macro for a list of ids."""
    fits = all(-(2**63) <= one < 2**63 for one in ids if isinstance(one, int))
    # Beyond int64 only text carries a number as it is; it is then told to be no id.
    given = ids if fits else [None if one is None else str(one) for one in ids]
    kind = "VARCHAR" if any(isinstance(one, str) for one in given) else "BIGINT"
    rows: pl.DataFrame = con.sql(f'FROM "{schema}".{macro}(?::{kind}[])', params=[given]).pl()
    return rows


def _online(rows: pl.DataFrame, online: Online) -> pl.DataFrame:
    """Return a mapping with what nothing in the warehouse decided looked up in the chunkedgraph, at the same moment."""
    open_rows = rows.with_row_index("row").filter(pl.col("new_id").is_null() & pl.col("method").is_null())
    texts = open_rows.get_column("old_id").cast(pl.String).str.strip_chars()
    wanted = open_rows.filter(texts.str.contains(r"^[0-9]{1,19}$").fill_null(value=False))
    numbers = [int(text) for text in wanted.get_column("old_id").cast(pl.String).str.strip_chars()]
    pairs = [(row, n) for row, n in zip(wanted.get_column("row"), numbers, strict=True) if 1 < n < 2**63]
    if not pairs:
        return rows
    ids = np.array([number for _, number in pairs], dtype=np.int64)
    found = {int(one): answer for one, answer in _looked_up(ids, rows, online).items() if answer is not None}
    answers = [(row, *found[number]) for row, number in pairs if number in found]
    told = pl.DataFrame(
        answers,
        schema={"row": pl.UInt32, "told_id": pl.Int64, "told_confidence": pl.Float64, "told_kind": pl.String},
        orient="row",
    )
    joined = rows.with_row_index("row").join(told, on="row", how="left", maintain_order="left")
    is_told = pl.col("told_id").is_not_null()
    return joined.with_columns(
        new_id=pl.coalesce("new_id", "told_id"),
        method=pl.when(is_told).then(pl.lit(ASKED)).otherwise(pl.col("method")),
        confidence=pl.when(is_told).then(pl.col("told_confidence")).otherwise(pl.col("confidence")),
        changed=pl.when(is_told).then(pl.col("told_kind") != "unchanged").otherwise(pl.col("changed")),
        kind=pl.when(is_told).then(pl.col("told_kind")).otherwise(pl.col("kind")),
    ).select(rows.columns)


def _looked_up(
    ids: NDArray[np.int64], rows: pl.DataFrame, online: Online
) -> dict[int, tuple[int, float, str] | None]:
    """Return the root, the confidence and the kind of each id, as the chunkedgraph tells."""
    from datetime import UTC  # noqa: PLC0415 - only here

    [as_of] = rows.get_column("as_of").head(1).to_list()
    at = as_of.replace(tzinfo=UTC)
    unique = np.unique(ids)
    unique = unique[online.known(unique)]
    roots, latest = online.roots_of(unique, at), online.is_latest(unique, at)
    found: dict[int, tuple[int, float, str] | None] = {}
    for one, root, is_latest in zip(unique.tolist(), roots.tolist(), latest.tolist(), strict=True):
        if is_latest:
            found[one] = (one, 1.0, "unchanged")
        elif root not in {0, one}:
            found[one] = (root, 1.0, "unchanged")
        else:
            found[one] = _by_chunks(one, at, online)
    return found


def _by_chunks(root: int, at: datetime, online: Online) -> tuple[int, float, str] | None:
    """Return the root at a moment that has most of another root: of its L2 chunks, else of its supervoxels.

    A chunk that an edit has replaced since says nothing; supervoxels never change, but are a hundred times as many.
    """
    for stop_layer in (2, None):
        leaves = online.leaves(root, stop_layer=stop_layer)
        owners, counts = np.unique(online.roots_of(leaves, at), return_counts=True)
        stands = online.is_latest(owners, at)
        counts, owners = counts[stands], owners[stands]
        if len(owners) and 2 * counts.max() > len(leaves):
            kind = "edited" if len(owners) == 1 else f"split into {len(owners)}"
            return int(owners[counts.argmax()]), float(counts.max() / len(leaves)), kind
    return None
