"""What each table of a snapshot is called in SQL, and the statements that make it so.

Pure: manifests in, text out. Running the text is `catalog`'s business.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from crantdb.schema import DeclaredColumn
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import Snapshot, TableState, VersionState

CANONICAL = frozenset(
    {
        "annotation_changes",
        "annotations",
        "edges",
        "edges_by_post",
        "id_layout",
        "l2_edges",
        "l2_members",
        "l2_nodes",
        "neurons",
        "root_history",
        "root_ids",
        "snapshot",
        "snapshots",
        "synapse_by_post_source",
        "synapse_ids",
        "synapse_source",
        "synapses",
        "synapses_by_post",
        "tables",
    }
)
"""Names that mean one thing in every lab; a mirrored table of such a name keeps to its own schema."""

_OWN_TABLES = frozenset({"edges", "edges_by_post", "synapse_ids"})

_DUCKDBS_OWN = ("duckdb_", "sqlite_", "pragma_", "pg_")


def ident(name: str) -> str:
    """Quote a name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    """Write a value as an SQL literal: None, bool, int, float, text, time, list, or a map of text to int."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, datetime):
        return f"TIMESTAMP '{value.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}'"
    if isinstance(value, dict):
        return (
            f"MAP {{{', '.join(f'{literal(k)}: {literal(v)}' for k, v in value.items())}}}"
            if value
            else "MAP {}"
        )
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(literal, value))}]"
    return "'" + str(value).replace("'", "''") + "'"


def relation_names(tables: Iterable[TableState]) -> dict[str, str]:
    """Return the SQL name of each table, by `TableState.key`.

    SQL does not tell names apart that differ only in case. Of such, the one all in lower case (else the
    first) keeps its name; the others get a short hash of theirs behind it.
    """
    taken: set[str] = set()
    names: dict[str, str] = {}
    for table in sorted(tables, key=lambda t: (t.schema, t.name != t.name.lower(), t.name)):
        name = table.name
        if f"{table.schema}.{name}".casefold() in taken:
            name = f"{name}_{hashlib.sha256(name.encode()).hexdigest()[:6]}"
        taken.add(f"{table.schema}.{name}".casefold())
        names[table.key] = name
    return names


def free_in_main(names: Mapping[str, str]) -> dict[str, str]:
    """Return those SQL names, by key, that may also stand in `main` without hiding something else.

    A canonical name belongs to crantdb's own table of that name (but for one that a view of that name reads).
    """
    taken = set(CANONICAL)
    free = {key: name for key, name in names.items() if key.startswith("derived.") and name in _OWN_TABLES}
    for key, name in names.items():
        folded = name.casefold()
        if folded not in taken and not folded.startswith(_DUCKDBS_OWN):
            free[key] = name
            taken.add(folded)
    return free


def files_of(warehouse: Warehouse, table: TableState) -> list[str]:
    """Return the absolute paths of a table's files."""
    return [str(warehouse.root / file.path) for file in table.files]


def mirror_statements(
    warehouse: Warehouse, state: VersionState, *, suffix: str, alias_schema: str
) -> list[str]:
    """Return the statements that make a version's mirrored tables queryable.

    Args:
        warehouse: where the files lie.
        state: the version.
        suffix: put behind the name of each mirror schema, e.g. ``_v4``; empty for the main version.
        alias_schema: the schema that free names are aliased into.
    """
    names = relation_names(state.tables.values())
    made = sorted({table.schema for table in state.tables.values()} | {"cave", "derived", "seatable"})
    result = [f"CREATE SCHEMA IF NOT EXISTS {ident(schema + suffix)}" for schema in made]
    for key, table in state.tables.items():
        target = f"{ident(table.schema + suffix)}.{ident(names[key])}"
        columns = ", ".join(ident(column.name) for column in table.columns)
        paths = literal(files_of(warehouse, table))
        result.append(
            f"CREATE VIEW {target} AS SELECT {columns} FROM read_parquet({paths}, hive_partitioning = false)"
        )
        said = table.source.get("description")
        if said:
            result.append(f"COMMENT ON VIEW {target} IS {literal(said)}")
    for key, name in free_in_main(names).items():
        table = state.tables[key]
        columns = ", ".join(ident(column.name) for column in table.columns)
        source = f"{ident(table.schema + suffix)}.{ident(name)}"
        result.append(f"CREATE VIEW {ident(alias_schema)}.{ident(name)} AS SELECT {columns} FROM {source}")
    return result


def sources_of(snapshot: Snapshot, state: VersionState) -> dict[str, TableState]:
    """Return which table stands behind each source relation of the canonical views, where it is mirrored."""
    keys = {
        "synapse_source": f"cave.{snapshot.info.get('synapse_table')}",
        "synapse_by_post_source": "derived.synapses_by_post",
    }
    return {name: state.tables[key] for name, key in keys.items() if key in state.tables}


def source_statement(
    relation: str, table: TableState, declared: Sequence[DeclaredColumn], *, mirror: str, schema: str
) -> str:
    """Return the statement that makes a source relation of a table.

    Declared columns that the table does not have come as NULL; others of its own follow.

    Args:
        relation: the source relation's name.
        table: the table behind it.
        declared: the relation's declared columns.
        mirror: the table's own relation, quoted.
        schema: where the source relation stands.
    """
    resolution = voxel_resolution(table) or (None, None, None)
    extra = {f"voxel_{axis}_nm": literal(size) for axis, size in zip("xyz", resolution, strict=True)}
    types = {column.name: column.type for column in table.columns}
    wanted = [_conforming(column, types, extra) for column in declared]
    known = {column.name for column in declared}
    own = [ident(column.name) for column in table.columns if column.name not in known]
    return f"CREATE VIEW {ident(schema)}.{relation} AS SELECT {', '.join(wanted + own)} FROM {mirror}"


def _conforming(column: DeclaredColumn, types: Mapping[str, str], extra: Mapping[str, str]) -> str:
    """Return a declared column as it is selected: as it is where the types agree, so that filters reach the files."""
    name = ident(column.name)
    if types.get(column.name) == column.type:
        return name
    value = name if column.name in types else extra.get(column.name, "NULL")
    return f"CAST({value} AS {column.type}) AS {name}"


def mirrors(state: VersionState, suffix: str) -> dict[str, str]:
    """Return each table's own relation, quoted, by `TableState.key`."""
    names = relation_names(state.tables.values())
    return {key: f"{ident(state.tables[key].schema + suffix)}.{ident(name)}" for key, name in names.items()}


def voxel_resolution(table: TableState) -> tuple[float, float, float] | None:
    """Return the size in nm of the voxels a table's positions are in, or None when the server did not say."""
    sizes = [table.source.get(f"voxel_resolution_{axis}") for axis in "xyz"]
    if any(size is None for size in sizes):
        return None
    x, y, z = (float(str(size)) for size in sizes)
    return x, y, z


# --- rows of the tables that describe the snapshot ---------------------------------------------------


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
    tables = snapshot.main.tables.values()
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
        sum(file.bytes for table in tables for file in table.files),
        snapshot.number == current,
    ]


def tables_rows(state: VersionState, suffix: str = "") -> list[list[Any]]:
    """Return the rows of `tables`: what is mirrored, then what was skipped."""
    names = relation_names(state.tables.values())
    mirrored = [
        _table_row(table, f"{table.schema}{suffix}.{names[key]}") for key, table in state.tables.items()
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
        sum(file.bytes for file in table.files),
        len(table.files),
        table.version,
        table.as_of,
        table.fetched_at,
        table.completeness,
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
    return [None, name, "table", "skipped", *nothing, state.version, state.as_of, None, reason, *[None] * 7]


def id_layout_rows(snapshot: Snapshot) -> list[list[Any]]:
    """Return the rows of `id_layout`, from the chunkedgraph's info."""
    graph = (snapshot.chunkedgraph or {}).get("graph")
    if not isinstance(graph, dict):
        return []
    top = int(graph["n_bits_for_layer_id"])
    masks = {int(layer): int(bits) for layer, bits in graph["spatial_bit_masks"].items()}
    return [[layer, top, bits, 64 - top - 3 * bits] for layer, bits in sorted(masks.items())]


def insert(target: str, rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return the statement that fills a table; none without rows."""
    if not rows:
        return []
    values = ", ".join(f"({', '.join(map(literal, row))})" for row in rows)
    return [f"INSERT INTO {target} VALUES {values}"]
