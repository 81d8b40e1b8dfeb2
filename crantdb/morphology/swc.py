"""SWC text of a skeleton, in a profile so strict that every reader we know takes it."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from crantdb.errors import BadArgument, NoSkeleton

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from crantdb.morphology.tree import Skeleton

Units = Literal["nm", "um"]

UNDEFINED, SOMA, AXON, DENDRITE = 0, 1, 2, 3
_UNIT_NAMES = (("nm", "1 nanometer"), ("um", "1 micrometer"))
_COLUMNS = ("id", "type", "x", "y", "z", "radius", "parent")
# Up to here pyarrow's writer is the faster one (its call costs less), from here on polars'.
_SMALL = 3_000


def to_swc(
    skeleton: Skeleton,
    *,
    root_id: int | None = None,
    units: Units = "nm",
    provenance: Mapping[str, Any] | None = None,
    labels: ArrayLike | None = None,
) -> bytes:
    """Return a skeleton as SWC.

    The profile: LF, ASCII, comments only at the top, seven columns with one blank between, ids 1..N in the order
    of the skeleton's nodes, parents before children, one root in the first row, plain decimals, radius positive.
    Equal skeletons and equal provenance give equal bytes; there is no date in them.

    Args:
        skeleton: a tree; of a forest take `largest_part`, or heal it.
        root_id: the neuron's root id, for the header.
        units: ``nm``: whole nanometres, lossless for L2 positions; ``um``: micrometres with three decimals.
        provenance: what the header shall say besides, e.g. datastack, version, tool version: anything JSON.
        labels: SWC types by node, (n,); default: 1 at the soma, 3 elsewhere. MorphIO and NeuroM refuse a file in
            which the type changes anywhere but at a branch point.

    Raises:
        NoSkeleton: for a forest.
        BadArgument: for other units, or labels of another shape.
    """
    head = header(skeleton, root_id=root_id, units=units, provenance=provenance)
    return head + rows_text(swc_columns(skeleton, labels=labels), units)


def header(
    skeleton: Skeleton, *, root_id: int | None, units: Units, provenance: Mapping[str, Any] | None
) -> bytes:
    """Return the comment lines: what this is, a line of JSON that navis reads, and how it was made."""
    if units not in get_args(Units):
        msg = f"units={units!r}: SWC is written in one of {get_args(Units)}"
        raise BadArgument(msg)
    name = "" if root_id is None else str(root_id)
    facts = {key: value for key, value in skeleton.facts.as_dict().items() if value is not None}
    meta = {"id": name, "name": name, "units": dict(_UNIT_NAMES)[units]}
    made = {**(provenance or {}), "nodes": len(skeleton), **facts}
    lines = (
        "SWC of a neuron's L2 skeleton, written by crantdb; its cable is that of the L2 graph, not of the neuron",
        f"Meta: {json.dumps({**meta, 'crantdb': made})}",
        f"columns: {' '.join(_COLUMNS)}; units: {units}; types: 0 undefined, 1 soma, 2 axon, 3 dendrite or unknown",
    )
    return "".join(f"# {line}\n" for line in lines).encode("ascii")


def swc_columns(skeleton: Skeleton, *, labels: ArrayLike | None = None) -> tuple[NDArray[np.int64], ...]:
    """Return the seven columns as whole numbers, positions and radii in nm, each (n,).

    Raises:
        NoSkeleton: for a forest.
        BadArgument: for labels of another shape.
    """
    count = len(skeleton)
    if skeleton.parent[0] != -1 or (skeleton.parent[1:] < 0).any():
        roots = len(skeleton.roots)
        msg = f"{roots} parts without a link between them: one SWC holds one tree; heal it, or take largest_part"
        raise NoSkeleton(msg)
    xyz = np.rint(skeleton.xyz_nm).astype(np.int64)
    radius = np.maximum(np.rint(skeleton.radius_nm).astype(np.int64), 1)
    parent = np.where(skeleton.parent < 0, -1, skeleton.parent + 1)
    return (
        np.arange(1, count + 1),
        swc_labels(skeleton, labels),
        xyz[:, 0],
        xyz[:, 1],
        xyz[:, 2],
        radius,
        parent,
    )


def swc_labels(skeleton: Skeleton, labels: ArrayLike | None) -> NDArray[np.int64]:
    """Return the SWC type of each node: those given, or 1 at the soma and 3 elsewhere; (n,).

    Raises:
        BadArgument: for labels of another shape.
    """
    count = len(skeleton)
    if labels is None:
        kind = np.full(count, DENDRITE, dtype=np.int64)
        if skeleton.soma >= 0:
            kind[skeleton.soma] = SOMA
    else:
        kind = np.asarray(labels).astype(np.int64)
    if kind.shape != (count,):
        msg = f"{kind.shape} labels for {count} nodes: give one a node"
        raise BadArgument(msg)
    return kind


def rows_text(columns: Sequence[NDArray[np.int64]], units: Units) -> bytes:
    """Return the rows of SWC as text; columns as `swc_columns` gives them."""
    if units == "um":
        scaled = [column / 1000 if 2 <= at <= 5 else column for at, column in enumerate(columns)]
        return _by_polars(scaled)
    return _by_arrow(columns) if len(columns[0]) <= _SMALL else _by_polars(columns)


def _by_arrow(columns: Sequence[NDArray[Any]]) -> bytes:
    """Return rows of whole numbers as text, written by pyarrow."""
    import pyarrow as pa  # noqa: PLC0415 (takes a while to load)
    from pyarrow import csv  # noqa: PLC0415 (takes a while to load)

    table = pa.table([pa.array(column) for column in columns], names=list(_COLUMNS))
    out = io.BytesIO()
    options = csv.WriteOptions(include_header=False, delimiter=" ", quoting_style="none")
    csv.write_csv(table, out, options)
    return out.getvalue()


def _by_polars(columns: Sequence[NDArray[Any]]) -> bytes:
    """Return rows as text, written by polars; fractions with three decimals."""
    import polars as pl  # noqa: PLC0415 (takes a while to load)

    out = io.BytesIO()
    frame = pl.DataFrame(list(columns), schema=list(_COLUMNS))
    frame.write_csv(out, separator=" ", include_header=False, float_precision=3)
    return out.getvalue()
