"""Connectivity by region: who talks to whom where, and how much of a neuron lies in which neuropil.

Every function reads `synapse_regions`, which `crantdb regions` makes. Regions may overlap: a synapse counts in each
region that holds it, and in ``other`` when none does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from crantdb.analysis.answers import Materialization, Output, framed, schema_of, thresholds
from crantdb.analysis.chosen import Neurons, chosen, chosen_or_all
from crantdb.errors import BadArgument, NoSuchTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import duckdb
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


def region_names(con: duckdb.DuckDBPyConnection, materialization: Materialization = "latest") -> list[str]:
    """Return the regions that synapses lie in, in order; ``other`` last.

    Raises:
        NoSuchTable: when the synapses of the version were never put into regions.
        NoSuchSnapshot: when the connection does not hold that version.
    """
    schema = schema_of(con, materialization)
    found = con.sql(
        f"SELECT DISTINCT region FROM \"{schema}\".synapse_regions ORDER BY region = 'other', region"
    ).fetchall()
    if not found:
        msg = "no synapse has a region here: run `crantdb regions FOLDER` with a folder of meshes first"
        raise NoSuchTable(msg)
    return [str(name) for (name,) in found]


def named_regions(
    con: duckdb.DuckDBPyConnection,
    regions: Iterable[str] | str | None,
    materialization: Materialization = "latest",
) -> list[str] | None:
    """Return regions as a list, or None for all.

    Raises:
        BadArgument: when one is not there, with those that are; when the list is empty, which is not all.
        NoSuchTable, NoSuchSnapshot: as `region_names`.
    """
    there = region_names(con, materialization)
    if regions is None:
        return None
    wanted = [regions] if isinstance(regions, str) else list(regions)
    if not wanted:
        msg = f"an empty list names no region; None stands for all: {', '.join(there)}"
        raise BadArgument(msg)
    unknown = [name for name in wanted if name not in there]
    if unknown:
        msg = f"no synapse lies in a region {unknown[0]!r}; regions are {', '.join(there)}"
        raise BadArgument(msg)
    return wanted


def get_region_connectivity(
    con: duckdb.DuckDBPyConnection,
    neuron_ids: Neurons | None = None,
    regions: Iterable[str] | str | None = None,
    *,
    upstream: bool = True,
    downstream: bool = True,
    threshold: int = 1,
    min_size: float | None = None,
    materialization: Materialization = "latest",
    clean: bool = True,
    update_ids: bool = True,
    output: Output = "polars",
) -> pl.DataFrame | pd.DataFrame:
    """Return the connections of neurons by region; without neurons, those of the whole brain.

    In this order: synapses smaller than `min_size` are dropped; autapses and root 0 are dropped if `clean`; then
    pairs that have fewer than `threshold` left in a region are dropped there.

    Args:
        con: a connection of `crantdb.connect`.
        neuron_ids: the neurons; None for all.
        regions: the regions; None for all, ``other`` too.
        upstream: whether to include who talks to them.
        downstream: whether to include whom they talk to.
        threshold: the fewest synapses of a pair in a region.
        min_size: the least size, as the server gives sizes; None for all.
        materialization: a version that the connection holds; `latest` is the one in `main`.
        clean: whether autapses and root 0 are dropped.
        update_ids: whether ids are first mapped to the snapshot's moment.
        output: `polars` or `pandas`.

    Returns:
        `region`, `pre`, `post`, `weight` (synapses), by region, strongest first.

    Raises:
        BadArgument: when neither direction is asked for, a region is not there, or a threshold is no number.
        NoSuchTable, NoSuchSnapshot: as `region_names`.
        NotAnId, NoMatches, QueryRefused: for neurons that are none.

    Warns:
        IdsMapped: when ids are not roots of the snapshot's moment.
    """
    if not (upstream or downstream):
        msg = "say upstream, downstream or both"
        raise BadArgument(msg)
    schema = schema_of(con, materialization)
    wanted = chosen_or_all(con, neuron_ids, schema, update_ids=update_ids)
    given = thresholds(threshold, min_size, clean=clean)
    given |= {"upstream": str(upstream).lower(), "downstream": str(downstream).lower()}
    rows = _called(
        con,
        f'"{schema}".region_connectivity',
        [wanted, named_regions(con, regions, materialization)],
        given,
        select="SELECT region, pre, post, weight",
        behind="ORDER BY region, weight DESC, pre, post",
    )
    return framed(rows, output)


def get_region_synapse_counts(
    con: duckdb.DuckDBPyConnection,
    neuron_ids: Neurons,
    regions: Iterable[str] | str | None = None,
    *,
    threshold: int = 1,
    min_size: float | None = None,
    materialization: Materialization = "latest",
    clean: bool = True,
    update_ids: bool = True,
    output: Output = "polars",
) -> pl.DataFrame | pd.DataFrame:
    """Return how many synapses and partners neurons have in each region.

    Args:
        con: a connection of `crantdb.connect`.
        neuron_ids: the neurons.
        regions: the regions; None for all, ``other`` too.
        threshold: as `get_region_connectivity`.
        min_size: as there.
        materialization: as there.
        clean: as there.
        update_ids: as there.
        output: as there.

    Returns:
        `root_id`, `region`, `out_synapses`, `in_synapses`, `downstream_partners`, `upstream_partners`: one row a
        neuron (in the order given) and region, zeros where a neuron has none.

    Raises:
        BadArgument, NoSuchTable, NoSuchSnapshot, NotAnId, NoMatches, QueryRefused: as `get_region_connectivity`.

    Warns:
        IdsMapped: when ids are not roots of the snapshot's moment.
    """
    schema = schema_of(con, materialization)
    wanted = chosen(con, neuron_ids, schema, update_ids=update_ids)
    listed = named_regions(con, regions, materialization) or region_names(con, materialization)
    found = _called(
        con,
        f'"{schema}".region_synapse_counts',
        [wanted, listed],
        thresholds(threshold, min_size, clean=clean),
    )
    neurons = pl.DataFrame({"root_id": wanted}, schema={"root_id": pl.Int64})
    order = neurons.join(pl.DataFrame({"region": listed}), how="cross", maintain_order="left_right")
    return framed(order.join(found, on=["root_id", "region"], how="left", maintain_order="left"), output)


def count_synapses_in_regions(
    con: duckdb.DuckDBPyConnection,
    neuron_ids: Neurons,
    regions: Iterable[str] | str | None = None,
    *,
    outputs: bool = True,
    output: Output = "polars",
    **thresholds_and_more: bool | float | str | None,
) -> pl.DataFrame | pd.DataFrame:
    """Return a row a neuron with a column a region: its synapses there.

    Args:
        con: a connection of `crantdb.connect`.
        neuron_ids: the neurons.
        regions: the regions; None for all, ``other`` too.
        outputs: its outgoing synapses; False: its incoming ones.
        output: `polars` or `pandas`.
        **thresholds_and_more: of `get_region_synapse_counts`.

    Returns:
        `neuron_id`, then a column for each region.

    Raises:
        BadArgument, NoSuchTable, NoSuchSnapshot, NotAnId, NoMatches, QueryRefused: as `get_region_connectivity`.
    """
    long = get_region_synapse_counts(con, neuron_ids, regions, **thresholds_and_more)  # type: ignore[arg-type]
    counted = pl.DataFrame(long).pivot(  # noqa: PD010 - polars' own
        "region", index="root_id", values="out_synapses" if outputs else "in_synapses", maintain_order=True
    )
    if not len(counted):
        materialization = thresholds_and_more.get("materialization", "latest")
        listed = named_regions(con, regions, materialization) or region_names(con, materialization)  # type: ignore[arg-type]
        counted = counted.with_columns(pl.lit(0, pl.Int64).alias(name) for name in listed)
    return framed(counted.rename({"root_id": "neuron_id"}), output)


def _called(
    con: duckdb.DuckDBPyConnection,
    macro: str,
    lists: Sequence[NDArray[np.int64] | list[str] | None],
    given: Mapping[str, str],
    *,
    select: str = "SELECT *",
    behind: str = "",
) -> pl.DataFrame:
    """Return the rows of a table macro whose first parameters are a list of roots and one of regions."""
    places = ["NULL" if values is None else "?" for values in lists]
    arguments = ", ".join([*places, *(f"{name} := {value}" for name, value in given.items())])
    bound = [
        list(values) if isinstance(values, list) else values.tolist()
        for values in lists
        if values is not None
    ]
    rows: pl.DataFrame = con.sql(f"{select} FROM {macro}({arguments}) AS answer {behind}", params=bound).pl()
    return rows
