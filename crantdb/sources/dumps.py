"""CAVE's CSV dumps: which tables a folder holds, and their rows as the dump has them. No network here.

A table is `<table>.csv.gz`, without a header line, beside `<table>_header.csv`, which names its columns and
their Postgres types. A bucket keeps them in `<datastack>/v<version>/`.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv as pacsv

from crantdb.errors import BadFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

BLOCK_BYTES = 16 * 1024 * 1024
"""Text to parse at once; no row may be longer."""

BOOKKEEPING = frozenset({"created", "deleted", "superceded_id"})
"""Columns that a merged version does not serve."""

_DATA, _HEADER = ".csv.gz", "_header.csv"
_VERSION = re.compile(r"v(\d+)")
_TYPES = {
    "bigint": pa.int64(),
    "integer": pa.int32(),
    "smallint": pa.int16(),
    "double precision": pa.float64(),
    "real": pa.float32(),
    "boolean": pa.bool_(),
    "text": pa.string(),
    "character varying": pa.string(),
    "character": pa.string(),
    "timestamp": pa.timestamp("us"),
    "timestamp without time zone": pa.timestamp("us"),
    "timestamp with time zone": pa.timestamp("us", "UTC"),
    "geometry": pa.string(),
    "user-defined": pa.string(),
}
_POINTS = {"geometry", "user-defined"}


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file to import.

    Attributes:
        path: where it lies.
        name: what it is called in messages and manifests: never an absolute path.
        bytes: its size.
        changed_ns: when it was last changed, ns since 1970; tells one edition from another.
    """

    path: Path
    name: str
    bytes: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class TableDump:
    """A table as files.

    Attributes:
        table: its name.
        files: its files, in the order of their names; at least one.
        header: the file that names its columns; None where files say it themselves, or where it is missing.
        datastack: the datastack, where a folder's name says it.
        version: the materialization version, where a folder's name says it.
    """

    table: str
    files: tuple[InputFile, ...]
    header: Path | None = None
    datastack: str | None = None
    version: int | None = None

    @property
    def bytes(self) -> int:
        """The size of its files."""
        return sum(file.bytes for file in self.files)


def input_file(path: Path, name: str) -> InputFile:
    """Return a file to import.

    Args:
        path: where it lies.
        name: what to call it.
    """
    stat = path.stat()
    return InputFile(path, name, stat.st_size, stat.st_mtime_ns)


def find_dumps(folder: Path) -> list[TableDump]:
    """Return every table's dump in a folder, in its `v<version>/` folders, and in its `<datastack>/v<version>/`.

    Raises:
        BadFile: when there is no dump, or one of a split version.
    """
    dumps = _tables_in(folder, datastack=None) if folder.is_dir() else []
    for below in _folders(folder):
        dumps += _tables_in(below, datastack=None) if _version_of(below) is not None else []
        for deeper in _folders(below):
            if _version_of(deeper) is not None:
                dumps += _tables_in(deeper, datastack=below.name)
    if not dumps:
        msg = (
            f"{folder} holds no CAVE dump: a table is <table>.csv.gz beside <table>_header.csv, here or in "
            f"<datastack>/v<version>/"
        )
        raise BadFile(msg, path=folder)
    return dumps


def of_version(dumps: Sequence[TableDump], version: int, *, datastack: str) -> list[TableDump]:
    """Return the dumps of a version, one a table; those whose folder does not say which are taken to be of it.

    Raises:
        BadFile: when there is none, or a table has more than one.
    """
    mine = [dump for dump in dumps if dump.datastack in {None, datastack}]
    found = [dump for dump in mine if dump.version in {None, version}]
    if not found:
        there = ", ".join(sorted({f"{dump.datastack or datastack} v{dump.version}" for dump in dumps}))
        msg = f"there is no dump of {datastack} v{version}; there are {there}"
        raise BadFile(msg, path=dumps[0].files[0].path.parent)
    tables = [dump.table for dump in found]
    twice = next((table for table in tables if tables.count(table) > 1), None)
    if twice is not None:
        one, other, *_ = (dump.files[0].path for dump in found if dump.table == twice)
        msg = f"{twice} is there more than once: {one} and {other}. Name the folder of the one to import"
        raise BadFile(msg, path=one)
    return found


def _folders(folder: Path) -> list[Path]:
    """Return the folders in a folder, by name."""
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _version_of(folder: Path) -> int | None:
    """Return the version that a folder's name says, or None."""
    match = _VERSION.fullmatch(folder.name)
    return int(match[1]) if match else None


def _tables_in(folder: Path, *, datastack: str | None) -> list[TableDump]:
    """Return the dumps that lie in a folder itself."""
    paths = {path.name.removesuffix(_DATA): path for path in sorted(folder.glob(f"*{_DATA}"))}
    for table, path in paths.items():
        owner = table.split("__", 1)[0]
        if owner != table and owner in paths:
            msg = (
                f"{path} is the segmentation of {owner} in a table of its own, as split versions have it. "
                f"Only dumps of merged versions can be imported: mirror this version with crantdb sync"
            )
            raise BadFile(msg, path=path)
    version = _version_of(folder)
    return [
        TableDump(table, (input_file(path, path.name),), _header_beside(path), datastack, version)
        for table, path in paths.items()
    ]


def _header_beside(path: Path) -> Path | None:
    """Return the header file of a dump, if it is there."""
    header = path.with_name(path.name.removesuffix(_DATA) + _HEADER)
    return header if header.is_file() else None


def read_header(dump: TableDump) -> dict[str, str]:
    """Return a dump's columns with their Postgres types, in order, types in lower case and without their length.

    Raises:
        BadFile: when the header is missing, or is not lines of name and type.
    """
    data = dump.files[0]
    if dump.header is None:
        wanted = data.path.name.removesuffix(_DATA) + _HEADER
        msg = f"{data.name} has no {wanted} beside it, which names its columns and types. Copy it there too"
        raise BadFile(msg, path=data.path)
    with dump.header.open(newline="", encoding="utf-8", errors="replace") as file:
        lines = [line for line in csv.reader(file) if line]
    lines = lines[1:] if lines and lines[0] == ["column_name", "data_type"] else lines
    odd = [line for line in lines if len(line) != 2]
    names = [line[0].strip() for line in lines]
    if odd or not lines or len(set(names)) != len(names):
        what = f"has the line {','.join(odd[0])!r}" if odd else "names no column, or one twice"
        msg = f"{dump.header.name} {what}; every line should be a column's name and its Postgres type"
        raise BadFile(msg, path=dump.header)
    return {name: line[1].split("(")[0].strip().lower() for name, line in zip(names, lines, strict=True)}


def point_columns(columns: Mapping[str, str]) -> frozenset[str]:
    """Return the columns that hold points, as hex EWKB."""
    return frozenset(name for name, kind in columns.items() if kind in _POINTS)


def dump_rows(file: InputFile, columns: Mapping[str, str]) -> Iterator[pa.Table]:
    """Yield a dump's rows, as many as fit `BLOCK_BYTES` at a time; at least one table, which may be empty.

    An empty field is NULL, a quoted empty one an empty text, as Postgres writes them. Points stay hex text;
    bookkeeping columns are left out.

    Raises:
        BadFile: when a type is unknown, a row has too few or too many fields, a field is not of its type, or
            the file ends before it should.
    """
    kinds = {name: _arrow_type(file, name, kind) for name, kind in columns.items() if name not in BOOKKEEPING}
    if file.bytes == 0:
        msg = f"{file.name} has no bytes: it was cut short on its way here. Copy it again"
        raise BadFile(msg, path=file.path)
    try:
        reader = _open(file, list(columns), kinds)
    except (pa.ArrowException, OSError) as error:
        if "Empty CSV file" in str(error):
            yield pa.schema(kinds.items()).empty_table()
            return
        raise _broken(file, error) from error
    yield from _batches(file, reader)


def _arrow_type(file: InputFile, name: str, kind: str) -> pa.DataType:
    """Return the Arrow type of a Postgres type."""
    if kind not in _TYPES:
        known = ", ".join(sorted(_TYPES))
        msg = (
            f"{file.name}: column {name} is of type {kind!r}, which CAVE tables do not have (known: {known})"
        )
        raise BadFile(msg, path=file.path)
    return _TYPES[kind]


def _open(
    file: InputFile, names: Sequence[str], kinds: Mapping[str, pa.DataType]
) -> pacsv.CSVStreamingReader:
    """Open a dump as Postgres wrote it."""
    texts = any(pa.types.is_string(kind) for kind in kinds.values())
    return pacsv.open_csv(
        pa.CompressedInputStream(pa.OSFile(str(file.path)), "gzip"),
        read_options=pacsv.ReadOptions(column_names=list(names), block_size=BLOCK_BYTES),
        parse_options=pacsv.ParseOptions(newlines_in_values=texts),
        convert_options=pacsv.ConvertOptions(
            column_types=dict(kinds),
            include_columns=list(kinds),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t", "true"],
            false_values=["f", "false"],
        ),
    )


def _batches(file: InputFile, reader: pacsv.CSVStreamingReader) -> Iterator[pa.Table]:
    """Yield what a reader has, its failures as ours."""
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        except (pa.ArrowException, OSError) as error:
            raise _broken(file, error) from error
        yield pa.Table.from_batches([batch])


def _broken(file: InputFile, error: Exception) -> BadFile:
    """Return the error for a file that cannot be read to its end."""
    text = str(error).splitlines()[0][:300]
    if "runcated" in text or "incorrect header" in text or "zlib" in text:
        text += ": the file was cut short or damaged on its way here. Copy it again"
    elif "Expected" in text and "columns" in text:
        text += ". Its header file does not fit it: they are of two versions, or of two tables"
    msg = f"{file.name} ({file.bytes:,} bytes) cannot be read: {text}"
    return BadFile(msg, path=file.path)
