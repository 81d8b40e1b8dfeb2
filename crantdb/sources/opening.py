"""The way to a datastack: its server found fit, its info read, caveclient's session begun."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from crantdb.errors import BadResponse, NotServed, SourceError
from crantdb.sources.cave import Cave, CaveOptions
from crantdb.sources.session import caveclient_session, plain_session
from crantdb.sources.transport import Transport

if TYPE_CHECKING:
    import requests


def open_cave(datastack: str, server: str, token: str | None, options: CaveOptions | None = None) -> Cave:
    """Open a datastack.

    Args:
        datastack: its name.
        server: the global server's address.
        token: the token, or None for a server that asks for none.
        options: how to ask.

    Raises:
        NotServed: when the server has no such datastack; the message lists those it has.
        TooOld: when its materialization engine is older than the contract.
        AuthError: when the token is refused, lacks a permission, or terms are not accepted; no browser opens.
        SourceError: as `Transport.json`.
    """
    options = options or CaveOptions()
    first = _transport(plain_session(token), token, options)
    info = _datastack_info(first, datastack, server)
    cave = Cave(datastack, server, info, first, options)
    cave.engine_version()
    cave.versions()
    # From here caveclient's constructors meet only answers that were good a moment ago.
    session = caveclient_session(cave, token, wait_s=options.timeout_s + 30)
    cave.transport = _transport(session, token, options)
    cave.transport.meter.add(requests=first.meter.requests, size=first.meter.bytes)
    return cave


def _transport(session: requests.Session, token: str | None, options: CaveOptions) -> Transport:
    """Return a transport over a session."""
    return Transport(session, timeout_s=options.timeout_s, rule=options.rule, secret=token)


def _datastack_info(transport: Transport, datastack: str, server: str) -> dict[str, Any]:
    """Return the datastack's info."""
    url = f"{server}/info/api/v2/datastack/full/{quote(datastack, safe='')}"
    try:
        info = transport.json(url)
    except NotServed as error:
        try:
            known = ", ".join(sorted(map(str, transport.json(f"{server}/info/api/v2/datastacks"))))
        except SourceError:
            raise error from None
        msg = f"{server} has no datastack {datastack!r}. It has: {known or 'none'}"
        raise NotServed(msg, url=url, status=404) from None
    if not isinstance(info, dict):
        msg = f"{url} describes the datastack as {type(info).__name__}"
        raise BadResponse(msg, url=url)
    return info
