"""The kind seatable-csv of the verb import."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crantdb.cli.draw import progress_for
from crantdb.cli.output import output_for
from crantdb.config import read_config
from crantdb.sync.seatable.daily import import_daily
from crantdb.warehouse.layout import open_warehouse

if TYPE_CHECKING:
    from pathlib import Path

    from crantdb.cli.settings import Settings


def import_csv(settings: Settings, path: Path, *, tables: tuple[str, ...], base: str | None) -> None:
    """Append what daily CSV files tell to the history, and say what was done."""
    warehouse = open_warehouse(settings.warehouse)
    config = read_config(warehouse.config)
    named = tables or (() if config.seatable is None else config.seatable.tables or ())
    if len(named) != 1:
        msg = "which SeaTable table are the files of? Say it with --table (crantdb.toml does not name exactly one)"
        raise click.UsageError(msg)
    with progress_for(settings) as progress:
        report = import_daily(warehouse, config, path, table=named[0], base=base, progress=progress)
    number = None if report.snapshot is None else report.snapshot.number
    if settings.output != "table":
        days = [day.isoformat() for day in report.days]
        told = [("days", days), ("changes", dict(report.changes))]
        output_for(settings.output).record([("snapshot", number), ("changed", report.changed), *told])
    told_words = ", ".join(f"{count:,} x {kind}" for kind, count in sorted(report.changes.items()))
    settings.say(
        f"done: {len(report.days):,} days, {told_words or 'no change'}. Ask: FROM annotation_history('<row>')"
        if report.changed
        else "nothing to do: every day is in the history already"
    )
