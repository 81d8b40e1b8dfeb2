"""Each fault does what it says, to the requests it is meant for, as often as it is meant to."""

from __future__ import annotations

import email.utils
import time
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
import requests

from crantdb.errors import ConfigError
from crantdb.sandbox import Fault, Sandbox

if TYPE_CHECKING:
    from tests.sandbox.conftest import Ask

VERSIONS = "/materialize/api/v3/datastack/sandbox_ant/versions"


def test_a_status_strikes_after_some_and_then_stops(sandbox: Sandbox) -> None:
    """`after` lets requests through, `times` ends the fault, and headers come along."""
    fault = Fault(
        "status", match="GET .*/versions", code=429, after=1, times=2, headers=(("Retry-After", "7"),)
    )
    sandbox.faults.add(fault)
    answers = [requests.get(sandbox.url + VERSIONS, timeout=30) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 429, 429, 200]
    assert answers[1].headers["Retry-After"] == "7"


def test_a_fault_for_ever_ends_when_cleared(sandbox: Sandbox) -> None:
    """`times=None` strikes until `clear`, and only requests that match."""
    sandbox.faults.add(
        Fault("me_500", match="/versions$", times=None, message="429 Too Many Requests: 3 per 1 minute")
    )
    answers = [requests.get(sandbox.url + VERSIONS, timeout=30) for _ in range(3)]
    assert [answer.json()["message"] for answer in answers] == ["429 Too Many Requests: 3 per 1 minute"] * 3
    assert requests.get(sandbox.url + "/info/version", timeout=30).ok
    sandbox.faults.clear()
    assert requests.get(sandbox.url + VERSIONS, timeout=30).ok


@pytest.mark.parametrize("fraction", [0.0, 0.5])
def test_a_reset_breaks_the_connection(sandbox: Sandbox, ask: Ask, fraction: float) -> None:
    """A reset reaches the client as a connection error, before or in the middle of the body."""
    sandbox.faults.add(Fault("reset", match="/query", fraction=fraction))
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        ask(sandbox, "synapses_v2")
    assert ask(sandbox, "synapses_v2").ok


def test_a_truncated_body_is_shorter_than_declared(sandbox: Sandbox, ask: Ask) -> None:
    """The whole length is declared, half of it comes: the client sees an incomplete read."""
    sandbox.faults.add(Fault("truncate", match="/query", fraction=0.5))
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        ask(sandbox, "synapses_v2")


def test_a_stall_outlasts_a_timeout(sandbox: Sandbox) -> None:
    """A stalled answer comes after its seconds: too late for a short timeout, in time for a long one."""
    sandbox.faults.add(Fault("stall", match="/versions", seconds=0.5, times=2))
    with pytest.raises(requests.ReadTimeout):
        requests.get(sandbox.url + VERSIONS, timeout=0.1)
    assert requests.get(sandbox.url + VERSIONS, timeout=30).ok


def test_html_comes_with_status_200(sandbox: Sandbox) -> None:
    """A sign-in page takes the place of JSON."""
    sandbox.faults.add(Fault("html"))
    answer = requests.get(sandbox.url + VERSIONS, timeout=30)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")


def test_the_warning_can_be_dropped(sandbox: Sandbox, ask: Ask) -> None:
    """A full page without its Warning."""
    sandbox.faults.add(Fault("drop_warning", match="/query"))
    answers = [ask(sandbox, "synapses_v2", limit=5) for _ in range(2)]
    assert ["Warning" in answer.headers for answer in answers] == [False, True]


def test_rows_can_be_left_out_in_silence(sandbox: Sandbox, ask: Ask, rows_of: Any) -> None:
    """Three rows fewer than the table has, and no Warning."""
    sandbox.faults.add(Fault("rows", match="/query", rows=3))
    answers = [ask(sandbox, "nuclei_v1") for _ in range(2)]
    assert rows_of(answers[1]).num_rows - rows_of(answers[0]).num_rows == 3
    assert "Warning" not in answers[0].headers


def test_rows_can_come_twice(sandbox: Sandbox, ask: Ask, rows_of: Any) -> None:
    """As many rows as there are, two of them copies of others."""
    sandbox.faults.add(Fault("duplicate_rows", match="/query", rows=2))
    ids = [rows_of(ask(sandbox, "nuclei_v1"))["id"].to_pylist() for _ in range(2)]
    assert len(ids[0]) == len(ids[1])
    assert len(set(ids[0])) == len(set(ids[1])) - 2


def test_a_column_can_have_the_wrong_type(sandbox: Sandbox, ask: Ask, rows_of: Any) -> None:
    """Ids come as doubles, which bends the one beyond 2⁵³."""
    sandbox.faults.add(Fault("wrong_schema", match="/query", column="id"))
    biggest = {"filter_greater_dict": {"synapses_v2": {"id": 2**53}}}
    got = rows_of(ask(sandbox, "synapses_v2", **biggest))
    assert got.schema.field("id").type == pa.float64()
    assert rows_of(ask(sandbox, "synapses_v2", **biggest))["id"].to_pylist() == [2**53 + 1]


def test_the_row_limit_can_change(sandbox: Sandbox, ask: Ask, rows_of: Any) -> None:
    """A lower limit is told in the Warning, as the server's own."""
    sandbox.faults.add(Fault("row_limit", match="/query", rows=50))
    answer = ask(sandbox, "synapses_v2")
    assert rows_of(answer).num_rows == 50
    assert answer.headers["Warning"] == '201 - "Limited query to 50 rows'


def test_a_token_can_expire(sandbox: Sandbox) -> None:
    """The 401 of an expired token, with its challenge."""
    sandbox.faults.add(Fault("token_expired"))
    answer = requests.get(sandbox.url + VERSIONS, timeout=30)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_the_log_tells_what_was_asked(sandbox: Sandbox, ask: Ask) -> None:
    """Every request is logged with status and rows, struck ones too."""
    sandbox.faults.add(Fault("status", match="/versions", code=502))
    requests.get(sandbox.url + VERSIONS, timeout=30)
    ask(sandbox, "nuclei_v1", limit=4)
    assert [entry.status for entry in sandbox.log.entries("/versions$")] == [502]
    assert [(e.method, e.rows) for e in sandbox.log.entries("/nuclei_v1/query$")] == [("POST", 4)]
    assert sandbox.log.count() == 2


def test_the_servers_clock_can_be_off(world: Any) -> None:
    """The Date header is ahead by the offset."""
    with Sandbox(world, clock_offset_s=3600) as sandbox:
        date = requests.get(f"{sandbox.url}/info/version", timeout=30).headers["Date"]
    ahead = email.utils.parsedate_to_datetime(date).timestamp() - time.time()
    assert 3500 < ahead < 3700


def test_a_connection_serves_many_requests(sandbox: Sandbox) -> None:
    """Connections are kept: a session's second request needs no new one."""
    with requests.Session() as session:
        for _ in range(3):
            assert session.get(f"{sandbox.url}/info/version", timeout=30).ok
        pools = session.adapters["http://"].poolmanager.pools
        assert [pools[key].num_connections for key in pools.keys()] == [1]  # noqa: SIM118 (no mapping)


def test_a_sandbox_stops_with_connections_open_and_in_a_stall(world: Any) -> None:
    """`stop` waits neither for an idle client nor for a stalled answer, and may come twice."""
    sandbox = Sandbox(world)
    sandbox.start()
    sandbox.faults.add(Fault("stall", match="/versions", seconds=600))
    with requests.Session() as session:
        assert session.get(f"{sandbox.url}/info/version", timeout=30).ok
        with pytest.raises(requests.ReadTimeout):
            requests.get(sandbox.url + VERSIONS, timeout=0.1)
        sandbox.stop()
        sandbox.stop()
        with pytest.raises(requests.ConnectionError):
            session.get(f"{sandbox.url}/info/version", timeout=30)


def test_a_sandbox_that_never_started_can_be_stopped(world: Any) -> None:
    """The port is given back; another sandbox can have it, and a third is told that it is taken."""
    first = Sandbox(world)
    port = int(first.url.rsplit(":", 1)[1])
    first.stop()
    with Sandbox(world, port=port), pytest.raises(ConfigError, match="cannot be had"):
        Sandbox(world, port=port)


def test_a_bad_pattern_is_refused(sandbox: Sandbox) -> None:
    """A `match` that is no regular expression is refused when the fault is added."""
    with pytest.raises(ConfigError, match="no regular expression"):
        sandbox.faults.add(Fault("html", match="("))
