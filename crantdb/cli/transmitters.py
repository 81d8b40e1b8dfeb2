"""`crantdb import nt`: neurotransmitter predictions from a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crantdb.cli.draw import progress_for
from crantdb.cli.output import output_for
from crantdb.sources.predictions import open_predictions
from crantdb.sync.transmitters import import_predictions
from crantdb.warehouse.layout import open_warehouse

if TYPE_CHECKING:
    from pathlib import Path

    from crantdb.cli.settings import Settings


def import_nt(
    settings: Settings, path: Path, *, id_column: str | None, version: int | None, memory: str | None
) -> None:
    """Import predictions, and say what came."""
    warehouse = open_warehouse(settings.warehouse)
    file = open_predictions(path.resolve(), id_column=id_column)
    with progress_for(settings) as progress:
        report = import_predictions(warehouse, file, version=version, memory=memory, progress=progress)
    if report.dropped:
        settings.say(f"note: not read, being no predictions: {', '.join(report.dropped)}")
    if report.unknown:
        settings.say(
            f"note: {report.unknown:,} of {report.rows:,} are of synapses that this version does not have; they are kept"
        )
    if settings.output != "table":
        output_for(settings.output).record(
            [
                ("snapshot", report.snapshot.number),
                ("classes", list(report.classes)),
                ("rows", report.rows),
                ("unpredicted", report.unpredicted),
                ("unknown", report.unknown),
                ("seconds", round(report.seconds, 3)),
            ]
        )
    settings.say(
        f"done: {report.rows:,} predictions of {', '.join(report.classes)} in {report.seconds:,.1f} s. Try: "
        f'crantdb sql "FROM neuron_transmitters(ROOT)"'
    )
