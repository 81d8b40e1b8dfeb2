"""What is wrong with the ids and positions of annotation rows, each sort of it under a name."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from crantdb.sandbox.brain import IMAGERY_NM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from crantdb.sandbox.brain import Brain

Kind = Literal[
    "clean",
    "stale",
    "shared",
    "unborn",
    "disagrees",
    "no_supervoxel",
    "no_root",
    "zero_root",
    "zero_both",
    "never_a_root",
    "supervoxel_as_root",
    "unknown_supervoxel",
    "excel",
    "spaces",
    "list",
    "apostrophe",
    "point_zero",
    "thousands",
    "negative_position",
    "decimal_position",
    "short_position",
    "bracketed_position",
    "no_position",
    "blank",
]
"""The sorts: a root that an edit has replaced (`stale`), that another row has too (`shared`), that no
materialization knows yet (`unborn`); root and supervoxel of two neurons (`disagrees`); a root that never was;
ids as spreadsheets leave them; positions that are not three whole numbers; nothing at all (`blank`)."""

_NO_ROOT = frozenset(
    {"no_root", "zero_root", "zero_both", "excel", "list", "thousands", "blank", "apostrophe"}
)


@dataclass(frozen=True, slots=True)
class RowTruth:
    """What an annotation row says, and what is so.

    Attributes:
        kind: what is wrong with it.
        supervoxel: the supervoxel that the row names; 0 for none, or none that exists.
        typed_root: the root that its ``root_id`` names when read strictly (digits, blanks taken off); None when
            it names none.
        at_supervoxel: the supervoxel at its position in truth, also where the row does not name it; 0 for none.
        voxels: its position in voxels of 8 x 8 x 42 nm; None when the text is none.
    """

    kind: Kind
    supervoxel: int
    typed_root: int | None
    at_supervoxel: int
    voxels: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True)
class Anchor:
    """A point that a row annotates.

    Attributes:
        supervoxel: at the point.
        voxels: the point.
        root: of the supervoxel at the newest materialization.
        early: its root before most edits.
        late: its root after all edits.
    """

    supervoxel: int
    voxels: tuple[int, int, int]
    root: int
    early: int
    late: int


def anchors(brain: Brain, nodes: NDArray[np.int64], early_us: int, newest_us: int) -> list[Anchor]:
    """Return nodes of a brain as anchors; moments in µs since 1970."""
    points = brain.points(nodes, IMAGERY_NM)
    late = int(brain.history.times_us[-1]) if len(brain.history.times_us) else newest_us
    roots = [brain.roots(nodes, at).tolist() for at in (newest_us, early_us, late)]
    supervoxels = brain.pieces.node_supervoxel[nodes].tolist()
    places = [(int(x), int(y), int(z)) for x, y, z in points.voxels.tolist()]
    return [Anchor(*parts) for parts in zip(supervoxels, places, *roots, strict=True)]


def texts(kind: Kind, here: Anchor, other: Anchor) -> tuple[dict[str, str | None], RowTruth]:
    """Return the cells ``root_id``, ``supervoxel_id`` and ``position`` of a row, and the truth about it.

    Args:
        kind: what is to be wrong with it.
        here: what the row annotates.
        other: another object, for rows that mix two up.
    """
    root = _root(kind, here, other)
    supervoxel = _supervoxel(kind, here)
    place = _PLACES.get(kind, _PLACES["clean"])(here.voxels)
    typed = root.strip() if root and kind not in _NO_ROOT else ""
    known = kind not in {"no_supervoxel", "zero_both", "unknown_supervoxel", "blank"}
    truth = RowTruth(
        kind,
        supervoxel=here.supervoxel if known else 0,
        typed_root=int(typed) if typed.isdigit() else None,
        at_supervoxel=here.supervoxel,
        voxels=_voxels(place),
    )
    return {"root_id": root, "supervoxel_id": supervoxel, "position": place}, truth


def _root(kind: Kind, here: Anchor, other: Anchor) -> str | None:
    """Return the text of a row's root id."""
    root = here.root
    forms: Mapping[str, str | None] = {
        "stale": str(here.early),
        "unborn": str(here.late),
        "disagrees": str(other.root),
        "no_root": "",
        "zero_root": "0",
        "zero_both": "0",
        "never_a_root": str((root >> 56 << 56) + (1 << 50) + root % 9973),
        "supervoxel_as_root": str(here.supervoxel),
        "excel": f"{root:.5E}",
        "spaces": f"\u00a0 {root} ",
        "list": f"{root}, {other.root}",
        "apostrophe": f"'{root}",
        "point_zero": f"{root}.0",
        "thousands": f"{root:,}",
        "blank": None,
    }
    return forms.get(kind, str(root))


def _supervoxel(kind: Kind, here: Anchor) -> str | None:
    """Return the text of a row's supervoxel id."""
    forms: Mapping[str, str | None] = {
        "no_supervoxel": "",
        "zero_both": "0",
        "unknown_supervoxel": str(here.supervoxel + 999_983),
        "blank": None,
    }
    return forms.get(kind, str(here.supervoxel))


def _voxels(place: str | None) -> tuple[float, float, float] | None:
    """Return a position's three numbers; None when there are not three."""
    parts = (place or "").strip("[]").split(",")
    return (float(parts[0]), float(parts[1]), float(parts[2])) if len(parts) == 3 else None


_PLACES: Mapping[str, Callable[[tuple[int, int, int]], str | None]] = MappingProxyType(
    {
        "clean": lambda at: f"{at[0]}, {at[1]}, {at[2]}",
        "negative_position": lambda at: f"-{at[0]}, {at[1]}, {at[2]}",
        "decimal_position": lambda at: f"{at[0]}.25, {at[1]}.5, {at[2]}.75",
        "short_position": lambda at: f"{at[0]}, {at[1]}",
        "bracketed_position": lambda at: f"[{at[0]}, {at[1]}, {at[2]}]",
        "no_position": lambda _: "",
        "blank": lambda _: None,
    }
)
