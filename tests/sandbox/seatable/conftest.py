"""A small base with every column type, served, and ways to ask it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import requests

from crantdb.sandbox.seatable import Base, Clock, Column, Options, SeaTable, Table, View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from seatable_api import Base as ClientBase

TOKEN = "account-token-of-a-test"
READER, WRITER = "api-token-that-reads", "api-token-that-writes"
NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)
COLUMNS = (
    ("name", "text", {}),
    ("age", "number", {}),
    ("side", "single-select", {"options": ("right", "left", "middle")}),
    ("tags", "multiple-select", {"options": ("a", "b, c", "d")}),
    ("ok", "checkbox", {}),
    ("born", "date", {"data": {"format": "YYYY-MM-DD"}}),
    ("note", "long-text", {}),
    ("who", "collaborator", {}),
)
ROWS: tuple[dict[str, Any], ...] = (
    {"name": "Ada", "age": 36, "side": "left", "tags": ["a", "d"], "ok": True, "born": "2026-06-20"},
    {"name": "bob", "age": 4.5, "side": "right", "tags": ["b, c"], "ok": False, "born": "2026-12-24 18:30"},
    {"name": "Ćiro", "age": -2, "side": "middle", "tags": [], "note": "*long*", "who": ["a@auth.local"]},
    {"name": "", "age": None},
)


def people(**more: Any) -> Base:
    """Return a base with the table ``people`` of four rows, ids ``row0`` to ``row3`` filled up to 22 letters."""
    columns = [Column(name, kind, **extra) for name, kind, extra in COLUMNS]
    rows = [row | {"_id": f"row{at}".ljust(22, "x")} for at, row in enumerate(ROWS)]
    view = View("short", hidden=("note",), keep=lambda row: row.get("0000") != "bob")
    tables = [Table("people", columns, rows, views=[View("Default View"), view])]
    return Base("CRANTb", tables, api_tokens={READER: "r", WRITER: "rw"}, **({"clock": Clock(NOON)} | more))


@dataclass
class Asker:
    """Asks a server with plain requests."""

    server: SeaTable
    jwt: str

    @property
    def root(self) -> str:
        """The base's gateway address."""
        return f"{self.server.url}/api-gateway/api/v2/dtables/{self.server.bases[0].uuid}"

    def ask(self, method: str, path: str, *, token: str | None = None, **more: Any) -> requests.Response:
        """Return the answer of a gateway path."""
        headers = {"Authorization": f"Token {self.jwt if token is None else token}"} | more.pop("headers", {})
        timeout = more.pop("timeout", 30)
        given = {"allow_redirects": False} | more
        return requests.request(method, self.root + path, headers=headers, timeout=timeout, **given)

    def sql(self, text: str, *parameters: Any, **body: Any) -> requests.Response:
        """Return the answer to a statement."""
        given = {"sql": text, "convert_keys": True} | body
        return self.ask("POST", "/sql", json=given | ({"parameters": parameters} if parameters else {}))

    def rows(self, text: str, *parameters: Any, **body: Any) -> list[dict[str, Any]]:
        """Return the rows of a statement that is to work."""
        answer = self.sql(text, *parameters, **body)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["results"]
        return found

    def error(self, text: str, *parameters: Any) -> str:
        """Return the message of a statement that is to be refused with 400."""
        answer = self.sql(text, *parameters)
        assert answer.status_code == 400, answer.text
        return str(answer.json()["error_message"])


def asker(server: SeaTable, api_token: str = WRITER) -> Asker:
    """Return an asker with a fresh base token."""
    found = requests.get(
        f"{server.url}/api/v2.1/dtable/app-access-token/",
        headers={"Authorization": f"Token {api_token}"},
        timeout=30,
    )
    assert found.ok, found.text
    return Asker(server, found.json()["access_token"])


Serve = "Callable[..., Asker]"


@pytest.fixture
def serve() -> Iterator[Callable[..., Asker]]:
    """Return a function that serves a base (default: `people`) with options and gives an asker."""
    running: list[SeaTable] = []

    def start(base: Base | None = None, **options: Any) -> Asker:
        """Serve a base."""
        base = base or people()
        server = SeaTable(base, token=TOKEN, options=Options(**options), clock=base.clock)
        server.start()
        running.append(server)
        return asker(server)

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def people_asker(serve: Callable[..., Asker]) -> Asker:
    """Return an asker of `people` behind the default options."""
    return serve()


def opened(server: SeaTable, token: str = WRITER) -> ClientBase:
    """Return a base opened by the real client with a base API token."""
    import seatable_api  # noqa: PLC0415 - heavy

    base = seatable_api.Base(token, server.url)
    base.auth()
    return base
