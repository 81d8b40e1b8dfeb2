"""Writes rows as CAVE dumps them: CSV without a header line, points as hex EWKB, NULL as an empty field."""

from __future__ import annotations

import gzip
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from pathlib import Path

_KINDS = {
    pa.int64(): "bigint",
    pa.int32(): "integer",
    pa.float32(): "double precision",
    pa.float64(): "double precision",
    pa.bool_(): "boolean",
    pa.string(): "character varying",
}


def ewkb(x: float, y: float, z: float, *, srid: int | None = None) -> str:
    """Return a point as Postgres writes it: hex EWKB, little endian."""
    if srid is None:
        return struct.pack("<BIddd", 1, 0x80000001, x, y, z).hex().upper()
    return struct.pack("<BIIddd", 1, 0xA0000001, srid, x, y, z).hex().upper()


def texts_of(rows: pa.Table, *, srid: int | None = None) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return the header and the fields of rows as a merged version serves them."""
    header: dict[str, str] = {}
    fields: dict[str, list[str]] = {}
    for column in rows.schema:
        name, values = column.name, rows[column.name].to_pylist()
        if name.endswith("_position_x"):
            point = name[:-2]
            header[point] = "USER-DEFINED"
            places = zip(*(rows[f"{point}_{axis}"].to_pylist() for axis in "xyz"), strict=True)
            fields[point] = ["" if None in place else ewkb(*place, srid=srid) for place in places]
        elif not name.endswith(("_position_y", "_position_z")):
            header[name] = _KINDS[column.type]
            fields[name] = [_field(value) for value in values]
    return header, fields


def _field(value: Any) -> str:
    """Return a field as Postgres writes it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, str):
        plain = value and not set(value) & set('",\n\r')
        return value if plain else '"' + value.replace('"', '""') + '"'
    return repr(value)


def write_dump(
    folder: Path,
    table: str,
    rows: pa.Table,
    *,
    srid: int | None = None,
    seed: int | None = 1,
    **more: list[str],
) -> Path:
    """Write a table's dump; return its data file.

    Args:
        folder: where; made when missing.
        table: its name.
        rows: as a merged version serves them.
        srid: written with every point when not None.
        seed: shuffles the rows; None leaves them in order.
        more: further columns of text fields, e.g. ``created``, which go behind the others.
    """
    header, fields = texts_of(rows, srid=srid)
    for name, values in more.items():
        header[name] = "bigint" if name == "superceded_id" else "timestamp without time zone"
        fields[name] = values
    order = np.arange(len(rows)) if seed is None else np.random.default_rng(seed).permutation(len(rows))
    lines = [",".join(line) for line in zip(*fields.values(), strict=True)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{table}_header.csv").write_text("".join(f"{name},{kind}\n" for name, kind in header.items()))
    data = folder / f"{table}.csv.gz"
    data.write_bytes(gzip.compress("".join(f"{lines[n]}\n" for n in order).encode(), compresslevel=1))
    return data
