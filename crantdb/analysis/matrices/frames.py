"""Frames of any make as polars frames, and columns of ids as int64: never through a float, never through text labels."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

import polars as pl
import pyarrow as pa

from crantdb.errors import BadArgument, NotAnId
from crantdb.ids import MAX_ID

if TYPE_CHECKING:
    from collections.abc import Iterable

Frame: TypeAlias = Any
"""A polars frame (or lazy one), an Arrow table, a DuckDB relation or a pandas frame: whatever `as_frame` takes."""

Option: TypeAlias = Any
"""A parameter that is passed on; the function it goes to says what it may be."""


def as_frame(frame: Frame, what: str) -> pl.DataFrame:
    """Return a frame of any make as a polars frame.

    Args:
        frame: a polars DataFrame or LazyFrame, a pyarrow Table, a DuckDB relation, or a pandas DataFrame.
        what: what it is called in an error.

    Raises:
        BadArgument: when it is none of these.
    """
    if isinstance(frame, pl.DataFrame):
        return frame
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    if isinstance(frame, pa.Table):
        return pl.DataFrame(pl.from_arrow(frame))
    kind = f"{type(frame).__module__}.{type(frame).__name__}"
    if kind.endswith("DuckDBPyRelation"):
        return pl.DataFrame(frame.pl())
    if kind.startswith("pandas."):
        return pl.from_pandas(frame)
    msg = f"{what} is a {kind}: give a polars or pandas frame, an Arrow table or a DuckDB relation"
    raise BadArgument(msg)


def column(frame: pl.DataFrame, name: str, what: str) -> pl.Series:
    """Return a column.

    Raises:
        BadArgument: when the frame has none of that name, with the names it has.
    """
    if name not in frame.columns:
        has = ", ".join(frame.columns[:12]) or "none"
        msg = f"{what} has no column {name!r}; its columns are {has}"
        raise BadArgument(msg)
    return frame[name]


def ids_in(values: pl.Series, what: str) -> pl.Series:
    """Return a column of ids as int64.

    Args:
        values: whole numbers, or text of digits.
        what: what they are called in an error.

    Raises:
        NotAnId: when one is NULL, negative, beyond int64 or no number, or when the column is of floats.
    """
    if values.null_count():
        msg = f"{what}: {values.null_count():,} of {len(values):,} ids are NULL. Leave such rows out first"
        raise NotAnId(msg)
    if values.dtype == pl.String:
        stripped = values.str.strip_chars()
        wrong = stripped.filter(~stripped.str.contains(r"^[0-9]{1,19}$"))
        if len(wrong):
            raise _no_ids(what, wrong)
        whole = stripped.cast(pl.UInt64)
    elif values.dtype.is_integer():
        whole = values
    elif values.dtype == pl.Null or not len(values):
        return pl.Series(values.name, [], dtype=pl.Int64)
    else:
        msg = f"{what} came as {values.dtype}: an id of 18 digits does not fit. Pass int64, never a float on the way"
        raise NotAnId(msg)
    outside = whole.filter((whole > MAX_ID) if whole.dtype == pl.UInt64 else (whole < 0))
    if len(outside):
        raise _no_ids(what, outside)
    return whole.cast(pl.Int64)


def _no_ids(what: str, wrong: pl.Series) -> NotAnId:
    """Return the error for values that are no ids."""
    msg = f"{what}: {len(wrong):,} value(s) are no ids, e.g. {wrong[0]!r}: an id is a whole number from 0 to {MAX_ID}"
    return NotAnId(msg)


_WHOLE = re.compile(r"[0-9]{1,19}")


def ids_of(values: Iterable[object] | int | str, what: str) -> list[int]:
    """Return ids given one by one: a single one, or any iterable of them.

    Raises:
        NotAnId: as `ids_in`.
    """
    if isinstance(values, (int, str)):
        values = [values]
    listed = [
        int(value) if isinstance(value, str) and _WHOLE.fullmatch(value.strip()) else value
        for value in values
    ]
    for value in listed:
        if isinstance(value, (bool, float)) or not hasattr(value, "__index__"):
            msg = f"{what}: {value!r} is no id: pass ids as integers or as text of digits"
            raise NotAnId(msg)
    whole = [int(value) for value in listed]  # type: ignore[call-overload]  # __index__ was checked
    outside = [value for value in whole if not 0 <= value <= MAX_ID]
    if outside:
        msg = f"{what}: {outside[0]} is no id: an id is a whole number from 0 to {MAX_ID}"
        raise NotAnId(msg)
    return whole


def texts_in(values: pl.Series) -> pl.Series:
    """Return a column of labels as text without blanks around them; NULL, NaN and nothing but blanks are NULL."""
    if values.dtype.is_float():
        values = values.fill_nan(None)
    text = values.cast(pl.String).str.strip_chars()
    return text.set(text == "", None)


def among(frame: pl.DataFrame, name: str, ids: Iterable[int]) -> pl.DataFrame:
    """Return the rows whose id in a column is one of some, in the order in which they stand."""
    listed = list(ids)
    return frame.filter(pl.col(name).is_in(listed)) if listed else frame.head(0)
