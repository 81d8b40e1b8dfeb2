"""The catalog: a snapshot as a DuckDB connection, as a DuckDB file, as a text of SQL, as a polars scan.

Reads manifests and writes nothing, but for `register`, whose two files are derived and never the truth.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import re
from typing import TYPE_CHECKING

import duckdb
import polars as pl

from crantdb.errors import CorruptWarehouse, NoSuchTable, WarehouseBusy, WarehouseTooNew
from crantdb.schema import DeclaredColumn, declarations, declared_columns
from crantdb.warehouse.durable import neighbour, storage_errors, sync_folder, write_bytes
from crantdb.warehouse.layout import Warehouse, open_warehouse
from crantdb.warehouse.manifest import read_manifest
from crantdb.warehouse.qualify import qualified, sql_objects
from crantdb.warehouse.relations import (
    CANONICAL,
    files_of,
    free_in_main,
    id_layout_rows,
    ident,
    insert,
    literal,
    mirror_statements,
    mirrors,
    relation_names,
    snapshot_row,
    snapshots_row,
    source_statement,
    sources_of,
    tables_rows,
    voxel_resolution,
)
from crantdb.warehouse.snapshot import read_snapshot, state_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from crantdb.warehouse.state import Snapshot, TableState, VersionState


STORAGE_VERSION = "v1.2.0"
"""The storage format of `crantdb.duckdb`: any DuckDB since 1.2 opens it."""


def connect(
    warehouse: str | Path = "data",
    snapshot: int | None = None,
    version: int | None = None,
    versions: Sequence[int] = (),
) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection pinned to one snapshot.

    The connection is an ordinary in-memory one over the snapshot's files. Mirrored tables stand in the
    schemas `cave` and `seatable`, and in `main` under their own name where it is free; the canonical views
    and macros stand in `main`. `FROM snapshot` says what it is pinned to.

    Args:
        warehouse: the folder.
        snapshot: the snapshot's number; the current one by default.
        version: the materialization version that stands in `main`; the snapshot's main one by default.
        versions: further kept versions; each `n` gets the schemas `v<n>` (canonical) and `cave_v<n>` (mirrored).

    Raises:
        NotAWarehouse: when the folder is none.
        NoSuchSnapshot: when it has no such snapshot, or the snapshot keeps no such version.
        CorruptWarehouse, WarehouseTooNew: when a manifest cannot be trusted or is of a newer crantdb.
    """
    place = open_warehouse(warehouse)
    found = read_snapshot(place, snapshot)
    con = duckdb.connect(":memory:")
    try:
        # A listed file never changes, so what its footer says may be kept.
        con.execute("SET parquet_metadata_cache = true")
        text = catalog_statements(place, found, version=version, versions=versions)
        # One transaction: a hundred small ones cost more.
        con.execute(";\n".join(["BEGIN", *text, "COMMIT"]))
    except (duckdb.IOException, duckdb.InvalidInputException) as error:  # gone, or no longer Parquet
        con.close()
        check_kept(place, found.number, (version, *versions))
        raise _lost_file(place, found, error) from error
    except BaseException:
        con.close()
        raise
    return con


def check_kept(place: Warehouse, number: int, versions: Sequence[int | None]) -> None:
    """Check that a snapshot and those behind its versions are still there, as `expire` may have let them go since.

    Raises:
        NoSuchSnapshot: saying which expired, and when.
    """
    found = read_snapshot(place, number)
    for version in versions:
        state_for(place, found, version)


def _lost_file(place: Warehouse, snapshot: Snapshot, error: duckdb.Error) -> CorruptWarehouse:
    """Return the error for a data file that cannot be opened."""
    first = str(error).splitlines()[0]
    msg = (
        f"a file of snapshot {snapshot.number} cannot be read: {first}. `crantdb verify` names every such file; "
        f"`crantdb rollback` goes back to a snapshot that is whole"
    )
    return CorruptWarehouse(msg, path=place.manifest(snapshot.number))


def catalog_statements(
    place: Warehouse, snapshot: Snapshot, *, version: int | None = None, versions: Sequence[int] = ()
) -> list[str]:
    """Return the statements that make a snapshot queryable in an empty database, in order."""
    declared = declared_columns("synapse_source", "synapse_by_post_source")
    result = _version_statements(place, snapshot, version, declared, schema="main")
    for other in dict.fromkeys(versions):
        result += [f"CREATE SCHEMA {ident(f'v{other}')}"]
        result += _version_statements(place, snapshot, other, declared, schema=f"v{other}")
    return result


def _version_statements(
    place: Warehouse,
    snapshot: Snapshot,
    version: int | None,
    declared: Mapping[str, Sequence[DeclaredColumn]],
    *,
    schema: str,
) -> list[str]:
    """Return the statements for one version: mirrors, tables, functions, views, macros."""
    state = state_for(place, snapshot, version)
    suffix = "" if schema == "main" else f"_{schema}"
    result = mirror_statements(place, state, suffix=suffix, alias_schema=schema)
    own = mirrors(state, suffix)
    sources = sources_of(snapshot, state)
    result += [
        source_statement(name, table, declared[name], mirror=own[table.key], schema=schema)
        for name, table in sources.items()
    ]
    made = set(sources) | set(free_in_main(relation_names(state.tables.values())).values())
    texts = declarations()
    for name, text in texts.items():
        if name not in made:
            result.append(_in_schema(text, name, schema))
    rows = {
        "snapshot": [snapshot_row(place, snapshot, state)],
        "snapshots": _snapshots(place, snapshot),
        "tables": tables_rows(state, suffix),
        "id_layout": id_layout_rows(snapshot),
    }
    for name, content in rows.items():
        result += insert(f"{ident(schema)}.{name}", content)
    objects = sql_objects()
    relations = set(texts) | {item.name for item in objects if item.room != "functions"}
    macros = {item.name for item in objects if item.room != "views"}
    for item in objects:
        result.append(_unended(qualified(item, schema, relations, macros)))
    return result


def _in_schema(text: str, table: str, schema: str) -> str:
    """Return a declaration with its table's name in a schema. A declaration creates and comments that table only."""
    for words in ("CREATE TABLE ", "COMMENT ON TABLE ", "COMMENT ON COLUMN "):
        text = text.replace(f"{words}{table}", f"{words}{ident(schema)}.{table}")
    return _unended(text)


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


def fence(con: duckdb.DuckDBPyConnection, warehouse: str | Path, states: Sequence[VersionState]) -> None:
    """Shut a connection in: it may open the files of these states and nothing else, and cannot undo that."""
    place = open_warehouse(warehouse)
    paths = [path for state in states for table in state.tables.values() for path in files_of(place, table)]
    con.execute(f"SET allowed_paths = {literal(paths)}")
    con.execute("SET enable_external_access = false")
    con.execute("SET lock_configuration = true")


def scan(
    table: str,
    warehouse: str | Path = "data",
    snapshot: int | None = None,
    version: int | None = None,
) -> pl.LazyFrame:
    """Return a polars LazyFrame over a table's own files.

    Args:
        table: its name, with its schema (`cave.cell_types`) or without; `synapses` and `synapses_by_post` are as the
            views of those names, positions in nm; `edges`, `edges_by_post`, `synapse_ids` are tables.
        warehouse: the folder.
        snapshot: the snapshot's number; the current one by default.
        version: the materialization version; the snapshot's main one by default.

    Raises:
        NoSuchTable: when the snapshot has no such table; the message names near ones. Views are not
            tables: query them with `connect`.
        NotAWarehouse, NoSuchSnapshot, CorruptWarehouse: as `connect`.
    """
    place = open_warehouse(warehouse)
    found = read_snapshot(place, snapshot)
    state = state_for(place, found, version)
    names = relation_names(state.tables.values())
    known = {f"{key.split('.', 1)[0]}.{name}": key for key, name in names.items()}
    known |= {name: key for key, name in free_in_main(names).items()}
    sources = sources_of(found, state)
    views = {view: sources[source] for view, source in _VIEWS_OVER_FILES.items() if source in sources}
    if table in views:
        return _in_nm(views[table], _scan_files(place, views[table]))
    if table not in known:
        raise no_such_table(table, [*known, *views])
    return _scan_files(place, state.tables[known[table]])


def _scan_files(place: Warehouse, table: TableState) -> pl.LazyFrame:
    """Return a LazyFrame over a table's files."""
    return pl.scan_parquet(files_of(place, table), hive_partitioning=False, glob=False)


def _in_nm(table: TableState, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return synapses as the canonical views have them: each position in nm in the place of the one in voxels."""
    sizes = dict(zip("xyz", voxel_resolution(table) or (None, None, None), strict=True))
    columns: list[pl.Expr] = []
    for column in table.columns:
        point = _POINT.fullmatch(column.name)
        value = pl.col(column.name)
        if point is not None:
            in_nm = value * pl.lit(sizes[point["axis"]], pl.Float64)
            value = in_nm.alias(f"{point['point']}_{point['axis']}_nm")
        columns.append(value)
    return rows.select(columns)


_VIEWS_OVER_FILES = {"synapses": "synapse_source", "synapses_by_post": "synapse_by_post_source"}
_POINT = re.compile(r"(?P<point>pre|post|ctr)_pt_position_(?P<axis>[xyz])")


def no_such_table(table: str, known: Sequence[str]) -> NoSuchTable:
    """Return the error for a table that a snapshot does not have, naming near ones."""
    import difflib  # noqa: PLC0415 - only on the way to an error

    if table in CANONICAL:
        msg = f"{table} is a view, not a table with files of its own: query it with crantdb.connect()"
        return NoSuchTable(msg)
    near = difflib.get_close_matches(table, known, n=3, cutoff=0.5) or sorted(known)[:8]
    msg = (
        f"the snapshot has no table {table!r}. It has, e.g., {', '.join(near)}"
        if near
        else "the snapshot is empty"
    )
    return NoSuchTable(msg)


# --- for other programs ------------------------------------------------------------------------------


def register(warehouse: str | Path) -> tuple[Path, Path]:
    """Write `crantdb.duckdb` and `crantdb.sql` for the current snapshot, with every kept version.

    Both are built beside and swapped in: a program that reads the old one keeps it until it opens anew.
    Their paths are absolute: register again after the folder has moved.

    Returns:
        The paths of the two files.

    Raises:
        WarehouseBusy: when a program holds `crantdb.duckdb` open for writing.
        StorageError: when the disk refuses.
        NotAWarehouse, NoSuchSnapshot, CorruptWarehouse: as `connect`.
    """
    place = open_warehouse(warehouse)
    snapshot = read_snapshot(place)
    others = sorted(version for version in snapshot.versions if version != snapshot.main.version)
    text = catalog_statements(place, snapshot, versions=others)
    _write_database(place, text)
    head = (
        f"-- Snapshot {snapshot.number} of {place.root}, for `duckdb -init {place.init_sql.name}`.\n"
        f"-- Derived by `crantdb register`; never the truth.\n"
    )
    write_bytes(place.init_sql, (head + "".join(f"{statement};\n" for statement in text)).encode())
    return place.database, place.init_sql


def _write_database(place: Warehouse, text: Sequence[str]) -> None:
    """Build the database file beside the old one and swap it in."""
    fresh = neighbour(place.database)
    with storage_errors(place.database):
        try:
            con = duckdb.connect(":memory:")
            try:
                con.execute(
                    f"ATTACH {literal(str(fresh))} AS built (STORAGE_VERSION {literal(STORAGE_VERSION)})"
                )
                con.execute("USE built")
                con.execute(";\n".join(text))
                con.execute("USE memory")
                con.execute("DETACH built")
            finally:
                con.close()
            _clear_wal(place.database)
            fresh.replace(place.database)
            sync_folder(place.root)
        finally:
            fresh.unlink(missing_ok=True)
            fresh.with_name(fresh.name + ".wal").unlink(missing_ok=True)


def _clear_wal(database: Path) -> None:
    """Remove the write-ahead log a killed shell left, which DuckDB would replay into the new file.

    A shell that is still there would write its log there later: then nothing may be swapped.
    """
    if database.exists() and _is_written(database):
        msg = (
            f"{database} is open for writing in another program, which would write into the new one. "
            f"Close that program (open it read-only: duckdb -readonly), then run `crantdb register`"
        )
        raise WarehouseBusy(msg)
    database.with_name(database.name + ".wal").unlink(missing_ok=True)


def _is_written(path: Path) -> bool:
    """Tell whether another process has a file locked for writing, as DuckDB has a database that it may change."""
    with path.open("rb") as handle:
        try:
            fcntl.lockf(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno in {errno.EACCES, errno.EAGAIN}
        fcntl.lockf(handle, fcntl.LOCK_UN)
    return False
