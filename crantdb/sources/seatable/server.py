"""A SeaTable server and its bases: authentication both ways, metadata, SQL, links; counted and paced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crantdb.errors import BadResponse, ConfigError
from crantdb.sources.seatable.catalogue import read_metadata
from crantdb.sources.seatable.gateway import Gateway
from crantdb.sources.seatable.keys import Door, TokenKind
from crantdb.sources.seatable.limits import Budget, Limits, Waiting
from crantdb.sources.seatable.literals import Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from threading import Event

    from crantdb.sources.seatable.catalogue import BaseInfo
    from crantdb.sources.transport import Meter
    from crantdb.tokens import Token

__all__ = ["Base", "Limits", "SeaTableServer", "TokenKind"]

LINKS_A_CALL = 100
"""The most records of a row that query-links gives at once."""


class SeaTableServer:
    """Opens bases.

    Args:
        url: the server's address, without `/api-gateway`.
        token: of the kind given; never shown.
        kind: what the token opens.
        limits: how the server is asked; `max_requests` bounds all bases of this object together.
        stop: set from outside to end early; every wait ends at once.
        sleep: what waits in place of the machine's clock (tests).
    """

    def __init__(
        self,
        url: str,
        token: Token,
        *,
        kind: TokenKind,
        limits: Limits | None = None,
        stop: Event | None = None,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self.url = url.strip().rstrip("/")
        self._token = token
        self._kind = kind
        self._waiting = Waiting(stop, sleep)
        self._budget = Budget(limits or Limits(), self._waiting)
        if self._budget.limits.requests_per_s <= 0:
            msg = "requests_per_s must be more than 0"
            raise ConfigError(msg)

    @property
    def requests(self) -> int:
        """Return how many gateway requests were made, of all bases."""
        return self._budget.spent

    def open_base(self, workspace_id: int, name: str) -> Base:
        """Authenticate for a base; no gateway request.

        Args:
            workspace_id: the workspace the base stands in.
            name: the base's name; a base API token must be for this one.

        Raises:
            AuthError: when the token is refused; says which kind of token was used and what to do.
            NotServed: when there is no such base in the workspace, or the token is for another.
            TooOld: when the server is older than SeaTable 5.3.
            TransientError: after the last try.
        """
        door = Door(self.url, self._token, self._kind, workspace_id, name)
        return Base(Gateway(door, self._budget, self._waiting))


class Base:
    """One base, opened.

    Args:
        gateway: its endpoints.
    """

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    @property
    def name(self) -> str:
        """Return the base's name."""
        return self.gateway.opened.name

    @property
    def uuid(self) -> str:
        """Return the base's identity."""
        return self.gateway.opened.uuid

    @property
    def workspace_id(self) -> int:
        """Return the workspace that the base stands in."""
        return self.gateway.opened.workspace_id

    @property
    def permission(self) -> str:
        """Return "r" or "rw"; empty when the server does not say."""
        return self.gateway.opened.permission

    @property
    def requests(self) -> int:
        """Return how many gateway requests were made for this base (retries too)."""
        return self.gateway.asked

    @property
    def meter(self) -> Meter:
        """Return requests, bytes and seconds so far."""
        return self.gateway.meter

    def metadata(self) -> BaseInfo:
        """Return the base's version and catalogue; one gateway request.

        Raises:
            SourceError, Interrupted: as every request.
        """
        content = _plain(self.gateway.get("metadata/"))
        return read_metadata(content.get("metadata"), name=self.name, uuid=self.uuid)

    def sql(self, statement: str | Callable[[int], str]) -> list[dict[str, Any]]:
        """Return the rows of a SELECT; keys are column keys, options are ids, numbers are `Literal`s.

        Args:
            statement: the SQL, or what gives it when told how many tries failed so far.

        Raises:
            SchemaMoved: when a table or column is not known (any more).
            TooMuch: when the answer would be too large.
            SourceError, Interrupted: as every request.
        """

        def body(failures: int) -> dict[str, Any]:
            return {
                "sql": statement if isinstance(statement, str) else statement(failures),
                "convert_keys": False,
            }

        results = self.gateway.post("sql", body).get("results")
        if results is None:
            return []
        if not isinstance(results, list) or not all(type(row) is dict for row in results):
            msg = f"{self.gateway.opened.gateway}/sql answered with results that are no rows"
            raise BadResponse(msg, url=f"{self.gateway.opened.gateway}/sql")
        return results

    def linked(self, table_id: str, column_key: str, row_ids: Iterable[str]) -> dict[str, list[Any]]:
        """Return all linked records of rows, in the order of linking; a hundred a row and request.

        Args:
            table_id: the rows' table.
            column_key: the link column.
            row_ids: the rows.

        Raises:
            SourceError, Interrupted: as every request.
        """
        found: dict[str, dict[str, Any]] = {row_id: {} for row_id in row_ids}
        open_rows = list(found)
        while open_rows:
            rows = [
                {"row_id": row_id, "offset": len(found[row_id]), "limit": LINKS_A_CALL}
                for row_id in open_rows
            ]
            body = {"table_id": table_id, "link_column_key": column_key, "rows": rows}
            content = self.gateway.post("query-links/", lambda _failures, body=body: body)  # type: ignore[misc]
            # A page shorter than asked is not the end; one that brings nothing new is.
            open_rows = [row_id for row_id in open_rows if _grow(found[row_id], content.get(row_id) or [])]
        return {row_id: list(items.values()) for row_id, items in found.items()}

    def users(self) -> dict[str, str]:
        """Return the people of the base: address (`…@auth.local`) to name. No gateway request.

        Raises:
            SourceError, Interrupted: as every request.
        """
        content = self.gateway.elsewhere(f"/api/v2.1/dtables/{self.uuid}/related-users/")
        return {str(user["email"]): str(user.get("name") or "") for user in content.get("user_list") or ()}


def _grow(found: dict[str, Any], items: Iterable[Any]) -> bool:
    """Add linked records that are not there yet; tell whether there were any."""
    before = len(found)
    for item in items:
        found.setdefault(str(item["row_id"]) if type(item) is dict else str(item), item)
    return len(found) > before


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON is anything
    """Return JSON with its literals as numbers."""
    if type(value) is Literal:
        return int(value) if value.lstrip("-").isdigit() else float(value)
    if type(value) is dict:
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if type(value) is list else value
