"""The rows of the tables that describe a snapshot: what a manifest says, as values. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crantdb.morphology.chunkgrid import ChunkGrid
from crantdb.warehouse.relations import relation_names, schema_of, voxel_resolution

if TYPE_CHECKING:
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import Snapshot, TableState, VersionState


def snapshot_row(warehouse: Warehouse, snapshot: Snapshot, state: VersionState) -> list[Any]:
    """Return the row of `snapshot`."""
    return [
        snapshot.number,
        state.version,
        state.as_of,
        snapshot.datastack,
        snapshot.server,
        snapshot.committed_at,
        snapshot.operation,
        snapshot.tool,
        str(warehouse.root),
    ]


def snapshots_row(snapshot: Snapshot, current: int) -> list[Any]:
    """Return a row of `snapshots`."""
    tables = (*snapshot.main.tables.values(), *snapshot.shared.values())
    return [
        snapshot.number,
        snapshot.parent,
        snapshot.main.version,
        snapshot.main.as_of,
        None if snapshot.added is None else snapshot.added.version,
        snapshot.operation,
        snapshot.committed_at,
        snapshot.tool,
        len(tables),
        sum(table.rows for table in tables),
        sum(file.bytes for table in tables for file in table.needed),
        snapshot.number == current,
        sorted(state.version for state in snapshot.older if state.version is not None),
    ]


def tables_rows(state: VersionState, suffix: str = "") -> list[list[Any]]:
    """Return the rows of `tables`: what is mirrored, then what was skipped."""
    names = relation_names(state.tables.values())
    mirrored = [
        _table_row(table, f"{schema_of(table.schema, suffix)}.{names[key]}")
        for key, table in state.tables.items()
    ]
    skipped = [_skipped_row(key, reason, state) for key, reason in state.skipped.items()]
    return mirrored + skipped


def _table_row(table: TableState, relation: str) -> list[Any]:
    """Return the row of a mirrored table."""
    resolution = voxel_resolution(table)
    return [
        relation,
        table.name,
        table.kind,
        "mirrored",
        table.rows,
        sum(file.bytes for file in table.own),
        len(table.own),
        table.version,
        table.as_of,
        table.fetched_at,
        table.completeness,
        "whole" if table.layers is None else f"layers on version {table.layers.version}",
        dict(table.exceptions),
        list(table.drift),
        table.source.get("schema_type"),
        table.source.get("reference_table"),
        None if resolution is None else list(resolution),
        table.source.get("notice_text"),
        table.source.get("description"),
    ]


def _skipped_row(key: str, reason: str, state: VersionState) -> list[Any]:
    """Return the row of a table that could not be read."""
    name = key.split(".", 1)[1]
    nothing = [None] * 3
    return [None, name, "table", "skipped", *nothing, state.version, state.as_of, None, reason, *[None] * 8]


def id_layout_rows(snapshot: Snapshot) -> list[list[Any]]:
    """Return the rows of `id_layout`, from the chunkedgraph's info."""
    graph = (snapshot.chunkedgraph or {}).get("graph")
    if not isinstance(graph, dict):
        return []
    top = int(graph["n_bits_for_layer_id"])
    masks = {int(layer): int(bits) for layer, bits in graph["spatial_bit_masks"].items()}
    return [[layer, top, bits, 64 - top - 3 * bits] for layer, bits in sorted(masks.items())]


def chunk_grid_rows(snapshot: Snapshot) -> list[list[Any]]:
    """Return the row of `chunk_grid`, from the chunkedgraph's info; none when that does not say."""
    try:
        grid = ChunkGrid.from_info(snapshot.chunkedgraph or {})
    except KeyError:
        return []
    return [[*grid.origin_nm, *grid.chunk_nm]]
