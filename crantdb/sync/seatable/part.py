"""SeaTable's part of a sync, base by base: ask whether anything changed, read what did, stage it, tell what is new."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING

from crantdb.sources.seatable.read import ReadRules, read_tables, unchanged
from crantdb.sync.seatable.before import Before, before_of, columns_before, rows_of
from crantdb.sync.seatable.catalogue import stage_catalogue
from crantdb.sync.seatable.changes import Between, Columns, changes_between
from crantdb.sync.seatable.checks import check_shrinkage, vanished, wanted_tables
from crantdb.sync.seatable.history import KEY, appended, stage_changes
from crantdb.sync.seatable.pages import Pages
from crantdb.sync.seatable.tables import is_same, restated, stage_table
from crantdb.sync.seatable.values import silent_keys
from crantdb.warehouse.durable import neighbour

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from crantdb.config import Config, SeaTableSettings
    from crantdb.sources.seatable.catalogue import BaseInfo
    from crantdb.sources.seatable.result import BaseRead, TableRead
    from crantdb.sources.seatable.server import Base, SeaTableServer
    from crantdb.sync.progress import Progress
    from crantdb.warehouse.commit import TableFacts
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import Snapshot, TableState
    from crantdb.warehouse.validate import ValidTable


@dataclass(frozen=True, slots=True)
class SeaTable:
    """Where annotations come from.

    Attributes:
        server: opens the bases.
        settings: which, and how.
        rules: how a base is read.
        accept_shrink: whether rows and tables may vanish.
    """

    server: SeaTableServer
    settings: SeaTableSettings
    rules: ReadRules = field(default_factory=ReadRules)
    accept_shrink: bool = False


@dataclass(frozen=True, slots=True)
class BaseReport:
    """What became of a base.

    Attributes:
        base: its name.
        read: whether it was read; if not, its version said that nothing changed.
        version: its version now; None when the server does not say.
        consistency: what the rows have in common; empty when it was not read.
        rows: the rows of each table read.
        changed: the tables whose content is not what it was.
        changes: how many changes of each kind came into the history.
        findings: what was noticed about cells, in words.
        requests: gateway requests, which count for the team's month.
    """

    base: str
    read: bool
    version: int | None
    consistency: str = ""
    rows: Mapping[str, int] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    changes: Mapping[str, int] = field(default_factory=dict)
    findings: tuple[str, ...] = ()
    requests: int = 1


@dataclass(slots=True)
class SeaTablePart:
    """What SeaTable brings into a commit; the fields of `Change` of the same names, and reports.

    Attributes:
        shared: tables that are new or other than before, their catalogue among them.
        appended: changes, for the history.
        restated: tables that were read and are as they were.
        dropped: keys of tables that the base no longer has, or that bear another name now.
        reports: base by base.
        bytes_received: of all answers.
    """

    shared: list[tuple[ValidTable, TableFacts]] = field(default_factory=list)
    appended: list[tuple[ValidTable, TableFacts]] = field(default_factory=list)
    restated: list[TableState] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    reports: list[BaseReport] = field(default_factory=list)
    bytes_received: int = 0

    @property
    def is_news(self) -> bool:
        """Tell whether there is anything to commit."""
        return bool(self.shared or self.appended or self.restated or self.dropped)

    @property
    def requests(self) -> int:
        """Return the gateway requests of all bases."""
        return sum(report.requests for report in self.reports)


def fetch(
    source: SeaTable,
    warehouse: Warehouse,
    config: Config,
    parent: Snapshot | None,
    progress: Progress,
) -> SeaTablePart:
    """Ask every base whether it changed, read those that did (or were not read for a day), and stage what is new.

    Raises:
        SourceError: when a base does not give everything.
        ValidationError: when rows break a promise, or too many vanished.
        StorageError: when the disk refuses.
    """
    spill = neighbour(warehouse.staging / "seatable")
    try:
        return _Fetching(source, warehouse, config, parent, progress=progress).run(spill)
    finally:
        shutil.rmtree(spill, ignore_errors=True)


def rests(info: BaseInfo, before: Before, names: Sequence[str], full_every_h: float, now: datetime) -> bool:
    """Tell whether a base says that it is as it was, and was read in full not long ago.

    Args:
        info: the base now.
        before: what the snapshot holds of it.
        names: the tables wanted.
        full_every_h: hours after which it is read whatever it says.
        now: the moment of asking.
    """
    here = {table.name for table in before.tables.values()}
    fresh = before.read_at is not None and now - before.read_at < timedelta(hours=full_every_h)
    return fresh and here >= set(names) and unchanged(info, before.version, before.schema)


class _Fetching:
    """The reading of all bases of a sync."""

    def __init__(
        self,
        source: SeaTable,
        warehouse: Warehouse,
        config: Config,
        parent: Snapshot | None,
        *,
        progress: Progress,
    ) -> None:
        self._source = source
        self._warehouse = warehouse
        self._config = config
        self._parent = parent
        self._progress = progress
        self._part = SeaTablePart()
        self._changes: list[Iterator[pa.Table]] = []

    def run(self, spill: Path) -> SeaTablePart:
        """Read what is to be read; pages on their way lie in the folder `spill`."""
        settings = self._source.settings
        opened = [self._source.server.open_base(settings.workspace, name) for name in settings.bases]
        infos = {base.name: base.metadata() for base in opened}
        befores = {name: before_of(self._parent, name) for name in infos}
        wanted = wanted_tables(infos, settings, befores)
        reads: list[BaseRead] = []
        users: dict[str, Mapping[str, str]] = {}
        for base in opened:
            info, before = infos[base.name], befores[base.name]
            gone = vanished(before, info, settings, accept=self._source.accept_shrink)
            fresh_h = settings.full_every_h
            if not gone and rests(info, before, wanted[base.name], fresh_h, datetime.now(UTC)):
                self._resting(base, before)
                continue
            read = self._read(base, info, before, names=wanted[base.name], spill=spill / str(len(reads)))
            self._take(base, read, before, gone)
            reads.append(read)
            users[base.name] = base.users()
        part = self._part
        part.shared += stage_catalogue(self._warehouse, self._config, self._parent, reads, users)
        self._stage_changes(reads)
        part.bytes_received = sum(base.meter.bytes for base in opened)
        return part

    def _resting(self, base: Base, before: Before) -> None:
        """Report a base that was not read."""
        self._progress.say(f"SeaTable {base.name}: version {before.version}, as it was; not read again")
        report = BaseReport(base.name, read=False, version=before.version, requests=base.requests)
        self._part.reports.append(report)

    def _read(
        self, base: Base, info: BaseInfo, before: Before, *, names: Sequence[str], spill: Path
    ) -> BaseRead:
        """Read tables of a base."""
        spill.mkdir(parents=True)
        pages = Pages(self._progress, base.name)
        read = read_tables(
            base,
            names,
            spill=spill,
            rules=self._source.rules,
            known=info,
            previous_version=before.version,
            on_page=pages.hear,
        )
        pages.end()
        return read

    def _take(self, base: Base, read: BaseRead, before: Before, gone: Sequence[TableState]) -> None:
        """Stage what is new of a base, and report it."""
        changed: list[str] = []
        counts: Counter[str] = Counter()
        for table in read.tables.values():
            state = before.tables.get(table.info.id)
            check_shrinkage(state, table, accept=self._source.accept_shrink)
            if self._take_table(read, table, state):
                changed.append(table.info.name)
                if state is not None:
                    self._compare(read, table, state, counts)
        for state in gone:
            self._part.dropped.append(state.key)
            self._all_removed(read, state, counts)
        report = BaseReport(
            base.name,
            read=True,
            version=read.info.version,
            consistency=str(read.consistency),
            rows={table.info.name: table.rows for table in read.tables.values()},
            changed=tuple(changed),
            changes=counts,
            findings=tuple(str(found) for table in read.tables.values() for found in table.findings),
            requests=base.requests,
        )
        self._part.reports.append(report)

    def _take_table(self, read: BaseRead, table: TableRead, state: TableState | None) -> bool:
        """Stage a table, or restate the one that is here already; return whether its content is new."""
        workspace = self._source.settings.workspace
        part = self._part
        renamed = state is not None and state.name != table.info.name
        if renamed and state is not None:
            part.dropped.append(state.key)
        if state is not None and is_same(state, table):
            part.restated.append(restated(state, read, table, workspace))
            return False
        part.shared.append(stage_table(self._warehouse, self._config, read, table, workspace))
        return True

    def _compare(self, read: BaseRead, table: TableRead, state: TableState, counts: Counter[str]) -> None:
        """Look for what changed in a table since the read before; counted when the history is staged."""
        between = self._between(read, state, table.info.name, counts)
        now = {column.key: column for column in table.info.columns}
        columns = Columns(columns_before(state), now, silent_keys(table.info))
        self._changes.append(
            changes_between(rows_of(self._warehouse, state), table.pieces(), between, columns)
        )

    def _all_removed(self, read: BaseRead, state: TableState, counts: Counter[str]) -> None:
        """Note that every row of a table that is gone was removed."""
        between = self._between(read, state, state.name, counts)
        columns = Columns(columns_before(state), {}, frozenset())
        self._changes.append(changes_between(rows_of(self._warehouse, state), (), between, columns))

    def _between(self, read: BaseRead, state: TableState, name: str, counts: Counter[str]) -> Between:
        """Return between which reads of a table changes are looked for."""
        return Between(
            base=read.info.name,
            table_id=str(state.source["table_id"]),
            table_name=name,
            seen_before=state.fetched_at,
            seen_at=read.consistency.ended,
            counts=counts,
        )

    def _stage_changes(self, reads: Sequence[BaseRead]) -> None:
        """Stage what changed, for the history."""
        if not self._changes:
            return
        before = None if self._parent is None else self._parent.shared.get(KEY)
        made = stage_changes(
            self._warehouse,
            self._config,
            chain.from_iterable(self._changes),
            seen_at=max(read.consistency.ended for read in reads),
            source={} if before is None else before.source,
        )
        going = appended(self._warehouse, self._config, before, made)
        self._part.shared += going.get("shared", [])
        self._part.appended += going.get("appended", [])
