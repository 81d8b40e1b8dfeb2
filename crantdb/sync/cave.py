"""CAVE's part of a sync: a materialization version, its tables staged and valid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from crantdb.errors import NotServed, ReferenceNotLoaded, SourceError, StorageError, Unreadable
from crantdb.sync.cave_table import How, stage, staging_keys
from crantdb.sync.delta.base import Deltas
from crantdb.sync.finish import Forms
from crantdb.sync.inventory import held, left_over
from crantdb.sync.selection import Selection, Wish, select
from crantdb.warehouse.layout import free_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from crantdb.config import Config
    from crantdb.sources.cave import Cave
    from crantdb.sources.materialization import RemoteTable
    from crantdb.sync.progress import Progress
    from crantdb.warehouse.commit import TableFacts
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.staging import StagingKey
    from crantdb.warehouse.state import Snapshot
    from crantdb.warehouse.validate import ValidTable

ROW_BYTES = 45
"""Bytes of a row of a wide table in our Parquet (measured on synthetic CRANTb synapses)."""

SYNAPSE_BYTES = 80
"""Bytes of a synapse in its five forms (measured on the same)."""

CLOCKS_APART_S = 120.0


@dataclass(frozen=True, slots=True)
class CavePart:
    """What CAVE brings into a commit.

    Attributes:
        selection: the version, and what was to be fetched of it.
        tables: the tables that came, valid.
        skipped: those that could not be read, with the reason.
        keys: under which they are staged.
    """

    selection: Selection
    tables: list[tuple[ValidTable, TableFacts]]
    skipped: dict[str, str]
    keys: list[StagingKey]

    def is_news(self, parent: Snapshot | None) -> bool:
        """Tell whether there is anything to commit."""
        return bool(self.tables) or is_news(self.selection, parent)


def fetch(
    cave: Cave,
    warehouse: Warehouse,
    config: Config,
    wish: Wish,
    parent: Snapshot | None,
    *,
    memory_bytes: int,
    progress: Progress,
) -> CavePart:
    """Fetch what the wish asks for and the warehouse lacks, and check it.

    Raises:
        VersionUnavailable, NotServed, TimeMismatch: when the wish cannot be met.
        SourceError: when the server does not give everything.
        ValidationError: when rows break a promise.
        StorageError: when the disk refuses.
    """
    forms = Forms(cave.info.get("synapse_table"), config.cave.synapse_tables, memory_bytes)
    selection = choose(cave, warehouse, config, wish, parent)
    deltas = None if wish.full or parent is None else Deltas(parent.main, config.cave.full_every)
    how = How(forms, deltas, progress)
    keys = [key for table, _ in selection.fetch for key in staging_keys(cave, selection.version, table, how)]
    _say_first(cave, warehouse, selection, keys, progress=progress)
    tables, skipped = _stage_all(cave, warehouse, selection, how)
    return CavePart(selection, tables, skipped, keys)


def chunkedgraph_info(cave: Cave, parent: Snapshot | None, progress: Progress) -> Mapping[str, Any] | None:
    """Return the chunkedgraph's info; the snapshot's, said so, when it does not come."""
    try:
        return cave.chunkedgraph_info()
    except SourceError as error:
        # The rows do not need it: `id_layout` is then as the snapshot before had it, or empty.
        graph = None if parent is None or parent.chunkedgraph is None else dict(parent.chunkedgraph)
        kept = "id_layout stays empty" if graph is None else "id_layout stays as it was"
        progress.say(f"note: the chunkedgraph's info did not come, {kept}: {error}")
        return graph


def is_news(selection: Selection, parent: Snapshot | None) -> bool:
    """Tell whether a snapshot of this version would say something new although no table was fetched."""
    if parent is None or selection.version.number not in parent.versions:
        return True
    return selection.main and parent.main.version != selection.version.number


def choose(
    cave: Cave, warehouse: Warehouse, config: Config, wish: Wish, parent: Snapshot | None
) -> Selection:
    """Ask the server what there is, and decide what to fetch.

    Raises:
        VersionUnavailable, NotServed, TimeMismatch: when the wish cannot be met.
        SourceError: when the server does not answer.
    """
    version = cave.choose_version(wish.version)
    asked = wish if wish.tables is not None else replace(wish, tables=config.cave.tables)
    return select(
        version,
        cave.tables(version),
        wish=asked,
        exclude=config.cave.exclude,
        parent=parent,
        have=held(warehouse, version, config),
    )


def _say_first(
    cave: Cave, warehouse: Warehouse, selection: Selection, mine: list[StagingKey], *, progress: Progress
) -> None:
    """Say what is to be done, and what the user should know before it is."""
    version = selection.version
    here = [table for table in selection.carried if table.kind != "derived"]
    progress.say(
        f"{cave.datastack} version {version.number}, as of {version.as_of:%Y-%m-%d %H:%M} UTC: "
        f"{len(selection.fetch)} tables and views to fetch, {len(here)} here already"
    )
    clock = cave.server_clock()
    apart = 0.0 if clock is None else abs((datetime.now(UTC) - clock).total_seconds())
    if apart > CLOCKS_APART_S:
        progress.say(
            f"note: this machine's clock and the server's are {apart:,.0f} s apart; "
            f"every moment in the data is the server's"
        )
    for other in left_over(warehouse, cave, mine):
        progress.say(other)


def _stage_all(
    cave: Cave, warehouse: Warehouse, selection: Selection, how: How
) -> tuple[list[tuple[ValidTable, TableFacts]], dict[str, str]]:
    """Stage every table; return the valid ones, and the others with the reason."""
    tables: list[tuple[ValidTable, TableFacts]] = []
    skipped: dict[str, str] = {}
    expected = _count_all(cave, selection, skipped, how.progress)
    _check_disk(warehouse, expected)
    for table, must in selection.fetch:
        if f"cave.{table.name}" in skipped:
            continue
        try:
            tables += stage(cave, warehouse, selection.version, table, how)
        except (Unreadable, ReferenceNotLoaded) as error:
            _skip(table, must, error, skipped, how.progress)
    return tables, skipped


def _count_all(
    cave: Cave, selection: Selection, skipped: dict[str, str], progress: Progress
) -> dict[str, int]:
    """Ask for every table's rows; note those whose server says at once that they cannot be read."""
    expected: dict[str, int] = {}
    for table, must in selection.fetch:
        try:
            expected[table.name] = cave.expected_rows(selection.version, table)
        except (Unreadable, ReferenceNotLoaded) as error:
            _skip(table, must, error, skipped, progress)
        except NotServed as error:
            cave.check_version(selection.version)
            if must:
                raise
            _skip(table, must, error, skipped, progress)
    return expected


def _skip(
    table: RemoteTable, must: bool, error: SourceError, skipped: dict[str, str], progress: Progress
) -> None:
    """Note a table that cannot be read, unless it was asked for by name."""
    if must:
        msg = f"{table.name} cannot be read: {error}. Ask its owner for access, or leave it out: --drop {table.name}"
        raise Unreadable(msg, url=error.url, status=error.status) from error
    skipped[f"cave.{table.name}"] = str(error)
    progress.say(f"skipped {table.name}: {error}")


def _check_disk(warehouse: Warehouse, expected: dict[str, int]) -> None:
    """Refuse to begin what the disk cannot hold: the pieces and the files made of them."""
    needed = (ROW_BYTES + SYNAPSE_BYTES) * sum(expected.values())
    free = free_bytes(warehouse.root)
    if needed > free:
        msg = (
            f"{sum(expected.values()):,} rows need about {needed / 1e9:.1f} GB while they are staged; "
            f"{warehouse.root} has {free / 1e9:.1f} GB free. Free some space, or fetch fewer tables with --table"
        )
        raise StorageError(msg)
