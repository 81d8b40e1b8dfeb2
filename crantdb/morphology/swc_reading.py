"""SWC in: any writer's, checked, in nm, parents before children."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from crantdb.errors import BadSwc
from crantdb.ids import MAX_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_META = re.compile(r"#\s*meta:\s*(\{.*\})\s*$", re.IGNORECASE)
_MICRO = re.compile(r"(1\s*)?(um|µm|μm|micron(s)?|micrometers?|micrometres?)", re.IGNORECASE)
_NANO = re.compile(r"(1\s*)?(nm|nanometers?|nanometres?)", re.IGNORECASE)
_EXACT = 2.0**53


@dataclass(frozen=True, eq=False)
class SwcTree:
    """A neuron as read from SWC, parents before children.

    Attributes:
        node_id: int64 (n,), the ids of the file.
        label: int64 (n,), the types of the file.
        xyz_nm: float64 (n, 3).
        radius_nm: float64 (n,), as the file has it: may be 0 or NaN.
        parent: int64 (n,), index of the parent, -1 for a root; less than the node's own index.
        meta: the JSON of the ``# Meta:`` line; empty where there is none.
        comments: the comment lines, without ``#``.
    """

    node_id: NDArray[np.int64]
    label: NDArray[np.int64]
    xyz_nm: NDArray[np.float64]
    radius_nm: NDArray[np.float64]
    parent: NDArray[np.int64]
    meta: Mapping[str, Any] = field(repr=False)
    comments: tuple[str, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.node_id)

    @property
    def cable_nm(self) -> float:
        """Length of all links together in nm."""
        child = np.flatnonzero(self.parent >= 0)
        step = self.xyz_nm[child] - self.xyz_nm[self.parent[child]]
        return float(np.sqrt((step**2).sum(axis=1)).sum())

    @property
    def roots(self) -> NDArray[np.int64]:
        """Indices of the roots, ascending."""
        return np.flatnonzero(self.parent < 0)


def read_swc(text: bytes | str, *, units: Literal["nm", "um"] | None = None) -> SwcTree:
    r"""Return the neuron that an SWC holds; several roots are several parts.

    Blanks or tabs, CRLF, a byte order mark, comments anywhere, columns after the seventh, ids in any order and
    with gaps, children before parents: all taken. Stubs that pipelines leave for failures are single nodes.

    Args:
        text: the file's content.
        units: of its positions and radii; None: as its ``# Meta:`` line says, else nm, which L2 skeletons of
            CRANTb and FlyWire are in (the format's own convention is µm).

    Raises:
        BadSwc: for rows that are not numbers, no rows, positions that are not finite, ids repeated or beyond
            int64, parents that are not there, circles.
    """
    lines = (
        text.decode("utf-8-sig") if isinstance(text, bytes) else text.removeprefix("\ufeff")
    ).splitlines()
    comments = tuple(line.strip()[1:].strip() for line in lines if line.lstrip().startswith("#"))
    meta = _meta(lines)
    columns = _columns(lines)
    ids, parents = _whole(columns[0], "id"), _whole(columns[6], "parent")
    order, parent = _parents_first(ids, parents)
    scale = _nm_per_unit(units, meta)
    xyz = np.stack(columns[2:5], axis=1) * scale
    if not np.isfinite(xyz).all():
        bad = ids[~np.isfinite(xyz).all(axis=1)]
        msg = f"{len(bad)} node(s) without a finite position, e.g. id {bad[0]}"
        raise BadSwc(msg)
    label = _whole(columns[1], "type")
    return SwcTree(
        ids[order],
        label[order],
        xyz[order],
        columns[5][order].astype(np.float64) * scale,
        parent,
        meta,
        comments,
    )


def _meta(lines: list[str]) -> Mapping[str, Any]:
    """Return the JSON of the line that navis and crantdb write; empty where there is none or it is broken."""
    for line in lines:
        found = _META.match(line.strip())
        if found:
            try:
                return dict(json.loads(found[1]))
            except ValueError:
                return {}
    return {}


def _columns(lines: list[str]) -> list[NDArray[Any]]:
    """Return the seven columns: ids, type and parent as whole numbers where they are written so."""
    rows = [line.partition("#")[0].replace("\t", " ") for line in lines]
    body = "\n".join(row for row in rows if row.strip())
    if not body:
        msg = "no rows: this is no SWC, or an empty one"
        raise BadSwc(msg)
    names = ("id", "type", "x", "y", "z", "radius", "parent")
    for whole in (np.int64, np.float64):
        kinds = [(name, whole if name in {"id", "type", "parent"} else np.float64) for name in names]
        try:
            table = np.loadtxt(io.StringIO(body), dtype=kinds, usecols=range(7), ndmin=1, comments=None)
        except (ValueError, OverflowError) as error:
            reason = error
            continue
        return [table[name] for name in names]
    msg = f"a row is not seven numbers ({reason})"
    raise BadSwc(msg)


def _whole(column: NDArray[Any], name: str) -> NDArray[np.int64]:
    """Return ids written as whole numbers, or as decimals that are whole and exact."""
    if column.dtype == np.int64:
        return column
    if not (
        np.isfinite(column).all() and (np.abs(column) < _EXACT).all() and (np.rint(column) == column).all()
    ):
        msg = f"column {name} is not of whole numbers up to {MAX_ID}"
        raise BadSwc(msg)
    return column.astype(np.int64)


def _parents_first(
    ids: NDArray[np.int64], parents: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return an order in which parents come first (the file's, where it does), and each one's parent in it."""
    by_id = np.argsort(ids, kind="stable")
    twice = ids[by_id][1:][ids[by_id][1:] == ids[by_id][:-1]]
    if len(twice):
        msg = f"{len(twice)} id(s) stand twice, e.g. {twice[0]}"
        raise BadSwc(msg)
    above = by_id.take(np.searchsorted(ids[by_id], parents), mode="clip")
    lost = (parents != -1) & (ids[above] != parents)
    if lost.any():
        msg = f"{int(lost.sum())} parent(s) are not there, e.g. {parents[lost][0]} of node {ids[lost][0]}"
        raise BadSwc(msg)
    own = np.arange(len(ids))
    parent = np.where(parents == -1, -1, above)
    if (parent < own).all():
        return own, parent
    order = np.argsort(_depth(parent, ids), kind="stable")
    place = np.empty(len(ids), dtype=np.int64)
    place[order] = own
    return order, np.where(parent[order] < 0, -1, place[parent[order]])


def _depth(parent: NDArray[np.int64], ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of links from each node to its root."""
    at = parent.copy()
    depth = (parent >= 0).astype(np.int64)
    for _ in range(len(parent).bit_length() + 1):
        going = at >= 0
        if not going.any():
            return depth
        depth[going] += depth[at[going]]
        at[going] = at[at[going]]
    msg = f"{int((at >= 0).sum())} node(s) have no root above them, e.g. {ids[at >= 0][0]}: their parents go in a circle"
    raise BadSwc(msg)


def _nm_per_unit(units: str | None, meta: Mapping[str, Any]) -> float:
    """Return how many nm a unit of the file is."""
    said = str(units or meta.get("units") or "nm").strip()
    if _NANO.fullmatch(said):
        return 1.0
    if _MICRO.fullmatch(said):
        return 1000.0
    msg = f"units {said!r} are neither nm nor um: say units="
    raise BadSwc(msg)
