"""Who talks to neurons and whom they talk to, pair by pair, and how many synapses and partners they have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from crantdb.analysis.answers import (
    Materialization,
    Output,
    call,
    check_like,
    exact_pandas,
    framed,
    schema_of,
    thresholds,
)
from crantdb.analysis.chosen import Neurons, chosen, chosen_or_all
from crantdb.analysis.mapping import in_order
from crantdb.errors import BadArgument

if TYPE_CHECKING:
    import duckdb
    import networkx as nx
    import pandas as pd
    import polars as pl


def get_connectivity(
    con: duckdb.DuckDBPyConnection,
    neuron_ids: Neurons | None = None,
    upstream: bool = True,
    downstream: bool = True,
    *,
    threshold: int = 1,
    min_size: float | None = None,
    materialization: Materialization = "latest",
    clean: bool = True,
    update_ids: bool = True,
    like: Literal["crantpy"] | None = None,
    output: Output = "polars",
) -> pl.DataFrame | pd.DataFrame:
    """Return the connections of neurons, each pair once; without neurons, those of the whole brain.

    In this order: synapses smaller than `min_size` are dropped; autapses and root 0 are dropped if `clean`; then the
    pairs that have fewer than `threshold` left.

    Args:
        con: a connection of `crantdb.connect`.
        neuron_ids: the neurons; None for all.
        upstream: whether to include who talks to them.
        downstream: whether to include whom they talk to.
        threshold: the fewest synapses of a pair.
        min_size: the least size, as the server gives sizes; None for all.
        materialization: a version that the connection holds; `latest` is the one in `main`.
        clean: whether autapses and root 0 are dropped.
        update_ids: whether ids are first mapped to the snapshot's moment.
        like: `crantpy` for pandas; the columns are its own anyway.
        output: `polars` or `pandas`.

    Returns:
        `pre`, `post`, `weight` (synapses), strongest first, then by pre and post. No connections: the same columns.

    Raises:
        BadArgument: when neither direction is asked for, a threshold is no number, or `like` is not known.
        NoSuchSnapshot: when the connection does not hold that version.
        NotAnId, NoMatches, QueryRefused: for neurons that are none.

    Warns:
        IdsMapped: when ids are not roots of the snapshot's moment.
    """
    if not (upstream or downstream):
        msg = "say upstream, downstream or both"
        raise BadArgument(msg)
    check_like(like)
    schema = schema_of(con, materialization)
    wanted = chosen_or_all(con, neuron_ids, schema, update_ids=update_ids)
    given = thresholds(threshold, min_size, clean=clean)
    macro, lists = ("adjacency", []) if wanted is None else ("connectivity", [wanted])
    if wanted is not None:
        given |= {"upstream": str(upstream).lower(), "downstream": str(downstream).lower()}
    rows = call(
        con,
        macro,
        lists,
        given,
        schema=schema,
        select="SELECT pre, post, weight",
        behind="ORDER BY weight DESC, pre, post",
    ).pl()
    return framed(rows, "pandas" if like else output)


def get_synapse_counts(
    con: duckdb.DuckDBPyConnection,
    neuron_ids: Neurons,
    threshold: int = 1,
    min_size: float | None = None,
    *,
    materialization: Materialization = "latest",
    clean: bool = True,
    update_ids: bool = True,
    like: Literal["crantpy"] | None = None,
    output: Output = "polars",
) -> pl.DataFrame | pd.DataFrame:
    """Return how many synapses and how many partners neurons have, one row a neuron in the order given.

    In this order: synapses smaller than `min_size` are dropped; autapses and root 0 are dropped if `clean`; then the
    pairs that have fewer than `threshold` left.

    Args:
        con: a connection of `crantdb.connect`.
        neuron_ids: the neurons.
        threshold: the fewest synapses of a pair.
        min_size: the least size, as the server gives sizes; None for all.
        materialization: a version that the connection holds; `latest` is the one in `main`.
        clean: whether autapses and root 0 are dropped.
        update_ids: whether ids are first mapped to the snapshot's moment.
        like: `crantpy` for its shape: pandas, index `neuron_id`, `pre` and `post`, which count partners.
        output: `polars` or `pandas`.

    Returns:
        `root_id`, `out_synapses`, `in_synapses`, `downstream_partners`, `upstream_partners`; zeros for a neuron without.

    Raises:
        BadArgument: when a threshold is no number, or `like` is neither None nor `crantpy`.
        NoSuchSnapshot: when the connection does not hold that version.
        NotAnId, NoMatches, QueryRefused: for neurons that are none.

    Warns:
        IdsMapped: when ids are not roots of the snapshot's moment.
    """
    check_like(like)
    schema = schema_of(con, materialization)
    wanted = chosen(con, neuron_ids, schema, update_ids=update_ids)
    found = call(
        con, "synapse_counts", [wanted], thresholds(threshold, min_size, clean=clean), schema=schema
    ).pl()
    rows = in_order(wanted, found, "root_id")
    if like is None:
        return framed(rows, output)
    partners = rows.select(neuron_id="root_id", pre="downstream_partners", post="upstream_partners")
    return exact_pandas(partners).set_index("neuron_id")


def connectivity_graph(
    con: duckdb.DuckDBPyConnection,
    neuron_ids: Neurons | None = None,
    *,
    threshold: int = 1,
    min_size: float | None = None,
    materialization: Materialization = "latest",
    clean: bool = True,
    update_ids: bool = True,
) -> nx.DiGraph:
    """Return the connections among neurons as a networkx graph; without neurons, the whole brain's.

    Args:
        con: a connection of `crantdb.connect`.
        neuron_ids: the neurons; all of them are nodes, also those without a connection. None for all.
        threshold: the fewest synapses of a pair.
        min_size: the least size, as the server gives sizes; None for all.
        materialization: a version that the connection holds; `latest` is the one in `main`.
        clean: whether autapses and root 0 are dropped.
        update_ids: whether ids are first mapped to the snapshot's moment.

    Returns:
        A `networkx.DiGraph`: nodes are root ids (int) with `super_class`, `cell_class`, `cell_type` and `side` where
        they are annotated; edges have `weight`, the number of synapses.

    Raises:
        BadArgument, NoSuchSnapshot, NotAnId, NoMatches, QueryRefused: as `get_connectivity`.

    Warns:
        IdsMapped: when ids are not roots of the snapshot's moment.
    """
    import networkx as nx  # noqa: PLC0415 - heavy, and only here

    schema = schema_of(con, materialization)
    wanted = chosen_or_all(con, neuron_ids, schema, update_ids=update_ids)
    given = thresholds(threshold, min_size, clean=clean)
    rows = call(con, "adjacency", [wanted, wanted], given, schema=schema, select="SELECT pre, post, weight")
    graph = nx.DiGraph()
    graph.add_nodes_from([] if wanted is None else wanted.tolist())
    graph.add_weighted_edges_from(rows.fetchall())
    fields = ("super_class", "cell_class", "cell_type", "side")
    known = con.sql(f'SELECT root_id, {", ".join(fields)} FROM "{schema}".neurons').fetchall()
    for root, *values in known:
        if root in graph:
            graph.nodes[root].update({k: v for k, v in zip(fields, values, strict=True) if v is not None})
    return graph
