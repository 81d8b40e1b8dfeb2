"""Tables of a base as they were read: staged, checked, and what a manifest says of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from crantdb.errors import ValidationError
from crantdb.sources.seatable.catalogue import base_hash
from crantdb.sync.seatable.before import columns_to_json
from crantdb.warehouse.commit import TableFacts
from crantdb.warehouse.staging import StagingKey
from crantdb.warehouse.validate import Constraint, ValidTable, validate
from crantdb.warehouse.whole import stage_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from crantdb.config import Config
    from crantdb.sources.seatable.result import BaseRead, TableRead
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import TableState

ROW_ID = "_id"
GROUP_ROWS = 16_384
"""Rows of a row group: a row of SeaTable takes kilobytes, its raw JSON among them."""


def shared_key(config: Config, schema: str, table: str, base: str | None = None) -> StagingKey:
    """Return the key under which a table that all versions share is staged."""
    return StagingKey(config.server, config.datastack, schema, table, None, "", None, unique=False, base=base)


def stage_table(
    warehouse: Warehouse, config: Config, read: BaseRead, table: TableRead, workspace: int
) -> tuple[ValidTable, TableFacts]:
    """Stage a table as it was read, and check it: `_id` is unique, and as many rows as the base counts.

    Raises:
        ValidationError: when a promise is broken.
        StorageError: when the disk refuses.
    """
    key = shared_key(config, "seatable", table.info.name, read.info.name)
    pieces = in_order(table.info.name, map(_as_table, table.pieces()))
    staged = stage_whole(warehouse, key, table.schema, pieces, order=(ROW_ID,), group_rows=GROUP_ROWS)
    valid = validate(
        staged,
        rows_expected=table.rows,
        constraints=[Constraint("_id is never NULL", f'"{ROW_ID}" IS NOT NULL')],
    )
    return replace(valid, exceptions=_counted(table)), facts_of(read, table, workspace)


def _as_table(batch: pa.RecordBatch) -> pa.Table:
    """Return a batch as a table."""
    return pa.Table.from_batches([batch])


def _counted(table: TableRead) -> dict[str, int]:
    """Return what was found in the cells, counted by column and kind."""
    return {f"{finding.column}: {finding.kind}": finding.count for finding in table.findings}


def in_order(name: str, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield tables, checking that `_id` rises from row to row.

    Raises:
        ValidationError: when it does not: a row came twice, or out of order.
    """
    last: str | None = None
    for table in tables:
        ids = table[ROW_ID].to_pylist()
        joined = ids if last is None else [last, *ids]
        wrong = [after for before, after in pairwise(joined) if not before < after]
        if wrong:
            raise ValidationError(name, "_id rises from row to row", len(wrong), wrong[:5])
        last = ids[-1] if ids else last
        yield table


def facts_of(read: BaseRead, table: TableRead, workspace: int) -> TableFacts:
    """Return what the base says of a table beyond its rows."""
    return TableFacts(
        kind="table",
        source=source_of(read, table, workspace),
        fetched_at=read.consistency.ended,
        as_of=None,
        completeness=str(read.consistency),
        rows_per_s=table.rows / max(read.seconds, 1e-3),
    )


def source_of(read: BaseRead, table: TableRead, workspace: int) -> dict[str, Any]:
    """Return what a manifest keeps of a table's origin: enough to tell next time whether anything changed."""
    return {
        "table_id": table.info.id,
        "base_uuid": read.info.uuid,
        "workspace": workspace,
        "base_version": read.info.version,
        "base_schema": base_hash(read.info.tables),
        "content_hash": table.content_hash,
        "counted": table.counted,
        "archived": table.archived,
        "volatile": list(table.volatile),
        "requests": read.requests,
        "columns": columns_to_json({column.key: column for column in table.info.columns}),
    }


def restated(state: TableState, read: BaseRead, table: TableRead, workspace: int) -> TableState:
    """Return a table whose content did not change as the new read has it: the same files, read later."""
    facts = facts_of(read, table, workspace)
    return replace(
        state,
        name=table.info.name,
        source=facts.source,
        fetched_at=facts.fetched_at,
        completeness=facts.completeness,
        exceptions=_counted(table),
        rows_expected=table.rows,
    )


def is_same(state: TableState, table: TableRead) -> bool:
    """Tell whether a table holds what the warehouse has: the same columns, options and cells."""
    columns = [column.name for column in state.columns] == table.schema.names
    return columns and state.source.get("content_hash") == table.content_hash
