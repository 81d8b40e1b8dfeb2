"""How each object of ids is called on two versions without annotations or history, and what it gives.

In main (and v2) supervoxel 2^56 + i lies in root 2 + i, i from 1 to 9; in v1 in root 1 + i, i from 1 to 4.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tests.warehouse.making import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SHIFT = MappingProxyType({"main": 2, "v2": 2, "v1": 1})
_NUMBER = MappingProxyType({"main": 2, "v2": 2, "v1": 1})
_ONE_OF_EACH = (ROOT + 2, ROOT + 11)
"""A root that only version 1 has, and one that only version 2 has."""
_THIRD = 2**56 + 3


def _own(schema: str) -> int:
    """Return which of the two roots a schema has."""
    return _ONE_OF_EACH[0] if schema == "v1" else _ONE_OF_EACH[1]


def _both(schema: str) -> list[tuple[Any, ...]]:
    """Return the two roots and a supervoxel as `ids_at` gives them."""
    number, third = _NUMBER[schema], ROOT + _SHIFT[schema] + 3
    roots = [
        (root, root, "identity", 1.0, False, "unchanged", number)
        if root == _own(schema)
        else (root, None, None, 0.0, False, "unknown", number)
        for root in _ONE_OF_EACH
    ]
    return [*roots, (_THIRD, third, "supervoxel", 1.0, True, "unchanged", number)]


_NOTHING: Callable[[str], list[tuple[Any, ...]]] = lambda _: []  # noqa: E731 - one of many entries below

CALLS: Mapping[str, tuple[str, Callable[[str], list[tuple[Any, ...]]]]] = MappingProxyType(
    {
        "share_at_least": ("SELECT round({s}.share_at_least(40, 40), 2)", lambda _: [(0.91,)]),
        "root_lives": ("FROM {s}.root_lives", _NOTHING),
        "root_links": ("FROM {s}.root_links", _NOTHING),
        "merged_at_as_of": ("SELECT _id FROM {s}.merged_at_as_of", _NOTHING),
        "duplicate_annotations": ("SELECT _id FROM {s}.duplicate_annotations", _NOTHING),
        "inconsistent_annotations": ("SELECT _id FROM {s}.inconsistent_annotations", _NOTHING),
        "ids_given": (
            "SELECT whole, problem FROM {s}.ids_given(['7', ' 8', '0', '1', '1e5', 'x'])",
            lambda _: [
                *((7, None), (8, None), (None, "empty")),
                *((None, "not an id"), (None, "damaged"), (None, None)),
            ],
        ),
        "standing_roots": (f"FROM {{s}}.standing_roots({[*_ONE_OF_EACH]})", lambda s: [(_own(s),)]),
        "evidence_of_anchors": (f"FROM {{s}}.evidence_of_anchors({[*_ONE_OF_EACH]})", _NOTHING),
        "evidence_of_synapses": (f"FROM {{s}}.evidence_of_synapses({[*_ONE_OF_EACH]})", _NOTHING),
        "evidence_of_lineage": (f"FROM {{s}}.evidence_of_lineage({[*_ONE_OF_EACH]})", _NOTHING),
        "evidence_of_l2": (f"FROM {{s}}.evidence_of_l2({[*_ONE_OF_EACH]})", _NOTHING),
        "places_of": (f"FROM {{s}}.places_of([{_THIRD}])", _NOTHING),
        "roots_of_things": (
            f"FROM {{s}}.roots_of_things([{_THIRD}])",
            lambda s: [(_THIRD, ROOT + _SHIFT[s] + 3, "supervoxel")],
        ),
        "id_evidence": (
            f"SELECT id, new_id, method FROM {{s}}.id_evidence({[*_ONE_OF_EACH]})",
            lambda s: [(_own(s), _own(s), "identity")],
        ),
        "ids_at": (f"SELECT * EXCLUDE (as_of) FROM {{s}}.ids_at({[*_ONE_OF_EACH, _THIRD]})", _both),
        "ids_at_all": (
            f"SELECT old_id, new_id, fraction FROM {{s}}.ids_at_all([{_THIRD}])",
            lambda s: [(_THIRD, ROOT + _SHIFT[s] + 3, 1.0)],
        ),
    }
)
"""By object: the query, with the schema to be put in, and its rows in each schema."""
