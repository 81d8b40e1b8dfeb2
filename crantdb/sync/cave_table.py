"""One CAVE table or view: from the server's spans to a valid staged table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from crantdb.errors import IncompleteError, ReferenceNotLoaded, Unreadable
from crantdb.schema import declared_columns
from crantdb.sources.cave import key_of
from crantdb.sources.materialization import id_columns
from crantdb.sources.ranges import Span
from crantdb.warehouse.commit import TableFacts
from crantdb.warehouse.staging import Staging, StagingKey, open_staging
from crantdb.warehouse.validate import Constraint, ValidTable, validate

if TYPE_CHECKING:
    from crantdb.sources.cave import Cave
    from crantdb.sources.extract import Extract
    from crantdb.sources.materialization import MaterializationVersion, RemoteTable
    from crantdb.sync.progress import Progress
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.snapshot import Column
    from crantdb.warehouse.staging import StagedTable


def staging_key(cave: Cave, version: MaterializationVersion, table: RemoteTable) -> StagingKey:
    """Return the key under which a table is staged."""
    return StagingKey(
        server=cave.server,
        datastack=cave.datastack,
        schema="cave",
        table=table.name,
        version=version.number,
        as_of=version.as_of.isoformat(),
        sort_key=key_of(table),
        unique=table.kind == "table",
    )


def stage(
    cave: Cave,
    warehouse: Warehouse,
    version: MaterializationVersion,
    table: RemoteTable,
    progress: Progress,
) -> tuple[ValidTable, TableFacts]:
    """Fetch what is not yet staged of a table, join it and check it.

    Raises:
        SourceError: when the server does not give everything; what was staged is kept.
        ValidationError: when the rows break a promise.
        StorageError: when the disk refuses.
    """
    staging = open_staging(warehouse, staging_key(cave, version, table))
    done = {Span.parse(piece.span) for piece in staging.pieces}
    try:
        extract = cave.extract(version, table, done)
    except (Unreadable, ReferenceNotLoaded):
        staging.discard()
        raise
    progress.begin(table.name, extract.expected_rows, staging.rows)
    _fill(staging, extract, progress, table.name)
    fetched_at = _fetched_at(staging)
    staged = staging.finish()
    valid = validate(
        staged,
        rows_expected=extract.expected_rows,
        constraints=constraints_of(staged, table),
        exceptions=exceptions_of(staged),
    )
    progress.end(table.name)
    drift = drift_of(valid.columns) if table.name == cave.info.get("synapse_table") else ()
    as_of = version.as_of if any(id_columns([column.name]) for column in valid.columns) else None
    return valid, TableFacts(table.kind, table.metadata, fetched_at, as_of, extract.completeness, drift)


def _fill(staging: Staging, extract: Extract, progress: Progress, name: str) -> None:
    """Stage every batch, then check the sum."""
    for batch in extract.batches:
        staging.add(str(batch.span), batch.rows)
        progress.advance(name, batch.rows.num_rows)
    if staging.rows != extract.expected_rows:
        msg = (
            f"{name}: the server has {extract.expected_rows:,} rows and gave {staging.rows:,}. "
            f"Start this table anew: crantdb sync --discard"
        )
        raise IncompleteError(msg, expected=extract.expected_rows, got=staging.rows)


def _fetched_at(staging: Staging) -> datetime:
    """Return when the table's last row was fetched: noted once, so that a resumed sync does not move it."""
    noted = staging.note("fetched_at")
    if noted is None:
        noted = datetime.now(UTC).isoformat()
        staging.set_note("fetched_at", noted)
    return datetime.fromisoformat(noted)


def constraints_of(staged: StagedTable, table: RemoteTable) -> list[Constraint]:
    """Return what must hold for every row of a CAVE table; nothing is known of a view's rows."""
    if table.kind != "table":
        return []
    promises = [Constraint("id is never NULL", '"id" IS NOT NULL')]
    if "valid" in staged.arrow.names:
        promises.append(Constraint("valid is true (the server gives no other rows)", '"valid"'))
    if "target_id" in staged.arrow.names:
        promises.append(Constraint("target_id is never NULL", '"target_id" IS NOT NULL'))
    return promises


def exceptions_of(staged: StagedTable) -> dict[str, str]:
    """Return what is counted: looked-up ids that are none."""
    conditions: dict[str, str] = {}
    for column in id_columns(staged.arrow.names):
        conditions[f"{column} is NULL"] = f'"{column}" IS NULL'
        conditions[f"{column} is 0"] = f'"{column}" = 0'
        conditions[f"{column} is 1"] = f'"{column}" = 1'
    return conditions


def drift_of(columns: tuple[Column, ...]) -> tuple[str, ...]:
    """Say how the datastack's synapse table differs from the declared one."""
    declared = {c.name: c.type for c in declared_columns("synapse_source") if not c.name.startswith("voxel_")}
    found = {column.name: column.type for column in columns}
    absent = [f"{name} is absent" for name in declared if name not in found]
    retyped = [
        f"{n} is {found[n]}, not {kind}" for n, kind in declared.items() if n in found and found[n] != kind
    ]
    further = [
        f"{name} {kind} is new" for name, kind in found.items() if name not in declared and name != "valid"
    ]
    return (*absent, *retyped, *further)
