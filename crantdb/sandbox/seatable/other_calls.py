"""The endpoints of SQL, the change logs and the server's own snapshots."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from crantdb.sandbox.seatable.answers import answer
from crantdb.sandbox.seatable.row_edits import raw_cells
from crantdb.sandbox.seatable.spoil import spoiled
from crantdb.sandbox.seatable.sql.run import Asked, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crantdb.sandbox.exchange import Response
    from crantdb.sandbox.seatable.cells import Json
    from crantdb.sandbox.seatable.state import Call

_OPERATIONS_PAGE = 25
_SNAPSHOT_EVERY_S = 600
_ROW_OPERATIONS = frozenset({"insert_row", "modify_row", "delete_row"})
_TRUE = (True, "True", "true", 1, "1")


def sql(call: Call) -> Response:
    """Answer ``POST /sql``."""
    given = call.body()
    clamp = call.fault("clamp")
    asked = Asked(
        str(given.get("sql") or ""),
        () if call.legacy else tuple(given.get("parameters") or ()),
        convert=given.get("convert_keys") in _TRUE and not call.legacy,
        can_write=call.grant.permission == "rw",
        only_normal=given.get("server_only") in _TRUE,
        legacy=call.legacy,
        clamp=clamp.size if clamp else None,
    )
    found = run(call.base, call.options, asked)
    if found["results"] is not None:
        found["results"] = spoiled(call, found["results"])
    return answer(found, rows=len(found["results"] or ()))


def operations(call: Call) -> Response:
    """Answer ``GET /operations/``: the log, newest first, 25 a page."""
    return answer({"operations": _page(call, call.base.operations, _OPERATIONS_PAGE)})


def archive_operations(call: Call) -> Response:
    """Answer ``GET /db-operations/``: the log of archived rows."""
    return answer({"operations": _page(call, call.base.archive_log, _OPERATIONS_PAGE)})


def activities(call: Call) -> Response:
    """Answer ``GET /activities/?row_id=``: what was done to a row, newest first."""
    row_id = call.request.query("row_id")
    names = {column.key: column.name for table in call.base.tables for column in table.columns}
    mine = [
        _activity(entry, operation, names)
        for entry in call.base.operations
        if (operation := json.loads(entry["operation"])).get("row_id") == row_id
        and operation["op_type"] in _ROW_OPERATIONS
    ]
    found = _page(call, mine, int(call.request.query("per_page", "25")))
    return answer({"activities": found, "total_count": len(mine)})


def snapshot(call: Call) -> Response:
    """Answer ``POST /snapshot/``: needs a change since the last one, and ten minutes."""
    call.need_write()
    base, now = call.base, call.state.clock.unix()
    last = base.snapshots[-1] if base.snapshots else None
    if last and (now - last["ctime"] < _SNAPSHOT_EVERY_S or last["version"] == base.version):
        return answer({"status": "time_is_short"})
    made = {"commit_id": base.rng.randbytes(20).hex(), "ctime": int(now), "version": base.version}
    base.snapshots.append(made)
    return answer({"status": "created", "snapshot": {name: made[name] for name in ("commit_id", "ctime")}})


def add_archived(call: Call) -> Response:
    """Answer ``POST /add-archived-rows/``: rows straight into the archive; the version stays."""
    call.need_write()
    given = call.body()
    table = call.table_of(given)
    for values in given.get("rows") or ():
        row = call.base.new_row(call.base.stamp(), call.author) | raw_cells(table, values)
        table.put(row)
        table.archived[row["_id"]] = table.rows.pop(row["_id"])
        call.base.record_archived({"op_type": "insert_row", "table_id": table.id, "row_id": row["_id"]})
    return answer({"inserted_row_count": len(given.get("rows") or ()), "success": True})


def _page(call: Call, entries: Sequence[dict[str, Json]], size: int) -> list[dict[str, Json]]:
    """Return a page of a log, newest first."""
    start = (max(int(call.request.query("page", "1")), 1) - 1) * size
    return list(reversed(entries))[start : start + size]


def _activity(entry: dict[str, Json], operation: dict[str, Json], names: dict[str, str]) -> dict[str, Json]:
    """Return an operation on a row as an activity."""
    new = operation.get("updated") or operation.get("row_data") or {}
    old = operation.get("old_row") or operation.get("deleted_row") or {}
    cells = [
        {"column_key": key, "column_name": names[key], "value": new.get(key), "old_value": old.get(key)}
        for key in {**old, **new}
        if key in names
    ]
    kept = {name: entry[name] for name in ("id", "op_time", "author", "app")}
    return kept | {"op_type": operation["op_type"], "row_id": operation["row_id"], "row_data": cells}
