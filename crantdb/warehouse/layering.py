"""A version's synapse table as what differs from a newer version's: found exactly, written, and held against the whole.

Rows are compared in every column, in ranges of the presynaptic root, within a memory promise. The narrow copies
(by postsynaptic root, by id) need no files of their own: the rows of a layer are whole, and an id that the main
table drops is dropped there too.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crantdb.errors import ValidationError
from crantdb.warehouse.agreement import sums
from crantdb.warehouse.arrange import ID, POST, PRE, FormsWriter
from crantdb.warehouse.commit import TableFacts
from crantdb.warehouse.publish import publish
from crantdb.warehouse.relations import ident
from crantdb.warehouse.rows import key_ranges, rows_sql
from crantdb.warehouse.sorting import sorting
from crantdb.warehouse.staging import StagingKey, open_staging
from crantdb.warehouse.state import Layer, Layers
from crantdb.warehouse.validate import validate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.staging import Staging
    from crantdb.warehouse.state import DataFile, TableState

MOST_SHARE = 0.5
"""When more than this share of a table's rows differs, a layer saves too little for what it costs every query."""


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A synapse table of a version with the narrow copies that a layer stands for too.

    Attributes:
        main: the synapse table.
        copies: its copies by postsynaptic root and by id, as far as there are such.
    """

    main: TableState
    copies: tuple[TableState, ...]

    @property
    def tables(self) -> tuple[TableState, ...]:
        """All of them."""
        return (self.main, *self.copies)


def narrowed(main: TableState, forms: Mapping[str, TableState]) -> Narrowed:
    """Return a synapse table with its narrow copies, from its forms by the column each is sorted by."""
    return Narrowed(main, tuple(forms[column] for column in (POST, ID) if column in forms))


def why_not(older: Narrowed, newer: Narrowed | None) -> str:
    """Return why a table cannot be a layer over a newer version's, or nothing."""
    if newer is None:
        return "the next newer version has no such table"
    there = {table.key: set(table.columns) for table in newer.tables}
    for table in older.tables:
        if not set(table.columns) <= there.get(table.key, set()):
            return f"its columns are not those of version {newer.main.version}"
    return ""


def staging_key(older: Narrowed, newer: Narrowed, *, server: str, datastack: str) -> StagingKey:
    """Return the key under which a layer is made."""
    main = older.main
    both = "".join(file.sha256 for table in (main, newer.main) for file in table.needed)
    return StagingKey(
        server=server,
        datastack=datastack,
        schema=main.schema,
        table=main.name,
        version=main.version,
        as_of="" if main.as_of is None else main.as_of.isoformat(),
        sort_key=PRE,
        unique=False,
        origin=f"delta: layer on version {newer.main.version} ({hashlib.sha256(both.encode()).hexdigest()[:12]})",
    )


def layered(
    warehouse: Warehouse, key: StagingKey, older: Narrowed, newer: Narrowed, *, memory_bytes: int
) -> tuple[TableState, ...] | str:
    """Make a layer and link it into place.

    Args:
        warehouse: where.
        key: what `staging_key` returns for the pair.
        older: the table to keep as a layer.
        newer: the same of the next newer version that is kept; see `why_not`.
        memory_bytes: the memory promise.

    Returns:
        The older table and its copies, kept as layers; or why they had better stay whole.

    Raises:
        ValidationError: when the layers do not give the very rows of the older table; nothing was committed.
        StorageError: when the disk or the memory refuses.
    """
    staging = open_staging(warehouse, key)
    staging.clear_done()
    with sorting(staging, memory_bytes) as con:
        _show(warehouse, con, older.main, newer.main)
        differ = _compare(con, [column.name for column in older.main.columns], older.main.rows)
        if differ > MOST_SHARE * older.main.rows:
            return f"more than {MOST_SHARE:.0%} of its rows differ from version {newer.main.version}"
        step = _written(warehouse, staging, con, older.main)
        made = tuple(
            _over(table, there, step)
            for table in older.tables
            for there in newer.tables
            if there.key == table.key
        )
        for whole, thin in zip(older.tables, made, strict=True):
            _hold_against(warehouse, con, whole, thin)
    return made


def _over(table: TableState, newer: TableState, step: Layer) -> TableState:
    """Return a table kept as a layer over a newer one, which may be layers itself."""
    under = newer.layers or Layers(newer.version or 0, newer.files, ())
    return replace(table, files=(), layers=replace(under, steps=(*under.steps, step)))


def rebased(table: TableState, base: Layers) -> TableState:
    """Return a table kept as layers whose base has become layers itself."""
    own = () if table.layers is None else table.layers.steps
    return replace(table, layers=replace(base, steps=(*base.steps, *own)))


def _show(warehouse: Warehouse, con: duckdb.DuckDBPyConnection, older: TableState, newer: TableState) -> None:
    """Make the views `older` and `newer`, of the rows that may differ: what lies in a file of both is the same."""
    whole = older.layers is None and newer.layers is None
    both = {file.path for file in older.files} & {file.path for file in newer.files} if whole else set()
    for name, table in (("older", older), ("newer", newer)):
        left = tuple(file for file in table.files if file.path not in both)
        rows = rows_sql(warehouse, replace(table, files=left or table.files))
        none_left = whole and not left
        con.execute(f"CREATE VIEW {name} AS FROM ({rows}) AS found" + (" WHERE false" if none_left else ""))


def _compare(con: duckdb.DuckDBPyConnection, columns: Sequence[str], rows: int) -> int:
    """Fill the tables `own` and `dropped`; return how many rows the fuller has. Stops when they are too many."""
    chosen = ", ".join(map(ident, columns))
    con.execute(f"CREATE TABLE own AS SELECT {chosen} FROM older LIMIT 0")
    con.execute("CREATE TABLE dropped (id BIGINT)")
    differ = 0
    for condition in key_ranges(con, "older", PRE, rows):
        one, other = (f"SELECT {chosen} FROM {name} WHERE {condition}" for name in ("older", "newer"))
        con.execute(f"INSERT INTO own {one} EXCEPT {other}")
        con.execute(f"INSERT INTO dropped SELECT id FROM ({other} EXCEPT {one})")
        [(differ,)] = con.sql(
            "SELECT greatest((SELECT count(*) FROM own), (SELECT count(*) FROM dropped))"
        ).fetchall()
        if differ > MOST_SHARE * rows:
            break
    return int(differ)


def _written(
    warehouse: Warehouse, staging: Staging, con: duckdb.DuckDBPyConnection, table: TableState
) -> Layer:
    """Write the two tables and link their files into place."""
    with FormsWriter(staging, con) as write:
        rows = write.of_table("layer", "own", (PRE, POST, ID))
        dropped = write.of_table("dropped", "dropped", (ID,))
    facts = TableFacts("derived", {}, table.fetched_at, table.as_of, table.completeness)
    files: list[tuple[DataFile, ...]] = []
    for staged in (rows, dropped):
        # Beside the table's whole files: of its name, not of the names the parts go by in the staging.
        mine = replace(staged, key=replace(staged.key, schema=table.schema, table=table.name))
        files.append(publish(warehouse, validate(mine, rows_expected=staged.rows, con=con), facts).files)
    return Layer(table.version or 0, *files)


def _hold_against(
    warehouse: Warehouse, con: duckdb.DuckDBPyConnection, whole: TableState, thin: TableState
) -> None:
    """Check that layers give the rows of a table, each in every column."""
    columns = [column.name for column in whole.columns]
    first, second = (sums(con.sql(rows_sql(warehouse, table)), columns) for table in (whole, thin))
    if first != second:
        promise = f"kept as layers it has the very rows of version {whole.version}: nothing was changed"
        raise ValidationError(whole.key, promise, abs(first[0] - second[0]))
