"""Bad days: the right error in clear words, the old snapshot untouched, and the next sync complete."""

from __future__ import annotations

import webbrowser
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from crantdb.errors import (
    AuthError,
    BadResponse,
    CommitConflict,
    CrantdbError,
    IncompleteError,
    NotServed,
    RateLimited,
    ServiceUnavailable,
    StagingMismatch,
    TermsNotAccepted,
    TooOld,
    VersionUnavailable,
    WarehouseBusy,
)
from crantdb.sandbox import Fault, GivenTable, Sandbox
from crantdb.sources.opening import open_cave
from crantdb.sources.transport import RetryRule
from crantdb.warehouse.lock import writing

from .bench import QUICK, Bench, Voice, bench, by_id, copy_of, stack, synapses, tags, unregistered, version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

OLD = version(2, GivenTable("synapses_v2", synapses(300)), tags(9))
NEW = version(3, GivenTable("synapses_v2", synapses(1_000, seed=8, gaps=True)), tags(12))
OPTIONS = replace(QUICK, chunk_rows=300, parallel=1)
ROWS = r"version/3/table/synapses_v2/query\?(?!.*count=True)"
"""Requests for rows of the new version's synapses, not for counts."""


pytestmark = pytest.mark.usefixtures("unregistered")


@pytest.fixture(autouse=True)
def no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test in which anything opens a browser."""

    def refuse(*args: Any, **kwargs: Any) -> None:
        msg = f"a browser was opened: {args} {kwargs}"
        raise AssertionError(msg)

    for name in ("open", "open_new", "open_new_tab"):
        monkeypatch.setattr(webbrowser, name, refuse)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Give a server, and a warehouse that holds version 2, which no test changes."""
    with unregistered(), Sandbox(stack(OLD), row_limit=500) as sandbox:
        found = bench(tmp_path_factory.mktemp("before") / "w", sandbox)
        found.sync(options=OPTIONS)
        yield found


@pytest.fixture
def here(before: Bench, tmp_path: Path) -> Bench:
    """Give a warehouse that holds version 2, and a server that now has version 3 too."""
    before.sandbox.replace(stack(OLD, NEW))
    before.sandbox.faults.clear()
    before.sandbox.log.clear()
    return copy_of(before, tmp_path / "w")


def _is(here: Bench, wanted: Any) -> None:
    """Check that the current snapshot holds exactly a version's tables."""
    assert here.snapshot is not None
    assert here.snapshot.main.version == wanted.number
    for table in wanted.tables:
        assert here.scanned(table.name).select(table.rows.column_names).equals(by_id(table.rows))


def _recovers(here: Bench) -> None:
    """Check that nothing was changed; then end the bad day, and check that the next sync is complete."""
    assert here.warehouse.numbers() == [1]
    _is(here, OLD)
    here.sandbox.faults.clear()
    report = here.sync(options=OPTIONS)
    assert report.fetched == {"cell_types": 12, "synapses_v2": 1_000}
    _is(here, NEW)
    assert here.journal() == []


@dataclass(frozen=True, slots=True)
class Day:
    """A bad day: what goes wrong, the error it must be, words its message must have, and other options."""

    fault: Fault
    error: type[CrantdbError]
    words: str
    options: Mapping[str, Any] = field(default_factory=dict)


def _on(kind: Any, **more: Any) -> Fault:
    """Return a fault on requests for rows, from the third on and for ever."""
    return Fault(kind, **{"match": ROWS, "times": None, "after": 2, **more})


LIMITED = "429 Too Many Requests: 3 per 1 minute"
GONE = "404 Not Found: Analysis table 'synapses_v2' not found for version 3 in datastack given"
ONE_TRY = {"timeout_s": 0.3, "rule": RetryRule(tries=2, patience_s=5, backoff_s=0.001, longest_wait_s=0.002)}
RETRY_LATER = (("Retry-After", "3600"),)
COUNT = r"GET .*/version/3/table/synapses_v2/count"

DAYS = {
    "the token expires": Day(
        _on("token_expired"), AuthError, r"refuses the token .*Invalid or Expired.*CAVE_TOKEN"
    ),
    "down in the middle": Day(
        _on("reset", fraction=0.0), ServiceUnavailable, r"synapses_v2/query.*given up after 4 tries"
    ),
    "cut off in the middle": Day(_on("reset", fraction=0.5), ServiceUnavailable, r"given up after 4 tries"),
    "a page with 200": Day(_on("html"), ServiceUnavailable, "a web page instead of data: Sign in"),
    "bodies cut short": Day(_on("truncate"), ServiceUnavailable, r"given up after 4 tries"),
    "a gateway is down": Day(_on("status", code=502), ServiceUnavailable, "answered 502"),
    "a rate limit as 500": Day(_on("me_500", message=LIMITED), RateLimited, "3 per 1 minute"),
    "wait an hour": Day(_on("status", code=429, headers=RETRY_LATER), RateLimited, r"3600 s.*patience_s"),
    "the database is away": Day(_on("me_500"), ServiceUnavailable, "server closed the connection"),
    "a stall": Day(
        _on("stall", seconds=5.0), ServiceUnavailable, r"gave no byte for 0\.3 s \(timeout_s", ONE_TRY
    ),
    "the table vanishes": Day(
        _on("me_500", message=GONE), NotServed, "'synapses_v2' not found for version 3"
    ),
    "rows silently missing": Day(
        _on("rows", rows=1), IncompleteError, r"counted 1 rows in \[\d+,\d+\) and gave 0"
    ),
    "rows twice": Day(_on("duplicate_rows", rows=3), BadResponse, r"3 repeat the id of another"),
    "ids as double": Day(_on("wrong_schema", column="id"), BadResponse, r"not int64 \(id as double\)"),
    "roots as double": Day(
        _on("wrong_schema", column="pre_pt_root_id"), BadResponse, "pre_pt_root_id as double"
    ),
    "another column type": Day(
        _on("wrong_schema", column="size"), StagingMismatch, "size: float then double"
    ),
    "counts that do not match": Day(
        Fault("status", match=COUNT, times=None, code=200, body=b"1001"),
        IncompleteError,
        r"says it has 1,001 rows, but the server counts 1,000",
    ),
    "a count that is none": Day(
        Fault("status", match=COUNT, times=None, code=200, body=b'"many"'), BadResponse, "counts 'many' rows"
    ),
    "a refused request": Day(
        _on("me_500", message="400 Bad Request: no"),
        BadResponse,
        r"synapses_v2/query says: 400 Bad Request: no",
    ),
}


@pytest.mark.parametrize("name", DAYS)
def test_a_bad_day_is_said_and_gone(here: Bench, name: str) -> None:
    """The error has its class and its words; nothing is committed; once the day is over, the next sync is complete."""
    day = DAYS[name]
    here.sandbox.faults.add(day.fault)
    with pytest.raises(CrantdbError, match=day.words) as caught:
        here.sync(options=replace(OPTIONS, **day.options))
    assert type(caught.value) is day.error
    assert "\n" not in str(caught.value)
    _recovers(here)


PASSING = {
    "a reset": _on("reset", times=2, fraction=0.0),
    "half an answer": _on("reset", times=2, fraction=0.5),
    "a body cut short": _on("truncate", times=2),
    "a page": _on("html", times=2),
    "503": _on("status", times=2),
    "429 with Retry-After": _on("status", times=2, code=429, headers=(("Retry-After", "0.05"),)),
    "429 as 500": _on("me_500", times=2, message=LIMITED),
    "psycopg2": _on("me_500", times=2),
    "sqlalchemy": _on("me_500", times=2, message="(sqlalchemy.exc.InvalidRequestError) Can't reconnect until invalid transaction is rolled back"),
    "a row missing once": _on("rows", times=1, rows=1),
    "a limit of 70": _on("row_limit", rows=70),
    "no warning of the limit": _on("drop_warning"),
}  # fmt: skip


@pytest.mark.parametrize("name", PASSING)
def test_a_trouble_that_passes_is_not_noticed(here: Bench, name: str) -> None:
    """What passes, or only makes the answers smaller, costs a few more requests; the sync is complete and exact."""
    here.sandbox.faults.add(PASSING[name])
    options = replace(OPTIONS, chunk_rows=5_000) if name == "no warning of the limit" else OPTIONS
    here.sync(options=options)
    _is(here, NEW)


def test_a_limit_of_seven_without_a_word(tmp_path: Path) -> None:
    """A server that gives seven rows at once, in no order, and never says so, is mirrored completely all the same."""
    with Sandbox(stack(OLD), row_limit=7) as sandbox:
        sandbox.faults.add(Fault("drop_warning", match="/query", times=None))
        found = bench(tmp_path / "w", sandbox)
        found.sync(options=replace(QUICK, chunk_rows=20))
        _is(found, OLD)


def test_a_real_rate_limit_is_sat_out(tmp_path: Path) -> None:
    """With twenty queries a second allowed, a sync of many more waits as often as it must and comes to its end."""
    with Sandbox(stack(OLD), rate_limit=(20, 1)) as sandbox:
        found = bench(tmp_path / "w", sandbox)
        rule = RetryRule(tries=30, patience_s=30, backoff_s=0.05, longest_wait_s=0.3)
        found.sync(tables=("cell_types",), options=replace(QUICK, chunk_rows=1, rule=rule))
        assert len(found.rows("cell_types")) == 9
        assert any(entry.status == 500 for entry in sandbox.log.entries("/query"))


class Meanwhile(Voice):
    """Serves another state of the datastack as soon as the first rows are staged."""

    def __init__(self, sandbox: Sandbox, then: Any) -> None:
        super().__init__()
        self._sandbox = sandbox
        self._then = then

    def advance(self, table: str, rows: int) -> None:
        """Change the server."""
        del table, rows
        self._sandbox.replace(self._then)


EXPIRED = replace(NEW, status="EXPIRED", valid=False)


@pytest.mark.parametrize("tables", [EXPIRED.tables, ()], ids=["its database dropped", "its tables unlisted"])
def test_a_version_that_expires_meanwhile(here: Bench, tables: tuple[GivenTable, ...]) -> None:
    """It is named as expired, not as a broken table; the next version is synced whole, and what is left over is named."""
    here.voice = Meanwhile(here.sandbox, stack(OLD, replace(EXPIRED, tables=tables)))
    with pytest.raises(VersionUnavailable, match=r"version 3 of given has expired; available: 2"):
        here.sync(options=OPTIONS)
    assert here.warehouse.numbers() == [1]
    _is(here, OLD)
    newest = version(4, *NEW.tables)
    here.sandbox.replace(stack(OLD, newest))
    here.voice = Voice()
    here.sync(options=OPTIONS)
    _is(here, newest)
    assert any(
        "version 3 are staged" in line and "has expired, or drop them with --discard" in line
        for line in here.voice.lines
    )


def test_a_version_that_expires_before_the_commit(here: Bench) -> None:
    """A version that was whole when fetched but is expired at the end is not committed."""

    class AtTheEnd(Voice):
        def end(self, table: str) -> None:
            if table == "synapses_v2":
                here.sandbox.replace(stack(OLD, EXPIRED))

    here.voice = AtTheEnd()
    with pytest.raises(VersionUnavailable, match="has expired"):
        here.sync(options=OPTIONS)
    assert here.warehouse.numbers() == [1]
    _is(here, OLD)


def test_a_version_made_anew_meanwhile(here: Bench) -> None:
    """A version whose moment moves while it is fetched is refused with both moments; the next sync brings the new one."""
    moved = replace(NEW, time_stamp=NEW.time_stamp.replace(hour=19))
    here.voice = Meanwhile(here.sandbox, stack(OLD, moved))
    with pytest.raises(VersionUnavailable, match=r"made anew meanwhile: it was of .*T12.*, it is of .*T19"):
        here.sync(options=OPTIONS)
    here.voice = Voice()
    here.sync(options=OPTIONS)
    _is(here, NEW)
    assert here.snapshot is not None
    assert here.snapshot.main.as_of == moved.time_stamp


# --- the door ---------------------------------------------------------------------------------------------

CANARY = "canary7d1f0c52e94b4a6f8b3c0e6a51d2f7"
REFUSED = {"stranger": "missing_permission", "newcomer": "missing_tos"}


@pytest.mark.parametrize(
    ("token", "error", "words"),
    [
        ("wrong", AuthError, r"refuses the token \(.*Invalid or Expired\).*cave-secret.json"),
        (None, AuthError, r"asks for a token and was sent none.*CAVE_TOKEN"),
        ("stranger", AuthError, r"Missing permission: view for dataset given\. Ask the owner"),
        ("newcomer", TermsNotAccepted, r"'Sandbox terms' are not accepted yet.*http://.*/tos/9/accept"),
    ],
    ids=["wrong token", "no token", "missing permission", "terms not accepted"],
)
def test_at_the_gate(tmp_path: Path, token: str | None, error: type[AuthError], words: str) -> None:
    """A refusal at the gate says what is wrong and what to do, opens no browser, is asked once, changes nothing."""
    with Sandbox(stack(OLD), token=CANARY, tokens=REFUSED) as sandbox:
        found = bench(tmp_path / "w", sandbox, token=CANARY)
        found.sync()
        found.token = token
        sandbox.log.clear()
        with pytest.raises(error, match=words) as caught:
            found.sync()
        assert type(caught.value) is error
        assert sandbox.log.count() == 1
        _is(found, OLD)
        found.token = CANARY
        assert not found.sync().changed


def test_an_unknown_datastack_is_answered_with_those_known(tmp_path: Path) -> None:
    """`NotServed`, with the server, the name asked for and the names it has."""
    told = pytest.raises(NotServed, match=r"http://.* has no datastack 'givn'\. It has: given, other")
    with Sandbox([stack(OLD), replace(stack(OLD), name="other")]) as sandbox, told:
        open_cave("givn", sandbox.url, None, QUICK)


@pytest.mark.parametrize("said", ["5.12.9", "4.0.0", "unknown"])
def test_a_server_that_is_too_old(tmp_path: Path, said: str) -> None:
    """`TooOld` names both versions and whom to ask, before anything else of the engine is asked."""
    with Sandbox(stack(OLD), server_versions={"materialize": said}) as sandbox:
        with pytest.raises(TooOld, match=rf"version {said}; crantdb needs 5\.13\.0 or newer.*keeper"):
            open_cave("given", sandbox.url, None, QUICK)
        assert sandbox.log.count("/datastack/given/") == 0


def test_a_server_that_does_not_say_its_version(tmp_path: Path) -> None:
    """An engine without a version address is older than any that has one."""
    with Sandbox(stack(OLD)) as sandbox:
        sandbox.faults.add(Fault("status", match="GET /materialize/version", times=None, code=404))
        with pytest.raises(TooOld, match="it does not say"):
            open_cave("given", sandbox.url, None, QUICK)


def test_nobody_listens(tmp_path: Path) -> None:
    """A server that is down at the start is `ServiceUnavailable` with its address; the warehouse stays readable."""
    with Sandbox(stack(OLD)) as sandbox:
        found = bench(tmp_path / "w", sandbox)
        found.sync()
    with pytest.raises(ServiceUnavailable, match=rf"{found.config.server}.*[Cc]onnection refused"):
        found.sync()
    _is(found, OLD)


# --- clocks, and two at once ------------------------------------------------------------------------------


@pytest.mark.parametrize(("offset_s", "noted"), [(86_400.0, True), (-3_600.0, True), (30.0, False)])
def test_clocks_apart_are_noted_and_harmless(tmp_path: Path, offset_s: float, *, noted: bool) -> None:
    """A server whose clock is off is mirrored as ever; two minutes and more apart are said, with the seconds."""
    with Sandbox(stack(OLD), clock_offset_s=offset_s) as sandbox:
        found = bench(tmp_path / "w", sandbox)
        found.sync()
        _is(found, OLD)
        assert found.snapshot is not None
        assert found.snapshot.main.as_of == OLD.time_stamp
    assert any("clock" in line for line in found.voice.lines) is noted


def test_two_syncs_at_once(here: Bench) -> None:
    """The second is told who is at it, fetches nothing and disturbs nothing; readers read on; later it may."""
    with writing(here.warehouse, "sync"):
        with pytest.raises(WarehouseBusy, match=r"being written to by process \d+ on .* \(sync, since"):
            here.sync(options=OPTIONS)
        assert here.sandbox.log.count("/query$") == 0
        _is(here, OLD)
    _recovers(here)


def test_a_second_sync_that_slips_past_the_lock_conflicts(here: Bench) -> None:
    """Where locks do not hold, whoever commits second finds the number taken and changes nothing; all is there once."""
    other = Bench(here.sandbox, here.warehouse, here.config)

    class Overtaken(Voice):
        def end(self, table: str) -> None:
            if table == "synapses_v2":
                here.warehouse.lock.unlink()
                other.sync(options=OPTIONS)

    here.voice = Overtaken()
    with pytest.raises(
        CommitConflict, match=r"another commit made snapshot 2 while this one .* from snapshot 1"
    ):
        here.sync(options=OPTIONS)
    assert here.warehouse.numbers() == [1, 2]
    _is(here, NEW)
    here.voice = Voice()
    assert not here.sync(options=OPTIONS).changed
