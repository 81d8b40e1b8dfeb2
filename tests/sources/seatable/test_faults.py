"""Bad days of a server: tried again within bounds, and what is broken for good is an error, never a short table."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from crantdb.errors import BadResponse, IncompleteError, ServiceUnavailable, SourceError
from crantdb.sandbox.seatable import Fault, rename_column, rename_table
from crantdb.sources.seatable.gateway import Gateway
from crantdb.sources.seatable.read import ReadRules, read_tables
from tests.conftest import CANARY
from tests.sources.seatable.serving import FAST, neurons, opened, read, rows_of, same_as_truth, served

PAGE = r"SELECT \* FROM"
QUICK = replace(FAST, timeout_s=0.4)

TRANSIENT = {
    "two 502": Fault("status", match=PAGE, nth=2, times=2, code=502, body="<html>bad gateway</html>"),
    "503": Fault("status", match=PAGE, nth=2, code=503),
    "reset": Fault("reset", match=PAGE, nth=2),
    "truncated": Fault("truncate", match=PAGE, nth=2, size=700),
    "stalled": Fault("stall", match=PAGE, nth=2, seconds=1.5),
    "dripping": Fault("drip", match=PAGE, nth=2, seconds=6),
    "a web page": Fault("html200", match=PAGE, nth=2),
    "nothing": Fault("empty200", match=PAGE, nth=2),
    "no success": Fault("success_false", match=PAGE, nth=2),
    "NaN": Fault("nan_literal", match=PAGE, nth=2),
    "no UTF-8": Fault("invalid_utf8", match=PAGE, nth=2),
    "metadata lost": Fault("reset", match="GET .*/metadata", nth=2),
    "auth lost": Fault("status", match="app-access-token", code=502),
    "auth empty": Fault("empty200", match="app-access-token"),
    "auth a web page": Fault("html200", match="temp-api-token"),
    "auth reset": Fault("reset", match="app-access-token"),
}


@pytest.mark.parametrize("fault", TRANSIENT)
def test_a_fault_that_passes(fault: str) -> None:
    """The request is made again and the table is whole."""
    base = neurons(900)
    with served(base) as server:
        server.fault(TRANSIENT[fault])
        same_as_truth(read(server, page_rows=300, limits=QUICK), base)


def test_a_page_that_fails_twice_is_asked_for_in_halves() -> None:
    """After the second failure the page is half as large, and stays so."""
    base = neurons(3_000)
    with served(base) as server:
        server.fault(Fault("status", match=PAGE, nth=2, times=2, code=504))
        same_as_truth(read(server, page_rows=2_000), base)
        asked = [int(json.loads(entry.body)["sql"].split()[-1]) for entry in server.log.entries(PAGE)]
    assert asked == [2000, 2000, 2000, 1000, 1000]


@pytest.mark.parametrize("kind", ["reset", "html200", "empty200", "success_false", "truncate"])
def test_five_failures_in_a_row_are_final(kind: str) -> None:
    """A fault that stays is an error after five tries; no table comes out."""
    base = neurons(300)
    with served(base) as server:
        server.fault(Fault(kind, match=PAGE, times=None, size=50))  # type: ignore[arg-type]
        with pytest.raises(
            ServiceUnavailable, match="given up after 5 tries; the last snapshot stays"
        ) as caught:
            read(server, page_rows=100)
        assert server.log.count(PAGE) == 5
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("nth", [1, 2])
def test_a_redirect_is_never_followed(nth: int) -> None:
    """A redirect, which would turn a question into an empty one, is an error that names the address."""
    base = neurons(300)
    with served(base) as server:
        server.fault(Fault("redirect302", match="/sql", nth=nth))
        with pytest.raises(BadResponse, match=r"redirects to .* never followed"):
            read(server, page_rows=100)


@pytest.mark.parametrize("words", ["no such column: n", "no such table: neurons"])
@pytest.mark.parametrize("kind", ["status", "success_false"])
def test_a_schema_that_moved_starts_the_table_over(words: str, kind: str) -> None:
    """One such answer and the table is read anew; a second one is final."""
    base = neurons(700)
    body = words if kind == "success_false" else json.dumps({"error_message": words})
    with served(base) as server:
        server.fault(Fault(kind, match=PAGE, nth=2, code=400, body=body))  # type: ignore[arg-type]
        same_as_truth(read(server, page_rows=200), base)
    with served(base) as server:
        server.fault(Fault(kind, match=PAGE, nth=2, times=None, code=400, body=body))  # type: ignore[arg-type]
        with pytest.raises(BadResponse, match=words):
            read(server, page_rows=200)


def test_another_400_is_final() -> None:
    """A request the server understands and refuses is not made again, and its words are shown."""
    base = neurons(300)
    with served(base) as server:
        server.fault(
            Fault("status", match=PAGE, code=400, body='{"error_message": "syntax error"}', times=None)
        )
        with pytest.raises(BadResponse, match="syntax error"):
            read(server, page_rows=100)
        assert server.log.count(PAGE) == 1


def test_a_row_twice_in_one_page_is_a_broken_contract() -> None:
    """A page that cannot be trusted ends the reading."""
    with served(neurons(300)) as server:
        server.fault(Fault("dup_row", match=PAGE))
        with pytest.raises(BadResponse, match=r"a row twice in one page|rows where 100 were asked"):
            read(server, page_rows=100)


def test_pages_clamped_now_and_then() -> None:
    """Pages shorter than asked, of any length, lose nothing."""
    base = neurons(1_000)
    with served(base) as server:
        for nth, size in ((1, 3), (3, 77), (4, 1)):
            server.fault(Fault("clamp", match=PAGE, nth=nth, size=size))
        same_as_truth(read(server, page_rows=300), base)


def test_metadata_that_lags_behind() -> None:
    """Metadata served from a cache once: the round after it sees the truth, and the table is whole."""
    base = neurons(900)
    with served(base) as server:
        server.on(2, lambda: rename_column(base, "neurons", "n", "m"), match=PAGE)
        server.fault(Fault("stale_metadata", match="GET .*/metadata", nth=2))
        result = read(server, page_rows=300)
    assert {row["_id"] for row in rows_of(result, "neurons")} == set(base.table("neurons").rows)


@pytest.mark.parametrize("edit", [lambda base: rename_table(base, "neurons", "`neurons`")])
def test_a_name_that_no_sql_can_carry(edit: Callable[[object], None]) -> None:
    """A backtick in a name is refused in words; it is never put into SQL."""
    base = neurons(3)
    edit(base)
    with served(base) as server, pytest.raises(BadResponse, match="backtick"):
        read(server)


def test_a_server_that_counts_more_than_it_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are counted and never given are an error after the rounds, however often they are asked for."""
    base = neurons(200)
    real = Gateway.post

    def post(self: Gateway, path: str, body: Callable[[int], dict[str, object]]) -> dict[str, object]:
        content = real(self, path, body)
        if "COUNT(*)" in str(body(0).get("sql")):
            content["results"][0]["n"] = "201"
        return content

    monkeypatch.setattr(Gateway, "post", post)
    with served(base) as server:
        source = opened(server)
        with pytest.raises(IncompleteError, match=r"counts 201 rows and gives 200") as caught:
            read_tables(source, None, rules=ReadRules(settle_s=0.0))
    assert (caught.value.expected, caught.value.got) == (201, 200)


def test_a_table_that_is_not_there() -> None:
    """A name that the base has not is an error that lists those it has."""
    with served(neurons(3)) as server, pytest.raises(SourceError, match=r"has no table 'neurns'.*'neurons'"):
        read(server, "neurns")
