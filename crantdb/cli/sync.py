"""The verbs plan and sync."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crantdb.cli.draw import progress_for
from crantdb.cli.l2 import choosing_roots, run_l2
from crantdb.cli.output import output_for
from crantdb.cli.settings import Settings, verb
from crantdb.config import Config, read_config
from crantdb.sources.cave import Cave, CaveOptions, open_cave
from crantdb.sources.transport import RetryRule
from crantdb.sync.inventory import discard
from crantdb.sync.plan import plan
from crantdb.sync.run import SyncReport, sync
from crantdb.sync.selection import Wish
from crantdb.tokens import cave_token
from crantdb.warehouse.layout import Warehouse, open_warehouse

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TextIO

SOURCES = ("cave", "l2")


def opened(settings: Settings) -> tuple[Warehouse, Config, Cave]:
    """Open the warehouse and the server that its crantdb.toml names."""
    warehouse = open_warehouse(settings.warehouse)
    config = read_config(warehouse.config)
    settings.say(f"asking {config.server} for {config.datastack} …")
    token = cave_token(config.server)
    cave = open_cave(
        config.datastack, config.server, None if token is None else token.value, options_of(config)
    )
    return warehouse, config, cave


def options_of(config: Config) -> CaveOptions:
    """Return how to ask, as crantdb.toml says."""
    cave = config.cave
    rule = RetryRule(tries=cave.tries, patience_s=cave.patience_s)
    return CaveOptions(
        parallel=cave.parallel, chunk_rows=cave.chunk_rows, timeout_s=cave.timeout_s, rule=rule
    )


def _wish_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what to bring."""
    options = [
        click.argument("source", nargs=-1),
        click.option(
            "--version", type=int, help="The materialization version (default: the newest available)."
        ),
        click.option("--table", "tables", multiple=True, help="A table or view to bring; repeat for more."),
        click.option(
            "--drop", multiple=True, help="A table of the snapshot that a new version need not bring."
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def sources_of(given: tuple[str, ...]) -> tuple[set[str], tuple[str, ...]]:
    """Return the sources that were named, and the root ids behind `l2`.

    Raises:
        click.UsageError: for a source that there is not, and for ids without `l2`.
    """
    ids = tuple(word for word in given if word.strip().isdigit())
    names = {word for word in given if word not in ids}
    if names - set(SOURCES):
        msg = f"there is no source {', '.join(sorted(names - set(SOURCES)))}: choose of {', '.join(SOURCES)}"
        raise click.UsageError(msg)
    if ids and "l2" not in names:
        msg = "root ids stand behind l2: crantdb sync l2 ROOT…"
        raise click.UsageError(msg)
    return names, ids


def _wish(version: int | None, tables: tuple[str, ...], drop: tuple[str, ...]) -> Wish:
    """Return what was asked for."""
    return Wish(version, tables or None, drop)


@verb("plan")
@_wish_options
def plan_verb(
    settings: Settings,
    source: tuple[str, ...],
    version: int | None,
    tables: tuple[str, ...],
    drop: tuple[str, ...],
) -> None:
    """Say what a sync would fetch: tables, rows, requests, bytes. Fetches no rows."""
    sources_of(source)
    _plan(settings, _wish(version, tables, drop))


def _plan(settings: Settings, wish: Wish) -> None:
    """Print the plan."""
    warehouse, config, cave = opened(settings)
    found = plan(cave, warehouse, config, wish)
    columns = ("table", "kind", "rows", "requests", "bytes", "action", "why")
    rows = [(t.name, t.kind, t.rows, t.requests, t.bytes, t.action, t.why) for t in found.tables]
    output_for(settings.output).rows(columns, rows)
    settings.say(
        f"version {found.version} as of {found.as_of:%Y-%m-%d %H:%M} UTC"
        f"{'' if found.main else ', added beside the main one'}: {found.rows:,} rows in about {found.requests:,} "
        f"requests, about {found.bytes / 1e6:,.1f} MB on the disk ({found.free_bytes / 1e9:,.1f} GB free)"
    )
    pace = "as fast as last time" if found.rows_per_s else "at the least, by how long the counts took"
    settings.say(f"about {_duration(found.seconds)} ({pace}). Fetch it: crantdb sync")


def _duration(seconds: float) -> str:
    """Write a time span for a person."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


@verb("sync")
@_wish_options
@choosing_roots
@click.option("--memory", help="Memory to use at the most, e.g. 8GB (default: a quarter of what there is).")
@click.option("--dry-run", is_flag=True, help="Only say what would be fetched, as `plan` does.")
@click.option(
    "--discard", "discard_first", is_flag=True, help="First forget what earlier, unfinished syncs staged."
)
def sync_verb(
    settings: Settings,
    source: tuple[str, ...],
    version: int | None,
    tables: tuple[str, ...],
    drop: tuple[str, ...],
    *,
    text_file: TextIO | None,
    where: str | None,
    dry_run: bool,
    memory: str | None,
    discard_first: bool,
) -> None:
    """Bring a materialization version into the warehouse as a new snapshot; `sync l2 [ROOT…]` mirrors L2 data.

    Without a SOURCE, every one that crantdb.toml has a section of is mirrored.

    Interrupt it at any moment: the last snapshot stays as it was, and the same command goes on from there.
    """
    sources, roots = sources_of(source)
    if (text_file or where) and "l2" not in sources:
        msg = "-f and --where say whose L2 data to mirror: crantdb sync l2 --where …"
        raise click.UsageError(msg)
    wish = _wish(version, tables, drop)
    if dry_run:
        _plan(settings, wish)
        return
    if discard_first:
        dropped = discard(open_warehouse(settings.warehouse))
        settings.say(f"dropped what was staged of {len(dropped)} table(s)")
    warehouse, config, cave = opened(settings)
    try:
        if not sources or "cave" in sources:
            with progress_for(settings) as progress:
                report = sync(cave, warehouse, config, wish, progress, memory=memory)
            _report(settings, report)
        if "l2" in sources or (not sources and config.syncs_l2):
            run_l2(
                settings,
                warehouse,
                config,
                cave,
                roots=roots,
                text_file=text_file,
                where=where,
                memory=memory,
            )
    finally:
        cave.transport.stop.set()


def _report(settings: Settings, report: SyncReport) -> None:
    """Print what the sync did."""
    state = report.snapshot.main
    if not report.changed:
        settings.say(
            f"nothing to do: version {state.version} is in snapshot {report.snapshot.number} already"
        )
    if settings.output != "table":
        output_for(settings.output).record(
            [
                ("snapshot", report.snapshot.number),
                ("version", state.version),
                ("as_of", state.as_of),
                ("changed", report.changed),
                ("fetched", report.fetched),
                ("skipped", report.skipped),
                ("seconds", round(report.seconds, 3)),
                ("requests", report.requests),
                ("bytes_received", report.bytes_received),
            ]
        )
    if report.changed:
        rows = sum(report.fetched.values())
        settings.say(
            f"done: {rows:,} rows of {len(report.fetched)} tables in {report.seconds:,.1f} s "
            f"({report.requests:,} requests, {report.bytes_received / 1e6:,.1f} MB received), "
            f"{len(report.skipped)} skipped. Try: crantdb tables · crantdb shell"
        )
