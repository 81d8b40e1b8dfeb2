"""Regions from files: OBJ and its kin, precomputed meshes of both kinds, from a folder and from a server."""

from __future__ import annotations

import gzip
import json
import struct
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import trimesh

from crantdb.errors import BadFile, ConfigError
from crantdb.sources import neuropils
from crantdb.sources.meshes import read_folder
from crantdb.sources.precomputed import Folder, open_meshes
from crantdb.sources.shards import Sharding, murmur3
from tests.morphology.shapes import ball, box

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from crantdb.morphology.regions import Surface

INSIDE, OUTSIDE = [500.0, 500.0, 500.0], [5000.0, 500.0, 500.0]


def write(folder: Path, files: Mapping[str, bytes | str | dict[str, Any]]) -> Path:
    """Write files into a folder; a dict as JSON."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(content) if isinstance(content, dict) else content
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


@pytest.mark.parametrize("ending", ["obj", "ply", "stl", "off"])
def test_a_folder_of_mesh_files(tmp_path: Path, ending: str) -> None:
    """Each file is a region named for it, its units told in nm."""
    for name, radius in [("ellipsoid_body", 100.0), ("fan_shaped_body", 125.0)]:
        whole = ball((62.5, 62.5, 62.5), radius, fine=2)
        trimesh.Trimesh(whole.vertices, whole.faces).export(tmp_path / f"{name}.{ending}")
    (tmp_path / "README.txt").write_text("not a mesh")
    regions = read_folder(tmp_path, unit_nm=8)
    assert regions.names == ("ellipsoid_body", "fan_shaped_body")
    assert [region.open_edges for region in regions] == [0, 0]
    assert regions.contains([INSIDE, [500, 500, 500 + 900], OUTSIDE]).tolist() == [
        [True, True],
        [False, True],
        [False, False],
    ]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "holds no mesh"),
        ({"a.obj": "v 0 0 0\n"}, "a.obj"),
        ({"a.ply": b"ply\nnonsense"}, "a.ply"),
        ({"other.obj": "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 2 3\nf 1 2 4\nf 1 3 4\nf 2 3 4\n"}, "other"),
        ({"info": "{"}, "no JSON"),
        ({"info": {"@type": "neuroglancer_skeletons"}}, "neuroglancer_skeletons"),
        ({"info": {"@type": "neuroglancer_legacy_mesh"}}, "does not name its segments"),
        ({"info": {"@type": "neuroglancer_legacy_mesh"}, "labels.json": {"5": "a"}}, "no mesh of segment 5"),
        (
            {
                "info": {"@type": "neuroglancer_legacy_mesh"},
                "labels.json": {"5": "a"},
                "5:0": {"fragments": ["x"]},
            },
            "fragment x is missing",
        ),
        (
            {
                "info": {"@type": "neuroglancer_legacy_mesh"},
                "labels.json": {"5": "a"},
                "5:0": {"fragments": ["x"]},
                "x": b"\xff\x00\x00\x00abc",
            },
            "segment 5",
        ),
    ],
)
def test_a_folder_that_is_none_is_refused(
    tmp_path: Path, files: Mapping[str, bytes | str | dict[str, Any]], said: str
) -> None:
    """Missing, broken and cut files are errors that name the file or segment."""
    with pytest.raises(BadFile, match=said):
        read_folder(write(tmp_path, files))
    with pytest.raises(BadFile, match="no folder"):
        read_folder(tmp_path / "nowhere")


def legacy(of: Surface) -> bytes:
    """Return a surface as a legacy fragment."""
    points = of.vertices.astype("<f4").tobytes()
    return struct.pack("<I", len(of.vertices)) + points + of.faces.astype("<u4").tobytes()


def test_legacy_precomputed_meshes(tmp_path: Path) -> None:
    """A segment's fragments are one region; names come from labels.json, or from the segments' own properties."""
    one, two = box((0, 0, 0), (1000, 1000, 1000)), box((4000, 0, 0), (6000, 1000, 1000))
    whole = write(
        tmp_path,
        {
            "info": {"mesh": "meshes", "segment_properties": "names"},
            "meshes/info": {"@type": "neuroglancer_legacy_mesh"},
            "meshes/7:0": {"fragments": ["7a", "7b"]},
            "meshes/7a": legacy(one),
            "meshes/7b": legacy(two),
            "names/info": {
                "inline": {"ids": ["7"], "properties": [{"id": "label", "type": "label", "values": ["gall"]}]}
            },
        },
    )
    regions = read_folder(whole)
    assert regions.names == ("gall",)
    assert regions.contains([INSIDE, OUTSIDE, [2000, 500, 500]])[:, 0].tolist() == [True, True, False]
    write(whole, {"labels.json": {"7": "bulb"}})
    assert read_folder(whole).names == ("bulb",)


@pytest.fixture
def undraco(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a decoder in Draco's place that reads legacy fragments: the format around the pieces is what is tested."""

    def decode(raw: bytes) -> SimpleNamespace:
        (count,) = struct.unpack_from("<I", raw)
        points = np.frombuffer(raw, "<f4", count=3 * count, offset=4).reshape(-1, 3)
        return SimpleNamespace(
            points=points, faces=np.frombuffer(raw, "<u4", offset=4 + 12 * count).reshape(-1, 3)
        )

    module = ModuleType("DracoPy")
    module.decode = decode  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "DracoPy", module)


QUANTA = 2**16 - 1
INFO = {
    "@type": "neuroglancer_multilod_draco",
    "vertex_quantization_bits": 16,
    "transform": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0],
}


def pieces_of(corner: float) -> tuple[bytes, bytes]:
    """Return (pieces, manifest) of a box cut in two along x, at two resolutions: cells of 1000 nm from a corner on."""
    full = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1], [1, 0, 0], [1, 0, 1], [1, 1, 0], [1, 1, 1]])
    sides = {
        "x0": [[0, 1, 3], [0, 3, 2]],
        "x1": [[4, 6, 7], [4, 7, 5]],
        "y": [[0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6]],
        "z": [[0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]],
    }

    def piece(names: tuple[str, ...]) -> bytes:
        faces = np.array([face for name in names for face in sides[name]], "<u4")
        return struct.pack("<I", 8) + (full * QUANTA).astype("<f4").tobytes() + faces.tobytes()

    fine = [piece(("x0", "y", "z")), piece(("x1", "y", "z"))]
    coarse = [b"coarse"]
    manifest = np.array([1000, 1000, 1000, corner, 0, 0], "<f4").tobytes() + struct.pack("<I", 2)
    manifest += np.array([1, 2], "<f4").tobytes() + np.zeros((2, 3), "<f4").tobytes()
    manifest += np.array([2, 1], "<u4").tobytes()
    manifest += np.array([[0, 1], [0, 0], [0, 0], [len(fine[0]), len(fine[1])]], "<u4").tobytes()
    manifest += np.array([[0], [0], [0], [len(coarse[0])]], "<u4").tobytes()
    return b"".join([*fine, *coarse]), manifest


def shard_of(values: Mapping[int, tuple[bytes, bytes]], *, packed: bool) -> bytes:
    """Return a shard with one minishard: pieces before each manifest, then the index."""
    body, keys, starts, sizes, last_key, last_end = b"", [], [], [], 0, 0
    for key, (pieces, manifest) in sorted(values.items()):
        stored = gzip.compress(manifest) if packed else manifest
        body += pieces
        keys.append(key - last_key)
        starts.append(len(body) - last_end)
        sizes.append(len(stored))
        body += stored
        last_key, last_end = key, len(body)
    index = np.array([keys, starts, sizes], "<u8").tobytes()
    index = gzip.compress(index) if packed else index
    return struct.pack("<QQ", len(body), len(body) + len(index)) + body + index


def sharding(*, packed: bool) -> dict[str, Any]:
    """Return the info's word on such a shard."""
    encoding = "gzip" if packed else "raw"
    return {
        "@type": "neuroglancer_uint64_sharded_v1",
        "preshift_bits": 0,
        "hash": "identity",
        "minishard_bits": 0,
        "shard_bits": 0,
        "minishard_index_encoding": encoding,
        "data_encoding": encoding,
    }


@pytest.mark.usefixtures("undraco")
@pytest.mark.parametrize("packed", [True, False])
def test_multi_resolution_meshes_in_shards(tmp_path: Path, packed: bool) -> None:
    """The finest pieces are put in their places and meet: a closed surface; a segment that is not there is said."""
    values = {1: pieces_of(0), 9: pieces_of(10_000)}
    write(
        tmp_path,
        {
            "mesh/info": INFO | {"sharding": sharding(packed=packed)},
            "mesh/0.shard": shard_of(values, packed=packed),
            "labels.json": {"1": "one", "9": "nine"},
        },
    )
    regions = read_folder(tmp_path)
    assert [region.open_edges for region in regions] == [0, 0]
    points = [[500, 500, 500], [1999, 1, 1], [2001, 1, 1], [11_000, 500, 500]]
    assert regions.contains(points).tolist() == [[False, True], [False, True], [False, False], [True, False]]
    with pytest.raises(BadFile, match="no mesh of segment 5"):
        open_meshes(Folder(tmp_path)).mesh(5)


@pytest.mark.usefixtures("undraco")
def test_multi_resolution_meshes_in_files_with_a_transform(tmp_path: Path) -> None:
    """Without shards each segment has an index and its pieces; the info's transform leads into nm."""
    pieces, manifest = pieces_of(0)
    turned = INFO | {"transform": [2, 0, 0, 100, 0, 2, 0, 0, 0, 0, 2, 0]}
    write(tmp_path, {"info": turned, "4.index": manifest, "4": pieces, "labels.json": {"4": "four"}})
    found = read_folder(tmp_path).contains([[50, 5, 5], [150, 5, 5], [4099, 1999, 5], [4101, 5, 5]])
    assert found[:, 0].tolist() == [False, True, True, False]


def test_without_the_decoder_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draco meshes without their decoder are an error that says what to install."""
    monkeypatch.setitem(sys.modules, "DracoPy", None)
    pieces, manifest = pieces_of(0)
    write(tmp_path, {"info": INFO, "4.index": manifest, "4": pieces, "labels.json": {"4": "four"}})
    with pytest.raises(ConfigError, match="pip install DracoPy"):
        read_folder(tmp_path)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Serve a folder as the pinned source lays it out: 36 boxes in one shard."""
    values = {segment: pieces_of(3000.0 * segment) for segment in neuropils.NAMES}
    write(
        tmp_path,
        {
            "mesh/info": INFO | {"sharding": sharding(packed=True)},
            "mesh/0.shard": shard_of(values, packed=True),
        },
    )

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.usefixtures("undraco")
def test_crantbs_neuropils(served: str) -> None:
    """All 36 segments come under their names, and the right nodulus is its four parts together."""
    regions = neuropils.fetch(served)
    assert len(regions) == 37
    labels = {name: segment for segment, name in neuropils.NAMES.items()}
    assert labels["mushroom_body_pedunculus_and_lobes_right"] == 4
    assert labels["ellipsoid_body"] == 10
    assert labels["pb_glomerulus_L5"] == 17
    assert labels["pb_glomerulus_R5"] == 24
    assert labels["bulb_right"] == 30
    assert labels["NOs_r"] == 36
    points = [[3000.0 * labels[name] + 500, 500, 500] for name in ("ellipsoid_body", "NOm1_r", "NOs_r")]
    inside = regions.contains(points)
    found = [{name for name, held in zip(regions.names, row, strict=True) if held} for row in inside]
    assert found == [{"ellipsoid_body"}, {"NOm1_r", "nodulus_right"}, {"NOs_r", "nodulus_right"}]
    assert neuropils.COMMIT in neuropils.URL


def test_a_server_without_meshes_is_said(tmp_path: Path, served: str) -> None:
    """An address that holds no meshes is an error that names it."""
    with pytest.raises(BadFile, match="/nowhere has no info"):
        neuropils.fetch(f"{served}/nowhere")


def test_the_hash_of_keys() -> None:
    """Keys are hashed as murmurhash3_x86_128 does: the low 64 bits as tensorstore's own tests state them."""
    stated = {0: 0x4772B084E028AE41, 1: 0xE8BD67D616D4CE9A, 42: 0xC20B94F95119F47A}
    assert {key: murmur3(key.to_bytes(8, "little")) for key in stated} == stated
    hashed = Sharding.from_info(
        sharding(packed=False) | {"hash": "murmurhash3_x86_128", "shard_bits": 5, "minishard_bits": 3}
    )
    number = stated[42]
    assert hashed.place(42) == (f"{(number >> 3) & 31:02x}.shard", number & 7)
