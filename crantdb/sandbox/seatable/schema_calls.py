"""The endpoints of metadata, tables, columns and views."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from crantdb.sandbox.seatable import schema_edits as edits
from crantdb.sandbox.seatable.answers import Refused, answer
from crantdb.sandbox.seatable.model import Column, Table

if TYPE_CHECKING:
    from crantdb.sandbox.exchange import Response
    from crantdb.sandbox.seatable.state import Call


def metadata(call: Call) -> Response:
    """Answer ``GET /metadata/``."""
    before = call.state.served_metadata.get(call.base.uuid)
    if call.fault("stale_metadata") and before is not None:
        return answer({"metadata": before})
    found = copy.deepcopy(call.base.metadata())
    call.state.served_metadata[call.base.uuid] = found
    return answer({"metadata": found})


def columns(call: Call) -> Response:
    """Answer ``GET /columns/``."""
    table = call.base.table(call.request.query("table_name"), call.request.query("table_id"))
    view = next((view for view in table.views if view.name == call.request.query("view_name")), None)
    hidden = set(view.hidden) if view else set()
    return answer({"columns": [c.info() for c in table.columns if c.name not in hidden]})


def insert_column(call: Call) -> Response:
    """Answer ``POST /columns/``."""
    call.need_write()
    given = call.body()
    column = Column(str(given["column_name"]), str(given["column_type"]), given.get("column_data"))
    return answer(edits.add_column(call.base, call.table_of(given).name, column).info())


def change_column(call: Call) -> Response:
    """Answer ``PUT /columns/``: a new name or a new type; what only shows on the screen changes nothing else."""
    call.need_write()
    given = call.body()
    table = call.table_of(given)
    column = table.column(str(given["column"]))
    if given.get("op_type") == "rename_column":
        edits.rename_column(call.base, table.name, column.key, str(given["new_column_name"]))
    elif given.get("op_type") == "modify_column_type":
        edits.modify_column_type(call.base, table.name, column.key, str(given["new_column_type"]))
    else:
        call.base.record({"op_type": given.get("op_type"), "column_key": column.key}, call.author)
    return answer(column.info())


def delete_column(call: Call) -> Response:
    """Answer ``DELETE /columns/``."""
    call.need_write()
    given = call.body()
    edits.delete_column(call.base, call.table_of(given).name, str(given["column"]))
    return answer({"success": True})


def add_options(call: Call) -> Response:
    """Answer ``POST /column-options/``."""
    call.need_write()
    given = call.body()
    column = call.table_of(given).column(str(given["column"]))
    for option in given.get("options") or ():
        column.option_id(str(option["name"]))
    call.base.record({"op_type": "add_column_options", "column_key": column.key}, call.author)
    return answer({"success": True})


def add_table(call: Call) -> Response:
    """Answer ``POST /tables/``: without columns, a table of one text column named Name."""
    call.need_write()
    given = call.body()
    wanted = given.get("columns") or [{"column_name": "Name", "column_type": "text"}]
    made = [Column(str(c["column_name"]), str(c["column_type"]), c.get("column_data")) for c in wanted]
    table = Table(str(given["table_name"]), made)
    edits.add_table(call.base, table)
    return answer(table.info())


def rename_table(call: Call) -> Response:
    """Answer ``PUT /tables/``."""
    call.need_write()
    given = call.body()
    edits.rename_table(call.base, call.table_of(given).name, str(given["new_table_name"]))
    return answer({"success": True})


def drop_table(call: Call) -> Response:
    """Answer ``DELETE /tables/``."""
    call.need_write()
    given = call.body()
    edits.drop_table(call.base, call.table_of(given).name)
    return answer({"success": True})


def views(call: Call) -> Response:
    """Answer ``GET /views/``."""
    table = call.base.table(call.request.query("table_name"), call.request.query("table_id"))
    return answer({"views": [view.info() for view in table.views]})


def view(call: Call, name: str) -> Response:
    """Answer ``GET /views/{name}/``."""
    table = call.base.table(call.request.query("table_name"), call.request.query("table_id"))
    for known in table.views:
        if known.name == name:
            return answer(known.info())
    msg = f"view {name} not found"
    raise Refused(msg, 404)
