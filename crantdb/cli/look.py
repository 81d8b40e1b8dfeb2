"""The verbs status, snapshots, tables, schema, macros, cite: what the warehouse holds. No network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from crantdb.cli.output import output_for
from crantdb.cli.seatable import status_of_bases
from crantdb.cli.settings import Settings, verb
from crantdb.errors import CorruptWarehouse, WarehouseTooNew
from crantdb.schema import comments_of
from crantdb.warehouse.catalog import connect, no_such_table
from crantdb.warehouse.described import snapshots_row
from crantdb.warehouse.layout import open_warehouse
from crantdb.warehouse.lock import holder
from crantdb.warehouse.manifest import read_manifest
from crantdb.warehouse.snapshot import current, read_snapshot, state_for
from crantdb.warehouse.staging import open_staging, staged

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb


def _pinned(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that pin a verb to a snapshot and a version."""
    function = click.option("--snapshot", type=int, help="The snapshot's number (default: the current one).")(
        function
    )
    return click.option("--version", type=int, help="The materialization version (default: the main one).")(
        function
    )


@verb("status")
def status_verb(settings: Settings) -> None:
    """Say what the warehouse holds, what is unfinished, and who is writing."""
    warehouse = open_warehouse(settings.warehouse)
    snapshot = current(warehouse)
    pairs: list[tuple[str, Any]] = [("warehouse", str(warehouse.root))]
    if snapshot is None:
        pairs.append(("snapshot", "none yet: crantdb sync"))
    else:
        tables = (*snapshot.main.tables.values(), *snapshot.shared.values())
        pairs += [
            ("snapshot", snapshot.number),
            ("datastack", f"{snapshot.datastack} of {snapshot.server}"),
            ("version", snapshot.main.version),
            ("as_of", snapshot.main.as_of),
            ("kept versions", sorted(snapshot.versions)),
            ("tables", len(tables)),
            ("rows", sum(table.rows for table in tables)),
            ("bytes", sum(file.bytes for table in tables for file in table.needed)),
            ("skipped", dict(snapshot.main.skipped)),
            ("seatable", status_of_bases(snapshot)),
        ]
    pairs.append(("staged", [_staged(warehouse, key) for key in staged(warehouse)]))
    who = holder(warehouse)
    pairs.append(("writing", "nobody" if who is None else str(who)))
    output_for(settings.output).record(pairs)


def _staged(warehouse: Any, key: Any) -> str:  # noqa: ANN401 - see below
    """Say how far an unfinished table is."""
    of = "" if key.version is None else f" of version {key.version}"
    return f"{key.table}{of}: {open_staging(warehouse, key).rows:,} rows"


@verb("snapshots")
def snapshots_verb(settings: Settings) -> None:
    """List the snapshots; a damaged one is listed as such."""
    warehouse = open_warehouse(settings.warehouse)
    numbers = warehouse.numbers()
    columns = ("snapshot", "parent", "version", "as_of", "added", "operation", "committed_at", "tool")
    rows: list[list[Any]] = []
    for number in numbers:
        try:
            rows.append(snapshots_row(read_manifest(warehouse.manifest(number)), numbers[-1]))
        except (CorruptWarehouse, WarehouseTooNew) as error:
            rows.append([number, None, None, None, None, f"unreadable: {error}", *[None] * 7])
    output_for(settings.output).rows((*columns, "tables", "rows", "bytes", "current", "layered"), rows)


@verb("tables")
@_pinned
def tables_verb(settings: Settings, snapshot: int | None, version: int | None) -> None:
    """List the tables of a snapshot, and what could not be read."""
    con = connect(settings.warehouse, snapshot, version)
    wide = (
        "*"
        if settings.output != "table"
        else "relation, name, kind, status, rows, bytes, kept_as, completeness, exceptions"
    )
    _print(settings, con, f"SELECT {wide} FROM tables ORDER BY status, name")


@verb("schema")
@click.argument("table")
@_pinned
def schema_verb(settings: Settings, table: str, snapshot: int | None, version: int | None) -> None:
    """Show the columns of TABLE (a table, view or mirrored table, e.g. synapses or cave.cell_types)."""
    con = connect(settings.warehouse, snapshot, version)
    schema, _, name = table.rpartition(".")
    found = con.execute(
        "SELECT column_name, data_type, coalesce(comment, '') FROM duckdb_columns() WHERE NOT internal "
        "AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?) ORDER BY column_index",
        [schema or "main", name],
    ).fetchall()
    if not found:
        known = con.sql(
            "SELECT DISTINCT CASE schema_name WHEN 'main' THEN table_name ELSE schema_name || '.' || table_name END "
            "FROM duckdb_columns() WHERE NOT internal"
        ).fetchall()
        raise no_such_table(table, [known_name for (known_name,) in known])
    said = comments_of(name.casefold()) if schema in {"", "main", "derived", "history", "l2"} else {}
    rows = [(column, kind, what or said.get(column, "")) for column, kind, what in found]
    output_for(settings.output).rows(("column", "type", "what"), rows)


@verb("macros")
def macros_verb(settings: Settings) -> None:
    """List the functions and macros, with what they answer."""
    con = connect(settings.warehouse)
    _print(
        settings,
        con,
        "SELECT function_name || '(' || array_to_string(parameters, ', ') || ')' AS macro, "
        "CASE function_type WHEN 'table_macro' THEN 'rows' ELSE 'a value' END AS gives, comment AS answers "
        "FROM duckdb_functions() WHERE NOT internal AND schema_name = 'main' ORDER BY 1",
    )


@verb("cite")
@_pinned
def cite_verb(settings: Settings, snapshot: int | None, version: int | None) -> None:
    """Say what to cite: enough for somebody else to name the same data."""
    warehouse = open_warehouse(settings.warehouse)
    found = read_snapshot(warehouse, snapshot)
    state = state_for(warehouse, found, version)
    notices = {
        table.name: str(table.source["notice_text"])
        for table in state.tables.values()
        if table.source.get("notice_text")
    }
    text = (
        f"{found.datastack}, CAVE materialization version {state.version} (as of "
        f"{state.as_of:%Y-%m-%d %H:%M:%S} UTC), from {found.server}, mirrored with crantdb {found.tool}"
    )
    pairs = [
        ("cite", text),
        ("description", found.info.get("description")),
        ("snapshot", found.number),
        ("notices", notices),
    ]
    output_for(settings.output).record(pairs)


def _print(settings: Settings, con: duckdb.DuckDBPyConnection, query: str) -> None:
    """Print the rows of a query of ours."""
    relation = con.sql(query)
    output_for(settings.output).rows(relation.columns, relation.fetchall())
