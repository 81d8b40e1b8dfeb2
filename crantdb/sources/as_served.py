"""Rows of a file, cast to what CAVE would serve of them: exact ids, whole voxels, single floats. No network here."""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crantdb.errors import BadFile, ValidationError
from crantdb.sources.dumps import BOOKKEEPING
from crantdb.sources.materialization import id_columns

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from crantdb.sources.dumps import InputFile

_INT32 = (-(2**31), 2**31 - 1)
_NARROW = frozenset({"user_id", "group_id"})
_PLAIN, _WITH_SRID = 29, 33
_HEADS = {_PLAIN: (0x80000001, 1001), _WITH_SRID: (0xA0000001,)}
"""Bytes of a point with three coordinates, and the types that say so, without and with an SRID."""


@dataclass(frozen=True, slots=True)
class Served:
    """Rows as CAVE would serve them.

    Attributes:
        rows: the valid ones.
        invalid: how many were left out because `valid` is not true.
        left_out: the columns that CAVE does not serve, and so are not here either.
    """

    rows: pa.Table
    invalid: int
    left_out: tuple[str, ...]


def as_served(
    rows: pa.Table, file: InputFile, *, table: str, hex_points: Collection[str] = (), exact: bool = False
) -> Served:
    """Cast rows as the server does when it answers a query on a merged version.

    Ids become int64 and never pass through a float. Points become whole voxels, halves to the even one, in
    columns `<point>_x`, `_y`, `_z`. Doubles become single floats, NaN becomes NULL. Rows that are not valid go.

    Args:
        rows: as the file has them.
        file: the file, for messages.
        table: the table's name, for messages.
        hex_points: columns of hex EWKB text, each of which becomes three.
        exact: keep doubles as doubles.

    Raises:
        BadFile: when a column cannot be what CAVE serves: ids as floats, a point that is none, a nested type.
        ValidationError: when a row has no id, or a point beyond 32 bits.
    """
    if "id" not in rows.column_names:
        msg = (
            f"{file.name} has no column id (it has {', '.join(rows.column_names)}): every CAVE table has one"
        )
        raise BadFile(msg, path=file.path)
    there = set(rows.column_names)
    left_out = tuple(name for name in rows.column_names if name in BOOKKEEPING or _is_morton(name, there))
    kept = rows.drop_columns(list(left_out))
    valid = _valid_only(kept, file) if "valid" in there else kept
    caster = _Caster(file, table, _ids(valid, file, table), exact)
    columns: dict[str, pa.ChunkedArray] = {}
    for name in valid.column_names:
        if name in hex_points:
            columns |= caster.hex_point(name, valid[name])
        else:
            columns[name] = valid[name]
    voxels = {f"{point}_{axis}" for point in _points(list(columns), left_out) for axis in "xyz"}
    cast = {name: caster.column(name, values, name in voxels) for name, values in columns.items()}
    return Served(
        pa.table({name: cast[name] for name in served_order(list(cast))}),
        rows.num_rows - valid.num_rows,
        left_out,
    )


def _valid_only(rows: pa.Table, file: InputFile) -> pa.Table:
    """Return the rows whose `valid` is true."""
    if not pa.types.is_boolean(rows["valid"].type):
        msg = f"{file.name}: column valid is {rows['valid'].type}, but it says yes or no: make it a boolean"
        raise BadFile(msg, path=file.path)
    return rows.filter(rows["valid"])


def served_order(names: Sequence[str]) -> list[str]:
    """Return columns in the order of a merged version: `id`, `valid`, then each point with its ids behind it."""
    ordered = [name for name in ("id", "valid") if name in names]
    points = _points(names, ())
    bound = {
        f"{point.removesuffix('_position')}_{ending}": point
        for point in points
        for ending in ("supervoxel_id", "root_id")
    }
    for name in names:
        point = name[:-2]
        if point in points and name[-2:] in {"_x", "_y", "_z"}:
            behind = [key for key, owner in bound.items() if owner == point and key in names]
            ordered += [f"{point}_{axis}" for axis in "xyz"] + behind
        elif name not in bound:
            ordered.append(name)
    return list(dict.fromkeys(ordered))


def _is_morton(name: str, there: Collection[str]) -> bool:
    """Tell whether a column is the place of a point on a Morton curve, which CAVE's export adds."""
    return name.endswith("_morton") and name.removesuffix("_morton") + "_x" in there


def _points(names: Sequence[str], left_out: Sequence[str]) -> list[str]:
    """Return the points whose three coordinates are there."""
    found = [name[:-2] for name in names if name.endswith("_x")]
    whole = [point for point in found if f"{point}_y" in names and f"{point}_z" in names]
    return [point for point in whole if point.endswith("position") or f"{point}_morton" in left_out]


def _ids(rows: pa.Table, file: InputFile, table: str) -> pa.ChunkedArray:
    """Return the rows' ids, exact."""
    ids = _whole_ids("id", rows["id"], file)
    if ids.null_count:
        raise ValidationError(table, "id is never NULL", ids.null_count)
    return ids


def _whole_ids(name: str, values: pa.ChunkedArray, file: InputFile) -> pa.ChunkedArray:
    """Return ids as int64; refuse those that were anything but whole numbers."""
    kind = values.type
    if pa.types.is_integer(kind) or pa.types.is_null(kind):
        try:
            return values.cast(pa.int64())
        except pa.ArrowInvalid as error:
            msg = f"{file.name}: column {name} holds numbers that are no ids: {error}"
            raise BadFile(msg, path=file.path) from error
    msg = (
        f"{file.name}: column {name} holds ids as {kind}; ids beyond 2^53 are bent by a float, and text is no id. "
        f"Write the file anew with whole numbers (in pandas: Int64, never float64)"
    )
    raise BadFile(msg, path=file.path)


@dataclass(frozen=True, slots=True)
class _Caster:
    """Casts the columns of some rows of a file."""

    file: InputFile
    table: str
    ids: pa.ChunkedArray
    exact: bool

    def column(self, name: str, values: pa.ChunkedArray, is_voxel: bool) -> pa.ChunkedArray:
        """Return a column in the type in which it is served."""
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        if name in {"id", "target_id", "valid_id"} or id_columns([name]):
            return _whole_ids(name, values, self.file)
        if is_voxel:
            return self._voxels(name, values)
        kind = self._kind(name, values.type)
        if pa.types.is_floating(kind):
            values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
        try:
            return values.cast(kind)
        except pa.ArrowInvalid as error:
            msg = f"{self.file.name}: column {name} does not fit {kind}, as CAVE serves it: {error}"
            raise BadFile(msg, path=self.file.path) from error

    def _kind(self, name: str, kind: pa.DataType) -> pa.DataType:
        """Return the type in which a plain column is served."""
        if pa.types.is_floating(kind):
            return pa.float64() if self.exact and pa.types.is_float64(kind) else pa.float32()
        if pa.types.is_integer(kind):
            return pa.int32() if name in _NARROW or kind.bit_width < 32 or kind == pa.int32() else pa.int64()
        if pa.types.is_timestamp(kind):
            return pa.timestamp("us", "UTC")
        if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
            return pa.string()
        if pa.types.is_boolean(kind):
            return kind
        msg = (
            f"{self.file.name}: column {name} is {kind}, which CAVE tables do not have. Leave it out of the file; "
            f"a point should be three columns {name}_x, {name}_y, {name}_z"
        )
        raise BadFile(msg, path=self.file.path)

    def _voxels(self, name: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return coordinates as whole voxels, halves to the even one, as Postgres casts a double."""
        kind = values.type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)):
            msg = f"{self.file.name}: column {name} is {kind}, but a coordinate is a number"
            raise BadFile(msg, path=self.file.path)
        whole = pc.round(values, round_mode="half_to_even") if pa.types.is_floating(kind) else values
        if not pa.types.is_null(kind):
            low, high = (pa.scalar(bound, pa.int64()) for bound in _INT32)
            inside = pc.and_(pc.greater_equal(whole, low), pc.less_equal(whole, high))
            outside = pc.fill_null(pc.invert(inside), fill_value=False)
            if pc.any(outside).as_py():
                self._refuse_voxels(name, values, outside)
        return whole.cast(pa.int32())

    def _refuse_voxels(self, name: str, values: pa.ChunkedArray, outside: pa.ChunkedArray) -> None:
        """Name the rows whose coordinate is beyond 32 bits."""
        ids, places = self.ids.filter(outside).to_pylist(), values.filter(outside).to_pylist()
        examples = [f"{place} in the row of id {key}" for key, place in zip(ids, places, strict=True)]
        promise = f"{name} fits 32 bits, as the server serves it (file {self.file.name})"
        raise ValidationError(self.table, promise, len(examples), examples)

    # --- points as hex EWKB ---------------------------------------------------------------------------

    def hex_point(self, name: str, values: pa.ChunkedArray) -> dict[str, pa.ChunkedArray]:
        """Return the coordinates of points, NULL where the point is."""
        coordinates = np.zeros((len(values), 3))
        there = values.is_valid().to_numpy()
        texts = values.drop_null().combine_chunks()
        sizes = pc.binary_length(texts).to_numpy()
        found = np.zeros((len(texts), 3))
        for size in np.unique(sizes):
            chosen = sizes == size
            part = texts.filter(pa.array(chosen))
            parsed = _parse(part, int(size) // 2) if size in {2 * _PLAIN, 2 * _WITH_SRID} else None
            if parsed is None:
                self._refuse_point(name, part, self.ids.filter(pa.array(there)).filter(pa.array(chosen)))
            found[chosen] = parsed
        coordinates[there] = found
        return {
            f"{name}_{axis}": pa.chunked_array([pa.array(coordinates[:, place], mask=~there)])
            for place, axis in enumerate("xyz")
        }

    def _refuse_point(self, name: str, texts: pa.StringArray, ids: pa.ChunkedArray) -> None:
        """Name the first text that is no point."""
        width = len(texts[0].as_py()) // 2
        bad = next(
            (k for k in range(len(texts)) if width not in _HEADS or _parse(texts.slice(k, 1), width) is None),
            0,
        )
        msg = (
            f"{self.file.name}: {name} of the row of id {ids[bad].as_py()} is {texts[bad].as_py()[:80]!r}, which is "
            f"no point with three coordinates in hex EWKB, little endian"
        )
        raise BadFile(msg, path=self.file.path)


def _parse(texts: pa.StringArray, width: int) -> NDArray[np.float64] | None:
    """Return the coordinates in texts that all have the same length; None when any is no point.

    Args:
        texts: hex EWKB, no NULL among them.
        width: bytes of each.
    """
    offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
    try:
        raw = binascii.unhexlify(memoryview(texts.buffers()[2])[offsets[0] : offsets[-1]])
    except binascii.Error:
        return None
    points = np.frombuffer(raw, np.uint8).reshape(len(texts), width)
    heads = np.ascontiguousarray(points[:, 1:5]).view("<u4")[:, 0]
    if not ((points[:, 0] == 1) & np.isin(heads, _HEADS[width])).all():
        return None
    return np.ascontiguousarray(points[:, -24:]).view("<f8")
