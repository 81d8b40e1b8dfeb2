"""The verb plot matrix: a nested connectivity matrix as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from crantdb.cli.choosing import neurons_of, predicate, said_aloud, selecting
from crantdb.cli.output import output_for
from crantdb.cli.settings import Settings, verb
from crantdb.errors import BadArgument
from crantdb.warehouse.catalog import connect

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

    from crantdb.analysis.matrices.blocks import BlockMatrix

LEVELS = ("neuron", "type_sum", "type_mean")
WEIGHTS = ("count", "size", "relative_outgoing", "relative_incoming")


def _matrix_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what the numbers are."""
    options = (
        click.option("--type", "types", multiple=True, help="All neurons of a type; repeat for more."),
        click.option(
            "--to-type", "to_types", multiple=True, help="The columns: neurons of a type; repeat for more."
        ),
        predicate("--to-where", says="The columns: neurons by a predicate (default: as the rows)."),
        click.option(
            "--by",
            "column",
            default="cell_type",
            show_default=True,
            help="Which annotation makes the blocks.",
        ),
        click.option("--weight", type=click.Choice(WEIGHTS), default="count", show_default=True),
        click.option(
            "--of-all",
            is_flag=True,
            help="Relative weights: relative to the whole brain, not to the neurons shown.",
        ),
        click.option("--region", help="Only synapses in this region."),
        click.option(
            "--min-synapses", type=int, default=1, show_default=True, help="The fewest synapses of a pair."
        ),
        click.option("--min-size", type=float, help="The least size of a synapse."),
        click.option("--keep-autapses", is_flag=True, help="Keep connections of a neuron with itself."),
        click.option(
            "--order",
            multiple=True,
            help="Types to put first, repeat for more; or `size`: largest block first.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _picture_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how it looks."""
    options = (
        click.option("--level", type=click.Choice(LEVELS), default="neuron", show_default=True),
        click.option(
            "--names", is_flag=True, help="Name each neuron (its instance, else its id), not each block."
        ),
        click.option(
            "--min-neurons", type=int, default=1, show_default=True, help="Leave out types with fewer."
        ),
        click.option(
            "--vmax-percentile",
            type=float,
            default=100.0,
            show_default=True,
            help="Where the colours end; lower shows middling weights.",
        ),
        click.option(
            "--log/--linear", "log", default=None, help="The scale of colours (default: as the weights need)."
        ),
        click.option("--cmap", help="A colour map of matplotlib."),
        click.option("--title", help="A title above the picture."),
        click.option("--size", help="Inches: width,height (default: as the content needs)."),
    )
    for option in reversed(options):
        function = option(function)
    return function


@verb("matrix")
@selecting
@_matrix_options
@_picture_options
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
def matrix_verb(
    settings: Settings,
    *,
    roots: tuple[str, ...],
    text_file: TextIO | None,
    where: str | None,
    path: Path,
    snapshot: int | None,
    version: int | None,
    **given: Any,  # noqa: ANN401 - the options above
) -> None:
    """Draw the connections of ROOT… as a matrix, neurons in blocks of their type; without any, of all typed neurons."""
    con = connect(settings.warehouse, snapshot, version)
    with said_aloud(settings):
        wanted = neurons_of(con, roots, text_file, where)
        matrix = _matrix(con, wanted, given)
    matrix.plot(
        path,
        given["level"],
        _inches(given["size"]),
        given["names"],
        vmax_percentile=given["vmax_percentile"],
        min_neurons_for_plot=given["min_neurons"],
        title=given["title"],
        cmap=given["cmap"],
        log=given["log"],
        labels=_names(con) if given["names"] else None,
    )
    _report(settings, matrix, path)


def _matrix(con: duckdb.DuckDBPyConnection, wanted: Any, given: dict[str, Any]) -> BlockMatrix:  # noqa: ANN401
    """Build the matrix that the options ask for."""
    from crantdb.analysis.matrices.directed import DirectedNestedMatrix
    from crantdb.analysis.matrices.nested import NestedMatrix
    from crantdb.analysis.predicate import Where

    order = list(given["order"])
    asked: dict[str, Any] = {
        "cell_type_column": given["column"],
        "weight_mode": "column" if given["weight"] == "size" else given["weight"],
        "normalization_scope": "all" if given["of_all"] else "selected",
        "threshold": given["min_synapses"],
        "min_size": given["min_size"],
        "clean": not given["keep_autapses"],
        "region": given["region"],
        "update_ids": False,
        "order": NestedMatrix.order(types=order[0] if order == ["size"] else order or "label"),
    }
    types = given["types"] or None
    if not (given["to_types"] or given["to_where"]):
        return NestedMatrix.from_connection(con, neurons=wanted, types=types, **asked)
    return DirectedNestedMatrix.from_connection(
        con,
        source_neurons=wanted,
        source_types=types,
        target_neurons=Where(given["to_where"]) if given["to_where"] else None,
        target_types=given["to_types"] or None,
        **asked,
    )


def _names(con: duckdb.DuckDBPyConnection) -> dict[int, str]:
    """Return what to call neurons: their instances."""
    found = con.sql("SELECT root_id, cell_instance FROM neurons WHERE cell_instance IS NOT NULL").fetchall()
    return {int(root): str(name) for root, name in found}


def _inches(text: str | None) -> tuple[float, float] | None:
    """Read --size.

    Raises:
        BadArgument: when it is no size.
    """
    if text is None:
        return None
    try:
        width, height = (float(part) for part in text.split(","))
    except ValueError as error:
        msg = f"--size {text!r} is not two numbers: write it like 10,8 (inches)"
        raise BadArgument(msg) from error
    if not (1 <= width <= 100 and 1 <= height <= 100):
        msg = f"--size {text!r}: a picture is 1 to 100 inches wide and high"
        raise BadArgument(msg)
    return width, height


def _report(settings: Settings, matrix: BlockMatrix, path: Path) -> None:
    """Say what was drawn."""
    rows, columns = matrix.array.shape
    if settings.output == "table":
        settings.say(
            f"wrote {path}: {rows:,} x {columns:,} neurons, {len(matrix.rows.boundaries)} x "
            f"{len(matrix.columns.boundaries)} types, {matrix.weight}"
        )
        return
    pairs = [
        ("path", str(path)),
        ("sources", rows),
        ("targets", columns),
        ("source_types", len(matrix.rows.boundaries)),
        ("target_types", len(matrix.columns.boundaries)),
        ("weight", matrix.weight),
        ("total", matrix.array.sum().item()),
    ]
    output_for(settings.output).record(pairs)
