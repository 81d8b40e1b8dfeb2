"""A file is whole or absent, whatever the disk does; its refusal is a StorageError with the path in it."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
import tempfile
from pathlib import Path

import pytest

from crantdb.errors import StorageError
from crantdb.warehouse.durable import (
    HashingFile,
    file_asked_for,
    link_new,
    neighbour,
    new_file,
    sha256_of,
    storage_errors,
    sync_folder,
    write_bytes,
)
from tests.warehouse.making import child

FULL = """
import resource, sys
from pathlib import Path
from crantdb.errors import StorageError
from crantdb.warehouse.durable import link_new, write_bytes
path = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
for write in (write_bytes, link_new):
    try:
        write(path, bytes(1_000_000))
    except StorageError as error:
        print(error)
write_bytes(path.with_name("small"), b"fits")
"""

READ_ONLY = """
import os, sys
from pathlib import Path
from crantdb.errors import StorageError
from crantdb.warehouse.durable import link_new, write_bytes
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
path = Path(sys.argv[1])
for write in (write_bytes, link_new):
    try:
        write(path, b"x")
    except StorageError as error:
        print(error)
"""


def names(folder: Path) -> list[str]:
    """Return the names in a folder."""
    return sorted(entry.name for entry in folder.iterdir())


def test_a_file_appears_whole(tmp_path: Path) -> None:
    """`write_bytes` makes missing folders, replaces what was there, and leaves nothing beside it."""
    path = tmp_path / "a" / "b" / "file"
    for content in (b"one", b"two"):
        write_bytes(path, content)
        assert path.read_bytes() == content
    assert names(path.parent) == ["file"]


def test_a_file_is_not_seen_before_it_is_complete(tmp_path: Path) -> None:
    """While it is written, the old content stands under its name."""
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with new_file(path) as handle:
        handle.write(b"new")
        handle.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("failure", [ValueError("mine"), KeyboardInterrupt()])
def test_a_failure_leaves_nothing(tmp_path: Path, failure: BaseException) -> None:
    """Whatever goes wrong while a file is written, the old one stays and no part of the new one is left."""
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with pytest.raises(type(failure)), new_file(path) as handle:  # noqa: PT012 - the block is the test
        handle.write(b"half")
        raise failure
    assert names(tmp_path) == ["file"]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("place", ["folder", "file/below", "n" * 300])
def test_a_path_where_no_file_can_be_is_said(tmp_path: Path, place: str) -> None:
    """A folder, a path through a file and a name that is too long are stated failures, and leave nothing."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(StorageError, match="cannot write"), file_asked_for(tmp_path / place) as handle:
        handle.write(b"new")
    assert names(tmp_path) == ["file", "folder"]
    with file_asked_for(tmp_path / "new" / "file") as handle:
        handle.write(b"new")
    assert (tmp_path / "new" / "file").read_bytes() == b"new"


def test_a_full_disk_is_a_stated_failure_that_leaves_nothing(tmp_path: Path) -> None:
    """The system's own refusal (EFBIG) becomes a StorageError with the path; no half file stays, and a small one fits."""
    path = tmp_path / "file"
    done = child(FULL, path)
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout.splitlines()
    assert len(said) == 2
    assert all("the disk is full" in line and str(path) in line for line in said)
    assert names(tmp_path) == ["small"]


def test_a_folder_without_permission_is_a_stated_failure() -> None:
    """A folder that may not be written to becomes a StorageError that names the path and the way out."""
    if os.geteuid() == 0 and sys.platform == "darwin":
        pytest.skip("root can drop to nobody by number on Linux only")
    with tempfile.TemporaryDirectory() as folder:  # not tmp_path, which nobody may not even enter
        path = Path(folder) / "file"
        path.parent.chmod(0o555)
        done = child(READ_ONLY, path)
        path.parent.chmod(0o755)
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout.splitlines()
    assert len(said) == 2
    assert all(f"cannot write {path}" in line and "permission" in line for line in said)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EPERM])
def test_what_the_disk_refuses_is_told_from_what_it_is_not(tmp_path: Path, number: int) -> None:
    """Full, over quota and read-only become StorageError; any other OSError stays what it is."""
    with pytest.raises(StorageError, match="file"), storage_errors(tmp_path / "file"):
        raise OSError(number, os.strerror(number))
    with pytest.raises(OSError, match="No such device") as caught, storage_errors(tmp_path / "file"):
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
    assert type(caught.value) is OSError


def test_a_link_is_made_once(tmp_path: Path) -> None:
    """`link_new` makes a file that is not there, and leaves one that is as it was, with nothing beside it."""
    path = tmp_path / "a" / "1"
    assert link_new(path, b"first") is True
    assert link_new(path, b"second") is False
    assert path.read_bytes() == b"first"
    assert names(path.parent) == ["1"]


def test_a_link_whose_answer_was_lost_is_still_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NFS may make a link and answer 'exists' when it had to ask twice: that commit happened, and is no conflict."""
    link = os.link

    def link_and_lose_the_answer(source: Path, target: Path) -> None:
        link(source, target)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

    monkeypatch.setattr(os, "link", link_and_lose_the_answer)
    assert link_new(tmp_path / "1", b"mine") is True
    assert (tmp_path / "1").read_bytes() == b"mine"


def test_a_folder_that_cannot_be_synced_is_left_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EINVAL of a folder's fsync is passed over, as some file systems give it; EIO is not."""

    def refuse(number: int) -> None:
        def fsync(_: int) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "fsync", fsync)

    refuse(errno.EINVAL)
    sync_folder(tmp_path)
    refuse(errno.EIO)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        sync_folder(tmp_path)


def test_neighbours_are_hidden_and_all_different(tmp_path: Path) -> None:
    """A neighbour's name begins with a dot, lies in the same folder, and is nobody else's."""
    made = {neighbour(tmp_path / "file") for _ in range(100)}
    assert len(made) == 100
    assert all(path.parent == tmp_path and path.name.startswith(".file.") for path in made)


def test_what_is_written_is_summed_on_the_way(tmp_path: Path) -> None:
    """The sum and the size of a HashingFile are those of the bytes on the disk."""
    path = tmp_path / "file"
    with new_file(path) as raw:
        handle = HashingFile(raw)
        for part in (b"a" * 70_000, b"", memoryview(b"bc")):
            handle.write(part)  # type: ignore[arg-type]
        handle.close()
    assert handle.size == handle.tell() == path.stat().st_size
    assert handle.sha256 == sha256_of(path) == hashlib.sha256(path.read_bytes()).hexdigest()
