"""What to sync from where (`crantdb.toml`), and tokens, read only when asked for."""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from crantdb.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SECRETS = Path("~/.cloudvolume/secrets")
"""Where caveclient and cloud-volume keep tokens."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A datastack that crantdb knows by name."""

    datastack: str
    server: str


@dataclass(frozen=True, slots=True)
class CaveSettings:
    """How to mirror CAVE.

    Attributes:
        tables: the tables and views to mirror; None for all that can be read.
        exclude: tables and views to leave out.
        synapse_tables: tables to arrange as synapses beside the datastack's own synapse table.
        parallel: requests at a time, 1 to 8.
        timeout_s: seconds without a byte after which a request is given up.
        chunk_rows: rows to ask for at once; lowered by itself to what the server allows.
        tries: how often a request is made before a transient failure becomes final.
        patience_s: seconds after which no further try is begun.
    """

    tables: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    synapse_tables: tuple[str, ...] = ()
    parallel: int = 2
    timeout_s: float = 120.0
    chunk_rows: int = 100_000
    tries: int = 6
    patience_s: float = 600.0


@dataclass(frozen=True, slots=True)
class L2Settings:
    """How to mirror L2 data.

    Attributes:
        where: a predicate over `neurons`: whose L2 data to mirror; None for every annotated neuron whose status
            does not say that it is debris, glia or to be deleted.
        parallel: requests at a time, 1 to 8.
        ids_at_once: L2 ids to ask the L2 cache for at once.
    """

    where: str | None = None
    parallel: int = 4
    ids_at_once: int = 2000


@dataclass(frozen=True, slots=True)
class Config:
    """The content of a `crantdb.toml`.

    Attributes:
        datastack: the datastack's name.
        server: the address of its global CAVE server.
        cave: how to mirror CAVE.
        l2: how to mirror L2 data.
        syncs_l2: whether a sync without a named source mirrors L2 data too: the file has a section `[l2]`.
    """

    datastack: str
    server: str
    cave: CaveSettings = field(default_factory=CaveSettings)
    l2: L2Settings = field(default_factory=L2Settings)
    syncs_l2: bool = False


def profiles() -> dict[str, Profile]:
    """Return the datastacks known by name; any other is a `server` line in `crantdb.toml`."""
    server = "https://proofreading.zetta.ai"
    return {name: Profile(name, server) for name in ("kronauer_ant", "kronauer_ant_sandbox")}


def config_text(datastack: str, server: str | None, *, parallel: int = 2) -> str:
    """Return the text of a new `crantdb.toml`.

    Raises:
        ConfigError: when no server is given for a datastack that crantdb does not know.
    """
    known = profiles().get(datastack)
    if server is None and known is None:
        names = ", ".join(profiles())
        msg = (
            f"crantdb does not know which server has the datastack {datastack!r} (it knows {names}). "
            f"Say it with --cave-server https://…"
        )
        raise ConfigError(msg)
    address = check_server(server or (known.server if known else ""))
    return (
        "# What this warehouse mirrors, and from where. Tokens never stand here: see `crantdb doctor`.\n"
        f"datastack = {_quoted(datastack)}\n"
        f"server = {_quoted(address)}\n"
        "\n[cave]\n"
        '# tables = ["synapses_v2", "cell_types"]   # default: every table and view that can be read\n'
        "# exclude = []\n"
        f"parallel = {parallel}      # requests at a time\n"
        "# timeout_s = 120   # seconds without a byte before a request is given up\n"
        "# chunk_rows = 100000   # rows a request; lowered by itself to what the server allows\n"
        "\n# [l2]                # with this section, a sync mirrors the L2 data of annotated neurons too\n"
        "# where = \"cell_class = 'ER'\"   # default: all that are not marked as debris, glia or to be deleted\n"
    )


def _quoted(text: str) -> str:
    """Write a text as TOML, which takes JSON's escapes but for its surrogate pairs, and wants one more."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def read_config(path: Path) -> Config:
    """Read a `crantdb.toml`.

    Raises:
        ConfigError: naming every mistake in it at once.
    """
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path} is not valid TOML: {error}"
        raise ConfigError(msg) from error
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise ConfigError(msg) from error
    mistakes: list[str] = []
    top = _checked(raw, {"datastack": _text, "server": _server, "cave": _table, "l2": _table}, "", mistakes)
    cave = _checked(top.get("cave", {}), _CAVE_FIELDS, "cave.", mistakes)
    l2 = _checked(top.get("l2", {}), _L2_FIELDS, "l2.", mistakes)
    if "datastack" not in raw:
        mistakes.append("datastack is missing")
    known = profiles().get(top.get("datastack", ""))
    if "server" not in raw and known is None:
        mistakes.append("server is missing, and the datastack is not one that crantdb knows")
    if mistakes:
        msg = f"{path}: " + "; ".join(mistakes)
        raise ConfigError(msg)
    server = top.get("server") or (known.server if known else "")
    return Config(top["datastack"], server, CaveSettings(**cave), L2Settings(**l2), syncs_l2="l2" in top)


def _checked(
    raw: Mapping[str, Any], fields: Mapping[str, Callable[[Any], Any]], prefix: str, mistakes: list[str]
) -> dict[str, Any]:
    """Return the fields that are right, and add a line to `mistakes` for each that is not."""
    result: dict[str, Any] = {}
    for name, value in raw.items():
        check = fields.get(name)
        if check is None:
            close = difflib.get_close_matches(name, fields, n=1)
            mistakes.append(
                f"{prefix}{name} is unknown" + (f" (did you mean {prefix}{close[0]}?)" if close else "")
            )
            continue
        try:
            result[name] = check(value)
        except ValueError as error:
            mistakes.append(f"{prefix}{name} {error}")
    return result


def _text(value: object) -> str:
    """Check for a text that is not empty."""
    if isinstance(value, str) and value.strip():
        return value
    msg = f"must be a text, not {value!r}"
    raise ValueError(msg)


def check_server(value: str) -> str:
    """Return a server's address without its trailing slash.

    Raises:
        ConfigError: when it is not an http(s) address, or carries a name or password.
    """
    try:
        return _server(value)
    except ValueError as error:
        msg = f"the server's address {error}"
        raise ConfigError(msg) from error


def _server(value: object) -> str:
    """Check for an http(s) address without credentials; a message never repeats what may be one."""
    address = _text(value).strip()
    if "@" in address or "?" in address:
        msg = "must not carry a name, a password or a query"
        raise ValueError(msg)
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        msg = f"must start with https:// or http://, not {value!r}"
        raise ValueError(msg)
    return address.rstrip("/")


def _table(value: object) -> dict[str, Any]:
    """Check for a TOML table."""
    if isinstance(value, dict):
        return value
    msg = "must be a section"
    raise ValueError(msg)


def _names(value: object) -> tuple[str, ...]:
    """Check for a list of texts."""
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return tuple(value)
    msg = f"must be a list of names, not {value!r}"
    raise ValueError(msg)


def _between(low: float, high: float, kind: type[int | float]) -> Callable[[object], float]:
    """Return a check for a number within bounds."""

    def check(value: object) -> float:
        wanted = (int,) if kind is int else (int, float)
        if isinstance(value, bool) or not isinstance(value, wanted) or not low <= value <= high:
            msg = f"must be a {'whole ' if kind is int else ''}number from {low} to {high}, not {value!r}"
            raise ValueError(msg)
        return kind(value)

    return check


_CAVE_FIELDS: Mapping[str, Callable[[Any], Any]] = {
    "tables": _names,
    "exclude": _names,
    "synapse_tables": _names,
    "parallel": _between(1, 8, int),
    "timeout_s": _between(0.1, 3600, float),
    "chunk_rows": _between(1, 10_000_000, int),
    "tries": _between(1, 50, int),
    "patience_s": _between(0, 86_400, float),
}

_L2_FIELDS: Mapping[str, Callable[[Any], Any]] = {
    "where": _text,
    "parallel": _between(1, 8, int),
    "ids_at_once": _between(1, 100_000, int),
}


# --- tokens ------------------------------------------------------------------------------------------


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
        value = _text(json.loads(path.read_text("utf-8"))["token"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f'{path} holds no token: it should read {{"token": "…"}} ({type(error).__name__})'
        raise ConfigError(msg) from None
    return value.strip()
