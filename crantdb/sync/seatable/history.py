"""`annotation_changes`: a log that every sync appends to, and that is written anew once it lies in many files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from crantdb.sync.seatable.changes import CHANGES
from crantdb.sync.seatable.tables import shared_key
from crantdb.warehouse.commit import TableFacts
from crantdb.warehouse.relations import files_of, literal
from crantdb.warehouse.state import LOG
from crantdb.warehouse.validate import validate
from crantdb.warehouse.whole import stage_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime
    from typing import Any

    from crantdb.config import Config
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import TableState
    from crantdb.warehouse.validate import ValidTable

NAME = "annotation_changes"
KEY = f"history.{NAME}"
ORDER = ("row_id", "seen_at")
MOST_FILES = 16
BATCH_ROWS = 65_536
MEMORY = "1GB"


def stage_changes(
    warehouse: Warehouse,
    config: Config,
    tables: Iterable[pa.Table],
    *,
    seen_at: datetime,
    source: Mapping[str, Any],
) -> tuple[ValidTable, TableFacts]:
    """Stage changes, sorted by row, as rows to append.

    Args:
        warehouse: where.
        config: its configuration.
        tables: the changes (`CHANGES`), in any order.
        seen_at: the moment of the newest read.
        source: what the manifest is to say of the log's origin.

    Raises:
        StorageError: when the disk refuses.
    """
    # Written before it is sorted: what goes wrong while changes are looked for is then told in its own words.
    unsorted = stage_whole(warehouse, shared_key(config, "history", f"{NAME} unsorted"), CHANGES, tables)
    con = _connection(warehouse)
    try:
        found = [str(file.path) for file in unsorted.files]
        rows = _sorted(con, con.from_parquet(found, hive_partitioning=False))
        staged = stage_whole(warehouse, shared_key(config, "history", NAME), CHANGES, rows, order=ORDER)
        valid = validate(staged, rows_expected=staged.rows, con=con)
    finally:
        con.close()
    return valid, TableFacts(LOG, dict(source), seen_at, None, "what differs between two reads")


def appended(
    warehouse: Warehouse,
    config: Config,
    before: TableState | None,
    made: tuple[ValidTable, TableFacts],
) -> dict[str, list[tuple[ValidTable, TableFacts]]]:
    """Return how changes go into a commit: behind the others, or as one with them when there are many files.

    Args:
        warehouse: where.
        config: its configuration.
        before: the log so far, or None.
        made: what `stage_changes` gave.

    Returns:
        What to hand to `Change` as `shared` and as `appended`; nothing when nothing changed.

    Raises:
        StorageError: when the disk refuses.
    """
    said = {} if before is None else dict(before.source)
    if not made[0].staged.rows and said == dict(made[1].source):
        return {}
    if before is None or len(before.files) < MOST_FILES or not made[0].staged.rows:
        return {"appended": [made]}
    return {"shared": [_as_one(warehouse, config, before, made)]}


def _as_one(
    warehouse: Warehouse, config: Config, before: TableState, made: tuple[ValidTable, TableFacts]
) -> tuple[ValidTable, TableFacts]:
    """Return all rows of the log, old and new, as one table."""
    valid, facts = made
    files = [*files_of(warehouse, before), *(str(file.path) for file in valid.staged.files)]
    con = _connection(warehouse)
    try:
        whole = shared_key(config, "history", f"{NAME} whole")
        rows = _sorted(con, con.from_parquet(files, hive_partitioning=False))
        staged = stage_whole(warehouse, whole, CHANGES, rows, order=ORDER)
    finally:
        con.close()
    # Staged beside what it is made of; committed under the log's own name.
    named = type(staged)(valid.staged.key, staged.arrow, staged.files, staged.rows, staged.order)
    return validate(named, rows_expected=before.rows + valid.staged.rows), facts


def _connection(warehouse: Warehouse) -> duckdb.DuckDBPyConnection:
    """Return a connection that spills beside what is staged; whoever writes next removes what a kill leaves of it."""
    con = duckdb.connect(":memory:")
    con.execute(f"SET memory_limit = '{MEMORY}'")
    con.execute(f"SET temp_directory = {literal(str(warehouse.staging / '.changes.partial'))}")
    return con


def _sorted(con: duckdb.DuckDBPyConnection, rows: duckdb.DuckDBPyRelation) -> Iterator[pa.Table]:
    """Yield changes sorted by row and moment, in the log's own columns."""
    rows.create_view("changes", replace=True)
    names = ", ".join(f'"{name}"' for name in CHANGES.names)
    reader = con.sql(
        f"SELECT {names} FROM changes ORDER BY row_id, seen_at, base, table_id, change, column_key, column_name"
    ).to_arrow_reader(BATCH_ROWS)
    for batch in reader:
        yield pa.Table.from_batches([batch]).cast(CHANGES)
