"""In which order a matrix shows cell types, and neurons within a type.

Two levels, and no rule of the one reaches into the other: `types` orders the blocks, `default` and `within`
the neurons of a block.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from crantdb.analysis.matrices.ranking import EB_COLUMNS, By
from crantdb.errors import BadArgument

if TYPE_CHECKING:
    import polars as pl

TypeRule: TypeAlias = str | tuple[str, ...] | Callable[[list[str]], Iterable[str]]
WithinRule: TypeAlias = "str | By | Callable[[pl.DataFrame], Iterable[int]]"

_RING = "EPG/PEG"
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Order:
    """How an axis is ordered. Made by `order`.

    Attributes:
        type_rule: ``label``, ``size``, a sequence of types, or a callable that sorts a list of types.
        default_rule: how neurons stand in a block that `within_rules` does not name: ``annotation``, ``id``,
            `by(...)`, a callable, or None (annotation order, but columns of the ring for EPG/PEG).
        within_rules: the rule of single types.
    """

    type_rule: TypeRule = "label"
    default_rule: WithinRule | None = None
    within_rules: Mapping[str, WithinRule] = field(default_factory=lambda: _NOTHING)

    def types(self, rule: str | Iterable[str] | Callable[[list[str]], Iterable[str]]) -> Order:
        """Return this order with another order of types."""
        return replace(self, type_rule=_type_rule(rule))

    def default(self, rule: WithinRule) -> Order:
        """Return this order with another order of neurons in blocks that have no rule of their own."""
        return replace(self, default_rule=_within_rule(rule, "order.default"))

    def within(self, cell_type: str, rule: WithinRule) -> Order:
        """Return this order with a rule for the neurons of one type."""
        rules = {**self.within_rules, cell_type: _within_rule(rule, f"order.within[{cell_type!r}]")}
        return replace(self, within_rules=MappingProxyType(rules))

    def rule_of(self, cell_type: str) -> WithinRule:
        """Return how the neurons of a type are ordered."""
        if cell_type in self.within_rules:
            return self.within_rules[cell_type]
        if self.default_rule is not None:
            return self.default_rule
        return _ring_rule() if cell_type == _RING else "annotation"


def order(
    types: str | Iterable[str] | Callable[[list[str]], Iterable[str]] = "label",
    default: WithinRule | None = None,
    within: Mapping[str, WithinRule] | WithinRule | None = None,
) -> Order:
    """Return an order for an axis of a matrix.

    Args:
        types: ``label`` (ER1, ER2, ER10: letters, then the number), ``size`` (largest block first), a sequence
            of types to put first (an entry all in capitals also takes the types that begin with it), or a
            callable that is given the types and returns them in order.
        default: the rule for neurons in blocks that `within` does not name: ``annotation`` (the order of the
            annotation rows), ``id``, `by(...)`, or a callable that is given a block's annotation rows and
            returns their ids in order. Without it, annotation order; EPG/PEG by the columns of the ring.
        within: a mapping from type to rule; one rule given alone is the default.

    Raises:
        BadArgument: when a rule is none of these.
    """
    if within is not None and not isinstance(within, Mapping):
        if default is not None:
            msg = "order has a rule for all types twice: as default= and as within=. Give it once"
            raise BadArgument(msg)
        default, within = within, None
    made = Order(_type_rule(types))
    if default is not None:
        made = made.default(default)
    for cell_type, rule in (within or {}).items():
        made = made.within(cell_type, rule)
    return made


def as_order(given: Order | Iterable[str] | Mapping[str, Any] | None) -> Order:
    """Return an order from what a constructor takes: an order, a sequence of types, a mapping of its parts, or None.

    Raises:
        BadArgument: when it is none of these, or a bare text (which level would it be of?).
    """
    if given is None:
        return Order()
    if isinstance(given, Order):
        return given
    if isinstance(given, str):
        msg = (
            f"order={given!r} does not say of what: write order(types={given!r}) or order(default={given!r})"
        )
        raise BadArgument(msg)
    if isinstance(given, Mapping):
        unknown = sorted(set(given) - {"types", "default", "within"})
        if unknown:
            msg = f"order has no part {unknown[0]!r}: its parts are types, default and within"
            raise BadArgument(msg)
        return order(**given)
    return Order(_type_rule(given))


def either(new: object, older: object, what: str = "type_order") -> Any:  # noqa: ANN401
    """Return the one of two parameters that was given: it, or what it was called in older crantpy.

    Raises:
        BadArgument: when both were.
    """
    if new is not None and older is not None:
        msg = f"{what} and the newer name for it were both given. Give one"
        raise BadArgument(msg)
    return older if new is None else new


def _ring_rule() -> By:
    """Return the rule of EPG/PEG: the columns around the ellipsoid body, from the instance, else from the subtype."""
    return By(("cell_instance", "cell_subtype"), EB_COLUMNS, re.compile(r"([LR]\d+)\s*$"), optional=True)


def _type_rule(rule: object) -> TypeRule:
    """Check a rule for types."""
    if isinstance(rule, str):
        if rule not in {"label", "size"}:
            msg = (
                f"order.types is {rule!r}: as text it is 'label' or 'size'; a type goes in a list: [{rule!r}]"
            )
            raise BadArgument(msg)
        return rule
    if callable(rule):
        return rule
    return _labels(rule, "order.types")


def _labels(given: object, what: str) -> tuple[str, ...]:
    """Check a sequence of labels, whose order counts."""
    if isinstance(given, (set, frozenset, bytes, Mapping)) or not isinstance(given, Iterable):
        msg = f"{what} is a {type(given).__name__}: give a list of labels, in order"
        raise BadArgument(msg)
    labels = tuple(given)
    for label in labels:
        if not isinstance(label, str):
            msg = f"{what} holds {label!r}: labels are text"
            raise BadArgument(msg)
    return labels


def _within_rule(rule: object, what: str) -> WithinRule:
    """Check a rule for the neurons of a block."""
    if isinstance(rule, str) and rule in {"annotation", "id"}:
        return rule
    if isinstance(rule, By):
        return rule
    if callable(rule):
        return rule
    msg = f"{what} is {rule!r}: give 'annotation', 'id', by(...), or a callable"
    raise BadArgument(msg)
