"""The columns of a served table: the model's names, and the physical columns each stands for.

The materialization engine thinks in model columns: a point is one column, ``pre_pt_position``, which it
serves as three integers. Filters, selections and the ``column_names`` header use the model's names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Iterable

_AXES = ("_x", "_y", "_z")
_ID_NAMES = frozenset({"id", "target_id", "valid_id", "superceded_id"})
_SEGMENTATION = ("_supervoxel_id", "_root_id")
_BOOKKEEPING = ("created", "deleted", "superceded_id")
# The moment from which `created` counts where the given rows do not say it, in µs since 1970 (2026-03-01 noon).
_EPOCH_US = 1_772_366_400_000_000


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the model.

    Attributes:
        name: the model's name.
        parts: the physical columns, three for a point; none for a column that is named but not served.
        type: the Arrow type of the parts as stored.
    """

    name: str
    parts: tuple[str, ...]
    type: pa.DataType

    @property
    def is_point(self) -> bool:
        """Whether the column is a point."""
        return len(self.parts) == 3

    @property
    def is_segmentation(self) -> bool:
        """Whether the column comes from the segmentation table (supervoxel and root ids)."""
        return self.name.endswith(_SEGMENTATION)


def stored(rows: pa.Table, *, is_view: bool) -> pa.Table:
    """Return given rows in the types in which they are stored; a table's with ``valid`` and the bookkeeping.

    Ids become int64, ``user_id`` and ``group_id`` int32, single floats double, timestamps µs in UTC.
    """
    out = pa.table({field.name: _stored_column(rows[field.name], field) for field in rows.schema})
    if is_view:
        return out
    if "valid" not in out.column_names:
        out = out.add_column(1, "valid", pa.repeat(pa.scalar(value=True), len(out)))
    out = out.select(["id", "valid", *(name for name in out.column_names if name not in {"id", "valid"})])
    if "created" not in out.column_names:
        out = out.append_column("created", _created(out["id"]))
    if "superceded_id" not in out.column_names:
        out = out.append_column("superceded_id", pa.nulls(len(out), pa.int64()))
    return out


def _stored_column(values: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    """Return a column in the type in which it is stored."""
    kind, name = field.type, field.name
    if name in _ID_NAMES or name.endswith(_SEGMENTATION):
        return values.cast(pa.int64())
    if name in {"user_id", "group_id"}:
        return values.cast(pa.int32())
    if pa.types.is_floating(kind):
        return values.cast(pa.float64())
    if pa.types.is_timestamp(kind):
        return values.cast(pa.timestamp("us", kind.tz)).cast(pa.timestamp("us"))
    if pa.types.is_dictionary(kind) or pa.types.is_large_string(kind):
        return values.cast(pa.string())
    return values


def _created(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a made-up time of creation, three seconds and a bit between neighbouring ids."""
    low = pc.bit_wise_and(ids, pa.scalar(0xFFFFF, pa.int64()))
    micros = pc.add(pc.multiply(low, pa.scalar(3_000_137, pa.int64())), pa.scalar(_EPOCH_US, pa.int64()))
    return micros.cast(pa.timestamp("us"))


def model(schema: pa.Schema) -> tuple[Column, ...]:
    """Return the model's columns of a stored table, in the order of a merged version."""
    names = list(schema.names)
    out = []
    for name in names:
        base = name[:-2]
        if name.endswith("_position_x") and {base + axis for axis in _AXES} <= set(names):
            out.append(Column(base, tuple(base + axis for axis in _AXES), schema.field(name).type))
        elif not (name.endswith(("_position_y", "_position_z")) and base + "_x" in names):
            out.append(Column(name, (name,), schema.field(name).type))
    return tuple(out)


def served(columns: Iterable[Column], *, is_merged: bool) -> tuple[Column, ...]:
    """Return the model's columns as a version has them.

    A merged version has no bookkeeping. A split one has it behind the id (``deleted`` in name only) and
    all segmentation columns at the end.
    """
    by_name = {column.name: column for column in columns}
    plain = [column for column in by_name.values() if column.name not in _BOOKKEEPING]
    if is_merged:
        return tuple(plain)
    deleted = Column("deleted", (), pa.timestamp("us"))
    book = [by_name["created"], deleted, by_name["superceded_id"]]
    rest = [column for column in plain if column.name not in {"id", "valid"}]
    annotation = [column for column in rest if not column.is_segmentation]
    segmentation = [column for column in rest if column.is_segmentation]
    return (by_name["id"], *book, by_name["valid"], *annotation, *segmentation)
