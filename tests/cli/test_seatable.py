"""Annotations from the command line: set up, planned, synced, looked at, compared; the token never shown."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING

import pytest

from crantdb.config import read_config
from crantdb.sandbox.seatable import SeaTable, update_row
from crantdb.sources.seatable.read import ReadRules
from crantdb.sync.seatable import part
from tests.cli.conftest import run
from tests.conftest import CANARY
from tests.sync.seatable.lab import neurons

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ADDRESS = "/workspace/62919/dtable/CRANTb/"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[SeaTable]:
    """Serve a base, its account's token in the environment."""
    monkeypatch.setenv("CRANTTABLE_TOKEN", CANARY)
    base = neurons(30)
    with SeaTable(base, token=CANARY) as served:
        yield served


@pytest.fixture
def here(server: SeaTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a warehouse of it, with one line to be quick; a base that has changed is read without the usual wait."""
    at_once = functools.partial(part.SeaTable, rules=ReadRules(settle_s=0.0))
    monkeypatch.setattr(part, "SeaTable", at_once)
    folder = tmp_path / "wh"
    done = run(
        "init", folder, "--datastack", "ants", "--cave-server", server.url, "--seatable", server.url + ADDRESS
    )
    assert done.code == 0, done.err
    with (folder / "crantdb.toml").open("a") as config:
        config.write("requests_per_s = 100\n")
    return folder


def test_init_writes_what_is_known_and_what_is_given(tmp_path: Path) -> None:
    """CRANTb's base is built in; another is its address in a browser; what is no address is refused."""
    assert run("init", tmp_path / "crantb", "--seatable").code == 0
    found = read_config(tmp_path / "crantb/crantdb.toml").seatable
    assert found is not None
    assert (found.server, found.workspace, found.bases, found.tables) == (
        "https://cloud.seatable.io",
        62919,
        ("CRANTb",),
        ("CRANTb_meta",),
    )
    others = ["--datastack", "bees", "--cave-server", "http://127.0.0.1:1"]
    address = "https://t.example.org/sub/workspace/7/dtable/Our%20Bees/?tid=0000"
    assert run("init", tmp_path / "bees", *others, "--seatable", address).code == 0
    found = read_config(tmp_path / "bees/crantdb.toml").seatable
    assert found is not None
    assert (found.server, found.workspace, found.bases) == ("https://t.example.org/sub", 7, ("Our Bees",))
    for wrong, said in (
        ("https://t.example.org/7/Bees", "not the address of a SeaTable base"),
        ("", "does not know which SeaTable base"),
    ):
        done = run("init", tmp_path / "no", *others, f"--seatable={wrong}")
        assert (done.code, said in done.err) == (1, True)
    assert run("init", tmp_path / "plain").code == 0
    assert read_config(tmp_path / "plain/crantdb.toml").seatable is None


def test_from_plan_to_history(here: Path, server: SeaTable) -> None:
    """Plan counts, sync mirrors, sync again costs one request, status and diff tell, --accept-shrink accepts."""
    where = ("--warehouse", here)
    planned = json.loads(run("plan", "seatable", *where, "--output", "json").out)
    assert [(row["table"], row["rows"], row["action"]) for row in planned] == [
        ("CRANTb.neurons", 30, "fetch")
    ]
    done = run("sync", "seatable", *where, "--output", "json")
    assert (done.code, json.loads(done.out)["fetched"]) == (0, {"CRANTb.neurons": 30})
    assert f"atomic({server.bases[0].version})" in done.err
    again = run("sync", "seatable", *where)
    assert "unchanged since version" in again.err
    assert "nothing to do" in again.err
    [kept] = json.loads(run("plan", "seatable", *where, "--output", "json").out)
    assert (kept["action"], kept["requests"]) == ("keep", 0)
    status = json.loads(run("status", *where, "--output", "json").out)
    assert status["seatable"]["CRANTb"].startswith("1 tables, 30 rows, read ")
    rows = list(server.bases[0].table("neurons").rows)
    update_row(server.bases[0], "neurons", rows[0], {"side": "right"})
    done = run("sync", "seatable", *where)
    assert "1 x cell changed" in done.err
    [change] = json.loads(run("diff", 1, 2, "--cells", *where, "--output", "json").out)
    assert (change["row_id"], change["from_value"], change["to_value"]) == (rows[0], "left", "right")
    counted = run("diff", 1, 2, "--summary", *where, "--output", "csv").out
    assert counted.splitlines()[1] == "neurons,cell changed,side,1"
    told = run("sql", f"SELECT to_value FROM annotation_history('{rows[0]}')", *where, "--output", "csv")
    assert told.out.split() == ["to_value", "right"]
    from crantdb.sandbox.seatable import delete_rows  # noqa: PLC0415 - only here

    delete_rows(server.bases[0], "neurons", rows[10:])
    refused = run("sync", "seatable", *where)
    assert (refused.code, "--accept-shrink" in refused.err) == (1, True)
    assert run("sync", "seatable", "--accept-shrink", *where).code == 0
    assert run("verify", "--deep", *where).code == 0


def test_requests_are_bounded_from_the_command_line(here: Path) -> None:
    """--max-requests stops a sync with a message that says what it did; nothing is committed."""
    done = run("sync", "seatable", "--max-requests", 1, "--warehouse", here)
    assert done.code == 1
    assert "--max-requests" in done.err
    assert json.loads(run("status", "--warehouse", here, "--output", "json").out)["snapshot"].startswith(
        "none"
    )


def test_daily_files_from_the_command_line(here: Path, tmp_path: Path) -> None:
    """A folder of daily files becomes history; which table they are of must be known."""
    folder = tmp_path / "csv"
    folder.mkdir()
    (folder / "2026-07-01_crantb_seatable.csv").write_text("_id,a\nr1,1\n")
    (folder / "2026-07-02_crantb_seatable.csv").write_text("_id,a\nr1,2\n")
    where = ("--warehouse", here)
    assert run("import", "seatable-csv", folder, *where).code == 2
    done = run("import", "seatable-csv", folder, "--table", "neurons", *where, "--output", "json")
    assert (done.code, json.loads(done.out)["changes"]) == (0, {"cell changed": 1})
    assert "nothing to do" in run("import", "seatable-csv", folder, "--table", "neurons", *where).err


def test_without_a_token_it_says_which(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing token names both variables; doctor says so too; a section that is missing is named."""
    monkeypatch.delenv("CRANTTABLE_TOKEN")
    done = run("sync", "seatable", "--warehouse", here)
    assert (done.code, "CRANTTABLE_TOKEN" in done.err, "SEATABLE_API_TOKEN" in done.err) == (1, True, True)
    checks = {
        row["check"]: row for row in json.loads(run("doctor", "--warehouse", here, "--output", "json").out)
    }
    assert checks["seatable"]["result"] == "problem"
    text = (here / "crantdb.toml").read_text()
    (here / "crantdb.toml").write_text(text[: text.index("[seatable]")])
    assert "no section [seatable]" in run("sync", "seatable", "--warehouse", here).err


def test_doctor_opens_the_base(here: Path, server: SeaTable) -> None:
    """Doctor says which base answers, at which version, and what the token may do."""
    done = run("doctor", "--warehouse", here, "--output", "json")
    checks = {row["check"]: row for row in json.loads(done.out)}
    assert checks["seatable"]["result"] == "ok"
    assert f"CRANTb: version {server.bases[0].version}, 1 tables" in checks["seatable"]["what"]


def test_a_bases_own_token_opens_it_too(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SEATABLE_API_TOKEN, of the base itself, is enough."""
    monkeypatch.delenv("CRANTTABLE_TOKEN")
    monkeypatch.setenv("SEATABLE_API_TOKEN", CANARY)
    assert run("sync", "seatable", "--warehouse", here).code == 0


def test_no_token_stands_in_anything_a_run_leaves(here: Path) -> None:
    """Not in the output, verbose or not, nor in any file of the warehouse."""
    for args in (["sync", "seatable", "-v"], ["status"], ["tables"], ["sync", "seatable", "-v", "--dry-run"]):
        run(*args, "--warehouse", here)
    files = [path for path in here.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []
