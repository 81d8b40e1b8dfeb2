"""The memory promise: what was asked for, or a quarter of the least that the machine and the batch system allow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crantdb.errors import ConfigError
from crantdb.warehouse.memory import LEAST_BYTES, limits, parse_bytes, promised_bytes

GB = 10**9


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("8GB", 8 * GB),
        (" 8 gb ", 8 * GB),
        ("1.5G", 1_500_000_000),
        ("500M", 500_000_000),
        ("500MB", 500_000_000),
        ("2T", 2 * 10**12),
        ("64k", 64_000),
        ("1000000000", GB),
        ("1B", 1),
        ("1GiB", 2**30),
        ("2 MiB", 2**21),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    """A size is a number and perhaps a unit, of thousands or, with an i, of 1024s."""
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "8 GB RAM", "8XB", "1e9", "8,5GB", "nan", "iB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """Anything else is a ConfigError that shows how to write one."""
    with pytest.raises(ConfigError, match="write it like 8GB"):
        parse_bytes(text)


@pytest.mark.parametrize("asked", ["999MB", "0", "10M"])
def test_a_promise_too_small_is_refused_first(asked: str) -> None:
    """Less memory than crantdb can work with is refused before anything begins, with the least and the option."""
    with pytest.raises(ConfigError, match=r"too little: crantdb needs 1 GB.*--memory"):
        promised_bytes(asked)


def test_what_was_asked_for_is_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    """A size asked for is taken as it is, whatever the batch system says."""
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "100")
    assert promised_bytes("1GB") == LEAST_BYTES
    assert promised_bytes("3GB") == 3 * GB


def test_the_batch_system_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slurm's megabytes for the job bound the default; a job that was given too few is told so; 0 is no bound."""
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "4096")
    assert promised_bytes() <= 4096 * 2**20 // 4
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "2048")
    with pytest.raises(ConfigError, match="batch system"):
        promised_bytes()
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for nothing in ("", "0", "unlimited"):
        monkeypatch.setenv("SLURM_MEM_PER_NODE", nothing)
        assert 0 < min(limits()) <= machine


def test_control_groups_are_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of the process's own control group counts, and that of every group around it; `max` is none."""
    monkeypatch.delenv("SLURM_MEM_PER_NODE", raising=False)
    own, top = tmp_path / "cgroup", tmp_path / "fs"
    inner = top / "slurm/job_7/step_0"
    inner.mkdir(parents=True)
    own.write_text("0::/slurm/job_7/step_0\n")
    machine = limits(own, tmp_path / "nothing")
    (top / "memory.max").write_text("max\n")
    (inner / "memory.max").write_text("max\n")
    assert limits(own, top) == machine
    (top / "slurm/job_7/memory.max").write_text(f"{3 * GB}\n")
    assert min(limits(own, top)) == 3 * GB
    (inner / "memory.max").write_text(f"{2 * GB}\n")
    assert min(limits(own, top)) == 2 * GB


def test_the_older_control_groups_are_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In version 1 the memory controller has its own tree; in a container its root stands for the group."""
    monkeypatch.delenv("SLURM_MEM_PER_NODE", raising=False)
    own, top = tmp_path / "cgroup", tmp_path / "fs"
    (top / "memory/job").mkdir(parents=True)
    own.write_text("5:cpu,cpuacct:/elsewhere\n4:memory:/job\n")
    (top / "memory/memory.limit_in_bytes").write_text(f"{5 * GB}\n")
    assert min(limits(own, top)) == min(5 * GB, *limits(own, tmp_path / "nothing"))
    (top / "memory/job/memory.limit_in_bytes").write_text(f"{2 * GB}\n")
    assert min(limits(own, top)) == 2 * GB
    own.write_text("4:memory:/docker/not-mounted-here\n")
    assert min(limits(own, top)) == min(5 * GB, *limits(own, tmp_path / "nothing"))
