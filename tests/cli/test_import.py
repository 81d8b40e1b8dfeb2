"""The verb import as a user runs it."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from crantdb.sandbox import GivenTable, Sandbox
from crantdb.warehouse.layout import Warehouse, open_warehouse
from crantdb.warehouse.snapshot import read_snapshot
from tests.cli.conftest import run, start
from tests.conftest import CANARY
from tests.sync.bench import stack, synapses, tags, version
from tests.sync.dumping import write_dump

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROWS = synapses(60_000, seed=8, gaps=True)


@pytest.fixture(scope="module")
def served() -> Iterator[Sandbox]:
    """Serve two versions, asking for the canary token."""
    tables = [version(n, GivenTable("synapses_v2", ROWS.slice(0, 100 * n)), tags(5 * n)) for n in (1, 2)]
    with Sandbox(stack(*tables, synapse_table="synapses_v2"), token=CANARY) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a bucket with dumps of both versions."""
    folder = tmp_path_factory.mktemp("bucket")
    for number in (1, 2):
        write_dump(folder / "given" / f"v{number}", "synapses_v2", ROWS.slice(0, 100 * number))
        write_dump(folder / "given" / f"v{number}", "cell_types", tags(5 * number).rows)
    (folder / "given" / "v1" / "cell_types_header.csv").unlink()
    return folder


def warehouse(folder: Path, url: str) -> Path:
    """Make an empty warehouse."""
    assert run("init", folder, "--datastack", "given", "--cave-server", url).code == 0
    return folder


def hashes(folder: Path) -> dict[str, list[str]]:
    """Return the SHA-256 of every file of the current snapshot."""
    tables = read_snapshot(open_warehouse(folder)).main.tables
    return {key: [file.sha256 for file in table.files] for key, table in tables.items()}


def test_list(bucket: Path) -> None:
    """`--list` names what is there, with versions, bytes and missing headers; it needs no warehouse and no server."""
    done = run("import", "cave-dump", bucket, "--list", "--output", "csv")
    assert done.code == 0, done.err
    found = list(csv.DictReader(io.StringIO(done.out)))
    assert [
        (row["datastack"], row["version"], row["table"], row["rows"], row["header"]) for row in found
    ] == [
        ("given", "1", "cell_types", "", "missing"),
        ("given", "1", "synapses_v2", "", "yes"),
        ("given", "2", "cell_types", "", "yes"),
        ("given", "2", "synapses_v2", "", "yes"),
    ]
    data = bucket / "given" / "v2" / "synapses_v2.csv.gz"
    assert found[3]["bytes"] == str(data.stat().st_size)


def test_import_from_a_bucket(served: Sandbox, bucket: Path, tmp_path: Path) -> None:
    """A version of a bucket becomes a snapshot equal to a sync's; a second time there is nothing to do."""
    here, there = warehouse(tmp_path / "a", served.url), warehouse(tmp_path / "b", served.url)
    done = run("import", "cave-dump", bucket, "--version", "2", "--warehouse", here, "--output", "json")
    assert done.code == 0, done.err
    answer = json.loads(done.out)
    assert (answer["version"], answer["imported"]) == (2, {"synapses_v2": 200, "cell_types": 10})
    assert "rows/s" in done.err
    assert run("sync", "--version", "2", "--warehouse", there).code == 0
    assert hashes(here) == hashes(there)
    again = run("import", "cave-dump", bucket, "--version", "2", "--warehouse", here)
    assert (again.code, "nothing to do" in again.err) == (0, True)
    assert run("verify", "--warehouse", here).code == 0
    listed = run("tables", "--warehouse", here, "--output", "json")
    mirrored = [row for row in json.loads(listed.out) if row["relation"].startswith("cave.")]
    assert {row["completeness"] for row in mirrored} == {"import (server count)"}


def test_import_parquet_without_a_server(tmp_path: Path) -> None:
    """A server that does not answer is said, and does not stop an import that needs nothing of it."""
    here = warehouse(tmp_path / "w", "http://127.0.0.1:9")
    pq.write_table(ROWS, tmp_path / "rows.parquet")
    flags = ["--version", "7", "--table", "syn", "--schema-type", "synapse", "--voxel-resolution", "8,8,42"]
    command = ["import", "parquet", tmp_path / "rows.parquet", *flags, "--warehouse", here]
    refused = run(*command)
    assert (refused.code, "cannot be asked now" in refused.err, "--as-of" in refused.err) == (1, True, True)
    done = run(*command, "--as-of", "2026-03-01T12:00:00.5", "--offline", "--exact")
    assert done.code == 0, done.err
    answer = run(
        "sql", "SELECT count(*) AS n, max(id) AS id FROM synapses", "--warehouse", here, "--output", "json"
    )
    [row] = json.loads(answer.out)
    assert row == {"n": len(ROWS), "id": max(ROWS["id"].to_pylist())}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["cave-dump", "--table", "t"], "--version is needed"),
        (["parquet", "--version", "1"], "--table is needed once"),
        (["parquet", "--version", "1", "--table", "a", "--table", "b"], "--table is needed once"),
        (["parquet", "--list"], "--list is for cave-dump"),
    ],
)
def test_wrong_usage(served: Sandbox, tmp_path: Path, given: list[str], words: str) -> None:
    """What an import cannot do without is wrong usage when it is not given: exit 2, and the option by name."""
    here = warehouse(tmp_path / "w", served.url)
    kind, *options = given
    done = run("import", kind, tmp_path, *options, "--warehouse", here)
    assert (done.code, words in done.err) == (2, True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--as-of", "yesterday"], "--as-of 'yesterday' is no time"),
        (["--voxel-resolution", "8,8"], "'8,8' is not three numbers"),
        (["--voxel-resolution", "8,8,-1"], "is no size of a voxel"),
        (["--version", "3"], "no dump of given v3; there are given v1, given v2"),
        (["--version", "1"], "no cell_types_header.csv beside it"),
        (["--table", "synapses"], "no table or view 'synapses'. It has, e.g., synapses_v2"),
    ],
)
def test_stated_failures(
    served: Sandbox, bucket: Path, tmp_path: Path, options: list[str], words: str
) -> None:
    """A value that means nothing, and files that are not there, fail in one line with exit 1."""
    here = warehouse(tmp_path / "w", served.url)
    done = run("import", "cave-dump", bucket, "--version", "2", *options, "--warehouse", here)
    assert (done.code, words in done.err, "Traceback" in done.err) == (1, True, False)
    assert open_warehouse(here).numbers() == []


def _killed_at(command: list[str], warehouse: Warehouse, words: str) -> int:
    """Run the command line in a process of its own, and kill it when the journal says words; return its exit code."""
    process = subprocess.Popen(
        [sys.executable, "-m", "crantdb", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"CAVE_TOKEN": CANARY},
    )
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        journals = [path.read_text() for path in warehouse.staging.glob("*/journal.jsonl")]
        if any(words in text for text in journals):
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.001)
    return process.wait(timeout=60)


def test_killed_and_run_again(served: Sandbox, tmp_path: Path) -> None:
    """Killed while reading, and again behind sorting, it commits nothing; the same command then ends in the same bytes."""
    folder = tmp_path / "rows"
    folder.mkdir()
    for number in range(6):
        pq.write_table(ROWS.slice(number * 10_000, 10_000), folder / f"{number}.parquet")
    flags = ["--version", "2", "--table", "syn", "--schema-type", "synapse", "--offline"]
    flags += ["--as-of", "2026-03-01T12:00:00"]
    whole, here = warehouse(tmp_path / "a", served.url), warehouse(tmp_path / "b", served.url)
    assert run("import", "parquet", folder, *flags, "--warehouse", whole).code == 0
    command = ["import", "parquet", str(folder), *flags, "--warehouse", str(here)]
    for words in ('"read 1.parquet"', '"note": "sorted"'):
        assert _killed_at(command, open_warehouse(here), words) == -signal.SIGKILL
        assert open_warehouse(here).numbers() == []
    done = start(*command)
    assert done.code == 0, done.err
    assert "60,000 of 60,000 rows are staged from before" in done.err
    assert hashes(here) == hashes(whole)
    assert len(hashes(here)) == 7
