"""The catalog: a snapshot as a DuckDB connection and as a polars scan. Reads manifests and writes nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import polars as pl

from crantdb.errors import CorruptWarehouse, NoSuchTable
from crantdb.schema import declarations
from crantdb.warehouse.layout import Warehouse, open_warehouse
from crantdb.warehouse.prebuilt import copied
from crantdb.warehouse.relations import (
    CANONICAL,
    free_in_main,
    literal,
    relation_names,
    sources_of,
    voxel_resolution,
)
from crantdb.warehouse.rows import needed_paths, scan_rows
from crantdb.warehouse.snapshot import read_snapshot, state_for
from crantdb.warehouse.statements import catalog_statements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crantdb.warehouse.state import Snapshot, TableState, VersionState


def connect(
    warehouse: str | Path = "data",
    snapshot: int | None = None,
    version: int | None = None,
    versions: Sequence[int] = (),
    *,
    snapshots: Sequence[int] = (),
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
        snapshots: further snapshots; each `n` gets the schemas `s<n>` and `cave_s<n>`, `seatable_s<n>` …, with its main
            version.

    Raises:
        NotAWarehouse: when the folder is none.
        NoSuchSnapshot: when it has no such snapshot, or the snapshot keeps no such version.
        CorruptWarehouse, WarehouseTooNew: when a manifest cannot be trusted or is of a newer crantdb.
    """
    place = open_warehouse(warehouse)
    found = read_snapshot(place, snapshot)
    others = [read_snapshot(place, number) for number in snapshots]
    con = duckdb.connect(":memory:")
    try:
        # A listed file never changes, so what its footer says may be kept.
        con.execute("SET parquet_metadata_cache = true")
        plain = version in {None, found.main.version} and not versions and not others
        if not (plain and _is_whole(place, found) and copied(con, place, found)):
            text = catalog_statements(place, found, version=version, versions=versions, snapshots=others)
            # One transaction: a hundred small ones cost more.
            con.execute(";\n".join(["BEGIN", *text, "COMMIT"]))
    except (duckdb.IOException, duckdb.InvalidInputException) as error:  # gone, or no longer Parquet
        con.close()
        check_kept(place, found.number, (version, *versions))
        for number in snapshots:
            check_kept(place, number, (None,))
        raise _lost_file(place, found, error) from error
    except BaseException:
        con.close()
        raise
    return con


def _is_whole(place: Warehouse, snapshot: Snapshot) -> bool:
    """Tell whether every file that the main version needs is there; making the views anew says which is not."""
    tables = (*snapshot.main.tables.values(), *snapshot.shared.values())
    return all(Path(path).is_file() for table in tables for path in needed_paths(place, table))


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


def fence(con: duckdb.DuckDBPyConnection, warehouse: str | Path, states: Sequence[VersionState]) -> None:
    """Shut a connection in: it may open the files of these states and nothing else, and cannot undo that."""
    place = open_warehouse(warehouse)
    paths = [
        path for state in states for table in state.tables.values() for path in needed_paths(place, table)
    ]
    con.execute(f"SET allowed_paths = {literal(paths)}")
    con.execute("SET enable_external_access = false")
    con.execute("SET lock_configuration = true")


def scan(
    table: str,
    warehouse: str | Path = "data",
    snapshot: int | None = None,
    version: int | None = None,
) -> pl.LazyFrame:
    """Return a polars LazyFrame over a table's own files; of a version that is kept as layers, over those.

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
    known |= {name: key for key, name in free_in_main(names, declarations().keys()).items()}
    sources = sources_of(found, state)
    views = {view: sources[source] for view, source in _VIEWS_OVER_FILES.items() if source in sources}
    if table in views:
        return _in_nm(views[table], scan_rows(place, views[table]))
    if table not in known:
        raise no_such_table(table, [*known, *views])
    return scan_rows(place, state.tables[known[table]])


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
