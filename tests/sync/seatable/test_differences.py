"""diff says what changed between any two snapshots, both ways, as the history says it from one to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from crantdb.errors import NoSuchTable
from crantdb.sandbox.seatable import delete_rows, insert_rows, rename_column, update_row
from crantdb.sync.seatable.differences import differences
from crantdb.warehouse.snapshot import read_snapshot

if TYPE_CHECKING:
    from tests.sync.seatable.lab import Lab


def between(ants: Lab, one: int, other: int, *tables: str) -> list[tuple[Any, ...]]:
    """Return what differs: row, change, column, from, to."""
    first, second = (read_snapshot(ants.warehouse, number) for number in (one, other))
    names = ("row_id", "change", "column_name", "from_value", "to_value")
    found = differences(ants.warehouse, first, second, tables)
    return [tuple(row[name] for name in names) for table in found for row in table.to_pylist()]


def test_differences_add_up(ants: Lab) -> None:
    """Over several snapshots only what is left of the changes is told; backwards it is told the other way."""
    ants.sync()
    row = ants.row_ids[0]
    update_row(ants.base, "neurons", row, {"size": 50})
    [new] = insert_rows(ants.base, "neurons", [{"root_id": "5"}])
    ants.sync()
    rename_column(ants.base, "neurons", "size", "volume")
    update_row(ants.base, "neurons", row, {"volume": 0, "side": "right"})
    delete_rows(ants.base, "neurons", [new])
    ants.sync()
    assert between(ants, 1, 3) == [(row, "cell changed", "side", "left", "right")]
    assert between(ants, 3, 1) == [(row, "cell changed", "side", "right", "left")]
    step = {change[:3] for change in between(ants, 1, 2)}
    assert step == {(row, "cell changed", "size"), (new, "row added", None)}
    assert between(ants, 2, 2) == []


def test_a_table_is_asked_for_by_name(ants: Lab) -> None:
    """A name that neither snapshot has is an error that says what they have."""
    ants.sync()
    assert between(ants, 1, 1, "neurons") == []
    with pytest.raises(NoSuchTable, match=r"no SeaTable table 'cells'; they have neurons"):
        between(ants, 1, 1, "cells")
