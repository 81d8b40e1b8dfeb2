"""The verb neuron: one page about one neuron."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crantdb.cli.choosing import pinned, said_aloud
from crantdb.cli.output import output_for
from crantdb.cli.results import check_path, give
from crantdb.cli.settings import OUTPUTS, Settings, verb
from crantdb.warehouse.catalog import connect

if TYPE_CHECKING:
    from pathlib import Path


@verb("neuron", outputs=(*OUTPUTS, "parquet"))
@click.argument("root")
@click.option(
    "--top",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    help="How many partners of each direction.",
)
@pinned
def neuron_verb(
    settings: Settings, root: str, top: int, *, path: Path | None, snapshot: int | None, version: int | None
) -> None:
    """Say who ROOT is: annotation, status, counts, and its strongest partners. Parquet holds the partners."""
    from crantdb.analysis.answers import call
    from crantdb.analysis.neurons import neuron_page

    check_path(settings, path)
    con = connect(settings.warehouse, snapshot, version)
    with said_aloud(settings):
        page = neuron_page(con, root, top)
    if path is not None:
        give(settings, call(con, "partners", [page.ids]), path)
    elif settings.output == "json":
        output_for("json").record([*page.facts.items(), ("partners", page.partners.to_dicts())])
    elif settings.output == "csv":
        output_for("csv").record(list(page.facts.items()))
    else:
        output_for("table").record([(name, value) for name, value in page.facts.items() if value is not None])
        for direction in ("upstream", "downstream"):
            rows = page.partners.filter(direction=direction).drop("direction")
            if rows.height:
                click.echo(f"\n{direction} partners, the strongest {rows.height}")
                output_for("table").rows(rows.columns, rows.rows())
