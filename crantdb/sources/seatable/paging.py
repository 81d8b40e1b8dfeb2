"""Pages of a table in `_id` order: by key where the server can, else by offset; smaller where it fails.

A page shorter than asked is never the end (a server may cap it); an empty one is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from crantdb.errors import BadResponse
from crantdb.sources.seatable.answers import SchemaMoved, TooMuch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from crantdb.sources.seatable.server import Base

    Rows = list[dict[str, Any]]

CELLS_A_PAGE = 900_000
"""Some installations refuse answers of more than a million cells."""

SMALLEST_PAGE = 500
IDS_A_REQUEST = 500
SYSTEM_COLUMNS = 8
_ROW_ID = re.compile(r"[A-Za-z0-9_-]+")


class _NoKeyset(Exception):
    """The server cannot compare `_id`, or not in the order it sorts by."""


class Pager:
    """Pages of one base's tables.

    Args:
        base: an opened base.
        page_rows: rows to ask for at once.

    Attributes:
        keyset: whether the server can continue after a key; found out while paging.
    """

    def __init__(self, base: Base, page_rows: int) -> None:
        self._base = base
        self._page_rows = page_rows
        self.keyset = True

    def count(self, table: str) -> int:
        """Return the server's count of a table's rows.

        Raises:
            SourceError: as every request.
        """
        rows = self._base.sql(f"SELECT COUNT(*) AS n FROM {named(table)} LIMIT 1")
        try:
            return int(rows[0]["n"])
        except (LookupError, TypeError, ValueError) as error:
            msg = f"the server did not count the rows of table {table!r}"
            raise BadResponse(msg) from error

    def pages(self, table: str, columns: Sequence[str], *, width: int) -> Iterator[Rows]:
        """Yield pages until an empty one. Rows come more than once when paging by offset, or starting over.

        Args:
            table: the table's name.
            columns: names of columns; none for all of them.
            width: how many columns that is.

        Raises:
            BadResponse: when a page breaks the contract: a row without `_id`, one twice, more rows than asked.
            SourceError: as every request.
        """
        if self.keyset:
            try:
                yield from self._by_key(table, columns, width)
            except _NoKeyset:
                self.keyset = False
            else:
                return
        yield from self._by_offset(table, columns, width)

    def some(self, table: str, ids: Iterable[str]) -> Iterator[Rows]:
        """Yield those of some rows that are there, whole, some hundred at a time; a last answer may be empty.

        Raises:
            SourceError: as every request.
        """
        wanted, size = sorted(ids), IDS_A_REQUEST
        while wanted:
            part = wanted[:size]
            listed = ", ".join(f"'{row_id}'" for row_id in part)
            try:
                rows = self._base.sql(
                    f"SELECT * FROM {named(table)} WHERE `_id` IN ({listed}) ORDER BY `_id` LIMIT {len(part)}"
                )
            except TooMuch:
                if size == 1:
                    raise
                size //= 2
                continue
            checked(rows, table, len(part))
            got = {row["_id"] for row in rows}
            yield rows
            # A server may cap this answer too: those that did not come are gone only when none of them comes.
            rest = [row_id for row_id in part if row_id not in got] if got else []
            wanted = rest + wanted[len(part) :]

    def requests_for(self, rows: int, width: int) -> int:
        """Return how many requests reading that many rows takes, the last empty one too."""
        return -(-rows // self._size(width)) + 1

    def _size(self, width: int) -> int:
        """Return how many rows to ask for."""
        return max(1, min(self._page_rows, CELLS_A_PAGE // max(1, width)))

    def _by_key(self, table: str, columns: Sequence[str], width: int) -> Iterator[Rows]:
        """Yield pages, each after the last row of the one before."""
        page = _Page(self._base, table, columns, self._size(width))
        seen: set[str] = set()
        last = ""
        while True:
            try:
                rows = page.read(f" WHERE `_id` > '{last}'" if last else "", "")
            except (SchemaMoved, TooMuch):
                raise
            except BadResponse as error:
                if last and error.status == 400:
                    raise _NoKeyset from error
                raise
            if not rows:
                return
            ids = {row["_id"] for row in rows}
            if ids & seen:
                raise _NoKeyset
            seen |= ids
            last = rows[-1]["_id"]
            yield rows

    def _by_offset(self, table: str, columns: Sequence[str], width: int) -> Iterator[Rows]:
        """Yield pages by offset: edits meanwhile may give a row twice or not at all, which a sweep mends."""
        page = _Page(self._base, table, columns, self._size(width))
        offset = 0
        while rows := page.read("", f" OFFSET {offset}"):
            offset += len(rows)
            yield rows


class _Page:
    """A page of a size that shrinks where the server fails."""

    def __init__(self, base: Base, table: str, columns: Sequence[str], size: int) -> None:
        self._base = base
        self._table = table
        self._columns = ", ".join(map(named, columns)) or "*"
        self._size = size
        self._floor = min(SMALLEST_PAGE, size)

    def read(self, where: str, offset: str) -> Rows:
        """Return one page."""

        def statement(failures: int) -> str:
            if failures >= 2:
                self._halve()
            return f"SELECT {self._columns} FROM {named(self._table)}{where} ORDER BY `_id` LIMIT {self._size}{offset}"

        while True:
            try:
                rows = self._base.sql(statement)
            except TooMuch:
                if not self._halve():
                    raise
                continue
            checked(rows, self._table, self._size)
            return rows

    def _halve(self) -> bool:
        """Ask for half as many rows from now on; tell whether that is fewer."""
        before, self._size = self._size, max(self._floor, self._size // 2)
        return self._size < before


def checked(rows: Rows, table: str, most: int) -> None:
    """Check a page against the contract.

    Raises:
        BadResponse: a row has no `_id`, one comes twice, or there are more rows than asked.
    """
    ids = [row.get("_id") for row in rows]
    if not all(isinstance(row_id, str) and _ROW_ID.fullmatch(row_id) for row_id in ids):
        wrong = "a row without an _id"
    elif len(set(ids)) < len(ids):
        wrong = "a row twice in one page"
    elif len(rows) > most:
        wrong = f"{len(rows):,} rows where {most:,} were asked"
    else:
        return
    msg = (
        f"table {table!r}: the server gave {wrong}. Nothing of this reading is kept; tell the server's keeper"
    )
    raise BadResponse(msg)


def named(name: str) -> str:
    """Return a name as SQL has it.

    Raises:
        BadResponse: for a name with a backtick, which no SeaTable name has.
    """
    if "`" in name:
        msg = f"the name {name!r} holds a backtick, which SeaTable does not allow"
        raise BadResponse(msg)
    return f"`{name}`"
