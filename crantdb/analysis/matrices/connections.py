"""What connects whom, and how strongly: edge lists, adjacency frames and synapses as one kind of edge list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import polars as pl

from crantdb.analysis.matrices.frames import Frame, among, as_frame, column, ids_in
from crantdb.analysis.matrices.labelled import Labelled
from crantdb.errors import BadArgument, NotAnId

if TYPE_CHECKING:
    from collections.abc import Sequence

WeightMode: TypeAlias = Literal["count", "column", "relative_outgoing", "relative_incoming"]
Scope: TypeAlias = Literal["selected", "all"]

_PAIRS = (
    ("pre", "post"),
    ("pre_root_id", "post_root_id"),
    ("pre_pt_root_id", "post_pt_root_id"),
    ("source", "target"),
    ("type.from", "type.to"),
)
_WEIGHTS = ("weight", "syn_count", "n_syn")
MODES = ("count", "column", "relative_outgoing", "relative_incoming")


@dataclass(frozen=True, eq=False, slots=True)
class Connections:
    """Who is connected to whom.

    Attributes:
        edges: `pre`, `post` (int64) and `weight`; one row a pair, or a synapse.
        sources: the neurons of the rows, beyond those in `edges` (an adjacency's rows without an output).
        targets: the neurons of the columns, likewise.
    """

    edges: pl.DataFrame
    sources: tuple[int, ...] = ()
    targets: tuple[int, ...] = ()

    def pre(self) -> set[int]:
        """Return every source."""
        return {*self.edges["pre"].to_list(), *self.sources}

    def post(self) -> set[int]:
        """Return every target."""
        return {*self.edges["post"].to_list(), *self.targets}


def read_connections(connections: Frame) -> Connections:
    """Read an edge list or an adjacency frame.

    An edge list has two columns of ids, named ``pre``/``post``, ``pre_root_id``/``post_root_id``,
    ``pre_pt_root_id``/``post_pt_root_id``, ``source``/``target`` or ``type.from``/``type.to``, and may have a
    ``weight`` (or ``syn_count``, ``n_syn``); without one each row counts 1. An adjacency frame has a row for each source and a
    column for each target, labelled by ids; in polars the first column holds the rows' ids. Pairs that come
    more than once add up.

    Raises:
        BadArgument: when it is neither, or could be read in two ways.
        NotAnId: when an id is NULL or none.
    """
    if isinstance(connections, Labelled):
        return _adjacency(connections.polars())
    if type(connections).__module__.startswith("pandas.") and _pair_in(list(connections.columns)) is None:
        return _adjacency(_with_index(connections))
    frame = as_frame(connections, "connections")
    pair = _pair_in(frame.columns)
    if pair is None:
        return _adjacency(frame)
    return Connections(_edges(frame, *pair, weight=_weight_in(frame.columns)))


def _with_index(frame: Frame) -> pl.DataFrame:
    """Return a pandas adjacency with its index as first column."""
    labels = [str(name) for name in frame.columns]
    if len(set(labels)) < len(labels):
        msg = "the adjacency has more than one column of one label"
        raise BadArgument(msg)
    named = frame.set_axis(labels, axis="columns").rename_axis(index="row").reset_index()
    return as_frame(named, "connections")


def _pair_in(columns: Sequence[object]) -> tuple[str, str] | None:
    """Return the names of the columns of ids; None when there are none."""
    found = [pair for pair in _PAIRS if set(pair) <= set(columns)]
    if len(found) > 1:
        named = " and ".join("/".join(pair) for pair in found)
        msg = f"connections could be read in two ways: as {named}. Select the columns that are meant"
        raise BadArgument(msg)
    return found[0] if found else None


def _weight_in(columns: Sequence[str]) -> str | None:
    """Return the name of the weights' column; None when there is none."""
    found = [name for name in _WEIGHTS if name in columns]
    if len(found) > 1:
        msg = (
            f"connections have {' and '.join(found)}: which is the weight? Select the columns that are meant"
        )
        raise BadArgument(msg)
    return found[0] if found else None


def _edges(frame: pl.DataFrame, pre: str, post: str, *, weight: str | None) -> pl.DataFrame:
    """Return `pre`, `post`, `weight` of an edge list."""
    weights = pl.Series([1], dtype=pl.Int64).new_from_index(0, len(frame))
    if weight is not None:
        weights = _numbers(column(frame, weight, "connections"), f"connections.{weight}")
    return pl.DataFrame(
        {
            "pre": ids_in(column(frame, pre, "connections"), f"connections.{pre}"),
            "post": ids_in(column(frame, post, "connections"), f"connections.{post}"),
            "weight": weights,
        }
    )


def _numbers(values: pl.Series, what: str) -> pl.Series:
    """Return weights as int64 or float64; a weight that is not known is refused."""
    if not values.dtype.is_numeric() and len(values):
        msg = f"{what} holds {values.dtype}, no numbers"
        raise BadArgument(msg)
    number = values.cast(pl.Float64 if values.dtype.is_float() or values.dtype.is_decimal() else pl.Int64)
    unknown = number.null_count() + (number.is_nan().sum() if number.dtype.is_float() else 0)
    if unknown:
        msg = f"{what}: {unknown:,} of {len(values):,} weights are NULL or NaN: what would they count for? Leave such rows out"
        raise BadArgument(msg)
    return number


def _adjacency(frame: pl.DataFrame) -> Connections:
    """Read an adjacency frame, whose first column holds the rows' ids."""
    try:
        rows = ids_in(frame.to_series(0), "the adjacency's rows")
        names = pl.Series("post", frame.columns[1:], dtype=pl.String)
        columns = ids_in(names, "the adjacency's columns")
    except (NotAnId, IndexError) as error:
        has = ", ".join(map(str, frame.columns[:8])) or "no column"
        known = ", ".join("/".join(pair) for pair in _PAIRS)
        msg = f"connections ({has}) are neither an edge list ({known}) nor an adjacency labelled by ids: {error}"
        raise BadArgument(msg) from error
    for what, found in (("row", rows), ("column", columns)):
        twice = found.filter(found.is_duplicated())
        if len(twice):
            msg = f"the adjacency has more than one {what} of {twice[0]}"
            raise BadArgument(msg)
    body = frame.select(frame.columns[1:])
    numbers = [_numbers(body[name], f"column {name}") for name in body.columns]
    long = pl.DataFrame(
        [
            rows.rename("pre"),
            *(values.rename(str(name)) for values, name in zip(numbers, columns, strict=True)),
        ]
    )
    edges = long.unpivot(index="pre", variable_name="post", value_name="weight").with_columns(
        pl.col("post").cast(pl.Int64)
    )
    if not len(columns):
        edges = edges.with_columns(pl.lit(0, pl.Int64).alias("weight")).head(0)
    kept = edges.filter(pl.col("weight") != 0).select("pre", "post", "weight")
    return Connections(kept, tuple(rows.to_list()), tuple(columns.to_list()))


def read_synapses(
    synapses: Frame, pre_col: str, post_col: str, *, mode: WeightMode, weight_column: str | None
) -> pl.DataFrame:
    """Read synapses: `pre`, `post`, and as `weight` what each counts for; one that comes twice (by ``id``) counts once.

    Raises:
        BadArgument: when the mode is none, it and `weight_column` do not go together, or a column is missing.
        NotAnId: when a root id is NULL or none.
    """
    if mode not in MODES:
        msg = f"weight_mode {mode!r} is none of {', '.join(MODES)}"
        raise BadArgument(msg)
    if (mode == "column") != (weight_column is not None):
        msg = f"weight_mode={mode!r} with weight_column={weight_column!r}: mode 'column' needs one, the others take none"
        raise BadArgument(msg)
    frame = as_frame(synapses, "synapses")
    if "id" in frame.columns:
        frame = frame.unique("id", keep="first", maintain_order=True)
    wanted = frame.select(
        column(frame, pre_col, "synapses").alias("pre"), column(frame, post_col, "synapses").alias("post")
    )
    if weight_column is not None:
        wanted = wanted.with_columns(column(frame, weight_column, "synapses").alias("weight"))
    return _edges(wanted, "pre", "post", weight=None if weight_column is None else "weight")


def summed(edges: pl.DataFrame) -> pl.DataFrame:
    """Return one row a pair, its weights added up."""
    return edges.group_by("pre", "post", maintain_order=True).agg(pl.col("weight").sum())


def between(edges: pl.DataFrame, sources: set[int] | None, targets: set[int] | None) -> pl.DataFrame:
    """Return the edges from some neurons to some; None: from (or to) any."""
    for name, kept in (("pre", sources), ("post", targets)):
        if kept is not None:
            edges = among(edges, name, kept)
    return edges


def relative(
    shown: pl.DataFrame, everything: pl.DataFrame, *, mode: WeightMode, scope: Scope
) -> pl.DataFrame:
    """Return pairs with their weights as shares of a neuron's total, where the mode asks for it.

    Args:
        shown: the pairs shown.
        everything: all pairs that were given.
        mode: ``relative_outgoing``: shares of the source's total; ``relative_incoming``: of the target's.
        scope: whether the totals are of the pairs shown (``selected``) or of all given (``all``).

    Raises:
        BadArgument: when the scope is none.
    """
    if scope not in {"selected", "all"}:
        msg = f"normalization_scope {scope!r} is neither 'selected' nor 'all'"
        raise BadArgument(msg)
    if mode not in {"relative_outgoing", "relative_incoming"}:
        return shown
    end = "pre" if mode == "relative_outgoing" else "post"
    totals = (
        (shown if scope == "selected" else everything)
        .group_by(end)
        .agg(pl.col("weight").sum().alias("total"))
    )
    share = pl.when(pl.col("total") == 0).then(0.0).otherwise(pl.col("weight") / pl.col("total"))
    return shown.join(totals, on=end, maintain_order="left").select("pre", "post", share.alias("weight"))
