"""`DirectedNestedMatrix`: a connectivity matrix whose rows and columns show different neurons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from crantdb.analysis.matrices import ordering, ranking
from crantdb.analysis.matrices.assembling import (
    WEIGHT_NAMES,
    AnnotationScope,
    Selection,
    Weighing,
    rectangular,
)
from crantdb.analysis.matrices.axis import given_axis, read_annotations
from crantdb.analysis.matrices.blocks import BlockMatrix
from crantdb.analysis.matrices.connections import Connections, read_connections, read_synapses
from crantdb.analysis.matrices.frames import Frame, Option, ids_of
from crantdb.errors import BadArgument

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import duckdb

    from crantdb.analysis.matrices.collection import NeuropilCollection
    from crantdb.analysis.matrices.connections import Scope, WeightMode

_NO_BLOCKS: dict[str, tuple[int, int]] = {}
_NO_TYPES: dict[int, str] = {}
_OLDER = frozenset(
    {"source_neurons", "target_neurons", "type_order", "source_type_order", "target_type_order"}
)


class DirectedNestedMatrix(BlockMatrix):
    """A nested matrix from sources (rows) to targets (columns), each axis chosen and ordered by itself.

    Args:
        matrix: the weights, shape (sources, targets).
        source_neurons: root ids of the rows, in order.
        target_neurons: root ids of the columns, in order.
        source_type_boundaries: where each block of rows begins and ends (half-open).
        target_type_boundaries: where each block of columns begins and ends.
        source_neuron_to_type: the type of each source that has one.
        target_neuron_to_type: the type of each target that has one.

    Raises:
        BadArgument: when shape, blocks and types contradict each other.
        NotAnId: when a neuron is no id.
    """

    order = staticmethod(ordering.order)
    by = staticmethod(ranking.by)

    def __init__(
        self,
        matrix: object,
        source_neurons: Iterable[int],
        target_neurons: Iterable[int],
        *,
        source_type_boundaries: Mapping[str, tuple[int, int]] | None = None,
        target_type_boundaries: Mapping[str, tuple[int, int]] | None = None,
        source_neuron_to_type: Mapping[int, str] | None = None,
        target_neuron_to_type: Mapping[int, str] | None = None,
        weight: str = "weight",
    ) -> None:
        rows = given_axis(
            ids_of(source_neurons, "source_neurons"),
            source_type_boundaries or _NO_BLOCKS,
            source_neuron_to_type or _NO_TYPES,
            "source_neurons",
        )
        columns = given_axis(
            ids_of(target_neurons, "target_neurons"),
            target_type_boundaries or _NO_BLOCKS,
            target_neuron_to_type or _NO_TYPES,
            "target_neurons",
        )
        super().__init__(matrix, rows, columns, weight=weight)

    @property
    def source_neurons(self) -> tuple[int, ...]:
        """The root ids of the rows."""
        return self.rows.ids

    @property
    def target_neurons(self) -> tuple[int, ...]:
        """The root ids of the columns."""
        return self.columns.ids

    @property
    def source_type_boundaries(self) -> Mapping[str, tuple[int, int]]:
        """Where each block of rows begins and ends (half-open)."""
        return self.rows.boundaries

    @property
    def target_type_boundaries(self) -> Mapping[str, tuple[int, int]]:
        """Where each block of columns begins and ends (half-open)."""
        return self.columns.boundaries

    @property
    def source_neuron_to_type(self) -> Mapping[int, str]:
        """The type of each source that has one."""
        return self.rows.types

    @property
    def target_neuron_to_type(self) -> Mapping[int, str]:
        """The type of each target that has one."""
        return self.columns.types

    @classmethod
    def from_connectivity(
        cls,
        connections_df: Frame,
        neuron_annotations: Frame,
        *,
        cell_type_column: str = "cell_type",
        neuron_id_column: str = "root_id",
        annotation_scope: AnnotationScope = "annotated_only",
        weight: str = "weight",
        **axes: Option,
    ) -> Self:
        """Build the matrix of an edge list or an adjacency frame.

        Args:
            connections_df: as `NestedMatrix.from_connectivity`.
            neuron_annotations: as there.
            cell_type_column: as there.
            neuron_id_column: as there.
            annotation_scope: as there.
            weight: what a weight counts.
            **axes: of each axis `source_types`, `source_ids` (both together; neither: all that there are),
                `target_types`, `target_ids`; `order` of both, or `source_order` and `target_order`. crantpy's older
                names are known: `source_neurons`, `target_neurons`, `type_order`, `source_type_order`, `target_type_order`.

        Raises:
            BadArgument: when a frame, scope, order or type cannot be used.
            NotAnId: when an id is NULL or none.
        """
        return cls._built(
            read_connections(connections_df),
            neuron_annotations,
            columns=(cell_type_column, neuron_id_column),
            scope=annotation_scope,
            weighing=Weighing(name=weight),
            **axes,
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
        annotation_scope: AnnotationScope = "annotated_only",
        **axes: Option,
    ) -> Self:
        """Build the matrix of synapses, one row each; rows of one ``id`` count once.

        Args:
            synapses_df: the synapses.
            neuron_annotations: as `from_connectivity`.
            pre_col: the column of presynaptic roots.
            post_col: the column of postsynaptic roots.
            weight_mode: as `NestedMatrix.from_synapses`.
            weight_column: as there.
            normalization_scope: ``selected``: relative to the synapses from sources to targets shown; ``all``: to all given.
            cell_type_column: as `from_connectivity`.
            neuron_id_column: as there.
            annotation_scope: as there.
            **axes: as there.

        Raises:
            BadArgument, NotAnId: as `from_connectivity`.
        """
        edges = read_synapses(synapses_df, pre_col, post_col, mode=weight_mode, weight_column=weight_column)
        return cls._built(
            Connections(edges),
            neuron_annotations,
            columns=(cell_type_column, neuron_id_column),
            scope=annotation_scope,
            weighing=Weighing(
                weight_mode, normalization_scope, WEIGHT_NAMES.get(weight_mode, str(weight_column))
            ),
            **axes,
        )

    @classmethod
    def _built(
        cls,
        connections: Connections,
        neuron_annotations: Frame,
        *,
        columns: tuple[str, str],
        scope: AnnotationScope,
        weighing: Weighing,
        source_types: Iterable[str] | str | None = None,
        source_ids: Iterable[int] | None = None,
        target_types: Iterable[str] | str | None = None,
        target_ids: Iterable[int] | None = None,
        order: Any = None,  # noqa: ANN401 - whatever `as_order` takes
        source_order: Any = None,  # noqa: ANN401
        target_order: Any = None,  # noqa: ANN401
        **older: Option,
    ) -> Self:
        """Build the matrix of connections that were read."""
        annotations = read_annotations(neuron_annotations, columns[1], columns[0])
        unknown = sorted(set(older) - _OLDER)
        if unknown:
            msg = f"there is no parameter {unknown[0]!r}: axes take source_types, source_ids, target_types, target_ids and orders"
            raise BadArgument(msg)
        source_ids = ordering.either(source_ids, older.get("source_neurons"), "source_neurons")
        target_ids = ordering.either(target_ids, older.get("target_neurons"), "target_neurons")
        order = ordering.either(order, older.get("type_order"))
        source_order = ordering.either(source_order, older.get("source_type_order"), "source_type_order")
        target_order = ordering.either(target_order, older.get("target_type_order"), "target_type_order")
        values, rows, targets = rectangular(
            connections,
            annotations,
            (
                Selection.of(source_types, None if source_ids is None else ids_of(source_ids, "source_ids")),
                Selection.of(target_types, None if target_ids is None else ids_of(target_ids, "target_ids")),
            ),
            orders=(
                ordering.as_order(order if source_order is None else source_order),
                ordering.as_order(order if target_order is None else target_order),
            ),
            scope=scope,
            weighing=weighing,
        )
        return cls(
            values,
            rows.ids,
            targets.ids,
            source_type_boundaries=rows.boundaries,
            target_type_boundaries=targets.boundaries,
            source_neuron_to_type=rows.types,
            target_neuron_to_type=targets.types,
            weight=weighing.name,
        )

    @classmethod
    def from_synapses_by_neuropil(
        cls, synapses_df: Frame, neuron_annotations: Frame, regions: object, **options: Option
    ) -> NeuropilCollection[Self]:
        """Build a matrix a region of synapses; see `by_region.by_neuropil` for the parameters."""
        from crantdb.analysis.matrices.by_region import by_neuropil  # noqa: PLC0415 - it knows this class

        return by_neuropil(cls, synapses_df, neuron_annotations, regions, **options)

    @classmethod
    def from_connection(cls, con: duckdb.DuckDBPyConnection, **options: Option) -> Self:
        """Build the matrix from a warehouse in one call; see `from_warehouse.directed_from` for the parameters."""
        from crantdb.analysis.matrices.from_warehouse import directed_from  # noqa: PLC0415 - it knows this class

        return directed_from(cls, con, **options)

    @classmethod
    def by_region(
        cls, con: duckdb.DuckDBPyConnection, regions: Iterable[str] | str | None = None, **options: Option
    ) -> NeuropilCollection[Self]:
        """Build a matrix a region from a warehouse; see `from_warehouse.matrices_by_region` for the parameters."""
        from crantdb.analysis.matrices.from_warehouse import matrices_by_region  # noqa: PLC0415 - it knows this class

        return matrices_by_region(cls, con, regions, **options)
