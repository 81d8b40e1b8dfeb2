"""The line every measurement begins with: on what it was measured."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

SCALES = {"100k": 100_000, "1m": 1_000_000, "20m": 20_000_000, "100m": 100_000_000}


def cores_at_hand() -> int:
    """Return how many cores this process may run on (`taskset` and batch systems give fewer than there are)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine() -> str:
    """Return the machine and the libraries in one line."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "pyarrow", "polars", "caveclient"))
    return (
        f"{platform.system()} {platform.machine()}, {cores_at_hand()} cores, Python {platform.python_version()}; "
        f"{libraries}"
    )
