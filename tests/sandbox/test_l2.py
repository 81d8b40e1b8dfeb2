"""L2 graphs and the L2 cache of the sandbox: as caveclient asks for them, and true to the generated pieces."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import requests

from crantdb.sandbox import Datastack, Sandbox
from crantdb.sandbox.l2_graph import l2_edges
from crantdb.sandbox.l2cache import CacheState, gaps_of, pieces_of

if TYPE_CHECKING:
    from caveclient import CAVEclient

    from crantdb.sandbox.history import History

CACHE = "/l2cache/api/v1/table/sandbox_pcg/attributes"


@pytest.fixture
def history(world: Datastack) -> History:
    """Return the generated world's history."""
    assert world.chunkedgraph is not None
    return world.chunkedgraph


def biggest(history: History) -> int:
    """Return the root with the most pieces."""
    return max(history.roots, key=lambda root: len(history.roots[root].pieces))


def test_the_graph_of_a_root_joins_its_leaves(client: CAVEclient, history: History) -> None:
    """The L2 graph of a neuron is a tree over its L2 leaves: pairs in order, each once, no loop, none left out."""
    root = history.roots[biggest(history)]
    edges = np.asarray(client.chunkedgraph.level2_chunk_graph(root.id), dtype=np.int64)
    leaves = np.asarray(client.chunkedgraph.get_leaves(root.id, stop_layer=2), dtype=np.int64)
    assert (edges[:, 0] < edges[:, 1]).all()
    assert np.array_equal(edges, np.unique(edges, axis=0))
    assert set(edges.ravel().tolist()) == set(leaves.tolist())
    assert len(edges) == len(leaves) - 1


def test_an_edit_changes_only_the_l2_ids_it_touches(client: CAVEclient, history: History) -> None:
    """Before and after an edit a neuron's L2 ids are the same, but for the two pieces that were edited."""
    edit = next(op for op in history.operations if op.kind == "split")
    before = set(client.chunkedgraph.get_leaves(edit.old_roots[0], stop_layer=2).tolist())
    after = {
        n for root in edit.new_roots for n in client.chunkedgraph.get_leaves(root, stop_layer=2).tolist()
    }
    assert len(before - after) == len(after - before) == 2
    for root in edit.new_roots:
        edges = client.chunkedgraph.level2_chunk_graph(root)
        assert np.array_equal(np.reshape(edges, (-1, 2)), l2_edges(history, history.roots[root]))


def test_a_single_chunk_and_no_root_have_no_edges(client: CAVEclient, history: History) -> None:
    """A root of one L2 chunk has an empty graph but one leaf; an id that is no root has an empty graph."""
    alone = next(root for root in history.roots.values() if len(root.pieces) == 1)
    assert len(client.chunkedgraph.level2_chunk_graph(alone.id)) == 0
    assert len(client.chunkedgraph.get_leaves(alone.id, stop_layer=2)) == 1
    assert len(client.chunkedgraph.level2_chunk_graph(12345)) == 0


def test_representative_points_lie_in_their_own_chunk(client: CAVEclient, history: History) -> None:
    """Every representative point lies in the chunk that its id names, on the lattice of whole voxels."""
    ids = history.l2_leaves(history.roots[biggest(history)])
    data = client.l2cache.get_l2data(ids, attributes=["rep_coord_nm"])
    there = [int(key) for key, known in data.items() if known]
    points = np.array([data[str(node)]["rep_coord_nm"] for node in there])
    assert np.array_equal(history.grid.chunk_of(points), history.grid.layout.chunk(there, 2))
    assert not (points % history.grid.voxel_nm).any()
    assert len(there) > 0.95 * len(ids)


def test_ids_the_cache_lacks_come_when_asked_again(
    sandbox: Sandbox, world: Datastack, history: History
) -> None:
    """A missing id is ``{}`` and a failed one has size 0 alone; asked again, both are there."""
    ids = np.unique(history.l2_of.values)
    kinds = gaps_of(world.l2, ids)
    missing, failed = (
        [n for n, k in zip(ids.tolist(), kinds, strict=True) if k == kind][-1]
        for kind in ("missing", "placeholder")
    )
    first, second = (ask(sandbox, [missing, failed]) for _ in range(2))
    assert first == {str(missing): {}, str(failed): {"size_nm3": 0}}
    assert all(len(known) >= 6 for known in second.values())


def test_small_pieces_lack_axes_and_some_means_are_nan(
    sandbox: Sandbox, world: Datastack, history: History
) -> None:
    """Pieces below 0.01 µm³ come without axes, the others with unit vectors; a few mean distances are a bare NaN."""
    whole = replace(world, name="whole", pcg_table="whole_pcg", l2=CacheState())
    ids = np.unique(history.l2_of.values)[:2000].tolist()
    with Sandbox(whole) as other:
        url = f"{other.url}{CACHE.replace('sandbox_pcg', 'whole_pcg')}"
        answer = requests.post(url, json={"l2_ids": ids}, timeout=30)
    found = list(answer.json().values())
    assert len(found) == len(ids)
    assert b'"mean_dt_nm":NaN' in answer.content
    assert {("pca" in known) == (known["size_nm3"] >= 1e7) for known in found} == {True}
    axes = np.array([known["pca"] for known in found if "pca" in known])
    assert 0 < len(axes) < len(found)
    assert np.allclose(np.linalg.norm(axes, axis=2), 1, atol=2e-3)


def test_attributes_can_be_chosen_and_unknown_ones_fail(sandbox: Sandbox, history: History) -> None:
    """`attribute_names` keeps those named; one that the cache does not know is a 500 that names it."""
    node = int(np.unique(history.l2_of.values)[0])
    url = f"{sandbox.url}{CACHE}?attribute_names="
    body = {"l2_ids": [node, node, 7]}
    some = requests.post(f"{url}size_nm3,max_dt_nm", json=body, timeout=30).json()
    assert {key: set(known) for key, known in some.items()} == {
        str(node): {"size_nm3", "max_dt_nm"},
        "7": set(),
    }
    wrong = requests.post(f"{url}nope", json=body, timeout=30)
    assert (wrong.status_code, wrong.json()["message"]) == (500, "'nope'")


def test_a_datastack_without_a_cache_says_so(world: Datastack, history: History) -> None:
    """A chunkedgraph without a cache is not in the table mapping."""
    with Sandbox(replace(world, l2=CacheState(cache_id=None))) as other:
        mapping = requests.get(f"{other.url}/l2cache/api/v1/table_mapping", timeout=30).json()
    assert mapping == {}


def test_edited_pieces_keep_their_attributes(history: History) -> None:
    """Every L2 id that a piece ever had stands for that piece; an id that never was one for none."""
    edit = history.operations[0]
    ids = [history.l2_of.at(np.array(edit.pieces), epoch) for epoch in (0, 1)]
    assert not set(ids[0].tolist()) & set(ids[1].tolist())
    assert all(pieces_of(history, found).tolist() == list(edit.pieces) for found in ids)
    assert pieces_of(history, np.array([7])).tolist() == [-1]


def ask(sandbox: Sandbox, ids: list[int]) -> dict[str, dict[str, object]]:
    """Return what the cache knows of ids, over plain HTTP."""
    known: dict[str, dict[str, object]] = requests.post(
        f"{sandbox.url}{CACHE}", json={"l2_ids": ids}, timeout=30
    ).json()
    return known
