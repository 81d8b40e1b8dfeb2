"""`crantdb sandbox` serves annotations beside CAVE, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import seatable_api

from crantdb.config import read_config


def test_the_printed_config_leads_to_the_base(tmp_path: Path) -> None:
    """What the verb prints is a crantdb.toml whose section [seatable] opens with any token."""
    command = [sys.executable, "-m", "crantdb", "sandbox", "--neurons", "8", "--synapses", "1000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            lines = []
            while not lines or not lines[-1].startswith("# max_requests"):
                lines.append(process.stdout.readline())
                assert lines[-1], "the verb ended before it had printed the config"
            (tmp_path / "crantdb.toml").write_text("".join(lines))
            wanted = read_config(tmp_path / "crantdb.toml").seatable
            assert wanted is not None
            account = seatable_api.Account(None, None, wanted.server)
            account.token = "any text"
            [name] = wanted.bases
            base = account.get_base(wanted.workspace, name)
            assert [table["name"] for table in base.list_tables()] == ["CRANTb_meta", "CRANTb_papers"]
            assert base.query("SELECT COUNT(*) AS n FROM CRANTb_papers") == [{"n": 3}]
        finally:
            process.terminate()
