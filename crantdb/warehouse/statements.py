"""A snapshot as a text of SQL: mirrors, declared tables, functions, views and macros, version by version."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from crantdb.errors import CorruptWarehouse, WarehouseTooNew
from crantdb.schema import declarations, declared_columns
from crantdb.warehouse.described import (
    chunk_grid_rows,
    id_layout_rows,
    snapshot_row,
    snapshots_row,
    tables_rows,
)
from crantdb.warehouse.manifest import read_manifest
from crantdb.warehouse.qualify import qualified, sql_objects
from crantdb.warehouse.relations import (
    free_in_main,
    ident,
    insert,
    literal,
    mirrors,
    of_other_snapshot,
    relation_names,
    schema_of,
    source_statement,
    sources_of,
)
from crantdb.warehouse.rows import rows_sql
from crantdb.warehouse.snapshot import state_for
from crantdb.warehouse.state import SHARED_SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.qualify import SqlObject
    from crantdb.warehouse.state import Snapshot, VersionState


def catalog_statements(
    place: Warehouse,
    snapshot: Snapshot,
    *,
    version: int | None = None,
    versions: Sequence[int] = (),
    snapshots: Sequence[Snapshot] = (),
) -> list[str]:
    """Return the statements that make a snapshot queryable in an empty database, in order.

    Args:
        place: where.
        snapshot: which.
        version: the materialization version that stands in `main`; the snapshot's main one by default.
        versions: further kept versions, each in a schema of its own.
        snapshots: further snapshots, the main version of each in a schema of its own.
    """
    objects = sql_objects()
    result = _version_statements(place, snapshot, version, objects, schema="main")
    result += _further(place, snapshot, versions, objects)
    for found in {found.number: found for found in snapshots}.values():
        schema = f"s{found.number}"
        result += [f"CREATE SCHEMA {ident(schema)}"]
        result += _version_statements(place, found, None, objects, schema=schema)
    return result


def further_statements(place: Warehouse, snapshot: Snapshot, versions: Sequence[int]) -> list[str]:
    """Return what comes behind the catalog of a main version for other programs: further versions, and descriptions.

    Args:
        place: where.
        snapshot: which.
        versions: further kept versions, each in a schema of its own.
    """
    result = _further(place, snapshot, versions, sql_objects() if versions else ())
    for schema, version in [("main", None), *((f"v{other}", other) for other in versions)]:
        result += _column_comments(snapshot, state_for(place, snapshot, version), schema)
    return result


def _further(
    place: Warehouse, snapshot: Snapshot, versions: Sequence[int], objects: Sequence[SqlObject]
) -> list[str]:
    """Return the statements for further versions."""
    result: list[str] = []
    for other in dict.fromkeys(versions):
        result += [f"CREATE SCHEMA {ident(f'v{other}')}"]
        result += _version_statements(place, snapshot, other, objects, schema=f"v{other}")
    return result


def _version_statements(
    place: Warehouse,
    snapshot: Snapshot,
    version: int | None,
    objects: Sequence[SqlObject],
    *,
    schema: str,
) -> list[str]:
    """Return the statements for one version: mirrors, tables, functions, views, macros."""
    state = state_for(place, snapshot, version)
    suffix = "" if schema == "main" else f"_{schema}"
    texts = declarations()
    result = _mirror_statements(place, state, texts.keys(), suffix=suffix, alias_schema=schema)
    own = mirrors(state, suffix)
    sources = sources_of(snapshot, state)
    columns = declared_columns(*sources)
    result += [
        source_statement(name, table, columns[name], mirror=own[table.key], schema=schema)
        for name, table in sources.items()
    ]
    result += [_parts(text, name, schema)[0] for name, text in _empty_tables(snapshot, state, texts).items()]
    rows = {
        "snapshot": [snapshot_row(place, snapshot, state)],
        "snapshots": _snapshots(place, snapshot),
        "tables": tables_rows(state, suffix),
        "id_layout": id_layout_rows(snapshot),
        "chunk_grid": chunk_grid_rows(snapshot),
    }
    for name, content in rows.items():
        result += insert(f"{ident(schema)}.{name}", content)
    relations = set(texts) | {item.name for item in objects if item.room != "functions"}
    macros = {item.name for item in objects if item.room != "views"}
    for item in objects:
        result.append(_unended(qualified(item, schema, relations, macros)))
    return result


def _mirror_statements(
    warehouse: Warehouse, state: VersionState, declared: Collection[str], *, suffix: str, alias_schema: str
) -> list[str]:
    """Return the statements that make a version's mirrored tables queryable.

    Args:
        warehouse: where the files lie.
        state: the version, as `state_for` gives it.
        declared: the names of the declared tables.
        suffix: put behind the name of each mirror schema, e.g. ``_v4``; empty for the main version. Tables that
            all versions of a snapshot share stand there already.
        alias_schema: the schema that free names are aliased into.
    """
    names = relation_names(state.tables.values())
    made = {table.schema for table in state.tables.values()} | {"cave", "derived", "seatable"}
    made = {schema_of(schema, suffix) for schema in made}
    result = [f"CREATE SCHEMA IF NOT EXISTS {ident(schema)}" for schema in sorted(made)]
    own = mirrors(state, suffix)
    for key, table in state.tables.items():
        if suffix and table.schema in SHARED_SCHEMAS and not of_other_snapshot(suffix):
            continue
        result.append(f"CREATE VIEW {own[key]} AS {rows_sql(warehouse, table)}")
        said = table.source.get("description")
        if said:
            result.append(f"COMMENT ON VIEW {own[key]} IS {literal(said)}")
    for key, name in free_in_main(names, declared).items():
        columns = ", ".join(ident(column.name) for column in state.tables[key].columns)
        result.append(f"CREATE VIEW {ident(alias_schema)}.{ident(name)} AS SELECT {columns} FROM {own[key]}")
    return result


def _empty_tables(snapshot: Snapshot, state: VersionState, texts: Mapping[str, str]) -> dict[str, str]:
    """Return the declarations, by name, of the tables that a version has no rows for or that are made for it."""
    made = {
        *sources_of(snapshot, state),
        *free_in_main(relation_names(state.tables.values()), texts.keys()).values(),
    }
    return {name: text for name, text in texts.items() if name not in made}


def _column_comments(snapshot: Snapshot, state: VersionState, schema: str) -> list[str]:
    """Say of every column of the declared tables what it is."""
    tables = _empty_tables(snapshot, state, declarations())
    return [comment for name, text in tables.items() for comment in _parts(text, name, schema)[1]]


def _parts(text: str, table: str, schema: str) -> tuple[str, list[str]]:
    """Return a declaration with its table in a schema: the table and what it is, and what each column is."""
    for words in ("CREATE TABLE ", "COMMENT ON TABLE ", "COMMENT ON COLUMN "):
        text = text.replace(f"{words}{table}", f"{words}{ident(schema)}.{table}")
    made, *comments = text.split("\nCOMMENT ON COLUMN ")
    return _unended(made), [f"COMMENT ON COLUMN {_unended(comment)}" for comment in comments]


def _unended(text: str) -> str:
    """Return statements without the last one's semicolon: who joins them writes it."""
    return text.rstrip().removesuffix(";")


def _snapshots(place: Warehouse, snapshot: Snapshot) -> list[list[object]]:
    """Return the rows of `snapshots`; a manifest that cannot be read is `verify`'s business, not a query's."""
    numbers = place.numbers()
    rows = []
    for number in numbers:
        with contextlib.suppress(CorruptWarehouse, WarehouseTooNew, FileNotFoundError):
            found = snapshot if number == snapshot.number else read_manifest(place.manifest(number))
            rows.append(snapshots_row(found, numbers[-1]))
    return rows
