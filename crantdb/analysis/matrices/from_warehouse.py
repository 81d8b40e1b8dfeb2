"""Nested matrices from a warehouse in one call: neurons, their annotations and their connections from one snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl

from crantdb.analysis.answers import Materialization, schema_of, thresholds
from crantdb.analysis.chosen import Neurons, chosen
from crantdb.analysis.matrices.assembling import WEIGHT_NAMES
from crantdb.analysis.matrices.collection import NeuropilCollection
from crantdb.analysis.matrices.connections import MODES, relative
from crantdb.analysis.matrices.frames import among
from crantdb.analysis.regions import named_regions
from crantdb.errors import BadArgument

if TYPE_CHECKING:
    from collections.abc import Iterable

    import duckdb

    from crantdb.analysis.matrices.blocks import BlockMatrix
    from crantdb.analysis.matrices.connections import Scope, WeightMode
    from crantdb.analysis.matrices.directed import DirectedNestedMatrix
    from crantdb.analysis.matrices.nested import NestedMatrix

    Square = TypeVar("Square", bound=NestedMatrix)
    Directed = TypeVar("Directed", bound=DirectedNestedMatrix)
    Matrix = TypeVar("Matrix", bound=BlockMatrix)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What is asked of the warehouse.

    Attributes:
        cell_type_column: which level of annotation makes the blocks: a column of `neurons`.
        weight_mode: ``count``: synapses; ``column``: their sizes, summed; ``relative_outgoing``, ``relative_incoming``:
            synapses as share of the source's or the target's.
        normalization_scope: relative to what: ``selected``: the neurons shown; ``all``: the whole brain.
        threshold: the fewest synapses of a pair (in a region, where one is asked for).
        min_size: the least size of a synapse; None for all.
        clean: whether autapses and root 0 are dropped.
        region: synapses of this region alone; None: all.
        materialization: a version that the connection holds.
        update_ids: whether ids are first mapped to the snapshot's moment.
        order: of the types and neurons, as `NestedMatrix.order` makes it.
        source_order: of the rows of a directed matrix, in the place of `order`.
        target_order: of its columns.
    """

    cell_type_column: str = "cell_type"
    weight_mode: WeightMode = "count"
    normalization_scope: Scope = "selected"
    threshold: int = 1
    min_size: float | None = None
    clean: bool = True
    region: str | None = None
    materialization: Materialization = "latest"
    update_ids: bool = True
    order: Any = None
    source_order: Any = None
    target_order: Any = None

    def __post_init__(self) -> None:
        """Check the mode.

        Raises:
            BadArgument: when it is none.
        """
        if self.weight_mode not in MODES:
            msg = f"weight_mode {self.weight_mode!r} is none of {', '.join(MODES)}"
            raise BadArgument(msg)

    @property
    def weight_name(self) -> str:
        """What a weight counts."""
        return WEIGHT_NAMES.get(self.weight_mode, "size of synapses")


class _Reader:
    """Reads neurons and connections of one version."""

    def __init__(self, con: duckdb.DuckDBPyConnection, asking: Asking) -> None:
        self._con = con
        self._asking = asking
        self._schema = schema_of(con, asking.materialization)
        self.neurons: pl.DataFrame = con.sql(f'FROM "{self._schema}".neurons').pl()
        if asking.cell_type_column not in self.neurons.columns:
            texts = [name for name, kind in self.neurons.schema.items() if kind == pl.String]
            msg = (
                f"neurons have no column {asking.cell_type_column!r}; columns of text are {', '.join(texts)}"
            )
            raise BadArgument(msg)

    def selected(self, neurons: Neurons | None, types: Iterable[str] | str | None) -> list[int]:
        """Return the neurons asked for and those of the types asked for; with neither, all that have a type.

        Raises:
            BadArgument: when no neuron is of a type.
        """
        column = self._asking.cell_type_column
        typed = self.neurons.filter(pl.col(column).is_not_null())
        if neurons is None and types is None:
            return typed["root_id"].to_list()
        wanted = [] if types is None else [types] if isinstance(types, str) else list(types)
        unknown = sorted(set(wanted) - set(typed[column].to_list()))
        if unknown:
            known = ", ".join(sorted(set(typed[column].to_list()))[:12]) or "none"
            msg = f"no neuron's {column} is {unknown[0]!r}; there are {known} …"
            raise BadArgument(msg)
        named: list[int] = []
        if neurons is not None:
            named = chosen(self._con, neurons, self._schema, update_ids=self._asking.update_ids).tolist()
        return list(dict.fromkeys([*named, *typed.filter(pl.col(column).is_in(wanted))["root_id"].to_list()]))

    def pairs(self, sources: list[int], targets: list[int], regions: list[str] | None) -> pl.DataFrame:
        """Return `pre`, `post`, `weight` (with `region` when regions are asked for), not yet relative.

        Where weights are relative to the whole brain, the pairs of its other neurons are among them.
        """
        asking = self._asking
        whole = asking.normalization_scope == "all"
        of_pre = None if whole and asking.weight_mode == "relative_incoming" else sources
        of_post = None if whole and asking.weight_mode == "relative_outgoing" else targets
        weight = "coalesce(size_sum, 0)" if asking.weight_mode == "column" else "weight"
        given = thresholds(asking.threshold, asking.min_size, clean=asking.clean)
        macro, where = ("adjacency", "") if regions is None else ("region_adjacency", "region, ")
        if regions:
            given["in_regions"] = "?"
        named = ", ".join(f"{name} := {value}" for name, value in given.items())
        rows: pl.DataFrame = self._con.sql(
            f'SELECT {where}pre, post, {weight} AS weight FROM "{self._schema}".{macro}(?, ?, {named})',
            params=[of_pre, of_post, *([regions] if regions else [])],
        ).pl()
        return rows

    def in_region(self) -> list[str] | None:
        """Return the one region asked for as a list."""
        if self._asking.region is None:
            return None
        return named_regions(self._con, self._asking.region, self._asking.materialization)


def square_from(
    kind: type[Square],
    con: duckdb.DuckDBPyConnection,
    *,
    neurons: Neurons | None = None,
    types: Iterable[str] | str | None = None,
    **asked: Any,  # noqa: ANN401 - of `Asking`, which names them
) -> Square:
    """Return the nested matrix of some neurons of a warehouse; those without a connection are shown too.

    Args:
        kind: the class to build.
        con: a connection of `crantdb.connect`.
        neurons: ids, `NeuronCriteria` or a predicate.
        types: all neurons of these types; with neither, every neuron that has a type.
        **asked: the fields of `Asking`.

    Raises:
        BadArgument: when a type, column, region or setting is not there.
        NotAnId, NoMatches, QueryRefused, NoSuchSnapshot, NoSuchTable: as every function of neurons.

    Warns:
        IdsMapped: when ids are not roots of the snapshot's moment.
    """
    asking = Asking(**asked)
    reader = _Reader(con, asking)
    ids = reader.selected(neurons, types)
    return _square(kind, reader, asking, ids, reader.pairs(ids, ids, reader.in_region()))


def _square(
    kind: type[Square], reader: _Reader, asking: Asking, ids: list[int], pairs: pl.DataFrame
) -> Square:
    """Build a square matrix of pairs."""
    return kind.from_connectivity(
        _relative(pairs, asking, ids, ids),
        reader.neurons,
        cell_type_column=asking.cell_type_column,
        order=asking.order,
        annotation_scope="all",
        neurons=ids,
        weight=asking.weight_name,
    )


def directed_from(
    kind: type[Directed],
    con: duckdb.DuckDBPyConnection,
    *,
    source_neurons: Neurons | None = None,
    source_types: Iterable[str] | str | None = None,
    target_neurons: Neurons | None = None,
    target_types: Iterable[str] | str | None = None,
    **asked: Any,  # noqa: ANN401 - of `Asking`, which names them
) -> Directed:
    """Return the directed nested matrix from some neurons of a warehouse to others.

    Args:
        kind: the class to build.
        con: a connection of `crantdb.connect`.
        source_neurons: the rows: ids, `NeuronCriteria` or a predicate.
        source_types: and all neurons of these types; with neither, every neuron that has a type.
        target_neurons: the columns, likewise.
        target_types: likewise.
        **asked: the fields of `Asking`.

    Raises:
        BadArgument, NotAnId, NoMatches, QueryRefused, NoSuchSnapshot, NoSuchTable: as `square_from`.

    Warns:
        IdsMapped: when ids are not roots of the snapshot's moment.
    """
    asking = Asking(**asked)
    reader = _Reader(con, asking)
    sources = reader.selected(source_neurons, source_types)
    targets = reader.selected(target_neurons, target_types)
    return _directed(
        kind, reader, asking, (sources, targets), reader.pairs(sources, targets, reader.in_region())
    )


def _directed(
    kind: type[Directed],
    reader: _Reader,
    asking: Asking,
    ends: tuple[list[int], list[int]],
    pairs: pl.DataFrame,
) -> Directed:
    """Build a directed matrix of pairs."""
    return kind.from_connectivity(
        _relative(pairs, asking, *ends),
        reader.neurons,
        cell_type_column=asking.cell_type_column,
        annotation_scope="all",
        weight=asking.weight_name,
        source_ids=ends[0],
        target_ids=ends[1],
        order=asking.order,
        source_order=asking.source_order,
        target_order=asking.target_order,
    )


def _relative(pairs: pl.DataFrame, asking: Asking, sources: list[int], targets: list[int]) -> pl.DataFrame:
    """Return the pairs shown, as shares where that is asked for."""
    shown = among(among(pairs, "pre", sources), "post", targets)
    return relative(shown, pairs, mode=asking.weight_mode, scope=asking.normalization_scope)


def matrices_by_region(
    kind: type[Matrix],
    con: duckdb.DuckDBPyConnection,
    regions: Iterable[str] | str | None = None,
    *,
    include_other: bool = True,
    **asked: Any,  # noqa: ANN401 - of `square_from` or `directed_from`
) -> NeuropilCollection[Matrix]:
    """Return a matrix a region of a warehouse, all of the same neurons, so that they can be laid side by side.

    Args:
        kind: `NestedMatrix` or `DirectedNestedMatrix`.
        con: a connection of `crantdb.connect`, whose snapshot has `synapse_regions`.
        regions: the regions; None for all in which the neurons have a synapse.
        include_other: whether what lies in none is one of them, when all are asked for.
        **asked: what `from_connection` takes, but for `region`. Relative weights are relative within a region.

    Raises:
        BadArgument, NotAnId, NoMatches, QueryRefused, NoSuchSnapshot, NoSuchTable: as `square_from`.

    Warns:
        IdsMapped: when ids are not roots of the snapshot's moment.
    """
    from crantdb.analysis.matrices.nested import NestedMatrix  # noqa: PLC0415 - it knows this module

    ends = {
        name: asked.pop(name, None)
        for name in ("neurons", "types", "source_neurons", "source_types", "target_neurons", "target_types")
        if name in asked
    }
    asking = Asking(**asked)
    reader = _Reader(con, asking)
    listed = named_regions(con, regions, asking.materialization)
    directed = not issubclass(kind, NestedMatrix)
    if directed:
        sources = reader.selected(ends.get("source_neurons"), ends.get("source_types"))
        targets = reader.selected(ends.get("target_neurons"), ends.get("target_types"))
    else:
        sources = targets = reader.selected(ends.get("neurons"), ends.get("types"))
    pairs = reader.pairs(sources, targets, listed or [])
    made: NeuropilCollection[Any] = NeuropilCollection()
    for (name,), rows in sorted(pairs.partition_by("region", as_dict=True).items(), key=_other_last):
        if name == "other" and listed is None and not include_other:
            continue
        part = rows.drop("region")
        made[str(name)] = (
            _directed(kind, reader, asking, (sources, targets), part)  # type: ignore[type-var]
            if directed
            else _square(kind, reader, asking, sources, part)  # type: ignore[type-var]
        )
    return made


def _other_last(item: tuple[tuple[object, ...], pl.DataFrame]) -> tuple[bool, str]:
    """Order regions by name, `other` last."""
    name = str(item[0][0])
    return name == "other", name
