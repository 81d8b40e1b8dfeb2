"""Neurons in whatever form they are given: ids, criteria, a predicate."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from crantdb.analysis.answers import schema_of
from crantdb.analysis.criteria import NeuronCriteria
from crantdb.analysis.mapping import brought_here, parsed_ids
from crantdb.analysis.predicate import Where

if TYPE_CHECKING:
    from collections.abc import Iterable

    import duckdb
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from crantdb.analysis.answers import Materialization

Neurons: TypeAlias = (
    "int | str | Iterable[int] | Iterable[str] | NDArray[np.int64] | pl.Series | NeuronCriteria | Where"
)
"""Neurons as a caller may give them: one id or many, as numbers or text of digits, or what to choose them by."""


def chosen(
    con: duckdb.DuckDBPyConnection, neurons: Neurons, schema: str = "main", *, update_ids: bool = True
) -> NDArray[np.int64]:
    """Return the root ids of neurons at the snapshot's moment, shape (n,), in the order given, each once.

    Args:
        con: a connection of `crantdb.connect`.
        neurons: ids, `NeuronCriteria` or `Where`; the latter two give roots of that moment by themselves.
        schema: the schema of the version.
        update_ids: whether ids are mapped to that moment first; without, they are taken as they are.

    Raises:
        NotAnId: for what is no id.
        NoMatches, BadArgument, QueryRefused: as the criteria or the predicate.

    Warns:
        IdsMapped: when ids are not roots of that moment.
    """
    if isinstance(neurons, (NeuronCriteria, Where)):
        return neurons.get_roots(con, schema)
    ids = parsed_ids(neurons)
    return brought_here(con, ids, schema) if update_ids and ids.size else ids


def chosen_at(
    con: duckdb.DuckDBPyConnection,
    neurons: Neurons,
    materialization: Materialization = "latest",
    *,
    update_ids: bool = True,
) -> tuple[NDArray[np.int64], str]:
    """Return what `chosen` returns of neurons at a version's moment, and the schema that the version stands in.

    Raises:
        NoSuchSnapshot, BadArgument: as `schema_of`.
        NotAnId, NoMatches, QueryRefused: as `chosen`.
    """
    schema = schema_of(con, materialization)
    return chosen(con, neurons, schema, update_ids=update_ids), schema


def chosen_or_all(
    con: duckdb.DuckDBPyConnection, neurons: Neurons | None, schema: str = "main", *, update_ids: bool = True
) -> NDArray[np.int64] | None:
    """Return what `chosen` returns; None, which stands for every neuron, stays None."""
    return None if neurons is None else chosen(con, neurons, schema, update_ids=update_ids)
