"""Warehouses with synapses and annotated neurons, made by the steps of a sync."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa

from crantdb.schema import declarations
from crantdb.warehouse.commit import commit
from crantdb.warehouse.staging import open_staging
from crantdb.warehouse.validate import validate
from tests.warehouse.brain import finished, staged
from tests.warehouse.making import change, facts, staging_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crantdb.warehouse.commit import TableFacts
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.validate import ValidTable

REQUIRED: Mapping[str, Mapping[str, Any]] = {
    "neurons": {
        "annotation_ids": [],
        "annotation_count": 1,
        "merged_at_as_of": False,
        "duplicate_annotations": False,
        "inconsistent_annotations": False,
        "root_status": "current",
    },
    "annotations": {"root_status": "current", "findings": []},
}
"""What stands in the columns that must not be NULL, where a test says nothing of them."""


def synapses_of_edges(
    edges: Sequence[tuple[int, int, int]], *, seed: int = 0, unresolved: int = 0, background: int = 0
) -> pa.Table:
    """Return one synapse row for each count of each edge, in no order, ids shuffled.

    Args:
        edges: pre root, post root, synapses.
        seed: where chance starts: sizes (whole numbers from 1 to 999) and places.
        unresolved: so many more rows whose pre root is NULL.
        background: so many more rows from root 0 onto the first edge's post root.
    """
    random = np.random.default_rng(seed)
    counts = [count for _, _, count in edges]
    pre = np.repeat(np.array([edge[0] for edge in edges], np.int64), counts)
    post = np.repeat(np.array([edge[1] for edge in edges], np.int64), counts)
    more = unresolved + background
    pre = np.concatenate([pre, np.zeros(more, np.int64)])
    post = np.concatenate([post, np.full(more, edges[0][1], np.int64)])
    rows = len(pre)
    nowhere = np.zeros(rows, bool)
    nowhere[rows - unresolved :] = unresolved > 0
    columns: dict[str, Any] = {
        "id": pa.array(100 + random.permutation(rows).astype(np.int64)),
        "pre_pt_root_id": pa.array(pre, pa.int64(), mask=nowhere),
        "post_pt_root_id": pa.array(post, pa.int64()),
    }
    for side in ("pre", "post"):
        columns[f"{side}_pt_supervoxel_id"] = pa.array(2**56 + random.integers(0, 2**40, rows), pa.int64())
    for point in ("pre", "post", "ctr"):
        for axis in "xyz":
            columns[f"{point}_pt_position_{axis}"] = pa.array(random.integers(0, 50_000, rows), pa.int32())
    columns["size"] = pa.array(random.integers(1, 1000, rows).astype(np.float32))
    return pa.table(columns).sort_by("id")


def declared_rows(table: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return rows of a declared table, all its columns in its types; what is not said is NULL or a stand-in."""
    con = duckdb.connect(":memory:")
    con.execute(declarations()[table])
    full = [{**REQUIRED[table], "_id": str(row["root_id"]), **row} for row in rows]
    names = dict.fromkeys(name for row in full for name in row)
    con.register("given", pa.table({name: [row.get(name) for row in full] for name in names}))
    con.execute(f"INSERT INTO {table} BY NAME FROM given")
    made = con.sql(f"FROM {table}").to_arrow_table()
    con.close()
    return made


def derived(
    warehouse: Warehouse, table: str, rows: pa.Table, *, version: int, key: str | None
) -> tuple[ValidTable, TableFacts]:
    """Return a derived table, staged and checked."""
    wanted = replace(staging_key(table, version, sort_key=key, unique=key is not None), schema="derived")
    staging = open_staging(warehouse, wanted)
    staging.add("0", rows)
    return validate(staging.finish(), rows_expected=rows.num_rows), facts(version)


def add_brain(
    warehouse: Warehouse, synapses: pa.Table, neurons: Sequence[Mapping[str, Any]], *, version: int = 1
) -> None:
    """Commit a version: synapses in their five forms, neurons, and an annotation row for each."""
    tables = list(finished(staged(warehouse, synapses, version=version), version=version))
    if neurons:
        known = declared_rows("neurons", neurons)
        own = REQUIRED["neurons"].keys() - REQUIRED["annotations"].keys()
        rows = [{name: value for name, value in row.items() if name not in own} for row in neurons]
        typed = declared_rows("annotations", rows)
        tables.append(derived(warehouse, "neurons", known, version=version, key="root_id"))
        tables.append(derived(warehouse, "annotations", typed, version=version, key=None))
    commit(warehouse, change(warehouse, {}, version, tables=tables))
