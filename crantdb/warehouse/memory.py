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

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)I?B?", re.IGNORECASE)


def parse_bytes(text: str) -> int:
    """Return a size in bytes from text such as ``8GB``, ``500M`` or ``1000000000``.

    Raises:
        ConfigError: when the text is no size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        msg = f"{text!r} is no size: write it like 8GB or 500MB"
        raise ConfigError(msg)
    return int(float(match[1]) * _UNITS[match[2].upper()])


def promised_bytes(asked: str | None = None) -> int:
    """Return the memory a job may take, as resident set size.

    Args:
        asked: a size as text; by default a quarter of the least of the machine's memory, the control
            group's limit and what the batch system (Slurm) gave the job.

    Raises:
        ConfigError: when it is too little to work with, or no size.
    """
    promise = parse_bytes(asked) if asked else min(_limits()) // 4
    if promise < LEAST_BYTES:
        msg = (
            f"{promise / 1e9:.2f} GB of memory is too little: crantdb needs {LEAST_BYTES / 1e9:.0f} GB "
            f"to sort synapses. Give it more with --memory 4GB, or ask the batch system for more"
        )
        raise ConfigError(msg)
    return promise


def _limits() -> list[int]:
    """Return every limit that holds for this process, in bytes."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for place in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        path = Path(place)
        text = path.read_text().strip() if path.is_file() else ""
        if text.isdigit():
            limits.append(int(text))
    slurm = os.environ.get("SLURM_MEM_PER_NODE", "")
    if slurm.isdigit():
        limits.append(int(slurm) * 2**20)
    return limits
