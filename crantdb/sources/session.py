"""Sessions with a datastack's auth: a plain one for the first questions, then caveclient's own."""

from __future__ import annotations

import threading
from typing import Any, Protocol

import requests

from crantdb.errors import BadResponse, ServiceUnavailable


class Described(Protocol):
    """A datastack whose info is known."""

    @property
    def datastack(self) -> str:
        """Its name."""

    @property
    def server(self) -> str:
        """The global server's address."""

    @property
    def local_server(self) -> str:
        """The address of the server that holds the data."""

    @property
    def info(self) -> dict[str, Any]:
        """Its info as served."""


def plain_session(token: str | None) -> requests.Session:
    """Return a session with the auth headers that caveclient's have."""
    session = requests.Session()
    if token:
        session.headers["Authorization"] = f"Bearer {token}"
        session.cookies.set("middle_auth_token", token)
    return session


def caveclient_session(cave: Described, token: str | None, *, wait_s: float) -> requests.Session:
    """Return the session of caveclient's materialization client.

    Its constructors ask the server without any timeout, so they run in a thread that is waited for.

    Args:
        cave: the datastack, its info known already.
        token: the token, or None.
        wait_s: how long to wait.

    Raises:
        ServiceUnavailable: when the server does not answer in that time.
        BadResponse: when caveclient fails.
    """
    result: list[requests.Session | BaseException] = []

    def build() -> None:
        from caveclient import CAVEclient  # noqa: PLC0415 - takes seconds to load

        try:
            client = CAVEclient(
                cave.datastack,
                server_address=cave.server,
                auth_token=token,
                info_cache={cave.datastack: cave.info},
                write_server_cache=False,
            )
            result.append(client.materialize.session)
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits, which names it
            result.append(error)

    thread = threading.Thread(target=build, daemon=True, name="caveclient")
    thread.start()
    thread.join(wait_s)
    if not result:
        msg = f"caveclient got no answer from {cave.local_server} in {wait_s:.0f} s"
        raise ServiceUnavailable(msg, url=cave.local_server)
    if isinstance(result[0], requests.Session):
        return result[0]
    msg = f"caveclient cannot open {cave.datastack} on {cave.server}: {type(result[0]).__name__}"
    raise BadResponse(msg, url=cave.server) from result[0]
