"""`NestedMatrix`: a square connectivity matrix of neurons in blocks of one cell type each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from crantdb.analysis.matrices import ordering, ranking
from crantdb.analysis.matrices.assembling import WEIGHT_NAMES, AnnotationScope, Selection, Weighing, square
from crantdb.analysis.matrices.axis import given_axis, read_annotations
from crantdb.analysis.matrices.blocks import BlockMatrix
from crantdb.analysis.matrices.connections import Connections, read_connections, read_synapses
from crantdb.analysis.matrices.frames import Frame, Option, ids_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import duckdb

    from crantdb.analysis.matrices.collection import NeuropilCollection
    from crantdb.analysis.matrices.connections import Scope, WeightMode
    from crantdb.analysis.matrices.ordering import Order


class NestedMatrix(BlockMatrix):
    """A square nested matrix: rows are sources, columns targets, and both axes show the same neurons in one order.

    Built from an edge list or adjacency (`from_connectivity`), from synapses (`from_synapses`), by region
    (`from_synapses_by_neuropil`), or from a warehouse in one call (`from_connection`). `order` and `by` make
    the `order=` of each.

    Args:
        matrix: the weights, shape (neurons, neurons).
        type_boundaries: where each type's block begins and ends (half-open), from 0 on without gaps.
        ordered_neurons: root ids, in order.
        neuron_to_type: the type of each neuron that has one.

    Raises:
        BadArgument: when shape, blocks and types contradict each other.
        NotAnId: when a neuron is no id.
    """

    order = staticmethod(ordering.order)
    by = staticmethod(ranking.by)

    def __init__(
        self,
        matrix: object,
        type_boundaries: Mapping[str, tuple[int, int]],
        ordered_neurons: Iterable[int],
        neuron_to_type: Mapping[int, str],
        *,
        weight: str = "weight",
    ) -> None:
        ids = ids_of(ordered_neurons, "ordered_neurons")
        axis = given_axis(ids, type_boundaries, neuron_to_type, "ordered_neurons")
        super().__init__(matrix, axis, axis, weight=weight)

    @property
    def ordered_neurons(self) -> tuple[int, ...]:
        """The root ids, in the order shown."""
        return self.rows.ids

    @property
    def neuron_to_type(self) -> Mapping[int, str]:
        """The type of each neuron that has one."""
        return self.rows.types

    @property
    def type_boundaries(self) -> Mapping[str, tuple[int, int]]:
        """Where each type's block begins and ends (half-open)."""
        return self.rows.boundaries

    @property
    def typed_neurons(self) -> tuple[int, ...]:
        """The neurons in blocks."""
        return self.rows.typed

    @property
    def untyped_neurons(self) -> tuple[int, ...]:
        """The neurons behind the last block."""
        return self.rows.untyped

    @classmethod
    def from_connectivity(
        cls,
        connections_df: Frame,
        neuron_annotations: Frame,
        cell_type_column: str = "cell_type",
        neuron_id_column: str = "root_id",
        *,
        order: Order | Iterable[str] | Mapping[str, Any] | None = None,
        annotation_scope: AnnotationScope = "annotated_only",
        neurons: Iterable[int] | None = None,
        types: Iterable[str] | str | None = None,
        weight: str = "weight",
        type_order: Iterable[str] | None = None,
    ) -> Self:
        """Build the matrix of an edge list or an adjacency frame.

        Args:
            connections_df: an edge list or adjacency (see `connections.read_connections`); repeated pairs add up.
            neuron_annotations: one row or more a neuron; of several, the first with a type counts.
            cell_type_column: its column of types, at whatever level: cell_class, cell_type, …
            neuron_id_column: its column of root ids.
            order: types and neurons in which order: `order(...)`, a sequence of types, or None.
            annotation_scope: ``annotated_only``: edges with both ends annotated; ``all``: every edge.
            neurons: show these, those without a connection too; None: all that are connected.
            types: show the connected neurons of these types (together with `neurons`).
            weight: what a weight counts.
            type_order: crantpy's older name for an `order` that puts types first.

        Raises:
            BadArgument: when a frame, scope or order cannot be used.
            NotAnId: when an id is NULL or none.
        """
        return cls._built(
            read_connections(connections_df),
            neuron_annotations,
            columns=(cell_type_column, neuron_id_column),
            chosen=(types, neurons),
            order=ordering.either(order, type_order),
            scope=annotation_scope,
            weighing=Weighing(name=weight),
        )

    @classmethod
    def from_synapses(
        cls,
        synapses_df: Frame,
        neuron_annotations: Frame,
        pre_col: str = "pre_pt_root_id",
        post_col: str = "post_pt_root_id",
        *,
        weight_mode: WeightMode = "relative_outgoing",
        weight_column: str | None = None,
        normalization_scope: Scope = "selected",
        cell_type_column: str = "cell_type",
        neuron_id_column: str = "root_id",
        order: Order | Iterable[str] | Mapping[str, Any] | None = None,
        annotation_scope: AnnotationScope = "annotated_only",
        neurons: Iterable[int] | None = None,
        types: Iterable[str] | str | None = None,
        type_order: Iterable[str] | None = None,
    ) -> Self:
        """Build the matrix of synapses, one row each; rows of one ``id`` count once.

        Args:
            synapses_df: the synapses.
            neuron_annotations: as `from_connectivity`.
            pre_col: the column of presynaptic roots.
            post_col: the column of postsynaptic roots.
            weight_mode: ``count``: synapses of a pair; ``column``: the sum of `weight_column`;
                ``relative_outgoing``: synapses of a pair as share of the source's; ``relative_incoming``: of the target's.
            weight_column: what to add up, in mode ``column`` alone.
            normalization_scope: relative to what: ``selected``: synapses among the neurons shown; ``all``: every synapse given.
            cell_type_column: as `from_connectivity`.
            neuron_id_column: as `from_connectivity`.
            order: as `from_connectivity`.
            annotation_scope: as `from_connectivity`.
            neurons: as `from_connectivity`.
            types: as `from_connectivity`.
            type_order: as `from_connectivity`.

        Raises:
            BadArgument, NotAnId: as `from_connectivity`.
        """
        edges = read_synapses(synapses_df, pre_col, post_col, mode=weight_mode, weight_column=weight_column)
        return cls._built(
            Connections(edges),
            neuron_annotations,
            columns=(cell_type_column, neuron_id_column),
            chosen=(types, neurons),
            order=ordering.either(order, type_order),
            scope=annotation_scope,
            weighing=Weighing(
                weight_mode, normalization_scope, WEIGHT_NAMES.get(weight_mode, str(weight_column))
            ),
        )

    @classmethod
    def _built(
        cls,
        connections: Connections,
        neuron_annotations: Frame,
        *,
        columns: tuple[str, str],
        chosen: tuple[Iterable[str] | str | None, Iterable[int] | None],
        order: Order | Iterable[str] | Mapping[str, Any] | None,
        scope: AnnotationScope,
        weighing: Weighing,
    ) -> Self:
        """Build the matrix of connections that were read."""
        annotations = read_annotations(neuron_annotations, columns[1], columns[0])
        types, neurons = chosen
        selected = Selection.of(types, None if neurons is None else ids_of(neurons, "neurons"))
        values, axis = square(
            connections,
            annotations,
            selected,
            order=ordering.as_order(order),
            scope=scope,
            weighing=weighing,
        )
        return cls(values, axis.boundaries, axis.ids, axis.types, weight=weighing.name)

    @classmethod
    def from_synapses_by_neuropil(
        cls, synapses_df: Frame, neuron_annotations: Frame, regions: object, **options: Option
    ) -> NeuropilCollection[Self]:
        """Build a matrix a region of synapses; see `by_region.by_neuropil` for the parameters."""
        from crantdb.analysis.matrices.by_region import by_neuropil  # noqa: PLC0415 - it knows this class

        return by_neuropil(cls, synapses_df, neuron_annotations, regions, **options)

    @classmethod
    def from_connection(cls, con: duckdb.DuckDBPyConnection, **options: Option) -> Self:
        """Build the matrix from a warehouse in one call; see `from_warehouse.square_from` for the parameters."""
        from crantdb.analysis.matrices.from_warehouse import square_from  # noqa: PLC0415 - it knows this class

        return square_from(cls, con, **options)

    @classmethod
    def by_region(
        cls, con: duckdb.DuckDBPyConnection, regions: Iterable[str] | str | None = None, **options: Option
    ) -> NeuropilCollection[Self]:
        """Build a matrix a region from a warehouse; see `from_warehouse.matrices_by_region` for the parameters."""
        from crantdb.analysis.matrices.from_warehouse import matrices_by_region  # noqa: PLC0415 - it knows this class

        return matrices_by_region(cls, con, regions, **options)
