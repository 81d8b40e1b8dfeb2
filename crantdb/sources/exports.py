"""Parquet and Arrow files as one table, CAVE's Delta Lake export among them. No network here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from crantdb.errors import BadFile
from crantdb.sources.dumps import TableDump, input_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crantdb.sources.dumps import InputFile

BATCH_ROWS = 131_072
_PARQUET, _ARROW = (".parquet", ".pq"), (".arrow", ".feather", ".ipc")


def find_export(path: Path, table: str) -> TableDump:
    """Return the files of a table: one file, or all below a folder.

    Of a Delta Lake folder only the files that its log lists are taken: others were replaced or never finished.

    Raises:
        BadFile: when there is none, the file is of another kind, or one that the log lists is missing or partly deleted.
    """
    if path.is_file() and path.suffix not in _PARQUET + _ARROW:
        msg = f"{path.name} is no Parquet or Arrow file by its name; CAVE's CSV dumps come with cave-dump and their folder"
        raise BadFile(msg, path=path)
    if path.is_file():
        return TableDump(table, (input_file(path, path.name),))
    listed = _delta_files(path) if (path / "_delta_log").is_dir() else _plain_files(path)
    files = tuple(input_file(found, found.relative_to(path).as_posix()) for found in listed)
    if not files:
        endings = ", ".join(_PARQUET + _ARROW)
        msg = f"{path} holds no file of a table (looked for {endings} in it and below)"
        raise BadFile(msg, path=path)
    return TableDump(table, files)


def _plain_files(folder: Path) -> list[Path]:
    """Return every data file below a folder; names that begin with `_` or `.` are not data."""
    if not folder.is_dir():
        return []
    found = [path for path in folder.rglob("*") if path.suffix in _PARQUET + _ARROW and path.is_file()]
    return sorted(path for path in found if not _is_hidden(path.relative_to(folder).parts))


def _is_hidden(parts: tuple[str, ...]) -> bool:
    """Tell whether any part of a path says that it is no data."""
    return any(part.startswith(("_", ".")) for part in parts)


def _delta_files(folder: Path) -> list[Path]:
    """Return the files that a Delta Lake folder's log lists as its newest state."""
    log = folder / "_delta_log"
    entries = {int(path.stem): path for path in log.glob("*.json") if path.stem.isdigit()}
    points = sorted({path.name.split(".")[0] for path in log.glob("*.checkpoint*.parquet")})
    active: set[str] = set()
    start = 0
    if points:
        start = int(points[-1]) + 1
        for path in sorted(log.glob(f"{points[-1]}.checkpoint*.parquet")):
            rows = pq.read_table(path, columns=["add"], partitioning=None)["add"].to_pylist()
            _apply([{"add": row} for row in rows if row and row.get("path")], active, path)
    wanted = sorted(number for number in entries if number >= start)
    if wanted != list(range(start, start + len(wanted))) or not (wanted or points):
        msg = f"{log} has gaps, so that it does not say which files are the table. Copy the folder whole"
        raise BadFile(msg, path=log)
    for number in wanted:
        lines = entries[number].read_text("utf-8").splitlines()
        _apply([json.loads(line) for line in lines if line.strip()], active, entries[number])
    missing = sorted(name for name in active if not (folder / name).is_file())
    if missing:
        msg = (
            f"{folder} lacks {len(missing)} of the {len(active)} files that its log lists, e.g. {missing[0]}"
        )
        raise BadFile(msg, path=folder)
    return sorted(folder / name for name in active)


def _apply(actions: list[dict[str, dict[str, object]]], active: set[str], path: Path) -> None:
    """Take files into the table, and out of it, as a log says."""
    for action in actions:
        if "remove" in action:
            active.discard(unquote(str(action["remove"]["path"])))
        if "add" in action:
            if action["add"].get("deletionVector"):
                msg = (
                    f"{path} marks single rows as deleted, which crantdb does not read. Export the table anew"
                )
                raise BadFile(msg, path=path)
            active.add(unquote(str(action["add"]["path"])))


def export_rows(file: InputFile) -> Iterator[pa.Table]:
    """Yield a file's rows, `BATCH_ROWS` at a time or as they were written; at least one table, which may be empty.

    Raises:
        BadFile: when the file cannot be read.
    """
    try:
        if file.path.suffix in _ARROW:
            yield from _arrow_rows(file.path)
            return
        content = pq.ParquetFile(file.path)
        yield content.schema_arrow.empty_table()
        for batch in content.iter_batches(BATCH_ROWS):
            yield pa.Table.from_batches([batch])
    except (pa.ArrowException, OSError) as error:
        msg = f"{file.name} ({file.bytes:,} bytes) cannot be read: {error}. Copy it again"
        raise BadFile(msg, path=file.path) from error


_END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"


def _check_end(path: Path) -> None:
    """Refuse an Arrow stream without its end: Arrow itself takes what is there for all."""
    content = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, content - len(_END_OF_STREAM)))
        if file.read() != _END_OF_STREAM:
            msg = f"{path.name} ({content:,} bytes) does not end as an Arrow stream does: it was cut short. Copy it again"
            raise BadFile(msg, path=path)


def _arrow_rows(path: Path) -> Iterator[pa.Table]:
    """Yield the rows of an Arrow IPC file or stream."""
    with pa.memory_map(str(path)) as source:
        try:
            reader = pa.ipc.open_file(source)
        except pa.ArrowInvalid:
            _check_end(path)
            source.seek(0)
            stream = pa.ipc.open_stream(source)
            yield stream.schema.empty_table()
            yield from (pa.Table.from_batches([batch]) for batch in stream)
            return
        yield reader.schema.empty_table()
        for number in range(reader.num_record_batches):
            yield pa.Table.from_batches([reader.get_batch(number)])
