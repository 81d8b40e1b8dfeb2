"""Arranges staged synapses for every question: by presynaptic root, by postsynaptic root, as edges, by id.

Made out of core by DuckDB from the staged pieces, under a memory promise, spilling into the staging folder.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from crantdb.errors import StorageError, ValidationError
from crantdb.warehouse.edges import EDGES, edges_of
from crantdb.warehouse.files import FileWriter
from crantdb.warehouse.memory import DUCKDB_SHARE
from crantdb.warehouse.parquet import ROW_GROUP_ROWS
from crantdb.warehouse.staging import StagedTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from crantdb.warehouse.staging import Staging

PRE, POST, ID = "pre_pt_root_id", "post_pt_root_id", "id"
_BY_POST_COLUMNS = (
    ID,
    PRE,
    POST,
    "post_pt_supervoxel_id",
    "size",
    *(f"{point}_pt_position_{axis}" for point in ("ctr", "post") for axis in "xyz"),
)


@dataclass(frozen=True, slots=True)
class SynapseNames:
    """What the four tables beside a synapse table are called.

    Attributes:
        by_post: the narrow copy sorted by postsynaptic root.
        edges: one row a pair of roots.
        edges_by_post: the same sorted by postsynaptic root.
        ids: id → roots.
    """

    by_post: str
    edges: str
    edges_by_post: str
    ids: str


def names_for(table: str, *, canonical: bool) -> SynapseNames:
    """Return the names: the canonical ones for the datastack's synapse table, else the table's own with endings."""
    if canonical:
        return SynapseNames("synapses_by_post", "edges", "edges_by_post", "synapse_ids")
    return SynapseNames(f"{table}_by_post", f"{table}_edges", f"{table}_edges_by_post", f"{table}_ids")


@dataclass(frozen=True, slots=True)
class Arranged:
    """A synapse table in its five forms.

    Attributes:
        main: every column, sorted by (pre root, post root, id).
        by_post: id, roots, size, centre and postsynaptic point; sorted by (post root, pre root, id).
        edges: pre root, post root, count, sum of sizes; sorted by (pre, post). Rows with a NULL root are in no edge.
        edges_by_post: the same, sorted by (post, pre).
        ids: id, pre root, post root; sorted by id.
    """

    main: StagedTable
    by_post: StagedTable
    edges: StagedTable
    edges_by_post: StagedTable
    ids: StagedTable


def arrange(staging: Staging, names: SynapseNames, *, memory_bytes: int) -> Arranged:
    """Make the five tables of a fully staged synapse table.

    Args:
        staging: the staging, every piece of it there.
        names: what the four further tables are called.
        memory_bytes: the memory promise.

    Raises:
        ValidationError: when the table lacks a column that makes synapses, or an id comes twice.
        StorageError: when the disk or the memory promise is too small.
    """
    schema = staging.schema()
    lacking = [name for name in (ID, PRE, POST) if name not in schema.names]
    if lacking:
        raise ValidationError(staging.key.table, f"a synapse table has {', '.join(lacking)}", staging.rows)
    staging.clear_done()
    narrow = [name for name in _BY_POST_COLUMNS if name in schema.names]
    write = _Writer(staging)
    of_ids = _part(schema, [ID, PRE, POST])
    ids = write(names.ids, staging.ordered(of_ids), of_ids, (ID,))
    with sorting(staging, memory_bytes) as con:
        main = write(
            None, _sorted(con, staging.files(), schema.names, (PRE, POST, ID)), schema, (PRE, POST, ID)
        )
        by_post = write(
            names.by_post,
            _sorted(con, staging.files(), narrow, (POST, PRE, ID)),
            _part(schema, narrow),
            (POST, PRE, ID),
        )
        edges = write(names.edges, edges_of(_read(main)), EDGES, ("pre_root_id", "post_root_id"))
        turned = _sorted(
            con, [file.path for file in edges.files], EDGES.names, ("post_root_id", "pre_root_id")
        )
        edges_by_post = write(names.edges_by_post, turned, EDGES, ("post_root_id", "pre_root_id"))
    return Arranged(main, by_post, edges, edges_by_post, ids)


@contextlib.contextmanager
def sorting(staging: Staging, memory_bytes: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a connection that sorts within the memory promise and spills into the staging.

    Args:
        staging: what is sorted.
        memory_bytes: the memory promise.

    Raises:
        StorageError: when the promise is too small, or the disk for what does not fit into it.
    """
    spill = staging.folder / "spill"
    spill.mkdir(exist_ok=True)
    con = duckdb.connect(":memory:")
    con.execute(f"SET memory_limit = '{int(memory_bytes * DUCKDB_SHARE / 2**20)}MiB'")
    con.execute(f"SET temp_directory = '{str(spill).replace(chr(39), chr(39) * 2)}'")
    try:
        yield con
    except duckdb.OutOfMemoryException as error:
        # What cannot be spilled for want of disk is out of memory too, to DuckDB.
        if "max_temp_directory_size" in str(error):
            raise _no_room(staging, error) from error
        msg = (
            f"{staging.key.table} cannot be sorted in {memory_bytes / 1e9:.1f} GB of memory. "
            f"What was fetched is kept: run the command again with more, e.g. --memory {2 * memory_bytes / 1e9:.0f}GB"
        )
        raise StorageError(msg) from error
    except duckdb.IOException as error:
        raise _no_room(staging, error) from error
    finally:
        con.close()


def _no_room(staging: Staging, error: duckdb.Error) -> StorageError:
    """Return the error for a sort that the disk stopped."""
    msg = (
        f"{staging.key.table} cannot be sorted: the disk refused ({str(error).splitlines()[0]}). What was fetched is "
        f"kept: free some space where {staging.folder} lies and run the same command again"
    )
    return StorageError(msg)


def _sorted(
    con: duckdb.DuckDBPyConnection, files: Sequence[Path], columns: Sequence[str], order: tuple[str, ...]
) -> Iterator[pa.Table]:
    """Yield rows in an order, as DuckDB sorts them."""
    chosen = ", ".join(f'"{name}"' for name in columns)
    rows = con.from_parquet([str(path) for path in files], hive_partitioning=False)
    ordered = rows.project(chosen).order(", ".join(order))
    for batch in ordered.to_arrow_reader(ROW_GROUP_ROWS):
        yield pa.Table.from_batches([batch])


def _read(table: StagedTable) -> Iterator[pa.Table]:
    """Yield what edges are made of, row group by row group."""
    columns = [name for name in (PRE, POST, "size") if name in table.arrow.names]
    for file in table.files:
        content = pq.ParquetFile(file.path)
        for number in range(content.num_row_groups):
            yield content.read_row_group(number, columns=columns)


def _part(schema: pa.Schema, columns: Sequence[str]) -> pa.Schema:
    """Return some columns of a schema."""
    return pa.schema([schema.field(name) for name in columns])


class _Writer:
    """Writes the five tables of one staging into its folder of finished files."""

    def __init__(self, staging: Staging) -> None:
        self._staging = staging

    def __call__(
        self, name: str | None, tables: Iterator[pa.Table], schema: pa.Schema, order: tuple[str, ...]
    ) -> StagedTable:
        """Write rows that come in an order; `name` None is the synapse table itself."""
        own = self._staging.key
        key = replace(
            own,
            schema=own.schema if name is None else "derived",
            table=name or own.table,
            sort_key=order[0],
            unique=len(order) == 1,
        )
        folder = self._staging.done / (name or "main")
        writer = FileWriter(folder, self._staging.run(), schema, key=order[0])
        files = writer.write(table.cast(schema) for table in tables)
        return StagedTable(key, schema, files, sum(file.rows for file in files), order)
