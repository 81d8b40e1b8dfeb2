"""A served world and a warehouse made from it, once for all tests of the command line."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crantdb.cli import main
from crantdb.sandbox import Sandbox, generate_world
from tests.conftest import CANARY
from tests.sync.bench import unregistered

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Result:
    """What a run of the command line left: its exit code, output and messages."""

    code: int
    out: str
    err: str


def run(*args: str | Path) -> Result:
    """Run the command line in this process, with the canary as token unless the environment says otherwise."""
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        if "CAVE_TOKEN" not in os.environ:
            patch.setenv("CAVE_TOKEN", CANARY)
        patch.setenv("COLUMNS", "200")
        code = main.run([str(arg) for arg in args])
    return _seen(Result(code, out.getvalue(), err.getvalue()))


def start(*args: str | Path) -> Result:
    """Run the command line in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "crantdb", *map(str, args)],
        capture_output=True,
        text=True,
        env=os.environ | {"CAVE_TOKEN": CANARY},
        timeout=120,
        check=False,
    )
    return _seen(Result(done.returncode, done.stdout, done.stderr))


def _seen(result: Result) -> Result:
    """Return a result that does not show the canary."""
    assert CANARY not in result.out + result.err
    return result


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """Serve the generated world, asking for the canary token."""
    with Sandbox(generate_world(synapses=3000), token=CANARY, row_limit=1000) as served:
        yield served


@pytest.fixture(scope="session")
def made(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a warehouse from it with the verbs a user would use: versions 3, then 5, then 4 beside.

    The files for other programs are made once, by the last.
    """
    folder = tmp_path_factory.mktemp("made") / "wh"
    assert run("init", folder, "--datastack", "sandbox_ant", "--cave-server", sandbox.url).code == 0
    first, second, last = ["--version", "3"], ["--drop", "bound_tags_user"], ["--version", "4"]
    with unregistered():
        done = [run("sync", "--warehouse", folder, *args) for args in (first, second)]
    for sync in (*done, run("sync", "--warehouse", folder, *last)):
        assert sync.code == 0, sync.err
    return folder
