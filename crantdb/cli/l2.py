"""The part of `sync` that mirrors L2 data: whose, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TextIO

import click

from crantdb.cli.choosing import first_column, predicate
from crantdb.cli.draw import progress_for
from crantdb.cli.output import output_for
from crantdb.sources.l2 import ROOTS_AT_ONCE
from crantdb.warehouse.catalog import connect
from crantdb.warehouse.snapshot import current

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from crantdb.cli.settings import Settings
    from crantdb.config import Config
    from crantdb.sources.cave import Cave
    from crantdb.sync.l2 import L2Report
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import Snapshot

_SHOWN = 10
_MEAN_IDS = 420
"""L2 ids of a neuron of CRANTb, about."""


def choosing_roots(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say whose L2 data to mirror."""
    for option in (
        predicate("--where", says="l2: neurons by a predicate, e.g. --where \"cell_class = 'ER'\"."),
        click.option(
            "-f",
            "--file",
            "text_file",
            type=click.File("r"),
            help="l2: a file of root ids, one a line (- for standard input).",
        ),
    ):
        function = option(function)
    return function


def run_l2(
    settings: Settings,
    warehouse: Warehouse,
    config: Config,
    cave: Cave,
    *,
    roots: tuple[str, ...] = (),
    text_file: TextIO | None = None,
    where: str | None = None,
    memory: str | None = None,
) -> None:
    """Mirror the L2 data of neurons, and print what came of it.

    Args:
        settings: what every verb understands.
        warehouse: where.
        config: its configuration.
        cave: the datastack.
        roots: root ids as typed.
        text_file: a file of root ids.
        where: a predicate over `neurons`.
        memory: the memory promise.

    Raises:
        CrantdbError: as `sync_l2`, and for what is no id, no predicate or no neuron.
    """
    from crantdb.sync.l2 import sync_l2

    wanted = _wanted(warehouse, config, roots, text_file, where=where)
    with progress_for(settings) as progress:
        report = sync_l2(cave, warehouse, config, wanted, progress, memory=memory)
    _told(settings, report)


def skeletons_due(snapshot: Snapshot) -> str | None:
    """Return a line where L2 data are mirrored but the main version has no skeletons of them yet, else None."""
    if "l2.l2_members" not in snapshot.shared or "derived.neuron_metrics" in snapshot.main.tables:
        return None
    return (
        f"skeletons of version {snapshot.main.version} are not made yet: crantdb sync l2 makes them of what is mirrored, "
        f"and asks only for roots that are new"
    )


def planned_l2(
    warehouse: Warehouse,
    config: Config,
    *,
    roots: tuple[str, ...] = (),
    text_file: TextIO | None = None,
    where: str | None = None,
) -> str:
    """Return what a sync of L2 data would ask for, in words; nothing is asked.

    Args:
        warehouse: where.
        config: its configuration.
        roots: root ids as typed.
        text_file: a file of root ids.
        where: a predicate over `neurons`.

    Raises:
        CrantdbError: as `run_l2`.
    """
    from crantdb.morphology.store import mirrored

    if current(warehouse) is None:
        return "L2 data: of which neurons is known once their annotations are mirrored"
    wanted = _wanted(warehouse, config, roots, text_file, where=where)
    with connect(warehouse.root) as con:
        new = len(wanted) - len(mirrored(con, wanted))
        [(missing,)] = con.sql("SELECT count(*) FROM l2_missing").fetchall()
    ids = new * _MEAN_IDS + missing
    requests = new + -(-new // ROOTS_AT_ONCE) + -(-ids // config.l2.ids_at_once)
    return (
        f"L2 data of {len(wanted):,} roots, {new:,} of them new; {missing:,} L2 ids that the cache lacked are asked "
        f"for again: about {requests:,} requests"
    )


def _wanted(
    warehouse: Warehouse,
    config: Config,
    roots: tuple[str, ...],
    text_file: TextIO | None,
    *,
    where: str | None,
) -> NDArray[np.int64]:
    """Return whose L2 data to mirror; ids as typed are taken as they are: L2 data are facts of no moment."""
    from crantdb.analysis.l2_roots import roots_to_mirror
    from crantdb.analysis.mapping import parsed_ids

    if sum(map(bool, (roots, text_file, where))) > 1:
        msg = "say neurons in one way: as ROOT…, with -f FILE, or with --where"
        raise click.UsageError(msg)
    if text_file is not None:
        return parsed_ids(first_column(text_file))
    if roots:
        return parsed_ids(roots)
    if current(warehouse) is None:
        msg = "nothing is mirrored yet, so no annotation says whose L2 data to mirror: give ROOT… or -f FILE"
        raise click.UsageError(msg)
    with connect(warehouse.root) as con:
        return roots_to_mirror(con, where or config.l2.where)


def _told(settings: Settings, report: L2Report) -> None:
    """Print what a sync of L2 data did."""
    if settings.output != "table":
        names = ("changed", "roots", "new_roots", "new_nodes", "missing", "skeletons", "requests")
        pairs = [(name, getattr(report, name)) for name in names]
        snapshot = None if report.snapshot is None else report.snapshot.number
        told = [
            ("failed", {str(root): why for root, why in report.failed.items()}),
            ("stale", list(report.stale)),
        ]
        output_for(settings.output).record([("snapshot", snapshot), *pairs, *told])
    _say_some(settings, "no L2 data of", report.failed)
    _say_some(settings, "no skeleton yet of", report.without_skeleton)
    if report.stale:
        settings.say(
            f"{len(report.stale):,} roots are mirrored, but are not the version's: they are in none of its tables"
        )
    what = "done" if report.changed else "nothing to do"
    settings.say(
        f"{what}: L2 data of {report.roots:,} roots, {report.new_roots:,} of them new; {report.new_nodes:,} L2 ids "
        f"came, {report.missing:,} are not in the cache yet; {report.skeletons:,} skeletons "
        f"({report.seconds:,.1f} s, {report.requests:,} requests). Try: crantdb swc --help"
    )


def _say_some(settings: Settings, what: str, reasons: Any) -> None:  # noqa: ANN401 - a mapping of root to reason
    """Name the first few roots with the reason."""
    for root, why in list(reasons.items())[:_SHOWN]:
        settings.say(f"{what} {root}: {why}")
    if len(reasons) > _SHOWN:
        settings.say(f"… and of {len(reasons) - _SHOWN:,} more")
