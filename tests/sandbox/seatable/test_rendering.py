"""Cells on the wire: numbers, dates, options, links, the empty, and the old servers' ways."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import requests
import seatable_api
from hypothesis import given
from hypothesis import strategies as st

from crantdb.sandbox.seatable import (
    Base,
    Clock,
    Column,
    Table,
    add_link_column,
    append_socket_row,
    delete_option,
    set_links,
    update_row,
)
from crantdb.sandbox.seatable.answers import dumps, number
from tests.sandbox.seatable.conftest import NOON, WRITER, Asker, people


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (576460752667713229, "576460752667713300"),
        (500, "500"),
        (500.0, "500"),
        (499.99, "499.99"),
        (-10, "-10"),
        (-0.5, "-0.5"),
        (2**53 + 1, "9007199254740992"),
        (1e16, "10000000000000000"),
        (123456789012345680000, "123456789012345680000"),
        (1e21, "1e+21"),
        (-1.5e300, "-1.5e+300"),
        (0.0001, "0.0001"),
        (0.00001, "0.00001"),
        (1e-7, "1e-7"),
        (1.25e-10, "1.25e-10"),
        (3.9000000000000004, "3.9000000000000004"),
        (0.1 + 0.2, "0.30000000000000004"),
    ],
)
def test_numbers_are_written_as_go_does(serve: Callable[..., Asker], value: float, text: str) -> None:
    """A number is a float64 on the server; its shortest digits come out, padded with zeros below 1e21."""
    base = Base("CRANTb", [Table("t", [Column("n", "number")], [{"n": value}])], api_tokens={WRITER: "rw"})
    asked = serve(base)
    for answer in (asked.sql("SELECT n FROM t"), asked.ask("GET", "/rows/?table_name=t&convert_keys=true")):
        assert re.search(r'"n":([^,}\]]+)', answer.text)[1] == text  # type: ignore[index]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_written_numbers_read_back(value: float) -> None:
    """What is written is JSON that reads back as the same float64, without a point below 1e21 if integral."""
    text = dumps([number(value)]).decode()[1:-1]
    assert float(json.loads(text)) == value
    assert not (value.is_integer() and abs(value) < 1e21 and re.search(r"[.e]", text))


def test_of_a_million_ids_few_literals_are_left() -> None:
    """Ids in [2^59, 2^60) collapse in steps of 128."""
    first = 576460752303423488
    assert len({number(float(first + step)) for step in range(12_800)}) == 101


@pytest.mark.parametrize(
    ("tz", "day", "minute"),
    [
        ("Europe/Berlin", "2030-06-20T00:00:00+02:00", "2030-12-20T18:30:00+01:00"),
        ("UTC", "2030-06-20T00:00:00+00:00", "2030-12-20T18:30:00+00:00"),
        ("Asia/Shanghai", "2030-06-20T00:00:00+08:00", "2030-12-20T18:30:00+08:00"),
    ],
)
def test_dates_carry_the_zone_of_their_day(
    serve: Callable[..., Asker], tz: str, day: str, minute: str
) -> None:
    """Also dates without a time come as midnight with the offset of summer or winter."""
    rows = [{"d": "2030-06-20"}, {"d": "2030-12-20 18:30"}]
    base = Base("CRANTb", [Table("t", [Column("d", "date")], rows)], api_tokens={WRITER: "rw"})
    assert [row["d"] for row in serve(base, tz=tz).rows("SELECT d FROM t")] == [day, minute]


def test_days_on_which_the_clocks_change(serve: Callable[..., Asker]) -> None:
    """The nights of the change have their own offsets, and compare as instants."""
    rows = [{"d": "2026-03-29"}, {"d": "2026-03-30"}, {"d": "2026-10-25"}, {"d": "2026-10-25 12:00"}]
    base = Base("CRANTb", [Table("t", [Column("d", "date")], rows)], api_tokens={WRITER: "rw"})
    found = [row["d"][-6:] for row in serve(base).rows("SELECT d FROM t")]
    assert found == ["+01:00", "+02:00", "+02:00", "+01:00"]


def test_times_of_rows(serve: Callable[..., Asker]) -> None:
    """`_mtime` in ms of UTC; its maximum has lost what is below the second; now() has nanoseconds."""
    base = people(clock=Clock(NOON.replace(microsecond=67_000)))
    [row] = serve(base).rows("SELECT _mtime FROM people LIMIT 1")
    assert row == {"_mtime": "2026-08-01T12:00:00.067+00:00"}
    asked = serve(base)
    [top] = asked.rows("SELECT MAX(_mtime) AS m, now() AS t FROM people")
    assert top["m"] == "2026-08-01T12:00:00+00:00"
    assert re.fullmatch(r"2026-08-01T14:00:00\.067000000\+02:00", top["t"])


def test_a_time_column_takes_the_fields_place(serve: Callable[..., Asker]) -> None:
    """A ctime column has the key `_ctime`; by name it stands under its own, and the field is gone."""
    base = people()
    base.table("people").columns.append(Column("first seen", "ctime"))
    asked = serve(base)
    [row] = asked.rows("SELECT * FROM people LIMIT 1")
    assert ("_ctime" in row, row["first seen"]) == (False, "2026-08-01T12:00:00.000+00:00")
    [raw] = asked.rows("SELECT * FROM people LIMIT 1", convert_keys=False)
    assert raw["_ctime"] == row["first seen"]
    assert asked.rows(
        "SELECT _ctime FROM people WHERE _ctime >= '2026-08-01T12:00:00Z' LIMIT 1", convert_keys=False
    )


def test_orphan_options_pass_through(serve: Callable[..., Asker]) -> None:
    """A deleted option's id stays in cells that had it, or leaves them."""
    base = people()
    gone = base.table("people").column("side").option_id("left")
    delete_option(base, "people", "side", "left")
    delete_option(base, "people", "tags", "a", orphans=False)
    [row] = serve(base).rows("SELECT side, tags FROM people WHERE name = 'Ada'")
    assert row == {"side": gone, "tags": ["d"]}


def test_select_metadata_matches_the_raw_ids(people_asker: Asker) -> None:
    """Without convert, options are ids whose names the metadata has."""
    found = people_asker.sql("SELECT side, tags FROM people LIMIT 1", convert_keys=False).json()
    names = {c["key"]: {o["id"]: o["name"] for o in c["data"]["options"]} for c in found["metadata"]}
    side, tags = (c["key"] for c in found["metadata"])
    row = found["results"][0]
    assert names[side][row[side]] == "left"
    assert [names[tags][option] for option in row[tags]] == ["a", "d"]


def test_formulas_and_their_errors(serve: Callable[..., Asker]) -> None:
    """A formula is computed at reading; an error is a text in any of them, NULL in predicates; no time moves."""

    def twice(row: dict[str, Any]) -> Any:
        """Return twice the age."""
        age = row.get(key)
        return "#VALUE!" if age is None else age * 2

    base = people()
    table = base.table("people")
    key = table.column("age").key
    table.columns.append(Column("twice", "formula", {"result_type": "number"}, key="Twi1", compute=twice))
    asked = serve(base)
    assert [r["twice"] for r in asked.rows("SELECT twice FROM people")] == [72, 9, -4, "#VALUE!"]
    assert len(asked.rows("SELECT name FROM people WHERE twice IS NULL")) == 1
    assert asked.rows("SELECT MAX(twice) AS m FROM people") == [{"m": 72}]


def test_links_are_cut_off_and_typed(serve: Callable[..., Asker]) -> None:
    """50 a cell since 5.3, 10 before; the display value has the type of the shown column."""
    base = people()
    base.adopt(Table("n", [Column("value", "number")], [{"value": float(i)} for i in range(51)]))
    add_link_column(base, "people", "values", "n", other_name="back")
    [row, *_] = base.table("people").rows
    set_links(base, "people", "values", {row: base.table("n").rows})
    for version, shown in (("6.2", 50), ("5.2", 10)):
        [found] = serve(base, version=version).rows("SELECT `values` FROM people LIMIT 1")
        assert [record["display_value"] for record in found["values"]] == list(range(shown))


@pytest.mark.parametrize(("cleared", "value"), [("null", None), ("", "")])
def test_what_a_cleared_cell_holds(serve: Callable[..., Asker], cleared: str, value: str | None) -> None:
    """A cleared text is null or empty as the server is switched; what was never filled stays null."""
    base = people()
    asked = serve(base, cleared_text=cleared)
    [row, *_] = base.table("people").rows
    update_row(base, "people", row, {"name": None, "age": None})
    [found] = asked.rows("SELECT name, age, note FROM people LIMIT 1")
    assert found == {"name": value, "age": None, "note": None}


def test_a_websocket_row_has_no_times(serve: Callable[..., Asker]) -> None:
    """Its four fields are null; `_mtime IS NULL` finds it, `_mtime >=` does not."""
    base = people()
    append_socket_row(base, "people", {"name": "ghost"})
    asked = serve(base)
    [row] = asked.rows("SELECT * FROM people WHERE _mtime IS NULL")
    assert (row["name"], row["_ctime"], row["_creator"], row["_last_modifier"]) == ("ghost", None, None, None)
    assert len(asked.rows("SELECT name FROM people WHERE _mtime >= '2000-01-01'")) == 4


def test_gzip_for_who_takes_it(serve: Callable[..., Asker]) -> None:
    """Switched on, answers are gzipped; what they say is the same."""
    asked = serve(gzip=True)
    zipped = asked.sql("SELECT * FROM people")
    assert zipped.headers["Content-Encoding"] == "gzip"
    plain = asked.ask(
        "POST", "/sql/", json={"sql": "SELECT * FROM people"}, headers={"Accept-Encoding": "identity"}
    )
    assert "Content-Encoding" not in plain.headers
    assert len(plain.json()["results"]) == len(zipped.json()["results"]) == 4


@pytest.mark.parametrize("version", ["5.3", "6.1", "6.2"])
def test_the_old_roots_are_gone(serve: Callable[..., Asker], version: str) -> None:
    """Since 5.3 there is nothing under /dtable-server and /dtable-db."""
    asked = serve(version=version)
    for path in ("/dtable-server/api/v1/dtables/x/rows/", "/dtable-db/api/v1/query/x/"):
        answer = requests.get(asked.server.url + path, timeout=30)
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_between_5_0_and_5_2_old_roots_redirect(serve: Callable[..., Asker]) -> None:
    """302 to the gateway, which turns a POST into a GET without a body: a 405 for who follows."""
    asked = serve(version="5.2")
    url = f"{asked.server.url}/dtable-db/api/v1/query/{asked.server.bases[0].uuid}/"
    headers = {"Authorization": f"Token {asked.jwt}"}
    stopped = requests.post(url, json={"sql": "x"}, headers=headers, allow_redirects=False, timeout=30)
    assert (stopped.status_code, stopped.headers["Location"]) == (302, f"{asked.root}/sql/")
    followed = requests.post(url, json={"sql": "x"}, headers=headers, timeout=30)
    assert followed.status_code == 405
    assert followed.request.method == "GET"


def test_a_server_of_4_3(serve: Callable[..., Asker]) -> None:
    """No gateway; empty keys left out, local dates, the client converts, an expired token says so."""
    base = people()
    server = serve(base, version="4.3").server
    client = seatable_api.Base(WRITER, server.url)
    client.auth()
    assert client.use_api_gateway is False
    assert requests.get(f"{server.url}/api-gateway/api/v2/dtables/x/metadata/", timeout=30).status_code == 404
    rows = client.list_rows("people")
    assert rows[0]["born"] == "2026-06-20"
    assert "age" not in rows[3]
    assert "_creator" not in rows[0]
    [found] = client.query("SELECT side, tags, born FROM people WHERE name = 'Ada'")
    assert found == {"side": "left", "tags": ["a", "d"], "born": "2026-06-20"}
    server.tokens.revoke_base_tokens()
    with pytest.raises(seatable_api.exception.AuthExpiredError):
        client.list_rows("people")
