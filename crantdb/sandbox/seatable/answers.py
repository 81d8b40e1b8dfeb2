"""The forms of SeaTable's answers: JSON with Go's numbers, and the two servers' errors."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING

from crantdb.sandbox.exchange import Response

if TYPE_CHECKING:
    from crantdb.sandbox.seatable.cells import Json

_MARK = "\ufdd0"
_MARKED = re.compile(f'"{_MARK}([^{_MARK}"]*){_MARK}"')
_JSON = (("Content-Type", "application/json; charset=utf-8"),)
_SAFE = 2.0**53
_DIGITS_END = 1e21
NOT_FOUND = (
    b"<!doctype html>\n<html><head><title>Not Found</title></head><body><h1>Not Found</h1></body></html>\n"
)
"""The page of a path that does not exist."""


class Refused(Exception):
    """Raised where a request cannot be done; becomes the gateway's error answer.

    Attributes:
        message: what ``error_message`` says.
        status: the status code.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


def number(value: float) -> Json:
    """Return a float64 so that `dumps` writes it as JavaScript and Go do.

    Integral values below 1e21 become the integer of their shortest digits, padded with zeros:
    576460752667713229 is stored as 576460752667713280 and written as 576460752667713300.
    """
    size = abs(value)
    if not math.isfinite(value):
        return None
    if value.is_integer():
        if size < _SAFE:
            return int(value)
        return int(Decimal(repr(value))) if size < _DIGITS_END else _exponent(value)
    if size >= 1e-4:
        return value
    return literal(format(Decimal(repr(value)), "f")) if size >= 1e-6 else _exponent(value)


def literal(text: str) -> str:
    """Return a text that `dumps` writes as it is, without quotation marks."""
    return f"{_MARK}{text}{_MARK}"


def dumps(value: Json) -> bytes:
    """Return JSON in UTF-8, without blanks."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if _MARK in text:
        text = _MARKED.sub(r"\1", text)
    return text.encode("utf-8", "surrogatepass")


def answer(value: Json, status: int = 200, *, rows: int | None = None) -> Response:
    """Return a JSON answer; `rows` is for the request log."""
    return Response(status, dumps(value), _JSON, rows)


def web_error(message: str, status: int) -> Response:
    """Return dtable-web's error."""
    return answer({"error_msg": message}, status)


def gateway_error(message: str, status: int) -> Response:
    """Return the gateway's error."""
    return answer({"error_message": message}, status)


def not_found() -> Response:
    """Return the page of a path that does not exist."""
    return Response(404, NOT_FOUND, (("Content-Type", "text/html; charset=utf-8"),))


def _exponent(value: float) -> str:
    """Return the exponent form, its exponent without leading zeros."""
    digits, _, power = repr(value).partition("e")
    return literal(f"{digits}e{power[0]}{power[1:].lstrip('0')}")
