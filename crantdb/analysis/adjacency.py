"""How much each neuron talks to each other one, as a matrix: dense for tens, sparse for thousands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from crantdb.analysis.answers import (
    Materialization,
    Output,
    check_like,
    check_output,
    schema_of,
    thresholds,
    whole_columns,
)
from crantdb.analysis.chosen import Neurons, chosen_or_all
from crantdb.analysis.mapping import each_once
from crantdb.errors import BadArgument

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb
    import pandas as pd
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

MOST_CELLS = 2_000_000_000
"""A dense matrix of more cells is refused: 16 GB, and 45,000 neurons."""


@dataclass(frozen=True, slots=True)
class SparseAdjacency:
    """A matrix of synapses from neurons (rows) to neurons (columns), zeros not stored.

    Attributes:
        matrix: a `scipy.sparse.csr_array` of int64, shape (len(pre_ids), len(post_ids)).
        pre_ids: root ids of the rows, int64.
        post_ids: root ids of the columns, int64.
    """

    matrix: csr_array
    pre_ids: NDArray[np.int64]
    post_ids: NDArray[np.int64]

    def among(
        self, pre_ids: NDArray[np.int64] | None = None, post_ids: NDArray[np.int64] | None = None
    ) -> SparseAdjacency:
        """Return the part of the matrix that some neurons have: of one in memory, for a question after the other.

        ``whole = sparse_adjacency(con)`` is the brain's; ``whole.among(ids, ids)`` is that of a few thousand neurons.

        Args:
            pre_ids: root ids of the rows, int64, each once, in the order wanted; None for all there are. One that the
                matrix does not have gets zeros.
            post_ids: the same for the columns.
        """
        pre = self.pre_ids if pre_ids is None else pre_ids
        post = self.post_ids if post_ids is None else post_ids
        rows, columns = _places(pre, self.pre_ids), _places(post, self.post_ids)
        there = np.flatnonzero(rows >= 0)
        found = self.matrix[rows[there]].tocoo()
        asked = np.full(len(self.post_ids), -1, np.intp)
        asked[columns[columns >= 0]] = np.flatnonzero(columns >= 0)
        kept = asked[found.col] >= 0
        places = (there[found.row[kept]], asked[found.col[kept]])
        return SparseAdjacency(_csr(found.data[kept], places, (len(pre), len(post))), pre, post)

    def to_polars(self) -> pl.DataFrame:
        """Return the matrix as a frame: `pre`, then one column a post root id, named by its digits.

        Raises:
            BadArgument: when it would not fit into memory.
        """
        check_cells(len(self.pre_ids), len(self.post_ids))
        dense = self.matrix.toarray(order="F")
        columns = {str(root): dense[:, place] for place, root in enumerate(self.post_ids.tolist())}
        return pl.DataFrame({"pre": self.pre_ids} | columns)

    def to_pandas(self) -> pd.DataFrame:
        """Return the matrix as pandas has it: root ids (int64) as index `pre` and columns `post`.

        Raises:
            BadArgument: when it would not fit into memory.
        """
        check_cells(len(self.pre_ids), len(self.post_ids))
        import pandas as pd  # noqa: PLC0415 - heavy, and only here

        return pd.DataFrame(
            self.matrix.toarray(),
            index=pd.Index(self.pre_ids, name="pre"),
            columns=pd.Index(self.post_ids, name="post"),
            copy=False,
        )


def check_cells(rows: int, columns: int) -> None:
    """Refuse a dense matrix that would not fit into memory.

    Raises:
        BadArgument: when it has more than `MOST_CELLS`.
    """
    cells = rows * columns
    if cells > MOST_CELLS:
        msg = (
            f"{rows:,} x {columns:,} neurons would take {8 * cells / 1e9:,.0f} GB: choose neurons or types, or take "
            f"crantdb.sparse_adjacency"
        )
        raise BadArgument(msg)


def get_adjacency(
    con: duckdb.DuckDBPyConnection,
    pre_ids: Neurons | None = None,
    post_ids: Neurons | None = None,
    threshold: int = 1,
    *,
    min_size: float | None = None,
    materialization: Materialization = "latest",
    symmetric: bool = False,
    clean: bool = True,
    update_ids: bool = True,
    like: Literal["crantpy"] | None = None,
    output: Output = "polars",
) -> pl.DataFrame | pd.DataFrame:
    """Return how many synapses each of some neurons has onto each of others, as a matrix with every cell.

    Rows and columns are the neurons asked for, in the order given, zeros where there is nothing. A side that is not
    given holds the neurons that turn up there, ascending. For thousands of neurons take `sparse_adjacency`.

    Args:
        con: a connection of `crantdb.connect`.
        pre_ids: the neurons that tell (rows); None for all.
        post_ids: the neurons that hear (columns); None for all.
        threshold: the fewest synapses of a pair.
        min_size: the least size, as the server gives sizes; None for all.
        materialization: a version that the connection holds; `latest` is the one in `main`.
        symmetric: the same neurons on both sides: all of both. The values are those asked for, not mirrored.
        clean: whether autapses and root 0 are dropped.
        update_ids: whether ids are first mapped to the snapshot's moment.
        like: `crantpy` for its shape: pandas, only the neurons that turn up, ascending; with nothing found, all.
        output: `polars` (a column `pre`, then a column a neuron) or `pandas` (ids as index and columns).

    Raises:
        BadArgument: when a threshold is no number, `like` or `output` is none of those, or the matrix would not fit
            into memory.
        NoSuchSnapshot: when the connection does not hold that version.
        NotAnId, NoMatches, QueryRefused: for neurons that are none.

    Warns:
        IdsMapped: when ids are not roots of the snapshot's moment.
    """
    check_like(like)
    check_output(output)
    found = sparse_adjacency(
        con,
        pre_ids,
        post_ids,
        threshold,
        min_size=min_size,
        materialization=materialization,
        symmetric=symmetric,
        clean=clean,
        update_ids=update_ids,
    )
    if like == "crantpy":
        return _like_crantpy(found, symmetric=symmetric).to_pandas()
    return found.to_polars() if output == "polars" else found.to_pandas()


def sparse_adjacency(
    con: duckdb.DuckDBPyConnection,
    pre_ids: Neurons | None = None,
    post_ids: Neurons | None = None,
    threshold: int = 1,
    *,
    min_size: float | None = None,
    materialization: Materialization = "latest",
    symmetric: bool = False,
    clean: bool = True,
    update_ids: bool = True,
) -> SparseAdjacency:
    """Return what `get_adjacency` returns as a sparse matrix with its ids: for thousands of neurons, or the brain.

    Args:
        con: a connection of `crantdb.connect`.
        pre_ids: the neurons that tell (rows); None for all.
        post_ids: the neurons that hear (columns); None for all.
        threshold: the fewest synapses of a pair.
        min_size: the least size, as the server gives sizes; None for all.
        materialization: a version that the connection holds; `latest` is the one in `main`.
        symmetric: the same neurons on both sides: all of both.
        clean: whether autapses and root 0 are dropped.
        update_ids: whether ids are first mapped to the snapshot's moment.

    Raises:
        BadArgument, NoSuchSnapshot, NotAnId, NoMatches, QueryRefused: as `get_adjacency`.

    Warns:
        IdsMapped: when ids are not roots of the snapshot's moment.
    """
    schema = schema_of(con, materialization)
    pre = chosen_or_all(con, pre_ids, schema, update_ids=update_ids)
    same = post_ids is pre_ids
    post = pre if same else chosen_or_all(con, post_ids, schema, update_ids=update_ids)
    given = thresholds(threshold, min_size, clean=clean)
    return matrix_of(
        con, pre, post, given, schema=schema, symmetric=symmetric and not (same and pre is not None)
    )


def matrix_of(
    con: duckdb.DuckDBPyConnection,
    pre: NDArray[np.int64] | None,
    post: NDArray[np.int64] | None,
    given: Mapping[str, str],
    *,
    schema: str = "main",
    symmetric: bool = False,
) -> SparseAdjacency:
    """Return the matrix of roots at the snapshot's moment.

    Args:
        con: a connection of `crantdb.connect`.
        pre: the roots of the rows, each once; None for those that turn up.
        post: the roots of the columns, each once; None for those that turn up.
        given: further arguments of the macro `adjacency`, as SQL of ours.
        schema: the schema of the version.
        symmetric: all of both on both sides.
    """
    # A list of few on the hearing side alone is found fastest in the form that is sorted by it.
    macro, lists = ("upstream", [post]) if pre is None and post is not None else ("adjacency", [pre, post])
    columns = ("pre", "post", "weight")
    tells, hears, weights = whole_columns(con, macro, lists, given, schema=schema, columns=columns)
    pre_axis = np.unique(tells) if pre is None else pre
    post_axis = np.unique(hears) if post is None else post
    if symmetric:
        pre_axis = post_axis = each_once(np.concatenate([pre_axis, post_axis]))
    return _matrix((tells, hears, weights), pre_axis, post_axis)


def _matrix(
    pairs: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    pre_axis: NDArray[np.int64],
    post_axis: NDArray[np.int64],
) -> SparseAdjacency:
    """Return the matrix of pairs, each of which is on both axes."""
    tells, hears, weights = pairs
    places = (_places(tells, pre_axis), _places(hears, post_axis))
    return SparseAdjacency(_csr(weights, places, (len(pre_axis), len(post_axis))), pre_axis, post_axis)


def _csr(
    weights: NDArray[np.int64], places: tuple[NDArray[np.intp], NDArray[np.intp]], shape: tuple[int, int]
) -> csr_array:
    """Return a sparse matrix of weights at places."""
    from scipy.sparse import csr_array  # noqa: PLC0415 - heavy, and only here

    return csr_array((weights, places), shape=shape, dtype=np.int64)


def _places(ids: NDArray[np.int64], axis: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the place of each id on an axis, -1 where the axis does not have it."""
    if not len(axis):
        return np.full(len(ids), -1, np.intp)
    order = None if (axis[1:] > axis[:-1]).all() else np.argsort(axis, kind="stable")
    found = np.minimum(np.searchsorted(axis, ids, sorter=order), len(axis) - 1)
    places = found if order is None else order[found]
    return np.where(axis[places] == ids, places, -1)


def _like_crantpy(found: SparseAdjacency, *, symmetric: bool) -> SparseAdjacency:
    """Return a matrix without the neurons that have nothing in it, ascending; an empty one keeps all."""
    pre_order, post_order = np.argsort(found.pre_ids), np.argsort(found.post_ids)
    if found.matrix.nnz:
        tells, hears = np.diff(found.matrix.indptr) > 0, np.diff(found.matrix.tocsc().indptr) > 0
        if symmetric:
            tells = hears = tells | hears
        pre_order, post_order = pre_order[tells[pre_order]], post_order[hears[post_order]]
    matrix = found.matrix[pre_order][:, post_order]
    return SparseAdjacency(matrix, found.pre_ids[pre_order], found.post_ids[post_order])
