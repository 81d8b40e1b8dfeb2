"""Faults and hooks: each does what it says, to the request it is meant for, and to no other."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import requests

from crantdb.sandbox.seatable import (
    Fault,
    append_socket_row,
    archive_rows,
    delete_option,
    delete_rows,
    drop_table,
    insert_rows,
    modify_column_type,
    recompute_formula,
    rename_column,
)

if TYPE_CHECKING:
    from tests.sandbox.seatable.conftest import Asker

NAMES = "SELECT name FROM people"


def test_a_status_at_the_nth_match(people_asker: Asker) -> None:
    """Only the second SQL call is struck, with its code, body and headers; metadata between does not count."""
    fault = Fault(
        "status", match="/sql", nth=2, code=502, body="bad gateway", headers=(("Retry-After", "9"),)
    )
    people_asker.server.fault(fault)
    answers = [
        people_asker.sql(NAMES),
        people_asker.ask("GET", "/metadata/"),
        people_asker.sql(NAMES),
        people_asker.sql(NAMES),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 502, 200]
    assert (answers[2].text, answers[2].headers["Retry-After"]) == ("bad gateway", "9")
    assert "x-ratelimit-remaining" in answers[2].headers


def test_a_fault_may_match_the_statement(people_asker: Asker) -> None:
    """The body is matched too, so that one page of many can be struck; `times=None` goes on until cleared."""
    people_asker.server.fault(Fault("status", match="OFFSET 2", times=None))
    codes = [people_asker.sql(f"{NAMES} LIMIT 1 OFFSET {at}").status_code for at in (1, 2, 2, 3)]
    assert codes == [200, 503, 503, 200]
    people_asker.server.clear()
    assert people_asker.sql(f"{NAMES} LIMIT 1 OFFSET 2").ok


def test_transport_faults(people_asker: Asker) -> None:
    """Reset, truncation and a stall reach the client as what they are; a drip arrives whole."""
    server = people_asker.server
    server.fault(Fault("reset", match="/sql"))
    with pytest.raises(requests.ConnectionError):
        people_asker.sql(NAMES)
    server.fault(Fault("truncate", match="/sql", size=20))
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        people_asker.sql(NAMES)
    server.fault(Fault("stall", match="/metadata", seconds=0.4))
    with pytest.raises(requests.exceptions.ReadTimeout):
        people_asker.ask("GET", "/metadata/", timeout=0.1)
    server.fault(Fault("drip", match="/sql", seconds=0.1))
    assert len(people_asker.rows(NAMES)) == 4


def test_answers_that_are_not_json(people_asker: Asker) -> None:
    """HTML, nothing, broken UTF-8 and NaN with status 200."""
    server = people_asker.server
    server.fault(Fault("html200", match="/sql"))
    html = people_asker.sql(NAMES)
    server.fault(Fault("empty200", match="/sql"))
    empty = people_asker.sql(NAMES)
    server.fault(Fault("invalid_utf8", match="/sql"))
    utf8 = people_asker.sql(NAMES)
    server.fault(Fault("nan_literal", match="/sql"))
    nan = people_asker.sql("SELECT age FROM people")
    assert [a.status_code for a in (html, empty, utf8, nan)] == [200] * 4
    assert (html.headers["Content-Type"], empty.content) == ("text/html; charset=utf-8", b"")
    with pytest.raises(UnicodeDecodeError):
        utf8.content.decode()
    assert '"age":NaN' in nan.text


def test_answers_that_lie(people_asker: Asker) -> None:
    """Success false, fewer rows than asked, a row twice, metadata of before."""
    server = people_asker.server
    server.fault(Fault("success_false", match="/sql"))
    assert people_asker.sql(NAMES).json() == {"success": False, "error_message": None}
    server.fault(Fault("clamp", match="/sql", size=2))
    assert len(people_asker.rows(f"{NAMES} LIMIT 4")) == 2
    server.fault(Fault("dup_row", match="/sql"))
    ids = [row["_id"] for row in people_asker.rows("SELECT _id FROM people")]
    assert (len(ids), ids[0]) == (5, ids[-1])
    before = people_asker.ask("GET", "/metadata/").json()
    insert_rows(server.bases[0], "people", 1)
    server.fault(Fault("stale_metadata", match="/metadata"))
    assert people_asker.ask("GET", "/metadata/").json() == before
    assert people_asker.ask("GET", "/metadata/").json()["metadata"]["version"] == 3


def test_a_redirect_and_a_revocation(people_asker: Asker) -> None:
    """302 to the sign-in page; a revocation strikes before the request is looked at, and lasts."""
    server = people_asker.server
    server.fault(Fault("redirect302", match="/sql"))
    answer = people_asker.sql(NAMES)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{server.url}/accounts/login/")
    server.fault(Fault("revoke_tokens", match="/sql", nth=2))
    assert [people_asker.sql(NAMES).status_code for _ in range(3)] == [200, 403, 403]


def test_hooks_run_between_requests(people_asker: Asker) -> None:
    """Before the second SQL call and after the third, in this order, once."""
    server = people_asker.server
    base = server.bases[0]
    server.on(2, lambda: insert_rows(base, "people", 1, ids="low"), match="/sql")
    server.on(
        3,
        lambda: delete_rows(base, "people", list(base.table("people").rows)[:2]),
        match="/sql",
        when="after",
    )
    assert [len(people_asker.rows(NAMES)) for _ in range(5)] == [4, 5, 5, 3, 3]
    assert base.version == 5


def test_a_hook_on_a_condition(people_asker: Asker) -> None:
    """The first request that meets a condition of the test's own; `times=None` at every one."""
    server = people_asker.server
    seen: list[str] = []
    server.on(lambda request: b"LIMIT 3" in request.body, lambda: seen.append("three"))
    server.on(lambda request: request.method == "GET", lambda: seen.append("get"), times=None)
    people_asker.rows(f"{NAMES} LIMIT 2")
    people_asker.rows(f"{NAMES} LIMIT 3")
    people_asker.rows(f"{NAMES} LIMIT 3")
    people_asker.ask("GET", "/metadata/")
    people_asker.ask("GET", "/metadata/")
    assert seen == ["three", "get", "get"]


EDITS: tuple[tuple[str, Callable[[Any, str], object], int], ...] = (
    ("append_ws_row", lambda base, _: append_socket_row(base, "people", {"name": "x"}), 1),
    ("delete_rows", lambda base, row: delete_rows(base, "people", [row]), 1),
    ("rename_column", lambda base, _: rename_column(base, "people", "age", "years"), 1),
    ("modify_column_type", lambda base, _: modify_column_type(base, "people", "age", "text"), 1),
    ("delete_option", lambda base, _: delete_option(base, "people", "side", "left"), 1),
    ("archive_rows", lambda base, row: archive_rows(base, "people", [row]), 1),
    ("recompute", lambda base, _: recompute_formula(base, "people", "note", lambda _: "1"), 1),
    ("drop_table", lambda base, _: drop_table(base, "people"), 1),
    ("insert_rows", lambda base, _: insert_rows(base, "people", 2, ids="high"), 2),
)


@pytest.mark.parametrize(("name", "edit", "moves"), EDITS, ids=[name for name, *_ in EDITS])
def test_edits_move_the_version_and_no_other_rows_time(
    people_asker: Asker, name: str, edit: Callable[[Any, str], object], moves: int
) -> None:
    """Each operation on normal rows counts one; only a written cell changes `_mtime`."""
    base = people_asker.server.bases[0]
    table = base.table("people")
    times = {row["_id"]: row["_mtime"] for row in table.everything()}
    people_asker.server.clock.advance(100)
    edit(base, next(iter(table.rows)))
    assert base.version == 2 + moves
    assert {
        row["_id"]: row["_mtime"] for row in table.everything() if row["_id"] in times
    }.items() <= times.items()
    [newest, *_rest] = base.operations[::-1]
    assert (newest["op_id"], newest["dtable_uuid"]) == (base.version, base.uuid)
    assert json.loads(newest["operation"])["op_type"]


def test_type_changes_keep_the_key(people_asker: Asker) -> None:
    """Numbers become texts without a point, options their names, texts that are no numbers null."""
    base = people_asker.server.bases[0]
    before = base.table("people").column("age").key
    modify_column_type(base, "people", "age", "text")
    modify_column_type(base, "people", "side", "text")
    modify_column_type(base, "people", "name", "number")
    found = people_asker.rows("SELECT age, side, name FROM people LIMIT 2")
    assert found == [
        {"age": "36", "side": "left", "name": None},
        {"age": "4.5", "side": "right", "name": None},
    ]
    assert base.table("people").column("age").key == before


def test_the_log_of_operations_pages(people_asker: Asker) -> None:
    """25 a page, newest first, ids that go down by one; a row's activities tell old and new values."""
    base = people_asker.server.bases[0]
    row, *_ = base.table("people").rows
    insert_rows(base, "people", 30)
    people_asker.ask(
        "PUT", "/rows/", json={"table_name": "people", "updates": [{"row_id": row, "row": {"age": 37}}]}
    )
    pages = [people_asker.ask("GET", f"/operations/?page={page}").json()["operations"] for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [25, 6, 0]
    assert [op["op_id"] for page in pages for op in page] == list(range(33, 2, -1))
    found = people_asker.ask("GET", f"/activities/?row_id={row}").json()
    [activity] = found["activities"]
    [cell] = activity["row_data"]
    assert (activity["op_type"], activity["author"], cell["column_name"]) == ("modify_row", "crantdb", "age")
    assert (cell["old_value"], cell["value"]) == (36.0, 37.0)


def test_the_servers_own_snapshots(people_asker: Asker) -> None:
    """One at first; then time_is_short until ten minutes have passed and something has changed."""

    def status() -> str:
        """Ask for a snapshot."""
        return str(people_asker.ask("POST", "/snapshot/", json={"dtable_name": "CRANTb"}).json()["status"])

    assert [status(), status()] == ["created", "time_is_short"]
    people_asker.server.clock.advance(601)
    assert status() == "time_is_short"
    insert_rows(people_asker.server.bases[0], "people", 1)
    assert status() == "created"


def test_paths_and_methods(people_asker: Asker) -> None:
    """Slash or none; an unknown path is an HTML 404, a wrong method 405, a body that is no JSON 400."""
    for path in ("/sql", "/sql/"):
        assert people_asker.ask("POST", path, json={"sql": NAMES}).ok
    missing = people_asker.ask("GET", "/nothing/")
    assert (missing.status_code, missing.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert people_asker.ask("GET", "/sql/").status_code == 405
    assert people_asker.ask("POST", "/sql/", data=b"{").status_code == 400
    assert people_asker.ask("GET", "/rows/?table_name=nowhere").json() == {
        "error_message": "table nowhere not found"
    }


def test_control_from_another_process(people_asker: Asker) -> None:
    """The clock, faults, edits, the log and the counters over HTTP."""
    url = f"{people_asker.server.url}/__ctl__"
    before = requests.post(f"{url}/clock", json={"advance": 0}, timeout=30).json()["now"]
    after = requests.post(f"{url}/clock", json={"advance": 3600}, timeout=30).json()["now"]
    assert (before, after) == ("2026-08-01T12:00:00+00:00", "2026-08-01T13:00:00+00:00")
    fault = {"kind": "status", "match": "/sql", "code": 500, "headers": [["X-A", "b"]]}
    requests.post(f"{url}/fault", json=fault, timeout=30)
    assert people_asker.sql(NAMES).headers["X-A"] == "b"
    row, *_ = people_asker.server.bases[0].table("people").rows
    edit = {
        "base": "CRANTb",
        "table": "people",
        "insert": [{"name": "n"}],
        "update": {row: {"age": 1}},
        "delete": [row],
    }
    found = requests.post(f"{url}/edit", json=edit, timeout=30).json()
    assert (found["version"], len(found["inserted"]), found["deleted"]) == (5, 1, 1)
    counters = requests.get(f"{url}/counters", timeout=30).json()
    assert (counters["gateway_calls"], counters["versions"]) == (1, {"CRANTb": 5})
    log = requests.get(f"{url}/log", timeout=30).json()
    assert [entry["status"] for entry in log] == [200, 500]
    assert requests.get(f"{url}/nothing", timeout=30).status_code == 404
