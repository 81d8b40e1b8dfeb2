"""One CAVE table or view: from the server's spans to a valid staged table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from crantdb.errors import IncompleteError, ReferenceNotLoaded, Unreadable
from crantdb.sources.cave import key_of
from crantdb.sources.materialization import id_columns
from crantdb.sources.ranges import Span
from crantdb.sync.finish import finish
from crantdb.warehouse.commit import TableFacts
from crantdb.warehouse.staging import Staging, StagingKey, open_staging

if TYPE_CHECKING:
    from crantdb.sources.cave import Cave
    from crantdb.sources.extract import Extract
    from crantdb.sources.materialization import MaterializationVersion, RemoteTable
    from crantdb.sync.finish import Forms
    from crantdb.sync.progress import Progress
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.validate import ValidTable


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
    *,
    forms: Forms,
    progress: Progress,
) -> list[tuple[ValidTable, TableFacts]]:
    """Fetch what is not yet staged of a table, join it and check it.

    Returns:
        The table; for a synapse table also the four tables made of it.

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
    facts = TableFacts(
        kind=table.kind,
        source=table.metadata,
        fetched_at=_fetched_at(staging),
        as_of=version.as_of if id_columns(staging.schema().names) else None,
        completeness=extract.completeness,
    )
    made = finish(staging, facts, expected_rows=extract.expected_rows, forms=forms)
    progress.end(table.name)
    return made


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
