"""The verbs verify, rollback, expire, register."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

import click
from rich.progress import Progress

from crantdb.cli.output import output_for
from crantdb.cli.settings import Settings, verb
from crantdb.errors import CrantdbError
from crantdb.warehouse.expire import GRACE_DAYS, Rules, expire, plan_expiry
from crantdb.warehouse.layout import open_warehouse
from crantdb.warehouse.lock import writing
from crantdb.warehouse.memory import promised_bytes
from crantdb.warehouse.register import register
from crantdb.warehouse.rollback import rollback
from crantdb.warehouse.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crantdb.warehouse.expire import Expiry


@verb("verify")
@click.option(
    "--deep",
    is_flag=True,
    help="Also decode every file: rows, key range, order; and compare the forms of synapses.",
)
@click.option(
    "--online", is_flag=True, help="Also ask the chunkedgraph whether every root was current at as_of."
)
def verify_verb(settings: Settings, *, deep: bool, online: bool) -> None:
    """Check every manifest and every file it lists; exit 1 and name them when any is not as it was written."""
    warehouse = open_warehouse(settings.warehouse)
    findings = []
    files = size = 0
    with Progress(console=settings.console, transient=True, disable=not settings.console.is_terminal) as bar:
        task = bar.add_task("checking", total=None)
        for checked in verify(warehouse, deep=deep):
            files, size = files + 1, size + checked.bytes
            bar.update(task, description=f"checked {files} files, {size / 1e6:,.0f} MB")
            if checked.finding is not None:
                findings.append((str(checked.finding.path), checked.finding.what))
    findings += _checked_online(settings) if online else []
    if findings or settings.output != "table":
        output_for(settings.output).rows(("file", "what"), findings)
    settings.say(f"checked {files} files, {size / 1e6:,.1f} MB: {len(findings) or 'nothing'} wrong")
    if findings:
        raise click.exceptions.Exit(1)


def _checked_online(settings: Settings) -> list[tuple[str, str]]:
    """Return what the chunkedgraph says otherwise of the main version's roots."""
    from crantdb.cli.sync import opened
    from crantdb.sources.chunkedgraph import open_chunkedgraph
    from crantdb.sync.online import check_online

    warehouse, _, cave = opened(settings)
    wrong = check_online(warehouse, open_chunkedgraph(cave))
    return [("(main version)", f"{count:,}: {what}") for what, count in wrong.items()]


@verb("rollback")
@click.argument("number", type=int)
def rollback_verb(settings: Settings, number: int) -> None:
    """Make snapshot NUMBER's content current again, as a new snapshot."""
    warehouse = open_warehouse(settings.warehouse)
    with writing(warehouse, "rollback"):
        made = rollback(warehouse, number)
    settings.say(
        f"snapshot {made.number} is current: version {made.main.version} as of {made.main.as_of:%Y-%m-%d %H:%M} UTC, "
        f"as snapshot {number} had it"
    )
    _register(settings)


@verb("expire")
@click.option(
    "--keep-versions", type=click.IntRange(min=1), help="Keep the newest N materialization versions."
)
@click.option("--keep-days", type=click.IntRange(min=0, max=36500), help="Keep snapshots made in D days.")
@click.option(
    "--full-versions",
    type=click.IntRange(min=1),
    help="Of versions older than the newest N that are kept, keep only what differs in their synapse tables. "
    "Alone it keeps every version.",
)
@click.option(
    "--grace-days",
    type=click.IntRange(min=0, max=36500),
    default=GRACE_DAYS,
    show_default=True,
    help="Days for which data files stay after their last snapshot expired.",
)
@click.option(
    "--memory", help="Memory to compare versions in, e.g. 8GB (default: a quarter of what there is)."
)
@click.option("--dry-run", is_flag=True, help="Say what would go; change nothing.")
def expire_verb(
    settings: Settings,
    *,
    keep_versions: int | None,
    keep_days: int | None,
    full_versions: int | None,
    grace_days: int,
    memory: str | None,
    dry_run: bool,
) -> None:
    """Let snapshots go that no rule keeps; the current one always stays. Try it with --dry-run first."""
    if keep_versions is None and keep_days is None:
        if full_versions is None:
            msg = "say what is to stay: --keep-versions N, --keep-days D, --full-versions N, or some of them"
            raise click.UsageError(msg)
        keep_versions = sys.maxsize
    warehouse = open_warehouse(settings.warehouse)
    rules = Rules(keep_versions, keep_days, grace_days, full_versions)
    promise = promised_bytes(memory)
    if dry_run:
        found = plan_expiry(warehouse, rules)
    else:
        with writing(warehouse, "expire"), _comparing(settings, full_versions) as said:
            found = expire(warehouse, rules, memory_bytes=promise, on_version=said)
    if found is None:
        settings.say("there is no snapshot yet: nothing to expire")
        return
    output_for(settings.output).record(_what_goes(found))
    for version, reason in sorted(found.whole.items()):
        settings.say(f"note: version {version} stays whole: {reason}")
    settings.say("this was a dry run: nothing was changed" if dry_run else "done")
    if not dry_run:
        _register(settings)


def _what_goes(found: Expiry) -> list[tuple[str, Any]]:
    """Return what an expiry takes away, as properties."""
    return [
        ("snapshots", [snapshot.number for snapshot in found.snapshots]),
        ("versions no longer kept", list(found.versions)),
        ("files deleted", len(found.files)),
        ("bytes deleted", sum(file.bytes for file in found.files)),
        ("files waiting", len(found.waiting)),
        ("bytes waiting", sum(file.bytes for file in found.waiting)),
        ("versions kept as layers now", list(found.layered)),
        ("current snapshot", found.current.number),
    ]


@contextlib.contextmanager
def _comparing(settings: Settings, full_versions: int | None) -> Iterator[Callable[[int], None]]:
    """Show which version is compared with the next newer one."""
    quiet = full_versions is None or not settings.console.is_terminal
    with Progress(console=settings.console, transient=True, disable=quiet) as bar:
        task = bar.add_task("expiring", total=None)
        yield lambda version: bar.update(
            task, description=f"comparing version {version} with the next newer one"
        )


@verb("register")
def register_verb(settings: Settings) -> None:
    """Write crantdb.duckdb and crantdb.sql, so that any DuckDB shell sees the current snapshot."""
    with writing(open_warehouse(settings.warehouse), "register"):
        database, text = register(settings.warehouse)
    settings.say(f"wrote {database} (open it: duckdb -readonly {database}) and {text}")


def _register(settings: Settings) -> None:
    """Bring the derived files up to date; that they could not be is no failure of the commit before."""
    try:
        register(settings.warehouse)
    except CrantdbError as error:
        settings.say(f"note: crantdb.duckdb is not up to date: {error}")
