"""Given tables are served as a real server would: merged or split, in any order, in every form."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet
import pytest
import requests

from crantdb.errors import ConfigError
from crantdb.sandbox import (
    Datastack,
    GivenTable,
    GivenView,
    Sandbox,
    Version,
    datastack_from_tables,
    tables_from_folder,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sandbox.conftest import Ask

ROOT = 576460752303423488


def synapse_rows(count: int) -> pa.Table:
    """Return rows of a synapse table: ids from 1, one root NULL, positions that are not whole."""
    ids = list(range(1, count + 1))
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "pre_pt_position_x": pa.array([i + 0.5 for i in ids], pa.float64()),
            "pre_pt_position_y": pa.array(ids, pa.int32()),
            "pre_pt_position_z": pa.array(ids, pa.int64()),
            "pre_pt_supervoxel_id": pa.array([None if i == 2 else 7 for i in ids], pa.int64()),
            "pre_pt_root_id": pa.array(
                [None if i == 2 else 0 if i == 3 else ROOT + i for i in ids], pa.int64()
            ),
            "size": pa.array([float("nan") if i == 4 else i + 0.1 for i in ids], pa.float64()),
        }
    )


def one_table(rows: pa.Table, *, is_merged: bool = True, **options: Any) -> Datastack:
    """Return a datastack `given` with one table `t` in version 1."""
    return datastack_from_tables([GivenTable("t", rows, **options)], is_merged=is_merged)


def test_a_merged_version_serves_rows_as_given(ask: Ask, rows_of: Any) -> None:
    """`valid` is added, coordinates are rounded half to even, reals become float32, NaN and NULL are NULL."""
    with Sandbox(one_table(synapse_rows(4)), rows_in_order=True) as sandbox:
        got = rows_of(ask(sandbox, "t", stack="given", version=1))
    assert got.column_names[:2] == ["id", "valid"]
    assert got["pre_pt_position_x"].to_pylist() == [2, 2, 4, 4]
    assert got["pre_pt_root_id"].to_pylist() == [ROOT + 1, None, 0, ROOT + 4]
    assert got["size"].type == pa.float32()
    assert got["size"].to_pylist()[3] is None


def test_a_split_version_serves_null_ids_as_one(ask: Ask, rows_of: Any) -> None:
    """A NULL root is served as 1 and still found as NULL only; the bookkeeping columns come along."""
    where = {"stack": "given", "version": 1}
    with Sandbox(one_table(synapse_rows(4), is_merged=False), rows_in_order=True) as sandbox:
        got = rows_of(ask(sandbox, "t", **where))
        as_null = rows_of(ask(sandbox, "t", **where, filter_equal_dict={"t": {"pre_pt_root_id": None}}))
        as_one = rows_of(ask(sandbox, "t", **where, filter_equal_dict={"t": {"pre_pt_root_id": 1}}))
    assert got.column_names[:4] == ["id", "created", "superceded_id", "valid"]
    assert got.column_names[-2:] == ["pre_pt_supervoxel_id", "pre_pt_root_id"]
    assert got["pre_pt_root_id"].to_pylist() == [ROOT + 1, 1, 0, ROOT + 4]
    assert as_null["id"].to_pylist() == [2]
    assert as_one.num_rows == 0


def test_invalid_rows_are_never_served(ask: Ask, rows_of: Any) -> None:
    """A row that is not valid is neither served nor counted."""
    rows = synapse_rows(4).append_column("valid", pa.array([True, False, True, True]))
    with Sandbox(one_table(rows, is_merged=False)) as sandbox:
        got = rows_of(ask(sandbox, "t", stack="given", version=1))
        base = f"{sandbox.url}/materialize/api/v2/datastack/given/version/1"
        count = requests.get(f"{base}/table/t/count", timeout=30).json()
    assert sorted(got["id"].to_pylist()) == [1, 3, 4]
    assert count == 3


def test_paging_by_offset_loses_rows(ask: Ask, rows_of: Any) -> None:
    """Rows come in another order each time: pages by offset have as many rows as the table, but not all."""
    pages = {}
    for in_order in (False, True):
        with Sandbox(one_table(synapse_rows(1_000)), row_limit=100, rows_in_order=in_order) as sandbox:
            tables = [
                rows_of(ask(sandbox, "t", stack="given", version=1, offset=offset))
                for offset in range(0, 1_000, 100)
            ]
        pages[in_order] = [number for table in tables for number in table["id"].to_pylist()]
    assert len(pages[False]) == len(pages[True]) == 1_000
    assert len(set(pages[True])) == 1_000
    assert 500 < len(set(pages[False])) < 900


def test_id_ranges_lose_nothing_whatever_the_order(ask: Ask, rows_of: Any) -> None:
    """Half-open id ranges below the limit give every row once."""
    got: list[int] = []
    with Sandbox(one_table(synapse_rows(1_000)), row_limit=100) as sandbox:
        for low in range(1, 1_001, 90):
            bounds = {
                "filter_greater_equal_dict": {"t": {"id": low}},
                "filter_less_dict": {"t": {"id": low + 90}},
            }
            answer = ask(sandbox, "t", stack="given", version=1, **bounds)
            assert "Warning" not in answer.headers
            got += rows_of(answer)["id"].to_pylist()
    assert sorted(got) == list(range(1, 1_001))


def test_compression_is_inside_the_stream(ask: Ask, rows_of: Any) -> None:
    """Zstd and lz4 shrink the buffers and leave no header; gzip shrinks the body and says so."""
    sizes, tables = {}, []
    with Sandbox(one_table(synapse_rows(2_000)), rows_in_order=True) as sandbox:
        for encoding in ("identity", "lz4", "zstd", "gzip"):
            answer = ask(sandbox, "t", stack="given", version=1, encoding=encoding)
            sizes[encoding] = int(answer.headers["Content-Length"])
            assert ("Content-Encoding" in answer.headers) == (encoding == "gzip")
            tables.append(rows_of(answer))
    assert sizes["zstd"] < sizes["lz4"] < sizes["identity"]
    assert sizes["gzip"] < sizes["identity"]
    assert all(table.equals(tables[0]) for table in tables)


def test_a_resolution_scales_truncates_and_overflows(ask: Ask, rows_of: Any) -> None:
    """`desired_resolution` multiplies whole voxels, cuts towards zero, and gives -2³¹ beyond int32."""
    where = {"stack": "given", "version": 1}
    with Sandbox(one_table(synapse_rows(3)), rows_in_order=True) as sandbox:
        fine = rows_of(ask(sandbox, "t", **where, desired_resolution=[1, 1, 1]))
        coarse = rows_of(ask(sandbox, "t", **where, desired_resolution=[16, 16, 42]))
        tiny = rows_of(ask(sandbox, "t", **where, desired_resolution=[1e-9, 16, 42]))
    assert fine["pre_pt_position_y"].to_pylist() == [8, 16, 24]
    assert coarse["pre_pt_position_y"].to_pylist() == [0, 1, 1]
    assert tiny["pre_pt_position_x"].to_pylist() == [-(2**31)] * 3


def test_a_private_or_broken_table_is_listed_but_not_read(ask: Ask) -> None:
    """A private table answers 401 inside a 500; a notice that no header can hold an HTML 500."""
    private = GivenTable("private", synapse_rows(2), read_permission="PRIVATE")
    broken = GivenTable("broken", synapse_rows(2), notice_text="蟻")
    with Sandbox(datastack_from_tables([private, broken])) as sandbox:
        listed = requests.get(
            f"{sandbox.url}/materialize/api/v2/datastack/given/version/1/tables", timeout=30
        ).json()
        answers = {name: ask(sandbox, name, stack="given", version=1) for name in listed}
    assert {answer.status_code for answer in answers.values()} == {500}
    assert answers["private"].json()["message"].startswith("401 Unauthorized")
    assert answers["broken"].headers["Content-Type"] == "text/html"


def test_a_version_expires_while_the_sandbox_runs(ask: Ask) -> None:
    """After `replace`, an expired version lists no tables and its queries fail as on a dropped database."""
    stack = one_table(synapse_rows(2))
    expired = replace(stack.versions[0], status="EXPIRED", valid=False)
    newer = Version(2, datetime(2026, 4, 1, tzinfo=UTC), tables=stack.versions[0].tables)
    with Sandbox(stack) as sandbox:
        base = f"{sandbox.url}/materialize/api/v3/datastack/given/versions"
        before = (
            requests.get(base, timeout=30).json(),
            ask(sandbox, "t", stack="given", version=1).status_code,
        )
        sandbox.replace(replace(stack, versions=(expired, newer)))
        after = requests.get(base, timeout=30).json(), ask(sandbox, "t", stack="given", version=1)
    assert before == ([1], 200)
    assert after[0] == [2]
    assert 'relation "t" does not exist' in after[1].json()["message"]


def test_a_fresh_worker_refuses_a_reference_table(ask: Ask) -> None:
    """Each of the two workers fails on a reference table until it has served its target."""
    links = pa.table({"id": pa.array([1]), "target_id": pa.array([2])})
    reference = GivenTable("r", links, schema_type="reference_point", reference_table="t")
    stack = datastack_from_tables([GivenTable("t", synapse_rows(3)), reference])
    with Sandbox(stack, foreign_key_500=True) as sandbox:
        asked = ["r", "r", "t", "r", "r", "t", "r", "r"]
        codes = [ask(sandbox, name, stack="given", version=1).status_code for name in asked]
    assert codes == [500, 500, 200, 500, 200, 200, 200, 200]


def test_real_numbers_of_a_view_stay_doubles(ask: Ask, rows_of: Any) -> None:
    """A view serves float64 where a table serves float32."""
    view = GivenView("v", pa.table({"n": pa.array([1]), "mean": pa.array([0.1])}))
    version = replace(one_table(synapse_rows(1)).versions[0], views=(view,))
    with Sandbox(Datastack("given", (version,))) as sandbox:
        url = f"{sandbox.url}/materialize/api/v3/datastack/given/version/1/views/v/query"
        got = rows_of(requests.post(url, params={"return_pyarrow": "True"}, json={}, timeout=30))
    assert got.to_pylist() == [{"n": 1, "mean": 0.1}]


def test_json_keeps_ids_exact() -> None:
    """The JSON form gives ids digit for digit, NULL as null, and times in milliseconds."""
    with Sandbox(one_table(synapse_rows(2), is_merged=False), rows_in_order=True) as sandbox:
        url = f"{sandbox.url}/materialize/api/v3/datastack/given/version/1/table/t/query"
        got = requests.post(url, params={"return_pyarrow": "False"}, json={}, timeout=30).json()
    assert [row["pre_pt_root_id"] for row in got] == [ROOT + 1, 1]
    assert got[0]["superceded_id"] is None
    assert got[0]["created"] == 1_772_366_403_000


def test_tables_of_a_folder_are_served(tmp_path: Path, ask: Ask, rows_of: Any) -> None:
    """Parquet and CSV files become tables named after them; ids in CSV stay exact."""
    pyarrow.parquet.write_table(synapse_rows(3), tmp_path / "synapses.parquet")
    (tmp_path / "tags.csv").write_text(f"id,pt_root_id,tag\n{2**53 + 1},{ROOT + 1},a\n2,,\n")
    tables = tables_from_folder(tmp_path)
    with Sandbox(datastack_from_tables(tables), rows_in_order=True) as sandbox:
        got = rows_of(ask(sandbox, "tags", stack="given", version=1))
    assert [(table.name, table.schema_type) for table in tables] == [
        ("synapses", "synapse"),
        ("tags", "bound_tag"),
    ]
    assert got["id"].to_pylist() == [2**53 + 1, 2]
    assert got["pt_root_id"].to_pylist() == [ROOT + 1, None]


@pytest.mark.parametrize("text", ["", "name\nx\n"])
def test_a_folder_without_tables_is_refused(tmp_path: Path, text: str) -> None:
    """An empty folder, or a file without ids, is refused with what to do."""
    if text:
        (tmp_path / "odd.csv").write_text(text)
    with pytest.raises(ConfigError, match=r"id|one file per table"):
        tables_from_folder(tmp_path)
