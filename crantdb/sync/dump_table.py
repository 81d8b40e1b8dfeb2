"""One table from files: read and cast file by file, sorted by id into pieces, then finished like a fetched one."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from crantdb.errors import BadFile, IncompleteError, StagingMismatch, ValidationError
from crantdb.sources.as_served import as_served
from crantdb.sources.dumps import BOOKKEEPING, dump_rows, point_columns, read_header
from crantdb.sources.exports import export_rows
from crantdb.sources.materialization import id_columns
from crantdb.sync.finish import finish
from crantdb.warehouse.commit import TableFacts
from crantdb.warehouse.durable import HashingFile, new_file
from crantdb.warehouse.parquet import ROW_GROUP_ROWS
from crantdb.warehouse.sorting import sorting
from crantdb.warehouse.staging import open_staging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from crantdb.sources.as_served import Served
    from crantdb.sources.dumps import InputFile, TableDump
    from crantdb.sync.finish import Forms
    from crantdb.sync.progress import Progress
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.staging import Staging, StagingKey
    from crantdb.warehouse.validate import ValidTable

PIECE_ROWS = 8 * ROW_GROUP_ROWS
"""Rows of a piece: about a million."""

SERVER_COUNT = "import (server count)"
"""As many rows as the server counts in this version, and no id comes twice."""

FILE_ROWS = "import (file rows)"
"""Every row of the files, and no id comes twice; nobody counted on the server."""

EXACT_DRIFT = "doubles kept (import --exact): no delta is built on it"

_SAY_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class DumpJob:
    """What is known of a table to import beside its files.

    Attributes:
        dump: its files.
        source: its metadata, from the server or as given.
        as_of: the version's moment.
        expected_rows: its rows as the server counts them; None when it was not asked.
        exact: whether doubles are kept.
    """

    dump: TableDump
    source: Mapping[str, Any]
    as_of: datetime
    expected_rows: int | None
    exact: bool


def origin_of(dump: TableDump, *, exact: bool) -> str:
    """Return a digest of a table's files and of how they are read: what may be staged together."""
    files = [(file.name, file.bytes, file.changed_ns) for file in dump.files]
    header = None if dump.header is None else dump.header.read_text("utf-8", errors="replace")
    return hashlib.sha256(json.dumps([files, header, exact]).encode()).hexdigest()[:16]


def stage_dump(
    warehouse: Warehouse, key: StagingKey, job: DumpJob, *, forms: Forms, progress: Progress
) -> list[tuple[ValidTable, TableFacts]]:
    """Read what is not yet staged of a table's files, sort it, join it and check it.

    Returns:
        The table; for a synapse table also the four tables made of it.

    Raises:
        BadFile: when a file is not what it should be.
        IncompleteError: when the server counts other rows.
        ValidationError: when the rows break a promise.
        StorageError: when the disk or the memory refuses.
    """
    staging = _opened(warehouse, key)
    try:
        rows = _read_all(staging, job, progress)
        _check_count(key.table, rows, job)
        _sort_all(staging, job, rows, forms=forms, progress=progress)
        facts = _facts(staging, job)
        if forms.is_synapses(key.table):
            progress.say(
                f"{key.table}: all rows are here; arranging them by pre root, post root, pair and id"
            )
        made = finish(staging, facts, expected_rows=rows, forms=forms)
    except (BadFile, ValidationError, StagingMismatch, IncompleteError):
        staging.discard()
        raise
    progress.end(key.table)
    return made


def _opened(warehouse: Warehouse, key: StagingKey) -> Staging:
    """Open what is staged; begin anew where a piece in the middle was lost."""
    staging = open_staging(warehouse, key)
    whole = [piece.span for piece in staging.pieces] == [f"sorted {n}" for n in range(len(staging.pieces))]
    if whole and (staging.note("sorted") is None or staging.rows == staging.note("sorted")):
        return staging
    staging.discard()
    return open_staging(warehouse, key)


# --- reading -----------------------------------------------------------------------------------------


def _read_all(staging: Staging, job: DumpJob, progress: Progress) -> int:
    """Read every file that was not read before; return the rows of all."""
    if staging.note("sorted") is not None:
        return int(staging.note("sorted"))
    read = _reader(job)
    dump, total = job.dump, 0
    pace = _Pace(dump, progress)
    for number, file in enumerate(dump.files):
        path = _cast_path(staging, number)
        noted = staging.note(f"read {file.name}")
        if noted is None or not path.is_file() or path.stat().st_size != noted["bytes"]:
            noted = _cast(file, path, read, pace)
            staging.set_note(f"read {file.name}", noted)
        total += noted["rows"]
    _check_columns(staging, dump)
    invalid = sum(staging.note(f"read {file.name}")["invalid"] for file in dump.files)
    left_out = staging.note(f"read {dump.files[0].name}")["left_out"]
    progress.say(
        f"{dump.table}: {total:,} rows in {len(dump.files)} file(s)"
        + (f", {invalid:,} that are not valid left out" if invalid else "")
        + (f", without the columns {', '.join(left_out)}, which CAVE does not serve" if left_out else "")
    )
    return total


def _reader(job: DumpJob) -> Callable[[InputFile], Iterator[Served]]:
    """Return what reads a file of the table, cast to what the server would serve."""
    dump = job.dump
    if not dump.files[0].name.endswith(".csv.gz"):
        return lambda file: (
            as_served(rows, file, table=dump.table, exact=job.exact) for rows in export_rows(file)
        )
    columns = read_header(dump)
    points = point_columns(columns)
    left_out = tuple(name for name in columns if name in BOOKKEEPING)

    def read(file: InputFile) -> Iterator[Served]:
        for rows in dump_rows(file, columns):
            served = as_served(rows, file, table=dump.table, hex_points=points, exact=job.exact)
            yield replace(served, left_out=left_out)

    return read


def _cast_path(staging: Staging, number: int) -> Path:
    """Return where the cast rows of a file wait to be sorted."""
    return staging.folder / "cast" / f"{number:06d}.parquet"


def _cast(
    file: InputFile, path: Path, read: Callable[[InputFile], Iterator[Served]], pace: _Pace
) -> dict[str, Any]:
    """Write a file's rows as the server would serve them; return what is noted of them."""
    rows = invalid = 0
    left_out: tuple[str, ...] = ()
    with new_file(path) as handle, contextlib.ExitStack() as stack:
        writer: pq.ParquetWriter | None = None
        for served in read(file):
            if writer is None:
                sink = pa.PythonFile(HashingFile(handle), mode="w")
                writer = stack.enter_context(
                    pq.ParquetWriter(sink, served.rows.schema, compression="lz4", use_dictionary=False)
                )
            writer.write_table(served.rows)
            rows += served.rows.num_rows
            invalid += served.invalid
            left_out = served.left_out
            pace.advance(file, served.rows.num_rows)
    return {"rows": rows, "invalid": invalid, "left_out": left_out, "bytes": path.stat().st_size}


class _Pace:
    """Says now and then how far the reading is."""

    def __init__(self, dump: TableDump, progress: Progress) -> None:
        self._dump, self._progress, self._rows = dump, progress, 0
        self._start = self._last = time.monotonic()

    def advance(self, file: InputFile, rows: int) -> None:
        """Count rows; say so when the last word is some seconds old."""
        self._rows += rows
        now = time.monotonic()
        if now - self._last >= _SAY_EVERY_S:
            self._last = now
            rate = self._rows / (now - self._start)
            self._progress.say(
                f"{self._dump.table}: read {self._rows:,} rows, {rate:,.0f} rows/s ({file.name})"
            )


def _check_columns(staging: Staging, dump: TableDump) -> None:
    """Refuse files that do not have the same columns."""
    first = pq.read_schema(_cast_path(staging, 0))
    for number, file in enumerate(dump.files):
        found = pq.read_schema(_cast_path(staging, number))
        if not found.equals(first):
            differ = sorted(
                {f"{field.name} {field.type}" for field in found}
                ^ {f"{field.name} {field.type}" for field in first}
            )
            msg = (
                f"{file.name} has other columns than {dump.files[0].name} ({', '.join(differ) or 'in another order'}): "
                f"all files of {dump.table} must have the same"
            )
            raise BadFile(msg, path=file.path)


def _check_count(table: str, rows: int, job: DumpJob) -> None:
    """Refuse rows that are not as many as the server counts."""
    if job.expected_rows not in {None, rows}:
        names = ", ".join(file.name for file in job.dump.files[:3])
        msg = (
            f"{table}: the server counts {job.expected_rows:,} rows in this version, the files hold {rows:,} "
            f"({names}): they are of another version, or not whole. Nothing was committed"
        )
        raise IncompleteError(msg, expected=int(job.expected_rows or 0), got=rows)


# --- sorting -----------------------------------------------------------------------------------------


def _sort_all(staging: Staging, job: DumpJob, rows: int, *, forms: Forms, progress: Progress) -> None:
    """Sort what was read into pieces by id, going on behind the last piece."""
    progress.begin(job.dump.table, rows, staging.rows)
    if staging.note("sorted") is not None:
        return
    paths = [_cast_path(staging, number) for number in range(len(job.dump.files))]
    with sorting(staging, forms.memory_bytes) as con:
        for piece in _pieces(con, paths, staging.pieces[-1].key_max if staging.pieces else None):
            staging.add(f"sorted {len(staging.pieces)}", piece)
            progress.advance(job.dump.table, piece.num_rows)
    if not staging.pieces:
        staging.add("sorted 0", pq.read_schema(paths[0]).empty_table())
    if staging.rows != rows:
        raise ValidationError(staging.key.table, "id is unique", rows - staging.rows)
    staging.set_note("sorted", rows)
    shutil.rmtree(paths[0].parent, ignore_errors=True)


def _pieces(con: Any, paths: list[Path], above: int | None) -> Iterator[pa.Table]:  # noqa: ANN401 - DuckDB's
    """Yield the rows whose id is above a bound, by id, a piece at a time."""
    schema = pq.read_schema(paths[0])
    rows = con.from_parquet([str(path) for path in paths], hive_partitioning=False)
    rows = rows if above is None else rows.filter(f'"id" > {above}')
    waiting: list[pa.Table] = []
    for batch in rows.order('"id"').to_arrow_reader(ROW_GROUP_ROWS):
        waiting.append(pa.Table.from_batches([batch]).cast(schema))
        if sum(table.num_rows for table in waiting) >= PIECE_ROWS:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _facts(staging: Staging, job: DumpJob) -> TableFacts:
    """Return what a manifest is to say of the table."""
    if staging.note("fetched_at") is None:
        staging.set_note("fetched_at", datetime.now(UTC).isoformat())
    notes = [staging.note(f"read {file.name}") for file in job.dump.files]
    said: dict[str, Any] = {
        "imported_from": [file.name for file in job.dump.files],
        "invalid_rows_left_out": sum(note["invalid"] for note in notes),
        "columns_left_out": list(notes[0]["left_out"]),
    }
    return TableFacts(
        kind="table",
        source={**job.source, **said} | ({"exact": True} if job.exact else {}),
        fetched_at=datetime.fromisoformat(staging.note("fetched_at")),
        as_of=job.as_of if id_columns(staging.schema().names) else None,
        completeness=FILE_ROWS if job.expected_rows is None else SERVER_COUNT,
        drift=(EXACT_DRIFT,) if job.exact else (),
    )
