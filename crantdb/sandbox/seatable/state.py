"""What all endpoints of a server share, and one call with what it may do."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crantdb.sandbox.seatable.answers import Refused
from crantdb.sandbox.seatable.limits import Month, Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crantdb.sandbox.exchange import Request
    from crantdb.sandbox.seatable.base import Base
    from crantdb.sandbox.seatable.cells import Json
    from crantdb.sandbox.seatable.clock import Clock
    from crantdb.sandbox.seatable.faults import Fault
    from crantdb.sandbox.seatable.model import Table
    from crantdb.sandbox.seatable.options import Options
    from crantdb.sandbox.seatable.tokens import Grant, Tokens


@dataclass(slots=True)
class State:
    """A server's state.

    Attributes:
        bases: what it serves.
        options: its switches.
        clock: its clock.
        tokens: its tokens.
        month: the team's monthly quota.
        url: its address.
        windows: the sliding windows by what they count.
        served_metadata: the metadata last served of each base, by uuid.
    """

    bases: Sequence[Base]
    options: Options
    clock: Clock
    tokens: Tokens
    month: Month
    url: str = ""
    windows: dict[str, Window] = field(default_factory=dict)
    served_metadata: dict[str, dict[str, Json]] = field(default_factory=dict)

    def window(self, what: str, limit: int | None) -> Window:
        """Return the sliding window of something."""
        return self.windows.setdefault(what, Window(limit, self.clock))

    def base(self, uuid: str) -> Base | None:
        """Return the base of a uuid, or None."""
        return next((base for base in self.bases if base.uuid == uuid), None)

    def base_at(self, workspace: int, name: str) -> Base | None:
        """Return the base of a name in a workspace, or None."""
        return next((b for b in self.bases if b.workspace_id == workspace and b.name == name), None)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the gateway.

    Attributes:
        state: the server's.
        base: the base called.
        grant: what the token allows.
        request: the request.
        faults: the faults that strike it.
        legacy: whether it came through one of the old servers' paths.
    """

    state: State
    base: Base
    grant: Grant
    request: Request
    faults: tuple[Fault, ...] = ()
    legacy: bool = False

    @property
    def options(self) -> Options:
        """The server's switches."""
        return self.state.options

    @property
    def author(self) -> str:
        """Whom changes are ascribed to."""
        return self.grant.app_name or "annotator@auth.local"

    def fault(self, kind: str) -> Fault | None:
        """Return the fault of a kind that strikes the call, or None."""
        return next((fault for fault in self.faults if fault.kind == kind), None)

    def body(self) -> dict[str, Json]:
        """Return the JSON body.

        Raises:
            Refused: it is no JSON object.
        """
        try:
            found = json.loads(self.request.body or b"{}")
        except ValueError as error:
            msg = f"the body is no JSON: {error}"
            raise Refused(msg) from error
        if not isinstance(found, dict):
            msg = "the body is no JSON object"
            raise Refused(msg)
        return found

    def table_of(self, given: dict[str, Json]) -> Table:
        """Return the table that a body names, by ``table_id`` when it has one that exists, else by name."""
        return self.base.table(str(given.get("table_name") or ""), given.get("table_id"))

    def need_write(self) -> None:
        """Raise when the token may only read.

        Raises:
            Refused: with status 403.
        """
        if self.grant.permission != "rw":
            msg = "You don't have permission to edit the base."
            raise Refused(msg, 403)
