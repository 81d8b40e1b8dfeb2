"""Manifests: snapshots as JSON that sums itself. A manifest is immutable."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from crantdb.errors import CorruptWarehouse, WarehouseTooNew
from crantdb.warehouse.state import Column, DataFile, Layer, Layers, Snapshot, TableState, VersionState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FORMAT = 3
"""The manifest format this crantdb writes. It reads this one and every older.

1: tables of a materialization version only. 2: tables shared by all versions, and a table's SeaTable base. 3: older
versions whose synapse tables are kept as layers: what differs from a newer version.
"""


def to_json(snapshot: Snapshot) -> bytes:
    """Return the manifest's bytes: JSON with its own checksum."""
    # Summed as it will be read: JSON has no whole numbers for keys, and 10 comes before 9 as text.
    body = json.loads(json.dumps({"format": FORMAT} | asdict(snapshot), default=_encode))
    return json.dumps({"checksum": checksum(body)} | body, indent=1).encode() + b"\n"


def _encode(value: object) -> str:
    """Encode what JSON has no word for: times, always UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    msg = f"{type(value).__name__} has no place in a manifest"
    raise TypeError(msg)


def checksum(body: Mapping[str, Any]) -> str:
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
        raise damaged(path, "it is not a manifest") from error
    if written > FORMAT:
        msg = (
            f"{path} was written by crantdb {content.get('tool', '?')} in warehouse format {written}; this is "
            f"crantdb {tool_version()}, which knows formats up to {FORMAT}. Upgrade: pip install -U crantdb"
        )
        raise WarehouseTooNew(msg)
    if claimed != checksum(content):
        raise damaged(path, "its content does not match its own checksum")
    return _snapshot(content)


def tool_version() -> str:
    """Return the version of crantdb that runs; ``0+uninstalled`` for a checkout that was not installed."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - slow, asked for once a commit

    try:
        return version("crantdb")
    except PackageNotFoundError:
        return "0+uninstalled"


def damaged(path: Path, why: str) -> CorruptWarehouse:
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
        shared={key: _table(table) for key, table in raw.get("shared", {}).items()},
        older=tuple(_state(state) for state in raw.get("older", ())),
    )


def _state(raw: dict[str, Any]) -> VersionState:
    """Build a version state from its JSON."""
    tables = {key: _table(table) for key, table in raw["tables"].items()}
    since = _moment(raw.get("held_since"))
    return VersionState(raw["version"], _moment(raw["as_of"]), tables, raw.get("skipped", {}), since)


def _table(raw: dict[str, Any]) -> TableState:
    """Build a table state from its JSON."""
    special = {
        "columns": tuple(Column(**column) for column in raw["columns"]),
        "files": _files(raw["files"]),
        "layers": _layers(raw.get("layers")),
        "drift": tuple(raw["drift"]),
        "sort_order": tuple(raw.get("sort_order", ())),
        "fetched_at": datetime.fromisoformat(raw["fetched_at"]),
        "as_of": _moment(raw["as_of"]),
    }
    return TableState(**(raw | special))


def _files(raw: Sequence[dict[str, Any]]) -> tuple[DataFile, ...]:
    """Build files from their JSON."""
    return tuple(DataFile(**file) for file in raw)


def _layers(raw: dict[str, Any] | None) -> Layers | None:
    """Build the layers that a table is kept as, if it is, from their JSON."""
    if raw is None:
        return None
    steps = (Layer(step["version"], _files(step["rows"]), _files(step["dropped"])) for step in raw["steps"])
    return Layers(raw["version"], _files(raw["base"]), tuple(steps))


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
