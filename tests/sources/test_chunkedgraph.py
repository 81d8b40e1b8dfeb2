"""The chunkedgraph's client, over HTTP against the sandbox, whose history is the truth."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from crantdb.errors import BadResponse, NotServed, ServiceUnavailable
from crantdb.sandbox import Fault, Sandbox, generate_world
from crantdb.sources.cave import Cave, CaveOptions
from crantdb.sources.chunkedgraph import Batches, Chunkedgraph, open_chunkedgraph
from crantdb.sources.opening import open_cave
from crantdb.sources.pcg_wire import seconds
from crantdb.sources.transport import RetryRule
from tests.sources.loopback import Loopback, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crantdb.sandbox.history import History

RULE = RetryRule(tries=2, backoff_s=0.01)
FAR = datetime(2027, 1, 1, tzinfo=UTC)


def when(at_us: int) -> datetime:
    """Return a moment in µs since 1970."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Return a running sandbox."""
    with Sandbox(generate_world(neurons=12, synapses=1000)) as running:
        yield running


@pytest.fixture(scope="module")
def cave(sandbox: Sandbox) -> Cave:
    """Return its datastack."""
    return open_cave("sandbox_ant", sandbox.url, None, CaveOptions(rule=RULE))


@pytest.fixture
def graph(cave: Cave) -> Chunkedgraph:
    """Return its chunkedgraph, asked in batches so small that every answer is put together."""
    return open_chunkedgraph(cave, Batches(roots=7, latest=5, lineage=2))


@pytest.fixture
def history(sandbox: Sandbox) -> History:
    """Return the truth."""
    [stack] = sandbox._site.datastacks()
    assert stack.chunkedgraph is not None
    return stack.chunkedgraph


def test_roots_are_those_of_the_moment(graph: Chunkedgraph, history: History) -> None:
    """Each supervoxel's root is the one it had then; ids that are none, zero and negative ones have root 0."""
    some = np.r_[history.pieces.supervoxels[:40], 0, -3, 5, history.pieces.supervoxels[3]]
    for at_us in (int(history.times_us[3]), int(history.times_us[-1])):
        expected = history.roots_at(np.maximum(some, 0), at_us)
        assert graph.roots_of(some, when(at_us)).tolist() == expected.tolist()
    assert graph.roots_of([], FAR).tolist() == []


def test_an_edit_in_the_second_of_a_version_lands_on_the_right_side(
    graph: Chunkedgraph, history: History
) -> None:
    """A µs before an edit the old root stands, at its µs the new one: no digit of a moment is lost."""
    edit = history.operations[-1]
    supervoxel = history.leaves(history.roots[edit.new_roots[0]])[:1]
    before, at = when(edit.time_us - 1), when(edit.time_us)
    assert graph.roots_of(supervoxel, before)[0] in edit.old_roots
    assert graph.roots_of(supervoxel, at)[0] == edit.new_roots[0]
    assert graph.is_latest(edit.old_roots, before).all()
    assert not graph.is_latest(edit.old_roots, at).any()


def test_moments_are_utc_and_exact() -> None:
    """A moment goes out in seconds of UTC with six digits, whatever its zone; one without a zone is refused."""
    east = datetime(2026, 3, 20, 9, 5, 18, 84051, tzinfo=UTC).astimezone(
        datetime.now(UTC).astimezone().tzinfo
    )
    assert seconds(east) == "1773997518.084051"
    assert seconds(datetime(2026, 3, 20, 9, 5, 18, 1, tzinfo=UTC)) == "1773997518.000001"
    with pytest.raises(ValueError, match="no time zone"):
        seconds(datetime(2026, 3, 20))  # noqa: DTZ001 - that is the point


def test_delta_roots_gives_each_root_once(graph: Chunkedgraph, history: History) -> None:
    """Old and new roots are what the edits in between retired and made, each id once; an empty time has none."""
    past, future = int(history.times_us[2]), int(history.times_us[-2])
    edits = [edit for edit in history.operations if past < edit.time_us <= future]
    old, new = graph.delta_roots(when(past), when(future))
    assert old.tolist() == sorted({root for edit in edits for root in edit.old_roots})
    assert new.tolist() == sorted({root for edit in edits for root in edit.new_roots})
    assert old.dtype == new.dtype == np.int64
    for empty in (graph.delta_roots(FAR, FAR), graph.delta_roots(when(past), when(past + 1))):
        assert [part.tolist() for part in empty] == [[], []]
        assert [part.dtype for part in empty] == [np.int64, np.int64]


def test_lineage_is_put_together_from_batches(graph: Chunkedgraph, history: History) -> None:
    """Births, edits and links of all roots asked for are those of the truth, whatever the batches."""
    roots = [root for edit in history.operations for root in edit.new_roots]
    found = graph.lineage(roots, None, FAR)
    expected = {(old, new) for edit in history.operations for old in edit.old_roots for new in edit.new_roots}
    assert set(zip(found.before.tolist(), found.after.tolist(), strict=True)) == expected
    assert found.born_us.tolist() == [history.roots[root].born_us for root in found.roots.tolist()]
    retired = {root: edit.number for edit in history.operations for root in edit.old_roots}
    assert found.retired_by.tolist() == [retired.get(root, 0) for root in found.roots.tolist()]


def test_births_and_what_is_known(graph: Chunkedgraph, history: History) -> None:
    """Roots have their births to the µs; ids that never were are told apart from retired ones."""
    roots = list(history.roots)[-9:]
    assert graph.born_us(roots).tolist() == [history.roots[root].born_us for root in roots]
    assert graph.known([roots[0], 5, 0, -1, int(history.pieces.supervoxels[0])]).tolist() == [
        *(True, False, False, False, True)
    ]


def test_past_ids_and_the_change_log(graph: Chunkedgraph, history: History) -> None:
    """A merged root is known to have been two, and its change log names that edit."""
    merge = next(edit for edit in history.operations if edit.kind == "merge")
    [root] = merge.new_roots
    assert sorted(graph.past_ids([root], when(merge.time_us - 1))[root]) == sorted(merge.old_roots)
    rows = graph.change_log([root], filtered=False)[root]
    assert [row["after_root_ids"] for row in rows if row["operation_id"] == merge.number] == [[root]]
    first = next(iter(history.roots))
    assert graph.change_log([first])[first] == []


def test_leaves_are_the_roots_own(graph: Chunkedgraph, history: History) -> None:
    """The L2 ids and the supervoxels of a root are those it has, ascending."""
    root = history.roots[next(iter(history.roots))]
    assert graph.leaves(root.id, stop_layer=2).tolist() == sorted(history.l2_leaves(root).tolist())
    assert graph.leaves(root.id).tolist() == history.leaves(root).tolist()


def test_a_datastack_without_a_chunkedgraph_says_so(cave: Cave) -> None:
    """No address is made up for a segmentation that is a plain volume."""
    plain = Cave(
        "flat", cave.server, {"segmentation_source": "precomputed://x"}, cave.transport, CaveOptions()
    )
    with pytest.raises(NotServed, match="no chunkedgraph"):
        open_chunkedgraph(plain)


def test_a_failure_is_tried_again_and_then_told(
    sandbox: Sandbox, graph: Chunkedgraph, history: History
) -> None:
    """A gateway's error passes at the second try; a server that is down is a `ServiceUnavailable`."""
    some = history.pieces.supervoxels[:1]
    try:
        sandbox.faults.add(Fault("status", match="roots_binary", code=503))
        assert graph.roots_of(some, FAR)[0] > 0
        sandbox.faults.add(Fault("status", match="roots_binary", code=503, times=None))
        with pytest.raises(ServiceUnavailable, match="given up after 2 tries"):
            graph.roots_of(some, FAR)
    finally:
        sandbox.faults.clear()


@pytest.mark.parametrize(
    ("body", "method", "error"),
    [
        (b"\0" * 7, lambda g: g.roots_of([5], FAR), ServiceUnavailable),
        (b"\xff" * 8, lambda g: g.roots_of([5], FAR), BadResponse),
        (b"[1]", lambda g: g.is_latest([5], FAR), BadResponse),
        (b'{"is_latest": []}', lambda g: g.is_latest([5], FAR), BadResponse),
        (b'{"is_latest": ', lambda g: g.is_latest([5], FAR), ServiceUnavailable),
        (b'{"timestamp": ["x"]}', lambda g: g.born_us([5]), BadResponse),
        (
            b'{"old_roots": [1.5], "new_roots": []}',
            lambda g: g.delta_roots(FAR, FAR + timedelta(1)),
            BadResponse,
        ),
        (b'{"old_roots": []}', lambda g: g.delta_roots(FAR, FAR + timedelta(1)), BadResponse),
        (b'{"5": "nonsense"}', lambda g: g.change_log([5]), BadResponse),
    ],
)
def test_an_answer_that_is_not_what_was_asked_is_refused(
    cave: Cave, body: bytes, method: Any, error: type[Exception]
) -> None:
    """Bytes cut short, too few answers, floats for ids: each is an error, never a root."""
    with Loopback([Reply(body)]) as server:
        info = {"local_server": server.url, "segmentation_source": "graphene://x/segmentation/table/pcg"}
        other = Cave("odd", server.url, info, cave.transport, CaveOptions())
        with pytest.raises(error):
            method(open_chunkedgraph(other))


def test_ids_travel_as_little_endian_uint64(cave: Cave) -> None:
    """The wire format is the recorded one: raw bytes of the ids, and JSON lists of whole numbers."""
    with Loopback(
        [Reply((7).to_bytes(8, "little")), Reply(json.dumps({"is_latest": [True]}).encode())]
    ) as server:
        info = {"local_server": server.url, "segmentation_source": "graphene://x/segmentation/table/pcg"}
        other = open_chunkedgraph(Cave("odd", server.url, info, cave.transport, CaveOptions()))
        assert other.roots_of([2**56 + 1], datetime(2026, 1, 1, 0, 0, 0, 5, tzinfo=UTC)).tolist() == [7]
        assert other.is_latest([2**59 + 7], FAR).tolist() == [True]
    assert "/segmentation/api/v1/table/pcg/roots_binary?timestamp=1767225600.000005 " in server.seen[0]
    assert "/is_latest_roots?timestamp=" in server.seen[1]
