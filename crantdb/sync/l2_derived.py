"""What a version's L2 data are made into: the skeletons of its roots, and what they measure."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from crantdb.errors import NoSkeleton
from crantdb.morphology.skeleton import Method, skeletonize
from crantdb.morphology.store import L2Neuron, read_l2
from crantdb.warehouse.commit import TableFacts
from crantdb.warehouse.staging import StagingKey
from crantdb.warehouse.validate import Constraint, ValidTable, validate
from crantdb.warehouse.whole import stage_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    import duckdb
    from numpy.typing import NDArray

    from crantdb.morphology.chunkgrid import ChunkGrid
    from crantdb.morphology.tree import Skeleton
    from crantdb.sync.progress import Progress
    from crantdb.warehouse.layout import Warehouse

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
        *((f"{axis}_{end}_nm", pa.float64()) for end in ("min", "max") for axis in "xyz"),
    ]
)

_PROMISES: Mapping[str, list[Constraint]] = MappingProxyType(
    {
        SKELETON_NODES: [
            Constraint(
                "a parent stands before its children", "parent_id = -1 OR parent_id BETWEEN 1 AND node_id - 1"
            ),
            Constraint(
                "positions and radii are finite",
                "isfinite(x_nm + y_nm + z_nm) AND isfinite(radius_nm) AND radius_nm > 0",
            ),
        ],
        NEURON_METRICS: [
            Constraint("cable is finite", "isfinite(cable_mst_nm) AND isfinite(cable_teasar_nm)")
        ],
    }
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


@dataclass(slots=True)
class Derived:
    """The derived tables of a version.

    Attributes:
        tables: the tables, valid.
        roots: how many roots they are of.
        failed: roots without a skeleton, with the reason.
    """

    tables: list[tuple[ValidTable, TableFacts]] = field(default_factory=list)
    roots: int = 0
    failed: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Moment:
    """Which version the tables are of: its number and moment, None without one; and where it is mirrored from."""

    server: str
    datastack: str
    version: int | None
    as_of: datetime | None
    fetched_at: datetime


def derive(
    warehouse: Warehouse,
    con: duckdb.DuckDBPyConnection,
    roots: Sequence[int] | NDArray[np.int64],
    recipe: Recipe,
    *,
    moment: Moment,
    progress: Progress,
) -> Derived:
    """Make the skeletons of roots, and what they measure.

    Args:
        warehouse: where the tables are staged.
        con: where `l2_members`, `l2_edges` and `l2_nodes` stand.
        roots: the roots of the version, all of them mirrored.
        recipe: how.
        moment: which version.
        progress: hears how it goes.

    Raises:
        ValidationError: when what was made breaks a promise.
        StorageError: when the disk refuses.
    """
    made = Derived()
    metrics: list[dict[str, Any]] = []
    progress.begin(SKELETON_NODES, len(roots), 0)
    nodes = _skeletons(con, roots, recipe, metrics=metrics, failed=made.failed, progress=progress)
    for name, schema, order, rows in (
        (SKELETON_NODES, NODES_SCHEMA, ("root_id", "node_id"), nodes),
        (NEURON_METRICS, METRICS_SCHEMA, ("root_id",), _table_of(metrics)),
    ):
        staged = stage_whole(warehouse, derived_key(moment, name), schema, rows, order=order)
        valid = validate(staged, rows_expected=staged.rows, constraints=_PROMISES[name])
        facts = TableFacts("derived", {"made_from": "l2"}, moment.fetched_at, moment.as_of, "made here")
        made.tables.append((valid, facts))
    progress.end(SKELETON_NODES)
    made.roots = len(metrics)
    return made


def derived_key(moment: Moment, name: str) -> StagingKey:
    """Return the key under which a derived table is staged."""
    return StagingKey(
        server=moment.server,
        datastack=moment.datastack,
        schema="derived",
        table=name,
        version=moment.version,
        as_of="" if moment.as_of is None else moment.as_of.isoformat(),
        sort_key="root_id",
        unique=name == NEURON_METRICS,
    )


def _skeletons(
    con: duckdb.DuckDBPyConnection,
    roots: Sequence[int] | NDArray[np.int64],
    recipe: Recipe,
    *,
    metrics: list[dict[str, Any]],
    failed: dict[int, str],
    progress: Progress,
) -> Iterator[pa.Table]:
    """Yield each root's nodes; note what they measure."""
    for neuron in read_l2(con, roots):
        try:
            skeleton = recipe.skeleton(neuron, "mst")
            cables = {str(method): recipe.skeleton(neuron, method).cable_nm for method in OTHER_METHODS}
        except NoSkeleton as error:
            failed[neuron.root_id] = str(error)
        else:
            metrics.append(_measured(neuron, skeleton, cables))
            yield _nodes(neuron.root_id, skeleton)
        progress.advance(SKELETON_NODES, 1)


def _nodes(root: int, skeleton: Skeleton) -> pa.Table:
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


def _measured(neuron: L2Neuron, skeleton: Skeleton, cables: Mapping[str, float]) -> dict[str, Any]:
    """Return a neuron's row of metrics."""
    known = np.isfinite(neuron.size_nm3)
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
        **{f"{axis}_min_nm": float(low[index]) for index, axis in enumerate("xyz")},
        **{f"{axis}_max_nm": float(high[index]) for index, axis in enumerate("xyz")},
    }


def _table_of(rows: list[dict[str, Any]]) -> Iterator[pa.Table]:
    """Yield rows as one table, once they are all there."""
    yield pa.Table.from_pylist(rows, schema=METRICS_SCHEMA)
