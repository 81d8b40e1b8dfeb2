"""A generated world, a sandbox that serves it, and a way to ask it without caveclient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
import pytest
import requests
from caveclient import CAVEclient

from crantdb.sandbox import Datastack, GivenTable, Sandbox, generate_world

if TYPE_CHECKING:
    from collections.abc import Iterator

ARROW = "return_pyarrow=True&arrow_format=True&split_positions=True&direct_sql_pandas=True"


class Ask(Protocol):
    """Queries one table."""

    def __call__(self, sandbox: Sandbox, table: str, **options: Any) -> requests.Response:
        """Send a query: `version`, `stack`, `more` (query string), `encoding`; anything else is the body."""


@pytest.fixture(scope="session")
def world() -> Datastack:
    """Return the generated world in its default size."""
    return generate_world()


@pytest.fixture(scope="session")
def _served(world: Datastack) -> Iterator[Sandbox]:
    """Return the sandbox that all tests share."""
    with Sandbox(world, rows_in_order=True) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_served: Sandbox) -> Iterator[Sandbox]:
    """Return a running sandbox over the generated world, rows in order, without a fault and with an empty log."""
    _served.faults.clear()
    _served.log.clear()
    yield _served
    _served.faults.clear()


@pytest.fixture
def client(sandbox: Sandbox) -> CAVEclient:
    """Return caveclient as it is, pointed at the sandbox."""
    return CAVEclient("sandbox_ant", sandbox.url, auth_token="any", write_server_cache=False)


@pytest.fixture
def ask() -> Iterator[Ask]:
    """Return a function that queries one table over plain HTTP."""
    with requests.Session() as session:

        def query(sandbox: Sandbox, table: str, **options: Any) -> requests.Response:
            stack, version = options.pop("stack", "sandbox_ant"), options.pop("version", 5)
            more, encoding = options.pop("more", ""), options.pop("encoding", "zstd")
            path = f"/materialize/api/v3/datastack/{stack}/version/{version}/table/{table}/query"
            headers = {"Accept-Encoding": encoding}
            return session.post(
                f"{sandbox.url}{path}?{ARROW}{more}", json=options, headers=headers, timeout=30
            )

        yield query


def rows_of(response: requests.Response) -> pa.Table:
    """Return the rows of an answer."""
    response.raise_for_status()
    return pa.ipc.open_stream(response.content).read_all()


@pytest.fixture(name="rows_of")
def rows_of_fixture() -> Any:
    """Return `rows_of`."""
    return rows_of


@pytest.fixture
def synapses(world: Datastack) -> pa.Table:
    """Return the synapses as version 5 froze them."""
    table = world.version(5).table("synapses_v2")
    assert isinstance(table, GivenTable)
    return table.rows
