"""From connections and annotations to the numbers and axes of a nested matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from crantdb.analysis.adjacency import check_cells
from crantdb.analysis.matrices.axis import Annotations, Axis, build_axis
from crantdb.analysis.matrices.connections import Connections, between, relative, summed
from crantdb.errors import BadArgument

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl
    from numpy.typing import NDArray

    from crantdb.analysis.matrices.connections import Scope, WeightMode
    from crantdb.analysis.matrices.ordering import Order

AnnotationScope: TypeAlias = Literal["annotated_only", "all"]

WEIGHT_NAMES = {
    "count": "synapses",
    "relative_outgoing": "share of output",
    "relative_incoming": "share of input",
}


@dataclass(frozen=True, slots=True)
class Weighing:
    """What a number counts.

    Attributes:
        mode: how weights are made of synapses.
        scope: which synapses a relative weight's total counts.
        name: what it is called.
    """

    mode: WeightMode = "count"
    scope: Scope = "selected"
    name: str = "weight"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which neurons an axis shows: those of some types and those named, together; with neither, all that there are.

    Attributes:
        types: cell types, or None.
        ids: neurons, which are shown even without a connection, or None.
    """

    types: frozenset[str] | None = None
    ids: tuple[int, ...] | None = None

    @classmethod
    def of(cls, types: Iterable[str] | str | None, ids: Iterable[int] | None) -> Selection:
        """Return a selection; a single type may be given as text."""
        listed = [types] if isinstance(types, str) else types
        named = None if listed is None else frozenset(str(entry).strip() for entry in listed)
        return cls(named, None if ids is None else tuple(dict.fromkeys(ids)))

    def among(self, there: set[int], annotations: Annotations) -> set[int]:
        """Return the neurons selected.

        Raises:
            BadArgument: when no annotation bears a type.
        """
        if self.types is None and self.ids is None:
            return there
        unknown = sorted((self.types or frozenset()) - annotations.types())
        if unknown:
            known = ", ".join(sorted(annotations.types())[:12]) or "none"
            msg = f"no annotated neuron is of type {unknown[0]!r}; types are {known} …"
            raise BadArgument(msg)
        return (annotations.of_types(self.types or ()) & there) | set(self.ids or ())


EVERYTHING = Selection()


def square(
    connections: Connections,
    annotations: Annotations,
    selected: Selection,
    *,
    order: Order,
    scope: AnnotationScope,
    weighing: Weighing,
) -> tuple[NDArray[Any], Axis]:
    """Return the numbers and the one axis of a square matrix.

    Raises:
        BadArgument: when a scope is none, or the order does not fit.
    """
    kept = within_scope(connections, annotations, scope)
    neurons = selected.among(kept.pre() | kept.post(), annotations)
    axis = build_axis(neurons, annotations, order)
    return dense(_weighed(connections, kept, (neurons, neurons), weighing), axis, axis), axis


def rectangular(
    connections: Connections,
    annotations: Annotations,
    selected: tuple[Selection, Selection],
    *,
    orders: tuple[Order, Order],
    scope: AnnotationScope,
    weighing: Weighing,
) -> tuple[NDArray[Any], Axis, Axis]:
    """Return the numbers and both axes of a matrix from sources to targets.

    Raises:
        BadArgument: when a scope is none, or an order does not fit.
    """
    kept = within_scope(connections, annotations, scope)
    sources = selected[0].among(kept.pre(), annotations)
    targets = selected[1].among(kept.post(), annotations)
    rows, columns = build_axis(sources, annotations, orders[0]), build_axis(targets, annotations, orders[1])
    return dense(_weighed(connections, kept, (sources, targets), weighing), rows, columns), rows, columns


def within_scope(
    connections: Connections, annotations: Annotations, scope: AnnotationScope | str
) -> Connections:
    """Return the connections between annotated neurons (those without a type too), or all.

    Raises:
        BadArgument: when the scope is none.
    """
    if scope == "all":
        return connections
    if scope != "annotated_only":
        msg = f"annotation_scope {scope!r} is neither 'annotated_only' nor 'all'"
        raise BadArgument(msg)
    known = set(annotations.ids().to_list())
    return Connections(
        between(connections.edges, known, known),
        tuple(neuron for neuron in connections.sources if neuron in known),
        tuple(neuron for neuron in connections.targets if neuron in known),
    )


def _weighed(
    given: Connections, kept: Connections, ends: tuple[set[int], set[int]], weighing: Weighing
) -> pl.DataFrame:
    """Return the pairs shown with their weights."""
    shown = summed(between(kept.edges, *ends))
    return relative(shown, given.edges, mode=weighing.mode, scope=weighing.scope)


def dense(edges: pl.DataFrame, rows: Axis, columns: Axis) -> NDArray[Any]:
    """Return pairs as a matrix, 0 where there is none.

    Raises:
        BadArgument: when it would not fit into memory.
    """
    check_cells(len(rows.ids), len(columns.ids))
    whole = edges["weight"].dtype.is_integer()
    values = np.zeros((len(rows.ids), len(columns.ids)), np.int64 if whole else np.float64)
    at = _places(edges["pre"], rows), _places(edges["post"], columns)
    values[at] = edges["weight"].to_numpy()
    return values


def _places(ids: pl.Series, axis: Axis) -> NDArray[np.int64]:
    """Return where ids stand on an axis."""
    order = np.argsort(np.array(axis.ids, np.int64), kind="stable")
    ordered = np.array(axis.ids, np.int64)[order]
    return order[np.searchsorted(ordered, ids.to_numpy())].astype(np.int64)
