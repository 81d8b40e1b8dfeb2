"""What differs between two snapshots in the mirrored SeaTable tables: row by row, cell by cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crantdb.errors import NoSuchTable
from crantdb.sync.seatable.before import columns_before, rows_of
from crantdb.sync.seatable.changes import Between, Columns, changes_between
from crantdb.sync.seatable.values import SAID_OF_EVERY_CHANGE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import pyarrow as pa

    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import Snapshot, TableState

_SILENT_TYPES = frozenset({"mtime", "last-modifier", "button"})


def differences(
    warehouse: Warehouse, one: Snapshot, other: Snapshot, tables: Collection[str] = ()
) -> Iterator[pa.Table]:
    """Yield what changed from one snapshot to another, as rows of `annotation_changes`.

    Args:
        warehouse: where.
        one: the snapshot to compare.
        other: the one to compare it with, as a rule a later one.
        tables: names of SeaTable tables; all when empty.

    Raises:
        NoSuchTable: when a table is named that neither has.
    """
    before, now = _mirrored(one), _mirrored(other)
    known = {table.name for table in (*before.values(), *now.values())}
    for name in tables:
        if name not in known:
            there = ", ".join(sorted(known)) or "none"
            msg = f"snapshots {one.number} and {other.number} have no SeaTable table {name!r}; they have {there}"
            raise NoSuchTable(msg)
    for key in sorted(before.keys() | now.keys()):
        was, is_now = before.get(key), now.get(key)
        state = is_now or was
        if state is not None and (not tables or state.name in tables):
            yield from _of_table(warehouse, was, is_now)


def _mirrored(snapshot: Snapshot) -> dict[tuple[str, str], TableState]:
    """Return the mirrored SeaTable tables of a snapshot, by the base's and their own identity."""
    own = (table for table in snapshot.shared.values() if table.schema == "seatable" and table.base)
    return {(str(table.source["base_uuid"]), str(table.source["table_id"])): table for table in own}


def _of_table(warehouse: Warehouse, was: TableState | None, now: TableState | None) -> Iterator[pa.Table]:
    """Yield what changed in a table; nothing when both snapshots list the same files."""
    state = now or was
    if state is None or (was is not None and now is not None and was.files == now.files):
        return
    columns = Columns(
        {} if was is None else columns_before(was), {} if now is None else columns_before(now), _silent(state)
    )
    between = Between(
        base=str(state.base),
        table_id=str(state.source["table_id"]),
        table_name=state.name,
        seen_before=state.fetched_at if was is None else was.fetched_at,
        seen_at=state.fetched_at,
    )
    before, after = (() if table is None else rows_of(warehouse, table) for table in (was, now))
    yield from changes_between(before, after, between, columns)


def _silent(state: TableState) -> frozenset[str]:
    """Return the keys whose cells are not compared: who and when, buttons, formulas that change by themselves."""
    volatile = set(state.source.get("volatile", ()))
    found = columns_before(state).values()
    silent = (column.key for column in found if column.type in _SILENT_TYPES or column.name in volatile)
    return SAID_OF_EVERY_CHANGE | frozenset(silent)
