"""Which neurons, and which connections: the options that the verbs of connectivity share."""

from __future__ import annotations

import csv
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import duckdb
    import numpy as np
    from numpy.typing import NDArray

    from crantdb.cli.settings import Settings


def pinned(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that pin a verb to a snapshot and a version, and -o PATH for Parquet."""
    for option in (
        click.option(
            "-o", "--out", "path", type=click.Path(path_type=Path), help="Where --output parquet goes."
        ),
        click.option("--snapshot", type=int, help="The snapshot's number (default: the current one)."),
        click.option("--version", type=int, help="The materialization version (default: the main one)."),
    ):
        function = option(function)
    return function


def thresholded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which connections count."""
    for option in (
        click.option("--keep-root-zero", is_flag=True, help="Keep root 0 (outside the segmentation)."),
        click.option("--keep-autapses", is_flag=True, help="Keep connections of a neuron with itself."),
        click.option(
            "--min-size", type=float, help="The least size of a synapse, as the server gives sizes."
        ),
        click.option(
            "--min-synapses", type=int, default=1, show_default=True, help="The fewest synapses of a pair."
        ),
    ):
        function = option(function)
    return function


def predicate(*names: str, says: str) -> Callable[..., Any]:
    """Return an option that takes a predicate; an empty one is wrong usage, for it would stand for everybody."""

    def given(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
        if value is not None and not value.strip():
            msg = "it is empty; a predicate is, e.g., \"cell_class = 'ER' AND side = 'left'\""
            raise click.BadParameter(msg)
        return value

    return click.option(*names, help=says, callback=given)


def selecting(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ROOT…, and the other ways to say which neurons: a file of ids, or a predicate over `neurons`."""
    for option in (
        predicate("--where", says="Neurons by a predicate: --where \"cell_class = 'ER' AND side = 'left'\"."),
        click.option(
            "-f",
            "--file",
            "text_file",
            type=click.File("r"),
            help="A file of ids, one a line (- for standard input).",
        ),
        click.argument("roots", nargs=-1),
    ):
        function = option(function)
    return function


def neurons_of(
    con: duckdb.DuckDBPyConnection,
    roots: tuple[str, ...],
    text_file: TextIO | None = None,
    where: str | None = None,
) -> NDArray[np.int64] | None:
    """Return the root ids that a verb was given, at the snapshot's moment; None when it was given none.

    Args:
        con: a connection of `crantdb.connect`.
        roots: ids as typed.
        text_file: an open file whose first column holds ids; a first line that is no number is a heading.
        where: a predicate over `neurons`.

    Raises:
        click.UsageError: when neurons are said in two ways.
        CrantdbError: for what is no id or no predicate.
    """
    from crantdb.analysis.chosen import chosen
    from crantdb.analysis.predicate import Where

    said = [way for way in (roots, text_file, where) if way]
    if len(said) > 1:
        msg = "say neurons in one way: as ROOT…, with -f FILE, or with --where"
        raise click.UsageError(msg)
    if where:
        found = chosen(con, Where(where))
        if not found.size:
            click.echo(f"crantdb: no neuron is like that: {where}", err=True)
        return found
    if text_file is not None:
        given = first_column(text_file)
        if not given:
            click.echo(f"crantdb: there is no id in {text_file.name}", err=True)
        return chosen(con, given)
    return chosen(con, roots) if roots else None


def some_neurons(
    con: duckdb.DuckDBPyConnection,
    roots: tuple[str, ...],
    text_file: TextIO | None = None,
    where: str | None = None,
) -> NDArray[np.int64]:
    """Return what `neurons_of` returns, of which there must be some.

    Raises:
        click.UsageError: when there are none.
    """
    found = neurons_of(con, roots, text_file, where)
    if found is None:
        msg = "say which neurons: as ROOT…, with -f FILE, or with --where"
        raise click.UsageError(msg)
    return found


def first_column(text_file: TextIO) -> list[str]:
    """Return the first cells of a file's lines, without empty ones, a heading and a byte order mark."""
    cells = [row[0].lstrip("\ufeff").strip() for row in csv.reader(text_file) if row and row[0].strip()]
    return cells[1:] if cells and not any(letter.isdigit() for letter in cells[0]) else cells


@contextmanager
def said_aloud(settings: Settings) -> Iterator[None]:
    """Print what becomes of ids as a line that is not a result, instead of as Python's warning."""
    from crantdb.analysis.mapping import IdsMapped

    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", IdsMapped)
        yield
    for one in heard:
        if isinstance(one.message, IdsMapped):
            settings.say(f"crantdb: {one.message}")
        else:
            sys.stderr.write(warnings.formatwarning(one.message, one.category, one.filename, one.lineno))


def rules(
    *, min_synapses: int, min_size: float | None, keep_autapses: bool, keep_root_zero: bool
) -> dict[str, str]:
    """Return the options of `thresholded` as arguments of a macro."""
    from crantdb.analysis.answers import thresholds

    given = thresholds(min_synapses, min_size, clean=True)
    given |= {"keep_autapses": "true"} if keep_autapses else {}
    return given | ({"keep_root_zero": "true"} if keep_root_zero else {})
