"""The control paths of a server under test, for clients in other processes: ``/__ctl__/``."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Protocol

from crantdb.sandbox.seatable.answers import answer, not_found
from crantdb.sandbox.seatable.faults import Fault
from crantdb.sandbox.seatable.row_edits import delete_rows, insert_rows, update_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crantdb.sandbox.exchange import Request, Response
    from crantdb.sandbox.seatable.base import Base
    from crantdb.sandbox.seatable.clock import Clock
    from crantdb.sandbox.seatable.limits import Month
    from crantdb.sandbox.seatable.log import RequestLog


class Controlled(Protocol):
    """What is controlled: a server."""

    bases: Sequence[Base]
    clock: Clock
    log: RequestLog
    month: Month

    def fault(self, fault: Fault) -> None:
        """Set a fault."""

    def clear(self) -> None:
        """Take all faults and hooks back."""


class Control:
    """The control paths.

    Args:
        server: what they control.
    """

    def __init__(self, server: Controlled) -> None:
        self._server = server

    def answer(self, request: Request) -> Response:
        """Return the answer to a call.

        ``GET log`` and ``GET counters`` tell what was asked; ``POST clock {"advance": s}``, ``POST fault {…}``
        (attributes of `Fault`), ``POST clear`` and ``POST edit {"base", "table", "insert" | "update" |
        "delete"}`` do what they say.
        """
        what = request.path.removeprefix("/__ctl__/").strip("/")
        given: dict[str, Any] = json.loads(request.body or b"{}")
        done = getattr(self, f"_{what}", None) if what in _PATHS else None
        return not_found() if done is None else answer(done(given))

    def _log(self, _: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the request log."""
        entries = self._server.log.entries()
        return [dataclasses.asdict(entry) | {"at": entry.at.isoformat()} for entry in entries]

    def _counters(self, _: dict[str, Any]) -> dict[str, Any]:
        """Return the counters."""
        return {
            "requests": self._server.log.count(),
            "gateway_calls": self._server.log.gateway_calls(),
            "month_calls": self._server.month.calls,
            "versions": {base.name: base.version for base in self._server.bases},
        }

    def _clock(self, given: dict[str, Any]) -> dict[str, Any]:
        """Put the clock forward."""
        self._server.clock.advance(float(given.get("advance", 0)))
        return {"now": self._server.clock.now().isoformat()}

    def _fault(self, given: dict[str, Any]) -> dict[str, Any]:
        """Set a fault."""
        headers = tuple((str(name), str(value)) for name, value in given.pop("headers", ()))
        self._server.fault(Fault(headers=headers, **given))
        return {"success": True}

    def _clear(self, _: dict[str, Any]) -> dict[str, Any]:
        """Take all faults and hooks back."""
        self._server.clear()
        return {"success": True}

    def _edit(self, given: dict[str, Any]) -> dict[str, Any]:
        """Insert, update or delete rows of a base."""
        base = next(base for base in self._server.bases if base.name == given["base"])
        table = str(given["table"])
        ids = insert_rows(base, table, given.get("insert", []))
        for row_id, values in given.get("update", {}).items():
            update_row(base, table, row_id, values)
        deleted = delete_rows(base, table, given.get("delete", []))
        return {"version": base.version, "inserted": ids, "deleted": deleted}


_PATHS = frozenset({"log", "counters", "clock", "fault", "clear", "edit"})
