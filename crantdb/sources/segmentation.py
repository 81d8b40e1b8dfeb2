"""Supervoxels at positions, read from the segmentation itself with cloud-volume (the extra `segmentation`).

The library fetches whole files, has no time-outs, tries each request seven times, and prints. So each file is
asked for once, with all positions in it; a few at a time; and it is waited for in threads that may be left behind.
"""

from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from crantdb.errors import (
    BadResponse,
    ConfigError,
    Interrupted,
    NotServed,
    ServiceUnavailable,
    SourceError,
)
from crantdb.sources.foreign import quiet, said_of
from crantdb.sources.parallel import in_parallel
from crantdb.sources.voxel_grid import VoxelGrid

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from numpy.typing import NDArray

    from crantdb.sources.cave import Cave

    Box = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[Any]]

GRAPHENE = "graphene://"
"""How the address of a chunkedgraph's segmentation begins; any other is flat: its segments never change."""

MEMORY_BYTES = 2**29
"""Files that are held unpacked at a time take no more, but for a single one."""

MOST_FAILURES = 3
"""After so many more files that failed than came, no further one is asked for."""

_NOT_READ = ("mesh", "mesh_dir", "mesh_metadata", "sharded_mesh", "skeletons")


@dataclass(frozen=True, slots=True)
class Places:
    """What the segmentation has at positions.

    Attributes:
        supervoxels: int64, shape (n,); 0 in the background, outside, and where it was not read.
        is_inside: whether the position lies in the segmentation's bounds at all.
        is_read: whether the answer is known; it is, outside.
        why: why the others were not read; empty when all were.
    """

    supervoxels: NDArray[np.int64]
    is_inside: NDArray[np.bool_]
    is_read: NDArray[np.bool_]
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Part:
    """The positions in one file: their row numbers, and their supervoxels or why there are none."""

    rows: NDArray[np.int64]
    supervoxels: NDArray[np.int64] | None
    failure: str = ""


_GIVEN_UP = _Part(np.empty(0, dtype=np.int64), None)


class _Reading:
    """What was read so far. Filled by one thread, looked at by those that read.

    Args:
        is_inside: which positions lie in the segmentation.
    """

    def __init__(self, is_inside: NDArray[np.bool_]) -> None:
        self.failures: list[str] = []
        self._files = 0
        self._found = np.zeros(len(is_inside), dtype=np.int64)
        self._is_inside = is_inside
        self._is_read = ~is_inside

    @property
    def is_hopeless(self) -> bool:
        """Whether so much fails that no further file is to be asked for."""
        return len(self.failures) - self._files >= MOST_FAILURES

    def take(self, part: _Part) -> None:
        """Note what came, or that it did not."""
        if part.supervoxels is not None:
            self._found[part.rows] = part.supervoxels
            self._is_read[part.rows] = True
            self._files += 1
        elif part.failure:
            self.failures.append(part.failure)

    def places(self) -> Places:
        """Return all of it."""
        why = self.failures[-1] if self.failures else ""
        return Places(self._found, self._is_inside, self._is_read, why)


@dataclass(frozen=True, slots=True)
class Segmentation:
    """A segmentation that can be read. Made by `open_segmentation`.

    Attributes:
        source: its address, as the datastack names it.
        grid: its voxels.
        box: reads the labels of a box of voxels; from one corner up to, not including, the other.
        parallel: files at a time at the most.
        patience_s: seconds without any file after which reading is given up.
        stop: set from outside to end early.
        secret: text that may appear in no message.
    """

    source: str
    grid: VoxelGrid
    box: Box
    parallel: int
    patience_s: float
    stop: threading.Event
    secret: str | None = field(default=None, repr=False)

    def at(self, positions_nm: NDArray[np.float64], heard: Callable[[int], None]) -> Places:
        """Return what is at positions. A failure of the source ends in positions that were not read.

        Args:
            positions_nm: x, y, z in nm, shape (n, 3). A position is in the voxel that begins at or before it.
            heard: told of how many further positions the answer is known, as each file comes.

        Raises:
            Interrupted: when `stop` was set.
        """
        positions = np.asarray(positions_nm, dtype=np.float64).reshape(-1, 3)
        inside, voxels = self.grid.place(positions)
        rows = np.flatnonzero(inside)
        reading = _Reading(inside)
        try:
            with quiet():
                for part in self._parts(voxels, rows, reading):
                    reading.take(part)
                    heard(len(part.rows))
        except ServiceUnavailable as error:
            reading.failures.append(str(error))
        return reading.places()

    def _parts(
        self, voxels: NDArray[np.int64], rows: NDArray[np.int64], reading: _Reading
    ) -> Iterator[_Part]:
        """Yield what each file has at its positions, as it comes."""
        file_bytes = 8 * int(np.prod(self.grid.file_chunk))
        return in_parallel(
            lambda own: _GIVEN_UP if reading.is_hopeless else self._read(voxels[own], own),
            [rows[part] for part in self.grid.by_file(voxels[rows])],
            parallel=max(1, min(self.parallel, MEMORY_BYTES // (2 * file_bytes))),
            stop=self.stop,
            patience_s=self.patience_s,
        )

    def _read(self, voxels: NDArray[np.int64], rows: NDArray[np.int64]) -> _Part:
        """Read the supervoxels of voxels of one file, by the smallest box around them."""
        low = voxels.min(axis=0)
        try:
            labels = self.box(low, voxels.max(axis=0) + 1)[tuple((voxels - low).T)]
        except Exception as error:  # noqa: BLE001 - the library raises whatever its storage clients do
            return _Part(rows, None, said_of(error, self.secret))
        if labels.dtype.kind not in "ui" or (labels.dtype == np.uint64 and (labels >= 2**63).any()):
            return _Part(rows, None, f"it holds {labels.dtype} values that are no ids")
        return _Part(rows, labels.astype(np.int64))


def open_segmentation(cave: Cave) -> Segmentation:
    """Open the segmentation of a datastack; of it, no voxel is read yet.

    Raises:
        ConfigError: when cloud-volume is not installed, or does not load.
        NotServed: when the datastack names no segmentation.
        AuthError: when its chunkedgraph refuses the token.
        SourceError: when it cannot be opened for another reason.
    """
    source = str(cave.info.get("segmentation_source") or "")
    if not source:
        msg = f"{cave.datastack} names no segmentation"
        raise NotServed(msg)
    library = check_installed()
    if not source.startswith(GRAPHENE):
        return _opened(cave, library, source, None)
    return _opened(cave, library, source, cave.chunkedgraph_info())


def _opened(cave: Cave, library: ModuleType, source: str, info: dict[str, Any] | None) -> Segmentation:
    """Return a segmentation whose info is known (a chunkedgraph's), or is the library's to fetch.

    Raises:
        SourceError: when the library cannot open it, or takes too long.
    """
    secret, options = cave.transport.secret, cave.options
    # Supervoxels stand in the scale that the chunkedgraph was made from.
    mip = 0 if info is None else _watershed_mip(info)
    how: dict[str, Any] = {"mip": mip, "progress": False, "use_https": True, "cache": False, "provenance": {}}
    if info is not None:
        # It opens no chunkedgraph without a token, though with the info given it sends none.
        how |= {"secrets": {"token": secret or "0"}, "agglomerate": False}
        how["info"] = {name: value for name, value in info.items() if name not in _NOT_READ}
        source = source.replace("middleauth+", "")

    def build(path: str) -> Any:  # noqa: ANN401 - the library has no types
        return library.CloudVolume(path, **how)

    try:
        with quiet():
            [volume] = in_parallel(
                build, [source], parallel=1, stop=cave.transport.stop, patience_s=options.timeout_s
            )
        grid = VoxelGrid.of(volume.info, mip)
    except Interrupted:
        raise
    except SourceError as error:
        error.args = (f"{source}: {error}",)
        raise
    except Exception as error:  # noqa: BLE001 - the library raises whatever its storage clients do
        msg = f"{source} cannot be opened: {said_of(error, secret)}"
        raise BadResponse(msg) from None

    def box(low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[Any]:
        labels = volume.download(library.Bbox(low.tolist(), high.tolist()), mip=mip)
        return np.asarray(labels)[..., 0]

    named = str(cave.info["segmentation_source"])
    return Segmentation(named, grid, box, options.parallel, options.timeout_s, cave.transport.stop, secret)


def _watershed_mip(info: dict[str, Any]) -> int:
    """Return the scale that holds supervoxels."""
    graph = info.get("graph")
    mip = graph.get("cv_mip", 0) if isinstance(graph, dict) else 0
    return mip if isinstance(mip, int) else 0


def check_installed() -> ModuleType:
    """Return cloud-volume; it is loaded here, and nowhere else.

    Raises:
        ConfigError: when it is not installed, or does not load.
    """
    try:
        with warnings.catch_warnings():  # of what its own parts will not bear with one day
            warnings.simplefilter("ignore")
            return importlib.import_module("cloudvolume")
    except ImportError as error:
        if error.name not in {None, "cloudvolume"}:
            msg = (
                f"cloud-volume does not load ({error}): pip install --force-reinstall 'crantdb[segmentation]'"
            )
            raise ConfigError(msg) from error
        msg = "cloud-volume is not installed: pip install 'crantdb[segmentation]'"
        raise ConfigError(msg) from error
    except (
        OSError,
        AttributeError,
        ValueError,
    ) as error:  # its folder cannot be made, or its parts do not fit
        msg = f"cloud-volume does not load ({type(error).__name__}: {error})"
        raise ConfigError(msg) from error
