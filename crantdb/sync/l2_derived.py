"""What a version's L2 data are made into: the skeletons of its roots, and what they measure.

Both are functions of the L2 data and of where the nucleus is. So what an earlier sync made of the same is taken over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from crantdb.errors import CorruptWarehouse, NoSkeleton, WarehouseTooNew
from crantdb.morphology.store import known_counts, read_l2
from crantdb.sync.l2_measures import (
    METRICS_SCHEMA,
    NEURON_METRICS,
    NODES_SCHEMA,
    OTHER_METHODS,
    SKELETON_NODES,
    Recipe,
    metric_row,
    node_rows,
)
from crantdb.warehouse.commit import TableFacts
from crantdb.warehouse.manifest import read_manifest, tool_version
from crantdb.warehouse.staging import StagingKey
from crantdb.warehouse.validate import Constraint, ValidTable, validate
from crantdb.warehouse.whole import stage_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    import duckdb
    from numpy.typing import NDArray

    from crantdb.sync.progress import Progress
    from crantdb.warehouse.layout import Warehouse

LOOKED_BACK = 30
"""So many snapshots are looked through for tables made earlier."""

AT_ONCE = 64
"""Neurons between two visits to DuckDB."""

_SCHEMAS: Mapping[str, pa.Schema] = MappingProxyType(
    {SKELETON_NODES: NODES_SCHEMA, NEURON_METRICS: METRICS_SCHEMA}
)
_ORDERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {SKELETON_NODES: ("root_id", "node_id"), NEURON_METRICS: ("root_id",)}
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


def recipe_name(identity: Mapping[str, object]) -> str:
    """Return what the tables' rows depend on beside the L2 data themselves: whose these are, and who makes them."""
    return f"crantdb {tool_version()}, {identity['chunkedgraph']}, {identity['l2cache_id']}"


def derive(
    warehouse: Warehouse,
    con: duckdb.DuckDBPyConnection,
    roots: NDArray[np.int64],
    recipe: Recipe,
    *,
    name: str,
    moment: Moment,
    progress: Progress,
) -> Derived:
    """Make the skeletons of roots, and what they measure; what was made of the same before is taken over.

    Args:
        warehouse: where the tables are staged.
        con: where `l2_members`, `l2_edges` and `l2_nodes` stand; tables of its own are added.
        roots: the roots of the version, all of them mirrored, ascending.
        recipe: how.
        name: what `recipe_name` says.
        moment: which version.
        progress: hears how it goes.

    Raises:
        ValidationError: when what was made breaks a promise.
        StorageError: when the disk refuses.
    """
    for table, files in files_before(warehouse, name).items():
        _begin(con, table, files)
    same = _unchanged(con, roots, recipe)
    failed = _make(con, np.setdiff1d(roots, same), recipe, same=same, progress=progress)
    made = Derived(roots=len(roots) - len(failed), failed=failed)
    for table, schema in _SCHEMAS.items():
        columns, order = ", ".join(schema.names), ", ".join(_ORDERS[table])
        rows = con.sql(f"SELECT {columns} FROM new_{table} ORDER BY {order}")
        key = derived_key(moment, table)
        staged = stage_whole(warehouse, key, schema, _batches(rows, schema), order=_ORDERS[table])
        valid = validate(staged, rows_expected=staged.rows, constraints=_PROMISES[table], con=con)
        said = {"made_from": "l2", "recipe": name}
        made.tables.append((valid, TableFacts("derived", said, moment.fetched_at, moment.as_of, "made here")))
    return made


def is_current(
    con: duckdb.DuckDBPyConnection, roots: NDArray[np.int64], recipe: Recipe, files: Mapping[str, list[Path]]
) -> bool:
    """Tell whether tables are what would be made of these roots now.

    Args:
        con: where `l2_members` and `l2_nodes` stand.
        roots: the roots of the version, ascending.
        recipe: how.
        files: the files of the version's own tables; none when it has none.
    """
    if not files.get(NEURON_METRICS):
        return not len(roots)
    _begin(con, NEURON_METRICS, files[NEURON_METRICS])
    [(rows,)] = con.execute(f"SELECT count(*) FROM before_{NEURON_METRICS}").fetchall()
    return bool(rows == len(roots) == len(_unchanged(con, roots, recipe)))


def files_before(warehouse: Warehouse, name: str) -> dict[str, list[Path]]:
    """Return the files of the tables that were made last in the same way, of whatever version; none without any."""
    for number in warehouse.numbers()[: -LOOKED_BACK - 1 : -1]:
        try:
            found = read_manifest(warehouse.manifest(number))
        except (CorruptWarehouse, WarehouseTooNew, FileNotFoundError):
            continue
        tables = {table: found.main.tables.get(f"derived.{table}") for table in _SCHEMAS}
        files = {
            table: [warehouse.root / file.path for file in state.files]
            for table, state in tables.items()
            if state is not None and state.source.get("recipe") == name
        }
        if len(files) == len(_SCHEMAS) and all(path.is_file() for paths in files.values() for path in paths):
            return files
    return {table: [] for table in _SCHEMAS}


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


def _begin(con: duckdb.DuckDBPyConnection, table: str, files: list[Path]) -> None:
    """Make `before_<table>`, the rows that were made earlier, and `new_<table>`, none yet."""
    empty = _SCHEMAS[table].empty_table()
    con.execute(f"DROP VIEW IF EXISTS before_{table}")
    con.from_arrow(empty).create_view("empty_rows", replace=True)
    con.execute(f"CREATE OR REPLACE TABLE new_{table} AS FROM empty_rows")
    if files:
        con.from_parquet([str(file) for file in files], hive_partitioning=False).create_view(
            f"before_{table}"
        )
    else:
        con.execute(f"CREATE VIEW before_{table} AS FROM new_{table} WHERE false")


def _unchanged(con: duckdb.DuckDBPyConnection, roots: NDArray[np.int64], recipe: Recipe) -> NDArray[np.int64]:
    """Return those of the roots of which as much is known as when their rows were made, and whose nucleus is there yet."""
    counts = known_counts(con, roots)
    axes = ", ".join(f"nucleus_{axis}_nm" for axis in "xyz")
    rows = con.execute(f"SELECT root_id, l2_count, missing, {axes} FROM before_{NEURON_METRICS}").fetchall()
    same = [
        root
        for root, l2_ids, missing, *point in rows
        if counts.get(root) == (l2_ids, l2_ids - missing) and point == recipe.point(root)
    ]
    return np.array(sorted(same), dtype=np.int64)


def _make(
    con: duckdb.DuckDBPyConnection,
    roots: NDArray[np.int64],
    recipe: Recipe,
    *,
    same: NDArray[np.int64],
    progress: Progress,
) -> dict[int, str]:
    """Fill `new_skeleton_nodes` and `new_neuron_metrics`; return the roots without a skeleton, with the reason."""
    failed: dict[int, str] = {}
    for table in _SCHEMAS:
        kept = f"INSERT INTO new_{table} FROM before_{table} SEMI JOIN (SELECT unnest($roots::BIGINT[]) AS root_id) USING (root_id)"
        con.execute(kept, {"roots": same.tolist()})
    progress.begin(SKELETON_NODES, len(roots) + len(same), len(same))
    for start in range(0, len(roots), AT_ONCE):
        nodes: list[pa.Table] = []
        metrics: list[dict[str, Any]] = []
        part = roots[start : start + AT_ONCE]
        for neuron in read_l2(con, part):
            try:
                skeleton = recipe.skeleton(neuron, "mst")
                cables = {str(method): recipe.skeleton(neuron, method).cable_nm for method in OTHER_METHODS}
            except NoSkeleton as error:
                failed[neuron.root_id] = str(error)
                continue
            nodes.append(node_rows(neuron.root_id, skeleton))
            metrics.append(metric_row(neuron, skeleton, cables, recipe))
        if nodes:
            con.from_arrow(pa.concat_tables(nodes)).insert_into(f"new_{SKELETON_NODES}")
            rows = pa.Table.from_pylist(metrics, schema=METRICS_SCHEMA)
            con.from_arrow(rows).insert_into(f"new_{NEURON_METRICS}")
        progress.advance(SKELETON_NODES, len(part))
    progress.end(SKELETON_NODES)
    return failed


def _batches(rows: duckdb.DuckDBPyRelation, schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield rows in pieces, in the table's types."""
    for batch in rows.to_arrow_reader(131_072):
        yield pa.Table.from_batches([batch]).cast(schema)
