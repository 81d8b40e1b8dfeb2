"""JSON with its number literals kept, and written in one way: the raw text of a cell survives as served."""

from __future__ import annotations

import json
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any, NoReturn

__all__ = ["Literal", "canonical", "encodable", "encode_basestring", "load", "quoted"]


class Literal(str):
    """A number as it stood in JSON: `500`, `499.99`, `576460752667713300`; never rounded by reading it."""

    __slots__ = ()


def load(body: bytes) -> Any:  # noqa: ANN401 - JSON is anything
    """Return JSON with every number as a `Literal`.

    Raises:
        ValueError: for what is not JSON in UTF-8; NaN and Infinity are no JSON.
    """
    return json.loads(
        body.decode("utf-8"), parse_float=Literal, parse_int=Literal, parse_constant=_no_constant
    )


def _no_constant(name: str) -> NoReturn:
    """Refuse NaN and the infinities."""
    msg = f"{name} is not JSON"
    raise ValueError(msg)


def quoted(text: str) -> str:
    """Return a text as JSON; half a surrogate pair, which UTF-8 cannot carry, as an escape."""
    written: str = encode_basestring(text)
    return written if encodable(text) else encode_basestring_ascii(text)


def encodable(text: str) -> bool:
    """Tell whether UTF-8 can carry a text."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def canonical(value: Any) -> str:  # noqa: ANN401 - JSON is anything
    """Return JSON in one way of writing: sorted keys, no blanks, number literals as they were.

    Args:
        value: what `load` gives: None, bool, str, `Literal`, list, dict.

    Raises:
        TypeError: for anything else; a float has lost its literal.
    """
    kind = type(value)
    if kind is str:
        return quoted(value)
    if value is None:
        return "null"
    if kind is Literal:
        return str(value)
    if kind is bool:
        return "true" if value else "false"
    if kind is list:
        return f"[{','.join(map(canonical, value))}]"
    if kind is dict:
        return f"{{{','.join(f'{quoted(key)}:{canonical(value[key])}' for key in sorted(value))}}}"
    msg = f"{kind.__name__} is not what JSON is read as here"
    raise TypeError(msg)
