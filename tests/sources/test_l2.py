"""L2 data from a real HTTP server: whole, checked against itself, and true to the generated pieces."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from crantdb.errors import BadResponse, Interrupted, NotServed, ServiceUnavailable
from crantdb.sandbox import Datastack, Fault, Sandbox
from crantdb.sandbox.l2_graph import l2_edges
from crantdb.sandbox.l2cache import CacheState, gaps_of
from crantdb.sources.cave import CaveOptions
from crantdb.sources.l2 import L2Options, L2Service, RootGraph, open_l2
from crantdb.sources.l2_rows import NODE_SCHEMA, node_batch
from crantdb.sources.opening import open_cave
from crantdb.sources.transport import RetryRule
from tests.recorded import wire
from tests.sync.l2_bench import small_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crantdb.sandbox.history import History
    from crantdb.sources.cave import Cave

QUICK = CaveOptions(timeout_s=5, rule=RetryRule(tries=3, patience_s=5, backoff_s=0.01))
WIRE = Path(__file__).resolve().parents[2].parent / "shared" / "wire"


@pytest.fixture(scope="module")
def world() -> Datastack:
    """Return a small generated world whose cache lacks a few ids for good."""
    return small_world(missing_share=0.01, placeholder_share=0.01)


@pytest.fixture(scope="module")
def history(world: Datastack) -> History:
    """Return its history."""
    assert world.chunkedgraph is not None
    return world.chunkedgraph


@pytest.fixture(scope="module")
def served(world: Datastack) -> Iterator[Sandbox]:
    """Return the sandbox that serves it."""
    with Sandbox(world) as sandbox:
        yield sandbox


@pytest.fixture
def cave(served: Sandbox, world: Datastack) -> Iterator[Cave]:
    """Return the datastack, the sandbox without faults."""
    served.faults.clear()
    served.log.clear()
    yield open_cave(world.name, served.url, None, QUICK)
    served.faults.clear()


@pytest.fixture
def service(cave: Cave) -> L2Service:
    """Return its L2 data."""
    return open_l2(cave, L2Options(parallel=2, ids_at_once=300))


def graphs(service: L2Service, roots: list[int]) -> tuple[dict[int, RootGraph], dict[int, str]]:
    """Return all graphs and all failures."""
    batches = list(service.graphs(roots))
    failed = {root: why for batch in batches for root, why in batch.failed.items()}
    return {graph.root: graph for batch in batches for graph in batch.graphs}, failed


def test_every_root_has_its_leaves_and_its_edges(service: L2Service, history: History) -> None:
    """L2 ids and edges of every root there ever was, single-chunk ones too, are those of the generated pieces."""
    found, failed = graphs(service, list(history.roots))
    assert failed == {}
    assert set(found) == set(history.roots)
    for root in history.roots.values():
        assert found[root.id].l2_ids.tolist() == sorted(history.l2_leaves(root).tolist())
        assert np.array_equal(found[root.id].edges, l2_edges(history, root))
    assert min(len(graph.l2_ids) for graph in found.values()) == 1


def test_an_id_that_is_no_root_is_told_and_spoils_no_other(service: L2Service, history: History) -> None:
    """A root that the server refuses, or that has no leaves, is reported with the reason; the others come."""
    good = sorted(history.roots)[:30]
    found, failed = graphs(service, [*good, good[0] + 2**40])
    assert set(found) == set(good)
    assert set(failed) == {good[0] + 2**40}
    assert "no root id" in failed[good[0] + 2**40]


def test_what_the_cache_knows_and_what_it_lacks(
    service: L2Service, world: Datastack, history: History
) -> None:
    """Each id asked for is either known, a row with a point and a size, or missing: absent or a size-0 placeholder."""
    ids = np.unique(history.l2_of.values)
    gaps = np.array(gaps_of(world.l2, ids))
    batches = list(service.nodes(ids[::-1]))
    known = pa.concat_tables([batch.known for batch in batches]).sort_by("l2_id")
    missing = np.sort(np.concatenate([batch.missing for batch in batches]))
    assert {"missing", "placeholder"} <= set(gaps.tolist())
    assert np.array_equal(known["l2_id"].to_numpy(), ids[gaps == ""])
    assert np.array_equal(missing, ids[gaps != ""])
    assert known.schema == NODE_SCHEMA
    assert known["x_nm"].null_count == known["size_nm3"].null_count == 0
    assert known["pca"].null_count > 0
    assert known["mean_dt_nm"].null_count > 0


def test_no_more_ids_a_request_than_asked(service: L2Service, served: Sandbox, history: History) -> None:
    """Ids go in batches of the given size, each id once."""
    ids = np.unique(history.l2_of.values)
    assert sum(len(batch.l2_ids) for batch in service.nodes([*ids, *ids])) == len(ids)
    assert served.log.count("/attributes$") == -(-len(ids) // 300)


def test_nothing_wanted_is_nothing_asked(service: L2Service, served: Sandbox) -> None:
    """Without roots and without ids no request is made."""
    served.log.clear()
    assert list(service.graphs([])) == list(service.nodes([])) == []
    assert served.log.entries() == ()


@pytest.mark.parametrize("kind", ["status", "reset", "truncate", "html"])
def test_a_failure_that_passes_is_not_seen(
    service: L2Service, served: Sandbox, history: History, kind: str
) -> None:
    """Gateway errors, broken connections, cut answers and web pages in the place of data are asked again."""
    roots = sorted(history.roots)[:3]
    served.faults.add(Fault(kind, match="lvl2_graph|attributes", times=1, code=503))
    found, failed = graphs(service, roots)
    assert (set(found), failed) == (set(roots), {})
    assert served.log.count("lvl2_graph") == len(roots) + 1


def test_a_failure_that_stays_is_an_error(service: L2Service, served: Sandbox, history: History) -> None:
    """A cache that is down is a ServiceUnavailable after bounded tries, not a set of missing ids."""
    served.faults.add(Fault("status", match="attributes", code=503, times=None))
    with pytest.raises(ServiceUnavailable, match="given up after 3 tries"):
        list(service.nodes(np.unique(history.l2_of.values)[:5]))


def test_a_root_that_the_server_cannot_answer_spoils_no_other(
    service: L2Service, served: Sandbox, history: History
) -> None:
    """One root whose graph always times out is reported with the reason; the others come."""
    roots = sorted(history.roots)[:10]
    served.faults.add(Fault("status", match=f"{roots[4]}/lvl2_graph", code=504, times=None))
    found, failed = graphs(service, roots)
    assert set(found) == set(roots) - {roots[4]}
    assert set(failed) == {roots[4]}
    assert "504" in failed[roots[4]]


def test_a_server_that_is_down_is_no_list_of_failed_roots(
    service: L2Service, served: Sandbox, history: History
) -> None:
    """When root after root gets no answer, the server is down, and that is the error."""
    served.faults.add(Fault("status", match="lvl2_graph", code=503, times=None))
    with pytest.raises(ServiceUnavailable, match="given up after 3 tries"):
        graphs(service, sorted(history.roots)[:10])


def test_an_attribute_that_a_cache_lacks_stays_empty(
    service: L2Service, served: Sandbox, history: History
) -> None:
    """An older cache without axes is asked for the rest; one without points or sizes is refused."""
    ids = np.unique(history.l2_of.values)[:700]
    unknown = json.dumps({"code": 500, "message": "'pca_val'", "traceback": []}).encode()
    served.faults.add(Fault("status", match="pca_val", code=500, body=unknown, times=None))
    known = pa.concat_tables([batch.known for batch in service.nodes(ids)])
    assert known["pca_val"].null_count == len(known) > 600
    assert known["pca"].null_count < len(known)
    lost = json.dumps({"code": 500, "message": "'size_nm3'", "traceback": []}).encode()
    served.faults.add(Fault("status", match="size_nm3", code=500, body=lost, times=None))
    with pytest.raises(BadResponse, match="size_nm3"):
        list(service.nodes(ids[:5]))


def test_stopping_ends_it(service: L2Service, cave: Cave, history: History) -> None:
    """A transport that was told to stop ends the work as interrupted."""
    cave.transport.stop.set()
    with pytest.raises(Interrupted):
        list(service.graphs(list(history.roots)))


def test_without_a_cache_it_says_so(world: Datastack) -> None:
    """A datastack whose chunkedgraph has no L2 cache is told by name."""
    with Sandbox(replace(world, l2=CacheState(cache_id=None))) as sandbox:
        cave = open_cave(world.name, sandbox.url, None, QUICK)
        with pytest.raises(NotServed, match="no L2 cache of the chunkedgraph sandbox_pcg"):
            open_l2(cave)


@pytest.mark.skipif(not WIRE.is_dir(), reason="the recordings are not beside the checkout")
@pytest.mark.parametrize("name", ["0272_l2_data", "0276_l2_data_table", "0279_l2_empty"])
def test_recorded_answers_are_read(name: str) -> None:
    """What a real cache answered becomes rows: every id known or missing, NaN and absent axes NULL."""
    recording = wire.read(WIRE, name)
    ids = np.unique(np.array(json.loads(recording.request_body)["l2_ids"], dtype=np.int64))
    served = recording.answer.json()
    batch = node_batch(ids, [served[str(node)] for node in ids], "recorded")
    assert batch.missing.tolist() == [node for node in ids.tolist() if not served[str(node)]]
    for row in batch.known.to_pylist():
        real = served[str(row["l2_id"])]
        assert [row["x_nm"], row["y_nm"], row["z_nm"]] == real["rep_coord_nm"]
        assert (row["size_nm3"], row["max_dt_nm"]) == (real["size_nm3"], real["max_dt_nm"])
        assert (row["pca"] is None) == ("pca" not in real)
        assert (row["mean_dt_nm"] is None) == (real["mean_dt_nm"] != real["mean_dt_nm"])


@pytest.mark.parametrize(
    "known",
    [
        {"size_nm3": 5, "rep_coord_nm": [1.0, 2.0]},
        {"size_nm3": "five", "rep_coord_nm": [1.0, 2.0, 3.0]},
        {"size_nm3": 5, "rep_coord_nm": [1.0, 2.0, 3.0], "pca": [[1.0]]},
    ],
)
def test_attributes_in_another_form_are_refused(known: dict[str, object]) -> None:
    """A point of two numbers, a size that is no number or axes of another shape are no rows."""
    with pytest.raises(BadResponse, match="not the L2 cache's"):
        node_batch(np.array([5]), [known], "here")
