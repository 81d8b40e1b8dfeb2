"""How much memory a job may take: the promise, from what the machine and the batch system allow."""

from __future__ import annotations

import os
import re
from pathlib import Path

from crantdb.errors import ConfigError

LEAST_BYTES = 1_000_000_000
"""Less is not enough for the libraries alone and a sort that spills."""

DUCKDB_SHARE = 0.6
"""DuckDB's own limit is soft: it gets this share of the promise."""

_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([KMGT])(I?))?B?", re.IGNORECASE)

_CONTROL_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUP = Path("/proc/self/cgroup")


def parse_bytes(text: str) -> int:
    """Return a size in bytes from text such as ``8GB``, ``8GiB``, ``500M`` or ``1000000000``.

    Raises:
        ConfigError: when the text is no size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        msg = f"{text!r} is no size: write it like 8GB or 500MB"
        raise ConfigError(msg)
    return int(float(match[1]) * (1024 if match[3] else 1000) ** _POWERS[(match[2] or "").upper()])


def promised_bytes(asked: str | None = None) -> int:
    """Return the memory a job may take, as resident set size.

    Args:
        asked: a size as text; by default a quarter of the least of the machine's memory, the control
            group's limit and what the batch system (Slurm) gave the job.

    Raises:
        ConfigError: when it is too little to work with, or no size.
    """
    promise = parse_bytes(asked) if asked else min(limits()) // 4
    if promise < LEAST_BYTES:
        msg = (
            f"{promise / 1e9:.2f} GB of memory is too little: crantdb needs {LEAST_BYTES / 1e9:.0f} GB "
            f"to sort synapses. Give it more with --memory 4GB, or ask the batch system for more"
        )
        raise ConfigError(msg)
    return promise


def limits(own: Path = _OWN_GROUP, groups: Path = _CONTROL_GROUPS) -> list[int]:
    """Return every limit that holds for this process, in bytes.

    Args:
        own: the file that says which control groups the process is in.
        groups: where control groups are mounted.
    """
    result = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    texts = [path.read_text().strip() for path in _group_files(own, groups) if path.is_file()]
    result += [int(text) for text in texts if text.isdigit()]
    slurm = os.environ.get("SLURM_MEM_PER_NODE", "")
    if slurm.isdigit() and int(slurm):
        result.append(int(slurm) * 2**20)
    return result


def _group_files(own: Path, groups: Path) -> list[Path]:
    """Return where the memory limits of the process's control groups stand, and of the groups around them."""
    found: list[Path] = []
    lines = own.read_text().splitlines() if own.is_file() else []
    names = [line.split(":", 2)[1:] for line in lines if line.count(":") >= 2]
    paths = {controllers: path for controllers, path in names if controllers in {"", "memory"}}
    for controller, top, file in (
        ("", groups, "memory.max"),
        ("memory", groups / "memory", "memory.limit_in_bytes"),
    ):
        inner = top / paths.get(controller, "").lstrip("/")
        found += [folder / file for folder in (inner, *inner.parents) if folder.is_relative_to(top)]
    return found
