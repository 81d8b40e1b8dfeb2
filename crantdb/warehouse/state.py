"""What a snapshot is: frozen values. Writing and reading them is `manifest`'s business, finding one `snapshot`'s."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

SHARED_SCHEMAS = frozenset({"seatable", "history", "l2"})
"""Schemas whose tables are of no materialization version: a snapshot has them once, beside its versions."""

LOG = "log"
"""The kind of a table that only grows: rows are facts that outlive every snapshot, whatever is rolled back."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """One Parquet file of a table.

    Attributes:
        path: relative to the warehouse, with ``/``.
        rows: rows in it.
        bytes: its size.
        sha256: of its bytes, hex.
        key_min: the lowest value of the sort key in it (None without rows or key).
        key_max: the highest.
    """

    path: str
    rows: int
    bytes: int
    sha256: str
    key_min: int | None = None
    key_max: int | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its name and its DuckDB type."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Layer:
    """What tells a version of a synapse table from the next newer one that is kept.

    Attributes:
        version: the version's number.
        rows: files of its rows that are other than in the newer one or not in it at all: whole, every column.
        dropped: files of one column, `id`: the rows of the newer one that this version has otherwise or not.
    """

    version: int
    rows: tuple[DataFile, ...]
    dropped: tuple[DataFile, ...]


@dataclass(frozen=True, slots=True)
class Layers:
    """A table that is kept as what differs from a newer version that is whole.

    Its rows are those of the base without what any layer drops, and of each layer without what a later one drops.

    Attributes:
        version: the version whose files the base is.
        base: that version's files of the same table.
        steps: from the version before that one down to the table's own, so that the last is its own.
    """

    version: int
    base: tuple[DataFile, ...]
    steps: tuple[Layer, ...]

    def files(self) -> tuple[DataFile, ...]:
        """Return every file that it takes to read the table."""
        return (*self.base, *(file for step in self.steps for file in (*step.rows, *step.dropped)))


@dataclass(frozen=True, slots=True)
class TableState:
    """What a snapshot says of one table.

    Attributes:
        schema: the room it is mirrored into, e.g. ``cave``.
        name: the server's name for it.
        kind: ``table`` or ``view`` as the server has it, ``derived``, or ``log``: one that only grows.
        source: the server's own metadata of it, as served (voxel resolution, schema type, notices …).
        columns: names and DuckDB types, in file order.
        fingerprint: a hash of the columns.
        sort_key: the column the files are sorted by and whose ranges they record, or None.
        fetched_at: when its last row was fetched, UTC.
        as_of: the moment its root ids are valid at, UTC; None for a table without any.
        version: the materialization version it is of, or None.
        rows_expected: rows the source said it has.
        rows: rows in the files.
        completeness: how completeness was proved, a stated class.
        exceptions: counted, not hidden: e.g. ``{"pre_pt_root_id is NULL": 3}``.
        drift: what differs from the declared schema, in words.
        files: the files that make it up; none when it is kept as layers.
        sort_order: the columns its rows are sorted by, across files too; empty when not stated.
        rows_per_s: how fast its rows came, staged and all; None when none came in the run that finished it.
        base: the SeaTable base it is a table of, or None.
        layers: what it is kept as instead of files of its own; None for a table that is whole.
    """

    schema: str
    name: str
    kind: str
    source: Mapping[str, Any]
    columns: tuple[Column, ...]
    fingerprint: str
    sort_key: str | None
    fetched_at: datetime
    as_of: datetime | None
    version: int | None
    rows_expected: int
    rows: int
    completeness: str
    exceptions: Mapping[str, int]
    drift: tuple[str, ...]
    files: tuple[DataFile, ...]
    sort_order: tuple[str, ...] = ()
    rows_per_s: float | None = None
    base: str | None = None
    layers: Layers | None = None

    @property
    def needed(self) -> tuple[DataFile, ...]:
        """Every file that it takes to read it: nobody may delete one of these."""
        return self.files if self.layers is None else self.layers.files()

    @property
    def own(self) -> tuple[DataFile, ...]:
        """The files that are there for it alone: of a table kept as layers, its own step."""
        if self.layers is None:
            return self.files
        last = self.layers.steps[-1]
        return (*last.rows, *last.dropped)

    @property
    def key(self) -> str:
        """The name it goes by in a snapshot: ``cave.synapses_v2``, or ``seatable.<base>.<table>``."""
        return table_key(self.schema, self.name, self.base)


def table_key(schema: str, name: str, base: str | None = None) -> str:
    """Return the name that a table goes by in a snapshot."""
    return f"{schema}.{name}" if base is None else f"{schema}.{base}.{name}"


@dataclass(frozen=True, slots=True)
class VersionState:
    """The tables of one materialization version.

    Attributes:
        version: the version's number; None for a warehouse without materializations.
        as_of: its moment, UTC.
        tables: by `TableState.key`.
        skipped: tables that the server lists but that could not be read, with the reason.
        held_since: when the snapshot was made that had it last as it came, UTC; None for one that has it so.
    """

    version: int | None
    as_of: datetime | None
    tables: Mapping[str, TableState]
    skipped: Mapping[str, str] = field(default_factory=dict)
    held_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One immutable state of the warehouse.

    Attributes:
        number: its number; the highest is current.
        parent: the number it was made from, or None for the first.
        operation: what made it, e.g. ``sync`` or ``rollback to 3``.
        committed_at: when, by this machine's clock, UTC. Not a moment of the data: that is `as_of`.
        tool: the version of crantdb that wrote it.
        datastack: the datastack mirrored.
        server: the address of its global server.
        info: the datastack's info as served.
        chunkedgraph: the chunkedgraph's info as served, or None when it was not reached.
        main: the main version: what an unadorned query reads.
        added: an older version that this snapshot added without making it main, or None.
        versions: every kept materialization version, and the snapshot that stands for it.
        shared: tables that belong to no materialization version, by `TableState.key`.
        older: versions that this snapshot keeps as what differs from newer ones.
    """

    number: int
    parent: int | None
    operation: str
    committed_at: datetime
    tool: str
    datastack: str
    server: str
    info: Mapping[str, Any]
    chunkedgraph: Mapping[str, Any] | None
    main: VersionState
    added: VersionState | None
    versions: Mapping[int, int]
    shared: Mapping[str, TableState] = field(default_factory=dict)
    older: tuple[VersionState, ...] = ()

    def state_of(self, version: int | None) -> VersionState | None:
        """Return this snapshot's own state of a version (None: the main one), or None when it has none."""
        if version is None or version == self.main.version:
            return self.main
        return next((state for state in self.states() if state.version == version), None)

    def states(self) -> tuple[VersionState, ...]:
        """Return every version state that this manifest itself lists files for."""
        return (self.main, *(() if self.added is None else (self.added,)), *self.older)

    def tables(self) -> tuple[TableState, ...]:
        """Return every table that this manifest itself lists files for, the shared ones last."""
        own = [table for state in self.states() for table in state.tables.values()]
        return (*own, *self.shared.values())


def renumbered(snapshot: Snapshot, number: int) -> Snapshot:
    """Return the snapshot under a number; versions that pointed at itself follow."""
    versions = {v: number if n == snapshot.number else n for v, n in snapshot.versions.items()}
    return replace(snapshot, number=number, versions=versions)
