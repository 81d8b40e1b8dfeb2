"""The verbs plan and sync."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from crantdb.cli.draw import progress_for
from crantdb.cli.l2 import choosing_roots, planned_l2, run_l2, skeletons_due
from crantdb.cli.output import output_for
from crantdb.cli.seatable import Asked, open_seatable, said_of_bases
from crantdb.cli.settings import Settings, verb
from crantdb.config import Config, read_config
from crantdb.sources.cave import Cave, CaveOptions
from crantdb.sources.opening import open_cave
from crantdb.sources.transport import RetryRule
from crantdb.sync.inventory import discard
from crantdb.sync.plan import Plan, PlannedTable, plan
from crantdb.sync.run import SyncReport, sync
from crantdb.sync.seatable.plan import plan_bases
from crantdb.sync.selection import Wish
from crantdb.tokens import cave_token
from crantdb.warehouse.layout import Warehouse, open_warehouse
from crantdb.warehouse.snapshot import current

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

SOURCES = ("cave", "seatable", "l2")


def opened(settings: Settings) -> tuple[Warehouse, Config, Cave]:
    """Open the warehouse and the server that its crantdb.toml names."""
    warehouse = open_warehouse(settings.warehouse)
    config = read_config(warehouse.config)
    return warehouse, config, open_datastack(settings, config)


def open_datastack(settings: Settings, config: Config) -> Cave:
    """Open the datastack that a crantdb.toml names."""
    settings.say(f"asking {config.server} for {config.datastack} …")
    token = cave_token(config.server)
    return open_cave(
        config.datastack, config.server, None if token is None else token.value, options_of(config)
    )


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
        click.argument("words", metavar="[SOURCE]... [ROOT]...", nargs=-1),
        click.option(
            "--version", type=int, help="The materialization version (default: the newest available)."
        ),
        click.option("--table", "tables", multiple=True, help="A table or view to bring; repeat for more."),
        click.option(
            "--drop", multiple=True, help="A table of the snapshot that a new version need not bring."
        ),
        click.option(
            "--max-requests", type=click.IntRange(1), help="Requests that SeaTable may be asked at the most."
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


def _configured(config: Config) -> set[str]:
    """Return every source that crantdb.toml configures."""
    sections = {"seatable": config.seatable is not None, "l2": config.syncs_l2}
    return {"cave", *(name for name, there in sections.items() if there)}


def _wish(given: dict[str, Any], sources: Collection[str]) -> tuple[Wish, Asked]:
    """Return what was asked for, of CAVE and of SeaTable; `--table` names SeaTable's when it alone is synced."""
    tables = given["tables"] or None
    of_seatable = tables if "cave" not in sources else None
    wish = Wish(given["version"], tables, given["drop"], full=bool(given.get("full")))
    asked = Asked(of_seatable, given["max_requests"], accept_shrink=bool(given.get("accept_shrink")))
    return wish, asked


@verb("plan")
@_wish_options
def plan_verb(settings: Settings, words: tuple[str, ...], **given: Any) -> None:  # noqa: ANN401 - options
    """Say what a sync would fetch: tables, rows, requests, bytes. Fetches no rows.

    SOURCE is cave, seatable or l2 (default: all that crantdb.toml configures).
    """
    _plan(settings, words, given)


def _plan(settings: Settings, words: tuple[str, ...], given: dict[str, Any]) -> None:
    """Print the plan."""
    warehouse = open_warehouse(settings.warehouse)
    config = read_config(warehouse.config)
    named, roots = sources_of(words)
    sources = named or _configured(config)
    wish, asked = _wish(given, sources)
    found = None
    if "cave" in sources:
        found = plan(open_datastack(settings, config), warehouse, config, wish)
    tables: list[PlannedTable] = [] if found is None else list(found.tables)
    if "seatable" in sources:
        tables += plan_bases(open_seatable(config, asked), current(warehouse))
    columns = ("table", "kind", "rows", "requests", "bytes", "action", "why")
    rows = [(t.name, t.kind, t.rows, t.requests, t.bytes, t.action, t.why) for t in tables]
    output_for(settings.output).rows(columns, rows)
    if found is not None:
        _say_plan(settings, found)
    if "l2" in sources:
        ways = {name: given.get(name) for name in ("text_file", "where")}
        settings.say(planned_l2(warehouse, config, roots=roots, **ways))
    settings.say(f"Fetch it: crantdb sync{''.join(f' {word}' for word in words)}")


def _say_plan(settings: Settings, found: Plan) -> None:
    """Say what CAVE's part of a sync amounts to."""
    least = "at least " if any(table.action == "update" for table in found.tables) else ""
    settings.say(
        f"version {found.version} as of {found.as_of:%Y-%m-%d %H:%M} UTC"
        f"{'' if found.main else ', added beside the main one'}: {least}{found.rows:,} rows in about "
        f"{found.requests:,} requests, about {found.bytes / 1e6:,.1f} MB on the disk ({found.free_bytes / 1e9:,.1f} GB free)"
    )
    pace = "as fast as last time" if found.rows_per_s else "at the least, by how long the counts took"
    settings.say(f"about {_duration(found.seconds)} ({pace})")


def _duration(seconds: float) -> str:
    """Write a time span for a person."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


@verb("sync")
@_wish_options
@choosing_roots
@click.option(
    "--accept-shrink", is_flag=True, help="Let a SeaTable table lose more than 20 % of its rows, or go."
)
@click.option(
    "--full", is_flag=True, help="Fetch every row of large tables, also where what changed would do."
)
@click.option("--memory", help="Memory to use at the most, e.g. 8GB (default: a quarter of what there is).")
@click.option("--dry-run", is_flag=True, help="Only say what would be fetched, as `plan` does.")
@click.option(
    "--discard", "discard_first", is_flag=True, help="First forget what earlier, unfinished syncs staged."
)
def sync_verb(
    settings: Settings,
    words: tuple[str, ...],
    *,
    dry_run: bool,
    discard_first: bool,
    **given: Any,  # noqa: ANN401
) -> None:
    """Bring what the sources have into the warehouse as a new snapshot.

    SOURCE is cave (a materialization version), seatable (annotations) or l2 (skeletons' graphs; ROOT ids may
    follow); default: all that crantdb.toml configures. Interrupt it at any moment: the last snapshot stays as it
    was, and the same command goes on from there.
    """
    named, roots = sources_of(words)
    if (given["text_file"] or given["where"]) and "l2" not in named:
        msg = "-f and --where say whose L2 data to mirror: crantdb sync l2 --where …"
        raise click.UsageError(msg)
    if dry_run:
        _plan(settings, words, given)
        return
    if discard_first:
        dropped = discard(open_warehouse(settings.warehouse))
        settings.say(f"dropped what was staged of {len(dropped)} table(s)")
    warehouse = open_warehouse(settings.warehouse)
    config = read_config(warehouse.config)
    sources = named or _configured(config)
    cave = open_datastack(settings, config) if {"cave", "l2"} & set(sources) else None
    wish, asked = _wish(given, sources)
    try:
        if {"cave", "seatable"} & set(sources):
            report = _sync(
                settings,
                warehouse,
                config,
                cave,
                sources=sources,
                wish=wish,
                asked=asked,
                memory=given["memory"],
            )
            _report(settings, report)
            due = skeletons_due(report.snapshot)
            if due is not None and "l2" not in sources:
                settings.say(due)
        if "l2" in sources and cave is not None:
            ways = {name: given[name] for name in ("text_file", "where", "memory")}
            run_l2(settings, warehouse, config, cave, roots=roots, **ways)
    finally:
        asked.stop.set()
        if cave is not None:
            cave.transport.stop.set()


def _sync(
    settings: Settings,
    warehouse: Warehouse,
    config: Config,
    cave: Cave | None,
    *,
    sources: Collection[str],
    wish: Wish,
    asked: Asked,
    memory: str | None,
) -> SyncReport:
    """Sync CAVE, SeaTable, or both."""
    seatable = open_seatable(config, asked) if "seatable" in sources else None
    with progress_for(settings) as progress:
        return sync(
            cave if "cave" in sources else None,
            warehouse,
            config,
            wish,
            progress,
            seatable=seatable,
            open_cave=lambda: cave or open_datastack(settings, config),
            memory=memory,
        )


def _report(settings: Settings, report: SyncReport) -> None:
    """Print what the sync did."""
    state = report.snapshot.main
    for line in said_of_bases(report):
        settings.say(line)
    if not report.changed:
        what = "what SeaTable has" if state.version is None else f"version {state.version}"
        settings.say(f"nothing to do: {what} is in snapshot {report.snapshot.number} already")
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
                ("findings", [finding for base in report.bases for finding in base.findings]),
            ]
        )
    if report.changed:
        rows = sum(report.fetched.values())
        settings.say(
            f"done: {rows:,} rows of {len(report.fetched)} tables in {report.seconds:,.1f} s "
            f"({report.requests:,} requests, {report.bytes_received / 1e6:,.1f} MB received), "
            f"{len(report.skipped)} skipped. Try: crantdb tables · crantdb shell"
        )
