"""The verb swc: skeletons of neurons as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from crantdb.cli.choosing import said_aloud, selecting, some_neurons
from crantdb.cli.draw import progress_for
from crantdb.cli.output import output_for
from crantdb.cli.settings import Settings, verb
from crantdb.errors import NoSkeleton
from crantdb.warehouse.catalog import connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from crantdb.morphology.swc_files import Report

_SHOWN = 20


def making(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how skeletons are made."""
    for option in (
        click.option(
            "--prune", "prune_nm", type=float, default=0.0, help="Take off end twigs shorter than this, nm."
        ),
        click.option(
            "--reroot/--no-reroot", default=True, help="Root at the nucleus where it is known (default)."
        ),
        click.option(
            "--heal/--no-heal", default=True, help="Link parts that the L2 graph leaves apart (default)."
        ),
        click.option(
            "--missing",
            type=click.Choice(["interpolate", "drop"]),
            default="interpolate",
            show_default=True,
            help="What to do with L2 ids that the cache lacks.",
        ),
        click.option(
            "--method",
            type=click.Choice(["mst", "teasar", "bfs"]),
            default="mst",
            show_default=True,
            help="The shortest tree; as CAVE's skeleton service; as crantpy and fafbseg.",
        ),
    ):
        function = option(function)
    return function


@verb("swc")
@selecting
@click.option(
    "-o", "--out", "path", type=click.Path(path_type=Path), required=True, help="A folder, or a .zip."
)
@making
@click.option(
    "--units",
    type=click.Choice(["nm", "um"]),
    default="nm",
    show_default=True,
    help="nm is whole and lossless.",
)
@click.option(
    "--attach-synapses",
    is_flag=True,
    help="Write the synapses with their nodes and compartments beside the files.",
)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes.")
@click.option("--snapshot", type=int, help="The snapshot's number (default: the current one).")
@click.option("--version", type=int, help="The materialization version (default: the main one).")
def swc_verb(
    settings: Settings,
    roots: tuple[str, ...],
    text_file: TextIO | None,
    where: str | None,
    *,
    path: Path,
    snapshot: int | None,
    version: int | None,
    **how: Any,  # noqa: ANN401 - the options of `making` and of this verb, as click parsed them
) -> None:
    """Write the L2 skeletons of neurons as SWC, one file each, named by root id; what is up to date is left alone.

    Nothing is asked of a server: `crantdb sync l2` mirrors what skeletons are made of. A neuron without a skeleton
    gets no file, and is named with the reason.
    """
    from crantdb.analysis.attached import SynapseChoice
    from crantdb.analysis.skeletons import SkeletonOptions
    from crantdb.analysis.swc import SwcWish, write_swc

    con = connect(settings.warehouse, snapshot, version)
    with said_aloud(settings):
        wanted = some_neurons(con, roots, text_file, where)
    options = SkeletonOptions(how["method"], how["missing"], how["heal"], how["reroot"], how["prune_nm"])
    synapses = SynapseChoice() if how["attach_synapses"] else None
    wish = SwcWish(options, how["units"], synapses, how["workers"])
    with progress_for(settings) as progress:
        progress.begin("swc", len(wanted), 0)
        report = write_swc(con, wanted, path, wish, done=lambda count: progress.advance("swc", count))
        progress.end("swc")
    _told(settings, report, path)


def _told(settings: Settings, report: Report, path: Path) -> None:
    """Print what became of the neurons.

    Raises:
        NoSkeleton: when some have no file, after those that have one were written.
    """
    counts = [
        ("written", len(report.written)),
        ("up_to_date", len(report.kept)),
        ("failed", len(report.failed)),
    ]
    output_for(settings.output).record([("path", str(path)), *counts])
    for reason in list(report.failed.values())[:_SHOWN]:
        settings.say(f"failed: {reason}")
    if report.failed:
        more = f" (the first {_SHOWN} are named above)" if len(report.failed) > _SHOWN else ""
        msg = (
            f"{len(report.failed)} of the neurons have no skeleton, and no file{more}; all others have theirs"
        )
        raise NoSkeleton(msg)
