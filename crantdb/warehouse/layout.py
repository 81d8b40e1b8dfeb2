"""A warehouse folder, and where each thing lies in it. Paths only."""

from __future__ import annotations

import re
import shutil
import stat
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from crantdb.errors import NotAWarehouse
from crantdb.warehouse.durable import storage_errors, write_bytes

if TYPE_CHECKING:
    from datetime import datetime

CONFIG_NAME = "crantdb.toml"
_MANIFEST = re.compile(r"([0-9]{8,})\.json")
_UNTOUCHED = re.compile(r"[a-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Warehouse:
    """A place: the folder that holds a warehouse. Functions take it first."""

    root: Path

    @property
    def config(self) -> Path:
        """`crantdb.toml`: what to sync from where."""
        return self.root / CONFIG_NAME

    @property
    def snapshots(self) -> Path:
        """The folder of numbered manifests."""
        return self.root / "snapshots"

    @property
    def staging(self) -> Path:
        """The folder of unfinished syncs."""
        return self.root / "staging"

    @property
    def lock(self) -> Path:
        """LOCK: who is writing."""
        return self.root / "LOCK"

    @property
    def database(self) -> Path:
        """`crantdb.duckdb`: views and macros for other programs."""
        return self.root / "crantdb.duckdb"

    @property
    def init_sql(self) -> Path:
        """`crantdb.sql`: the same as text."""
        return self.root / "crantdb.sql"

    def manifest(self, number: int) -> Path:
        """Return where the manifest of a snapshot lies."""
        return self.snapshots / f"{number:08d}.json"

    def numbers(self) -> list[int]:
        """Return the numbers of the snapshots there are, ascending."""
        if not self.snapshots.is_dir():
            return []
        found = (_MANIFEST.fullmatch(entry.name) for entry in self.snapshots.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def table_folder(self, schema: str, table: str, version: int | None) -> Path:
        """Return the folder of a table's files for a materialization version (None: for a warehouse without one)."""
        return self.root / "tables" / folder_name(schema) / folder_name(table) / f"version={version}"

    def shared_folder(self, schema: str, table: str, base: str | None, fetched_at: datetime | None) -> Path:
        """Return the folder of the files of a table that all versions share.

        Args:
            schema: its room.
            table: its name.
            base: the SeaTable base it is a table of, or None.
            fetched_at: when its rows were fetched; None for a log, whose files all lie together.
        """
        folder = self.root / "tables" / folder_name(schema)
        folder = (folder if base is None else folder / folder_name(base)) / folder_name(table)
        return (
            folder if fetched_at is None else folder / f"fetched={fetched_at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
        )

    def staging_folder(self, key: str) -> Path:
        """Return the folder of one unfinished table."""
        return self.staging / key


def folder_name(name: str) -> str:
    """Return a folder name for a table: lower-case letters, digits, ``_`` and ``-`` stay, the rest is percent-encoded.

    Upper case is encoded too, so that two names that differ only in case stay apart on file systems
    that do not tell them apart.
    """
    if _UNTOUCHED.fullmatch(name):
        return name
    return "".join(char if _UNTOUCHED.fullmatch(char) else _encode(char) for char in name)


def _encode(char: str) -> str:
    """Percent-encode one character, unreserved ASCII too."""
    encoded = quote(char, safe="")
    return encoded if encoded != char else f"%{ord(char):02X}"


def is_warehouse(root: Path) -> bool:
    """Tell whether a folder holds a warehouse: a `crantdb.toml`."""
    return (root / CONFIG_NAME).is_file()


def open_warehouse(root: Path | str) -> Warehouse:
    """Return the warehouse in a folder.

    Raises:
        NotAWarehouse: when the folder does not exist or holds no `crantdb.toml`.
    """
    path = Path(root).expanduser().absolute()
    if not is_warehouse(path):
        what = "holds no warehouse (no crantdb.toml in it)" if path.is_dir() else "does not exist"
        msg = f"{path} {what}. Make one with `crantdb init {root}`, or say where yours is with --warehouse"
        raise NotAWarehouse(msg)
    return Warehouse(path)


def create_warehouse(root: Path | str, config_text: str, *, shared: bool = False) -> Warehouse:
    """Make a folder a warehouse by writing its `crantdb.toml`.

    Args:
        root: the folder; made when missing, mode 0700 (private tables may come to lie in it).
        config_text: the text of `crantdb.toml`.
        shared: leave the folder's mode as the umask makes it.

    Raises:
        NotAWarehouse: when the folder already holds a warehouse, or other files that a warehouse would mix with.
        StorageError: when the disk refuses.
    """
    path = Path(root).expanduser().absolute()
    if is_warehouse(path):
        msg = f"{path} is a warehouse already. Edit its {CONFIG_NAME}, or choose another folder"
        raise NotAWarehouse(msg)
    if path.is_dir() and {entry.name for entry in path.iterdir()} - {"README.md", ".DS_Store"}:
        msg = f"{path} holds other files. Choose an empty or a new folder"
        raise NotAWarehouse(msg)
    with storage_errors(path):
        path.mkdir(parents=True, exist_ok=True)
        if not shared:
            path.chmod(stat.S_IRWXU)
        warehouse = Warehouse(path)
        write_bytes(warehouse.config, config_text.encode())
        warehouse.snapshots.mkdir(exist_ok=True)
    return warehouse


def relative(warehouse: Warehouse, path: Path) -> str:
    """Return a path inside the warehouse as manifests write it: relative, with ``/``."""
    return path.relative_to(warehouse.root).as_posix()


def free_bytes(folder: Path) -> int:
    """Return the free space of the disk a folder lies on, in bytes."""
    return shutil.disk_usage(folder).free
