"""The verb ids: what ids of any age and sort are called at the moment of a version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from crantdb.cli.id_files import ids_of
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
    "path",
    type=click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True, path_type=Path),
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
    path: Path | None,
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

    wanted = _wanted(given, path, column)
    if parts and online:
        msg = "--all lists what the warehouse knows: leave out --online"
        raise click.UsageError(msg)
    con = connect(settings.warehouse, snapshot, version)
    asked = _chunkedgraph(settings) if online else None
    rows = ids_at_all(con, wanted) if parts else ids_at(con, wanted, online=asked)
    if quiet:
        mapped = ids_at(con, wanted) if parts else rows
        stale = sum(kind != "unchanged" for kind in mapped["kind"])
        click.get_current_context().exit(1 if stale else 0)
    output_for(settings.output).rows(list(rows.columns), rows.rows())
    if not wanted:
        settings.say("crantdb: no ids were given")
    elif not parts and settings.output == "table":
        settings.say(_summary(rows))


def _wanted(given: tuple[str, ...], path: Path | None, column: str | None) -> list[str]:
    """Return the ids that were given: as arguments, else in a file, else through standard input.

    Raises:
        click.UsageError: when they are said in two ways, or in none.
    """
    if not given:
        return ids_of(path, column)
    if path is not None or column is not None:
        msg = "say ids in one way: as arguments, or with --file (and --column)"
        raise click.UsageError(msg)
    # Bytes that are no UTF-8 come as lone surrogates, which no database takes.
    return [one.encode("utf-8", "replace").decode() for one in given]


def _chunkedgraph(settings: Settings) -> Online:
    """Return the chunkedgraph of the warehouse's datastack."""
    from crantdb.cli.sync import opened
    from crantdb.sources.chunkedgraph import open_chunkedgraph

    _, _, cave = opened(settings)
    return open_chunkedgraph(cave)


def _summary(rows: pl.DataFrame) -> str:
    """Say at which moment the ids are, how many of each kind there were, and what unknown ones look like."""
    version, as_of = rows.select("version", "as_of").row(0)
    kinds: dict[str, int] = {}
    for kind in rows.get_column("kind").to_list():
        name = "split" if kind.startswith("split into") else kind
        kinds[name] = kinds.get(name, 0) + 1
    said = ", ".join(f"{count:,} {name}" for name, count in kinds.items())
    return f"at version {version}, as of {as_of:%Y-%m-%d %H:%M:%S.%f} UTC: {said}{_bent(rows)}"


def _bent(rows: pl.DataFrame) -> str:
    """Say how many unknown ids end as spreadsheets make them end."""
    import polars as pl

    texts = rows.filter(pl.col("kind") == "unknown").get_column("old_id").cast(pl.String).str.strip_chars()
    count = int(texts.str.contains(r"^[0-9]{13,16}000$").sum())
    return (
        f" ({count:,} of the unknown end in 000, as ids do that a spreadsheet cut to 15 digits)"
        if count
        else ""
    )
