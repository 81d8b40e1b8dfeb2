"""Tables that are staged in one go: rows that come as a stream, already in their order, without a journal.

For what is made here or read within minutes; killed, it is made anew.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from crantdb.warehouse.durable import write_bytes
from crantdb.warehouse.files import FileWriter
from crantdb.warehouse.staging import StagedTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa

    from crantdb.warehouse.files import StagedFile
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
    if key.version is not None:
        files = _named_by_content(files)
    return StagedTable(key, schema, files, sum(file.rows for file in files), order)


def _named_by_content(files: Sequence[StagedFile]) -> tuple[StagedFile, ...]:
    """Name a version's files by what is in them: one that a killed try linked into place is then taken, not left over.

    The files of a log keep names of their own: two times the same rows are two files.
    """
    run = hashlib.sha256("".join(file.sha256 for file in files).encode()).hexdigest()[:8]
    return tuple(
        replace(file, path=file.path.rename(file.path.with_name(f"{run}-part-{number:05d}.parquet")))
        for number, file in enumerate(files)
    )
