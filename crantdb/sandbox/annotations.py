"""Annotation tables of the generated brain: live tables, and what a version froze of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from crantdb.sandbox.annotation_schemas import SCHEMA_TYPES
from crantdb.sandbox.given import IMAGERY, GivenTable, Resolution

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from crantdb.sandbox.history import History

FOREVER = 1_000
_NOON_US = 1_767_268_800_000_000  # 2026-01-01 12:00, before every version
_STEP_US = 3_000_137


@dataclass(frozen=True, slots=True)
class Points:
    """The points of a table's rows.

    Attributes:
        voxels: positions in the table's voxels, shape (n, 3).
        supervoxel: the supervoxel at each point, 0 outside of the segmentation; None when not bound.
        is_null: rows without a point.
        is_pending: rows whose supervoxel has not been looked up: its id and root id are NULL.
    """

    voxels: NDArray[np.int64]
    supervoxel: NDArray[np.int64] | None = None
    is_null: NDArray[np.bool_] | None = None
    is_pending: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class LiveTable:
    """One annotation table as it lives on the server, all rows it ever had.

    Attributes:
        name: the table's name.
        schema_type: its annotation schema.
        ids: ascending.
        values: the plain columns.
        points: the points by name.
        since: the version from which each row is there.
        until: the version from which it is gone (superseded); `FOREVER` for most.
        superceded_by: the id of the row that took its place, 0 for none.
        resolution: nm a voxel of its points.
        reference_table: the table its ``target_id`` points into.
        read_permission: PUBLIC or PRIVATE.
        notice_text: the owner's notice.
        description: free text.
        user_id: the owner.
    """

    name: str
    schema_type: str
    ids: NDArray[np.int64]
    values: Mapping[str, pa.Array] = field(default_factory=dict)
    points: Mapping[str, Points] = field(default_factory=dict)
    since: NDArray[np.int64] | None = None
    until: NDArray[np.int64] | None = None
    superceded_by: NDArray[np.int64] | None = None
    resolution: Resolution = IMAGERY
    reference_table: str | None = None
    read_permission: str = "PUBLIC"
    notice_text: str | None = None
    description: str = ""
    user_id: str = "0"

    def freeze(self, history: History, *, version: int, at_us: int, is_merged: bool) -> GivenTable:
        """Return the table as a version holds it, its root ids those of the version's moment.

        Args:
            history: where root ids come from.
            version: the version's number.
            at_us: its moment, in µs since 1970.
            is_merged: a split version also holds superseded rows, as invalid ones.
        """
        begun = np.full(len(self.ids), 0) if self.since is None else self.since
        ended = np.full(len(self.ids), FOREVER) if self.until is None else self.until
        valid = (begun <= version) & (version < ended)
        kept = np.flatnonzero(valid if is_merged else begun <= version)
        return GivenTable(
            self.name,
            self._rows(history, kept, valid[kept], at_us),
            schema_type=self.schema_type,
            voxel_resolution=self.resolution,
            reference_table=self.reference_table,
            read_permission=self.read_permission,
            notice_text=self.notice_text,
            description=self.description,
            user_id=self.user_id,
        )

    def _rows(
        self, history: History, kept: NDArray[np.int64], valid: NDArray[np.bool_], at_us: int
    ) -> pa.Table:
        """Return the kept rows in the order of the schema, with the bookkeeping at the end."""
        columns = {"id": pa.array(self.ids[kept]), "valid": pa.array(valid)}
        parts = {name: column.take(pa.array(kept)) for name, column in self.values.items()}
        for name, points in self.points.items():
            parts |= _point_columns(name, points, kept, history=history, at_us=at_us)
        for name, kind in SCHEMA_TYPES[self.schema_type].columns():
            columns[name] = parts[name].cast(kind)
        created = _NOON_US + (self.ids[kept] % 1_000_000) * _STEP_US
        by = np.zeros(len(kept), dtype=np.int64) if self.superceded_by is None else self.superceded_by[kept]
        columns["created"] = pa.array(created).cast(pa.timestamp("us"))
        columns["superceded_id"] = pa.array(by, mask=(by == 0) | valid)
        return pa.table(columns)


def _point_columns(
    name: str, points: Points, kept: NDArray[np.int64], *, history: History, at_us: int
) -> dict[str, pa.Array]:
    """Return the columns of a point for the kept rows."""
    none = np.zeros(len(points.voxels), dtype=bool)
    is_null = (none if points.is_null is None else points.is_null)[kept]
    voxels = points.voxels[kept]
    out = {
        f"{name}_position_{axis}": pa.array(voxels[:, number], mask=is_null)
        for number, axis in enumerate("xyz")
    }
    if points.supervoxel is None:
        return out
    supervoxel = points.supervoxel[kept]
    unknown = is_null | (none if points.is_pending is None else points.is_pending)[kept]
    out[f"{name}_supervoxel_id"] = pa.array(supervoxel, mask=unknown)
    out[f"{name}_root_id"] = pa.array(history.roots_at(supervoxel, at_us), mask=unknown)
    return out
