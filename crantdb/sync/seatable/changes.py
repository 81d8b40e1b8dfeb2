"""What changed between two reads of a table: two streams of rows in `_id` order, merged; memory stays bounded."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from crantdb.sync.seatable.values import cells_of, comparable, moment_of, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from crantdb.sources.seatable.catalogue import ColumnInfo

ADDED, REMOVED, CHANGED = "row added", "row removed", "cell changed"

_STAMP = pa.timestamp("us")
CHANGES = pa.schema(
    [
        pa.field("base", pa.string(), nullable=False),
        pa.field("table_id", pa.string()),
        pa.field("table_name", pa.string(), nullable=False),
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("change", pa.string(), nullable=False),
        pa.field("column_key", pa.string()),
        pa.field("column_name", pa.string()),
        pa.field("from_value", pa.string()),
        pa.field("to_value", pa.string()),
        pa.field("modified_by", pa.string()),
        pa.field("modified_at", _STAMP),
        pa.field("seen_before", _STAMP, nullable=False),
        pa.field("seen_at", _STAMP, nullable=False),
        pa.field("source", pa.string(), nullable=False),
    ]
)
"""The columns of `annotation_changes`; every moment in UTC."""

BATCH_ROWS = 20_000
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - moments are stored in UTC without saying so


@dataclass(slots=True)
class Between:
    """Between which two reads of which table changes are looked for.

    Attributes:
        base: the base's name.
        table_id: the table's identity, or None.
        table_name: its name now.
        seen_before: the read before, UTC.
        seen_at: the read now, UTC.
        source: ``seatable`` or ``csv``.
        counts: how many changes of each kind were found so far.
    """

    base: str
    table_id: str | None
    table_name: str
    seen_before: datetime
    seen_at: datetime
    source: str = "seatable"
    counts: Counter[str] = field(default_factory=Counter)

    def change(self, row_id: str, kind: str, **said: Any) -> dict[str, Any]:  # noqa: ANN401 - cells
        """Return a row of `annotation_changes`, and count it."""
        self.counts[kind] += 1
        return {
            "base": self.base,
            "table_id": self.table_id,
            "table_name": self.table_name,
            "row_id": row_id,
            "change": kind,
            "seen_before": _naive(self.seen_before),
            "seen_at": _naive(self.seen_at),
            "source": self.source,
        } | said


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table at both reads.

    Attributes:
        before: by key, at the read before.
        now: by key, at the read now.
        silent: keys that are not compared.
    """

    before: Mapping[str, ColumnInfo]
    now: Mapping[str, ColumnInfo]
    silent: AbstractSet[str]


def changes_between(
    before: Iterable[pa.RecordBatch], now: Iterable[pa.RecordBatch], between: Between, columns: Columns
) -> Iterator[pa.Table]:
    """Yield what changed, as rows of `annotation_changes` in `row_id` order.

    Args:
        before: `_id` and `row_json` of the rows of the read before, in `_id` order.
        now: the same of the read now.
        between: which reads; its `counts` are filled on the way.
        columns: the columns at both reads.
    """
    yield from in_batches(
        change
        for row_id, old, new in _paired(_rows(before), _rows(now))
        for change in _of_row(row_id, old, new, between, columns)
    )


def in_batches(changes: Iterable[dict[str, Any]]) -> Iterator[pa.Table]:
    """Yield changes as tables of `CHANGES`, some thousand rows each."""
    waiting: list[dict[str, Any]] = []
    for change in changes:
        waiting.append(change)
        if len(waiting) >= BATCH_ROWS:
            yield pa.Table.from_pylist(waiting, schema=CHANGES)
            waiting = []
    if waiting:
        yield pa.Table.from_pylist(waiting, schema=CHANGES)


def _rows(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[str, str]]:
    """Yield each row's `_id` and raw JSON."""
    for batch in batches:
        yield from zip(batch["_id"].to_pylist(), batch["row_json"].to_pylist(), strict=True)


def _paired(
    before: Iterator[tuple[str, str]], now: Iterator[tuple[str, str]]
) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield each row that is not the same text in both streams: its id, its text before and now."""
    old, new = next(before, None), next(now, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old[0] < new[0]):
            assert old is not None  # noqa: S101 - one of the two is there
            yield old[0], old[1], None
            old = next(before, None)
        elif old is None or new[0] < old[0]:
            yield new[0], None, new[1]
            new = next(now, None)
        else:
            if old[1] != new[1]:
                yield new[0], old[1], new[1]
            old, new = next(before, None), next(now, None)


def _of_row(
    row_id: str, old: str | None, new: str | None, between: Between, columns: Columns
) -> Iterator[dict[str, Any]]:
    """Yield what changed in a row."""
    if old is None or new is None:
        text = new if old is None else old
        said = _said(cells_of(text or "{}"))
        if old is None:
            yield between.change(row_id, ADDED, to_value=new, **said)
        else:
            yield between.change(row_id, REMOVED, from_value=old, **said)
        return
    cells, fresh = cells_of(old), cells_of(new)
    said = _said(fresh)
    for key in sorted((cells.keys() | fresh.keys()) - columns.silent):
        was, now = columns.before.get(key), columns.now.get(key)
        if comparable(cells.get(key), was) == comparable(fresh.get(key), now):
            continue
        texts = shown(cells.get(key), was), shown(fresh.get(key), now)
        if texts[0] == texts[1]:
            continue
        known = now or was
        yield between.change(
            row_id,
            CHANGED,
            column_key=key,
            column_name=known.name if known is not None else key,
            from_value=texts[0],
            to_value=texts[1],
            **said,
        )


def _said(cells: Mapping[str, Any]) -> dict[str, Any]:
    """Return who changed a row last, and when."""
    moment, who = moment_of(cells), cells.get("_last_modifier")
    return {
        "modified_by": who if isinstance(who, str) and who else None,
        "modified_at": None if moment is None else _EPOCH + timedelta(milliseconds=moment),
    }


def _naive(moment: datetime) -> datetime:
    """Return a moment as it is stored: in UTC, without saying so."""
    return moment.astimezone(UTC).replace(tzinfo=None)
