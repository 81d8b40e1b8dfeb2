"""L2 data of three chunks in a row, the last unknown to the cache, and how the macros over them are called."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from crantdb.sync.l2_measures import METRICS_SCHEMA, NODES_SCHEMA
from crantdb.sync.l2_staging import SCHEMAS
from crantdb.warehouse.commit import TableFacts
from crantdb.warehouse.staging import StagingKey
from crantdb.warehouse.validate import validate
from crantdb.warehouse.whole import stage_whole
from tests.warehouse.making import ROOT, facts, staging_key

if TYPE_CHECKING:
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.validate import ValidTable

L2 = 2**57
_SHARED: dict[str, list[dict[str, Any]]] = {
    "l2_members": [{"root_id": ROOT, "l2_id": L2 + i} for i in range(3)],
    "l2_edges": [{"root_id": ROOT, "l2_a": L2 + i, "l2_b": L2 + i + 1} for i in range(2)],
    "l2_nodes": [
        {"l2_id": L2 + i, "x_nm": 30.0 * i, "y_nm": 40.0 * i, "z_nm": 0.0, "size_nm3": 7 + i}
        for i in range(2)
    ],
}


def shared_tables(warehouse: Warehouse) -> list[tuple[ValidTable, TableFacts]]:
    """Return the L2 tables, which all versions share."""
    said = TableFacts("log", {}, datetime(2026, 3, 1, tzinfo=UTC), None, "given")
    made = []
    for name, rows in _SHARED.items():
        key = StagingKey(
            "http://s",
            "ants",
            "l2",
            name,
            None,
            "",
            "root_id" if "root_id" in rows[0] else "l2_id",
            unique=False,
        )
        table = pa.Table.from_pylist(rows, schema=SCHEMAS[name])
        made.append(
            (validate(stage_whole(warehouse, key, SCHEMAS[name], [table]), rows_expected=len(rows)), said)
        )
    return made


def derived_tables(warehouse: Warehouse, version: int) -> list[tuple[ValidTable, TableFacts]]:
    """Return a version's skeleton of the root: so many nodes as its number."""
    nodes = [
        {
            "root_id": ROOT,
            "node_id": i + 1,
            "parent_id": i or -1,
            "l2_id": L2 + i,
            "radius_nm": 5.0,
            "is_soma": i == 0,
        }
        | {"x_nm": 30.0 * i, "y_nm": 40.0 * i, "z_nm": 0.0, "flags": 0}
        for i in range(version)
    ]
    row = dict.fromkeys(METRICS_SCHEMA.names, 1) | {"root_id": ROOT, "root_rule": "radius"}
    metrics = [row | {"cable_mst_nm": 50.0 * version, "tips": version}]
    made = []
    for name, schema, rows in (
        ("skeleton_nodes", NODES_SCHEMA, nodes),
        ("neuron_metrics", METRICS_SCHEMA, metrics),
    ):
        plain = staging_key(name, version)
        key = StagingKey(
            plain.server, plain.datastack, "derived", name, version, plain.as_of, "root_id", unique=False
        )
        table = pa.Table.from_pylist(rows, schema=schema)
        made.append(
            (validate(stage_whole(warehouse, key, schema, [table]), rows_expected=len(rows)), facts(version))
        )
    return made


_NODES = {"main": 2, "v2": 2, "v1": 1}

CALLS = {
    "skeleton": (
        f"SELECT node_id, parent_id, l2_id, x_nm FROM {{s}}.skeleton({ROOT})",
        lambda s: [(i + 1, i or -1, L2 + i, 30.0 * i) for i in range(_NODES[s])],
    ),
    "cable_length": (
        f"SELECT root_id, cable_mst_nm, tips FROM {{s}}.cable_length([{ROOT}, {ROOT + 1}])",
        lambda s: [(ROOT, 50.0 * _NODES[s], _NODES[s]), (ROOT + 1, None, None)],
    ),
    "l2_graph": (
        f"FROM {{s}}.l2_graph({ROOT})",
        lambda _: [(L2, L2 + 1, 50.0), (L2 + 1, L2 + 2, None)],
    ),
    "l2_chunks": (
        f"SELECT l2_id, y_nm, size_nm3 FROM {{s}}.l2_chunks({ROOT})",
        lambda _: [(L2, 0.0, 7), (L2 + 1, 40.0, 8), (L2 + 2, None, None)],
    ),
}
