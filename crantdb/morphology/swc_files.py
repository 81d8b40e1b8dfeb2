"""SWC of many neurons in a folder or a zip: each file whole or not there, what is up to date left alone."""

from __future__ import annotations

import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

from crantdb.errors import NoSkeleton, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_SUFFIX = ".swc"
_HEAD = 4096
# A zip's oldest date: equal content gives equal bytes.
_NO_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(slots=True)
class Report:
    """What became of a batch, by root id.

    Attributes:
        written: files that are new or have other content than before.
        kept: files that were up to date.
        failed: neurons without a file, and why; nothing is written in their place.
    """

    written: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)


class Target(Protocol):
    """Where SWC files go; names are root ids."""

    def head(self, root_id: int) -> bytes | None:
        """Return the first bytes of a neuron's file, None where there is none."""

    def body(self, root_id: int) -> bytes | None:
        """Return a neuron's file, None where there is none."""

    def put(self, root_id: int, content: bytes) -> None:
        """Write a neuron's file, whole or not at all."""


def is_current(head: bytes | None, stamp: str) -> bool:
    """Return whether a file's first bytes bear a stamp that `stamped` put there."""
    return head is not None and _stamp_line(stamp) in head[:_HEAD]


def stamped(content: bytes, stamp: str) -> bytes:
    """Return SWC with a stamp as its first line: what it was made of, to know later whether it is up to date.

    Args:
        content: SWC as `to_swc` makes it.
        stamp: a short text without line ends, e.g. a checksum of the inputs and options.
    """
    return _stamp_line(stamp) + content


def _stamp_line(stamp: str) -> bytes:
    return f"# stamp {stamp}\n".encode("ascii")


def write_files(
    target: Target, neurons: Iterable[tuple[int, bytes | NoSkeleton]], *, report: Report | None = None
) -> Report:
    """Write the SWC of neurons, one file each; equal content is left alone, and so is a failure's old file.

    Args:
        target: as `open_target` gives it.
        neurons: root ids with SWC, or with the reason why there is none.
        report: one to go on with.

    Returns:
        What became of each.

    Raises:
        StorageError: when the disk refuses.
    """
    out = Report() if report is None else report
    for root_id, content in neurons:
        if isinstance(content, NoSkeleton):
            out.failed[root_id] = str(content)
        elif target.body(root_id) == content:
            out.kept.append(root_id)
        else:
            target.put(root_id, content)
            out.written.append(root_id)
    return out


def up_to_date(target: Target, stamps: Mapping[int, str]) -> set[int]:
    """Return the root ids whose files bear their stamps: they need not be made again.

    Args:
        target: as `open_target` gives it.
        stamps: the stamp of each root id as it would be now.
    """
    return {root_id for root_id, stamp in stamps.items() if is_current(target.head(root_id), stamp)}


@contextmanager
def open_target(path: Path | str) -> Iterator[Target]:
    """Open a folder, or a zip where the name ends so, to write SWC to; made if it is not there.

    A folder's files change one by one as they are written. A zip is written anew beside the old one and takes its
    place at the end, with what the old one held; when the block fails the old one stays as it was.

    Raises:
        StorageError: when the disk refuses.
    """
    place = Path(path)
    try:
        if place.suffix.lower() == ".zip":
            with _zip(place) as target:
                yield target
        else:
            place.mkdir(parents=True, exist_ok=True)
            yield _Folder(place)
    except OSError as error:
        msg = f"cannot write SWC to {place} ({error}): check the path, its permissions and the free space"
        raise StorageError(msg) from error


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder of SWC files."""

    path: Path

    def _of(self, root_id: int) -> Path:
        return self.path / f"{root_id}{_SUFFIX}"

    def head(self, root_id: int) -> bytes | None:
        try:
            with self._of(root_id).open("rb") as file:
                return file.read(_HEAD)
        except FileNotFoundError:
            return None

    def body(self, root_id: int) -> bytes | None:
        try:
            return self._of(root_id).read_bytes()
        except FileNotFoundError:
            return None

    def put(self, root_id: int, content: bytes) -> None:
        beside = self.path / f".{root_id}.{uuid4().hex}.part"
        try:
            beside.write_bytes(content)
            beside.replace(self._of(root_id))
        finally:
            beside.unlink(missing_ok=True)


@dataclass(slots=True)
class _Zip:
    """A zip in the making: what the old one held, and what changes."""

    old: zipfile.ZipFile | None
    changed: dict[str, bytes] = field(default_factory=dict)

    def head(self, root_id: int) -> bytes | None:
        content = self.body(root_id)
        return None if content is None else content[:_HEAD]

    def body(self, root_id: int) -> bytes | None:
        name = f"{root_id}{_SUFFIX}"
        if name in self.changed:
            return self.changed[name]
        try:
            return self.old.read(name) if self.old else None
        except KeyError:
            return None

    def put(self, root_id: int, content: bytes) -> None:
        self.changed[f"{root_id}{_SUFFIX}"] = content

    def write(self, path: Path) -> None:
        """Write all members, by name."""
        members = dict(self.changed)
        for name in self.old.namelist() if self.old else ():
            if self.old and name not in members:
                members[name] = self.old.read(name)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out:
            for name in sorted(members):
                out.writestr(zipfile.ZipInfo(name, _NO_DATE), members[name], zipfile.ZIP_DEFLATED)


@contextmanager
def _zip(path: Path) -> Iterator[_Zip]:
    """Open a zip to change; it is replaced at the end of the block."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        old = zipfile.ZipFile(path) if path.exists() else None
    except zipfile.BadZipFile as error:
        msg = f"{path} is there and is no zip: remove it, or write elsewhere"
        raise StorageError(msg) from error
    target = _Zip(old)
    try:
        yield target
        if target.changed or old is None:
            target.write(beside)
            beside.replace(path)
    finally:
        if old:
            old.close()
        beside.unlink(missing_ok=True)
