"""SWC of many neurons in folders and zips: whole, only what changed, no stubs."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import navis
import numpy as np
import pytest

from crantdb.errors import NoSkeleton, StorageError
from crantdb.morphology.many import NeuronL2, to_swc_many
from crantdb.morphology.swc_files import open_target, stamped, up_to_date, write_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ID = 2 << 56


def neuron(root_id: int, length: float = 10.0) -> NeuronL2:
    """Return a neuron of two L2 ids; none of a root id below 0 has a position."""
    xyz = np.array([[0.0, 0.0, 0.0], [length, 0.0, 0.0]])
    return NeuronL2(root_id, [[ID, ID + 1]], [ID, ID + 1], xyz if root_id > 0 else xyz * np.nan)


@pytest.fixture(params=["folder", "all.zip"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return where to write: a folder and a zip, neither there yet."""
    return tmp_path / "new" / request.param


def contents(place: Path) -> dict[str, bytes]:
    """Return the files of a folder or zip."""
    if place.suffix != ".zip":
        return {path.name: path.read_bytes() for path in sorted(place.iterdir())}
    with zipfile.ZipFile(place) as file:
        return {name: file.read(name) for name in file.namelist()}


def test_written_kept_and_failed(place: Path) -> None:
    """New files are written, equal ones left alone, failures told with their reason and without a file."""
    made = to_swc_many([neuron(7), neuron(-1), neuron(9)], failures="give", missing="drop")
    with open_target(place) as target:
        first = write_files(target, made)
    assert (first.written, first.kept, list(first.failed)) == ([7, 9], [], [-1])
    assert "none of the neuron's 2 L2 ids" in first.failed[-1]
    assert sorted(contents(place)) == ["7.swc", "9.swc"]
    other = to_swc_many([neuron(7), neuron(9, 20.0), neuron(11)])
    with open_target(place) as target:
        second = write_files(target, other)
    assert (second.written, second.kept) == ([9, 11], [7])
    assert contents(place) == {f"{root_id}.swc": text for root_id, text in other}


def test_a_failure_leaves_the_older_file(place: Path) -> None:
    """A neuron that fails today keeps the file of yesterday: a root id's shape does not change."""
    with open_target(place) as target:
        write_files(target, to_swc_many([neuron(7)]))
    before = contents(place)
    with open_target(place) as target:
        report = write_files(target, [(7, NoSkeleton("gone"))])
    assert (contents(place), report.failed) == (before, {7: "gone"})


def test_stamps_tell_what_is_up_to_date(place: Path) -> None:
    """A file that bears the stamp of today's inputs need not be made again; others must."""
    made = [
        (root_id, stamped(text, f"key-{root_id}")) for root_id, text in to_swc_many([neuron(7), neuron(9)])
    ]
    with open_target(place) as target:
        write_files(target, made)
    with open_target(place) as target:
        assert up_to_date(target, {7: "key-7", 9: "key-10", 11: "key-11"}) == {7}


def test_an_error_in_the_middle(place: Path) -> None:
    """When the maker fails half way no file is cut short, nothing temporary stays, and a zip is as it was."""
    with open_target(place) as target:
        write_files(target, to_swc_many([neuron(7)]))
    before, more = contents(place), to_swc_many([neuron(9)])

    def failing() -> Iterator[tuple[int, bytes | NoSkeleton]]:
        yield from more
        msg = "half way"
        raise RuntimeError(msg)

    with pytest.raises(RuntimeError, match="half way"), open_target(place) as target:
        write_files(target, failing())
    done = {} if place.suffix == ".zip" else {"9.swc": more[0][1]}
    assert contents(place) == before | done
    assert [path.name for path in place.parent.iterdir()] == [place.name]


def test_zips_are_equal_to_the_byte(tmp_path: Path) -> None:
    """Equal neurons make equal zips, in whatever order they come."""
    made = to_swc_many([neuron(7), neuron(9)])
    for name, rows in (("a.zip", made), ("b.zip", made[::-1])):
        with open_target(tmp_path / name) as target:
            write_files(target, rows)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_navis_reads_folder_and_zip(place: Path) -> None:
    """Navis reads the whole batch from the folder or the zip, ids and all."""
    with open_target(place) as target:
        write_files(target, to_swc_many([neuron(7), neuron(9)]))
    neurons = navis.read_swc(place, parallel=False)
    assert sorted(str(each.id) for each in neurons) == ["7", "9"]


def test_no_place_to_write(tmp_path: Path) -> None:
    """A folder that cannot be made, and a file that is no zip, are said in words."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="cannot write SWC"), open_target(tmp_path / "file"):
        pass
    (tmp_path / "no.zip").write_text("x")
    with pytest.raises(StorageError, match="is there and is no zip"), open_target(tmp_path / "no.zip"):
        pass
