"""What a skeleton's rows are, and what a neuron measures: the rows of the tables made of L2 data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from crantdb.morphology.skeleton import Method, skeletonize

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from crantdb.morphology.chunkgrid import ChunkGrid
    from crantdb.morphology.store import L2Neuron
    from crantdb.morphology.tree import Skeleton

SKELETON_NODES, NEURON_METRICS = "skeleton_nodes", "neuron_metrics"

OTHER_METHODS: tuple[Method, ...] = ("bfs", "teasar")
"""Methods of which only the cable is kept."""

NODES_SCHEMA = pa.schema(
    [
        ("root_id", pa.int64()),
        ("node_id", pa.int64()),
        ("parent_id", pa.int64()),
        ("l2_id", pa.int64()),
        *((f"{axis}_nm", pa.float64()) for axis in "xyz"),
        ("radius_nm", pa.float64()),
        ("is_soma", pa.bool_()),
        ("flags", pa.uint8()),
    ]
)
METRICS_SCHEMA = pa.schema(
    [
        ("root_id", pa.int64()),
        *((name, pa.int64()) for name in ("l2_count", "l2_edge_count", "missing", "parts", "nodes")),
        *((f"cable_{method}_nm", pa.float64()) for method in ("mst", "bfs", "teasar")),
        ("branch_points", pa.int64()),
        ("tips", pa.int64()),
        ("volume_nm3", pa.float64()),
        ("area_nm2", pa.float64()),
        ("root_rule", pa.string()),
        ("soma_radius_nm", pa.float64()),
        *((f"nucleus_{axis}_nm", pa.float64()) for axis in "xyz"),
        *((f"{axis}_{end}_nm", pa.float64()) for end in ("min", "max") for axis in "xyz"),
    ]
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the derived tables are made.

    Attributes:
        grid: where chunks lie; None when the chunkedgraph's info is not known.
        points_nm: the position of the nucleus by root, where known: the root of the skeleton.
    """

    grid: ChunkGrid | None
    points_nm: Mapping[int, NDArray[np.float64]]

    def point(self, root: int) -> list[float | None]:
        """Return where a root's nucleus is, three times None where that is not known."""
        found = self.points_nm.get(root)
        return [None, None, None] if found is None else [float(value) for value in found]

    def skeleton(self, neuron: L2Neuron, method: Method) -> Skeleton:
        """Return a neuron's skeleton by a method.

        Raises:
            NoSkeleton: when nothing is known of any of its L2 ids.
        """
        return skeletonize(
            neuron.edges,
            neuron.l2_ids,
            neuron.points_nm,
            neuron.max_dt_nm,
            grid=self.grid,
            missing="drop" if self.grid is None else "interpolate",
            method=method,
            root_at=self.points_nm.get(neuron.root_id),
        )


def node_rows(root: int, skeleton: Skeleton) -> pa.Table:
    """Return a skeleton's rows, numbered as in an SWC file."""
    count = len(skeleton)
    columns = {
        "root_id": np.full(count, root, dtype=np.int64),
        "node_id": np.arange(1, count + 1, dtype=np.int64),
        "parent_id": np.where(skeleton.parent < 0, -1, skeleton.parent + 1),
        "l2_id": skeleton.l2_id,
        **{f"{axis}_nm": skeleton.xyz_nm[:, index] for index, axis in enumerate("xyz")},
        "radius_nm": skeleton.radius_nm,
        "is_soma": np.arange(count) == skeleton.soma,
        "flags": skeleton.flags,
    }
    return pa.table(columns, schema=NODES_SCHEMA)


def metric_row(
    neuron: L2Neuron, skeleton: Skeleton, cables: Mapping[str, float], recipe: Recipe
) -> dict[str, Any]:
    """Return a neuron's row of metrics."""
    known = np.isfinite(neuron.size_nm3)
    point = recipe.point(neuron.root_id)
    low, high = skeleton.xyz_nm.min(axis=0), skeleton.xyz_nm.max(axis=0)
    return {
        "root_id": neuron.root_id,
        "l2_count": len(neuron.l2_ids),
        "l2_edge_count": len(neuron.edges),
        "missing": neuron.missing,
        "parts": skeleton.facts.parts,
        "nodes": len(skeleton),
        "cable_mst_nm": skeleton.cable_nm,
        **{f"cable_{method}_nm": cable for method, cable in cables.items()},
        "branch_points": skeleton.branch_points,
        "tips": skeleton.tips,
        "volume_nm3": float(neuron.size_nm3[known].sum()) if known.any() else None,
        "area_nm2": float(np.nansum(neuron.area_nm2)) if known.any() else None,
        "root_rule": skeleton.facts.root_rule,
        "soma_radius_nm": float(skeleton.radius_nm[skeleton.soma]) if skeleton.soma >= 0 else None,
        **{f"nucleus_{axis}_nm": value for axis, value in zip("xyz", point, strict=True)},
        **{f"{axis}_min_nm": float(low[index]) for index, axis in enumerate("xyz")},
        **{f"{axis}_max_nm": float(high[index]) for index, axis in enumerate("xyz")},
    }
