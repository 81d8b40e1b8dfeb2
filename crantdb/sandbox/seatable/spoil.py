"""The faults that change an answer's rows or bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crantdb.sandbox.exchange import Response
from crantdb.sandbox.seatable.answers import answer, literal

if TYPE_CHECKING:
    from crantdb.sandbox.seatable.cells import Json
    from crantdb.sandbox.seatable.faults import Fault
    from crantdb.sandbox.seatable.state import Call

_PAGE = b"<!doctype html>\n<html><head><title>SeaTable</title></head><body>Please sign in.</body></html>\n"
_HTML = (("Content-Type", "text/html; charset=utf-8"),)


def spoiled(call: Call, rows: list[dict[str, Json]]) -> list[dict[str, Json]]:
    """Return the rows of an answer as the call's faults leave them."""
    if fault := call.fault("clamp"):
        rows = rows[: fault.size]
    if call.fault("dup_row") and rows:
        rows = [*rows, rows[0]]
    if call.fault("nan_literal") and rows:
        rows = [_with_nan(rows[0]), *rows[1:]]
    return rows


def forced(call_faults: tuple[Fault, ...], url: str) -> Response | None:
    """Return the answer that a fault puts in the place of the real one, or None."""
    for fault in call_faults:
        if fault.kind == "status":
            kind = ("Content-Type", "application/json")
            return Response(fault.code, fault.body.encode(), (kind, *fault.headers))
        if fault.kind == "html200":
            return Response(200, _PAGE, _HTML)
        if fault.kind == "empty200":
            return Response(200, b"", (("Content-Type", "application/json"),))
        if fault.kind == "success_false":
            return answer({"success": False, "error_message": fault.body or None})
        if fault.kind == "redirect302":
            return Response(302, b"", (("Location", f"{url}/accounts/login/"),))
    return None


def garbled(response: Response) -> Response:
    """Return an answer with a byte that is no UTF-8 in its first text value."""
    head, mark, rest = response.body.partition(b':"')
    return replace(response, body=head + mark + b"\xff" + rest)


def _with_nan(row: dict[str, Json]) -> dict[str, Json]:
    """Return a row whose first number is NaN."""
    for name, value in row.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            return row | {name: literal("NaN")}
    return row
