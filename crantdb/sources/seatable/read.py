"""Reads tables of a base whole, and proves it: keyset pages, counts, a sweep, until nothing moved."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from crantdb.errors import BadResponse, IncompleteError, NotServed
from crantdb.sources.seatable.catalogue import base_hash, schema_hash
from crantdb.sources.seatable.paging import Pager
from crantdb.sources.seatable.result import BaseRead, Consistency
from crantdb.sources.seatable.table import TableReading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from crantdb.sources.seatable.catalogue import BaseInfo, TableInfo
    from crantdb.sources.seatable.result import PageNews
    from crantdb.sources.seatable.server import Base

OVERLAP_S = 600.0
"""Rows edited up to so long before the reading began are read again when the base moves: clocks differ."""


@dataclass(frozen=True, slots=True)
class ReadRules:
    """How a base is read.

    Attributes:
        page_rows: rows to ask for at once; lowered for wide tables and after failures.
        rounds: how often what changed meanwhile is read again, at the most.
        settle_s: seconds to wait before reading a base that has just changed: its SQL may lag behind.
    """

    page_rows: int = 10_000
    rounds: int = 3
    settle_s: float = 10.0


def read_tables(
    base: Base,
    tables: Sequence[str] | None,
    *,
    spill: Path | None = None,
    rules: ReadRules | None = None,
    known: BaseInfo | None = None,
    previous_version: int | None = None,
    on_page: Callable[[PageNews], None] | None = None,
) -> BaseRead:
    """Read tables of a base whole, at one version when the base rests, else within a window of time.

    Args:
        base: an opened base.
        tables: their names; None for all tables of the base.
        spill: an empty folder for pages on their way (Arrow files; the caller removes it after having
            read the pieces); None keeps them in memory.
        rules: page sizes and rounds.
        known: what `base.metadata()` just gave, to save a request.
        previous_version: the version of the last mirror; None when there is none.
        on_page: hears of every page.

    Returns:
        Every row of every table, with the consistency that was reached.

    Raises:
        NotServed: when a table is not there.
        BadResponse: when a table's columns change as often as they are read.
        IncompleteError: when counts and rows do not agree after the last round.
        SourceError: every failure of the server, after the tries its kind is worth.
        StorageError: when `spill` does not take the pages.
        Interrupted: when the server's `stop` was set.
    """
    rules = rules or ReadRules()
    start, requests, size = time.monotonic(), base.requests, base.meter.bytes
    info = known or base.metadata()
    if previous_version is not None and info.version != previous_version:
        info = _settled(base, info, rules)
    reading = _Reading(base, _chosen(info, tables), rules=rules, spill=spill, on_page=on_page)
    atomic = reading.run(info)
    results = {table.info.id: table.result() for table in reading.tables}
    return BaseRead(
        info=reading.info,
        tables=results,
        consistency=Consistency(
            atomic=atomic,
            versions=tuple(reading.versions),
            started=reading.started,
            ended=datetime.now(UTC),
            archived=sum(table.archived for table in results.values()),
        ),
        requests=base.requests - requests + (known is not None),
        seconds=time.monotonic() - start,
        bytes=base.meter.bytes - size,
    )


def unchanged(info: BaseInfo, previous_version: int | None, previous_hash: str) -> bool:
    """Tell whether a base is as it was: same version and same schema.

    The version does not see archived rows, formulas that change by themselves, or renamed people: read in
    full once a day all the same.

    Args:
        info: what `base.metadata()` gave now (one request).
        previous_version: of the last mirror.
        previous_hash: `catalogue.base_hash(info.tables)` of the last mirror.
    """
    same = info.version is not None and info.version == previous_version
    return same and base_hash(info.tables) == previous_hash


def _chosen(info: BaseInfo, names: Sequence[str] | None) -> tuple[TableInfo, ...]:
    """Return the tables of the names, in the base's order."""
    if names is None:
        return info.tables
    wanted = {info.table(name).id for name in names}
    return tuple(table for table in info.tables if table.id in wanted)


def _settled(base: Base, info: BaseInfo, rules: ReadRules) -> BaseInfo:
    """Wait until SQL has caught up with a base that has changed, and return it as it is then."""
    if rules.settle_s <= 0:
        return info
    base.gateway.waiting.wait(rules.settle_s)
    return base.metadata()


class _Reading:
    """The reading of several tables, until nothing moves or the rounds are over."""

    def __init__(
        self,
        base: Base,
        tables: Sequence[TableInfo],
        *,
        rules: ReadRules,
        spill: Path | None,
        on_page: Callable[[PageNews], None] | None,
    ) -> None:
        self._base = base
        self._rules = rules
        self._pager = Pager(base, rules.page_rows)
        self._since_ms = int((base.gateway.allowance.now() - OVERLAP_S) * 1000)
        self.started = datetime.now(UTC)
        self.versions: list[int | None] = []
        self.tables = [
            TableReading(
                base, self._pager, table,
                folder=spill and spill / f"{number:03d}", on_page=on_page,
            )
            for number, table in enumerate(tables)
        ]  # fmt: skip

    def run(self, info: BaseInfo) -> bool:
        """Read; tell whether all tables show one version."""
        self.info = info
        self.versions.append(info.version)
        for table in self.tables:
            table.read()
        if self._rests():
            return True
        for _ in range(self._rules.rounds):
            if not self._same_columns():
                # New columns reach SQL some seconds after the metadata.
                self.info = _settled(self._base, self.info, self._rules)
                self.versions.append(self.info.version)
            for table in self.tables:
                table.catch_up(self.info.by_id(table.info.id), since_ms=self._since_ms)
            if self._rests():
                return True
        self._give_up_when_torn()
        return False

    def _rests(self) -> bool:
        """Look at the base again; tell whether it is as it was before, and the tables are as counted."""
        before, self.info = self.info.version, self._base.metadata()
        self.versions.append(self.info.version)
        rests = before is not None and before == self.info.version and self._same_columns()
        agree = all(table.agrees for table in self.tables)
        if rests and not agree:
            # Rows are missing although nothing moved: keys may not sort as they compare.
            self._pager.keyset = False
        return rests and agree

    def _same_columns(self) -> bool:
        """Tell whether every table still has the columns it was read with."""
        return all(
            (now := self.info.by_id(table.info.id)) is not None
            and schema_hash(now) == schema_hash(table.info)
            for table in self.tables
        )

    def _give_up_when_torn(self) -> None:
        """Raise when the last reading cannot stand: columns still change, tables are gone, rows are missing."""
        for table in self.tables:
            now = self.info.by_id(table.info.id)
            if now is None:
                msg = f"table {table.info.name!r} was removed from the base while it was read; sync again"
                raise NotServed(msg)
            if schema_hash(now) != schema_hash(table.info):
                msg = (
                    f"the columns of table {table.info.name!r} changed every time it was read "
                    f"({self._rules.rounds + 1} times). The last snapshot stays; sync again when nobody edits columns"
                )
                raise BadResponse(msg)
            if self.versions[-1] == self.versions[-2] is not None and not table.agrees:
                msg = (
                    f"table {table.info.name!r}: the server counts {table.counted:,} rows and gives "
                    f"{table.rows:,}, though nothing changed. The last snapshot stays; tell the server's keeper"
                )
                raise IncompleteError(msg, expected=table.counted, got=table.rows)
