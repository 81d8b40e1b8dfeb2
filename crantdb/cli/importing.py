"""The verb import: dumps and Parquet folders become a snapshot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crantdb.cli.draw import progress_for
from crantdb.cli.importing_csv import import_csv
from crantdb.cli.output import output_for
from crantdb.cli.settings import Settings, verb
from crantdb.cli.sync import options_of
from crantdb.cli.transmitters import import_nt
from crantdb.config import Config, read_config
from crantdb.errors import ConfigError, NotServed, SourceError
from crantdb.sources.dumps import TableDump, find_dumps, of_version
from crantdb.sources.exports import find_export
from crantdb.sources.materialization import parse_time
from crantdb.sources.opening import open_cave
from crantdb.sync.importing import ImportReport, import_tables
from crantdb.sync.known import ImportWish
from crantdb.tokens import cave_token
from crantdb.warehouse.layout import open_warehouse

if TYPE_CHECKING:
    from datetime import datetime

    from crantdb.sources.cave import Cave

PATIENCE_S = 15.0
"""An import can do without the server: it does not wait long for one that is away."""


@verb("import")
@click.argument("kind", type=click.Choice(["cave-dump", "parquet", "nt", "seatable-csv"]))
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.option("--version", type=int, help="The materialization version that the files are of.")
@click.option("--as-of", help="Its moment, ISO, UTC (default: asked of the server).")
@click.option(
    "--table", "tables", multiple=True, help="A table to import; repeat for more. Of parquet: its name."
)
@click.option("--drop", multiple=True, help="A table of the snapshot that a new version need not bring.")
@click.option("--exact", is_flag=True, help="Keep doubles, which the server would serve as single floats.")
@click.option(
    "--voxel-resolution", help="nm a voxel of the points, e.g. 8,8,42 (default: asked of the server)."
)
@click.option("--schema-type", help="The annotation schema, e.g. synapse (default: asked of the server).")
@click.option("--memory", help="Memory it may take, e.g. 8GB (default: a quarter of the machine's).")
@click.option("--offline", is_flag=True, help="Do not ask the server.")
@click.option(
    "--id-column", help="Of nt: the file's column of synapse ids (default: synapse_id, id or connector_id)."
)
@click.option("--base", help="Of seatable-csv: the SeaTable base (default: the one of crantdb.toml).")
@click.option("--list", "list_only", is_flag=True, help="Only list the dumps that are there.")
def import_verb(
    settings: Settings,
    kind: str,
    path: Path,
    version: int | None,
    *,
    list_only: bool,
    **given: Any,  # noqa: ANN401
) -> None:
    """Make CAVE's CSV dumps (cave-dump) or Parquet and Arrow files (parquet) in PATH a snapshot.

    With nt, PATH is a file of neurotransmitter predictions (Parquet, Feather or CSV, one row a synapse), which
    comes to the main version, or to another kept one (--version). With seatable-csv, PATH is a folder of daily CSV files of a whole SeaTable table,
    named like 2026-08-01_crantb_seatable.csv: what changed from day to day comes into the annotations' history.

    Interrupt it at any moment: the last snapshot stays as it was, and the same command goes on from there.
    """
    if kind == "seatable-csv":
        import_csv(settings, path, tables=given["tables"], base=given["base"])
        return
    if list_only:
        _list(settings, kind, path)
        return
    if kind == "nt":
        import_nt(settings, path, id_column=given["id_column"], version=version, memory=given["memory"])
        return
    if version is None:
        msg = "--version is needed: which materialization version are the files of?"
        raise click.UsageError(msg)
    wish = ImportWish(
        version,
        as_of=_moment(given["as_of"]),
        tables=given["tables"] or None,
        drop=given["drop"],
        exact=given["exact"],
        voxel_resolution=_resolution(given["voxel_resolution"]),
        schema_type=given["schema_type"],
    )
    _import(settings, kind, path, wish, memory=given["memory"], offline=given["offline"])


def _import(
    settings: Settings, kind: str, path: Path, wish: ImportWish, *, memory: str | None, offline: bool
) -> None:
    """Import, and say what was done."""
    warehouse = open_warehouse(settings.warehouse)
    config = read_config(warehouse.config)
    dumps = _found(kind, path, wish, config)
    cave = None if offline else _server(settings, config)
    with progress_for(settings) as progress:
        report = import_tables(cave, warehouse, config, dumps, wish=wish, progress=progress, memory=memory)
    _report(settings, report)


def _found(kind: str, path: Path, wish: ImportWish, config: Config) -> list[TableDump]:
    """Return the files to import, table by table."""
    if kind == "cave-dump":
        return of_version(find_dumps(path.resolve()), wish.version, datastack=config.datastack)
    if wish.tables is None or len(wish.tables) != 1:
        msg = "--table is needed once: which table are the files of?"
        raise click.UsageError(msg)
    return [find_export(path.resolve(), wish.tables[0])]


def _server(settings: Settings, config: Config) -> Cave | None:
    """Open the server that crantdb.toml names; None, said so, when it cannot be asked now."""
    token = cave_token(config.server)
    options = options_of(config)
    rule = replace(
        options.rule, tries=min(options.rule.tries, 3), patience_s=min(options.rule.patience_s, PATIENCE_S)
    )
    quick = replace(options, rule=rule, timeout_s=min(options.timeout_s, 2 * PATIENCE_S))
    try:
        return open_cave(config.datastack, config.server, None if token is None else token.value, quick)
    except NotServed:
        raise
    except SourceError as error:
        settings.say(
            f"note: {config.server} cannot be asked now ({error}). Without it the moment must be known, "
            f"rows are not counted on the server, and metadata are those given"
        )
        return None


def _list(settings: Settings, kind: str, path: Path) -> None:
    """List the dumps in a folder."""
    if kind != "cave-dump":
        msg = "--list is for cave-dump: a Parquet folder is one table of one version"
        raise click.UsageError(msg)
    columns = ("datastack", "version", "table", "rows", "bytes", "header")
    rows = [
        (dump.datastack, dump.version, dump.table, None, dump.bytes, "yes" if dump.header else "missing")
        for dump in find_dumps(path.resolve())
    ]
    output_for(settings.output).rows(columns, rows)


def _moment(text: str | None) -> datetime | None:
    """Read --as-of."""
    try:
        return None if text is None else parse_time(text)
    except ValueError as error:
        msg = f"--as-of {text!r} is no time: write it like 2026-03-01T12:00:00.084051 (UTC)"
        raise ConfigError(msg) from error


def _resolution(text: str | None) -> tuple[float, float, float] | None:
    """Read --voxel-resolution."""
    if text is None:
        return None
    try:
        x, y, z = (float(part) for part in text.split(","))
    except ValueError as error:
        msg = f"--voxel-resolution {text!r} is not three numbers: write it like 8,8,42 (nm, x, y, z)"
        raise ConfigError(msg) from error
    if not (0 < x < 1e6 and 0 < y < 1e6 and 0 < z < 1e6):
        msg = f"--voxel-resolution {text!r} is no size of a voxel in nm"
        raise ConfigError(msg)
    return x, y, z


def _report(settings: Settings, report: ImportReport) -> None:
    """Print what the import did."""
    if settings.output != "table":
        output_for(settings.output).record(
            [
                ("snapshot", report.snapshot.number),
                ("version", report.version),
                ("changed", report.changed),
                ("imported", report.imported),
                ("seconds", round(report.seconds, 3)),
            ]
        )
    if not report.changed:
        settings.say(
            f"nothing to do: snapshot {report.snapshot.number} has these tables of version {report.version} already"
        )
        return
    rows = sum(report.imported.values())
    settings.say(
        f"done: {rows:,} rows of {len(report.imported)} table(s) in {report.seconds:,.1f} s "
        f"({rows / max(report.seconds, 1e-3):,.0f} rows/s). Try: crantdb tables · crantdb shell"
    )
