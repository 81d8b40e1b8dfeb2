"""Ctrl-C in the midst of a query ends the command at once, with one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

LONG = "SELECT sum(hash(a.range + b.range)) FROM range(10000000) AS a, range(10000000) AS b"


def test_ctrl_c_in_a_query(made: Path) -> None:
    """A query that would take days ends when it is interrupted: exit code 130, no trace, no talk of a bug."""
    process = subprocess.Popen(
        [sys.executable, "-m", "crantdb", "--warehouse", str(made), "sql", LONG],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"CAVE_TOKEN": "none"},
    )
    try:
        watched = psutil.Process(process.pid)
        while watched.cpu_times().user < 4:  # long past its start: it is computing
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    [line] = said.strip().splitlines()
    assert line.startswith("crantdb: interrupted")
