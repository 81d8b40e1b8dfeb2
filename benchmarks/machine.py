"""The line every measurement begins with: on what it was measured."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

SCALES = {"100k": 100_000, "1m": 1_000_000, "20m": 20_000_000, "100m": 100_000_000}


def machine() -> str:
    """Return the machine and the libraries in one line."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "pyarrow", "polars", "caveclient"))
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; "
        f"{libraries}"
    )
