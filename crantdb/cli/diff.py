"""The verb diff: what changed between two snapshots, or two kept versions."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any, get_args

import click

from crantdb.cli.output import output_for
from crantdb.cli.results import give
from crantdb.cli.settings import Settings, verb

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb

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
_SIDE = re.compile(r"(v?)(\d{1,9})")
_KINDS = ("roots", "edges", "synapses")


@verb("diff")
@click.argument("one", metavar="A")
@click.argument("other", metavar="B")
@click.option("--list", "kind", type=click.Choice(_KINDS), help="List what changed, row by row.")
@click.option(
    "--table",
    "tables",
    multiple=True,
    help="List the rows of a table that changed; of a SeaTable table the cells. Repeat for more of SeaTable's.",
)
@click.option("--cells", is_flag=True, help="List the cells that changed in SeaTable's tables.")
@click.option("--summary", is_flag=True, help="Only count those cells, by table, kind and column.")
@click.option("--memory", help="Memory to use at the most, e.g. 8GB (default: a quarter of what there is).")
def diff_verb(
    settings: Settings,
    *,
    one: str,
    other: str,
    kind: str | None,
    tables: tuple[str, ...],
    cells: bool,
    summary: bool,
    memory: str | None,
) -> None:
    """Count what changed from A to B: roots, edges, synapses, and the rows of every table.

    A and B are snapshots by number (41), or materialization versions that are kept (v7).
    """
    sides = _side(one), _side(other)
    of_snapshots = all(side.startswith("s") for side in sides)
    if cells or summary or (tables and of_snapshots and _are_seatable(settings, sides, tables)):
        if not of_snapshots:
            msg = "SeaTable has no versions: say two snapshots by number"
            raise click.UsageError(msg)
        _of_cells(settings, sides, tables, summary=summary)
        return
    if len(tables) > 1:
        msg = "the rows of one table at a time: say --table once"
        raise click.UsageError(msg)
    with _connected(settings, sides, memory) as con:
        _of_rows(settings, con, sides, kind=kind, table=next(iter(tables), None))


def _of_rows(
    settings: Settings,
    con: duckdb.DuckDBPyConnection,
    sides: tuple[str, str],
    *,
    kind: str | None,
    table: str | None,
) -> None:
    """Print what changed of a kind, or in a table, row by row; else how much of everything."""
    from crantdb.analysis.versions import Kind, changes, diff, row_changes

    if kind is not None:
        order = {"roots": "root_id", "edges": "pre_root_id, post_root_id", "synapses": "id"}[kind]
        chosen = next(known for known in get_args(Kind) if known == kind)
        give(settings, changes(con, chosen, *sides).order(f"change, {order}"))
    elif table is not None:
        give(settings, row_changes(con, table, *sides))
    else:
        found = diff(con, *sides)
        output_for(settings.output).rows(found.columns, found.rows())


def _side(text: str) -> str:
    """Return the schema in which a side will stand: s41 for snapshot 41, v7 for version 7."""
    match = _SIDE.fullmatch(text)
    if match is None:
        msg = f"{text!r} is no snapshot and no version: write 41 for a snapshot, v7 for a version"
        raise click.UsageError(msg)
    return f"{match[1] or 's'}{int(match[2])}"


@contextlib.contextmanager
def _connected(
    settings: Settings, sides: tuple[str, str], memory: str | None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a connection that holds both sides; what does not fit into memory goes beside the warehouse's stagings."""
    from crantdb.warehouse.catalog import connect
    from crantdb.warehouse.durable import neighbour
    from crantdb.warehouse.layout import open_warehouse
    from crantdb.warehouse.memory import DUCKDB_SHARE, promised_bytes
    from crantdb.warehouse.relations import literal

    numbers = {room: sorted({int(s[1:]) for s in sides if s[0] == room}) for room in "vs"}
    _check_meant(settings, numbers["s"])
    spill = neighbour(open_warehouse(settings.warehouse).staging / "diff")
    con = connect(settings.warehouse, versions=numbers["v"], snapshots=numbers["s"])
    try:
        con.execute(f"SET memory_limit = '{int(promised_bytes(memory) * DUCKDB_SHARE)}B'")
        con.execute(f"SET temp_directory = {literal(str(spill))}")
        yield con
    finally:
        con.close()
        with contextlib.suppress(OSError):
            spill.rmdir()


def _check_meant(settings: Settings, numbers: list[int]) -> None:
    """Hint at the versions when a number is that of a version, and of no snapshot."""
    from crantdb.warehouse.layout import open_warehouse
    from crantdb.warehouse.snapshot import current

    place = open_warehouse(settings.warehouse)
    snapshot, there = current(place), place.numbers()
    versions = [] if snapshot is None else sorted(snapshot.versions)
    for number in numbers:
        if number not in there and number in versions:
            msg = f"there is no snapshot {number}; the materialization version is v{number}"
            raise click.UsageError(msg)


def _are_seatable(settings: Settings, sides: tuple[str, str], tables: tuple[str, ...]) -> bool:
    """Tell whether tables are SeaTable's in one of two snapshots."""
    shared = [
        table for snapshot in _snapshots(settings.warehouse, sides) for table in snapshot.shared.values()
    ]
    return {table.name for table in shared if table.schema == "seatable"} >= set(tables)


def _snapshots(warehouse: Path, sides: tuple[str, str]) -> list[Any]:
    """Read two snapshots."""
    from crantdb.warehouse.layout import open_warehouse
    from crantdb.warehouse.snapshot import read_snapshot

    place = open_warehouse(warehouse)
    return [read_snapshot(place, int(side[1:])) for side in sides]


def _of_cells(settings: Settings, sides: tuple[str, str], tables: tuple[str, ...], *, summary: bool) -> None:
    """Print the cells that changed in SeaTable's tables, or how many."""
    from crantdb.sync.seatable.differences import differences
    from crantdb.warehouse.layout import open_warehouse

    first, second = _snapshots(settings.warehouse, sides)
    rows = (
        tuple(row[name] for name in COLUMNS)
        for table in differences(open_warehouse(settings.warehouse), first, second, tables)
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
