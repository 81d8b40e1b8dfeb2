"""Changes of rows, as people at the web page and scripts make them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from crantdb.sandbox.seatable.answers import Refused
from crantdb.sandbox.seatable.base import ANNOTATOR
from crantdb.sandbox.seatable.cells import COMPUTED, SYSTEM, Json, Row, encode
from crantdb.sandbox.seatable.clock import stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from crantdb.sandbox.seatable.base import Base
    from crantdb.sandbox.seatable.model import Table

Ids = Literal["random", "low", "high"]
_LEADS = {"random": "", "low": "-", "high": "zzzz"}  # below and above every id made at random
_TEXTS = frozenset({"text", "long-text", "url", "email"})


def insert_rows(
    base: Base,
    table: str,
    rows: int | Iterable[Mapping[str, Json]],
    *,
    ids: Ids = "random",
    author: str = ANNOTATOR,
) -> list[str]:
    """Append rows, all or none; one operation each.

    Args:
        base: the base.
        table: the table's name.
        rows: values by column name, or a number of empty rows.
        ids: whether the new ids sort anywhere, before all that are there, or behind them.
        author: who does it.

    Returns:
        The ids of the new rows.

    Raises:
        Refused: a column that does not exist, or a text in a number column.
    """
    given = [{}] * rows if isinstance(rows, int) else list(rows)
    with base.lock:
        into = base.table(table)
        cells = [raw_cells(into, values) for values in given]
        wanted = [str(values.get("_id") or base.new_row_id(_LEADS[ids])) for values in given]
        for row_id, some in zip(wanted, cells, strict=True):
            _insert(base, into, row_id, some, author=author)
        return wanted


def append_socket_row(base: Base, table: str, values: Mapping[str, Json]) -> str:
    """Append a row as a websocket client can: without times and without a creator; return its id."""
    with base.lock:
        into = base.table(table)
        row_id = base.new_row_id()
        _insert(base, into, row_id, raw_cells(into, values), author=ANNOTATOR)
        into.rows[row_id].update(dict.fromkeys(("_ctime", "_mtime", "_creator", "_last_modifier")))
        return row_id


def update_row(
    base: Base, table: str, row_id: str, values: Mapping[str, Json], *, author: str = ANNOTATOR
) -> None:
    """Change cells of a row; null clears a cell.

    Raises:
        Refused: there is no such row or column.
    """
    with base.lock:
        into = base.table(table)
        row = into.row(row_id)
        if row is None:
            msg = "row _id not exits"
            raise Refused(msg, 404)
        changed = raw_cells(into, values)
        before = {key: row.get(key) for key in changed}
        texts = {column.key for column in into.columns if column.type in _TEXTS}
        for key, raw in changed.items():
            row[key] = base.cleared_text if raw in (None, "") and key in texts else raw
        row["_mtime"], row["_last_modifier"] = stamp(base.clock.now()), author
        operation = {
            "op_type": "modify_row",
            "table_id": into.id,
            "row_id": row_id,
            "updated": changed,
            "old_row": before,
        }
        _record(base, into, row_id, operation, author=author)


def delete_rows(base: Base, table: str, row_ids: Sequence[str], *, author: str = ANNOTATOR) -> int:
    """Delete rows; return how many there were."""
    with base.lock:
        into = base.table(table)
        there = [row_id for row_id in row_ids if into.row(row_id) is not None]
        for row_id in there:
            is_normal = row_id in into.rows
            gone = into.drop(row_id)
            for link in base.links.values():
                link.forget(row_id)
            operation = {"op_type": "delete_row", "table_id": into.id, "row_id": row_id, "deleted_row": gone}
            (base.record if is_normal else base.record_archived)(operation, author)
        return len(there)


def archive_rows(base: Base, table: str, row_ids: Sequence[str]) -> None:
    """Move rows to the archive (big data); their cells and times stay, the version moves once."""
    with base.lock:
        into = base.table(table)
        for row_id in row_ids:
            into.archived[row_id] = into.rows.pop(row_id)
        base.record({"op_type": "archive_rows", "table_id": into.id, "row_ids": list(row_ids)})


def raw_cells(table: Table, values: Mapping[str, Json]) -> Row:
    """Return written values as raw cells by key; columns that nobody writes are left out.

    Raises:
        Refused: a column that does not exist, or a text in a number column.
    """
    columns = {name: table.column(name) for name in values if name not in SYSTEM}
    return {
        column.key: encode(column, values[name])
        for name, column in columns.items()
        if column.type not in COMPUTED
    }


def _insert(base: Base, table: Table, row_id: str, cells: Row, *, author: str) -> None:
    """Append one row of raw cells."""
    filled = {key: raw for key, raw in cells.items() if raw is not None}
    table.put(base.new_row(base.stamp(), author) | filled | {"_id": row_id})
    operation = {"op_type": "insert_row", "table_id": table.id, "row_id": row_id, "row_data": filled}
    base.record(operation, author)


def _record(base: Base, table: Table, row_id: str, operation: Mapping[str, Json], *, author: str) -> None:
    """Log an operation on a row, archived or not."""
    (base.record if row_id in table.rows else base.record_archived)(operation, author)
