"""The stock DuckDB shell as a rival reader: the same macros, asked outside of Python."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

SCHEMAS = ("main", "v1")


def answers_of_the_shell(root: Path, calls: Mapping[str, str]) -> dict[tuple[str, str], pa.Table]:
    """Return every call in main and in version 1's schema, by schema and name, as the shell answers it.

    Args:
        root: a registered warehouse.
        calls: by name: what stands behind FROM and the schema.
    """
    return copied_by_the_shell(
        root,
        {(schema, name): f"FROM {schema}.{call}" for schema in SCHEMAS for name, call in calls.items()},
    )


def copied_by_the_shell(
    root: Path, queries: Mapping[tuple[str, str], str]
) -> dict[tuple[str, str], pa.Table]:
    """Return the rows of queries as the stock shell copies them to Parquet.

    Args:
        root: a registered warehouse.
        queries: by schema and name.
    """
    beside = Path(sys.executable).parent / "duckdb"
    program = str(beside) if beside.is_file() else shutil.which("duckdb")
    if program is None:
        pytest.skip("there is no duckdb shell: pip install duckdb-cli")
    files = {key: root.parent / f"answer-{number}.parquet" for number, key in enumerate(queries)}
    text = "".join(f"COPY ({queries[key]}) TO '{path}';\n" for key, path in files.items())
    database = root / "crantdb.duckdb"
    subprocess.run(
        [program, "-readonly", database, "-bail"], input=text, text=True, check=True, capture_output=True
    )
    return {key: pq.read_table(path) for key, path in files.items()}
