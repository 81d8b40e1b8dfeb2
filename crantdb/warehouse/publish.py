"""Publishing: the files of a valid table linked to their place, and a table's state grown by new files."""

from __future__ import annotations

import hashlib
import os
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from crantdb.errors import ValidationError
from crantdb.warehouse.durable import sha256_of, storage_errors, sync_folder
from crantdb.warehouse.layout import relative
from crantdb.warehouse.state import LOG, SHARED_SCHEMAS, DataFile, TableState

if TYPE_CHECKING:
    from pathlib import Path

    from crantdb.warehouse.commit import TableFacts
    from crantdb.warehouse.files import StagedFile
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.staging import StagingKey
    from crantdb.warehouse.validate import ValidTable

_READ_ONLY = 0o444


def publish(warehouse: Warehouse, valid: ValidTable, facts: TableFacts) -> TableState:
    """Link a valid table's files into place and say what a manifest will say of it.

    Raises:
        StorageError: when the disk refuses.
    """
    key = valid.staged.key
    folder = _folder(warehouse, key, facts)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        files = tuple(_place(warehouse, folder, file) for file in valid.staged.files)
        made = folder
        while made != warehouse.root:
            sync_folder(made)
            made = made.parent
        sync_folder(warehouse.root)
    described = "\n".join(f"{column.name} {column.type}" for column in valid.columns)
    return TableState(
        schema=key.schema,
        name=key.table,
        kind=facts.kind,
        source=facts.source,
        columns=valid.columns,
        fingerprint=hashlib.sha256(described.encode()).hexdigest()[:16],
        sort_key=key.sort_key,
        sort_order=valid.staged.order,
        fetched_at=facts.fetched_at,
        as_of=facts.as_of,
        version=key.version,
        rows_expected=valid.rows_expected,
        rows=valid.staged.rows,
        completeness=facts.completeness,
        exceptions=valid.exceptions,
        drift=facts.drift,
        files=files,
        rows_per_s=facts.rows_per_s,
        base=key.base,
    )


def _place(warehouse: Warehouse, folder: Path, file: StagedFile) -> DataFile:
    """Link one file to its place; one that an earlier, killed try left there is taken as it is, as is an older table's."""
    if file.path.is_relative_to(warehouse.root / "tables"):
        return DataFile(
            relative(warehouse, file.path), file.rows, file.bytes, file.sha256, file.key_min, file.key_max
        )
    target = folder / file.path.name
    if target.exists() and sha256_of(target) != file.sha256:
        target = folder / f"{uuid.uuid4().hex[:8]}-{file.path.name}"
    if not target.exists():
        file.path.chmod(_READ_ONLY)
        os.link(file.path, target)
    return DataFile(
        relative(warehouse, target), file.rows, file.bytes, file.sha256, file.key_min, file.key_max
    )


def _folder(warehouse: Warehouse, key: StagingKey, facts: TableFacts) -> Path:
    """Return the folder of a table's files."""
    if key.schema in SHARED_SCHEMAS:
        fetched_at = None if facts.kind == LOG else facts.fetched_at
        return warehouse.shared_folder(key.schema, key.table, key.base, fetched_at)
    return warehouse.table_folder(key.schema, key.table, key.version)


def grown(there: TableState, rows: TableState) -> TableState:
    """Return a table with the files of further rows behind its own.

    Raises:
        ValidationError: when the rows do not have the table's columns.
    """
    if there.columns != rows.columns:
        wanted = ", ".join(f"{column.name} {column.type}" for column in there.columns)
        raise ValidationError(there.key, f"rows behind others have their columns ({wanted})", rows.rows)
    counted = dict(there.exceptions)
    for name, count in rows.exceptions.items():
        counted[name] = counted.get(name, 0) + count
    return replace(
        rows,
        sort_key=there.sort_key if there.sort_key == rows.sort_key else None,
        sort_order=there.sort_order if there.sort_order == rows.sort_order else (),
        fetched_at=max(there.fetched_at, rows.fetched_at),
        rows_expected=there.rows_expected + rows.rows_expected,
        rows=there.rows + rows.rows,
        exceptions=counted,
        files=(*there.files, *(file for file in rows.files if file.rows)),
    )


def check_no_loss(before: TableState | None, after: TableState) -> None:
    """Refuse to put fewer rows in the place of a log's: what it tells of exists nowhere else.

    Raises:
        ValidationError: when rows would be lost.
    """
    if before is not None and before.kind == LOG and after.rows < before.rows:
        promise = f"a log keeps its {before.rows:,} rows when it is written anew (got {after.rows:,})"
        raise ValidationError(after.key, promise, before.rows - after.rows)
