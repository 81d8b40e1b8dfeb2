"""What each table of a snapshot is called in SQL, and the statements that make it so.

Pure: manifests in, text out. Running the text is `catalog`'s business.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from crantdb.errors import BadArgument
from crantdb.warehouse.state import SHARED_SCHEMAS, table_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from crantdb.schema import DeclaredColumn
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import Snapshot, TableState, VersionState

CANONICAL = frozenset(
    {
        "annotation_changes",
        "annotations",
        "duplicate_annotations",
        "edges",
        "edges_by_post",
        "id_layout",
        "inconsistent_annotations",
        "l2_edges",
        "l2_members",
        "l2_nodes",
        "merged_at_as_of",
        "neurons",
        "root_history",
        "root_ids",
        "root_links",
        "root_lives",
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
"""Names that mean one thing in every lab; a mirrored table of such a name keeps to its own schema.

So is every declared table's name. Ours alone stand in `main` under such names: those of `OWN_SCHEMAS`.
"""

OWN_SCHEMAS = frozenset({"derived", "history", "l2"})
"""Schemas whose tables crantdb itself makes."""

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

    Where two SeaTable bases have a table of one name, each gets its base's name before it. SQL does not tell
    names apart that differ only in case: of such, the one all in lower case (else the first) keeps its name; the
    others get a short hash of their key behind it.
    """
    found = list(tables)
    bases: dict[str, set[str | None]] = {}
    for table in found:
        bases.setdefault(table_key(table.schema, table.name).casefold(), set()).add(table.base)
    taken: set[str] = set()
    names: dict[str, str] = {}
    for table in sorted(found, key=lambda t: (t.schema, t.base or "", t.name != t.name.lower(), t.name)):
        name = table.name
        if table.base is not None and len(bases[table_key(table.schema, name).casefold()]) > 1:
            name = f"{table.base}_{name}"
        if table_key(table.schema, name).casefold() in taken:
            told = table.name if table.base is None else table.key
            name = f"{name}_{hashlib.sha256(told.encode()).hexdigest()[:6]}"
        taken.add(table_key(table.schema, name).casefold())
        names[table.key] = name
    return names


def free_in_main(names: Mapping[str, str], declared: Collection[str]) -> dict[str, str]:
    """Return those SQL names, by key, that may also stand in `main` without hiding something else.

    Args:
        names: as `relation_names` gives them.
        declared: the declared tables: such a name belongs to crantdb's own table of it.
    """
    taken = {*CANONICAL, *declared}
    free = {key: name for key, name in names.items() if _is_own(key) and name in declared}
    for key, name in names.items():
        folded = name.casefold()
        if folded not in taken and not folded.startswith(_DUCKDBS_OWN):
            free[key] = name
            taken.add(folded)
    return free


def _is_own(key: str) -> bool:
    """Tell whether a table is of crantdb's own making."""
    return key.split(".", 1)[0] in OWN_SCHEMAS


def files_of(warehouse: Warehouse, table: TableState) -> list[str]:
    """Return the absolute paths of the files of a table that is whole.

    Raises:
        BadArgument: when it is kept as layers: then it has no such files (see `rows.rows_sql`).
    """
    if table.layers is not None:
        msg = (
            f"{table.key} of version {table.version} is kept as what differs from version "
            f"{table.layers.version}: it can be queried, but has no files of its own"
        )
        raise BadArgument(msg)
    return [str(warehouse.root / file.path) for file in table.files]


def schema_of(schema: str, suffix: str) -> str:
    """Return the SQL schema of mirrors.

    Args:
        schema: the room of the table.
        suffix: what tells a version (``_v7``) or a snapshot (``_s41``) from the main one (empty). What all versions
            of a snapshot share has one schema for all of them.
    """
    return schema if schema in SHARED_SCHEMAS and not of_other_snapshot(suffix) else schema + suffix


def of_other_snapshot(suffix: str) -> bool:
    """Tell whether a suffix stands for another snapshot, rather than for another version of the same."""
    return suffix.startswith("_s")


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
    schemas = {key: schema_of(table.schema, suffix) for key, table in state.tables.items()}
    return {key: f"{ident(schemas[key])}.{ident(name)}" for key, name in names.items()}


def voxel_resolution(table: TableState) -> tuple[float, float, float] | None:
    """Return the size in nm of the voxels a table's positions are in, or None when the server did not say."""
    sizes = [table.source.get(f"voxel_resolution_{axis}") for axis in "xyz"]
    if any(size is None for size in sizes):
        return None
    x, y, z = (float(str(size)) for size in sizes)
    return x, y, z


def insert(target: str, rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return the statement that fills a table; none without rows."""
    if not rows:
        return []
    values = ", ".join(f"({', '.join(map(literal, row))})" for row in rows)
    return [f"INSERT INTO {target} VALUES {values}"]
