"""Staging: pieces of a table on their way, and a journal, so that a killed sync resumes where it was.

A piece is a Parquet file that the journal lists; whatever the journal does not list was never there.
`finish` joins the pieces, in the order of their key, into the files of the table.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import uuid
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from crantdb.errors import StagingMismatch
from crantdb.warehouse.durable import (
    neighbour,
    storage_errors,
    sync_file,
    sync_folder,
    write_bytes,
)
from crantdb.warehouse.files import FileWriter, StagedFile
from crantdb.warehouse.layout import folder_name
from crantdb.warehouse.parquet import bounds, write_one
from crantdb.warehouse.row_order import RowOrder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from crantdb.warehouse.layout import Warehouse

LAYOUT = 1
"""The layout of staged pieces; pieces of another are never mixed with these."""


@dataclass(frozen=True, slots=True)
class StagingKey:
    """What a staging is of. Two that differ in anything never mix.

    Attributes:
        server: the address of the global server.
        datastack: the datastack's name.
        schema: the room the table is mirrored into, e.g. ``cave``.
        table: the table's name.
        version: its materialization version; None for a table that all versions share.
        as_of: the version's moment, ISO text; empty without a version.
        sort_key: the column its rows are sorted by, or None for a table without a key.
        unique: whether no two rows share the key.
        layout: how pieces are written.
        origin: where the rows come from when not from the server: a digest of the files they are read from.
        base: the SeaTable base it is a table of, or None.
    """

    server: str
    datastack: str
    schema: str
    table: str
    version: int | None
    as_of: str
    sort_key: str | None
    unique: bool
    layout: int = LAYOUT
    origin: str = ""
    base: str | None = None

    def folder(self) -> str:
        """Return the folder's name: readable, and distinct by a hash of everything."""
        # A base that is None is left out: stagings that were begun before there were bases keep their folders.
        said = {name: value for name, value in asdict(self).items() if name != "base" or value is not None}
        digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:12]
        of = "shared" if self.version is None else f"v{self.version}"
        return f"{folder_name(self.schema)}.{folder_name(self.table)}.{of}.{digest}"


@dataclass(frozen=True, slots=True)
class Piece:
    """One staged piece.

    Attributes:
        span: what of the table it holds, in the words of whoever fetched it.
        file: its name in the staging folder; None for a span proved empty.
        rows: its rows.
        bytes: its size.
        sha256: of its bytes.
        key_min: the lowest key in it (None without).
        key_max: the highest.
    """

    span: str
    file: str | None
    rows: int
    bytes: int
    sha256: str
    key_min: int | None
    key_max: int | None


@dataclass(frozen=True, slots=True)
class StagedTable:
    """A whole table, staged but not validated.

    Attributes:
        key: what it is.
        arrow: its schema.
        files: its files, in key order; at least one.
        rows: the rows in them.
        order: the columns its rows are sorted by.
    """

    key: StagingKey
    arrow: pa.Schema
    files: tuple[StagedFile, ...]
    rows: int
    order: tuple[str, ...] = ()


class Staging:
    """The unfinished state of one table. Made by `open_staging`; one process at a time."""

    def __init__(self, folder: Path, key: StagingKey, pieces: list[Piece], notes: dict[str, Any]) -> None:
        self.folder = folder
        self.key = key
        self._pieces = pieces
        self._notes = notes
        self._order = RowOrder(key.table, key.sort_key, key.unique)

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The pieces staged so far."""
        return tuple(self._pieces)

    @property
    def rows(self) -> int:
        """The rows staged so far."""
        return sum(piece.rows for piece in self._pieces)

    def note(self, name: str) -> Any:  # noqa: ANN401 - whatever JSON value was noted
        """Return a noted value, or None."""
        return self._notes.get(name)

    def set_note(self, name: str, value: object) -> None:
        """Note a JSON value that must outlive this run, e.g. when the table was first asked for."""
        self._append({"note": name, "value": value})
        self._notes[name] = value

    def add(self, span: str, rows: pa.Table) -> Piece:
        """Stage the rows of a span, sorted, durable when this returns.

        Raises:
            StorageError: when the disk refuses.
            ValidationError: when the key is NULL in a row although it must be unique.
        """
        table = self._order.made(rows.replace_schema_metadata(None))
        low, high = bounds(table[self.key.sort_key]) if self.key.sort_key else (None, None)
        name, size, digest = None, 0, ""
        if table.num_rows or not any(piece.file for piece in self._pieces):
            name = f"{len(self._pieces):06d}-{uuid.uuid4().hex[:8]}.parquet"
            size, digest = write_one(self.folder / name, table)
        piece = Piece(span, name, table.num_rows, size, digest, low, high)
        self._append(asdict(piece))
        self._pieces.append(piece)
        return piece

    def _append(self, line: dict[str, Any]) -> None:
        """Append a line to the journal, durably."""
        path = self.folder / "journal.jsonl"
        with storage_errors(path), path.open("a", encoding="utf-8") as journal:
            journal.write(json.dumps(line) + "\n")
            sync_file(journal)

    def discard(self) -> None:
        """Forget everything staged."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def finish(self) -> StagedTable:
        """Join the pieces into the table's files.

        Raises:
            StorageError: when the disk refuses.
            ValidationError: when a key that must be unique comes twice.
            StagingMismatch: when two pieces do not have the same columns.
        """
        self.clear_done()
        schema = self.schema()
        files = FileWriter(self.done, self.run(), schema, key=self.key.sort_key).write(self.ordered(schema))
        order = (self.key.sort_key,) if self.key.sort_key else ()
        return StagedTable(self.key, schema, files, sum(file.rows for file in files), order)

    @property
    def done(self) -> Path:
        """The folder of finished files."""
        return self.folder / "done"

    def clear_done(self) -> None:
        """Forget finished files of an earlier try."""
        shutil.rmtree(self.done, ignore_errors=True)

    def files(self) -> list[Path]:
        """Return the pieces' files."""
        return [self.folder / piece.file for piece in self._pieces if piece.file is not None]

    def run(self) -> str:
        """Return the name of this table's run: the same for every try, so that a retry leaves no orphans."""
        if self.note("run") is None:
            self.set_note("run", uuid.uuid4().hex[:8])
        return str(self.note("run"))

    def schema(self) -> pa.Schema:
        """Return the one schema of all pieces.

        Raises:
            StagingMismatch: when two pieces do not have the same columns, or nothing is staged.
        """
        schema: pa.Schema | None = None
        for piece in self._pieces:
            if piece.file is None:
                continue
            found = pq.read_schema(self.folder / piece.file).remove_metadata()
            if schema is not None and not found.equals(schema):
                msg = (
                    f"{self.key.table}: span {piece.span} came with other columns than the first one "
                    f"({_difference(schema, found)}). Start it anew with `crantdb sync --discard`"
                )
                raise StagingMismatch(msg)
            schema = found
        if schema is None:
            msg = f"{self.key.table}: nothing is staged in {self.folder}"
            raise StagingMismatch(msg)
        return schema

    def ordered(self, schema: pa.Schema) -> Iterator[pa.Table]:
        """Yield the pieces' rows in key order, checking the order (and uniqueness) on the way.

        Raises:
            ValidationError: when a key that must be unique comes twice or is NULL.
        """
        last: int | None = None
        for piece in sorted(self._pieces, key=_by_key):
            if piece.file is None or not piece.rows:
                continue
            table = pq.read_table(self.folder / piece.file, schema=schema, partitioning=None)
            last = self._order.checked(table, last)
            yield table


def _by_key(piece: Piece) -> tuple[bool, int]:
    """Order pieces by their lowest key, those without one last."""
    return piece.key_min is None, piece.key_min or 0


def _difference(one: pa.Schema, other: pa.Schema) -> str:
    """Say in a few words how two schemas differ."""
    first, second = ({field.name: str(field.type) for field in schema} for schema in (one, other))
    names = [name for name in first | second if first.get(name) != second.get(name)]
    return "; ".join(
        f"{name}: {first.get(name, 'absent')} then {second.get(name, 'absent')}" for name in names[:5]
    )


def open_staging(warehouse: Warehouse, key: StagingKey) -> Staging:
    """Open what is staged of a table, or begin.

    A piece that the journal lists but whose file is gone or of another size is forgotten, and so fetched again.

    Raises:
        StorageError: when the disk refuses.
        StagingMismatch: when the folder holds something else.
    """
    folder = warehouse.staging_folder(key.folder())
    described = json.dumps(asdict(key), indent=1).encode()
    marker = folder / "key.json"
    if not marker.is_file():
        write_bytes(marker, described)
    elif StagingKey(**json.loads(marker.read_bytes())) != key:
        msg = f"{folder} holds pieces of something else. Remove it, or run `crantdb sync --discard`"
        raise StagingMismatch(msg)
    lines = _read_journal(folder / "journal.jsonl")
    notes = {line["note"]: line["value"] for line in lines if "note" in line}
    pieces = [Piece(**line) for line in lines if "span" in line]
    return Staging(folder, key, [piece for piece in pieces if _intact(folder, piece)], notes)


def _read_journal(path: Path) -> list[dict[str, Any]]:
    """Read the journal's whole lines; a torn last line, left by a kill, is cut off."""
    if not path.is_file():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) != len(content):
        with storage_errors(path), path.open("r+b") as journal:
            journal.truncate(len(whole))
            sync_file(journal)
    return [json.loads(line) for line in whole.splitlines()]


def _intact(folder: Path, piece: Piece) -> bool:
    """Tell whether a piece's file is there in the size the journal says."""
    if piece.file is None:
        return True
    with contextlib.suppress(OSError):
        return (folder / piece.file).stat().st_size == piece.bytes
    return False


def staged(warehouse: Warehouse) -> list[StagingKey]:
    """Return what is staged: the keys of unfinished tables."""
    if not warehouse.staging.is_dir():
        return []
    markers = sorted(warehouse.staging.glob("[!.]*/key.json"))
    return [StagingKey(**json.loads(marker.read_bytes())) for marker in markers]


def clear(warehouse: Warehouse, keys: list[StagingKey]) -> None:
    """Remove the stagings of tables that were committed or are given up, and what a killed try left of others.

    Each is set aside under a hidden name first: half removed under its own it could no longer be told what it is.
    """
    if not warehouse.staging.is_dir():
        return
    for key in keys:
        folder = warehouse.staging_folder(key.folder())
        if folder.is_dir():
            folder.replace(neighbour(folder))
    for aside in warehouse.staging.glob(".*.partial"):
        shutil.rmtree(aside, ignore_errors=True)
    with contextlib.suppress(OSError):
        sync_folder(warehouse.staging)
