"""The SeaTable's rows with typed columns: the first step of annotations at as_of."""

from __future__ import annotations

import difflib
from types import MappingProxyType
from typing import TYPE_CHECKING

from crantdb.errors import ConfigError
from crantdb.sync.annotation_columns import is_damaged, typed_columns, unread
from crantdb.sync.making import declare
from crantdb.sync.roots import ANNOTATION
from crantdb.warehouse.relations import ident

if TYPE_CHECKING:
    from crantdb.sync.annotation_columns import Mapped
    from crantdb.sync.coming import Opened, Readable

_LEAST_IDS = MappingProxyType({"root_id": 2, "supervoxel_id": 2, "nucleus_id": 1})


def annotation_table(there: Opened, name: str, *, is_said: bool) -> tuple[Readable | None, list[str]]:
    """Return the mirrored SeaTable table that annotates neurons, and what the user should know of it.

    Args:
        there: the coming snapshot's tables.
        name: what it is called.
        is_said: whether crantdb.toml names it, so that it must be there.

    Raises:
        ConfigError: when it must be there and is not, or two bases have a table of that name.
    """
    mirrored = [
        table for table in there.tables if table.schema == "seatable" and table.name not in _CATALOGUE
    ]
    found = [table for table in mirrored if table.name == name]
    if len(found) > 1:
        msg = (
            f"{len(found)} bases have a table {name}, and annotations are one table's: name in crantdb.toml the bases "
            f"and tables to mirror ([seatable] bases, tables)"
        )
        raise ConfigError(msg)
    if found or not mirrored:
        return (found[0] if found else None), []
    names = sorted({table.name for table in mirrored})
    if is_said:
        near = difflib.get_close_matches(name, names, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names)}"
        msg = f"crantdb.toml: annotations.table is {name!r}, a table that is not mirrored ({hint})"
        raise ConfigError(msg)
    note = (
        f"note: no annotations: none of the mirrored tables ({', '.join(names)}) is called {name}. Which of them annotates "
        f"neurons, say in crantdb.toml: [annotations] table = …"
    )
    return None, [note]


_CATALOGUE = frozenset({"st_tables", "st_columns", "st_options", "st_users", "st_links"})


def read_typed(there: Opened, table: Readable | None, mapped: Mapped) -> dict[str, int]:
    """Make `typed`: the SeaTable's rows with typed columns, and whether an id of theirs is damaged.

    Returns:
        How many cells of each column say something that could not be read as what the column holds.

    Raises:
        ConfigError: when crantdb.toml names a column that the table does not have.
    """
    declare(there.con, "annotations")
    declare(there.con, "neurons")
    if table is None:
        return {}
    own = table.columns
    _check_columns(table, mapped)
    damaged = {
        name: "false" if column is None else is_damaged(ident(column), own[column], least=least)
        for name, least in _LEAST_IDS.items()
        for column in [mapped.column(name, own)]
    }
    times = [
        f"{ident(name)}::TIMESTAMP AS {name}" if name in own else f"NULL::TIMESTAMP AS {name}"
        for name in ("_ctime", "_mtime")
    ]
    selected = ", ".join(["_id", *typed_columns(mapped, own), *times])
    there.con.execute(
        f"CREATE TABLE main.typed AS SELECT {selected}, {damaged['root_id']} AS root_is_damaged, "
        f"{damaged['supervoxel_id']} OR {damaged['nucleus_id']} AS other_is_damaged FROM {table.relation}"
    )
    # What is damaged is no id, though the digits of '1' are.
    there.con.execute("UPDATE main.typed SET root_id_typed = NULL WHERE root_is_damaged")
    there.con.execute(
        f"INSERT INTO main.carried SELECT DISTINCT supervoxel_id, {ANNOTATION} FROM main.typed WHERE supervoxel_id > 1"
    )
    return _unread(there, table, mapped)


def _check_columns(table: Readable, mapped: Mapped) -> None:
    """Refuse a mapping to a column that the table does not have: all of it would be NULL.

    Raises:
        ConfigError: naming the columns that are near.
    """
    for name, column in mapped.columns.items():
        if column not in table.columns:
            near = difflib.get_close_matches(column, table.columns, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(table.columns)}"
            msg = f"crantdb.toml: annotations.columns.{name} is {column!r}, a column that {table.name} does not have ({hint})"
            raise ConfigError(msg)


def _unread(there: Opened, table: Readable, mapped: Mapped) -> dict[str, int]:
    """Count the cells of each column that could not be read."""
    conditions = unread(mapped, table.columns)
    if not conditions:
        return {}
    counts = ", ".join(f"count(*) FILTER (WHERE {condition})" for condition in conditions.values())
    [counted] = there.rows(f"SELECT {counts} FROM {table.relation}")
    return {f"{name} cannot be read": int(count) for name, count in zip(conditions, counted, strict=True)}
