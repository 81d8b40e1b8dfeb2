"""Every service of the sandbox is a view of one history, and the same seed tells the same history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import requests

from crantdb.sandbox import Datastack, Sandbox, generate_world

if TYPE_CHECKING:
    from crantdb.sandbox.history import History

PCG = "/segmentation/api/v1/table/sandbox_pcg"


@pytest.fixture
def history(world: Datastack) -> History:
    """Return the generated world's history."""
    assert world.truth is not None
    return world.truth.history


def bound_columns(table: pa.Table) -> list[str]:
    """Return the names of the bound points of a table."""
    return [name.removesuffix("_root_id") for name in table.column_names if name.endswith("_root_id")]


def roots_of(sandbox: Sandbox, ids: np.ndarray, seconds: float) -> np.ndarray:
    """Return the roots that the chunkedgraph gives over HTTP."""
    url = f"{sandbox.url}{PCG}/roots_binary?timestamp={seconds!r}"
    answer = requests.post(url, data=ids.astype("<u8").tobytes(), timeout=30)
    return np.frombuffer(answer.content, dtype="<u8").astype(np.int64)


@pytest.mark.parametrize("number", [2, 3, 4, 5])
def test_frozen_roots_are_those_of_the_chunkedgraph(sandbox: Sandbox, world: Datastack, number: int) -> None:
    """In every table of a version, each supervoxel has the root that the chunkedgraph gives at its moment."""
    version = world.version(number)
    checked = 0
    for table in version.tables:
        for point in bound_columns(table.rows):
            bound = table.rows.filter(pc.is_valid(table.rows[f"{point}_supervoxel_id"]))
            supervoxels = bound[f"{point}_supervoxel_id"].to_numpy()
            got = roots_of(sandbox, supervoxels, version.time_stamp.timestamp())
            assert np.array_equal(got, bound[f"{point}_root_id"].to_numpy()), (table.name, point)
            checked += len(bound)
    assert checked > 30_000


def test_versions_differ_where_edits_were_made(world: Datastack) -> None:
    """Between two versions some rows change their roots and most do not."""
    tables = [world.version(number).table("synapses_v2").rows for number in (3, 5)]
    roots = [dict(zip(t["id"].to_pylist(), t["pre_pt_root_id"].to_pylist(), strict=True)) for t in tables]
    both = roots[0].keys() & roots[1].keys()
    changed = sum(roots[0][key] != roots[1][key] for key in both)
    assert 0.02 * len(both) < changed < 0.5 * len(both)
    assert roots[1].keys() - roots[0].keys(), "later rows"
    assert roots[0].keys() - roots[1].keys(), "superseded rows"


def test_leaves_and_roots_are_inverse(sandbox: Sandbox, history: History) -> None:
    """The leaves of a root, supervoxels or L2 ids, have that root at its birth, and nothing else has."""
    root = next(r for r in history.roots.values() if r.former and r.retired_us and len(r.pieces) > 50)
    leaves = requests.get(f"{sandbox.url}{PCG}/node/{root.id}/leaves", timeout=30).json()["leaf_ids"]
    every = roots_of(sandbox, history.pieces.supervoxels, root.born_us / 1e6)
    assert leaves == history.pieces.supervoxels[every == root.id].tolist()
    l2 = requests.get(f"{sandbox.url}{PCG}/node/{root.id}/leaves?stop_layer=2", timeout=30).json()["leaf_ids"]
    assert set(roots_of(sandbox, np.array(l2), root.born_us / 1e6).tolist()) == {root.id}
    assert len(l2) == len(root.pieces)


def test_leaves_in_a_box_are_those_of_its_chunks(sandbox: Sandbox, history: History) -> None:
    """`bounds` in voxels keeps the L2 ids of the chunks it touches."""
    root = max(history.roots.values(), key=lambda r: len(r.pieces))
    l2 = history.l2_leaves(root)
    chunk = history.grid.layout.chunk(l2, 2)
    low = np.array(history.grid.offset) + chunk[0] * history.grid.chunk
    box = "_".join(f"{a}-{a + size}" for a, size in zip(low, history.grid.chunk, strict=True))
    url = f"{sandbox.url}{PCG}/node/{root.id}/leaves?stop_layer=2&bounds={box}"
    inside = requests.get(url, timeout=30).json()["leaf_ids"]
    assert inside == l2[(chunk == chunk[0]).all(axis=1)].tolist()


def test_an_edit_replaces_the_l2_ids_it_touches(history: History) -> None:
    """The two pieces of an edit have new L2 ids afterwards, and an old one still names its last root."""
    operation = history.operations[10]
    pieces = np.array(operation.pieces)
    before, after = history.l2_of.at(pieces, 10), history.l2_of.at(pieces, 11)
    assert not set(before.tolist()) & set(after.tolist())
    assert set(history.roots_at(before, 2**62).tolist()) <= set(operation.old_roots)
    assert set(history.grid.layout.layer(after).tolist()) == {2}


def test_every_sort_of_edit_happens(history: History) -> None:
    """There are merges, splits, and between versions a root that no version saw."""
    assert {operation.kind for operation in history.operations} == {"merge", "split"}
    for operation in history.operations:
        assert len(operation.old_roots) == (2 if operation.kind == "merge" else 1)
        assert len(operation.new_roots) == (1 if operation.kind == "merge" else 2)
    created = {root for operation in history.operations for root in operation.new_roots}
    retired = {root for operation in history.operations for root in operation.old_roots}
    assert created & retired


def test_ids_follow_the_published_layout(history: History) -> None:
    """Supervoxel and L2 ids lie in the chunk of their piece; root ids have the highest layer."""
    layout, pieces = history.grid.layout, history.pieces
    assert np.array_equal(layout.chunk(pieces.supervoxels, 1), pieces.piece_chunk[pieces.supervoxel_piece])
    assert np.array_equal(layout.chunk(pieces.piece_l2, 2), pieces.piece_chunk)
    assert set(layout.layer(list(history.roots)).tolist()) == {8}
    assert len(set(pieces.piece_l2.tolist())) == len(pieces.piece_l2)


def test_chunks_contain_their_nodes(history: History) -> None:
    """Every node lies in the chunk of its piece, and a supervoxel never reaches over two pieces."""
    pieces = history.pieces
    where = history.grid.chunk_of(pieces.node_xyz_nm)
    assert np.array_equal(where, pieces.piece_chunk[pieces.node_piece])
    pairs = np.unique(np.stack([pieces.node_supervoxel, pieces.node_piece]), axis=1)
    assert len(np.unique(pairs[0])) == pairs.shape[1]


def test_synapses_lie_on_their_neurons(world: Datastack, synapses: pa.Table) -> None:
    """Each bound point of a synapse is a node of its supervoxel, to the voxel."""
    pieces = world.truth.brain.pieces
    voxels = np.round(pieces.node_xyz_nm / [8, 8, 42]).astype(np.int64)
    nodes = set(zip(pieces.node_supervoxel.tolist(), *voxels.T.tolist(), strict=True))
    columns = ["pre_pt_supervoxel_id", *(f"pre_pt_position_{axis}" for axis in "xyz")]
    bound = synapses.filter(pc.greater(synapses["pre_pt_supervoxel_id"], 0)).select(columns)
    rows = {tuple(row.values()) for row in bound.to_pylist()}
    assert rows <= nodes


def test_the_same_seed_gives_the_same_tables() -> None:
    """Two worlds of one seed are equal in every cell of every table and view; another seed's is not."""
    first, second, other = (generate_world(seed, 8, 1_000) for seed in (5, 5, 6))
    assert cells(first) == cells(second)
    assert cells(first) != cells(other)


def cells(world: Datastack) -> list[Any]:
    """Return everything that a world serves as tables, as the bytes of Arrow streams."""
    out = []
    for version in world.versions:
        for served in (*version.tables, *version.views):
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, served.rows.schema) as writer:
                writer.write_table(served.rows)
            out.append((version.number, served.name, sink.getvalue().to_pybytes()))
    return out


def test_the_dirt_is_there(world: Datastack, synapses: pa.Table) -> None:
    """Ids beyond 32 and 53 bits, gaps, NULL and zero roots, autapses and missing points all occur."""
    ids = synapses["id"].to_numpy()
    assert ids[-3:].tolist() == [3_000_000_001, 3_000_000_002, 2**53 + 1]
    assert len(np.unique(ids)) == len(ids) < ids[-4]
    for point in ("pre_pt", "post_pt"):
        assert synapses[f"{point}_root_id"].null_count > 10
        assert pc.sum(pc.equal(synapses[f"{point}_root_id"], 0)).as_py() > 10
    assert pc.sum(pc.equal(synapses["pre_pt_root_id"], synapses["post_pt_root_id"])).as_py() > 50
    sizes = synapses["size"].drop_null()
    assert sizes.cast(pa.float32(), safe=False).cast(pa.float64()).to_pylist() != sizes.to_pylist()
    assert world.version(5).table("nuclei_v1").rows["pt_position_x"].null_count == 4
