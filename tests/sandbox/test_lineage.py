"""Lineage, past ids and the operation log of the sandbox, asked through caveclient, against the world's truth."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from caveclient import CAVEclient

    from crantdb.sandbox import Datastack, Sandbox
    from crantdb.sandbox.history import History, Operation


def when(at_us: int) -> datetime:
    """Return a moment in µs as a datetime."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)


@pytest.fixture
def history(world: Datastack) -> History:
    """Return the world's history."""
    assert world.chunkedgraph is not None
    return world.chunkedgraph


@pytest.fixture
def merge(history: History) -> Operation:
    """Return the last merge."""
    return [edit for edit in history.operations if edit.kind == "merge"][-1]


def test_lineage_reaches_every_ancestor_and_every_descendant(client: CAVEclient, history: History) -> None:
    """Every edit between a root and its first and last relatives is a link; retired roots name their edit."""
    first = history.operations[0].old_roots[0]
    graph = client.chunkedgraph.get_lineage_graph(first, timestamp_future=when(2**51))
    links = {(link["source"], link["target"]) for link in graph["links"]}
    reached = {first}
    for edit in history.operations:
        for old in edit.old_roots:
            if old in reached:
                assert {(old, new) for new in edit.new_roots} <= links
                reached |= set(edit.new_roots)
    assert {node["id"] for node in graph["nodes"]} == reached
    for node in graph["nodes"]:
        assert node["timestamp"] == history.roots[node["id"]].born_us / 1e6
        assert ("operation_id" in node) == (history.roots[node["id"]].retired_us is not None)


def test_lineage_stops_at_the_moments_asked_for(client: CAVEclient, merge: Operation) -> None:
    """Up to the moment before an edit, the root that it retired has no descendants; at it, it has."""
    before, at = when(merge.time_us - 1), when(merge.time_us)
    ask = client.chunkedgraph.get_lineage_graph
    old = merge.old_roots[0]
    assert [link for link in ask(old, timestamp_future=before)["links"] if link["source"] == old] == []
    links = ask(old, timestamp_past=at, timestamp_future=at)["links"]
    assert links == [{"source": old, "target": merge.new_roots[0]}]


def test_past_ids_are_the_roots_it_was_made_of(client: CAVEclient, merge: Operation) -> None:
    """A merged root had two past ids before its edit, and those have it as their only future."""
    before = when(merge.time_us - 1)
    found = client.chunkedgraph.get_past_ids(list(merge.new_roots), timestamp_past=before)
    assert sorted(found["past_id_map"][merge.new_roots[0]]) == sorted(merge.old_roots)
    onward = client.chunkedgraph.get_past_ids(list(merge.old_roots), before, when(merge.time_us))
    assert onward["future_id_map"] == dict.fromkeys(merge.old_roots, merge.new_roots[0])


def test_a_root_that_was_split_has_no_single_future(client: CAVEclient, history: History) -> None:
    """Of a root that became two, the future is left out rather than guessed."""
    split = next(edit for edit in history.operations if edit.kind == "split")
    found = client.chunkedgraph.get_past_ids(
        list(split.old_roots), when(split.time_us - 1), when(split.time_us)
    )
    assert found["future_id_map"] == {}


def test_the_change_log_tells_every_edit(client: CAVEclient, history: History, merge: Operation) -> None:
    """The tabular change log gives roots before and after each edit, to the millisecond."""
    root = merge.new_roots[0]
    frame = client.chunkedgraph.get_tabular_change_log([root], filtered=False)[root]
    row = frame[frame["operation_id"] == merge.number].iloc[0]
    assert row["timestamp"] == merge.time_us // 1000
    assert row["before_root_ids"] == list(merge.old_roots)
    assert row["after_root_ids"] == list(merge.new_roots)
    assert row["is_merge"]
    numbers = client.chunkedgraph.get_change_log(root, filtered=False)["operations_ids"]
    details = client.chunkedgraph.get_operation_details(numbers)
    assert [details[str(n)]["roots"] for n in numbers] == [
        list(history.operations[n - 1].new_roots) for n in numbers
    ]


def test_only_ids_of_the_chunkedgraph_are_valid(
    client: CAVEclient, history: History, merge: Operation
) -> None:
    """Roots of any age and supervoxels are valid nodes; 5 is not."""
    ids = [merge.old_roots[0], merge.new_roots[0], int(history.pieces.supervoxels[0]), 5]
    assert client.chunkedgraph.is_valid_nodes(ids).tolist() == [True, True, True, False]


def test_the_oldest_moment_is_before_the_first_edit(client: CAVEclient, history: History) -> None:
    """The oldest timestamp comes before every edit."""
    assert client.chunkedgraph.get_oldest_timestamp() < when(int(history.times_us[0]))


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "lineage_graph_multiple"), ("GET", "past_id_mapping"), ("GET", "tabular_change_log_many")],
)
def test_an_id_that_is_no_root_is_refused(sandbox: Sandbox, method: str, path: str) -> None:
    """Asking for the past of something that never was a root is an error with its true status."""
    url = f"{sandbox.url}/segmentation/api/v1/table/sandbox_pcg/{path}"
    answer = requests.request(method, url, json={"root_ids": [5]}, timeout=30)
    assert answer.status_code == 400
    assert "5 is no root id" in answer.json()["message"]
