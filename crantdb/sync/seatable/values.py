"""Cells of two reads: are they the same, and how a person reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crantdb.sources.seatable.catalogue import SELECTS
from crantdb.sources.seatable.literals import Literal, canonical, load
from crantdb.sources.seatable.moments import stamp_ms, without_zone
from crantdb.sources.seatable.rowtext import volatile_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crantdb.sources.seatable.catalogue import ColumnInfo, TableInfo

SAID_OF_EVERY_CHANGE = frozenset({"_id", "_mtime", "_last_modifier", "_ctime", "_creator"})
"""Cells that a change brings with it, or that never change: no changes of their own."""

_MOMENTS = frozenset({"date", "formula", "link", "link-formula"})


def silent_keys(table: TableInfo) -> frozenset[str]:
    """Return the keys whose cells are not compared: who and when, buttons, and formulas that change by themselves."""
    system = {column.key for column in table.columns if column.type in {"mtime", "last-modifier", "button"}}
    return SAID_OF_EVERY_CHANGE | system | volatile_keys(table)


def cells_of(row_json: str) -> dict[str, Any]:
    """Return a row's cells by column key, numbers as literals."""
    cells: dict[str, Any] = load(row_json.encode("utf-8", "surrogatepass"))
    return cells


def comparable(value: Any, column: ColumnInfo | None) -> Any:  # noqa: ANN401 - a cell is any JSON
    """Return a cell as it is compared: empty is empty however the server says it, moments without its zone."""
    if value is None or value in ("", []):
        return None
    if column is not None and column.type in _MOMENTS:
        return without_zone(value)
    if type(value) is Literal:
        return float(value)
    return value


def shown(value: Any, column: ColumnInfo | None) -> str | None:  # noqa: ANN401 - a cell is any JSON
    """Return a cell as a person reads it: text as it is, options by name, all else as JSON; None when empty."""
    if value is None or value in ("", []):
        return None
    if column is not None and column.type in SELECTS:
        value = _named(value, {option.id: option.name for option in column.options})
    if column is not None and column.type in _MOMENTS:
        value = without_zone(value)
    if type(value) is str:
        return value
    return canonical(value)


def _named(value: Any, names: Mapping[str, str]) -> Any:  # noqa: ANN401 - a cell is any JSON
    """Return option ids as names; an id of no option stays."""
    if type(value) is list:
        return [names.get(item, item) if type(item) is str else item for item in value]
    return names.get(value, value) if type(value) is str else value


def moment_of(cells: Mapping[str, Any]) -> int | None:
    """Return when a row was last changed, milliseconds since 1970 UTC; None when the row does not say."""
    try:
        return stamp_ms(cells.get("_mtime"))
    except ValueError:
        return None
