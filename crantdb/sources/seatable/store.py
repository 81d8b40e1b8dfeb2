"""The rows of one table on their way: pages as Arrow, kept in memory or spilled, put into `_id` order at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crantdb.errors import StorageError
from crantdb.sources.seatable.findings import NUMBER_HOLDS_IDS, Notes
from crantdb.sources.seatable.layout import DIGEST
from crantdb.sources.seatable.result import LINKS_SCHEMA
from crantdb.sources.seatable.rowtext import content_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from crantdb.sources.seatable.catalogue import ColumnInfo
    from crantdb.sources.seatable.layout import Layout

PIECE_ROWS = 10_000
_BEFORE_ALL = -(2**63)
_SPILL = pa.ipc.IpcWriteOptions(compression="lz4")


class Store:
    """Rows as they come; a row that comes again replaces the one before, unless its `_mtime` is older.

    Args:
        layout: the table's physical columns.
        folder: where pages go; None keeps them in memory.

    Attributes:
        fingerprints: of the rows that are there, by `_id`.
    """

    def __init__(self, layout: Layout, folder: Path | None) -> None:
        self.layout = layout
        self.notes = Notes()
        self.fingerprints: dict[str, bytes] = {}
        self._folder = folder
        self._pages: list[pa.RecordBatch | Path] = []
        self._index: list[pa.RecordBatch] = []
        self._dead: dict[str, int] = {}

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take rows in.

        Raises:
            StorageError: when the folder does not take a page.
        """
        known = {row["_id"] for row in rows if row["_id"] in self.fingerprints}
        if known:
            self.notes.forget(known)
        batch = self.layout.batch(rows, self.notes)
        for row in rows:
            self.fingerprints[row["_id"]] = self.layout.writer.fingerprint(row)
        self._index.append(_index_of(batch, len(self._pages)))
        self._pages.append(self._kept(batch))

    def drop(self, ids: Iterable[str]) -> None:
        """Take rows out: they are gone from the server. One that comes again later is there again."""
        gone = set(ids)
        self.notes.forget(gone)
        for row_id in gone:
            self.fingerprints.pop(row_id, None)
            self._dead[row_id] = len(self._pages)

    def finish(self) -> StoredRows:
        """Return the rows in order."""
        found = pa.Table.from_batches(self._index, _INDEX_SCHEMA)
        if self._dead:
            alive = [
                page >= self._dead.get(row_id, 0)
                for row_id, page in zip(found["_id"].to_pylist(), found["page"].to_pylist(), strict=True)
            ]
            found = found.filter(pa.array(alive, pa.bool_()))
        order = [("_id", "ascending"), ("_mtime", "ascending"), ("page", "ascending")]
        found = found.take(pc.sort_indices(found, sort_keys=order))
        ids = found["_id"].combine_chunks()
        last = pc.fill_null(pc.not_equal(ids[:-1], ids[1:]), fill_value=True) if len(ids) else None
        if last is not None:
            found = found.filter(pa.concat_arrays([_array(last), pa.array([True])]))
        lossy = {key for (key, kind), rows in self.notes.rows_of.items() if kind == NUMBER_HOLDS_IDS and rows}
        return StoredRows(self._pages, found, self.layout, self.layout.final_schema(lossy))

    def _kept(self, batch: pa.RecordBatch) -> pa.RecordBatch | Path:
        """Return a page, or the file it was written to."""
        if self._folder is None:
            return batch
        path = self._folder / f"{len(self._pages):06d}.arrow"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with (
                pa.OSFile(str(path), "wb") as sink,
                pa.ipc.new_file(sink, batch.schema, options=_SPILL) as writer,
            ):
                writer.write_batch(batch)
        except OSError as error:
            msg = f"a page of {self.layout.table.name!r} cannot be kept in {self._folder} ({error.strerror or error}): make room there"
            raise StorageError(msg) from error
        return path


class StoredRows:
    """The final rows of one table.

    Args:
        pages: batches or files, as they came.
        order: page and row of each final row (`_INDEX_SCHEMA`), in `_id` order.
        layout: the table's physical columns.
        schema: of the result.
    """

    def __init__(
        self, pages: Sequence[pa.RecordBatch | Path], order: pa.Table, layout: Layout, schema: pa.Schema
    ) -> None:
        self.schema = schema
        self.rows = order.num_rows
        self.archived = int(pc.sum(order["_archived"]).as_py() or 0)
        self._pages = pages
        self._layout = layout
        self._page: NDArray[np.int32] = order["page"].to_numpy()
        self._row: NDArray[np.int32] = order["row"].to_numpy()
        self._digests = order[DIGEST]

    def content_hash(self) -> str:
        """Return the hash of columns and rows."""
        return content_hash(self._layout.table, self._digests.to_pylist())

    def pieces(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows in `_id` order."""
        width = len(self.schema)
        for start in range(0, self.rows, PIECE_ROWS):
            piece = self._gathered(slice(start, start + PIECE_ROWS))
            yield pa.RecordBatch.from_arrays(piece.columns[:width], schema=self.schema)

    def links(self) -> Iterator[pa.RecordBatch]:
        """Yield the edges of all link columns."""
        columns = self._layout.links()
        for piece in self.pieces() if columns else ():
            edges = [_edges(piece, name, column, self._layout.table.id) for name, column in columns]
            found = pa.Table.from_batches(edges, LINKS_SCHEMA)
            keys = [("row_id", "ascending"), ("column_key", "ascending"), ("ord", "ascending")]
            yield from found.take(pc.sort_indices(found, sort_keys=keys)).combine_chunks().to_batches()

    def _gathered(self, part: slice) -> pa.RecordBatch:
        """Return some rows out of the pages they came in."""
        pages, rows = self._page[part], self._row[part]
        taken, places = [], []
        for page in np.unique(pages):
            here = np.flatnonzero(pages == page)
            taken.append(self._read(int(page)).take(pa.array(rows[here])))
            places.append(here)
        whole = pa.Table.from_batches(taken)
        back = np.argsort(np.concatenate(places), kind="stable")
        return whole.take(pa.array(back)).combine_chunks().to_batches()[0]

    def _read(self, page: int) -> pa.RecordBatch:
        """Return a page."""
        kept = self._pages[page]
        if isinstance(kept, pa.RecordBatch):
            return kept
        with pa.OSFile(str(kept), "rb") as source, pa.ipc.open_file(source) as reader:
            return reader.get_batch(0)


_INDEX_SCHEMA = pa.schema(
    [
        ("_id", pa.string()),
        ("_mtime", pa.int64()),
        ("_archived", pa.bool_()),
        (DIGEST, pa.binary(16)),
        ("page", pa.int32()),
        ("row", pa.int32()),
    ]
)


def _index_of(batch: pa.RecordBatch, page: int) -> pa.RecordBatch:
    """Return what the final order needs to know of a page."""
    count = batch.num_rows
    mtime = batch.column("_mtime").cast(pa.int64())
    columns = [
        batch.column("_id"),
        pc.fill_null(mtime, _BEFORE_ALL),
        batch.column("_archived"),
        batch.column(DIGEST),
        pa.array(np.full(count, page, np.int32)),
        pa.array(np.arange(count, dtype=np.int32)),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=_INDEX_SCHEMA)


def _edges(piece: pa.RecordBatch, name: str, column: ColumnInfo, table_id: str) -> pa.RecordBatch:
    """Return the edges of one link column of a piece."""
    cells = piece.column(name)
    parents = pc.list_parent_indices(cells).to_numpy()
    items = pc.list_flatten(cells)
    starts = np.flatnonzero(np.diff(parents, prepend=-1))
    ords = np.arange(len(parents)) - np.repeat(starts, np.diff(starts, append=len(parents)))
    count = len(parents)
    columns = [
        pa.array([column.data.get("link_id")] * count, pa.string()),
        pa.array([table_id] * count, pa.string()),
        pa.array([column.key] * count, pa.string()),
        piece.column("_id").take(pa.array(parents)),
        pa.array([_other_table(column, table_id)] * count, pa.string()),
        pc.struct_field(items, "row_id"),
        pa.array(ords.astype(np.int32)),
        pc.struct_field(items, "display_value_json"),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=LINKS_SCHEMA)


def _other_table(column: ColumnInfo, table_id: str) -> str | None:
    """Return the table that a link column links to: both its columns tell of both tables alike."""
    one, other = column.data.get("table_id"), column.data.get("other_table_id")
    return one if other == table_id else other


def _array(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return one array."""
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
