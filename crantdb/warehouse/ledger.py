"""The ledger: which snapshots expired, when, and which of their files are still to go.

One small JSON file beside the manifests, always written whole. It is no truth about data: it starts the
grace period of files, and lets an error say when a snapshot went.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from crantdb.errors import CorruptWarehouse
from crantdb.warehouse.durable import write_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from crantdb.warehouse.layout import Warehouse

LEDGER_NAME = "expired.json"


@dataclass(frozen=True, slots=True)
class Expired:
    """A snapshot that expired.

    Attributes:
        snapshot: its number.
        at: when, by the clock of the machine that did it, UTC.
        files: its data files that no kept manifest listed then and that were not yet deleted, as manifests
            write paths.
    """

    snapshot: int
    at: datetime
    files: tuple[str, ...]


def ledger_path(warehouse: Warehouse) -> Path:
    """Return where the ledger lies."""
    return warehouse.snapshots / LEDGER_NAME


def read_ledger(warehouse: Warehouse) -> dict[int, Expired]:
    """Return what expired, by the snapshot's number; nothing when nothing ever did.

    Raises:
        CorruptWarehouse: when the ledger cannot be read.
    """
    path = ledger_path(warehouse)
    if not path.is_file():
        return {}
    try:
        lines = json.loads(path.read_bytes())
        entries = [
            Expired(int(line["snapshot"]), datetime.fromisoformat(line["at"]), tuple(line["files"]))
            for line in lines
        ]
    except (ValueError, KeyError, TypeError) as error:
        msg = (
            f"{path} is damaged. It says how long files of expired snapshots have been waiting. Restore it from "
            f"a backup, or move it away: such files are then taken for leftovers, whose age is their own"
        )
        raise CorruptWarehouse(msg, path=path) from error
    return {entry.snapshot: entry for entry in entries}


def write_ledger(warehouse: Warehouse, entries: Mapping[int, Expired]) -> None:
    """Replace the ledger, durably.

    Raises:
        StorageError: when the disk refuses.
    """
    lines = [
        {"snapshot": entry.snapshot, "at": entry.at.astimezone(UTC).isoformat(), "files": list(entry.files)}
        for _, entry in sorted(entries.items())
    ]
    write_bytes(ledger_path(warehouse), json.dumps(lines, indent=1).encode() + b"\n")


def unlisted_since(entries: Iterable[Expired]) -> dict[str, datetime]:
    """Return for each file since when no manifest lists it: when the last that did expired."""
    since: dict[str, datetime] = {}
    for entry in entries:
        for file in entry.files:
            since[file] = max(entry.at, since.get(file, entry.at))
    return since


def expiry_of(warehouse: Warehouse, number: int) -> str | None:
    """Say in words that a snapshot expired and when, or return None when the ledger knows of no such thing."""
    found = None
    with contextlib.suppress(CorruptWarehouse):
        found = read_ledger(warehouse).get(number)
    if found is None or warehouse.manifest(number).exists():
        return None
    return f"snapshot {number} was expired on {found.at:%Y-%m-%d %H:%M} UTC"
