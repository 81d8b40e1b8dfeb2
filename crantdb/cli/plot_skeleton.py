"""The verb plot skeleton: L2 skeletons of neurons with their synapses, from three sides."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TextIO

import click

from crantdb.cli.choosing import said_aloud, selecting, some_neurons
from crantdb.cli.settings import Settings, verb
from crantdb.cli.swc import making
from crantdb.errors import BadArgument
from crantdb.warehouse.catalog import connect
from crantdb.warehouse.durable import file_asked_for

_FORMATS = frozenset({".png", ".pdf", ".svg"})


@verb("skeleton")
@selecting
@making
@click.option("--synapses/--no-synapses", default=True, help="Draw synapses too (default).")
@click.option("--title", default="", help="A title above the picture (default: the root ids).")
@click.option("--snapshot", type=int, help="The snapshot's number (default: the current one).")
@click.option("--version", type=int, help="The materialization version (default: the main one).")
@click.option(
    "-o",
    "--out",
    "path",
    type=click.Path(path_type=Path),
    required=True,
    help="The picture: .png, .pdf or .svg.",
)
def skeleton_verb(
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
    """Draw the L2 skeletons of neurons with their synapses, from the front, the side and above."""
    from crantdb.analysis.skeleton_picture import draw_skeletons
    from crantdb.analysis.skeletons import SkeletonOptions, get_l2_skeletons

    if path.suffix.lower() not in _FORMATS:
        msg = f"{path} is no picture by its name: end it in {', '.join(sorted(_FORMATS))}"
        raise BadArgument(msg)
    con = connect(settings.warehouse, snapshot, version)
    with said_aloud(settings):
        wanted = some_neurons(con, roots, text_file, where)
    options = SkeletonOptions(how["method"], how["missing"], how["heal"], how["reroot"], how["prune_nm"])
    made = get_l2_skeletons(con, wanted, options, attach_synapses=how["synapses"], update_ids=False)
    figure = draw_skeletons(made, title=how["title"])
    with file_asked_for(path) as handle:
        figure.savefig(handle, dpi=200, format=path.suffix[1:].lower())
    settings.say(f"wrote {path}: {len(made):,} neurons")
