"""caveclient, unpatched, works against the sandbox and meets its quirks."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from caveclient import CAVEclient
from requests import HTTPError

from crantdb.sandbox import Datastack, Sandbox

if TYPE_CHECKING:
    import pandas as pd

QUERY = {"split_positions": True, "materialization_version": 5, "metadata": False}


def as_arrow(frame: pd.DataFrame) -> pa.Table:
    """Return a frame of nullable columns as Arrow, ids exact."""
    return pa.Table.from_pandas(frame, preserve_index=False)


def ids_of(frame: pd.DataFrame) -> list[int]:
    """Return the ids of a frame."""
    return [int(value) for value in frame["id"]]


def test_the_info_leads_to_the_servers(client: CAVEclient, sandbox: Sandbox) -> None:
    """The datastack's info names the sandbox as local server and its chunkedgraph as segmentation."""
    info = client.info.get_datastack_info()
    assert info["local_server"] == sandbox.url
    assert client.info.segmentation_source() == f"graphene://{sandbox.url}/segmentation/table/sandbox_pcg"
    assert client.chunkedgraph.segmentation_info["graph"]["n_layers"] == 8


def test_versions_and_tables(client: CAVEclient, world: Datastack) -> None:
    """Only valid versions are listed; a table of one version may be gone in the next."""
    engine = client.materialize
    assert engine.get_versions() == [3, 4, 5]
    assert engine.get_versions(expired=True) == [1, 2, 3, 4, 5, 6]
    assert [engine.get_tables(version=number) for number in (1, 2, 6)] == [[], [], []]
    assert set(engine.get_tables(version=3)) - set(engine.get_tables(version=5)) == {"bound_tags_user"}
    assert engine.get_version_metadata(3)["time_stamp"] == world.version(3).time_stamp
    assert engine.get_version_metadata(3)["is_merged"]
    assert engine.get_table_metadata("nuclei_v1", version=5)["voxel_resolution"] == [16.0, 16.0, 42.0]


def test_a_timestamp_without_microseconds_stops_the_client(client: CAVEclient) -> None:
    """Version 4 expires at a whole second, on which caveclient's own parser fails, as in the recordings."""
    with pytest.raises(ValueError, match="does not match format"):
        client.materialize.get_versions_metadata()


@pytest.mark.parametrize("table", ["synapses_v2", "nuclei_v1", "cell_types", "bound_tags", "syn_nt"])
def test_a_table_comes_as_it_was_frozen(client: CAVEclient, world: Datastack, table: str) -> None:
    """Ids, roots, positions and text are those of the version; real numbers lose what float32 loses."""
    frozen = world.version(5).table(table).rows.drop_columns(["created", "superceded_id"])
    bounds = [0, 9_000, 18_000, 2**62]
    parts = [
        client.materialize.query_table(
            table, filter_greater_equal_dict={"id": low}, filter_less_dict={"id": high}, **QUERY
        )
        for low, high in itertools.pairwise(bounds)
    ]
    got = pa.concat_tables([as_arrow(part) for part in parts]).sort_by("id")
    assert got.column_names == frozen.column_names
    for name in frozen.column_names:
        sent = frozen[name]
        if pa.types.is_floating(sent.type):
            sent = sent.cast(pa.float32(), safe=False)
        assert got[name].to_pylist() == sent.to_pylist(), name
    assert client.materialize.get_annotation_count(table, version=5) == len(got)


@pytest.mark.parametrize(
    ("filters", "keeps"),
    [
        ({"filter_in_dict": {"id": [3, 5, 2**53 + 1, 10**15]}}, lambda r: r["id"] in {3, 5, 2**53 + 1}),
        ({"filter_in_dict": {"id": []}}, lambda _: False),
        ({"filter_equal_dict": {"pre_pt_root_id": None}}, lambda r: r["pre_pt_root_id"] is None),
        ({"filter_equal_dict": {"post_pt_root_id": 0}}, lambda r: r["post_pt_root_id"] == 0),
        ({"filter_greater_dict": {"id": 20_500}}, lambda r: r["id"] > 20_500),
        ({"filter_less_equal_dict": {"id": 40}}, lambda r: r["id"] <= 40),
        ({"filter_out_dict": {"id": [1, 2, 3]}, "filter_less_dict": {"id": 9}}, lambda r: r["id"] < 9),
    ],
    ids=["in", "in-nothing", "is-null", "equal", "greater", "less-equal", "out-is-ignored"],
)
def test_filters_keep_what_they_say(
    client: CAVEclient, synapses: pa.Table, filters: dict[str, Any], keeps: Any
) -> None:
    """Each filter gives exactly the rows that fulfil it; `filter_out_dict` is silently ignored."""
    got = client.materialize.query_table("synapses_v2", **filters, **QUERY)
    assert sorted(ids_of(got)) == sorted(row["id"] for row in synapses.to_pylist() if keeps(row))


@pytest.mark.parametrize("corner", ["lower", "upper"])
def test_a_box_includes_its_faces(client: CAVEclient, synapses: pa.Table, corner: str) -> None:
    """A point on the lower and one on the upper corner of the box lie in it."""
    at = [synapses[f"ctr_pt_position_{axis}"][0].as_py() for axis in "xyz"]
    box = [at, [value + 1 for value in at]] if corner == "lower" else [[value - 1 for value in at], at]
    got = client.materialize.query_table("synapses_v2", filter_spatial_dict={"ctr_pt_position": box}, **QUERY)
    assert synapses["id"][0].as_py() in ids_of(got)


def test_text_is_filtered_by_pattern_and_kept_apart(client: CAVEclient) -> None:
    """A regular expression filters text; NULL, the empty string and "NA" stay three things."""
    got = client.materialize.query_table("bound_tags", filter_regex_dict={"tag": "^n"}, **QUERY)
    assert {str(tag) for tag in got["tag"]} == {"nan", "null", "naïve Ångström", "notes follow"}
    tags = as_arrow(client.materialize.query_table("bound_tags", **QUERY))["tag"].to_pylist()
    assert {None, "", "NA", "NULL", "None"} <= set(tags)


def test_a_reference_table_is_joined_by_default(client: CAVEclient, world: Datastack) -> None:
    """The client's merge loses the row whose target does not exist; without it all rows come."""
    joined = client.materialize.query_table("nuc_cell_type_ref", **QUERY)
    alone = client.materialize.query_table("nuc_cell_type_ref", merge_reference=False, **QUERY)
    rows = len(world.version(5).table("nuc_cell_type_ref").rows)
    assert (len(joined), len(alone)) == (rows - 1, rows)
    assert [int(v) for v in joined["target_id"]] == [int(v) for v in joined["id_ref"]]


def test_a_join_converts_the_points_of_the_other_table(client: CAVEclient, world: Datastack) -> None:
    """Points come in the voxels of the last table: those of 8 nm are halved where it has 16."""
    joined = client.materialize.join_query(
        [["ref_points", "target_id"], ["nuclei_v1", "id"]],
        suffixes={"ref_points": "", "nuclei_v1": "_n"},
        **QUERY,
    )
    rows = world.version(5).table("ref_points").rows
    own = dict(zip(rows["id"].to_pylist(), rows["pt_position_x"].to_pylist(), strict=True))
    assert len(joined) > 10
    for number, x in zip(ids_of(joined), joined["pt_position_x"], strict=True):
        assert int(x) == own[number] // 2


def test_views(client: CAVEclient, world: Datastack) -> None:
    """Views are listed with their schemas, filtered and counted; their reals stay doubles."""
    view = world.version(5).view("connections_view").rows
    assert set(client.materialize.get_views(5)) == {"connections_view", "nuclei_view"}
    got = client.materialize.query_view(
        "connections_view", materialization_version=5, filter_greater_dict={"n_syn": 50}, metadata=False
    )
    strong = view.filter(pc.greater(view["n_syn"], 50))
    assert sorted(got["sum_size"]) == sorted(strong["sum_size"].to_pylist())
    counted = client.materialize.query_view("connections_view", materialization_version=5, get_counts=True)
    assert int(counted["count"].iloc[0]) == len(view)


def test_roots_and_their_histories(client: CAVEclient, world: Datastack, synapses: pa.Table) -> None:
    """Root look-ups agree with the frozen table; what is latest and what changed agree with the edits."""
    graph, moment = client.chunkedgraph, world.version(5).time_stamp
    bound = synapses.filter(pc.is_valid(synapses["pre_pt_root_id"]))
    roots = bound["pre_pt_root_id"].to_numpy()
    found = graph.get_roots(bound["pre_pt_supervoxel_id"].to_numpy(), timestamp=moment)
    assert np.array_equal(found.astype(np.int64), roots)
    known = np.unique(roots[roots > 0])
    assert graph.is_latest_roots(known, timestamp=moment).all()
    old, new = graph.get_delta_roots(world.version(3).time_stamp, moment)
    assert len(old) > len(set(old.tolist())), "an old root comes once for each root made of it"
    assert set(old.tolist()) & set(new.tolist()), "a root created and retired in between is on both sides"
    assert not graph.is_latest_roots(np.unique(old), timestamp=moment).any()


def test_a_wrong_token_is_refused(world: Datastack) -> None:
    """A sandbox that asks for a token refuses another one with CAVE's 401, and lets the right one in."""
    with Sandbox(world, token="good") as sandbox:
        with pytest.raises(HTTPError, match="401"):
            CAVEclient("sandbox_ant", sandbox.url, auth_token="bad", write_server_cache=False)
        good = CAVEclient("sandbox_ant", sandbox.url, auth_token="good", write_server_cache=False)
        assert good.materialize.get_versions() == [3, 4, 5]
