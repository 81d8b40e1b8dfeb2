"""One table's reading: all of it once, then again whatever changed meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crantdb.errors import BadResponse, NotServed
from crantdb.sources.seatable.answers import SchemaMoved, TooMuch
from crantdb.sources.seatable.catalogue import schema_hash
from crantdb.sources.seatable.layout import Layout
from crantdb.sources.seatable.moments import stamp_ms
from crantdb.sources.seatable.paging import IDS_A_REQUEST, SYSTEM_COLUMNS
from crantdb.sources.seatable.result import PageNews, TableRead
from crantdb.sources.seatable.rowtext import SWEPT, swept_columns
from crantdb.sources.seatable.store import Store
from crantdb.sources.seatable.types import NO_VALUES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from crantdb.sources.seatable.catalogue import TableInfo
    from crantdb.sources.seatable.paging import Pager, Rows
    from crantdb.sources.seatable.server import Base

LINK_CAP = 50
"""A cell with so many linked records may have been cut off there; query-links has them all."""

ROWS_A_LINK_QUERY = 100


class TableReading:
    """Reads one table.

    Args:
        base: an opened base.
        pager: pages of its tables.
        info: the table as the base's metadata had it.
        folder: where pages go; None keeps them in memory.
        on_page: hears of every page.

    Attributes:
        info: the table as it was when its rows were read.
        counted: what the server counted last.
    """

    def __init__(
        self,
        base: Base,
        pager: Pager,
        info: TableInfo,
        *,
        folder: Path | None,
        on_page: Callable[[PageNews], None] | None,
    ) -> None:
        self.info = info
        self.counted = 0
        self._base = base
        self._pager = pager
        self._folder = folder
        self._on_page = on_page
        self._begun = 0
        self._store = self._fresh()

    @property
    def agrees(self) -> bool:
        """Whether there are as many rows as the server counted."""
        return len(self._store.fingerprints) == self.counted

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self._store.fingerprints)

    def read(self) -> None:
        """Read all rows, starting over once when the table's columns turn out to have changed.

        Raises:
            NotServed: when the table is gone.
            SourceError: every failure of the server.
        """
        try:
            self._read()
        except SchemaMoved:
            self.restart(self._base.metadata().by_id(self.info.id))

    def restart(self, info: TableInfo | None) -> None:
        """Read all rows anew, with the columns the table has now.

        Raises:
            NotServed: when the table is gone.
            SourceError: every failure of the server.
        """
        if info is None:
            msg = (
                f"table {self.info.name!r} was removed from the base {self._base.name!r} while it was read; "
                f"the last snapshot stays. Sync again"
            )
            raise NotServed(msg)
        self.info = info
        self._store = self._fresh()
        self._read()

    def catch_up(self, info: TableInfo | None, *, since_ms: int) -> None:
        """Read again what changed since it was read: a sweep finds it, wherever it shows.

        Args:
            info: the table as the base's metadata has it now; None when it is gone.
            since_ms: rows with a later `_mtime` are read again whatever the sweep says; ms since 1970.

        Raises:
            NotServed, SourceError: as `read`.
        """
        if info is None or schema_hash(info) != schema_hash(self.info):
            self.restart(info)
            return
        try:
            self._catch_up(since_ms)
        except SchemaMoved:
            self.restart(self._base.metadata().by_id(self.info.id))

    def result(self) -> TableRead:
        """Return the table, its rows in `_id` order."""
        stored = self._store.finish()
        names = {column.key: column.name for column in self.info.columns}
        return TableRead(
            info=self.info,
            schema=stored.schema,
            rows=stored.rows,
            counted=self.counted,
            archived=stored.archived,
            content_hash=stored.content_hash(),
            volatile=self._store.layout.volatile_names(),
            findings=self._store.notes.findings(self.info.name, names),
            source=stored,
        )

    def _fresh(self) -> Store:
        """Return an empty store; each start has a folder of its own."""
        self._begun += 1
        folder = None if self._folder is None else self._folder / f"{self._begun}"
        return Store(Layout(self.info), folder)

    def _read(self) -> None:
        """Count and read all rows."""
        self.counted = self._pager.count(self.info.name)
        self._read_pages()

    def _read_pages(self) -> None:
        """Read all rows; those read before are replaced."""
        got: set[str] = set()
        for rows in self._pager.pages(self.info.name, (), width=self._width()):
            self._take(rows)
            got.update(row["_id"] for row in rows)
            self._say("rows", len(got))
            rows.clear()  # else this page stays in memory while the next one is read

    def _take(self, rows: Rows) -> None:
        """Complete the links of rows and keep them."""
        if rows:
            self._complete_links(rows)
            self._store.add(rows)

    def _width(self) -> int:
        """Return how many columns a row has."""
        columns = sum(column.type not in NO_VALUES for column in self.info.columns)
        return columns + SYSTEM_COLUMNS

    def _complete_links(self, rows: Rows) -> None:
        """Put all linked records into cells that may have been cut off."""
        for column in self.info.columns:
            if column.type != "link":
                continue
            full = {row["_id"]: row for row in rows if _length(row.get(column.key)) >= LINK_CAP}
            ids = list(full)
            for start in range(0, len(ids), ROWS_A_LINK_QUERY):
                part = ids[start : start + ROWS_A_LINK_QUERY]
                for row_id, items in self._base.linked(self.info.id, column.key, part).items():
                    full[row_id][column.key] = items
                self._say("links", start + len(part))

    def _catch_up(self, since_ms: int) -> None:
        """Sweep, and read again what is new, changed or may have changed; drop what is gone."""
        self.counted = self._pager.count(self.info.name)
        try:
            swept, suspects = self._sweep(since_ms)
        except (SchemaMoved, TooMuch):
            raise
        except BadResponse:
            # A server that cannot select these columns by name: all rows are read again instead.
            swept, suspects = set(), set(self._store.fingerprints)
        missing = set(self._store.fingerprints) - swept
        again = suspects | missing
        if -(-len(again) // IDS_A_REQUEST) > self._pager.requests_for(self.counted, self._width()):
            self._read_pages()
            again = missing
        self._read_some(again)

    def _sweep(self, since_ms: int) -> tuple[set[str], set[str]]:
        """Return all ids there are, and those of rows to read again."""
        columns = swept_columns(self.info)
        names = ["_id", *SWEPT, *(column.name for column in columns)]
        swept: set[str] = set()
        suspects: set[str] = set()
        # Pages by offset may lose untouched rows: two sweeps, and their union.
        for _ in range(1 if self._pager.keyset else 2):
            for rows in self._pager.pages(self.info.name, names, width=len(names)):
                self._complete_links(rows)
                swept.update(row["_id"] for row in rows)
                suspects.update(row["_id"] for row in rows if self._may_differ(row, since_ms))
                self._say("sweep", len(swept))
        return swept, suspects

    def _may_differ(self, row: dict[str, Any], since_ms: int) -> bool:
        """Tell whether a swept row may not be as it was read."""
        mtime = row.get("_mtime")
        if mtime is None or _late(mtime, since_ms):
            return True
        return self._store.fingerprints.get(row["_id"]) != self._store.layout.writer.fingerprint(row)

    def _read_some(self, ids: Iterable[str]) -> None:
        """Read some rows again; those that do not come are gone."""
        wanted = set(ids)
        gone = set(wanted)
        for rows in self._pager.some(self.info.name, wanted):
            gone -= {row["_id"] for row in rows}
            self._take(rows)
            self._say("changed rows", len(wanted) - len(gone))
        self._store.drop(gone)

    def _say(self, doing: str, rows: int) -> None:
        """Tell of a page."""
        if self._on_page is not None:
            self._on_page(PageNews(self.info.name, doing, rows, self.counted, self._base.requests))


def _late(mtime: object, since_ms: int) -> bool:
    """Tell whether a time is not before a moment; one that cannot be read may be any."""
    try:
        return stamp_ms(mtime) >= since_ms
    except ValueError:
        return True


def _length(cell: object) -> int:
    """Return how many items a cell has."""
    return len(cell) if isinstance(cell, list) else 0
