"""The endpoints of rows and links."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crantdb.sandbox.seatable.answers import Refused, answer
from crantdb.sandbox.seatable.render import Renderer
from crantdb.sandbox.seatable.row_edits import delete_rows, insert_rows, update_row
from crantdb.sandbox.seatable.schema_edits import set_links
from crantdb.sandbox.seatable.spoil import spoiled

if TYPE_CHECKING:
    from collections.abc import Callable

    from crantdb.sandbox.exchange import Response
    from crantdb.sandbox.seatable.cells import Json, Row
    from crantdb.sandbox.seatable.model import Column, Table, View
    from crantdb.sandbox.seatable.state import Call


def list_rows(call: Call) -> Response:
    """Answer ``GET /rows/``: the rows of a table or view in their order, never more than the server's maximum."""
    table = _queried_table(call)
    view = next((view for view in table.views if view.name == call.request.query("view_name")), None)
    rows = table.everything() if view is None else _shown(table, view)
    start = int(call.request.query("start", "0"))
    most = call.options.list_rows_max
    limit = min(int(call.request.query("limit") or most), most)
    picked = rows[start : start + limit]
    hidden = set(view.hidden) if view else set()
    columns = [column for column in table.columns if column.name not in hidden]
    out = spoiled(call, _renderer(call, table).rows(picked, columns))
    return answer({"rows": out}, rows=len(out))


def get_row(call: Call, row_id: str) -> Response:
    """Answer ``GET /rows/{id}/``."""
    table = _queried_table(call)
    row = table.row(row_id)
    if row is None:
        msg = "row _id not exits"
        raise Refused(msg, 404)
    return answer(_renderer(call, table).rows([row], table.columns)[0], rows=1)


def append(call: Call) -> Response:
    """Answer ``POST /rows/``; the first row comes back by column keys, whatever was asked."""
    call.need_write()
    given = call.body()
    rows = list(given.get("rows") or ())
    _check_size(len(rows), call.options.append_max)
    table = call.table_of(given)
    ids = insert_rows(call.base, table.name, rows, author=call.author)
    first = Renderer(call.base, table, call.options, convert=False).rows(
        [row for row_id in ids[:1] if (row := table.row(row_id))], table.columns
    )
    found = {
        "inserted_row_count": len(ids),
        "row_ids": [{"_id": row_id} for row_id in ids],
        "first_row": first[0] if first else None,
    }
    return answer(found)


def update(call: Call) -> Response:
    """Answer ``PUT /rows/``."""
    call.need_write()
    given = call.body()
    updates = list(given.get("updates") or ())
    _check_size(len(updates), call.options.update_max)
    table = call.table_of(given)
    for one in updates:
        update_row(call.base, table.name, str(one["row_id"]), one["row"], author=call.author)
    return answer({"success": True})


def delete(call: Call) -> Response:
    """Answer ``DELETE /rows/``."""
    call.need_write()
    given = call.body()
    ids = [str(row_id) for row_id in given.get("row_ids") or ()]
    _check_size(len(ids), call.options.delete_max)
    deleted = delete_rows(call.base, call.table_of(given).name, ids, author=call.author)
    return answer({"success": True, "deleted_rows": deleted})


def query_links(call: Call) -> Response:
    """Answer ``POST /query-links/``: a page of the records that rows are linked to."""
    given = call.body()
    table = call.base.table("", str(given.get("table_id") or ""))
    key = str(given.get("link_column_key") or "")
    column = next((c for c in table.columns if c.key == key and c.type == "link"), None)
    if column is None:
        msg = f"link_column_key invalid: {key}" if key else "link_column_key invalid: it is missing"
        raise Refused(msg)
    renderer = Renderer(call.base, table, call.options)
    return answer({str(row["row_id"]): _page(call, renderer, column, row) for row in given.get("rows") or ()})


def add_links(call: Call) -> Response:
    """Answer ``POST /links/``."""
    return _change_links(call, lambda have, given: [*have, *(o for o in given if o not in have)])


def replace_links(call: Call) -> Response:
    """Answer ``PUT /links/``."""
    return _change_links(call, lambda _, given: given)


def remove_links(call: Call) -> Response:
    """Answer ``DELETE /links/``."""
    return _change_links(call, lambda have, given: [other for other in have if other not in given])


def _page(call: Call, renderer: Renderer, column: Column, wanted: dict[str, Json]) -> list[dict[str, Json]]:
    """Return the records of one row that query-links asks for."""
    start = int(wanted.get("offset") or 0)
    limit = min(int(wanted.get("limit") or call.options.query_links_default), call.options.query_links_max)
    return renderer.linked(column, str(wanted["row_id"]))[start : start + limit]


def _change_links(call: Call, changed: Callable[[list[str], list[str]], list[str]]) -> Response:
    """Change the links of rows and answer."""
    call.need_write()
    given = call.body()
    table = call.table_of(given)
    link_id = str(given.get("link_id"))
    column = next((c for c in table.columns if (c.data or {}).get("link_id") == link_id), None)
    if column is None:
        msg = f"link {link_id} not found"
        raise Refused(msg, 404)
    have = call.base.links[link_id].of(table.id)
    wanted = {
        row_id: changed(list(have.get(row_id, ())), list(others))
        for row_id, others in (given.get("other_rows_ids_map") or {}).items()
    }
    set_links(call.base, table.name, column.name, wanted)
    return answer({"success": True})


def _queried_table(call: Call) -> Table:
    """Return the table that a query string names; ``table_id`` wins where it exists."""
    return call.base.table(call.request.query("table_name"), call.request.query("table_id"))


def _renderer(call: Call, table: Table) -> Renderer:
    """Return what renders the rows of an answer."""
    convert = call.legacy or call.request.flag("convert_keys")
    return Renderer(call.base, table, call.options, convert, call.legacy)


def _shown(table: Table, view: View) -> list[Row]:
    """Return a view's rows in its order; archived rows are in no view."""
    rows = [row for row in table.rows.values() if view.keep is None or view.keep(row)]
    return rows if view.sort_key is None else sorted(rows, key=view.sort_key)


def _check_size(count: int, most: int) -> None:
    """Raise when a call brings more rows than it may."""
    if count > most:
        msg = f"rows should be at most {most}"
        raise Refused(msg)
