"""The catalogue of the mirrored bases as tables: st_tables, st_columns, st_options, st_users, st_links."""

from __future__ import annotations

import contextlib
from types import MappingProxyType
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from crantdb.sources.seatable.catalogue import (
    COLUMNS_SCHEMA,
    OPTIONS_SCHEMA,
    columns_table,
    options_table,
)
from crantdb.sources.seatable.result import LINKS_SCHEMA
from crantdb.sync.seatable.tables import shared_key
from crantdb.warehouse.commit import TableFacts
from crantdb.warehouse.validate import validate
from crantdb.warehouse.whole import stage_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from crantdb.config import Config
    from crantdb.sources.seatable.result import BaseRead
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import Snapshot, TableState
    from crantdb.warehouse.validate import ValidTable

_BASE = pa.field("base", pa.string(), nullable=False)
TABLES_SCHEMA = pa.schema(
    [
        _BASE,
        pa.field("base_uuid", pa.string(), nullable=False),
        pa.field("ord", pa.int32(), nullable=False),
        pa.field("table_id", pa.string(), nullable=False),
        pa.field("table_name", pa.string(), nullable=False),
        pa.field("mirrored", pa.bool_(), nullable=False),
    ]
)
USERS_SCHEMA = pa.schema(
    [_BASE, pa.field("user_id", pa.string(), nullable=False), pa.field("user_name", pa.string())]
)
SCHEMAS: Mapping[str, pa.Schema] = MappingProxyType(
    {
        "st_tables": TABLES_SCHEMA,
        "st_columns": pa.schema([_BASE, *COLUMNS_SCHEMA]),
        "st_options": pa.schema([_BASE, *OPTIONS_SCHEMA]),
        "st_users": USERS_SCHEMA,
        "st_links": pa.schema([_BASE, *LINKS_SCHEMA]),
    }
)
SAID: Mapping[str, str] = MappingProxyType(
    {
        "st_tables": "The tables of the mirrored SeaTable bases: one row a table, mirrored or not.",
        "st_columns": "Their columns, each by its key, with SeaTable's own type and settings: one row a column.",
        "st_options": "The options of their select columns: one row an option, in the order of definition.",
        "st_users": "The people of the bases: what _creator, _last_modifier and collaborators refer to.",
        "st_links": "Links between rows, complete also where a cell shows only fifty: one row a linked record.",
    }
)


def stage_catalogue(
    warehouse: Warehouse,
    config: Config,
    parent: Snapshot | None,
    reads: Sequence[BaseRead],
    users: Mapping[str, Mapping[str, str]],
) -> list[tuple[ValidTable, TableFacts]]:
    """Stage those tables of the catalogue that differ from the snapshot's; rows of bases not read now are kept.

    Args:
        warehouse: where.
        config: its configuration.
        parent: the current snapshot.
        reads: the bases read now.
        users: the people of each of them, by base: id to name.

    Raises:
        StorageError: when the disk refuses.
    """
    if not reads:
        return []
    moment = max(read.consistency.ended for read in reads)
    staged = [
        stage_whole(warehouse, shared_key(config, "seatable", name), SCHEMAS[name], rows)
        for name, rows in _changed(warehouse, parent, reads, users)
    ]
    with contextlib.closing(duckdb.connect()) as con:
        valid = [validate(table, rows_expected=table.rows, con=con) for table in staged]
    said = [{"description": SAID[table.staged.key.table]} for table in valid]
    return [
        (table, TableFacts("table", words, moment, None, "made of what was read"))
        for table, words in zip(valid, said, strict=True)
    ]


def _changed(
    warehouse: Warehouse,
    parent: Snapshot | None,
    reads: Sequence[BaseRead],
    users: Mapping[str, Mapping[str, str]],
) -> Iterator[tuple[str, Iterator[pa.Table]]]:
    """Yield the name and rows of each table of the catalogue that differs from the snapshot's."""
    for name, schema in SCHEMAS.items():
        state = None if parent is None else parent.shared.get(f"seatable.{name}")
        kept = _kept(warehouse, state, schema, {read.info.name for read in reads})
        if name == "st_links":
            if state is None or any(table.has_links for read in reads for table in read.tables.values()):
                yield name, _links(kept, reads)
            continue
        rows = pa.concat_tables([kept, *(_rows(name, read, users) for read in reads)])
        if state is None or not rows.equals(_kept(warehouse, state, schema, set())):
            yield name, iter([rows])


def _kept(warehouse: Warehouse, state: TableState | None, schema: pa.Schema, gone: set[str]) -> pa.Table:
    """Return what a snapshot's catalogue says of the bases that are not gone."""
    if state is None:
        return schema.empty_table()
    files = [pq.read_table(warehouse.root / file.path, partitioning=None) for file in state.files]
    rows = pa.concat_tables(files).select(schema.names).cast(schema)
    return rows.filter(pc.invert(pc.is_in(rows["base"], pa.array(sorted(gone), pa.string()))))


def _rows(name: str, read: BaseRead, users: Mapping[str, Mapping[str, str]]) -> pa.Table:
    """Return a base's rows of a table of the catalogue."""
    base = read.info.name
    if name == "st_tables":
        rows = [
            {
                "base_uuid": read.info.uuid,
                "ord": number,
                "table_id": table.id,
                "table_name": table.name,
                "mirrored": table.id in read.tables,
            }
            for number, table in enumerate(read.info.tables)
        ]
    elif name == "st_users":
        rows = [{"user_id": key, "user_name": said} for key, said in sorted(users.get(base, {}).items())]
    else:
        make = columns_table if name == "st_columns" else options_table
        return _of_base(make(read.info.tables), base, SCHEMAS[name])
    return pa.Table.from_pylist([{"base": base, **row} for row in rows], schema=SCHEMAS[name])


def _links(kept: pa.Table, reads: Sequence[BaseRead]) -> Iterator[pa.Table]:
    """Yield the links of bases not read now, then those read."""
    yield kept
    for read in reads:
        for table in read.tables.values():
            for batch in table.links():
                yield _of_base(pa.Table.from_batches([batch]), read.info.name, SCHEMAS["st_links"])


def _of_base(rows: pa.Table, base: str, schema: pa.Schema) -> pa.Table:
    """Return rows with their base before them."""
    bases = pa.array([base] * rows.num_rows, pa.string())
    return rows.add_column(0, _BASE, bases).cast(schema)
