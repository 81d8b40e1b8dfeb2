"""From staged L2 rows to valid tables: new rows behind those that are there, or, when files pile up, all in one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from crantdb.sync.l2_staging import EDGES, MEMBERS, MISSING, NODES, ORDERS, SCHEMAS, SUPERVOXELS, described
from crantdb.warehouse.commit import TableFacts
from crantdb.warehouse.files import FileWriter
from crantdb.warehouse.staging import StagedTable
from crantdb.warehouse.state import LOG
from crantdb.warehouse.validate import Constraint, ValidTable, validate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import duckdb

    from crantdb.sources.l2 import L2Service
    from crantdb.sync.l2_staging import Held, L2Staging

MOST_FILES = 16
"""A table of more files is written anew, all rows in order."""

ROWS_AT_ONCE = 131_072

_COMPLETE = "full (each root's leaves and graph agree; each L2 id was answered for)"

_NEW_ROWS = {
    MEMBERS: "SELECT DISTINCT root_id, l2_id FROM staged_l2_members",
    EDGES: """SELECT DISTINCT root_id, l2_a, l2_b FROM staged_l2_edges
        SEMI JOIN staged_l2_members USING (root_id)""",
    NODES: "SELECT DISTINCT ON (l2_id) * FROM staged_l2_nodes",
    SUPERVOXELS: "SELECT DISTINCT supervoxel_id, l2_id FROM staged_l2_supervoxels",
}
_PROMISES = {
    MEMBERS: [Constraint("root_id and l2_id are ids", "root_id > 0 AND l2_id > 0")],
    EDGES: [Constraint("root_id is an id and l2_a < l2_b", "root_id > 0 AND l2_a < l2_b")],
    NODES: [
        Constraint("l2_id is an id", "l2_id > 0"),
        Constraint(
            "x_nm, y_nm, z_nm are finite and size_nm3 is more than 0",
            "isfinite(x_nm) AND isfinite(y_nm) AND isfinite(z_nm) AND size_nm3 > 0",
        ),
    ],
    SUPERVOXELS: [Constraint("both are ids", "supervoxel_id > 0 AND l2_id > 0")],
    MISSING: [Constraint("tries is more than 0", "tries > 0")],
}
_STILL_MISSING = """SELECT l2_id, coalesce(before.first_seen, $moment) AS first_seen, $moment AS last_tried,
        coalesce(before.tries, 0) + 1 AS tries
    FROM (SELECT DISTINCT l2_id FROM staged_l2_missing ANTI JOIN staged_l2_nodes USING (l2_id)) AS asked
    LEFT JOIN held_l2_missing AS before USING (l2_id)"""


@dataclass(frozen=True, slots=True)
class L2Tables:
    """What a commit is to make of the staged rows.

    Attributes:
        appended: tables whose rows come behind those that are there.
        replaced: tables written anew.
        rows: the new rows of each, by name; of the missing ids, how many there are now.
        roots: how many roots are new.
    """

    appended: list[tuple[ValidTable, TableFacts]]
    replaced: list[tuple[ValidTable, TableFacts]]
    rows: dict[str, int]
    roots: int


def finish(staging: L2Staging, held: Held, service: L2Service, *, memory_bytes: int) -> L2Tables:
    """Sort and check what is staged.

    Raises:
        ValidationError: when rows break a promise.
        StorageError: when the disk or the memory refuses.
    """
    with staging.looking(held, memory_bytes) as con:
        made = L2Tables([], [], {}, _count(con, "SELECT DISTINCT root_id FROM staged_l2_members"))
        for name, query in _NEW_ROWS.items():
            _add(con, staging, held, service, name=name, query=query, made=made)
        _add_missing(con, staging, held, service, made)
    return made


def _add(
    con: duckdb.DuckDBPyConnection,
    staging: L2Staging,
    held: Held,
    service: L2Service,
    *,
    name: str,
    query: str,
    made: L2Tables,
) -> None:
    """Make a table of the new rows, or of all rows when its files pile up; nothing when there are none."""
    rows = _count(con, query)
    made.rows[name] = rows
    there = held.tables.get(name)
    if not rows and (there is not None or name == SUPERVOXELS):
        return
    whole = there is not None and len(there.files) >= MOST_FILES
    if whole:
        query = f"SELECT * FROM held_{name} UNION ALL ({query})"
    staged = _sorted(con, staging, name, query, {})
    valid = validate(staged, rows_expected=staged.rows, constraints=_PROMISES[name], con=con)
    facts = TableFacts(LOG, described(service), staging.moment(), None, _COMPLETE)
    (made.replaced if whole else made.appended).append((valid, facts))


def _add_missing(
    con: duckdb.DuckDBPyConnection, staging: L2Staging, held: Held, service: L2Service, made: L2Tables
) -> None:
    """Make the table of missing ids anew: those asked for in vain, with since when and how often."""
    moment = {"moment": staging.moment().replace(tzinfo=None)}
    rows = _count(con, _STILL_MISSING, moment)
    made.rows[MISSING] = rows
    before = held.tables.get(MISSING)
    if not rows and before is not None and not before.rows:
        return
    staged = _sorted(con, staging, MISSING, _STILL_MISSING, moment)
    valid = validate(staged, rows_expected=staged.rows, constraints=_PROMISES[MISSING], con=con)
    facts = TableFacts("table", described(service), staging.moment(), None, "full (asked for in this sync)")
    made.replaced.append((valid, facts))


def _count(con: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, object] | None = None) -> int:
    """Return how many rows a query gives."""
    [(rows,)] = con.execute(f"SELECT count(*) FROM ({query})", dict(values or {})).fetchall()
    return int(rows)


def _sorted(
    con: duckdb.DuckDBPyConnection, staging: L2Staging, name: str, query: str, values: Mapping[str, object]
) -> StagedTable:
    """Write the rows of a query, sorted, into the files of a staged table."""
    columns = ", ".join(SCHEMAS[name].names)
    ordered = f"SELECT {columns} FROM ({query}) ORDER BY {', '.join(ORDERS[name])}"
    result = con.sql(ordered, params=dict(values))
    table = staging[name]
    table.clear_done()
    writer = FileWriter(table.done, table.run(), SCHEMAS[name], key=table.key.sort_key)
    files = writer.write(_batches(result, SCHEMAS[name]))
    return StagedTable(table.key, SCHEMAS[name], files, sum(file.rows for file in files), ORDERS[name])


def _batches(result: duckdb.DuckDBPyRelation, schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield a result in pieces, in the table's types."""
    for batch in result.to_arrow_reader(ROWS_AT_ONCE):
        yield pa.Table.from_batches([batch]).cast(schema)
