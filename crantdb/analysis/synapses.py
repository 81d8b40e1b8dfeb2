"""The synapses of neurons, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import polars as pl

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
from crantdb.analysis.chosen import Neurons, chosen_or_all
from crantdb.errors import BadArgument

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

VOXEL_NM = (8.0, 8.0, 42.0)
"""The voxel of CRANTb's viewer in nm, which crantpy's pixels are."""

_POINTS = ("ctr", "pre", "post")


def get_synapses(
    con: duckdb.DuckDBPyConnection,
    pre_ids: Neurons | None = None,
    post_ids: Neurons | None = None,
    threshold: int = 1,
    *,
    min_size: float | None = None,
    materialization: Materialization = "latest",
    return_pixels: bool | None = None,
    clean: bool = True,
    update_ids: bool = True,
    like: Literal["crantpy"] | None = None,
    output: Output = "polars",
    voxel_nm: tuple[float, float, float] = VOXEL_NM,
) -> pl.DataFrame | pd.DataFrame:
    """Return the synapses from some neurons to others, whole rows.

    In this order: synapses smaller than `min_size` are dropped; autapses and root 0 are dropped if `clean`; then the
    synapses of pairs that have fewer than `threshold` left. Synapses with an unknown root are never among them.

    Args:
        con: a connection of `crantdb.connect`.
        pre_ids: the neurons that tell; None for all.
        post_ids: the neurons that hear; None for all. One of the two must be given.
        threshold: the fewest synapses of a pair.
        min_size: the least size, as the server gives sizes; None for all.
        materialization: a version that the connection holds; `latest` is the one in `main`.
        return_pixels: positions in voxels of `voxel_nm`, rounded down, instead of nm. Default: only like crantpy.
        clean: whether autapses and root 0 are dropped.
        update_ids: whether ids are first mapped to the snapshot's moment.
        like: `crantpy` for its columns: pandas, the two roots first, each position one list `[x, y, z]`.
        output: `polars` or `pandas`.
        voxel_nm: the size of such a voxel in nm, x, y, z.

    Returns:
        One row a synapse, by pre root, post root and id: the columns of `synapses`. No synapses: the same columns.

    Raises:
        BadArgument: when neither pre_ids nor post_ids are given, or a threshold is no number.
        NoSuchSnapshot: when the connection does not hold that version.
        NotAnId, NoMatches, QueryRefused: for neurons that are none.

    Warns:
        IdsMapped: when ids are not roots of the snapshot's moment.
    """
    if pre_ids is None and post_ids is None:
        msg = "say pre_ids, post_ids or both; for all synapses read the view: con.sql('FROM synapses')"
        raise BadArgument(msg)
    check_like(like)
    schema = schema_of(con, materialization)
    lists = [chosen_or_all(con, ids, schema, update_ids=update_ids) for ids in (pre_ids, post_ids)]
    rows = call(
        con,
        "synapses_between",
        lists,
        thresholds(threshold, min_size, clean=clean),
        schema=schema,
        behind="ORDER BY pre_pt_root_id, post_pt_root_id, id",
    ).pl()
    pixels = like == "crantpy" if return_pixels is None else return_pixels
    if pixels:
        rows = _in_voxels(rows, voxel_nm)
    if like is None:
        return framed(rows, output)
    return exact_pandas(_like_crantpy(rows, pixels=pixels))


def _in_voxels(rows: pl.DataFrame, voxel_nm: tuple[float, float, float]) -> pl.DataFrame:
    """Return rows with positions in voxels, rounded down, under `…_x`, `…_y`, `…_z` in the place of those in nm."""
    columns = []
    for name in rows.columns:
        point, _, rest = name.partition("_")
        if point in _POINTS and rest in {"x_nm", "y_nm", "z_nm"}:
            size = voxel_nm["xyz".index(rest[0])]
            value = (pl.col(name) / size).floor().cast(pl.Int64)
            columns.append(value.alias(f"{point}_{rest[0]}"))
        else:
            columns.append(pl.col(name))
    return rows.select(columns)


def _like_crantpy(rows: pl.DataFrame, *, pixels: bool) -> pl.DataFrame:
    """Return rows with crantpy's columns: the two roots first, positions as lists under CAVE's names."""
    ending = "" if pixels else "_nm"
    points = {
        f"{point}_pt_position": pl.concat_list([f"{point}_{axis}{ending}" for axis in "xyz"])
        for point in _POINTS
    }
    loose = {f"{point}_{axis}{ending}" for point in _POINTS for axis in "xyz"}
    first = ["pre_pt_root_id", "post_pt_root_id"]
    others = [name for name in rows.columns if name not in {*first, *loose}]
    return rows.select(*first, *others, **points)
