"""What a reading of a base hands over: its consistency, and per table Arrow pieces in `_id` order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from crantdb.sources.seatable.catalogue import BaseInfo, TableInfo
    from crantdb.sources.seatable.findings import Finding

LINKS_SCHEMA = pa.schema(
    [
        pa.field("link_id", pa.string()),
        pa.field("table_id", pa.string(), nullable=False),
        pa.field("column_key", pa.string(), nullable=False),
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("other_table_id", pa.string()),
        pa.field("other_row_id", pa.string(), nullable=False),
        pa.field("ord", pa.int32(), nullable=False),
        pa.field("display_value_json", pa.string()),
    ]
)
"""One row a linked record, in `row_id`, column, `ord` order; both directions when both tables have the column."""


class Rows(Protocol):
    """The final rows of one table."""

    def pieces(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows in `_id` order (bytewise); may be called again."""

    def links(self) -> Iterator[pa.RecordBatch]:
        """Yield the edges of all link columns (`LINKS_SCHEMA`); may be called again."""


@dataclass(frozen=True, slots=True)
class TableRead:
    """One table, read whole.

    Attributes:
        info: the table as its columns were when the reading ended.
        schema: the physical columns; field metadata `seatable.key`, `seatable.type`, `seatable.data`,
            `seatable.lossy_int` ("true" where numbers beyond 2^53 were met), `seatable.volatile`.
        rows: how many rows there are.
        counted: what `COUNT(*)` said last.
        archived: how many of the rows are archived ones.
        content_hash: SHA-256 over columns and rows in `_id` order, without volatile columns; the same
            whatever page size, order of keys, retries or time zone of the server.
        volatile: names of the columns that change by themselves (`now()`, `today()`): not in the hash.
        findings: what was noticed about cells.
        source: gives the rows.
    """

    info: TableInfo
    schema: pa.Schema
    rows: int
    counted: int
    archived: int
    content_hash: str
    volatile: tuple[str, ...]
    findings: tuple[Finding, ...]
    source: Rows = field(repr=False)

    def pieces(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows in `_id` order, in pieces of at most some ten thousand rows, all of `schema`."""
        return self.source.pieces()

    def links(self) -> Iterator[pa.RecordBatch]:
        """Yield the edges of all link columns (`LINKS_SCHEMA`)."""
        return self.source.links()

    @property
    def has_links(self) -> bool:
        """Tell whether the table has link columns."""
        return any(column.type == "link" for column in self.info.columns)


@dataclass(frozen=True, slots=True)
class Consistency:
    """What the rows of all tables have in common.

    Attributes:
        atomic: whether the base's version did not move between the first and the last reading that
            determine the result: every table shows the last of `versions`.
        versions: every version met, in order.
        started: when the reading began, UTC.
        ended: when it ended, UTC.
        archived: rows that are archived: the version does not cover them.
    """

    atomic: bool
    versions: tuple[int | None, ...]
    started: datetime
    ended: datetime
    archived: int = 0

    def __str__(self) -> str:
        if self.atomic:
            text = f"atomic({self.versions[-1]})"
        else:
            span = f"[{self.started:%Y-%m-%dT%H:%M:%SZ}, {self.ended:%Y-%m-%dT%H:%M:%SZ}]"
            text = f"window {span}, {self.versions[0]}..{self.versions[-1]}"
        covered = f"; the version does not cover the {self.archived:,} archived rows" if self.archived else ""
        return text + covered


@dataclass(frozen=True, slots=True)
class BaseRead:
    """A base, or some tables of it, read whole.

    Attributes:
        info: the base as it was when the reading ended; `info.version` is the version to compare next time.
        tables: by table id, in the base's order.
        consistency: atomic at a version, or a window of time; `str()` of it goes into the manifest.
        requests: gateway requests made for it (retries too); they count for the team's month.
        seconds: how long it took.
        bytes: of bodies received.
    """

    info: BaseInfo
    tables: dict[str, TableRead]
    consistency: Consistency
    requests: int
    seconds: float
    bytes: int


@dataclass(frozen=True, slots=True)
class PageNews:
    """A step of a reading, for a progress bar.

    Attributes:
        table: the table's name.
        doing: "rows", "links", "sweep" or "changed rows".
        rows: rows had so far of what is being done.
        expected: rows there are in all, as counted.
        requests: gateway requests so far.
    """

    table: str
    doing: str
    rows: int
    expected: int
    requests: int
