"""What the mirrored L2 data say of neurons: sizes, chunks, anchors, graphs, dotprops. Offline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from crantdb.analysis.chosen import Neurons, chosen_at
from crantdb.analysis.skeletons import skeletons_of
from crantdb.errors import NoSkeleton
from crantdb.morphology.navis_objects import navis_dotprops, networkx_graph
from crantdb.morphology.store import read_l2

if TYPE_CHECKING:
    import duckdb
    import navis
    import networkx as nx
    from numpy.typing import NDArray

    from crantdb.analysis.answers import Materialization
    from crantdb.morphology.store import L2Neuron

L2_INFO = pl.Schema(
    {
        "root_id": pl.Int64(),
        "l2_chunks": pl.Int64(),
        "chunks_missing": pl.Int64(),
        "area_um2": pl.Float64(),
        "size_um3": pl.Float64(),
        "length_um": pl.Float64(),
        "bounds_nm": pl.List(pl.Float64()),
    }
)
"""The columns of `get_l2_info`."""

L2_CHUNK_INFO = pl.Schema(
    {
        "root_id": pl.Int64,
        "l2_id": pl.Int64,
        "x_nm": pl.Float64,
        "y_nm": pl.Float64,
        "z_nm": pl.Float64,
        "vec_x": pl.Float64,
        "vec_y": pl.Float64,
        "vec_z": pl.Float64,
        "size_nm3": pl.Int64,
        "max_dt_nm": pl.Float64,
    }
)
"""The columns of `get_l2_chunk_info`."""

ANCHORS = pl.Schema(
    {"root_id": pl.Int64, "l2_id": pl.Int64, "x_nm": pl.Float64, "y_nm": pl.Float64, "z_nm": pl.Float64}
)
"""The columns of `find_anchor_loc`."""


def get_l2_info(
    con: duckdb.DuckDBPyConnection,
    neurons: Neurons,
    *,
    materialization: Materialization = "latest",
    update_ids: bool = True,
) -> pl.DataFrame:
    """Return what neurons measure by their L2 chunks.

    Args:
        con: a connection of `crantdb.connect`.
        neurons: ids, criteria or a predicate.
        materialization: whose annotations and nuclei.
        update_ids: whether ids are first mapped to the snapshot's moment.

    Returns:
        One row a neuron, in the order given (`L2_INFO`): L2 chunks and those that the cache lacks; sums of area and
        size; `length_um`, the cable of the shortest tree (not, as in crantpy, a sum of radii); bounds of the
        skeleton as xmin, xmax, ymin, ymax, zmin, zmax. A neuron that is not mirrored has NULL everywhere.

    Raises:
        NotAnId, NoMatches, QueryRefused: for neurons that are none.
    """
    roots, schema = chosen_at(con, neurons, materialization, update_ids=update_ids)
    rows = {neuron.root_id: _info(neuron) for neuron in read_l2(con, roots, schema=schema)}
    for root, skeleton in skeletons_of(con, np.array(list(rows), dtype=np.int64), schema=schema):
        if not isinstance(skeleton, NoSkeleton):
            ends = np.stack([skeleton.xyz_nm.min(axis=0), skeleton.xyz_nm.max(axis=0)], axis=1)
            rows[root] |= {"length_um": skeleton.cable_nm / 1e3, "bounds_nm": ends.ravel().tolist()}
    return pl.DataFrame([rows.get(root, {"root_id": root}) for root in roots.tolist()], schema=L2_INFO)


def _info(neuron: L2Neuron) -> dict[str, object]:
    """Return a neuron's counts and sums."""
    known = np.isfinite(neuron.size_nm3)
    return {
        "root_id": neuron.root_id,
        "l2_chunks": len(neuron.l2_ids),
        "chunks_missing": neuron.missing,
        "area_um2": float(np.nansum(neuron.area_nm2)) / 1e6 if known.any() else None,
        "size_um3": float(neuron.size_nm3[known].sum()) / 1e9 if known.any() else None,
    }


def get_l2_chunk_info(
    con: duckdb.DuckDBPyConnection,
    neurons: Neurons,
    *,
    materialization: Materialization = "latest",
    update_ids: bool = True,
) -> pl.DataFrame:
    """Return the L2 chunks of neurons: one row a neuron and L2 id, by neuron as given, then L2 id.

    Args:
        con: a connection of `crantdb.connect`.
        neurons: ids, criteria or a predicate.
        materialization: whose annotations.
        update_ids: whether ids are first mapped to the snapshot's moment.

    Returns:
        `L2_CHUNK_INFO`: the representative point, the first principal axis, size and radius; NULL where the cache
        knows nothing (crantpy drops such rows).

    Raises:
        NotAnId, NoMatches, QueryRefused: for neurons that are none.
    """
    roots, schema = chosen_at(con, neurons, materialization, update_ids=update_ids)
    return _chunks(con, roots, schema)


def _chunks(con: duckdb.DuckDBPyConnection, roots: NDArray[np.int64], schema: str) -> pl.DataFrame:
    """Return the L2 chunks of roots, in their order."""
    given = pl.DataFrame({"root_id": roots.astype(np.int64), "place": np.arange(len(roots), dtype=np.int64)})
    axes = ", ".join(f"known.pca[{place}]::DOUBLE AS vec_{axis}" for place, axis in enumerate("xyz", start=1))
    found = con.sql(
        f"""SELECT member.root_id, member.l2_id, known.x_nm, known.y_nm, known.z_nm, {axes},
            known.size_nm3, known.max_dt_nm
        FROM "{schema}".l2_members AS member
        LEFT JOIN "{schema}".l2_nodes AS known ON known.l2_id = member.l2_id
        WHERE member.root_id IN (SELECT unnest($roots::BIGINT[]))""",
        params={"roots": roots.tolist()},
    ).to_arrow_table()
    rows = pl.DataFrame(found, schema_overrides=L2_CHUNK_INFO)
    return rows.join(given, on="root_id").sort("place", "l2_id").select(L2_CHUNK_INFO.names())


def find_anchor_loc(
    con: duckdb.DuckDBPyConnection,
    neurons: Neurons,
    *,
    materialization: Materialization = "latest",
    update_ids: bool = True,
) -> pl.DataFrame:
    """Return a point inside each neuron: the representative point of its largest L2 chunk.

    Args:
        con: a connection of `crantdb.connect`.
        neurons: ids, criteria or a predicate.
        materialization: whose annotations.
        update_ids: whether ids are first mapped to the snapshot's moment.

    Returns:
        One row a neuron, in the order given (`ANCHORS`), exact nm; NULL where nothing is known. Of equally large
        chunks the one of the smaller L2 id.

    Raises:
        NotAnId, NoMatches, QueryRefused: for neurons that are none.
    """
    roots, schema = chosen_at(con, neurons, materialization, update_ids=update_ids)
    chunks = _chunks(con, roots, schema).drop_nulls("size_nm3")
    largest = chunks.sort(["size_nm3", "l2_id"], descending=[True, False]).unique("root_id", keep="first")
    given = pl.DataFrame({"root_id": roots.astype(np.int64)})
    return given.join(largest, on="root_id", how="left", maintain_order="left").select(ANCHORS.names())


def get_l2_graph(
    con: duckdb.DuckDBPyConnection,
    neurons: Neurons,
    *,
    materialization: Materialization = "latest",
    update_ids: bool = True,
) -> dict[int, nx.Graph]:
    """Return the L2 graphs of neurons by root id, in the order given; of one chunk alone, a graph of one node.

    Args:
        con: a connection of `crantdb.connect`.
        neurons: ids, criteria or a predicate.
        materialization: whose annotations.
        update_ids: whether ids are first mapped to the snapshot's moment.

    Returns:
        Undirected graphs of L2 ids: nodes with `x`, `y`, `z` in nm where they are known, edges with `length` in nm.
        Neurons that are not mirrored are left out.

    Raises:
        NotAnId, NoMatches, QueryRefused: for neurons that are none.
    """
    roots, schema = chosen_at(con, neurons, materialization, update_ids=update_ids)
    made = {
        neuron.root_id: networkx_graph(neuron.edges, neuron.l2_ids, neuron.points_nm)
        for neuron in read_l2(con, roots, schema=schema)
    }
    return {root: made[root] for root in roots.tolist() if root in made}


def get_l2_dotprops(
    con: duckdb.DuckDBPyConnection,
    neurons: Neurons,
    *,
    min_size_nm3: float = 0.0,
    sample: float = 1.0,
    omit_failures: bool = False,
    materialization: Materialization = "latest",
    update_ids: bool = True,
) -> navis.NeuronList:
    """Return neurons as dotprops: a point and a direction an L2 chunk, from the L2 cache's principal axes.

    Args:
        con: a connection of `crantdb.connect`.
        neurons: ids, criteria or a predicate.
        min_size_nm3: smaller chunks are left out; those below 0.01 µm³ have no direction at all.
        sample: the share of chunks to keep, drawn the same at every call.
        omit_failures: leave out neurons of which nothing is left; else the first of them is an error.
        materialization: whose annotations.
        update_ids: whether ids are first mapped to the snapshot's moment.

    Raises:
        NoSkeleton: for the first neuron of which nothing is left, unless they are to be omitted.
        NotAnId, NoMatches, QueryRefused: for neurons that are none.
    """
    import navis  # noqa: PLC0415 (takes seconds to load)

    roots, schema = chosen_at(con, neurons, materialization, update_ids=update_ids)
    chunks = {root: rows for (root,), rows in _chunks(con, roots, schema).group_by("root_id")}
    made = []
    for root in roots.tolist():
        rows = chunks.get(root, pl.DataFrame(schema=L2_CHUNK_INFO))
        try:
            made.append(
                navis_dotprops(
                    rows.select("x_nm", "y_nm", "z_nm").to_numpy(),
                    rows.select("vec_x", "vec_y", "vec_z").to_numpy(),
                    root,
                    sizes_nm3=rows["size_nm3"].fill_null(0).to_numpy(),
                    min_size_nm3=min_size_nm3,
                    sample=sample,
                )
            )
        except NoSkeleton:
            if not omit_failures:
                raise
    return navis.NeuronList(made)
