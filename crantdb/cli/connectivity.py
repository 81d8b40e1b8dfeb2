"""The verbs partners, adjacency, synapses and types: who talks to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TextIO

import click

from crantdb.cli.choosing import (
    neurons_of,
    pinned,
    predicate,
    rules,
    said_aloud,
    selecting,
    some_neurons,
    thresholded,
)
from crantdb.cli.results import check_path, give
from crantdb.cli.settings import OUTPUTS, Settings, verb
from crantdb.warehouse.catalog import connect

if TYPE_CHECKING:
    from pathlib import Path

ALL_OUTPUTS = (*OUTPUTS, "parquet")
DIRECTIONS = ("both", "downstream", "upstream")


@verb("partners", outputs=ALL_OUTPUTS)
@selecting
@click.option("--direction", type=click.Choice(DIRECTIONS), default="both", show_default=True)
@click.option(
    "--top", type=click.IntRange(min=1), help="Only so many partners a neuron and direction, the strongest."
)
@thresholded
@pinned
def partners_verb(
    settings: Settings,
    *,
    roots: tuple[str, ...],
    text_file: TextIO | None,
    where: str | None,
    direction: str,
    top: int | None,
    path: Path | None,
    snapshot: int | None,
    version: int | None,
    **options: Any,  # noqa: ANN401 - those of `thresholded`
) -> None:
    """List the partners of ROOT…: weight, share of the neuron's in- or output, type, side, proofreading."""
    from crantdb.analysis.answers import call

    check_path(settings, path)
    con = connect(settings.warehouse, snapshot, version)
    with said_aloud(settings):
        wanted = some_neurons(con, roots, text_file, where)
    columns = "*" if settings.output != "table" else "* EXCLUDE (size_sum, cell_instance, status)"
    kept = "" if direction == "both" else f"WHERE direction = '{direction}'"
    if top is not None:
        kept += (
            " QUALIFY row_number() OVER (PARTITION BY neuron, direction ORDER BY weight DESC, partner) "
            f"<= {top}"
        )
    behind = f"{kept} ORDER BY neuron, direction, weight DESC, partner"
    give(
        settings,
        call(con, "partners", [wanted], rules(**options), select=f"SELECT {columns}", behind=behind),
        path,
    )


@verb("adjacency", outputs=ALL_OUTPUTS)
@selecting
@click.option(
    "--to",
    "to_roots",
    multiple=True,
    help="A neuron that hears; repeat for more (default: the same as ROOT…).",
)
@predicate("--to-where", says="The neurons that hear, by a predicate.")
@click.option("--matrix", is_flag=True, help="One row a neuron that tells, one column a neuron that hears.")
@thresholded
@pinned
def adjacency_verb(
    settings: Settings,
    *,
    roots: tuple[str, ...],
    text_file: TextIO | None,
    where: str | None,
    to_roots: tuple[str, ...],
    to_where: str | None,
    matrix: bool,
    path: Path | None,
    snapshot: int | None,
    version: int | None,
    **options: Any,  # noqa: ANN401 - those of `thresholded`
) -> None:
    """Count the synapses from each of ROOT… onto each of --to, or among ROOT…; without any, of the whole brain."""
    from crantdb.analysis.answers import call

    check_path(settings, path)
    con = connect(settings.warehouse, snapshot, version)
    with said_aloud(settings):
        pre = neurons_of(con, roots, text_file, where)
        given = bool(to_roots or to_where)
        post = neurons_of(con, to_roots, where=to_where) if given else pre
    arguments = rules(**options)
    if not matrix:
        give(settings, call(con, "adjacency", [pre, post], arguments, behind="ORDER BY pre, post"), path)
        return
    from crantdb.analysis.adjacency import matrix_of

    wide = matrix_of(con, pre, post, arguments).to_polars()  # noqa: F841 - DuckDB reads it by its name
    give(settings, con.sql("FROM wide"), path)


@verb("synapses", outputs=ALL_OUTPUTS)
@selecting
@click.option("--direction", type=click.Choice(DIRECTIONS), default="both", show_default=True)
@click.option(
    "--to", "to_roots", multiple=True, help="A neuron that hears; repeat for more. Then whole rows come."
)
@thresholded
@pinned
def synapses_verb(
    settings: Settings,
    *,
    roots: tuple[str, ...],
    text_file: TextIO | None,
    where: str | None,
    direction: str,
    to_roots: tuple[str, ...],
    path: Path | None,
    snapshot: int | None,
    version: int | None,
    **options: Any,  # noqa: ANN401 - those of `thresholded`
) -> None:
    """List the synapses of ROOT…, each once; with --to, those from ROOT… onto --to, whole rows. Positions in nm."""
    from crantdb.analysis.answers import call

    check_path(settings, path)
    con = connect(settings.warehouse, snapshot, version)
    with said_aloud(settings):
        wanted = some_neurons(con, roots, text_file, where)
        hearing = neurons_of(con, to_roots)
    arguments = rules(**options)
    order = "ORDER BY pre_pt_root_id, post_pt_root_id, id"
    if hearing is not None:
        give(settings, call(con, "synapses_between", [wanted, hearing], arguments, behind=order), path)
        return
    if direction != "both":
        arguments["upstream" if direction == "downstream" else "downstream"] = "false"
    give(settings, call(con, "synapses_of", [wanted], arguments, behind=order), path)


@verb("types", outputs=ALL_OUTPUTS)
@click.option("--level", default="cell_type", show_default=True, help="cell_class, super_class, side, …")
@click.option("--between", is_flag=True, help="Which types talk to which, and how much.")
@thresholded
@pinned
def types_verb(
    settings: Settings,
    level: str,
    *,
    between: bool,
    path: Path | None,
    snapshot: int | None,
    version: int | None,
    **options: Any,  # noqa: ANN401 - those of `thresholded`
) -> None:
    """List the types of neurons at a level of annotation, by size; --between: which talk to which."""
    from crantdb.analysis.answers import call
    from crantdb.analysis.neurons import level_argument

    check_path(settings, path)
    con = connect(settings.warehouse, snapshot, version)
    arguments = {"of_level": level_argument(level)} | rules(**options)
    if not con.sql("FROM neurons LIMIT 1").fetchall():
        settings.say("crantdb: no neuron is annotated in this snapshot: its SeaTable was never synced")
    if between:
        order = "ORDER BY weight DESC, pre_type, post_type"
        give(settings, call(con, "type_connectivity", given=arguments, behind=order), path)
        return
    give(settings, call(con, "type_counts", given=arguments, behind="ORDER BY neurons DESC, label"), path)
