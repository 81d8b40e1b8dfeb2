"""Changes of links, columns, options and tables. None of them touches the times of a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crantdb.sandbox.seatable.cells import Json, encode
from crantdb.sandbox.seatable.model import Column, LinkMap, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from crantdb.sandbox.seatable.base import Base
    from crantdb.sandbox.seatable.cells import Row


def add_link_column(base: Base, table: str, name: str, other: str, *, other_name: str) -> str:
    """Link two tables by a column in each; return the link's id.

    Args:
        base: the base.
        table: the first table.
        name: its new column.
        other: the second table.
        other_name: that one's new column.
    """
    with base.lock:
        first, second = base.table(table), base.table(other)
        link = LinkMap(base.new_key(base.links), first.id, second.id)
        base.links[link.id] = link
        _link_column(base, first, name, far=second, link=link)
        _link_column(base, second, other_name, far=first, link=link)
        return link.id


def set_links(base: Base, table: str, column: str, links: Mapping[str, Iterable[str]]) -> None:
    """Replace the linked rows of rows, in their order; one operation a row, no row's time is touched."""
    with base.lock:
        near = base.table(table)
        link = base.links[str((near.column(column).data or {})["link_id"])]
        for row_id, others in links.items():
            wanted = list(others)
            link.set(near.id, row_id, wanted)
            base.record(
                {
                    "op_type": "update_links",
                    "link_id": link.id,
                    "table_id": near.id,
                    "other_rows_ids_map": {row_id: wanted},
                }
            )


def add_column(base: Base, table: str, column: Column) -> Column:
    """Add a column at the end and return it, its key made when it has none."""
    with base.lock:
        into = base.table(table)
        column.key = column.key or base.new_key(known.key for known in into.columns)
        into.columns.append(column)
        base.record({"op_type": "insert_column", "table_id": into.id, "column_data": column.info()})
        return column


def rename_column(base: Base, table: str, column: str, name: str) -> None:
    """Give a column another name; its key stays."""
    with base.lock:
        found = base.table(table).column(column)
        found.name = name
        base.record({"op_type": "rename_column", "column_key": found.key, "new_column_name": name})


def modify_column_type(base: Base, table: str, column: str, type: str) -> None:  # noqa: A002 (SeaTable's own word)
    """Change a column's type under its key; cells that cannot be the new type become empty."""
    with base.lock:
        into = base.table(table)
        found = into.column(column)
        shown = {row["_id"]: _shown(found, row.get(found.key)) for row in into.everything()}
        found.type, found.data = type, None
        for row in into.everything():
            row[found.key] = _retyped(found, shown[row["_id"]])
        base.record({"op_type": "modify_column_type", "column_key": found.key, "new_column_type": type})


def delete_column(base: Base, table: str, column: str) -> None:
    """Take a column away; raw rows keep its cells, as SeaTable's do."""
    with base.lock:
        into = base.table(table)
        found = into.column(column)
        into.columns.remove(found)
        base.record({"op_type": "delete_column", "table_id": into.id, "column_key": found.key})


def rename_option(base: Base, table: str, column: str, option: str, *, name: str) -> None:
    """Give an option another name; its id stays, and no cell changes."""
    with base.lock:
        found = base.table(table).column(column)
        options = [o | {"name": name} if o["name"] == option else o for o in found.known_options()]
        found.data = {**(found.data or {}), "options": options}
        base.record({"op_type": "modify_column_options", "column_key": found.key, "options": options})


def delete_option(base: Base, table: str, column: str, option: str, *, orphans: bool = True) -> None:
    """Take an option away; the cells that had it keep its id (`orphans`) or lose it."""
    with base.lock:
        into = base.table(table)
        found = into.column(column)
        gone = found.option_id(option)
        options = [o for o in found.known_options() if o["id"] != gone]
        found.data = {**(found.data or {}), "options": options}
        for row in () if orphans else into.everything():
            cell = row.get(found.key)
            row[found.key] = [o for o in cell if o != gone] if isinstance(cell, list) else _unless(cell, gone)
        base.record({"op_type": "modify_column_options", "column_key": found.key, "options": options})


def recompute_formula(
    base: Base, table: str, column: str, compute: Callable[[Row], Json] | Mapping[str, Json]
) -> None:
    """Give a formula column other values; no row's time is touched.

    Args:
        base: the base.
        table: the table's name.
        column: the column's name.
        compute: the value from a row's raw cells by key, or values by row id.
    """
    with base.lock:
        into = base.table(table)
        found = into.column(column)
        if callable(compute):
            found.compute = compute
        else:
            for row_id, value in compute.items():
                into.rows[row_id][found.key] = value
        base.record({"op_type": "update_column_data", "table_id": into.id, "column_key": found.key})


def add_table(base: Base, table: Table) -> None:
    """Add a table with the rows it was given."""
    with base.lock:
        base.adopt(table)
        base.record({"op_type": "insert_table", "table_data": table.info()})


def rename_table(base: Base, table: str, name: str) -> None:
    """Give a table another name."""
    with base.lock:
        found = base.table(table)
        found.name = name
        base.record({"op_type": "rename_table", "table_id": found.id, "table_name": name})


def drop_table(base: Base, table: str) -> None:
    """Take a table away."""
    with base.lock:
        found = base.table(table)
        base.tables.remove(found)
        base.record({"op_type": "delete_table", "table_id": found.id})


def _link_column(base: Base, table: Table, name: str, *, far: Table, link: LinkMap) -> None:
    """Add one side's column of a link."""
    shown = far.columns[0]
    data = {
        "link_id": link.id,
        "table_id": link.table1_id,
        "other_table_id": link.table2_id,
        "display_column_key": shown.key,
        "is_multiple": True,
        "array_type": shown.type,
        "array_data": shown.data,
        "result_type": "array",
    }
    add_column(base, table.name, Column(name, "link", data))


def _shown(column: Column, cell: Json) -> Json:
    """Return a cell as text or list of texts, for another type to read."""
    names = column.option_names()
    if isinstance(cell, list):
        return [names.get(str(part), part) for part in cell]
    if isinstance(cell, dict):
        return cell.get("text")
    return names.get(str(cell), cell)


def _retyped(column: Column, shown: Json) -> Json:
    """Return a cell of another type, or None when it cannot be one."""
    if shown is None or shown == "":
        return None
    if column.type == "text":
        return ", ".join(map(str, shown)) if isinstance(shown, list) else _plain(shown)
    if column.type == "number":
        try:
            return float(shown)
        except (TypeError, ValueError):
            return None
    return encode(column, shown)


def _plain(shown: Json) -> str:
    """Return a cell as text, an integral number without its point."""
    return str(int(shown)) if isinstance(shown, float) and shown.is_integer() else str(shown)


def _unless(cell: Json, gone: str) -> Json:
    """Return a cell unless it is the option that is gone."""
    return None if cell == gone else cell
