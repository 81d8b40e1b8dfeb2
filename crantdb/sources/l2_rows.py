"""What the L2 cache says of L2 ids, from its JSON to Arrow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from crantdb.errors import BadResponse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

ATTRIBUTES = (
    "rep_coord_nm",
    "size_nm3",
    "area_nm2",
    "max_dt_nm",
    "mean_dt_nm",
    "pca",
    "pca_val",
    "chunk_intersect_count",
)
"""What is asked for, by name: the cache's own list of attributes holds the chunkedgraph's columns too."""

OPTIONAL = frozenset(ATTRIBUTES) - {"rep_coord_nm", "size_nm3"}
"""What a cache may lack: without a point and a size there is nothing to mirror."""

NODE_SCHEMA = pa.schema(
    [
        ("l2_id", pa.int64()),
        ("x_nm", pa.float64()),
        ("y_nm", pa.float64()),
        ("z_nm", pa.float64()),
        ("size_nm3", pa.int64()),
        ("area_nm2", pa.int64()),
        ("max_dt_nm", pa.float64()),
        ("mean_dt_nm", pa.float64()),
        ("pca", pa.list_(pa.float32())),
        ("pca_val", pa.list_(pa.float32())),
        ("intersects", pa.list_(pa.int32())),
    ]
)
"""One row an L2 id that the cache has computed."""


@dataclass(frozen=True, slots=True)
class NodeBatch:
    """What the cache knows of some L2 ids.

    Attributes:
        l2_ids: the ids asked for, ascending.
        known: a row for each that it has, ascending, as `NODE_SCHEMA`.
        missing: those that it has not, or of which its computation failed; ascending.
    """

    l2_ids: NDArray[np.int64]
    known: pa.Table
    missing: NDArray[np.int64]


def node_batch(l2_ids: NDArray[np.int64], served: Sequence[Mapping[str, Any]], url: str) -> NodeBatch:
    """Return what was served of L2 ids as rows.

    Args:
        l2_ids: the ids, ascending.
        served: what came of each, in the same order.
        url: where it came from, for messages.

    Raises:
        BadResponse: when a value has not the form that it should.
    """
    there = [bool(known) and _is_whole(known) for known in served]
    try:
        rows = [
            _row(node, known) for node, known, yes in zip(l2_ids.tolist(), served, there, strict=True) if yes
        ]
        table = pa.Table.from_pylist(rows, schema=NODE_SCHEMA)
    except (TypeError, ValueError, KeyError, pa.ArrowException) as error:
        msg = f"{url} gave attributes in a form that is not the L2 cache's: {error}"
        raise BadResponse(msg, url=url) from error
    return NodeBatch(l2_ids, table, l2_ids[~np.array(there, dtype=bool)])


def _is_whole(known: Mapping[str, Any]) -> bool:
    """Tell whether the cache has computed an id: a failed computation leaves a row with size 0 and no point."""
    point = known.get("rep_coord_nm")
    return bool(known.get("size_nm3")) and point is not None and all(map(math.isfinite, point))


def _row(node: int, known: Mapping[str, Any]) -> dict[str, Any]:
    """Return one id's row; what is NaN is not known."""
    x, y, z = map(float, known["rep_coord_nm"])
    return {
        "l2_id": node,
        "x_nm": x,
        "y_nm": y,
        "z_nm": z,
        "size_nm3": int(known["size_nm3"]),
        "area_nm2": None if known.get("area_nm2") is None else int(known["area_nm2"]),
        "max_dt_nm": _finite(known.get("max_dt_nm")),
        "mean_dt_nm": _finite(known.get("mean_dt_nm")),
        "pca": _flat(known.get("pca"), 9),
        "pca_val": _flat(known.get("pca_val"), 3),
        "intersects": _flat(known.get("chunk_intersect_count"), 6),
    }


def _finite(value: float | None) -> float | None:
    """Return a number, or None for NaN, infinity and None."""
    return float(value) if value is not None and math.isfinite(value) else None


def _flat(value: Sequence[Any] | None, length: int) -> list[Any] | None:
    """Return a matrix row by row, None for an absent one or one with a NaN in it."""
    if value is None:
        return None
    flat = [item for row in value for item in (row if isinstance(row, list) else [row])]
    if len(flat) != length:
        msg = f"{len(flat)} numbers where {length} were due"
        raise ValueError(msg)
    return flat if all(map(math.isfinite, flat)) else None
