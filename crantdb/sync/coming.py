"""The snapshot that a sync is about to commit, readable before it is: its tables on a connection of their own."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import duckdb

from crantdb.sync.progress import Silence
from crantdb.warehouse.durable import neighbour
from crantdb.warehouse.memory import DUCKDB_SHARE
from crantdb.warehouse.relations import ident, literal, relation_names
from crantdb.warehouse.rows import rows_sql
from crantdb.warehouse.snapshot import state_for
from crantdb.warehouse.state import TableState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from crantdb.sync.progress import Progress
    from crantdb.warehouse.commit import TableFacts
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import Snapshot
    from crantdb.warehouse.validate import ValidTable

Made = tuple["ValidTable", "TableFacts"]


@dataclass(frozen=True, slots=True)
class Readable:
    """A table that can be read.

    Attributes:
        relation: its relation on the connection, quoted.
        schema: ``cave``, ``derived``, ``seatable``, ``history`` or ``l2``.
        name: the server's name for it.
        columns: its columns with their DuckDB types.
        source: the server's own metadata of it.
        fetched_at: when its last row was fetched, UTC.
        is_new: whether this sync brings it.
        files: how many files it is kept in.
    """

    relation: str
    schema: str
    name: str
    columns: Mapping[str, str]
    source: Mapping[str, Any]
    fetched_at: datetime
    is_new: bool
    files: int


@dataclass(frozen=True, slots=True)
class Coming:
    """What a commit is going to make, as far as it is staged.

    Attributes:
        warehouse: where.
        parent: the snapshot it builds on, or None.
        datastack: the datastack's name.
        server: the address of its global server.
        info: the datastack's info as served.
        version: the materialization version.
        as_of: its moment.
        fresh: the version's new tables.
        carried: those taken over from the parent.
        shared: new tables of no version, those of SeaTable among them.
        memory_bytes: how much memory making tables of it may take.
        progress: hears how it goes.
    """

    warehouse: Warehouse
    parent: Snapshot | None
    datastack: str
    server: str
    info: Mapping[str, Any]
    version: int
    as_of: datetime
    fresh: Sequence[Made] = ()
    carried: Sequence[TableState] = ()
    shared: Sequence[Made] = ()
    memory_bytes: int = 2**30
    progress: Progress = field(default_factory=Silence)


@dataclass(slots=True)
class Opened:
    """A connection over a coming snapshot.

    Attributes:
        con: the connection. Tables stand as ``<schema>.<name>``; those of other kept versions as ``<schema>_v<n>.<name>``.
        tables: the tables of the version and the shared ones.
        kept: the tables of each other kept version, by version.
    """

    con: duckdb.DuckDBPyConnection
    tables: list[Readable] = field(default_factory=list)
    kept: dict[int, list[Readable]] = field(default_factory=dict)

    def table(self, schema: str, name: str | None, *, version: int | None = None) -> Readable | None:
        """Return a table of the coming version (or of another kept one), or None."""
        there = self.tables if version is None else self.kept.get(version, [])
        return next((table for table in there if (table.schema, table.name) == (schema, name)), None)

    def rows(self, query: str, params: Sequence[object] | None = None) -> list[tuple[Any, ...]]:
        """Return a query's rows."""
        return self.con.execute(query, params or []).fetchall()


@contextlib.contextmanager
def opened(coming: Coming) -> Iterator[Opened]:
    """Open a coming snapshot."""
    spill = neighbour(coming.warehouse.staging / "derive")
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{int(coming.memory_bytes * DUCKDB_SHARE)}B",
        "temp_directory": str(spill),
        "preserve_insertion_order": "true",
    }
    con = duckdb.connect(":memory:", config=config)
    try:
        result = Opened(con)
        _show(result, coming)
        yield result
    finally:
        con.close()
        with contextlib.suppress(OSError):
            spill.rmdir()


def _show(result: Opened, coming: Coming) -> None:
    """Make the tables of a coming snapshot, and of the other versions it keeps, readable."""
    there = {table.key: table for table in coming.carried}
    if coming.parent is not None:
        there |= coming.parent.shared
    fresh = {_state(valid, facts).key: (valid, facts) for valid, facts in (*coming.fresh, *coming.shared)}
    states = [table for key, table in there.items() if key not in fresh]
    states += [_state(valid, facts) for valid, facts in fresh.values()]
    reads = {key: _staged_rows(valid) for key, (valid, _) in fresh.items()}
    reads |= {table.key: rows_sql(coming.warehouse, table) for table in states if table.key not in reads}
    result.tables = _views(result.con, states, reads, suffix="", fresh=set(fresh))
    for number in [] if coming.parent is None else sorted(coming.parent.versions):
        if number != coming.version and coming.parent is not None:
            own = state_for(coming.warehouse, coming.parent, number).tables.values()
            kept = [table for table in own if table.version == number]
            reads = {table.key: rows_sql(coming.warehouse, table) for table in kept}
            result.kept[number] = _views(result.con, kept, reads, suffix=f"_v{number}", fresh=set())


def _staged_rows(valid: ValidTable) -> str:
    """Return a SELECT of the rows of a table that is staged."""
    paths = [str(file.path) for file in valid.staged.files]
    return f"FROM read_parquet({literal(paths)}, hive_partitioning = false)"


def _views(
    con: duckdb.DuckDBPyConnection,
    states: Sequence[TableState],
    reads: Mapping[str, str],
    *,
    suffix: str,
    fresh: set[str],
) -> list[Readable]:
    """Make a view of each table."""
    names = relation_names(states)
    found = []
    for table in states:
        schema = ident(table.schema + suffix)
        relation = f"{schema}.{ident(names[table.key])}"
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        con.execute(f"CREATE VIEW {relation} AS {reads[table.key]}")
        columns = {column.name: column.type for column in table.columns}
        is_new = table.key in fresh
        found.append(
            Readable(
                relation,
                table.schema,
                table.name,
                columns,
                table.source,
                table.fetched_at,
                is_new,
                len(table.files),
            )
        )
    return found


def _rows_of(valid: ValidTable) -> str:
    """Return a SELECT that gives the rows of a table that is not committed yet."""
    paths = [str(file.path) for file in valid.staged.files]
    return f"FROM read_parquet({literal(paths)}, hive_partitioning = false)"


def _state(valid: ValidTable, facts: TableFacts) -> TableState:
    """Return what a manifest will say of a table that is not committed yet, but for its files."""
    key = valid.staged.key
    return TableState(
        schema=key.schema,
        name=key.table,
        kind=facts.kind,
        source=facts.source,
        columns=valid.columns,
        fingerprint="",
        sort_key=key.sort_key,
        fetched_at=facts.fetched_at,
        as_of=facts.as_of,
        version=key.version,
        rows_expected=valid.rows_expected,
        rows=valid.staged.rows,
        completeness=facts.completeness,
        exceptions=valid.exceptions,
        drift=facts.drift,
        files=(),
        base=key.base,
    )
