"""Tokens become an opened base, through seatable_api, each kind in its own way; and again when they expire."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

import requests

from crantdb.errors import AuthError, BadResponse, NotServed, RateLimited, ServiceUnavailable, TooOld
from crantdb.sources.classify import Answer
from crantdb.sources.seatable.answers import words

if TYPE_CHECKING:
    from crantdb.tokens import Token

_IN_SECONDS = re.compile(r"available in (\d+) second")


class TokenKind(Enum):
    """What a token opens.

    An account token (`CRANTTABLE_TOKEN`) opens every base of its owner, through a temporary base token of
    an hour. A base API token (`SEATABLE_API_TOKEN`) opens one base; a read-only one is best for a mirror.
    """

    ACCOUNT = "account"
    BASE = "base"


@dataclass(frozen=True, slots=True)
class Opened:
    """An authenticated base.

    Attributes:
        gateway: the address of its endpoints, `…/api-gateway/api/v2/dtables/<uuid>`.
        uuid: its identity.
        name: its name.
        workspace_id: where it stands.
        secret: the base token (JWT) of its requests; never shown.
        expires: when the token expires, Unix seconds; None when it does not say.
        permission: "r", "rw", or "" when the token does not say.
    """

    gateway: str
    uuid: str
    name: str
    workspace_id: int
    secret: str = field(repr=False)
    expires: float | None
    permission: str


@dataclass(frozen=True, slots=True)
class Door:
    """How a base is opened, the first time and every other.

    Attributes:
        url: the server's address.
        token: never shown.
        kind: what it opens.
        workspace_id: the workspace of the base.
        name: the base's name.
    """

    url: str
    token: Token
    kind: TokenKind
    workspace_id: int
    name: str

    def open(self) -> Opened:
        """Authenticate; makes no gateway request. An account token fetches a new temporary token every time.

        Raises:
            AuthError: when the token is refused.
            NotServed: when there is no such base.
            TooOld: when the server is older than SeaTable 5.3.
            RateLimited, ServiceUnavailable: worth another try.
        """
        client = self._authenticated()
        # Servers before 5.3 name their database service, and cut every list in a SQL answer after ten.
        if not client.use_api_gateway or client.api_gateway is None or client.dtable_db_url:
            msg = (
                f"{self.url} is older than SeaTable 5.3, whose SQL cuts lists after ten entries without a word. "
                f"Ask its keeper for an update"
            )
            raise TooOld(msg, url=self.url)
        if client.dtable_name != self.name:
            msg = (
                f"{self.token} opens the base {client.dtable_name!r}, not {self.name!r}. "
                f"Name that base in crantdb.toml, or make a token for {self.name!r}"
            )
            raise NotServed(msg, url=self.url)
        if not isinstance(client.jwt_token, str) or not client.dtable_uuid:
            msg = f"{self.url} answered the authentication without a base token; that is no SeaTable server's answer"
            raise ServiceUnavailable(msg, url=self.url)
        claims = claims_of(client.jwt_token)
        expires = claims.get("exp")
        return Opened(
            gateway=f"{client.server_url}/api-gateway/api/v2/dtables/{client.dtable_uuid}",
            uuid=str(client.dtable_uuid),
            name=self.name,
            workspace_id=self.workspace_id,
            secret=client.jwt_token,
            expires=float(expires) if isinstance(expires, (int, float)) else None,
            permission=str(claims.get("permission") or ""),
        )

    def _authenticated(self) -> Any:  # noqa: ANN401 - seatable_api has no types
        """Return seatable_api's base, authenticated."""
        failure: Exception | None = None
        try:
            return self._client()
        except Exception as error:  # noqa: BLE001 - seatable_api raises many things, bare Exception among them
            failure = error
        # Raised outside of the handler: no traceback leads to the client's own words, which hold bodies.
        return self._fail(failure)

    def _client(self) -> Any:  # noqa: ANN401 - seatable_api has no types
        """Authenticate with seatable_api."""
        from seatable_api import Account, Base  # noqa: PLC0415 - takes a second to load

        if self.kind is TokenKind.BASE:
            client = Base(self.token.value, self.url)
            client.auth()
            return client
        account = Account(None, None, self.url)
        account.token = self.token.value
        # The client puts the name into the path as it is.
        return account.get_base(self.workspace_id, quote(self.name, safe=""))

    def _fail(self, error: Exception) -> NoReturn:
        """Raise what a failure of seatable_api means; its own text may hold a body, and is not passed on."""
        if isinstance(error, ConnectionError) and error.args and isinstance(error.args[0], int):
            body = str(error.args[1] if len(error.args) > 1 else "").encode("utf-8", "replace")
            self._refuse(Answer(error.args[0], {}, body, self.url))
        if isinstance(error, requests.exceptions.InvalidHeader | UnicodeError):
            msg = (
                f"{self.token} holds characters that no HTTP header may carry: copy it again, without blanks"
            )
            raise AuthError(msg, url=self.url) from None
        if isinstance(error, requests.RequestException):
            msg = f"{self.url} cannot be reached to authenticate ({type(error).__name__})"
            raise ServiceUnavailable(msg, url=self.url) from None
        msg = f"{self.url} answered the authentication with something that is not SeaTable's ({type(error).__name__})"
        raise ServiceUnavailable(msg, url=self.url) from None

    def _refuse(self, answer: Answer) -> NoReturn:
        """Raise what a status of the authentication means."""
        said = words(answer).replace(self.token.value, "[token]")
        status, where = answer.status, f"the base {self.name!r} in workspace {self.workspace_id}"
        if status in {401, 403}:
            msg = f"{self.url} refuses {self.token}: {said}. {self._hint()}"
            raise AuthError(msg, url=self.url, status=status)
        if status == 404:
            msg = f"{self.url} has not {where}, or this account may not see it: {said}. Check both in crantdb.toml"
            raise NotServed(msg, url=self.url, status=status)
        if status == 429:
            found = _IN_SECONDS.search(said)
            wait = float(found[1]) if found else None
            msg = f"{self.url} asks for fewer authentications: {said}"
            raise RateLimited(msg, url=self.url, status=status, retry_after_s=wait)
        kind = ServiceUnavailable if status >= 500 or status == 408 else BadResponse
        msg = f"{self.url} answered {status} to the authentication: {said}"
        raise kind(msg, url=self.url, status=status)

    def _hint(self) -> str:
        """Return what to do about a token that is refused."""
        if self.kind is TokenKind.BASE:
            return (
                "It was used as a base API token (made in the base under Advanced > API Token; one of read-only "
                "permission is enough). Make a new one; an account token goes into CRANTTABLE_TOKEN"
            )
        return (
            f"It was used as an account token, for the base {self.name!r} in workspace {self.workspace_id}. Make a "
            f"new one, or have the base shared with the account; a base API token goes into SEATABLE_API_TOKEN"
        )


def claims_of(jwt: object) -> dict[str, Any]:
    """Return what a base token says of itself (`exp`, `permission`); nothing when it is not readable."""
    parts = jwt.split(".") if isinstance(jwt, str) else []
    if len(parts) != 3:
        return {}
    try:
        content = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
