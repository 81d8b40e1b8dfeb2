"""SWC out: the strict profile, to the byte, and what other programs read in it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import morphio
import navis
import neurom
import numpy as np
import osteoid
import pytest
import swcgeom
from hypothesis import given, settings
from hypothesis import strategies as st

from crantdb.errors import BadArgument, NoSkeleton
from crantdb.morphology.prune import largest_part
from crantdb.morphology.skeleton import skeletonize
from crantdb.morphology.swc import rows_text, to_swc
from crantdb.morphology.swc_reading import read_swc

from .conftest import CRANTB, MINNIE, ROOT_ID, SOMA_NM
from .cutting import cut_exactly
from .graphs import dirty_graphs

if TYPE_CHECKING:
    from pathlib import Path

    from crantdb.morphology.skeleton import Skeleton
    from crantdb.morphology.swc import Units
    from crantdb.sandbox.morphology import Skeleton as Shape

    from .conftest import RealNeuron
    from .graphs import Dirty

ROW = re.compile(rb"[1-9][0-9]* [0-7] -?[0-9]+ -?[0-9]+ -?[0-9]+ [1-9][0-9]* (-1|[1-9][0-9]*)")
ROW_UM = re.compile(rb"[1-9][0-9]* [0-7]( -?[0-9]+\.[0-9]{3}){3} [0-9]+\.[0-9]{3} (-1|[1-9][0-9]*)")


@pytest.fixture(params=["real, soma", "real, no soma", "real, teasar", "CRANTb, soma"])
def skeleton(request: pytest.FixtureRequest, real: RealNeuron, shapes: tuple[Shape, ...]) -> Skeleton:
    """Return skeletons of every make that we write."""
    if request.param == "CRANTb, soma":
        cut = cut_exactly(shapes[0], CRANTB)
        radius = np.clip(cut.size * 10.0, 0, 2_900)
        return skeletonize(cut.edges, cut.ids, cut.xyz, radius, grid=CRANTB, soma_radius_nm=100)
    radius = np.random.default_rng(0).integers(0, 900, len(real.ids)).astype(np.float64)
    method = "teasar" if request.param == "real, teasar" else "mst"
    point = None if request.param == "real, no soma" else SOMA_NM
    return skeletonize(real.edges, real.ids, real.xyz, radius, grid=MINNIE, root_at=point, method=method)


@pytest.fixture
def path(skeleton: Skeleton, tmp_path: Path) -> Path:
    """Return an SWC file of the skeleton."""
    out = tmp_path / f"{ROOT_ID}.swc"
    out.write_bytes(to_swc(skeleton, root_id=ROOT_ID, provenance={"datastack": "minnie65"}))
    return out


@pytest.mark.parametrize(("units", "row"), [("nm", ROW), ("um", ROW_UM)], ids=["nm", "um"])
def test_profile(skeleton: Skeleton, units: Units, row: re.Pattern[bytes]) -> None:
    """LF, ASCII, comments at the top, seven columns, ids 1..N, parents first, one root in row 1, radius positive."""
    text = to_swc(skeleton, root_id=ROOT_ID, units=units)
    text.decode("ascii")
    assert b"\r" not in text
    assert b"\t" not in text
    assert text.endswith(b"\n")
    lines = text.splitlines()
    comments = sum(line.startswith(b"#") for line in lines)
    assert all(line.startswith(b"# ") for line in lines[:comments])
    rows = lines[comments:]
    assert all(row.fullmatch(line) for line in rows)
    table = np.array([line.split() for line in rows]).astype(np.float64)
    count = len(skeleton)
    assert table[:, 0].tolist() == list(range(1, count + 1))
    assert table[0, 6] == -1
    assert (table[1:, 6] >= 1).all()
    assert (table[1:, 6] < table[1:, 0]).all()
    assert (table[:, 5] > 0).all()
    assert table[:, 1].tolist() == [1 if skeleton.soma == 0 else 3] + [3] * (count - 1)
    scale = 1_000 if units == "um" else 1
    assert np.abs(table[:, 2:5] * scale - skeleton.xyz_nm).max() <= 0.5


def test_positions_are_lossless(real: RealNeuron) -> None:
    """In nm the positions of L2 ids, which are whole, come back exactly; so do they from µm, of three decimals."""
    skeleton = skeletonize(real.edges, real.ids, real.xyz)
    for units in ("nm", "um"):
        back = read_swc(to_swc(skeleton, units=units))
        assert np.abs(back.xyz_nm - skeleton.xyz_nm).max() < 1e-6
        assert back.parent.tolist() == skeleton.parent.tolist()


def test_navis_reads_it(path: Path, skeleton: Skeleton) -> None:
    """Navis finds the nodes, length, root, soma, units and id."""
    neuron = navis.read_swc(path)
    assert neuron.n_nodes == len(skeleton)
    assert neuron.cable_length == pytest.approx(skeleton.cable_nm, rel=1e-6)
    assert str(neuron.id) == str(ROOT_ID)
    assert neuron.units == navis.config.ureg("1 nanometer")
    assert neuron.root.tolist() == [1]
    assert (neuron.soma is None) == (skeleton.soma < 0)
    assert neuron.crantdb["datastack"] == "minnie65"


def test_morphio_and_neurom_read_it(path: Path, skeleton: Skeleton) -> None:
    """MorphIO and NeuroM find all points, in sections between branch points."""
    morphology = morphio.Morphology(path)
    assert len(morphology.soma.points) == (1 if skeleton.soma == 0 else 0)
    points = len(np.unique(morphology.points, axis=0))
    assert points >= len(np.unique(skeleton.xyz_nm[1:].astype(np.float32), axis=0))
    assert len(neurom.load_morphology(path).sections) == len(morphology.sections)


def test_swcgeom_reads_it(path: Path, skeleton: Skeleton) -> None:
    """Swcgeom finds the nodes and the length."""
    tree = swcgeom.Tree.from_swc(str(path))
    assert tree.number_of_nodes() == len(skeleton)
    assert tree.length() == pytest.approx(skeleton.cable_nm, rel=1e-4)


def test_osteoid_reads_it(path: Path, skeleton: Skeleton) -> None:
    """Osteoid, cloud-volume's skeletons, finds the nodes, links and length."""
    theirs = osteoid.Skeleton.from_swc(path.read_text())
    assert len(theirs.vertices) == len(skeleton)
    assert len(theirs.edges) == len(skeleton) - 1
    assert theirs.cable_length() == pytest.approx(skeleton.cable_nm, rel=1e-4)


def test_header_says_how_it_was_made(real: RealNeuron) -> None:
    """The header has the id, units, method, root rule and counts as JSON, what the caller adds, and no date."""
    skeleton = skeletonize(real.edges, real.ids, real.xyz, root_at=SOMA_NM)
    text = to_swc(skeleton, root_id=ROOT_ID, provenance={"datastack": "minnie65_public", "version": 943})
    line = next(line for line in text.decode().splitlines() if line.startswith("# Meta: "))
    meta = json.loads(line.removeprefix("# Meta: "))
    assert (meta["id"], meta["units"]) == (str(ROOT_ID), "1 nanometer")
    made = meta["crantdb"]
    assert (made["datastack"], made["version"], made["method"]) == ("minnie65_public", 943, "mst")
    assert (made["root_rule"], made["root_distance_nm"], made["l2_ids"]) == ("point", 1724, 5830)
    assert "longest_bridge_nm" not in made


def test_forest_is_refused() -> None:
    """A forest is no SWC: the error says so, and its largest part is one."""
    ids = CRANTB.layout.make(2, np.zeros((3, 3), np.int64), np.arange(1, 4))
    xyz = np.arange(9.0).reshape(3, 3)
    skeleton = skeletonize([[ids[0], ids[1]]], ids, xyz, heal=False)
    with pytest.raises(NoSkeleton, match="2 parts without a link"):
        to_swc(skeleton)
    assert len(read_swc(to_swc(largest_part(skeleton)))) == 2


def test_single_node() -> None:
    """A neuron of one L2 id is an SWC of one node."""
    skeleton = skeletonize(np.empty((0, 2)), [2 << 56], [[10.0, 20.0, 30.0]], [55.0])
    assert to_swc(skeleton).splitlines()[-1] == b"1 3 10 20 30 55 -1"
    assert skeleton.facts.root_rule == "only"


def test_labels() -> None:
    """Labels by node take the place of the types, and must be one a node; units are nm or um."""
    skeleton = skeletonize(np.empty((0, 2)), [2 << 56], [[10.0, 20.0, 30.0]], [55.0])
    assert to_swc(skeleton, labels=[2]).splitlines()[-1].startswith(b"1 2 ")
    with pytest.raises(BadArgument, match="labels for 1 nodes"):
        to_swc(skeleton, labels=[2, 2])
    with pytest.raises(BadArgument, match="units='inch'"):
        to_swc(skeleton, units="inch")  # type: ignore[arg-type]


@given(st.integers(1, 40), st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_both_writers_write_the_same(count: int, seed: int) -> None:
    """The rows of many small neurons are the same text as each one's own, whichever library writes them."""
    rng = np.random.default_rng(seed)
    columns = tuple(rng.integers(-5_000_000, 5_000_000, count) for _ in range(7))
    hundred = tuple(np.tile(column, 200) for column in columns)
    assert rows_text(hundred, "nm") == rows_text(columns, "nm") * 200


@given(dirty_graphs(missing=True))
@settings(max_examples=60, deadline=None)
def test_any_skeleton_comes_back(graph: Dirty) -> None:
    """What is written is read back: nodes, parents, positions to half a nm, length to half a nm a link."""
    skeleton = skeletonize(graph.edges, graph.ids, graph.xyz, graph.radius, grid=CRANTB)
    back = read_swc(to_swc(skeleton))
    assert back.parent.tolist() == skeleton.parent.tolist()
    assert np.abs(back.xyz_nm - skeleton.xyz_nm).max() <= 0.5
    assert abs(back.cable_nm - skeleton.cable_nm) <= 0.5 * len(skeleton)
    assert (back.radius_nm >= 1).all()
