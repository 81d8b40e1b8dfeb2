"""The verbs verify, rollback, register."""

from __future__ import annotations

import click
from rich.progress import Progress

from crantdb.cli.output import output_for
from crantdb.cli.settings import Settings, verb
from crantdb.errors import CrantdbError
from crantdb.warehouse.catalog import register
from crantdb.warehouse.commit import rollback
from crantdb.warehouse.layout import open_warehouse
from crantdb.warehouse.lock import writing
from crantdb.warehouse.verify import verify


@verb("verify")
@click.option("--deep", is_flag=True, help="Also decode every file and check its rows and key range.")
def verify_verb(settings: Settings, *, deep: bool) -> None:
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
    if findings or settings.output != "table":
        output_for(settings.output).rows(("file", "what"), findings)
    settings.say(f"checked {files} files, {size / 1e6:,.1f} MB: {len(findings) or 'nothing'} wrong")
    if findings:
        raise click.exceptions.Exit(1)


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
