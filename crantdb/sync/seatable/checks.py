"""What must not happen between two reads without somebody saying so: rows or tables that vanish."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from crantdb.errors import NotServed, ValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crantdb.config import SeaTableSettings
    from crantdb.sources.seatable.catalogue import BaseInfo, TableInfo
    from crantdb.sources.seatable.result import TableRead
    from crantdb.sync.seatable.before import Before
    from crantdb.warehouse.state import TableState

MOST_LOST = 0.2
"""The share of a table's rows that may vanish between two reads."""


def wanted_tables(
    infos: Mapping[str, BaseInfo], settings: SeaTableSettings, befores: Mapping[str, Before]
) -> dict[str, list[str]]:
    """Return which tables to read of each base, by name: those of crantdb.toml, or all.

    A table that is named but gone, and was mirrored before, is left to `vanished`.

    Raises:
        NotServed: when a table is named that no base has; the message names near ones.
    """
    there = {base: [table.name for table in info.tables] for base, info in infos.items()}
    if settings.tables is None:
        return there
    mirrored = {table.name for before in befores.values() for table in before.tables.values()}
    for name in settings.tables:
        if name not in mirrored and not any(name in names for names in there.values()):
            known = sorted({name for names in there.values() for name in names})
            near = difflib.get_close_matches(name, known, n=3) or known[:8]
            msg = (
                f"no base of [seatable] has a table {name!r}; they have, e.g., {', '.join(near) or 'none'}. "
                f"Mend `tables` in crantdb.toml"
            )
            raise NotServed(msg)
    return {
        base: [table.name for table in info.tables if _is_meant(table, befores.get(base), settings.tables)]
        for base, info in infos.items()
    }


def _is_meant(table: TableInfo, before: Before | None, names: Sequence[str]) -> bool:
    """Tell whether a table is named, by its name now or by the one it had when it was read last."""
    state = None if before is None else before.tables.get(table.id)
    return table.name in names or (state is not None and state.name in names)


def vanished(before: Before, info: BaseInfo, settings: SeaTableSettings, *, accept: bool) -> list[TableState]:
    """Return the mirrored tables that a base no longer has.

    Raises:
        ValidationError: when there are some, unless it is accepted.
    """
    same = before.uuid in {None, info.uuid}
    there = {table.id for table in info.tables} if same else set()
    gone = [table for key, table in before.tables.items() if key not in there]
    if gone and not accept:
        rows, names = sum(table.rows for table in gone), ", ".join(table.name for table in gone)
        why = "has no longer" if same else f"is another base than before (uuid {info.uuid}) and has not"
        promise = (
            f"what was mirrored is still served: the base {info.name} of {settings.server} {why} the table(s) "
            f"{names}. If that is right, say --accept-shrink; the history keeps their rows"
        )
        raise ValidationError(names, promise, rows)
    return gone


def check_shrinkage(state: TableState | None, table: TableRead, *, accept: bool) -> None:
    """Refuse a table of which more than a fifth of the rows is gone.

    Raises:
        ValidationError: then, unless it is accepted.
    """
    if state is None or accept:
        return
    lost = state.rows - table.rows
    if lost > MOST_LOST * state.rows:
        promise = (
            f"no more than {MOST_LOST:.0%} of the rows vanish between two reads ({state.rows:,} on "
            f"{state.fetched_at:%Y-%m-%d %H:%M} UTC, {table.rows:,} now). Look at the table in SeaTable; if that is "
            f"right, say --accept-shrink"
        )
        raise ValidationError(table.info.name, promise, lost)
