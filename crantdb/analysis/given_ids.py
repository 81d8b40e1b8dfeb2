"""Ids in whatever form a caller hands them over, as whole numbers or as text; a form that bends ids is refused."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from crantdb.errors import NotAnId

_FRAMES = frozenset({"DataFrame", "LazyFrame", "Table", "RecordBatch", "DuckDBPyRelation"})
_NO_IDS = {"f": "floats", "b": "bools", "c": "complex numbers", "m": "spans of time", "M": "times"}
_MOST_BITS = 10_000


def id_list(ids: object) -> list[int] | list[int | None] | list[str | None]:
    """Return ids in any form as a list of integers, or of text when some are text.

    A float is refused whatever else there is, but for NaN in the place of a missing id.

    Args:
        ids: one id alone, or anything that holds some: a list, an array, a masked array, a column of Arrow, polars or
            pandas. Integers, text or bytes of digits; what is missing becomes None.

    Raises:
        NotAnId: for floats, bools and times, for arrays of them, and for a frame, of which one column must be chosen.
    """
    if type(ids).__name__ in _FRAMES:
        msg = f"a {type(ids).__name__} is no list of ids: pass the column that holds them, such as frame['root_id']"
        raise NotAnId(msg)
    if ids is None or isinstance(ids, (str, bytes, bytearray, memoryview, int, float, np.generic)):
        return _numbers_or_text([_one(ids)])
    kind = getattr(ids, "dtype", None)
    if isinstance(kind, np.dtype) and kind.kind in _NO_IDS and np.asarray(ids).size:
        msg = f"an array of {kind} holds {_NO_IDS[kind.kind]}, no ids: pass integers or text; one float has bent every id in it"
        raise NotAnId(msg)
    if isinstance(kind, np.dtype) and kind.kind in "iu" and not isinstance(ids, np.ma.MaskedArray):
        whole: list[int] = np.asarray(ids).ravel().tolist()
        return whole
    return _numbers_or_text([_one(value) for value in _iterated(ids)])


def _numbers_or_text(values: list[int | str | None]) -> list[int | None] | list[str | None]:
    """Return values of one type: text where one of them is text."""
    if any(isinstance(value, str) for value in values):
        return [None if value is None else str(value) for value in values]
    return [value for value in values if not isinstance(value, str)]


def _iterated(ids: object) -> Iterable[object]:
    """Return what holds ids as something to go through; columns of Arrow and polars as Python values."""
    held = ids.ravel() if isinstance(ids, np.ndarray) else ids
    for name in ("as_py", "to_pylist", "to_list", "tolist"):
        listed = getattr(held, name, None)
        if callable(listed) and not isinstance(held, type):
            found = listed()
            return found if isinstance(found, list) else [found]
    if isinstance(ids, Iterable):
        return ids
    msg = f"{ids!r} is neither an id nor a list of ids"
    raise NotAnId(msg)


def _one(value: object) -> int | str | None:
    """Return one id as an integer or text; None for a missing one."""
    if callable(scalar := getattr(value, "as_py", None)) and not isinstance(value, type):
        return _one(scalar())
    if value is None or type(value).__name__ in {"NAType", "NaTType", "MaskedConstant"}:
        return None
    if isinstance(value, (float, np.floating)) and math.isnan(value):
        return None
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()  # half a character is none that DuckDB takes
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        msg = f"{value!r} ({type(value).__name__}) stands in a list of ids: pass ids as integers or as text"
        lost = ". A float has lost the last digits of its id, and may have bent the others"
        raise NotAnId(msg + (lost if isinstance(value, (float, np.floating)) else ""))
    whole = int(value)
    return whole if whole.bit_length() <= _MOST_BITS else f"a number of {whole.bit_length():,} bits"
