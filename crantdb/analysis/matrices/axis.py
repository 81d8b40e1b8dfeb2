"""One axis of a nested matrix: its neurons in order, in blocks of one cell type each."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

import polars as pl

from crantdb.analysis.matrices.frames import Frame, among, as_frame, column, ids_in, texts_in
from crantdb.analysis.matrices.ranking import By
from crantdb.errors import BadArgument

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from crantdb.analysis.matrices.ordering import Order, TypeRule, WithinRule

_Label = TypeVar("_Label", int, str)
_LOG = logging.getLogger(__name__)
_LABEL = re.compile(r"^([A-Za-z]+)(\d*)(.*)$", re.DOTALL)
_ID, _TYPE = " id", " type"
"""Names that no annotation column has: the parsed id and type of a row."""


@dataclass(frozen=True, eq=False, slots=True)
class Axis:
    """The neurons of one axis: blocks of one cell type each, then those without a type.

    Attributes:
        ids: root ids in the order shown.
        boundaries: where each type's block begins and ends (half-open), in order.
        types: the type of each neuron that has one.
    """

    ids: tuple[int, ...]
    boundaries: Mapping[str, tuple[int, int]]
    types: Mapping[int, str]

    @property
    def typed(self) -> tuple[int, ...]:
        """The neurons in blocks."""
        return self.ids[: self.typed_end]

    @property
    def untyped(self) -> tuple[int, ...]:
        """The neurons behind the last block: annotated without a type, then not annotated."""
        return self.ids[self.typed_end :]

    @property
    def typed_end(self) -> int:
        """Where the last block ends."""
        return max((end for _, end in self.boundaries.values()), default=0)

    def starts(self) -> list[int]:
        """Return where each block begins."""
        return [start for start, _ in self.boundaries.values()]

    def sizes(self) -> list[int]:
        """Return how many neurons each block has."""
        return [end - start for start, end in self.boundaries.values()]


def given_axis(
    ids: Iterable[int], boundaries: Mapping[str, tuple[int, int]], types: Mapping[int, str], what: str
) -> Axis:
    """Return an axis whose order was given.

    Raises:
        BadArgument: when a neuron stands there twice, or the blocks do not follow one upon the other from 0 on
            with the neurons whose type they bear.
    """
    listed = tuple(ids)
    if len(set(listed)) != len(listed):
        msg = f"{what}: a neuron stands there twice"
        raise BadArgument(msg)
    at = 0
    for name, (start, end) in boundaries.items():
        if start != at or end <= start or end > len(listed):
            msg = f"{what}: block {name!r} is [{start}, {end}), but the one before ends at {at}, the axis at {len(listed)}"
            raise BadArgument(msg)
        stray = [neuron for neuron in listed[start:end] if types.get(neuron) != name]
        if stray:
            msg = (
                f"{what}: neuron {stray[0]} stands in block {name!r} but its type is {types.get(stray[0])!r}"
            )
            raise BadArgument(msg)
        at = end
    return Axis(listed, MappingProxyType(dict(boundaries)), MappingProxyType(dict(types)))


@dataclass(frozen=True, eq=False, slots=True)
class Annotations:
    """Annotations with one row a neuron, in the order in which neurons first appear.

    Attributes:
        rows: the columns as given, and the parsed id and type.
    """

    rows: pl.DataFrame

    def ids(self) -> pl.Series:
        """Return the annotated neurons."""
        return self.rows[_ID]

    def of_types(self, types: Iterable[str]) -> set[int]:
        """Return the neurons of some types."""
        return set(self.rows.filter(pl.col(_TYPE).is_in(list(types)))[_ID].to_list())

    def types(self) -> set[str]:
        """Return the types that there are."""
        return set(self.rows[_TYPE].drop_nulls().to_list())


def read_annotations(annotations: Frame, id_column: str, type_column: str) -> Annotations:
    """Read annotations; of several rows of a neuron the first with a type counts.

    Raises:
        BadArgument: when a column is missing.
        NotAnId: when an id is NULL or none.
    """
    frame = as_frame(annotations, "neuron_annotations")
    ids = ids_in(column(frame, id_column, "neuron_annotations"), f"neuron_annotations.{id_column}")
    types = texts_in(column(frame, type_column, "neuron_annotations"))
    rows = frame.with_columns(ids.alias(_ID), types.alias(_TYPE)).with_row_index(" row")
    first = rows.group_by(_ID, maintain_order=True).agg(pl.col(" row").min().alias(" first"))
    best = rows.sort(pl.col(_TYPE).is_null(), " row").unique(_ID, keep="first", maintain_order=True)
    return Annotations(best.join(first, on=_ID).sort(" first").drop(" row", " first"))


def build_axis(ids: Iterable[int], annotations: Annotations, order: Order) -> Axis:
    """Return the axis of some neurons: typed blocks, then untyped, then not annotated neurons, both by id.

    Args:
        ids: the neurons, each once.
        annotations: what is known of them.
        order: how types and neurons are ordered.

    Raises:
        BadArgument: when a callable of the order does not return what it was given.
    """
    wanted = set(ids)
    known = among(annotations.rows, _ID, wanted)
    typed = known.filter(pl.col(_TYPE).is_not_null())
    blocks = {str(name): rows for (name,), rows in typed.group_by(_TYPE, maintain_order=True)}
    ordered: list[int] = []
    boundaries: dict[str, tuple[int, int]] = {}
    for name in _types_in_order({name: len(rows) for name, rows in blocks.items()}, order.type_rule):
        neurons = _neurons_in_order(blocks[name], name, order.rule_of(name))
        boundaries[name] = (len(ordered), len(ordered) + len(neurons))
        ordered += neurons
    untyped = known.filter(pl.col(_TYPE).is_null())[_ID].sort().to_list()
    missing = sorted(wanted - set(known[_ID].to_list()))
    types = dict(zip(typed[_ID].to_list(), typed[_TYPE].to_list(), strict=True))
    return Axis((*ordered, *untyped, *missing), MappingProxyType(boundaries), MappingProxyType(types))


def label_key(label: str) -> tuple[str, float, str]:
    """Return the sort key of a type: its letters, then its number (none counts as the highest): ER1, ER2, ER10, ER."""
    match = _LABEL.match(label)
    if match is None:
        return label.upper(), float("inf"), label
    letters, number, _ = match.groups()
    return letters.upper(), int(number) if number else float("inf"), label


def _types_in_order(sizes: Mapping[str, int], rule: TypeRule) -> list[str]:
    """Return types in the order that a rule gives."""
    plain = sorted(sizes, key=label_key)
    if rule == "label":
        return plain
    if rule == "size":
        return sorted(plain, key=lambda name: -sizes[name])
    if callable(rule):
        return _whole(list(rule(list(plain))), plain, "order.types")
    return _preferred(plain, rule)


def _preferred(plain: Sequence[str], first: Iterable[str]) -> list[str]:
    """Return types with some put first; an entry all in capitals also takes the types that begin with it."""
    wanted = list(dict.fromkeys(entry.strip() for entry in first))
    exact = set(wanted)
    result: list[str] = []
    for entry in wanted:
        begun = (
            [name for name in plain if name.startswith(entry) and name not in exact]
            if entry.isupper()
            else []
        )
        found = [name for name in plain if name == entry] + begun
        if not found:
            _LOG.warning("order.types names %r, which no neuron here has", entry)
        result += [name for name in found if name not in result]
    return result + [name for name in plain if name not in result]


def _neurons_in_order(rows: pl.DataFrame, cell_type: str, rule: WithinRule) -> list[int]:
    """Return a block's neurons in the order that a rule gives."""
    ids: list[int] = rows[_ID].to_list()
    if rule == "annotation":
        return ids
    if rule == "id":
        return sorted(ids)
    if isinstance(rule, By):
        seen = rows.drop(_ID, _TYPE).to_dicts()
        if rule.optional and None in (labels := [rule.label(row) for row in seen]):
            _LOG.warning(
                "%s: %d neuron(s) have no column of the ring in %s and stand last",
                cell_type,
                labels.count(None),
                " or ".join(rule.columns),
            )
        return [ids[place] for place in rule.sort(seen, cell_type)]
    assert callable(rule)  # noqa: S101 - the order was checked when it was made
    return _whole(list(rule(rows.drop(_TYPE).rename({_ID: "id"}))), ids, f"order.within[{cell_type!r}]")


def _whole(got: list[_Label], given: Sequence[_Label], what: str) -> list[_Label]:
    """Check that a callable returned each of what it was given, once."""
    if sorted(got) != sorted(given):
        lacks, strange = sorted(set(given) - set(got)), sorted(set(got) - set(given))
        msg = f"{what} must return each of the {len(given)} it is given once: it lacks {lacks[:5]}, adds {strange[:5]}"
        raise BadArgument(msg)
    return got
