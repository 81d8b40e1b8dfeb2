"""Tokens: read where each service's own tools keep them, only when asked for, and never shown."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from crantdb.errors import ConfigError

SECRETS = Path("~/.cloudvolume/secrets")
"""Where caveclient and cloud-volume keep tokens."""

SEATABLE_TOKENS = (("CRANTTABLE_TOKEN", "account"), ("SEATABLE_API_TOKEN", "base"))
"""The variables of SeaTable's tokens, and what each kind opens: all bases of an account, or one base."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token and where it was found. Its value is never shown: not by repr, not by str.

    Attributes:
        value: the token itself.
        origin: where it was found, in words.
    """

    value: str = field(repr=False)
    origin: str

    def __str__(self) -> str:
        return f"a token from {self.origin}"


def cave_token(server: str) -> Token | None:
    """Return the token for a CAVE server, or None when there is none.

    Looked for in `CAVE_TOKEN`, then in caveclient's own files: `<host>-cave-secret.json`, then
    `cave-secret.json`, both in `~/.cloudvolume/secrets/`.

    Raises:
        ConfigError: when a file is there but holds no token.
    """
    value = os.environ.get("CAVE_TOKEN", "").strip()
    if value:
        return Token(value, "the environment variable CAVE_TOKEN")
    for name in (f"{urlsplit(server).netloc}-cave-secret.json", "cave-secret.json"):
        path = (SECRETS / name).expanduser()
        if path.is_file():
            return Token(_secret(path), str(SECRETS / name))
    return None


def _secret(path: Path) -> str:
    """Read the token in one of caveclient's files."""
    try:
        value = json.loads(path.read_text("utf-8"))["token"].strip()
        if not value:
            raise ValueError  # noqa: TRY301 - said below as for any other content
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f'{path} holds no token: it should read {{"token": "…"}} ({type(error).__name__})'
        raise ConfigError(msg) from None
    return str(value)


def seatable_token() -> tuple[Token, str] | None:
    """Return the token for SeaTable and what it opens (``account`` or ``base``), or None when there is none.

    Looked for in `CRANTTABLE_TOKEN` (an account's), then in `SEATABLE_API_TOKEN` (a base's own).
    """
    for name, opens in SEATABLE_TOKENS:
        value = os.environ.get(name, "").strip()
        if value:
            return Token(value, f"the environment variable {name}"), opens
    return None
