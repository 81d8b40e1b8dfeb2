"""The verb ids: what ids of any age and sort are called at the moment of a version."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, TextIO

import click

from crantdb.cli.choosing import first_column
from crantdb.cli.output import output_for
from crantdb.cli.settings import Settings, verb
from crantdb.warehouse.catalog import connect

if TYPE_CHECKING:
    import polars as pl

    from crantdb.analysis.idmap import Online


@verb("ids")
@click.argument("given", nargs=-1, metavar="[ID]…")
@click.option(
    "-f",
    "--file",
    "text_file",
    type=click.File("r"),
    help="A file of ids, one a line, or CSV (- for standard input).",
)
@click.option("--column", help="The column of a CSV file that holds the ids (default: the first).")
@click.option(
    "--at", "version", type=int, metavar="VERSION", help="The version to go to (default: the main one)."
)
@click.option("--snapshot", type=int, help="The snapshot's number (default: the current one).")
@click.option("--all", "parts", is_flag=True, help="Every root that holds a part of each, with its share.")
@click.option("--online", is_flag=True, help="Ask the chunkedgraph where nothing in the warehouse decides.")
@click.option("--quiet", is_flag=True, help="Print nothing; exit 1 when any id is stale or unknown.")
def ids_verb(
    settings: Settings,
    given: tuple[str, ...],
    text_file: TextIO | None,
    column: str | None,
    *,
    version: int | None,
    snapshot: int | None,
    parts: bool,
    online: bool,
    quiet: bool,
) -> None:
    """Bring IDs (roots of any age, supervoxels, L2 ids, nuclei, SeaTable _ids) to the roots of one version.

    Without IDs they are read from --file or from standard input.
    """
    from crantdb.analysis.idmap import ids_at, ids_at_all

    wanted = [*given] or _read(text_file, column)
    con = connect(settings.warehouse, snapshot, version)
    asked = _chunkedgraph(settings) if online else None
    rows = ids_at_all(con, wanted) if parts else ids_at(con, wanted, online=asked)
    if quiet:
        mapped = ids_at(con, wanted, online=asked) if parts else rows
        stale = sum(kind != "unchanged" for kind in mapped["kind"])
        click.get_current_context().exit(1 if stale else 0)
    output_for(settings.output).rows(list(rows.columns), rows.rows())
    if not parts and settings.output == "table" and wanted:
        settings.say(_summary(rows))


def _read(text_file: TextIO | None, column: str | None) -> list[str]:
    """Return the ids of a file, or of standard input.

    Raises:
        click.UsageError: when there is neither, or the file has no such column.
    """
    if text_file is None:
        if sys.stdin is None or sys.stdin.isatty():
            msg = "say which ids: as arguments, with --file, or through standard input"
            raise click.UsageError(msg)
        text_file = sys.stdin
    if column is None:
        return first_column(text_file)
    table = csv.DictReader(text_file)
    if column not in (table.fieldnames or ()):
        msg = f"the file has no column {column!r}; it has {', '.join(table.fieldnames or ()) or 'none'}"
        raise click.UsageError(msg)
    return [row[column] or "" for row in table]


def _chunkedgraph(settings: Settings) -> Online:
    """Return the chunkedgraph of the warehouse's datastack."""
    from crantdb.cli.sync import opened
    from crantdb.sources.chunkedgraph import open_chunkedgraph

    _, _, cave = opened(settings)
    return open_chunkedgraph(cave)


def _summary(rows: pl.DataFrame) -> str:
    """Say in a line at which moment the ids are, and how many of each kind there were."""
    version, as_of = rows.select("version", "as_of").row(0)
    kinds: dict[str, int] = {}
    for kind in rows.get_column("kind").to_list():
        name = "split" if kind.startswith("split into") else kind
        kinds[name] = kinds.get(name, 0) + 1
    said = ", ".join(f"{count:,} {name}" for name, count in kinds.items())
    return f"at version {version}, as of {as_of:%Y-%m-%d %H:%M:%S.%f} UTC: {said}"
