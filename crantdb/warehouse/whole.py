"""Tables that are staged in one go: rows that come as a stream, already in their order, without a journal.

For what is made here or read within minutes; killed, it is made anew.
"""

from __future__ import annotations

import json
import shutil
import uuid
from dataclasses import asdict
from typing import TYPE_CHECKING

from crantdb.warehouse.durable import write_bytes
from crantdb.warehouse.files import FileWriter
from crantdb.warehouse.staging import StagedTable

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.staging import StagingKey


def stage_whole(
    warehouse: Warehouse,
    key: StagingKey,
    schema: pa.Schema,
    tables: Iterable[pa.Table],
    *,
    order: tuple[str, ...] = (),
    group_rows: int | None = None,
) -> StagedTable:
    """Write a stream of rows into the files of a staged table.

    Args:
        warehouse: where.
        key: what it is; its `sort_key` (a whole-number column, or None) is the one whose ranges files record.
        schema: the columns.
        tables: the rows, in the order that `order` says, in pieces of any size.
        order: the columns the rows are sorted by, as the caller promises; `verify --deep` holds it to that.
        group_rows: rows of a row group, which are in memory together: fewer for rows that are wide.

    Raises:
        StorageError: when the disk refuses.
    """
    folder = warehouse.staging_folder(key.folder())
    shutil.rmtree(folder, ignore_errors=True)
    write_bytes(folder / "key.json", json.dumps(asdict(key), indent=1).encode())
    writer = FileWriter(
        folder / "done", uuid.uuid4().hex[:8], schema, key=key.sort_key, group_rows=group_rows
    )
    files = writer.write(tables)
    return StagedTable(key, schema, files, sum(file.rows for file in files), order)
