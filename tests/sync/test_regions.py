"""Synapses into regions: the table, how it is made, and what is asked of it; real synapses and a real neuropil."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pytest

import crantdb
from crantdb.analysis.matrices.directed import DirectedNestedMatrix
from crantdb.analysis.matrices.nested import NestedMatrix
from crantdb.analysis.regions import (
    count_synapses_in_regions,
    get_region_connectivity,
    get_region_synapse_counts,
    region_names,
)
from crantdb.errors import BadArgument, NoSuchSnapshot, NoSuchTable
from crantdb.morphology.regions import Regions, chosen
from crantdb.sync import regions as module
from crantdb.sync.regions import sync_regions
from crantdb.warehouse.commit import commit
from crantdb.warehouse.snapshot import current
from crantdb.warehouse.staging import staged
from crantdb.warehouse.verify import verify
from tests.sync.hemibrain import add_synapses, neuropils, points_nm, synapse_table
from tests.warehouse.making import ROOT, cells, change, make_warehouse, valid_table
from tests.warehouse.making import facts as facts_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb
    import numpy as np

    from crantdb.warehouse.layout import Warehouse


@pytest.fixture(scope="module")
def synapses() -> pa.Table:
    """Return real synapses."""
    return synapse_table()


@pytest.fixture(scope="module")
def meshes() -> Regions:
    """Return real and made regions."""
    return neuropils()


@pytest.fixture(scope="module")
def con(
    synapses: pa.Table, meshes: Regions, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a connection to a warehouse whose synapses have regions."""
    warehouse = make_warehouse(tmp_path_factory.mktemp("regions"))
    add_synapses(warehouse, synapses)
    sync_regions(warehouse, meshes, source="example")
    with crantdb.connect(warehouse.root) as made:
        yield made


def placed(synapses: pa.Table, meshes: Regions) -> pl.DataFrame:
    """Return what the table must hold: one row a synapse and region, from the synapses and meshes alone."""
    inside = meshes.contains(points_nm(synapses))
    rows = []
    columns = [synapses[name].to_pylist() for name in ("id", "pre_pt_root_id", "post_pt_root_id", "size")]
    for number, pre, post, size, held in zip(*columns, inside, strict=True):
        names = [name for name, there in zip(meshes.names, held, strict=True) if there] or ["other"]
        rows += [(number, name, pre, post, size) for name in names]
    return pl.DataFrame(rows, ["synapse_id", "region", "pre", "post", "size"], orient="row")


def table_of(warehouse: Warehouse) -> set[tuple[object, ...]]:
    """Return the rows of the current snapshot's table."""
    with crantdb.connect(warehouse.root) as con:
        rows = con.sql(
            "SELECT synapse_id, region, pre_root_id, post_root_id, size FROM synapse_regions"
        ).fetchall()
    assert len(rows) == len(set(rows))
    return set(rows)


def test_every_synapse_has_its_regions(
    con: duckdb.DuckDBPyConnection, synapses: pa.Table, meshes: Regions
) -> None:
    """The table holds each synapse with each region around its centre, `other` where there is none, and the revision."""
    wanted = placed(synapses, meshes)
    counts = Counter(wanted["region"].to_list())
    assert min(counts[name] for name in ("lateral_horn", "ball", "other")) > 100
    assert sum(counts.values()) > len(synapses)
    found = con.sql(
        "SELECT synapse_id, region, pre_root_id, post_root_id, size FROM synapse_regions"
    ).fetchall()
    assert set(found) == set(wanted.rows())
    assert len(found) == len(wanted)
    assert con.sql("SELECT DISTINCT mesh_revision FROM synapse_regions").fetchall() == [(meshes.revision,)]
    assert region_names(con) == ["ball", "lateral_horn", "other"]
    [(kind, completeness)] = con.sql(
        "SELECT kind, completeness FROM tables WHERE name = 'synapse_regions'"
    ).fetchall()
    assert (kind, completeness) == ("derived", "every synapse was tested")


def test_connectivity_by_region(con: duckdb.DuckDBPyConnection, synapses: pa.Table, meshes: Regions) -> None:
    """Pairs by region equal a sum over the raw synapses: all, of neurons, one way, thresholds in their order."""
    rows = placed(synapses, meshes)
    neuron = ROOT + 1

    def summed(part: pl.DataFrame, threshold: int = 1) -> set[tuple[object, ...]]:
        """Return the pairs of some rows."""
        grouped = part.group_by("region", "pre", "post").agg(pl.len().alias("weight"))
        return set(grouped.filter(pl.col("weight") >= threshold).rows())

    assert set(pl.DataFrame(get_region_connectivity(con)).rows()) == summed(rows)
    told = pl.DataFrame(get_region_connectivity(con, neuron, upstream=False))
    assert set(told.rows()) == summed(rows.filter(pl.col("pre") == neuron))
    both = get_region_connectivity(con, [neuron], "lateral_horn", threshold=2, min_size=100)
    wanted = rows.filter(
        (pl.col("pre") == neuron) | (pl.col("post") == neuron),
        pl.col("size") >= 100,
        pl.col("region") == "lateral_horn",
    )
    assert set(pl.DataFrame(both).rows()) == summed(wanted, 2)
    assert len(both) > 5
    pandas = get_region_connectivity(con, neuron, output="pandas")
    assert str(pandas["pre"].dtype) == "int64"


def test_counts_by_region(con: duckdb.DuckDBPyConnection, synapses: pa.Table, meshes: Regions) -> None:
    """Each neuron has a row for each region, in the order asked, zeros where it has no synapse."""
    rows = placed(synapses, meshes)
    asked = [ROOT + 3, ROOT + 1, ROOT + 119]
    found = pl.DataFrame(get_region_synapse_counts(con, asked, update_ids=False))
    assert found["root_id"].unique(maintain_order=True).to_list() == asked
    for root, region, told, heard, downstream, upstream in found.rows():
        out = rows.filter(pl.col("pre") == root, pl.col("region") == region)
        into = rows.filter(pl.col("post") == root, pl.col("region") == region)
        assert (told, heard) == (len(out), len(into))
        assert (downstream, upstream) == (out["post"].n_unique(), into["pre"].n_unique())
    nobody = get_region_synapse_counts(con, ROOT + 9999, "ball", update_ids=False)
    assert pl.DataFrame(nobody).rows() == [(ROOT + 9999, "ball", 0, 0, 0, 0)]
    wide = pl.DataFrame(count_synapses_in_regions(con, asked, update_ids=False))
    assert wide.columns == ["neuron_id", "ball", "lateral_horn", "other"]
    assert wide["ball"].to_list() == found.filter(pl.col("region") == "ball")["out_synapses"].to_list()
    assert pl.DataFrame(count_synapses_in_regions(con, [])).schema == wide.schema
    some = pl.DataFrame(count_synapses_in_regions(con, [], ["other", "ball"]))
    assert some.schema == dict.fromkeys(("neuron_id", "other", "ball"), pl.Int64)
    assert pl.DataFrame(get_region_synapse_counts(con, [])).schema == found.schema


def test_matrices_by_region(con: duckdb.DuckDBPyConnection, synapses: pa.Table, meshes: Regions) -> None:
    """Each region's matrix holds the pairs of that region; all of the same neurons; relative weights within a region."""
    rows = placed(synapses, meshes)
    typed = {*range(1, 4), *range(100, 120)}
    inside = rows.filter(
        pl.col("pre").is_in([ROOT + n for n in typed]), pl.col("post").is_in([ROOT + n for n in typed])
    )
    matrices = NestedMatrix.by_region(con)
    assert list(matrices) == ["ball", "lateral_horn", "other"]
    for name, matrix in matrices.items():
        part = inside.filter(pl.col("region") == name)
        assert set(matrix.edges().rows()) == set(part.group_by("pre", "post").agg(pl.len()).rows())
        assert set(matrix.ordered_neurons) == {ROOT + number for number in typed}
    shares = DirectedNestedMatrix.by_region(
        con, "ball", source_types=["PN"], target_types=["X0", "X1", "X2"], weight_mode="relative_outgoing"
    )
    sums = shares.ball.array.sum(axis=1)
    assert sums[sums > 0].tolist() == pytest.approx([1.0] * int((sums > 0).sum()))
    one = NestedMatrix.from_connection(con, region="ball", weight_mode="column")
    assert one.array.sum() == pytest.approx(inside.filter(pl.col("region") == "ball")["size"].sum())
    assert "other" not in NestedMatrix.by_region(con, include_other=False)


ASKING = {
    "connectivity": get_region_connectivity,
    "counts": get_region_synapse_counts,
    "wide": count_synapses_in_regions,
    "matrices": lambda con, _, regions: NestedMatrix.by_region(con, regions),
}


@pytest.mark.parametrize("name", ASKING)
def test_no_region_is_not_every_region(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """An empty list of regions is refused: it must not stand for all of them."""
    with pytest.raises(BadArgument, match="empty list"):
        ASKING[name](con, [ROOT + 1], [])


def test_a_region_that_is_not_there_is_named(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """An unknown region is an error that lists those there are; without regions it is said how to make them."""
    for ask in (
        lambda: get_region_connectivity(con, regions="gall"),
        lambda: NestedMatrix.by_region(con, ["gall"]),
        lambda: NestedMatrix.from_connection(con, region="gall"),
    ):
        with pytest.raises(BadArgument, match="lateral_horn"):
            ask()
    warehouse = make_warehouse(tmp_path)
    add_synapses(warehouse, synapse_table(50))
    with crantdb.connect(warehouse.root) as bare, pytest.raises(NoSuchTable, match="crantdb regions"):
        get_region_connectivity(bare)


def test_pieces_and_interruptions_change_nothing(
    synapses: pa.Table, meshes: Regions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In small pieces, interrupted and resumed, it ends in the same rows; what was staged is not tested again."""
    warehouse = make_warehouse(tmp_path)
    add_synapses(warehouse, synapses)
    monkeypatch.setattr(module, "PIECE_ROWS", 1500)
    calls = []
    assign = Regions.assign

    def stopping(self: Regions, points: np.ndarray) -> object:
        """Be interrupted at the third piece."""
        calls.append(len(points))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return assign(self, points)

    monkeypatch.setattr(Regions, "assign", stopping)
    with pytest.raises(KeyboardInterrupt):
        sync_regions(warehouse, meshes, source="example")
    before = current(warehouse)
    assert before is not None
    assert "derived.synapse_regions" not in before.main.tables
    report = sync_regions(warehouse, meshes, source="example")
    assert report.tested == len(synapses) - 3000
    assert table_of(warehouse) == set(placed(synapses, meshes).rows())
    assert report.rows == dict(Counter(placed(synapses, meshes)["region"].to_list()))
    assert [key for key in staged(warehouse) if key.schema == "derived" and key.origin] == []
    assert [checked.finding for checked in verify(warehouse, deep=True) if checked.finding] == []
    again = sync_regions(warehouse, meshes, source="example")
    assert (again.changed, again.tested, again.rows) == (False, 0, report.rows)


def test_a_new_version_tests_new_synapses_alone(synapses: pa.Table, meshes: Regions, tmp_path: Path) -> None:
    """What is known of a synapse for the same meshes is taken over, under its new roots; other meshes test all anew."""
    synapses = synapses.slice(0, 2500)
    warehouse = make_warehouse(tmp_path)
    add_synapses(warehouse, synapses.slice(0, 1500), 1)
    sync_regions(warehouse, meshes, source="example")
    moved = synapses.set_column(
        synapses.column_names.index("post_pt_root_id"),
        "post_pt_root_id",
        pa.repeat(ROOT + 500, len(synapses)),
    )
    add_synapses(warehouse, moved, 2)
    report = sync_regions(warehouse, meshes, source="example")
    assert report.tested == len(synapses) - 1500
    assert table_of(warehouse) == set(placed(moved, meshes).rows())
    with crantdb.connect(warehouse.root, versions=[1]) as con:
        assert con.sql("SELECT count(DISTINCT synapse_id) FROM v1.synapse_regions").fetchall() == [(1500,)]
        before = pl.DataFrame(get_region_connectivity(con, materialization=1))
        older = placed(synapses.slice(0, 1500), meshes).group_by("region", "pre", "post").agg(pl.len())
        assert set(before.rows()) == set(older.rows())
        matrix = NestedMatrix.from_connection(con, region="ball", materialization=1)
        assert {ROOT + 1, ROOT + 100} <= set(matrix.ordered_neurons)
        assert matrix.array.sum() > NestedMatrix.from_connection(con, region="ball").array.sum() == 0
    other = sync_regions(warehouse, chosen(meshes, ["ball"]), source="example")
    assert other.tested == len(synapses)
    assert list(other.rows) == ["ball", "other"]


def test_other_commits_carry_the_regions(synapses: pa.Table, meshes: Regions, tmp_path: Path) -> None:
    """The table stays when another table of the version comes; everything else stayed when it came."""
    synapses = synapses.slice(0, 500)
    warehouse = make_warehouse(tmp_path)
    add_synapses(warehouse, synapses)
    before = current(warehouse)
    made = sync_regions(warehouse, meshes, source="example").snapshot
    assert before is not None
    assert {**before.main.tables}.items() <= {**made.main.tables}.items()
    tables = [(valid_table(warehouse, "cells", cells(range(5))), facts_of())]
    commit(warehouse, change(warehouse, {}, tables=tables, carried=list(made.main.tables.values())))
    assert table_of(warehouse) == set(placed(synapses, meshes).rows())


def test_synapses_without_a_place_or_root(meshes: Regions, tmp_path: Path) -> None:
    """A synapse without a centre is in `other`; one without a root keeps its row, and is counted."""
    rows = synapse_table(600)
    nothing = pa.array([None] * 2 + rows["ctr_pt_position_x"].to_pylist()[2:], pa.int32())
    rows = rows.set_column(rows.column_names.index("ctr_pt_position_x"), "ctr_pt_position_x", nothing)
    rootless = pa.array([None] * 3 + rows["pre_pt_root_id"].to_pylist()[3:], pa.int64())
    rows = rows.set_column(rows.column_names.index("pre_pt_root_id"), "pre_pt_root_id", rootless)
    warehouse = make_warehouse(tmp_path)
    add_synapses(warehouse, rows)
    table = sync_regions(warehouse, meshes, source="example").snapshot.main.tables["derived.synapse_regions"]
    assert table.exceptions["pre_root_id is NULL"] >= 3
    found = table_of(warehouse)
    lost = set(rows["id"].to_pylist()[:2])
    assert {region for number, region, *_ in found if number in lost} == {"other"}
    assert {number for number, *_ in found} == set(rows["id"].to_pylist())


def test_a_warehouse_without_synapses_is_told(meshes: Regions, tmp_path: Path) -> None:
    """Without a snapshot, or without synapses in it, it is said what to do first."""
    warehouse = make_warehouse(tmp_path)
    with pytest.raises(NoSuchTable, match="crantdb sync"):
        sync_regions(warehouse, meshes, source="example")


def test_another_kept_version_can_have_regions(synapses: pa.Table, meshes: Regions, tmp_path: Path) -> None:
    """Regions come to an older kept version beside the main one, which stays main and as it was."""
    warehouse = make_warehouse(tmp_path)
    add_synapses(warehouse, synapses.slice(0, 900), 1)
    add_synapses(warehouse, synapses.slice(0, 1000), 2)
    before = current(warehouse)
    report = sync_regions(warehouse, meshes, source="example", version=1)
    assert (report.synapses, report.tested) == (900, 900)
    assert before is not None
    assert report.snapshot.main == before.main
    with crantdb.connect(warehouse.root, versions=[1]) as con:
        query = "SELECT count(DISTINCT synapse_id) FROM"
        assert con.sql(f"{query} v1.synapse_regions").fetchall() == [(900,)]
        assert con.sql(f"{query} synapse_regions").fetchall() == [(0,)]
    assert sync_regions(warehouse, meshes, source="example").tested == 100
    assert not sync_regions(warehouse, meshes, source="example", version=1).changed
    with pytest.raises(NoSuchSnapshot, match="keeps"):
        sync_regions(warehouse, meshes, source="example", version=9)
