"""Nested matrices by region, of synapses in a frame: by meshes, by a table of regions, or by a column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from crantdb.analysis.matrices.collection import NeuropilCollection
from crantdb.analysis.matrices.frames import Frame, as_frame, column
from crantdb.errors import BadArgument
from crantdb.morphology.regions import OTHER, Regions, chosen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

_REGION, _ROW = " region", " row"
"""Names that no column of synapses has."""


def by_neuropil(
    kind: Any,  # noqa: ANN401 - NestedMatrix or DirectedNestedMatrix
    synapses_df: Frame,
    neuron_annotations: Frame,
    regions: Regions | str | Frame,
    *,
    neuropil_names: Iterable[str] | None = None,
    include_other: bool = True,
    coordinates: str = "nm",
    position_column: str = "ctr_pt_position",
    voxel_size_nm: tuple[float, float, float] | None = None,
    voxel_offset: tuple[float, float, float] | None = None,
    **options: Any,  # noqa: ANN401 - of `from_synapses`
) -> NeuropilCollection[Any]:
    """Return a matrix a region of synapses; a region without a synapse has none.

    Args:
        kind: `NestedMatrix` or `DirectedNestedMatrix`.
        synapses_df: the synapses, one row each.
        neuron_annotations: as `from_synapses`.
        regions: meshes (as `sources.meshes.read_folder` gives them); or a frame with `synapse_id` and `region`, as the
            warehouse's `synapse_regions`; or the name of a column of the synapses that holds the region.
        neuropil_names: these regions alone.
        include_other: whether the synapses in no region (of those asked for) make a matrix ``other``.
        coordinates: the unit of positions, for meshes: ``nm`` or ``pixels``.
        position_column: a column with [x, y, z], or the first part of ``…_x``, ``…_y``, ``…_z``; without it,
            ``ctr_x_nm``, ``ctr_y_nm``, ``ctr_z_nm``.
        voxel_size_nm: nm a pixel, with ``pixels``.
        voxel_offset: pixels added before, with ``pixels``.
        **options: of `from_synapses`. Relative weights are relative within a region.

    Raises:
        BadArgument: when a region, a column or a setting is not there.
        NotAnId: when an id is NULL or none.
    """
    synapses = as_frame(synapses_df, "synapses")
    names = None if neuropil_names is None else list(neuropil_names)
    if isinstance(regions, Regions):
        kept = regions if names is None else chosen(regions, names)
        points = _points(synapses, coordinates, position_column, size=voxel_size_nm, offset=voxel_offset)
        place, region = kept.assign(points)
        labels = pl.Series(_REGION, list(kept.labels))[region.tolist()] if len(region) else []
        placed = synapses[place.tolist()].with_columns(pl.Series(_REGION, labels, dtype=pl.String))
        order: Sequence[str] = kept.labels
    else:
        whole = synapses.with_row_index(_ROW)
        found = _by_column(whole, regions) if isinstance(regions, str) else _by_table(whole, regions)
        order = _in_order(found, names)
        placed = found if names is None else _others_apart(whole, found, names)
    made: NeuropilCollection[Any] = NeuropilCollection()
    for name in order:
        rows = placed.filter(pl.col(_REGION) == name).drop(_REGION, _ROW, strict=False)
        if len(rows) and (name != OTHER or include_other):
            made[name] = kind.from_synapses(rows, neuron_annotations, **options)
    return made


def _by_column(synapses: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return synapses with the region that a column of theirs says; NULL is none."""
    said = column(synapses, name, "synapses").cast(pl.String).fill_null(OTHER)
    return synapses.with_columns(said.alias(_REGION))


def _by_table(synapses: pl.DataFrame, regions: Frame) -> pl.DataFrame:
    """Return synapses with each region that a table has of them; one that it does not have lies in none."""
    table = as_frame(regions, "regions")
    known = pl.DataFrame(
        {"id": column(table, "synapse_id", "regions"), _REGION: column(table, "region", "regions")}
    ).unique()
    column(synapses, "id", "synapses")
    return synapses.join(known, on="id", how="left").with_columns(pl.col(_REGION).fill_null(OTHER))


def _others_apart(whole: pl.DataFrame, found: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Return synapses with the regions asked for alone; those in none of them are of ``other``."""
    kept = found.filter(pl.col(_REGION).is_in(list(names)) & (pl.col(_REGION) != OTHER))
    rest = whole.join(kept.select(_ROW), on=_ROW, how="anti").with_columns(pl.lit(OTHER).alias(_REGION))
    return pl.concat([kept, rest.select(kept.columns)])


def _in_order(placed: pl.DataFrame, names: Sequence[str] | None) -> list[str]:
    """Return the regions to show, `other` last.

    Raises:
        BadArgument: when one that is asked for holds no synapse.
    """
    there = sorted(set(placed[_REGION].to_list()) - {OTHER})
    unknown = sorted(set(names or ()) - set(there) - {OTHER})
    if unknown:
        msg = f"no synapse lies in {unknown[0]!r}; regions are {', '.join(there) or 'none'}"
        raise BadArgument(msg)
    return [*(there if names is None else [name for name in names if name != OTHER]), OTHER]


def _points(
    synapses: pl.DataFrame,
    coordinates: str,
    name: str,
    *,
    size: tuple[float, float, float] | None,
    offset: tuple[float, float, float] | None,
) -> NDArray[np.float64]:
    """Return the positions in nm.

    Raises:
        BadArgument: when there are none, or the unit is none.
    """
    points = _given(synapses, name)
    if coordinates == "nm":
        return points
    if coordinates != "pixels" or size is None:
        msg = f"coordinates={coordinates!r} with voxel_size_nm={size}: say 'nm', or 'pixels' and their size, e.g. (8, 8, 42)"
        raise BadArgument(msg)
    return (points + np.array(offset or (0, 0, 0), np.float64)) * np.array(size, np.float64)


def _given(synapses: pl.DataFrame, name: str) -> NDArray[np.float64]:
    """Return the positions as they are given, shape (n, 3)."""
    for columns in ([f"{name}_{axis}" for axis in "xyz"], [f"ctr_{axis}_nm" for axis in "xyz"]):
        if name not in synapses.columns and set(columns) <= set(synapses.columns):
            return synapses.select(pl.col(columns).cast(pl.Float64)).to_numpy()
    values = column(synapses, name, "synapses").to_list()
    if any(value is None or len(value) != 3 for value in values):
        msg = f"synapses.{name} is not [x, y, z] in every row"
        raise BadArgument(msg)
    return np.array([list(value) for value in values], np.float64).reshape(-1, 3)
