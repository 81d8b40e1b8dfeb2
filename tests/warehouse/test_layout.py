"""Every thing has one place, on any file system, and nothing is made where something else lies."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crantdb.errors import NotAWarehouse
from crantdb.warehouse.layout import Warehouse, create_warehouse, folder_name, open_warehouse, relative
from tests.warehouse.making import staging_key

if TYPE_CHECKING:
    from pathlib import Path

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


@given(NAMES, NAMES)
@example("Synapses", "synapses")
@example("a.b", "a%2Eb")
@example("é", "é")
def test_two_names_never_share_a_folder(one: str, other: str) -> None:
    """Names that differ, be it only in case, get folders that differ even where case does not count."""
    assert (folder_name(one).casefold() == folder_name(other).casefold()) == (one == other)


@given(NAMES)
@example("..")
@example("../../etc")
def test_a_folder_name_is_one_plain_step(name: str) -> None:
    """Whatever a server calls a table, its folder's name holds no separator, no dot and plain ASCII only."""
    made = folder_name(name)
    assert made
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-%ABCDEF")


def test_common_names_stay_as_they_are() -> None:
    """A name of lower-case letters, digits and underscores is its own folder."""
    assert folder_name("synapses_v2") == "synapses_v2"
    assert folder_name("Cells") == "%43ells"


def test_stagings_of_different_things_lie_apart() -> None:
    """Any difference in server, table, version, moment or key gives another staging folder."""
    keys = [
        staging_key(),
        staging_key("Cells"),
        staging_key(version=2),
        staging_key(unique=False),
        staging_key(sort_key=None),
    ]
    assert len({key.folder().casefold() for key in keys}) == len(keys)


def test_snapshots_are_numbers_and_nothing_else(warehouse: Warehouse) -> None:
    """Only whole manifests count: neighbours, other endings and unpadded numbers do not."""
    for name in ("00000002.json", "00000010.json", "100000000.json"):
        (warehouse.snapshots / name).touch()
    for name in (".00000003.json.abc.partial", "00000004.json.bak", "5.json", "x.json"):
        (warehouse.snapshots / name).touch()
    assert warehouse.numbers() == [2, 10, 100_000_000]
    assert warehouse.manifest(100_000_000).name == "100000000.json"


def test_a_warehouse_is_private_unless_told_otherwise(tmp_path: Path) -> None:
    """The folder is made 0700: private tables may come to lie in it; `shared` leaves it to the umask."""
    private = create_warehouse(tmp_path / "a", "")
    shared = create_warehouse(tmp_path / "b", "", shared=True)
    assert stat.S_IMODE(private.root.stat().st_mode) == 0o700
    assert stat.S_IMODE(shared.root.stat().st_mode) & 0o077 == 0o077 & ~_umask()


def _umask() -> int:
    """Return the umask of this process."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_warehouse_is_made_once_and_only_in_an_empty_folder(tmp_path: Path) -> None:
    """A folder that is a warehouse, or holds other files, is refused and left as it was; a README is welcome."""
    create_warehouse(tmp_path / "a", "one")
    with pytest.raises(NotAWarehouse, match="is a warehouse already"):
        create_warehouse(tmp_path / "a", "two")
    assert (tmp_path / "a" / "crantdb.toml").read_text() == "one"
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.tex").touch()
    with pytest.raises(NotAWarehouse, match="holds other files"):
        create_warehouse(tmp_path / "b", "")
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["thesis.tex"]
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "README.md").touch()
    assert create_warehouse(tmp_path / "c", "").numbers() == []


def test_a_folder_that_is_no_warehouse_says_so(tmp_path: Path) -> None:
    """A missing folder and one without crantdb.toml are told apart, and the way out is named."""
    with pytest.raises(NotAWarehouse, match=r"does not exist.*crantdb init"):
        open_warehouse(tmp_path / "gone")
    with pytest.raises(NotAWarehouse, match=r"holds no warehouse.*crantdb init"):
        open_warehouse(tmp_path)


def test_a_warehouse_is_opened_by_an_absolute_path(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path and ``~`` become absolute, so that a later change of folder does not matter."""
    monkeypatch.chdir(warehouse.root.parent)
    assert open_warehouse("wh") == warehouse
    monkeypatch.setenv("HOME", str(warehouse.root.parent))
    assert open_warehouse("~/wh") == warehouse
    folder = warehouse.table_folder("cave", "Cells", 3)
    assert relative(warehouse, folder) == "tables/cave/%43ells/version=3"
