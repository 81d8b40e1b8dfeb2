"""Arranges staged synapses for every question: by presynaptic root, by postsynaptic root, as edges, by id.

Made out of core by DuckDB from the staged pieces, under a memory promise, spilling into the staging folder.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import pyarrow as pa
import pyarrow.parquet as pq

from crantdb.errors import Interrupted, ValidationError
from crantdb.warehouse.edges import BARE, EDGES, edges_of
from crantdb.warehouse.files import FileWriter
from crantdb.warehouse.merge import merge_sorted
from crantdb.warehouse.sorting import rows_of, sorting, write_sorted
from crantdb.warehouse.staging import StagedTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path
    from types import TracebackType

    import duckdb

    from crantdb.warehouse.files import StagedFile
    from crantdb.warehouse.merge import Replaced
    from crantdb.warehouse.staging import Staging

PRE, POST, ID = "pre_pt_root_id", "post_pt_root_id", "id"
BY_POST_COLUMNS = (
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
    narrow = [name for name in BY_POST_COLUMNS if name in schema.names]
    of_ids = part_of(schema, [ID, PRE, POST])
    with sorting(staging, memory_bytes) as con, FormsWriter(staging, con) as write:
        ids = write.beside(names.ids, staging.ordered(of_ids), of_ids, (ID,))
        main = write.sorted(None, staging.files(), schema, (PRE, POST, ID))
        ids.result()  # says if an id comes twice, before more is made of it
        edges = write.edges_beside(names.edges, main)
        by_post = write.sorted(names.by_post, staging.files(), part_of(schema, narrow), (POST, PRE, ID))
        made = [file.path for file in edges.result().files]
        turned = write.sorted(names.edges_by_post, made, EDGES, ("post_root_id", "pre_root_id"))
    return Arranged(main, by_post, edges.result(), turned, ids.result())


def sized_pairs(table: StagedTable) -> Iterator[pa.Table]:
    """Yield what edges are made of, row group by row group."""
    columns = [name for name in (PRE, POST, "size") if name in table.arrow.names]
    for file in table.files:
        content = pq.ParquetFile(file.path)
        for number in range(content.num_row_groups):
            yield content.read_row_group(number, columns=columns)


def part_of(schema: pa.Schema, columns: Sequence[str]) -> pa.Schema:
    """Return some columns of a schema."""
    return pa.schema([schema.field(name) for name in columns])


class FormsWriter:
    """Writes the five tables of one staging into its folder of finished files.

    What comes in order already is written beside, in a thread of its own: a sort does not keep every core busy
    while its rows are written.

    Args:
        staging: what is arranged.
        con: sorts (see `sorting`).
    """

    def __init__(self, staging: Staging, con: duckdb.DuckDBPyConnection) -> None:
        self._staging = staging
        self._con = con
        self._run = staging.run()  # asked here, once: two threads would each name one
        self._pool = ThreadPoolExecutor(1, "beside")
        self._given_up = threading.Event()

    def sorted(
        self, name: str | None, sources: Sequence[Path], schema: pa.Schema, order: tuple[str, ...]
    ) -> StagedTable:
        """Sort rows of Parquet files and write them; `name` None is the synapse table itself."""
        into = self._staging.done / (name or "main") / self._run
        files = write_sorted(
            self._con, rows_of(self._con, sources), schema.names, order=order, into=into, summing=self._pool
        )
        return self._made(name, files, schema, order)

    def merged(
        self,
        name: str | None,
        files: Sequence[StagedFile],
        replaced: Replaced,
        *,
        schema: pa.Schema,
        order: tuple[str, ...],
    ) -> StagedTable:
        """Write a table's files anew where rows of them were replaced; `name` None is the synapse table itself."""
        into = self._staging.done / (name or "main") / self._run
        columns = schema.names
        made = merge_sorted(self._con, files, replaced, columns, order=order, into=into, summing=self._pool)
        return self._made(name, made, schema, order)

    def of_table(self, name: str, relation: str, order: tuple[str, ...]) -> StagedTable:
        """Sort the rows of a relation of the connection and write them, under a name of their own."""
        into = self._staging.done / name / f"{self._run}-{name}"
        rows = self._con.table(relation)
        files = write_sorted(self._con, rows, rows.columns, order=order, into=into, summing=self._pool)
        return self._made(name, files, pq.read_schema(files[0].path).remove_metadata(), order)

    def beside(
        self, name: str, tables: Iterator[pa.Table], schema: pa.Schema, order: tuple[str, ...]
    ) -> Future[StagedTable]:
        """Begin to write rows that come in an order; what was begun before is finished first."""
        return self._pool.submit(self._streamed, name, tables, schema, order)

    def edges_beside(self, name: str, main: StagedTable) -> Future[StagedTable]:
        """Begin to write the edges of the synapse table, sorted by (pre, post)."""
        order = ("pre_root_id", "post_root_id")
        return self._pool.submit(self._streamed, name, edges_of(sized_pairs(main)), EDGES, order, bare=BARE)

    def _streamed(
        self,
        name: str,
        tables: Iterator[pa.Table],
        schema: pa.Schema,
        order: tuple[str, ...],
        *,
        bare: Sequence[str] = (),
    ) -> StagedTable:
        """Write rows as they come."""
        writer = FileWriter(self._staging.done / name, self._run, schema, key=order[0], bare=bare)
        files = writer.write(table.cast(schema) for table in self._until_given_up(tables))
        return self._made(name, files, schema, order)

    def _made(
        self, name: str | None, files: tuple[StagedFile, ...], schema: pa.Schema, order: tuple[str, ...]
    ) -> StagedTable:
        """Return a written table."""
        own = self._staging.key
        key = replace(
            own,
            schema=own.schema if name is None else "derived",
            table=name or own.table,
            sort_key=order[0],
            unique=len(order) == 1,
        )
        return StagedTable(key, schema, files, sum(file.rows for file in files), order)

    def _until_given_up(self, tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
        """Yield tables as long as somebody waits for what is made of them."""
        for table in tables:
            if self._given_up.is_set():
                msg = "stopped; what was staged is kept"
                raise Interrupted(msg)
            yield table

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._given_up.set()
        self._pool.shutdown(wait=True, cancel_futures=kind is not None)
