"""Every object of sql/ in every kept version: the stock DuckDB shell and Python give the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crantdb.warehouse.qualify import sql_objects
from crantdb.warehouse.register import register
from tests.analysis.stock_shell import SCHEMAS, copied_by_the_shell
from tests.sql.test_objects import CALLS
from tests.sql.test_synapse_access import digest

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb
    import pyarrow as pa


@pytest.fixture(scope="module")
def shell(two_versions: Path) -> dict[tuple[str, str], pa.Table]:
    """Return every object's call in every version as the stock DuckDB shell answers it."""
    register(two_versions)
    queries = {
        (schema, name): query.format(s=schema) for name, (query, _) in CALLS.items() for schema in SCHEMAS
    }
    return copied_by_the_shell(two_versions, queries)


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("name", [item.name for item in sql_objects()])
def test_the_shell_and_python_agree(
    two: duckdb.DuckDBPyConnection, shell: dict[tuple[str, str], pa.Table], schema: str, name: str
) -> None:
    """Whatever the object, the rows of the shell's answer, and the names of its columns, are those of Python's."""
    python = two.sql(CALLS[name][0].format(s=schema)).to_arrow_table()
    assert digest(python) == digest(shell[schema, name])
    assert python.num_columns == 1 or python.schema.names == shell[schema, name].schema.names
