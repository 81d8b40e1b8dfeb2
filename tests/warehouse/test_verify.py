"""Verify names every file that is not what its manifest says, and no other."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from crantdb.warehouse.manifest import checksum, read_manifest
from crantdb.warehouse.verify import verify
from tests.warehouse.making import add, cells, child

if TYPE_CHECKING:
    from pathlib import Path

    from crantdb.warehouse.layout import Warehouse

UNREADABLE = """
import os, sys
from pathlib import Path
from crantdb.warehouse.layout import Warehouse
from crantdb.warehouse.verify import verify
import pyarrow.parquet
path = Path(sys.argv[2])
opened = Path.open
def broken(self, *args, **options):
    if self == path:
        raise OSError(5, os.strerror(5))
    return opened(self, *args, **options)
Path.open = broken
for checked in verify(Warehouse(Path(sys.argv[1]))):
    if checked.finding:
        print(checked.finding.path, checked.finding.what)
"""


def made(warehouse: Warehouse) -> list[Path]:
    """Make two snapshots of two tables; return the data files."""
    add(warehouse, {"cells": cells(range(1000)), "more": cells(range(10))})
    add(warehouse, {"cells": cells(range(1100)), "more": cells(range(11))}, 2)
    files = sorted((warehouse.root / "tables").rglob("*.parquet"))
    for path in files:
        path.chmod(0o644)
    return files


def findings(warehouse: Warehouse, **options: bool) -> list[tuple[Path, str]]:
    """Return what verify finds."""
    found = [checked.finding for checked in verify(warehouse, **options)]
    return [(finding.path, finding.what) for finding in found if finding is not None]


def flip(path: Path, at: int) -> None:
    """Flip one bit of a file."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def restate(path: Path, change: dict[str, Any]) -> None:
    """Change what a manifest says of its first file of `cells`, with a checksum that fits."""
    content = json.loads(path.read_text())
    del content["checksum"]
    content["main"]["tables"]["cave.cells"]["files"][0] |= change
    path.write_text(json.dumps({"checksum": checksum(content)} | content))


@pytest.mark.parametrize("deep", [False, True])
def test_a_whole_warehouse_has_nothing_to_find(warehouse: Warehouse, deep: bool) -> None:
    """Every manifest and every data file is looked at once, in its true size, and nothing is found."""
    files = made(warehouse)
    checked = list(verify(warehouse, deep=deep))
    assert [item.path for item in checked[:2]] == [warehouse.manifest(1), warehouse.manifest(2)]
    assert sorted(item.path for item in checked[2:]) == files
    assert all(item.bytes == item.path.stat().st_size and item.finding is None for item in checked)


def test_one_flipped_bit_of_a_data_file_is_named(warehouse: Warehouse) -> None:
    """A bit that flipped anywhere in a file is found, with the file and its table named, and no other file."""
    path = made(warehouse)[0]
    for at in (0, path.stat().st_size // 2, -1):
        flip(path, at)
        assert findings(warehouse) == [(path, "is damaged: its SHA-256 is not the manifest's (cave.cells)")]
        flip(path, at)
    assert findings(warehouse) == []


def test_a_file_that_is_gone_or_cut_is_named(warehouse: Warehouse) -> None:
    """A missing file and a truncated one are told apart, with the sizes."""
    first, second, *_ = made(warehouse)
    size = first.stat().st_size
    os.truncate(first, size - 1)
    second.unlink()
    said = dict(findings(warehouse))
    assert said[first] == f"has {size - 1:,} bytes, its manifest says {size:,} (cave.cells)"
    assert said[second].startswith("is gone (cave.")
    assert len(said) == 2


def test_a_damaged_manifest_is_named_and_the_others_still_checked(warehouse: Warehouse) -> None:
    """A bit flipped in a manifest is found; what only it lists cannot be checked, everything else is."""
    made(warehouse)
    path = warehouse.manifest(1)
    at = path.read_bytes().index(b'"rows": 1000') + 9
    flip(path, at)
    [(found, what)] = findings(warehouse)
    assert found == path
    assert "does not match its own checksum" in what
    assert len(list(verify(warehouse))) == 4


def test_a_file_the_disk_cannot_read_is_named(warehouse: Warehouse) -> None:
    """A read error of the disk itself is a finding like any other, and the rest is still checked."""
    path = made(warehouse)[-1]
    done = child(UNREADABLE, warehouse.root, path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{path} cannot be read: Input/output error (cave.more)"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rows": 999}, "holds 1,000 rows, its manifest says 999"),
        ({"key_max": 998}, "holds id from 0 to 999, its manifest says 0 to 998"),
        ({"key_min": None}, "holds id from 0 to 999, its manifest says None to 999"),
    ],
)
def test_deep_compares_the_rows_themselves(warehouse: Warehouse, change: dict[str, Any], said: str) -> None:
    """What a manifest says of a file's rows and keys is held against the decoded rows, deep only."""
    made(warehouse)
    restate(warehouse.manifest(1), change)
    assert findings(warehouse) == []
    [(path, what)] = findings(warehouse, deep=True)
    assert said in what
    assert path.name.endswith(".parquet")


def test_deep_finds_a_file_that_is_no_parquet(warehouse: Warehouse) -> None:
    """A manifest that sums a file rightly does not make it one: what cannot be decoded is named."""
    path = made(warehouse)[0]
    size = path.stat().st_size
    path.write_bytes(bytes(size))
    listed = next(
        number
        for number in warehouse.numbers()
        for file in read_manifest(warehouse.manifest(number)).main.tables["cave.cells"].files
        if warehouse.root / file.path == path
    )
    restate(warehouse.manifest(listed), {"sha256": hashlib.sha256(bytes(size)).hexdigest()})
    assert findings(warehouse) == []
    [(found, what)] = findings(warehouse, deep=True)
    assert (found, what.split(":")[0]) == (path, "cannot be decoded")


def test_verify_writes_nothing(warehouse: Warehouse) -> None:
    """Checking a warehouse leaves no file and touches none."""
    made(warehouse)
    before = {path: path.stat().st_mtime_ns for path in warehouse.root.rglob("*")}
    list(verify(warehouse, deep=True))
    assert {path: path.stat().st_mtime_ns for path in warehouse.root.rglob("*")} == before
