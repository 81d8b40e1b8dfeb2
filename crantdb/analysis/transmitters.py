"""Which transmitters neurons release, from the predictions of their outgoing synapses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from crantdb.analysis.answers import Materialization, Output, framed, schema_of
from crantdb.analysis.chosen import Neurons, chosen
from crantdb.analysis.matrices.frames import as_frame
from crantdb.analysis.regions import named_regions
from crantdb.errors import BadArgument, NoMatches, NoSuchTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import duckdb
    import pandas as pd

_NO_CLASS = frozenset({"synapse_id", "weight"})
_WEIGHTS = ("weight", "cleft_score", "cleft_scores")


def transmitter_classes(
    con: duckdb.DuckDBPyConnection, materialization: Materialization = "latest"
) -> list[str]:
    """Return the classes that the imported predictions have.

    Raises:
        NoSuchTable: when none were imported.
        NoSuchSnapshot: when the connection does not hold that version.
    """
    schema = schema_of(con, materialization)
    first = con.sql(f'FROM "{schema}".nt_predictions LIMIT 1').pl()
    if not len(first):
        msg = "the snapshot has no transmitter predictions: import them with `crantdb import nt FILE`"
        raise NoSuchTable(msg)
    return [name for name in first.columns if name not in _NO_CLASS and first[name][0] is not None]


def get_transmitter_predictions(
    con: duckdb.DuckDBPyConnection,
    neuron_ids: Neurons,
    single_pred: bool = False,
    weighted: bool = True,
    neuropils: Iterable[str] | str | None = None,
    *,
    materialization: Materialization = "latest",
    clean: bool = True,
    update_ids: bool = True,
    output: Output = "polars",
) -> pl.DataFrame | pd.DataFrame:
    """Return the mean transmitter prediction of neurons over their outgoing synapses.

    Args:
        con: a connection of `crantdb.connect`.
        neuron_ids: the neurons.
        single_pred: only the likeliest class and its probability.
        weighted: synapses count by the weight (cleft score) that was imported; each as much where none was.
        neuropils: only synapses in these regions; those that begin with ``~`` are left out instead.
        materialization: a version that the connection holds; `latest` is the one in `main`.
        clean: whether autapses and synapses with root 0 are dropped.
        update_ids: whether ids are first mapped to the snapshot's moment.
        output: `polars` or `pandas`.

    Returns:
        One row a neuron, in the order given: `root_id`, a column a class, `predicted_synapses`; with `single_pred`
        `root_id`, `transmitter`, `probability`, `predicted_synapses`. NULL for a neuron without a predicted synapse.

    Raises:
        NoSuchTable: when no predictions were imported, or regions are asked for and there are none.
        BadArgument: when a region is not there, or `neuropils` names none.
        NoSuchSnapshot, NotAnId, NoMatches, QueryRefused: as every function of neurons.

    Warns:
        IdsMapped: when ids are not roots of the snapshot's moment.
    """
    schema = schema_of(con, materialization)
    classes = transmitter_classes(con, materialization)
    wanted = chosen(con, neuron_ids, schema, update_ids=update_ids)
    inside, outside = _regions(con, neuropils, materialization)
    kept = "" if clean else ", keep_autapses := true, keep_root_zero := true"
    long = con.sql(
        f'FROM "{schema}".neuron_transmitters(?, weighted := {str(weighted).lower()}, '
        f"in_regions := ?, outside_regions := ?{kept})",
        params=[wanted.tolist(), inside, outside],
    ).pl()
    order = pl.DataFrame({"root_id": wanted}, schema={"root_id": pl.Int64})
    found = _top(long) if single_pred else _wide(long, classes)
    return framed(order.join(found, on="root_id", how="left", maintain_order="left"), output)


def _regions(
    con: duckdb.DuckDBPyConnection, neuropils: Iterable[str] | str | None, materialization: Materialization
) -> tuple[list[str] | None, list[str] | None]:
    """Return the regions asked for, and those to leave out."""
    if neuropils is None:
        return None, None
    names = [neuropils] if isinstance(neuropils, str) else list(neuropils)
    outside = [name[1:] for name in names if name.startswith("~")]
    inside = [name for name in names if not name.startswith("~")]
    named_regions(con, [*inside, *outside], materialization)
    return inside or None, outside or None


def _top(long: pl.DataFrame) -> pl.DataFrame:
    """Return the likeliest class of each neuron."""
    first = long.sort("place", nulls_last=True).unique("root_id", keep="first", maintain_order=True)
    said = pl.when(pl.col("place").is_not_null()).then(pl.col("transmitter")).alias("transmitter")
    return first.select("root_id", said, "probability", "predicted_synapses")


def _wide(long: pl.DataFrame, classes: Sequence[str]) -> pl.DataFrame:
    """Return a row a neuron with a column a class."""
    each = [
        pl.col("probability").filter(pl.col("transmitter") == name).first().alias(name) for name in classes
    ]
    return long.group_by("root_id").agg(*each, pl.col("predicted_synapses").max())


def collapse_nt_predictions(
    pred: Any,  # noqa: ANN401 - a frame of any make
    single_pred: bool = False,
    weighted: bool = True,
    id_col: str | None = None,
    raise_empty: bool = True,
    *,
    classes: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Return the mean of predictions, one row a synapse, for each neuron or for all together.

    Synapses whose classes are all 0 (or NULL) have no prediction and do not count. Weighted by a column ``weight``,
    ``cleft_score`` or ``cleft_scores``; where all weights are 0 so are the means.

    Args:
        pred: a polars or pandas frame (an Arrow table, a DuckDB relation) of synapses with a column a class.
        single_pred: only the likeliest class and its probability.
        weighted: whether synapses count by their weight.
        id_col: the column of neurons; None: all synapses are of one.
        raise_empty: whether it is an error when no synapse has a prediction.
        classes: the classes' columns; by default those of CRANTb's and FlyWire's classifiers that the frame has.

    Returns:
        One row a neuron, in the order of their first synapse: `id_col`, then a column a class; with `single_pred`
        `transmitter` and `probability`. Without `id_col` one row without it. Nothing predicted: no row.

    Raises:
        BadArgument: when the frame has no class, or no weight although weighted.
        NoMatches: when no synapse has a prediction, if `raise_empty`.
    """
    frame = as_frame(pred, "pred")
    names = _classes_in(frame, classes)
    weight = next((name for name in _WEIGHTS if name in frame.columns), None)
    if weighted and weight is None:
        msg = f"weighted predictions need a column {', '.join(_WEIGHTS)}; the frame has {', '.join(frame.columns[:12])}"
        raise BadArgument(msg)
    told = frame.filter(pl.any_horizontal(pl.col(name).fill_null(0).fill_nan(0) != 0 for name in names))
    if raise_empty and not len(told):
        msg = f"none of the {len(frame):,} synapses has a transmitter prediction"
        raise NoMatches(msg)
    means = [_mean(name, weight if weighted else None) for name in names]
    if id_col is None:
        found = told.select(means) if len(told) else pl.DataFrame(schema=dict.fromkeys(names, pl.Float64))
    else:
        found = told.group_by(id_col, maintain_order=True).agg(means)
    return _likeliest(found, names) if single_pred else found


def _classes_in(frame: pl.DataFrame, given: Sequence[str] | None) -> list[str]:
    """Return the columns of classes."""
    names = [name for name in (_KNOWN if given is None else given) if name in frame.columns]
    missing = [name for name in given or () if name not in frame.columns]
    if missing or not names:
        msg = f"the frame has no column {missing[0] if missing else 'of a transmitter'!r}: {', '.join(frame.columns[:12])}"
        raise BadArgument(msg)
    return names


_KNOWN = (
    *("acetylcholine", "dopamine", "gaba", "glutamate", "histamine"),
    *("nitric_oxide", "octopamine", "peptide", "serotonin", "tyramine"),
)


def _mean(name: str, weight: str | None) -> pl.Expr:
    """Return the mean of a class, weighted or not."""
    value = pl.col(name).cast(pl.Float64)
    if weight is None:
        return value.mean().alias(name)
    total = pl.col(weight).cast(pl.Float64).sum()
    summed = (value * pl.col(weight).cast(pl.Float64)).sum()
    return pl.when(total == 0).then(0.0).otherwise(summed / total).alias(name)


def _likeliest(found: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Return the likeliest class of each row; the first by name of equal ones."""
    best = pl.concat_list(names).list.arg_max()
    kept = [name for name in found.columns if name not in names]
    chosen_name = best.replace_strict(dict(enumerate(names)), return_dtype=pl.String).alias("transmitter")
    return found.select(*kept, chosen_name, pl.max_horizontal(names).alias("probability"))
