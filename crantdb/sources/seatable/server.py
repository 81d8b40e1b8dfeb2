"""A SeaTable server and its bases: authentication both ways, metadata, SQL, links; counted and paced."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threading import Event

    from crantdb.config import Token
    from crantdb.sources.seatable.catalogue import BaseInfo


class TokenKind(Enum):
    """What a token opens.

    An account token (`CRANTTABLE_TOKEN`) opens every base of its owner, through a temporary base token of
    an hour. A base API token (`SEATABLE_API_TOKEN`) opens one base; a read-only one is best for a mirror.
    """

    ACCOUNT = "account"
    BASE = "base"


@dataclass(frozen=True, slots=True)
class Limits:
    """How a server is asked.

    Attributes:
        requests_per_s: gateway requests a second at the most, one at a time.
        max_requests: gateway requests in all (retries too); None for no bound.
        spare: the share of the server's allowance a minute that is left to others.
        timeout_s: seconds without a byte after which a request is given up.
        tries: how often a request is made before a transient failure becomes final.
        backoff_s: the first wait; each later one is twice the one before.
        longest_wait_s: a server that wants a longer wait has its monthly quota exhausted: an error.
        patience_s: seconds of waiting for the allowance in one request before it is given up.
    """

    requests_per_s: float = 2.0
    max_requests: int | None = None
    spare: float = 0.2
    timeout_s: float = 120.0
    tries: int = 5
    backoff_s: float = 1.0
    longest_wait_s: float = 900.0
    patience_s: float = 1800.0


class SeaTableServer:
    """Opens bases.

    Args:
        url: the server's address, without `/api-gateway`.
        token: of the kind given; never shown.
        kind: what the token opens.
        limits: how the server is asked.
        stop: set from outside to end early; every wait ends at once.
    """

    def __init__(
        self,
        url: str,
        token: Token,
        *,
        kind: TokenKind,
        limits: Limits | None = None,
        stop: Event | None = None,
    ) -> None:
        raise NotImplementedError

    def open_base(self, workspace_id: int, name: str) -> Base:
        """Authenticate for a base; no gateway request.

        Args:
            workspace_id: the workspace the base stands in.
            name: the base's name; a base API token must be for this one.

        Raises:
            AuthError: when the token is refused; says which kind of token was used and what to do.
            NotServed: when there is no such base in the workspace, or the token is for another.
            TransientError: after the last try.
        """
        raise NotImplementedError


class Base:
    """One base, opened. Attributes: `name`, `uuid`, `permission` ("r" or "rw"), `workspace_id`, `requests`."""

    name: str
    uuid: str
    workspace_id: int
    permission: str

    @property
    def requests(self) -> int:
        """Return how many gateway requests were made."""
        raise NotImplementedError

    def metadata(self) -> BaseInfo:
        """Return the base's version and catalogue; one gateway request.

        Raises:
            SourceError: as every request.
        """
        raise NotImplementedError
