"""Limits of size, the sliding window and the monthly quota."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
import requests

from crantdb.sandbox.seatable import Base, Column, Fault, Table
from tests.sandbox.seatable.conftest import NOON, TOKEN, WRITER, Asker, asker

START = int(NOON.timestamp())


def wide(rows: int, columns: int = 3) -> Base:
    """Return a base with a table of rows and text columns."""
    made = [Column(f"c{at}") for at in range(columns)]
    given = ({f"c{at}": "x" for at in range(columns)} for _ in range(rows))
    return Base("CRANTb", [Table("t", made, given)], api_tokens={WRITER: "rw"})


@pytest.mark.parametrize(
    ("limit", "given"),
    [("", 100), ("LIMIT 150", 150), ("LIMIT 900", 400), ("LIMIT 0", 0), ("LIMIT 5 OFFSET 448", 2)],
)
def test_selects_are_cut_off_in_silence(serve: Callable[..., Asker], limit: str, given: int) -> None:
    """100 rows without LIMIT, the cap for more than the cap, and nothing in the answer tells."""
    asked = serve(wide(450), sql_hard_limit=400)
    answer = asked.sql(f"SELECT c0 FROM t {limit}")
    assert (answer.status_code, len(answer.json()["results"])) == (200, given)
    assert set(answer.json()) == {"success", "error_message", "is_join_stmt", "metadata", "results"}


def test_list_rows_clamps(serve: Callable[..., Asker]) -> None:
    """The default and the most are 1,000."""
    asked = serve(wide(1100))
    for query, given in (("", 1000), ("&limit=5000", 1000), ("&limit=7", 7), ("&start=1095", 5)):
        assert len(asked.ask("GET", f"/rows/?table_name=t{query}").json()["rows"]) == given


def test_too_many_cells_are_refused(serve: Callable[..., Asker]) -> None:
    """Rows times columns over the cap: a 400 in the server's words."""
    asked = serve(wide(120, 12), cell_cap=1_000)
    assert asked.error("SELECT * FROM t LIMIT 60") == "Number of cells returned exceeds the limit of 1000"
    assert len(asked.rows("SELECT * FROM t LIMIT 50")) == 50


def test_a_costly_query_is_refused(serve: Callable[..., Asker]) -> None:
    """Over the cost limit a query is a 400; keyset pages near the end cost less."""
    asked = serve(wide(300), sql_cost_limit=400)
    assert "cost" in asked.error("SELECT c0, c1 FROM t ORDER BY _id LIMIT 10")
    last = sorted(asked.server.bases[0].table("t").rows)[200]
    assert len(asked.rows("SELECT c0, c1 FROM t WHERE _id > ? ORDER BY _id LIMIT 10", last)) == 10


@pytest.mark.parametrize(("method", "most"), [("POST", 3), ("PUT", 2), ("DELETE", 4)])
def test_writes_have_a_size(serve: Callable[..., Asker], method: str, most: int) -> None:
    """More rows than allowed are refused whole."""
    base = wide(10)
    asked = serve(base, append_max=3, update_max=2, delete_max=4)
    ids = list(base.table("t").rows)

    def body(count: int) -> dict[str, object]:
        """Return a body of so many rows."""
        rows = [{"c0": "new"}] * count
        updates = [{"row_id": row_id, "row": {"c0": "new"}} for row_id in ids[:count]]
        return {"table_name": "t", "rows": rows, "updates": updates, "row_ids": ids[:count]}

    assert asked.ask(method, "/rows/", json=body(most + 1)).status_code == 400
    assert base.version == 2
    assert asked.ask(method, "/rows/", json=body(most)).ok
    assert base.version == 2 + most


def test_the_window_slides(serve: Callable[..., Asker]) -> None:
    """A base's calls within 60 s are counted over all tokens; 429 is empty, takes no place, and tells when."""
    asked = serve(base_rpm=3)
    clock = asked.server.clock
    first = asked.ask("GET", "/metadata/")
    assert {name: first.headers[name] for name in first.headers if name.startswith("x-")} == {
        "x-ratelimit-limit": "3",
        "x-ratelimit-remaining": "2",
        "x-ratelimit-reset": str(START + 60),
        "x-powered-by": "SeaTable-Api-Gateway",
    }
    clock.advance(20)
    other = asker(asked.server)
    assert [other.ask("GET", "/metadata/").status_code for _ in range(3)] == [200, 200, 429]
    refused = asked.ask("GET", "/metadata/")
    assert (refused.status_code, refused.content, refused.headers["Content-Length"]) == (429, b"", "0")
    assert "Retry-After" not in refused.headers
    assert (refused.headers["x-ratelimit-remaining"], refused.headers["x-ratelimit-reset"]) == (
        "0",
        str(START + 60),
    )
    clock.advance(40)
    again = asked.ask("GET", "/metadata/")
    assert (again.status_code, again.headers["x-ratelimit-remaining"]) == (200, "0")
    assert again.headers["x-ratelimit-reset"] == str(START + 80)
    assert asked.ask("GET", "/metadata/").status_code == 429


def test_errors_count_for_the_window_too(serve: Callable[..., Asker]) -> None:
    """A 400 and a 403 take a place and carry the headers."""
    asked = serve(base_rpm=10)
    assert asked.sql("nonsense").headers["x-ratelimit-remaining"] == "9"
    assert asked.ask("GET", "/metadata/", token="garbage").headers["x-ratelimit-remaining"] == "8"


def test_the_web_server_throttles_otherwise(serve: Callable[..., Asker]) -> None:
    """429 with JSON and Retry-After; the gateway goes on."""
    asked = serve(web_rpm=2)
    url, headers = f"{asked.server.url}/api/v2.1/workspaces/", {"Authorization": f"Token {TOKEN}"}
    assert requests.get(url, headers=headers, timeout=30).ok
    asked.server.clock.advance(18)
    refused = requests.get(url, headers=headers, timeout=30)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "42")
    assert refused.json() == {"detail": "Request was throttled. Expected available in 42 seconds."}
    assert asked.ask("GET", "/metadata/").ok


def test_logging_in_has_a_rate_of_its_own(serve: Callable[..., Asker]) -> None:
    """The third try within a minute is throttled."""
    url = f"{serve(auth_rpm=2).server.url}/api2/auth-token/"
    tries = [requests.post(url, data={"username": "x", "password": "y"}, timeout=30) for _ in range(3)]
    assert [answer.status_code for answer in tries] == [400, 400, 429]
    assert tries[0].json() == {"non_field_errors": "Unable to login with provided credentials."}


def test_the_month_ends_late_and_begins_anew(serve: Callable[..., Asker]) -> None:
    """Calls over the quota go through by the lag; then each is 429 with the month's end, until then."""
    asked = serve(monthly_quota=3, quota_lag=2)
    assert [asked.ask("GET", "/metadata/").status_code for _ in range(6)] == [200] * 5 + [429]
    refused = asked.sql("SELECT name FROM people")
    september = datetime(2026, 9, 1, tzinfo=ZoneInfo("Europe/Berlin"))
    assert (refused.status_code, refused.content, refused.headers["x-ratelimit-remaining"]) == (429, b"", "0")
    assert refused.headers["x-ratelimit-reset"] == str(int(september.timestamp()))
    assert asker(asked.server).ask("GET", "/metadata/").status_code == 429  # a token can be had, data cannot
    asked.server.clock.set(september.astimezone(UTC))
    assert asker(asked.server).ask("GET", "/metadata/").ok


def test_the_month_can_be_exhausted_by_a_fault(people_asker: Asker) -> None:
    """`quota` strikes at a chosen request and stays."""
    people_asker.server.fault(Fault("quota", match="/sql", nth=2))
    assert [people_asker.sql("SELECT name FROM people").status_code for _ in range(3)] == [200, 429, 429]


def test_only_gateway_calls_are_counted(people_asker: Asker) -> None:
    """The log tells the calls that cost from those that do not."""
    log = people_asker.server.log
    people_asker.ask("GET", "/metadata/")
    asker(people_asker.server)
    assert (log.gateway_calls(), log.count()) == (1, 3)
    assert people_asker.server.month.calls == 1


def test_the_date_is_the_servers(people_asker: Asker) -> None:
    """The Date header follows the clock that limits and tokens go by, and stands there once."""
    clock = people_asker.server.clock
    clock.advance(90)
    answer = people_asker.ask("GET", "/metadata/")
    assert answer.headers["Date"] == "Sat, 01 Aug 2026 12:01:30 GMT"
