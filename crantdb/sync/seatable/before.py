"""What a snapshot holds of a SeaTable base: which tables, of which version, read when, and their rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from crantdb.sources.seatable.catalogue import ColumnInfo, OptionInfo

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import Snapshot, TableState

BATCH_ROWS = 16_384


@dataclass(frozen=True, slots=True)
class Before:
    """What a snapshot holds of a base.

    Attributes:
        tables: its mirrored tables, by table id; none when the base was never mirrored.
    """

    tables: Mapping[str, TableState]

    @property
    def version(self) -> int | None:
        """The base's version at the last read; None when tables were read at different ones, or none was."""
        versions = {table.source.get("base_version") for table in self.tables.values()}
        found = versions.pop() if len(versions) == 1 else None
        return found if isinstance(found, int) else None

    @property
    def schema(self) -> str:
        """The hash of the base's schema then; empty when it is not one for all."""
        hashes = {str(table.source.get("base_schema")) for table in self.tables.values()}
        return hashes.pop() if len(hashes) == 1 else ""

    @property
    def uuid(self) -> str | None:
        """The base's identity; None when it was never mirrored."""
        return next((str(table.source["base_uuid"]) for table in self.tables.values()), None)

    @property
    def read_at(self) -> datetime | None:
        """When the base was last read in full: the oldest moment of its tables."""
        return min((table.fetched_at for table in self.tables.values()), default=None)


def before_of(parent: Snapshot | None, base: str) -> Before:
    """Return what a snapshot holds of a base of a name."""
    shared = {} if parent is None else parent.shared
    own = (table for table in shared.values() if table.schema == "seatable" and table.base == base)
    return Before({str(table.source["table_id"]): table for table in own})


def rows_of(warehouse: Warehouse, table: TableState) -> Iterator[pa.RecordBatch]:
    """Yield `_id` and `row_json` of a mirrored table's rows, in `_id` order."""
    for file in table.files:
        content = pq.ParquetFile(warehouse.root / file.path)
        yield from content.iter_batches(BATCH_ROWS, columns=["_id", "row_json"])


def columns_before(table: TableState) -> dict[str, ColumnInfo]:
    """Return the columns that a mirrored table had when it was read, by key, with their options."""
    return {
        column["key"]: ColumnInfo(column["key"], column["name"], column["type"], column["data"])
        for column in table.source.get("columns", ())
    }


def columns_to_json(columns: Mapping[str, ColumnInfo]) -> list[dict[str, object]]:
    """Return what a manifest keeps of columns: what `columns_before` reads, options without their colours."""
    return [
        {"key": key, "name": column.name, "type": column.type, "data": _kept(column.options)}
        for key, column in columns.items()
    ]


def _kept(options: tuple[OptionInfo, ...]) -> dict[str, object]:
    """Return what is kept of a column's settings: the names of its options."""
    return {"options": [{"id": option.id, "name": option.name} for option in options]} if options else {}
