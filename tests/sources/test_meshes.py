"""Regions from files: OBJ and its kin, precomputed meshes of both kinds, from a folder and from a server."""

from __future__ import annotations

import json
import struct
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import DracoPy
import numpy as np
import pytest
import trimesh

from crantdb.errors import BadFile, ConfigError
from crantdb.morphology.regions import surface
from crantdb.sources import neuropils
from crantdb.sources.meshes import read_folder
from crantdb.sources.precomputed import Folder, open_meshes
from crantdb.sources.shards import Sharding, murmur3
from tests.morphology.shapes import ball, box
from tests.sources import multilod

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
        ({"info": "[1]"}, "no JSON object"),
        ({"info": {"@type": "neuroglancer_skeletons"}}, "neuroglancer_skeletons"),
        ({"info": {"@type": "neuroglancer_legacy_mesh"}}, "does not name its segments"),
        ({"info": {"@type": "neuroglancer_legacy_mesh"}, "labels.json": {"5": "a"}}, "no mesh of segment 5"),
        ({"info": {"@type": "neuroglancer_legacy_mesh"}, "labels.json": "["}, "labels.json is no map"),
        ({"info": {"@type": "neuroglancer_legacy_mesh"}, "labels.json": "[5]"}, "labels.json is no map"),
        ({"info": {"@type": "neuroglancer_legacy_mesh"}, "labels.json": {"a": "5"}}, "labels.json is no map"),
        (
            {
                "info": {"@type": "neuroglancer_legacy_mesh", "segment_properties": "names"},
                "names/info": {"inline": {"ids": ["7"], "properties": [{"type": "label", "values": []}]}},
            },
            "names/info",
        ),
        (
            {"info": {"@type": "neuroglancer_legacy_mesh"}, "labels.json": {"5": "a"}, "5:0": "[]"},
            "segment 5",
        ),
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
    (whole / "meshes" / "info").unlink()
    assert len(read_folder(whole)) == 1, "a folder of meshes without an info is a legacy one"


def in_files(folder: Path, info: Mapping[str, Any], segments: Mapping[int, multilod.Written]) -> Path:
    """Write segments as files of their own, named for their ids."""
    files: dict[str, bytes | str | dict[str, Any]] = {"info": dict(info)}
    for segment, one in segments.items():
        files |= {f"{segment}.index": one.manifest, str(segment): one.pieces}
    return write(folder, files | {"labels.json": {str(segment): f"s{segment}" for segment in segments}})


@pytest.mark.parametrize("packed", [True, False])
def test_multi_resolution_meshes_in_shards(tmp_path: Path, packed: bool) -> None:
    """The finest pieces are put in their places and meet: a closed surface; a segment that is not there is said."""
    one = multilod.write(ball((1000, 1000, 1000), 900, fine=3), bits=16)
    nine = multilod.write(box((11_000, 0, 0), (13_000, 1000, 1000)), bits=16, origin=(10_900, 0, 0))
    write(
        tmp_path,
        {
            "mesh/info": multilod.info(16, sharding=multilod.sharding(packed=packed)),
            "mesh/0.shard": multilod.shard({1: one, 9: nine}, packed=packed),
            "labels.json": {"1": "one", "9": "nine"},
        },
    )
    regions = read_folder(tmp_path)
    assert [region.open_edges for region in regions] == [0, 0]
    points = [[1000, 1000, 1890], [1000, 1000, 1910], [11_001, 999, 1], [12_999, 1, 999], [13_001, 500, 500]]
    assert regions.names == ("nine", "one")
    inside = [[False, True], [False, False], [True, False], [True, False], [False, False]]
    assert regions.contains(points).tolist() == inside
    with pytest.raises(BadFile, match="no mesh of segment 5"):
        open_meshes(Folder(tmp_path)).mesh(5)


@pytest.mark.parametrize("bits", [10, 16])
def test_corners_come_back_as_they_were_quantized(tmp_path: Path, bits: int) -> None:
    """Bits of quantization, cells, the grid's origin, the resolution's offset and the transform are all heeded."""
    written = multilod.write(
        ball((1300, 900, 800), 700, fine=3),
        bits=bits,
        cells=(3, 2, 1),
        origin=(-100, 50, 20),
        offset=(0, 8, -4),
    )
    matrix = np.array([[0, -2, 0, 100], [2, 0, 0, -7], [0, 0, 5.25, 0]])
    in_files(tmp_path, multilod.info(bits, matrix.reshape(-1).tolist()), {4: written})
    points, faces = open_meshes(Folder(tmp_path)).mesh(4)
    expected = written.points @ matrix[:, :3].T + matrix[:, 3]
    assert np.abs(points - expected).max() < 1e-6
    assert len(np.unique(faces)) == len(points)
    assert surface(points, faces).open_edges == 0
    assert np.ptp(written.points, axis=0) == pytest.approx([1400] * 3, abs=20), "the ball fits into its cells"


@pytest.mark.parametrize("bits", [10, 16])
@pytest.mark.parametrize("hashing", ["identity", "murmurhash3_x86_128"])
def test_cloud_volume_reads_and_writes_the_same(tmp_path: Path, bits: int, hashing: str) -> None:
    """CloudVolume's own shards are read, and its reader gives corner for corner and face for face what ours does."""
    from cloudvolume import CloudVolume  # noqa: PLC0415 - heavy, and one test needs it
    from cloudvolume.datasource.precomputed.sharding import ShardingSpecification  # noqa: PLC0415 - so

    segments = {
        key: multilod.write(ball((place, 900, 800), 700, fine=2), bits=bits, origin=(place - 700, 200, 100))
        for place, key in enumerate([1, 2, 77, 576460752667713229, 2**62 + 5], start=800)
    }
    told = multilod.sharding(hashing, packed=False, bits=(1, 2, 1))
    shards = ShardingSpecification.from_dict(told).synthesize_shards(
        {key: one.pieces + one.manifest for key, one in segments.items()},
        data_offset={key: len(one.manifest) for key, one in segments.items()},
    )
    scale = {"key": "1", "size": [8] * 3, "resolution": [1] * 3, "voxel_offset": [0] * 3}
    scale |= {"chunk_sizes": [[8] * 3], "encoding": "raw"}
    volume = {"type": "segmentation", "data_type": "uint64", "num_channels": 1, "scales": [scale]}
    transform = [2.0, 0, 0, 100, 0, 3, 0, -7, 0, 0, 4, 0]
    meshes = multilod.info(bits, transform, sharding=told)
    files = {f"meshes/{name}": content for name, content in shards.items()}
    write(tmp_path, {"info": volume | {"mesh": "meshes"}, "meshes/info": meshes, **files})
    theirs = CloudVolume(f"file://{tmp_path}", progress=False).mesh
    ours = open_meshes(Folder(tmp_path))
    for key in segments:
        points, faces = ours.mesh(key)
        mesh = theirs.get(key)[key]
        assert np.abs(mesh.vertices - points).max() < 0.001
        assert (mesh.faces == faces).all()
        assert len(points) > 100
    with pytest.raises(BadFile, match="no mesh of segment 3"):
        ours.mesh(3)


def damaged(one: multilod.Written) -> dict[str, tuple[Mapping[str, Any], bytes, bytes]]:
    """Return info, manifest and pieces of a segment, each time with one thing wrong."""
    good = multilod.info(16)
    cloud = DracoPy.encode(np.arange(30, dtype=np.uint32).reshape(10, 3))
    (first,) = struct.unpack_from("<I", one.manifest, 28 + 8 + 24 + 8 + 12 * 8)
    resized = bytearray(one.manifest)
    struct.pack_into("<I", resized, 28 + 8 + 24 + 8 + 12 * 8, len(cloud))
    return {
        "no Draco": (good, one.manifest, b"x" * len(one.pieces)),
        "a cloud of points": (good, bytes(resized), cloud + one.pieces[first:]),
        "pieces cut short": (good, one.manifest, one.pieces[:first] + one.pieces[first : first + 9]),
        "a manifest cut short": (good, one.manifest[:-7], one.pieces),
        "a manifest with more behind it": (good, one.manifest + b"\0" * 4, one.pieces),
        "fewer bits than the pieces have": (multilod.info(10), one.manifest, one.pieces),
        "an info without bits": ({"@type": good["@type"]}, one.manifest, one.pieces),
        "bits that are no number": (good | {"vertex_quantization_bits": None}, one.manifest, one.pieces),
        "a transform of nine": (good | {"transform": [1] * 9}, one.manifest, one.pieces),
    }


@pytest.mark.parametrize("wrong", list(damaged(multilod.write(box((1, 1, 1), (9, 9, 9)), bits=16))))
def test_damaged_draco_meshes_are_said(tmp_path: Path, wrong: str) -> None:
    """Whatever is wrong with a mesh, the segment and the folder are named; none is read as another shape."""
    info, manifest, pieces = damaged(multilod.write(ball((500, 500, 500), 400, fine=2), bits=16))[wrong]
    in_files(tmp_path, info, {4: multilod.Written(pieces, manifest, np.empty((0, 3)))})
    with pytest.raises(BadFile, match=f"segment 4 in {tmp_path}"):
        read_folder(tmp_path)


def test_without_the_decoder_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draco meshes without their decoder are an error that names the extra to install."""
    in_files(tmp_path, multilod.info(16), {4: multilod.write(box((1, 1, 1), (9, 9, 9)), bits=16)})
    monkeypatch.setitem(sys.modules, "DracoPy", None)
    with pytest.raises(ConfigError, match=r"pip install 'crantdb\[meshes\]'"):
        read_folder(tmp_path)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Serve a folder as the pinned source lays it out: 36 boxes in one shard."""
    values = {
        segment: multilod.write(
            box((3000 * segment, 0, 0), (3000 * segment + 2000, 1000, 1000)),
            bits=16,
            cells=(2, 1, 1),
            origin=(3000 * segment, 0, 0),
        )
        for segment in neuropils.NAMES
    }
    write(
        tmp_path,
        {
            "mesh/info": multilod.info(16, sharding=multilod.sharding(packed=True)),
            "mesh/0.shard": multilod.shard(values, packed=True),
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
    hashed = Sharding.from_info(multilod.sharding("murmurhash3_x86_128", packed=False, bits=(0, 3, 5)))
    number = stated[42]
    assert hashed.place(42) == (f"{(number >> 3) & 31:02x}.shard", number & 7)
