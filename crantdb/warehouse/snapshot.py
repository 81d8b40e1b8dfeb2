"""Manifests: what a snapshot is, read and written. A manifest is immutable and sums itself.

Knows JSON and the layout; how one comes to be is `commit`'s business.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from crantdb.errors import CorruptWarehouse, NoSuchSnapshot, WarehouseTooNew
from crantdb.warehouse.ledger import expiry_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from crantdb.warehouse.layout import Warehouse

FORMAT = 1
"""The manifest format this crantdb writes. It reads this one and every older."""


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
class TableState:
    """What a snapshot says of one table.

    Attributes:
        schema: the room it is mirrored into, e.g. ``cave``.
        name: the server's name for it.
        kind: ``table`` or ``view``.
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
        files: the files that make it up.
        sort_order: the columns its rows are sorted by, across files too; empty when not stated.
        rows_per_s: how fast its rows came, staged and all; None when none came in the run that finished it.
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

    @property
    def key(self) -> str:
        """The name it goes by in a snapshot, e.g. ``cave.synapses_v2``."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class VersionState:
    """The tables of one materialization version.

    Attributes:
        version: the version's number; None for a warehouse without materializations.
        as_of: its moment, UTC.
        tables: by `TableState.key`.
        skipped: tables that the server lists but that could not be read, with the reason.
    """

    version: int | None
    as_of: datetime | None
    tables: Mapping[str, TableState]
    skipped: Mapping[str, str] = field(default_factory=dict)


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

    def state_of(self, version: int | None) -> VersionState | None:
        """Return this snapshot's own state of a version (None: the main one), or None when it has none."""
        if version is None or version == self.main.version:
            return self.main
        if self.added is not None and version == self.added.version:
            return self.added
        return None

    def states(self) -> tuple[VersionState, ...]:
        """Return every version state that this manifest itself lists files for."""
        return (self.main,) if self.added is None else (self.main, self.added)


def renumbered(snapshot: Snapshot, number: int) -> Snapshot:
    """Return the snapshot under a number; versions that pointed at itself follow."""
    versions = {v: number if n == snapshot.number else n for v, n in snapshot.versions.items()}
    return replace(snapshot, number=number, versions=versions)


# --- JSON --------------------------------------------------------------------------------------------


def to_json(snapshot: Snapshot) -> bytes:
    """Return the manifest's bytes: JSON with its own checksum."""
    # Summed as it will be read: JSON has no whole numbers for keys, and 10 comes before 9 as text.
    body = json.loads(json.dumps({"format": FORMAT} | asdict(snapshot), default=_encode))
    return json.dumps({"checksum": _checksum(body)} | body, indent=1).encode() + b"\n"


def _encode(value: object) -> str:
    """Encode what JSON has no word for: times, always UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    msg = f"{type(value).__name__} has no place in a manifest"
    raise TypeError(msg)


def _checksum(body: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a manifest's content, independent of its layout as text."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def read_manifest(path: Path) -> Snapshot:
    """Read one manifest.

    Raises:
        WarehouseTooNew: when a newer crantdb wrote it in a format this one does not know.
        CorruptWarehouse: when it is not JSON, or not what its checksum says.
    """
    try:
        content = json.loads(path.read_bytes())
        claimed = content.pop("checksum")
        written = int(content["format"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path, "it is not a manifest") from error
    if written > FORMAT:
        msg = (
            f"{path} was written by crantdb {content.get('tool', '?')} in warehouse format {written}; this is "
            f"crantdb {tool_version()}, which knows formats up to {FORMAT}. Upgrade: pip install -U crantdb"
        )
        raise WarehouseTooNew(msg)
    if claimed != _checksum(content):
        raise _damaged(path, "its content does not match its own checksum")
    return _snapshot(content)


def tool_version() -> str:
    """Return the version of crantdb that runs; ``0+uninstalled`` for a checkout that was not installed."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - slow, asked for once a commit

    try:
        return version("crantdb")
    except PackageNotFoundError:
        return "0+uninstalled"


def _damaged(path: Path, why: str) -> CorruptWarehouse:
    """Return the error for a manifest that cannot be trusted."""
    msg = (
        f"{path} is damaged: {why}. `crantdb snapshots` lists the others; `crantdb rollback N` makes one of "
        f"them current again"
    )
    return CorruptWarehouse(msg, path=path)


def _snapshot(raw: dict[str, Any]) -> Snapshot:
    """Build a snapshot from its JSON; fields of older formats that are absent take their defaults."""
    added = raw.get("added")
    return Snapshot(
        number=raw["number"],
        parent=raw["parent"],
        operation=raw["operation"],
        committed_at=datetime.fromisoformat(raw["committed_at"]),
        tool=raw["tool"],
        datastack=raw["datastack"],
        server=raw["server"],
        info=raw["info"],
        chunkedgraph=raw.get("chunkedgraph"),
        main=_state(raw["main"]),
        added=None if added is None else _state(added),
        versions={int(version): number for version, number in raw["versions"].items()},
    )


def _state(raw: dict[str, Any]) -> VersionState:
    """Build a version state from its JSON."""
    tables = {key: _table(table) for key, table in raw["tables"].items()}
    return VersionState(raw["version"], _moment(raw["as_of"]), tables, raw.get("skipped", {}))


def _table(raw: dict[str, Any]) -> TableState:
    """Build a table state from its JSON."""
    special = {
        "columns": tuple(Column(**column) for column in raw["columns"]),
        "files": tuple(DataFile(**file) for file in raw["files"]),
        "drift": tuple(raw["drift"]),
        "sort_order": tuple(raw.get("sort_order", ())),
        "fetched_at": datetime.fromisoformat(raw["fetched_at"]),
        "as_of": _moment(raw["as_of"]),
    }
    return TableState(**(raw | special))


def _moment(text: str | None) -> datetime | None:
    """Parse an optional time."""
    return None if text is None else datetime.fromisoformat(text)


def table_to_json(table: TableState) -> dict[str, Any]:
    """Return a table's state as plain JSON values (a staging keeps one between stage and commit)."""
    result: dict[str, Any] = json.loads(json.dumps(asdict(table), default=_encode))
    return result


def table_from_json(raw: dict[str, Any]) -> TableState:
    """Return the table state that `table_to_json` wrote."""
    return _table(raw)


# --- which one ---------------------------------------------------------------------------------------


def current(warehouse: Warehouse) -> Snapshot | None:
    """Return the current snapshot: the highest number. None when nothing was ever committed.

    Raises:
        CorruptWarehouse, WarehouseTooNew: as `read_manifest`.
    """
    numbers = warehouse.numbers()
    return read_manifest(warehouse.manifest(numbers[-1])) if numbers else None


def read_snapshot(warehouse: Warehouse, number: int | None = None) -> Snapshot:
    """Return a snapshot by number, or the current one.

    Raises:
        NoSuchSnapshot: when there is none of that number, or none at all; the message lists those there are.
        CorruptWarehouse, WarehouseTooNew: as `read_manifest`.
    """
    numbers = warehouse.numbers()
    if not numbers:
        msg = f"{warehouse.root} has no snapshot yet. Make the first with `crantdb sync`"
        raise NoSuchSnapshot(msg)
    if number is not None and number not in numbers:
        what = expiry_of(warehouse, number) or f"there is no snapshot {number} in {warehouse.root}"
        msg = f"{what}; there are {listed(numbers)}"
        raise NoSuchSnapshot(msg)
    return read_manifest(warehouse.manifest(numbers[-1] if number is None else number))


def state_for(warehouse: Warehouse, snapshot: Snapshot, version: int | None) -> VersionState:
    """Return the state of a kept version as a snapshot knows it (None: its main version).

    Raises:
        NoSuchSnapshot: when the snapshot keeps no such version; the message lists those it keeps.
    """
    own = snapshot.state_of(version)
    if own is not None:
        return own
    number = snapshot.versions.get(version) if version is not None else None
    if number is None:
        msg = (
            f"snapshot {snapshot.number} keeps no materialization version {version}; it keeps "
            f"{listed(sorted(snapshot.versions))}. `crantdb sync --version {version}` adds it while the server has it"
        )
        raise NoSuchSnapshot(msg)
    if number not in warehouse.numbers():
        what = expiry_of(warehouse, number) or f"snapshot {number} is gone"
        msg = f"materialization version {version} is no longer kept: {what}. `crantdb status` names those that are"
        raise NoSuchSnapshot(msg)
    state = read_snapshot(warehouse, number).state_of(version)
    if state is None:
        path = warehouse.manifest(number)
        raise _damaged(
            path, f"snapshot {snapshot.number} says it stands for version {version}, but it does not"
        )
    return state


def listed(numbers: list[int]) -> str:
    """Return numbers as words for a message: ``1 to 9``, or each of a few, or ``none``."""
    if not numbers:
        return "none"
    if len(numbers) > 4 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers))
