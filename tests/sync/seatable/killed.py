"""What runs in the process that is killed: a sync of SeaTable, and the hand that kills it at a call to the disk."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import crantdb.sync.run
from crantdb.config import Config, SeaTableSettings
from crantdb.sources.seatable.read import ReadRules
from crantdb.sources.seatable.server import Limits, SeaTableServer, TokenKind
from crantdb.sync.run import sync
from crantdb.sync.seatable.part import SeaTable
from crantdb.sync.selection import Wish
from crantdb.tokens import Token
from crantdb.warehouse.layout import Warehouse
from tests.conftest import CANARY
from tests.warehouse.killing import DISK, Calls


def copy(one: Path, other: Path) -> None:
    """Copy a warehouse."""
    shutil.copytree(one, other)


def run(root: Path, url: str) -> None:
    """Sync the base `CRANTb` into a warehouse, without the file for other programs."""
    crantdb.sync.run.keep_registered = lambda *_: None  # type: ignore[assignment]
    settings = SeaTableSettings(url, 62919, ("CRANTb",))
    token = Token(CANARY, "the environment variable CRANTTABLE_TOKEN")
    server = SeaTableServer(url, token, kind=TokenKind.ACCOUNT, limits=Limits(requests_per_s=1e9))
    source = SeaTable(server, settings, ReadRules(settle_s=0))
    config = Config("ants", "http://127.0.0.1:1", seatable=settings)
    sync(None, Warehouse(Path(root)), config, Wish(), seatable=source)


def until(root: Path, url: str, calls: dict[str, Any]) -> None:
    """Sync, to be killed at a call of the disk."""
    Calls(DISK, **calls)
    run(root, url)


def counted(root: Path, url: str, counts: dict[str, int]) -> None:
    """Sync undisturbed; give how often the disk was called."""
    calls = Calls(DISK)
    run(root, url)
    counts["calls"] = calls.count
