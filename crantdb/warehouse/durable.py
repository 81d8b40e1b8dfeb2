"""Writes that are whole or absent: fsync, unique neighbours, exclusive links.

Knows files and folders only. Every refusal of the disk becomes a `StorageError` with the path in it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import sys
import time
import uuid
from typing import IO, TYPE_CHECKING, BinaryIO

from crantdb.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}
_NO_PLACE = {errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOENT, errno.ENAMETOOLONG, errno.ELOOP}
_NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EBADF}


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the disk's refusals inside the block into `StorageError`s that name the path.

    Raises:
        StorageError: when the disk is full, over quota or read-only. Any other OSError passes as it is.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            msg = (
                f"the disk is full: {error.strerror} while writing {path}. What was fetched so far is kept; "
                f"free some space and run the same command again"
            )
            raise StorageError(msg) from error
        if error.errno in _READ_ONLY:
            msg = f"cannot write {path}: {error.strerror}. Give yourself write permission, or choose another folder"
            raise StorageError(msg) from error
        raise


def sync_file(handle: IO[bytes] | IO[str]) -> None:
    """Flush a file to the disk itself (on macOS past the drive's cache, which fsync leaves)."""
    handle.flush()
    if sys.platform == "darwin":
        import fcntl  # noqa: PLC0415 - absent on platforms without it

        with contextlib.suppress(OSError):
            fcntl.fcntl(handle.fileno(), fcntl.F_FULLFSYNC)
            return
    os.fsync(handle.fileno())


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk; a file system that cannot is left be."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


def neighbour(path: Path) -> Path:
    """Return a name beside `path` that nobody else has: hidden, with a random part and the ending ``.partial``."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.partial")


def sweep(folder: Path, *, older_than_s: float = 3600.0) -> None:
    """Remove the partial files that killed writes left in a folder; those of the last hour may still be written."""
    for partial in folder.glob(".*.partial"):
        with contextlib.suppress(OSError):
            if time.time() - partial.stat().st_mtime > older_than_s:
                partial.unlink()


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Write a file that appears under its name only when it is complete and on the disk.

    The folder is made when missing. A file of that name is replaced. On any failure inside the block
    nothing of the new file is left.

    Raises:
        StorageError: when the disk refuses.
    """
    partial = neighbour(path)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("xb") as handle:
                yield handle
                sync_file(handle)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        sync_folder(path.parent)


@contextlib.contextmanager
def file_asked_for(path: Path) -> Iterator[BinaryIO]:
    """Write a file where somebody asked for it, as `new_file`; a path where no file can be is a stated failure too.

    Raises:
        StorageError: when the disk refuses, or the path is a folder, or leads through a file.
    """
    try:
        with new_file(path.absolute()) as handle:
            yield handle
    except OSError as error:
        if error.errno not in _NO_PLACE:
            raise
        msg = f"cannot write {path}: {error.strerror}. Give the path of a file"
        raise StorageError(msg) from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all (see `new_file`)."""
    with new_file(path) as handle:
        handle.write(content)


def link_new(path: Path, content: bytes) -> bool:
    """Create `path` with `content` unless it exists: the compare-and-swap of a commit.

    Returns:
        False when `path` exists already; it is then left as it was.

    Raises:
        StorageError: when the disk refuses.
    """
    partial = neighbour(path)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("xb") as handle:
                handle.write(content)
                sync_file(handle)
            os.link(partial, path)
        except FileExistsError:
            # Over NFS the answer may be lost and the question asked again: then the link is there, and ours.
            if partial.stat().st_nlink < 2:
                return False
        finally:
            partial.unlink(missing_ok=True)
        sync_folder(path.parent)
    return True


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


class HashingFile:
    """A binary file that sums what is written to it, so that a large file need not be read again.

    Args:
        handle: the open file; only ever written in order.
    """

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        self._sum = hashlib.sha256()
        self._size = 0
        self._given_up = False

    @property
    def sha256(self) -> str:
        """The SHA-256 so far, as hex."""
        return self._sum.hexdigest()

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._size

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        return self._handle.closed

    def write(self, content: bytes) -> int:
        """Write and sum `content`."""
        view = memoryview(content)
        if self._given_up:
            return view.nbytes
        self._sum.update(view)
        self._size += view.nbytes
        return self._handle.write(view)

    def give_up(self) -> None:
        """Swallow whatever is still written: what a writer must say to be closed after a failure."""
        self._given_up = True

    def tell(self) -> int:
        """Return the position: bytes written."""
        return self._size

    def flush(self) -> None:
        """Flush the file below."""
        if not self._given_up:
            self._handle.flush()

    def close(self) -> None:
        """Leave the file below open: whoever opened it closes it."""

    def writable(self) -> bool:
        """Return True: it is for writing."""
        return True

    def readable(self) -> bool:
        """Return False: it is for writing only."""
        return False

    def seekable(self) -> bool:
        """Return False: what was summed cannot be written again."""
        return False
