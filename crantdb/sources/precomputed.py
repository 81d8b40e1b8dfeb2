"""Meshes in neuroglancer's precomputed formats, from a folder or from a server: legacy, and multi-resolution Draco.

Of several resolutions the finest is read.
"""

from __future__ import annotations

import importlib
import json
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from crantdb.errors import BadFile, ConfigError
from crantdb.sources.shards import Sharding

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    Triangles = tuple[NDArray[np.float64], NDArray[np.int64]]

LEGACY, DRACO = "neuroglancer_legacy_mesh", "neuroglancer_multilod_draco"

_DAMAGE = (ValueError, TypeError, AttributeError, LookupError, OSError, EOFError, struct.error, zlib.error)
"""What reading bytes that are not what they should be ends in."""


class Store(Protocol):
    """Where files are read from by relative name."""

    @property
    def name(self) -> str:
        """What errors call it."""

    @property
    def place(self) -> Path:
        """The same as a path."""

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes; None when there is none of that name."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A local folder as a store.

    Attributes:
        place: the folder.
    """

    place: Path

    @property
    def name(self) -> str:
        """What errors call it."""
        return str(self.place)

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes; None when there is none of that name."""
        path = self.place / name
        return path.read_bytes() if path.is_file() else None


class MeshSource:
    """The meshes of a precomputed folder, by segment id. Made by `open_meshes`."""

    def __init__(self, store: Store, prefix: str, info: Mapping[str, Any]) -> None:
        self._store = store
        self._prefix = prefix
        self._info = info
        self._shards: dict[str, bytes] = {}

    def names(self) -> dict[int, str]:
        """Return the segments that the source itself names (its ``segment_properties``), by id; maybe none.

        Raises:
            BadFile: when it names them in a way that cannot be read.
        """
        folder = self._info.get("segment_properties")
        raw = self._store.read(f"{self._prefix}{folder}/info") if folder else None
        try:
            inline = json.loads(raw)["inline"] if raw else {"ids": [], "properties": []}
            labels = next((p["values"] for p in inline["properties"] if p["type"] == "label"), inline["ids"])
            return {int(segment): str(label) for segment, label in zip(inline["ids"], labels, strict=True)}
        except _DAMAGE as error:
            msg = f"the names of segments in {self._store.name} ({folder}/info) cannot be read: {error}"
            raise BadFile(msg, path=self._store.place) from error

    def mesh(self, segment: int) -> Triangles:
        """Return vertices (nm) and faces of a segment.

        Raises:
            BadFile: when it has no mesh, or its mesh cannot be read.
            ConfigError: when the decoder of Draco is not installed.
        """
        try:
            found = self._legacy(segment) if self._info["@type"] == LEGACY else self._draco(segment)
        except _DAMAGE as error:
            msg = f"the mesh of segment {segment} in {self._store.name} is not what its info says: {error}"
            raise BadFile(msg, path=self._store.place) from error
        if found is None:
            msg = f"{self._store.name} has no mesh of segment {segment}"
            raise BadFile(msg, path=self._store.place)
        return found

    def _legacy(self, segment: int) -> Triangles | None:
        """Read the pieces that a legacy manifest lists."""
        manifest = self._store.read(f"{self._prefix}{segment}:0")
        if manifest is None:
            return None
        pieces = []
        for name in json.loads(manifest)["fragments"]:
            raw = self._store.read(f"{self._prefix}{name}")
            if raw is None:
                msg = f"fragment {name} is missing"
                raise ValueError(msg)
            pieces.append(_legacy_piece(raw))
        return _joined(pieces)

    def _draco(self, segment: int) -> Triangles | None:
        """Read the finest pieces of a multi-resolution mesh."""
        sharding = self._info.get("sharding")
        if sharding is None:
            manifest = self._store.read(f"{self._prefix}{segment}.index")
            data = self._store.read(f"{self._prefix}{segment}")
            if manifest is None or data is None:
                return None
            return _placed(Manifest.parse(manifest), data, self._info)
        layout = Sharding.from_info(sharding)
        name, minishard = layout.place(segment)
        shard = self._shard(name)
        span = None if shard is None else layout.span(shard, minishard, segment)
        if shard is None or span is None:
            return None
        parsed = Manifest.parse(layout.value(shard, span))
        # The pieces lie right before their manifest.
        return _placed(parsed, shard[span[0] - sum(parsed.all_sizes) : span[0]], self._info)

    def _shard(self, name: str) -> bytes | None:
        """Return a shard file's bytes, read once."""
        if name not in self._shards:
            raw = self._store.read(f"{self._prefix}{name}")
            if raw is None:
                return None
            self._shards[name] = raw
        return self._shards[name]


def open_meshes(store: Store) -> MeshSource:
    """Open a precomputed folder: of meshes, or a volume whose info names its folder of meshes.

    Raises:
        BadFile: when its info is missing or of a kind that is not known.
    """
    prefix, info = "", _info(store, "info") or _info(store, "mesh/info")
    if info is not None and "mesh" in info:
        prefix = f"{info['mesh']}/"
        # The format takes a folder of meshes without an info for a legacy one.
        inner = _info(store, f"{prefix}info") or {"@type": LEGACY}
        info = (
            {"segment_properties": f"../{info['segment_properties']}"} if "segment_properties" in info else {}
        )
        info |= inner
    elif info is not None and _info(store, "info") is None:
        prefix = "mesh/"
    if info is None or info.get("@type") not in {LEGACY, DRACO}:
        kind = "no info" if info is None else f"an info of type {info.get('@type')!r}"
        msg = f"{store.name} has {kind}: precomputed meshes have one of {LEGACY} or {DRACO}"
        raise BadFile(msg, path=store.place)
    return MeshSource(store, prefix, info)


def _info(store: Store, name: str) -> dict[str, Any] | None:
    """Return an info; None when there is none."""
    raw = store.read(name)
    try:
        return None if raw is None else dict(json.loads(raw))
    except (ValueError, TypeError) as error:
        msg = f"{name} in {store.name} is no JSON object: {error}"
        raise BadFile(msg, path=store.place) from error


def _legacy_piece(raw: bytes) -> Triangles:
    """Decode a legacy fragment: the number of vertices, their coordinates in nm, the triangles."""
    (count,) = struct.unpack_from("<I", raw)
    points = np.frombuffer(raw, "<f4", count=3 * count, offset=4).reshape(-1, 3)
    faces = np.frombuffer(raw, "<u4", offset=4 + 12 * count).reshape(-1, 3)
    return points.astype(np.float64), faces.astype(np.int64)


@dataclass(frozen=True, eq=False, slots=True)
class Manifest:
    """Where the pieces of a multi-resolution mesh lie, of its finest resolution.

    Attributes:
        chunk: the size of a piece's box.
        origin: where the grid of pieces begins.
        positions: the place of each piece in the grid, shape (n, 3).
        sizes: the bytes of each piece.
        all_sizes: the bytes of the pieces of every resolution.
    """

    chunk: NDArray[np.float64]
    origin: NDArray[np.float64]
    positions: NDArray[np.int64]
    sizes: tuple[int, ...]
    all_sizes: tuple[int, ...]

    @classmethod
    def parse(cls, raw: bytes) -> Manifest:
        """Decode a manifest.

        Raises:
            ValueError: when it is longer or shorter than the numbers in it say.
        """
        chunk, origin = np.frombuffer(raw, "<f4", count=6).astype(np.float64).reshape(2, 3)
        (levels,) = struct.unpack_from("<I", raw, 24)
        at = 28 + 4 * levels
        offsets = np.frombuffer(raw, "<f4", count=3 * levels, offset=at).reshape(levels, 3)
        at += 12 * levels
        counts = np.frombuffer(raw, "<u4", count=levels, offset=at)
        at += 4 * levels
        positions, sizes = [], []
        for count in counts.tolist():
            numbers = np.frombuffer(raw, "<u4", count=4 * count, offset=at).reshape(4, count)
            positions.append(numbers[:3].T.astype(np.int64))
            sizes.append(tuple(numbers[3].tolist()))
            at += 16 * count
        if at != len(raw):
            msg = f"its manifest has {len(raw):,} bytes where {at:,} are told"
            raise ValueError(msg)
        every = tuple(size for level in sizes for size in level)
        return cls(chunk, origin + offsets[0], positions[0], sizes[0], every)


def _placed(manifest: Manifest, data: bytes, info: Mapping[str, Any]) -> Triangles:
    """Decode the finest pieces and put each in its place."""
    steps = 2 ** int(info["vertex_quantization_bits"]) - 1
    pieces, at = [], 0
    for position, size in zip(manifest.positions, manifest.sizes, strict=True):
        if size:
            points, faces = _undraco(data[at : at + size], steps)
            pieces.append((manifest.origin + manifest.chunk * (position + points / steps), faces))
        at += size
    points, faces = _joined(pieces)
    matrix = np.array(info.get("transform", [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]), np.float64).reshape(3, 4)
    return points @ matrix[:, :3].T + matrix[:, 3], faces


def _undraco(raw: bytes, steps: int) -> Triangles:
    """Decode a Draco piece: its corners as steps within its cell, and its triangles.

    Writers keep the corners as integers, or as floats that Draco itself quantized; both are the same numbers.

    Raises:
        ConfigError: when the decoder is not installed.
        ValueError: when this is no piece of a mesh, or a corner lies outside its cell.
    """
    try:
        decoder = importlib.import_module("DracoPy")
    except ImportError as error:
        msg = "these meshes are compressed with Draco, and its decoder is not installed: pip install 'crantdb[meshes]'"
        raise ConfigError(msg) from error
    try:
        found = decoder.decode(raw)
    except (decoder.FileTypeException, decoder.EncodingFailedException) as error:
        msg = f"a piece of {len(raw):,} bytes is no mesh that Draco wrote"
        raise ValueError(msg) from error
    points = np.asarray(found.points, np.float64).reshape(-1, 3)
    faces = np.asarray(found.faces, np.int64).reshape(-1, 3)
    if len(points) and not (points.min() > -0.5 and points.max() < steps + 0.5):
        msg = f"corners from {points.min():g} to {points.max():g} where its info allows 0 to {steps}"
        raise ValueError(msg)
    return points, faces


def _joined(pieces: list[Triangles]) -> Triangles:
    """Return pieces as one mesh."""
    if not pieces:
        msg = "it has no pieces"
        raise ValueError(msg)
    counts = np.cumsum([0, *(len(points) for points, _ in pieces)])
    shifted = [faces + count for (_, faces), count in zip(pieces, counts, strict=False)]
    return np.concatenate([points for points, _ in pieces]), np.concatenate(shifted)
