"""The verb diff: what changed between two snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from crantdb.cli.output import output_for
from crantdb.cli.settings import Settings, verb
from crantdb.sync.seatable.differences import differences
from crantdb.warehouse.layout import open_warehouse
from crantdb.warehouse.snapshot import read_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = (
    "table_name",
    "row_id",
    "change",
    "column_name",
    "from_value",
    "to_value",
    "modified_by",
    "modified_at",
)


@verb("diff")
@click.argument("one", metavar="A", type=int)
@click.argument("other", metavar="B", type=int)
@click.option("--table", "tables", multiple=True, help="A SeaTable table; repeat for more (default: all).")
@click.option("--summary", is_flag=True, help="Only count the changes, by table, kind and column.")
def diff_verb(settings: Settings, one: int, other: int, tables: tuple[str, ...], *, summary: bool) -> None:
    """Say what changed from snapshot A to snapshot B in SeaTable's tables: rows added and removed, cells changed."""
    warehouse = open_warehouse(settings.warehouse)
    first, second = read_snapshot(warehouse, one), read_snapshot(warehouse, other)
    rows = (
        tuple(row[name] for name in COLUMNS)
        for table in differences(warehouse, first, second, tables)
        for row in table.to_pylist()
    )
    if not summary:
        output_for(settings.output).rows(COLUMNS, rows)
        return
    output_for(settings.output).rows(("table_name", "change", "column_name", "changes"), _counted(rows))


def _counted(rows: Iterator[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Count changes by table, kind and column."""
    counts: dict[tuple[str, str, str], int] = {}
    for table, _, change, column, *_ in rows:
        key = (table, change, column or "")
        counts[key] = counts.get(key, 0) + 1
    return [(*key, count) for key, count in sorted(counts.items())]
