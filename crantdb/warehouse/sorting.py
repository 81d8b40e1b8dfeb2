"""Sorted files out of core: DuckDB sorts what was staged, in its own memory and on the disk, and writes the files.

Its bytes depend on the rows and their order alone: not on pieces, threads or memory (tested; same DuckDB release).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import numpy as np

from crantdb.errors import StorageError
from crantdb.warehouse.durable import neighbour, sha256_of, storage_errors, sync_file, sync_folder
from crantdb.warehouse.files import FULL_ROWS, StagedFile
from crantdb.warehouse.interrupting import interruptible
from crantdb.warehouse.memory import DUCKDB_SHARE
from crantdb.warehouse.parquet import ROW_GROUP_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Executor, Future
    from pathlib import Path

    from numpy.typing import NDArray

    from crantdb.warehouse.staging import Staging

_LEVEL = 1
"""Of zstd: higher ones gain nothing on sorted, delta-encoded ids (measured) and take longer."""


@dataclass(frozen=True, slots=True)
class _Range:
    """The rows of one file: whole keys, from `low` to `high`, and those without a key where `nulls`."""

    low: int | None
    high: int | None
    nulls: bool
    rows: int

    def condition(self, key: str) -> str:
        """Return what is true of its rows, as SQL."""
        parts = [] if self.low is None else [f'"{key}" BETWEEN {self.low} AND {self.high}']
        return " OR ".join([*parts, f'"{key}" IS NULL'] if self.nulls else parts) or "false"


def write_sorted(
    con: duckdb.DuckDBPyConnection,
    rows: duckdb.DuckDBPyRelation,
    columns: Sequence[str],
    *,
    order: Sequence[str],
    into: Path,
    summing: Executor,
    full_rows: int = FULL_ROWS,
) -> tuple[StagedFile, ...]:
    """Write rows, sorted, into files that each hold whole keys.

    Args:
        con: sorts within its memory limit (see `sorting`).
        rows: a relation of the connection (see `rows_of`).
        columns: which columns, in this order.
        order: the columns to sort by, NULLs last; the first is the key.
        into: where the files go, and what their names begin with.
        summing: sums each file's bytes while the next one is sorted.
        full_rows: from this many rows on a file ends where the key changes. A key with more lies in one file.

    Returns:
        The files, at least one, durable.

    Raises:
        StorageError: when the disk refuses.
    """
    chosen = ", ".join(f'"{name}"' for name in columns)
    ranges = _ranges(rows, order[0], full_rows)
    waiting: list[Future[StagedFile]] = []
    for number, part in enumerate(ranges):
        path = into.with_name(f"{into.name}-part-{number:05d}.parquet")
        chosen_rows = rows if len(ranges) == 1 else rows.filter(part.condition(order[0]))
        ordered = chosen_rows.project(chosen).order(", ".join(f'"{name}" NULLS LAST' for name in order))
        partial = _copied(con, ordered, path)
        waiting.append(summing.submit(_placed, partial, path, part))
    return tuple(future.result() for future in waiting)


def rows_of(con: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> duckdb.DuckDBPyRelation:
    """Return the rows of Parquet files of one schema."""
    return con.from_parquet([str(path) for path in files], hive_partitioning=False)


def _ranges(rows: duckdb.DuckDBPyRelation, key: str, full_rows: int) -> list[_Range]:
    """Return the ranges of the key that make a file each, in order; at least one."""
    bounds = f'min("{key}"), max("{key}"), count(*), count(*) - count("{key}")'
    [(low, high, total, missing)] = rows.aggregate(bounds).fetchall()
    if total <= full_rows:
        return [_Range(low, high, nulls=bool(missing), rows=total)]
    return _whole_keys(rows, key, full_rows)


def _whole_keys(rows: duckdb.DuckDBPyRelation, key: str, full_rows: int) -> list[_Range]:
    """Return ranges of `full_rows` rows and more, cut where the key changes."""
    counted = (
        rows.aggregate(f'"{key}" AS key, count(*) AS n', f'"{key}"').order("key NULLS LAST").fetchnumpy()
    )
    counts = np.asarray(counted["n"], np.int64)
    missing = np.ma.getmaskarray(counted["key"])
    keys = np.ma.getdata(counted["key"]).astype(np.int64)
    return [_range(keys, counts, missing, first, end) for first, end in _cuts(counts, full_rows)]


def _cuts(counts: NDArray[np.int64], full_rows: int) -> Iterator[tuple[int, int]]:
    """Yield the first and the end of each run of keys that holds `full_rows` rows or more; the last may be shorter."""
    before = np.concatenate([[0], np.cumsum(counts)])
    first = 0
    while first < len(counts):
        end = min(int(np.searchsorted(before, before[first] + full_rows)), len(counts))
        yield first, end
        first = end


def _range(
    keys: NDArray[np.int64], counts: NDArray[np.int64], missing: NDArray[np.bool_], first: int, end: int
) -> _Range:
    """Return the range of the keys from `first` up to `end`."""
    nulls, rows = bool(missing[first:end].any()), int(counts[first:end].sum())
    there = keys[first:end][~missing[first:end]]
    if not there.size:
        return _Range(None, None, nulls=nulls, rows=rows)
    return _Range(int(there[0]), int(there[-1]), nulls=nulls, rows=rows)


def _copied(con: duckdb.DuckDBPyConnection, rows: duckdb.DuckDBPyRelation, path: Path) -> Path:
    """Write rows as a file beside where they shall lie; return it, not yet flushed."""
    partial = neighbour(path)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            statement = (
                f"COPY ({rows.sql_query()}) TO '{str(partial).replace(chr(39), chr(39) * 2)}' (FORMAT parquet, "
                f"PARQUET_VERSION 'V2', COMPRESSION zstd, COMPRESSION_LEVEL {_LEVEL}, "
                f"ROW_GROUP_SIZE {ROW_GROUP_ROWS}, USE_TMP_FILE false)"
            )
            interruptible(con, lambda: con.execute(statement))
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    return partial


def _placed(partial: Path, path: Path, part: _Range) -> StagedFile:
    """Flush a file to the disk, sum it and give it its name; return what a manifest will say of it."""
    with storage_errors(path):
        try:
            with partial.open("rb+") as handle:
                sync_file(handle)
            made = StagedFile(
                path, part.rows, partial.stat().st_size, sha256_of(partial), part.low, part.high
            )
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        sync_folder(path.parent)
    return made


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
    # Else a column is written as "not null" where the footers say so, which depends on how rows were cut into pieces.
    con.execute("SET disabled_optimizers = 'statistics_propagation'")
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
