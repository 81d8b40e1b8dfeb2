"""One CAVE table or view: from the server's spans to a valid staged table."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from crantdb.errors import (
    IncompleteError,
    ReferenceNotLoaded,
    StagingMismatch,
    Unreadable,
    ValidationError,
)
from crantdb.sources.materialization import id_columns, key_of
from crantdb.sources.ranges import Span
from crantdb.sync.delta.asked import Unproven
from crantdb.sync.delta.base import Base, delta_key
from crantdb.sync.delta.run import Job, make_delta
from crantdb.sync.finish import finish
from crantdb.warehouse.commit import TableFacts
from crantdb.warehouse.staging import Staging, StagingKey, open_staging

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crantdb.sources.cave import Cave
    from crantdb.sources.extract import Extract
    from crantdb.sources.materialization import MaterializationVersion, RemoteTable
    from crantdb.sync.delta.base import Deltas
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


@dataclass(frozen=True, slots=True)
class How:
    """How tables are fetched.

    Attributes:
        forms: which tables are synapse tables, and the memory promise.
        deltas: what deltas may build on; None to fetch every table in full.
        progress: hears how it goes.
    """

    forms: Forms
    deltas: Deltas | None
    progress: Progress


def staging_keys(
    cave: Cave, version: MaterializationVersion, table: RemoteTable, how: How
) -> list[StagingKey]:
    """Return every key under which a table may be staged: in full, and as what changed."""
    key = staging_key(cave, version, table)
    base = None if how.deltas is None else how.deltas.base_for(table, version, how.forms)
    return [key, delta_key(key, base)] if isinstance(base, Base) else [key]


def stage(
    cave: Cave, warehouse: Warehouse, version: MaterializationVersion, table: RemoteTable, how: How
) -> list[tuple[ValidTable, TableFacts]]:
    """Bring a table: by what changed since the last version where that can be shown to be all, else in full.

    Returns:
        The table; for a synapse table also the four tables made of it.

    Raises:
        SourceError: when the server does not give everything; what was staged is kept.
        ValidationError, StagingMismatch: when the rows break a promise; what was staged is forgotten.
        StorageError: when the disk refuses.
    """
    full = open_staging(warehouse, staging_key(cave, version, table))
    base = None if how.deltas is None else how.deltas.base_for(table, version, how.forms)
    if isinstance(base, Base) and not full.pieces:
        staging = open_staging(warehouse, delta_key(full.key, base))
        job = Job(cave, warehouse, version, table, base, how.forms)
        try:
            return make_delta(job, staging, _fetched_at(staging), how.progress)
        except (Unproven, ValidationError, StagingMismatch) as reason:
            how.progress.say(f"{table.name}: what changed cannot be told ({reason}); it is fetched in full")
            staging.discard()
        except (Unreadable, ReferenceNotLoaded, IncompleteError):
            staging.discard()
            raise
    elif isinstance(base, str) and base:
        how.progress.say(f"{table.name}: fetched in full: {base}")
    return _in_full(full, cave, version, table, how)


def _in_full(
    staging: Staging, cave: Cave, version: MaterializationVersion, table: RemoteTable, how: How
) -> list[tuple[ValidTable, TableFacts]]:
    """Fetch what is not yet staged of a table, join it and check it."""
    with _forgotten_when_wrong(staging):
        return _made(cave, staging, version, table, forms=how.forms, progress=how.progress)


@contextlib.contextmanager
def _forgotten_when_wrong(staging: Staging) -> Iterator[None]:
    """Forget what was staged when it is found wrong or cannot be read: going on from it would end so again."""
    try:
        yield
    except (Unreadable, ReferenceNotLoaded, ValidationError, StagingMismatch):
        staging.discard()
        raise


def _made(
    cave: Cave,
    staging: Staging,
    version: MaterializationVersion,
    table: RemoteTable,
    *,
    forms: Forms,
    progress: Progress,
) -> list[tuple[ValidTable, TableFacts]]:
    """Fetch what is left of a table into its staging, and finish it."""
    done = {Span.parse(piece.span) for piece in staging.pieces}
    extract = cave.extract(version, table, done)
    progress.begin(table.name, extract.expected_rows, staging.rows)
    rate = _fill(staging, extract, progress, table.name)
    facts = TableFacts(
        kind=table.kind,
        source=table.metadata,
        fetched_at=_fetched_at(staging),
        as_of=version.as_of if id_columns(staging.schema().names) else None,
        completeness=extract.completeness,
        rows_per_s=rate,
    )
    if forms.is_synapses(table.name):
        progress.say(f"{table.name}: all rows are here; arranging them by pre root, post root, pair and id")
    made = finish(staging, facts, expected_rows=extract.expected_rows, forms=forms)
    progress.end(table.name)
    return made


def _fill(staging: Staging, extract: Extract, progress: Progress, name: str) -> float | None:
    """Stage every batch, then check the sum; return how many rows came a second, None when none was left to come."""
    start, before = time.monotonic(), staging.rows
    for batch in extract.batches:
        staging.add(str(batch.span), batch.rows)
        progress.advance(name, batch.rows.num_rows)
    if staging.rows != extract.expected_rows:
        got = staging.rows
        staging.discard()
        msg = (
            f"{name}: the server has {extract.expected_rows:,} rows and gave {got:,}. What was staged of this table "
            f"is forgotten: run the command again to fetch it anew"
        )
        raise IncompleteError(msg, expected=extract.expected_rows, got=got)
    came = staging.rows - before
    return came / max(time.monotonic() - start, 1e-3) if came else None


def _fetched_at(staging: Staging) -> datetime:
    """Return when the table's last row was fetched: noted once, so that a resumed sync does not move it."""
    noted = staging.note("fetched_at")
    if noted is None:
        noted = datetime.now(UTC).isoformat()
        staging.set_note("fetched_at", noted)
    return datetime.fromisoformat(noted)
