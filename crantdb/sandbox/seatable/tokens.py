"""SeaTable's four sorts of tokens: who holds one, for how long, and for what."""

from __future__ import annotations

import base64
import hashlib
import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crantdb.sandbox.seatable.base import ANNOTATOR

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crantdb.sandbox.exchange import Request
    from crantdb.sandbox.seatable.base import Base
    from crantdb.sandbox.seatable.clock import Clock
    from crantdb.sandbox.seatable.options import Options

_JWT_LENGTH = 420
_SCHEMES = frozenset({"token", "bearer"})


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with an account.

    Attributes:
        email: SeaTable's inner address.
        name: the shown name.
        login: what they log in with.
        password: with which password.
        account_token: their account token; None lets any text pass for one.
        bases: names of the bases they are shared; None for all.
    """

    email: str = ANNOTATOR
    name: str = "Annotator"
    login: str = "annotator@example.org"
    password: str = "swordfish"  # noqa: S105 (of a sandbox)
    account_token: str | None = None
    bases: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token allows on a base.

    Attributes:
        base: the base's uuid.
        permission: ``r`` or ``rw``.
        app_name: the app of the API token.
        label: what the request log calls the token.
        expires: unix seconds; None for never.
    """

    base: str
    permission: str
    app_name: str = ""
    label: str = ""
    expires: float | None = None


class Tokens:
    """The tokens that a server has given out.

    Args:
        users: who has an account.
        bases: the bases, with their own API tokens.
        clock: the server's.
        options: how long tokens live.
    """

    def __init__(self, users: Sequence[User], bases: Iterable[Base], clock: Clock, options: Options) -> None:
        self.users = tuple(users)
        self._bases = tuple(bases)
        self._clock = clock
        self._options = options
        self._rng = random.Random(f"tokens:{options.seed}")  # noqa: S311 (of a sandbox)
        self._temporary: dict[str, Grant] = {}
        self._issued: dict[str, Grant] = {}
        self._revoked: set[str] = set()

    def log_in(self, login: str, password: str) -> str | None:
        """Return the account token of somebody who logs in, or None."""
        for user in self.users:
            if password == user.password and login in {user.login, user.email}:
                return user.account_token or hashlib.sha1(user.email.encode()).hexdigest()  # noqa: S324 (no secret)
        return None

    def user(self, token: str) -> User | None:
        """Return whose account token this is, or None."""
        if not token or token in self._revoked:
            return None
        return next((user for user in self.users if user.account_token in (None, token)), None)

    def temporary(self, base: Base, user: User) -> str:
        """Return a new temporary API token."""
        token = self._rng.randbytes(20).hex()
        expires = self._clock.unix() + self._options.temp_token_ttl
        self._temporary[token] = Grant(
            base.uuid, "rw", user.email, f"temp#{len(self._temporary) + 1}", expires
        )
        return token

    def api(self, token: str) -> Grant | None:
        """Return what an API token, temporary or not, allows; None when it is unknown, expired or revoked."""
        if token in self._revoked:
            return None
        for base in self._bases:
            if known := base.api_tokens.get(token):
                return Grant(base.uuid, known.permission, known.app_name, f"api:{known.app_name}")
        return self._alive(self._temporary.get(token))

    def issue(self, base: Base, grant: Grant, *, seconds: float | None = None) -> str:
        """Return a new base token (JWT) with a grant's permission, downgraded to ``r`` over the storage quota.

        Args:
            base: the base it is for.
            grant: of the token it is given for.
            seconds: how long it lives; None for the server's usual time.
        """
        permission = "r" if base.over_quota else grant.permission
        expires = self._clock.unix() + (self._options.base_token_ttl if seconds is None else seconds)
        payload = {
            "exp": int(expires),
            "dtable_uuid": base.uuid,
            "username": "" if grant.app_name else ANNOTATOR,
            "permission": permission,
            "app_name": grant.app_name,
            "nonce": len(self._issued),
        }
        token = _jwt(payload, self._rng)
        self._issued[token] = Grant(
            base.uuid, permission, grant.app_name, f"jwt#{len(self._issued) + 1}", int(expires)
        )
        return token

    def base(self, token: str, uuid: str) -> Grant | None:
        """Return what a base token allows on a base; None when it is unknown, expired or another base's."""
        grant = self._alive(self._issued.get(token))
        return grant if grant is not None and grant.base == uuid else None

    def revoke_base_tokens(self) -> None:
        """Make every base token given out so far invalid; API and account tokens go on."""
        self._issued.clear()

    def revoke(self, token: str) -> None:
        """Make one account or API token invalid."""
        self._revoked.add(token)
        self._temporary.pop(token, None)

    def label(self, token: str) -> str:
        """Return what the request log calls a token; nothing of the token itself is in it."""
        if grant := self._issued.get(token) or self._temporary.get(token) or self.api(token):
            return grant.label
        if not token:
            return ""
        known = next((user for user in self.users if user.account_token == token), None)
        return f"account:{known.email}" if known else "unknown"

    def _alive(self, grant: Grant | None) -> Grant | None:
        """Return a grant unless it has expired."""
        is_over = grant is not None and grant.expires is not None and grant.expires <= self._clock.unix()
        return None if is_over else grant


def sent_token(request: Request) -> str:
    """Return the token of an Authorization header, schemes ``Token`` and ``Bearer``; empty for none."""
    scheme, _, token = request.headers.get("authorization", "").strip().partition(" ")
    return token.strip() if scheme.lower() in _SCHEMES else ""


def _jwt(payload: dict[str, object], rng: random.Random) -> str:
    """Return a token of three parts whose signature signs nothing."""
    head, body = (_base64(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "HS256"}, payload))
    missing = max(43, _JWT_LENGTH - len(head) - len(body))
    return f"{head}.{body}.{_base64(rng.randbytes(missing))[:missing]}"


def _base64(raw: bytes) -> str:
    """Return URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
