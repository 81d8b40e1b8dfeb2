"""The verb regions: which synapses lie in which neuropil."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from crantdb.cli.draw import progress_for
from crantdb.cli.output import output_for
from crantdb.cli.settings import Settings, verb
from crantdb.warehouse.layout import open_warehouse

if TYPE_CHECKING:
    from crantdb.morphology.regions import Regions
    from crantdb.sync.regions import RegionsReport

PINNED = "crantb"


@verb("regions")
@click.argument("source")
@click.option(
    "--unit-nm",
    type=float,
    default=1.0,
    show_default=True,
    help="nm a unit of the files' coordinates, e.g. 8.",
)
@click.option("--region", "names", multiple=True, help="Only this region; repeat for more.")
@click.option("--version", type=int, help="A kept materialization version (default: the main one).")
@click.option("--memory", help="Memory it may take, e.g. 8GB (default: a quarter of the machine's).")
def regions_verb(
    settings: Settings,
    source: str,
    *,
    unit_nm: float,
    names: tuple[str, ...],
    version: int | None,
    memory: str | None,
) -> None:
    """Find the regions of every synapse, by the meshes in SOURCE, and keep them as the table synapse_regions.

    SOURCE is a folder of OBJ, PLY, STL or OFF files (one a region, named for it) or of precomputed meshes; or
    `crantb`: CRANTb's published neuropils, fetched at their pinned commit.

    Interrupt it at any moment: the last snapshot stays as it was, and the same command goes on from there.
    """
    from crantdb.sync.regions import sync_regions

    warehouse = open_warehouse(settings.warehouse)
    regions, named = _read(settings, source, unit_nm, names)
    with progress_for(settings) as progress:
        report = sync_regions(
            warehouse, regions, source=named, version=version, memory=memory, progress=progress
        )
    _report(settings, report)


def _read(settings: Settings, source: str, unit_nm: float, names: tuple[str, ...]) -> tuple[Regions, str]:
    """Return the regions of a source, and what the source is called."""
    from crantdb.morphology.regions import chosen
    from crantdb.sources import neuropils
    from crantdb.sources.meshes import read_folder

    if source == PINNED:
        settings.say(f"fetching CRANTb's neuropils from {neuropils.URL}")
        found, named = neuropils.fetch(), neuropils.URL
    else:
        found, named = read_folder(Path(source), unit_nm=unit_nm), Path(source).resolve().name
    settings.say(f"{len(found)} region(s), mesh revision {found.revision}")
    return (chosen(found, names) if names else found), named


def _report(settings: Settings, report: RegionsReport) -> None:
    """Say how many synapses each region has."""
    for name, count in report.open_regions.items():
        settings.say(
            f"note: the surface of {name} is not closed ({count:,} open edges): near its openings it is not sure "
            f"what lies inside"
        )
    if not report.changed:
        settings.say(
            f"nothing to do: snapshot {report.snapshot.number} has the regions of these meshes already"
        )
    else:
        known = report.synapses - report.tested
        behind = f" ({known:,} were known from before)" if known else ""
        settings.say(
            f"done: {report.tested:,} synapses tested in {report.seconds:,.1f} s{behind}. Try: "
            f'crantdb sql "FROM region_synapse_counts() LIMIT 10"'
        )
    output_for(settings.output).rows(["region", "synapses"], list(report.rows.items()))
