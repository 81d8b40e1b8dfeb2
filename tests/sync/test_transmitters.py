"""Transmitter predictions: files of every kind, what is refused, and the means of neurons, against numpy's averages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import crantdb
from crantdb.analysis.transmitters import (
    collapse_nt_predictions,
    get_transmitter_predictions,
    transmitter_classes,
)
from crantdb.errors import BadArgument, BadFile, NoMatches, NoSuchTable, ValidationError
from crantdb.sources.predictions import open_predictions
from crantdb.sync.regions import sync_regions
from crantdb.sync.transmitters import import_predictions
from crantdb.warehouse.snapshot import current
from crantdb.warehouse.staging import staged
from crantdb.warehouse.verify import verify
from tests.sync.hemibrain import add_synapses, neuropils, points_nm, synapse_table
from tests.warehouse.making import ROOT, make_warehouse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import duckdb
    import pyarrow as pa

    from crantdb.warehouse.layout import Warehouse

CLASSES = ["acetylcholine", "dopamine", "gaba", "glutamate", "octopamine", "peptide"]


def predictions(synapses: pa.Table, *, seed: int = 0) -> pl.DataFrame:
    """Return a prediction for nine synapses of ten: probabilities, all 0 for some, and a weight, 0 for some."""
    random = np.random.default_rng(seed)
    ids = synapses["id"].to_numpy()
    ids = ids[random.random(len(ids)) < 0.9]
    chances = random.dirichlet([0.5] * 6, len(ids))
    chances[random.random(len(ids)) < 0.1] = 0
    weight = np.where(random.random(len(ids)) < 0.2, 0, random.integers(1, 200, len(ids)))
    return pl.DataFrame(
        {"synapse_id": ids, **{name: chances[:, i] for i, name in enumerate(CLASSES)}, "cleft_score": weight}
    )


@pytest.fixture(scope="module")
def synapses() -> pa.Table:
    """Return real synapses."""
    return synapse_table()


@pytest.fixture(scope="module")
def given_rows(synapses: pa.Table) -> pl.DataFrame:
    """Return their predictions."""
    return predictions(synapses)


@pytest.fixture(scope="module")
def con(
    synapses: pa.Table, given_rows: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a connection to a warehouse with predictions and regions."""
    folder = tmp_path_factory.mktemp("transmitters")
    warehouse = make_warehouse(folder)
    add_synapses(warehouse, synapses)
    given_rows.write_parquet(folder / "nt.parquet")
    import_predictions(warehouse, open_predictions(folder / "nt.parquet"))
    sync_regions(warehouse, neuropils(), source="example")
    with crantdb.connect(warehouse.root) as made:
        yield made


def outgoing(
    synapses: pa.Table, rows: pl.DataFrame, root: int, where: np.ndarray | None = None
) -> pl.DataFrame:
    """Return the predictions of a neuron's outgoing synapses that say anything."""
    mine = synapses["pre_pt_root_id"].to_numpy() == root
    if where is not None:
        mine &= where
    ids = synapses["id"].to_numpy()[mine]
    return rows.filter(pl.col("synapse_id").is_in(ids.tolist()), pl.sum_horizontal(CLASSES) > 0)


@pytest.mark.parametrize("weighted", [True, False])
def test_the_means_of_neurons(
    con: duckdb.DuckDBPyConnection, synapses: pa.Table, given_rows: pl.DataFrame, weighted: bool
) -> None:
    """A neuron's means are numpy's averages over its outgoing synapses with a prediction, weighted or not."""
    asked = [ROOT + 2, ROOT + 1, ROOT + 101, ROOT + 77_777]
    found = get_transmitter_predictions(con, asked, weighted=weighted, update_ids=False)
    assert found["root_id"].to_list() == asked
    for row in pl.DataFrame(found).head(3).to_dicts():
        mine = outgoing(synapses, given_rows, row["root_id"])
        assert row["predicted_synapses"] == len(mine) > 0
        weights = mine["cleft_score"].to_numpy() if weighted else None
        for name in CLASSES:
            assert row[name] == pytest.approx(np.average(mine[name].to_numpy(), weights=weights))
    nobody = pl.DataFrame(found).row(3, named=True)
    assert nobody["predicted_synapses"] == 0
    assert all(nobody[name] is None for name in CLASSES)


def test_the_likeliest_class(con: duckdb.DuckDBPyConnection) -> None:
    """With `single_pred` the largest mean and its class, the same as place 1 of the macro."""
    asked = [ROOT + 1, ROOT + 2, ROOT + 77_777]
    wide = pl.DataFrame(get_transmitter_predictions(con, asked, update_ids=False))
    single = pl.DataFrame(get_transmitter_predictions(con, asked, single_pred=True, update_ids=False))
    for mean, top in zip(wide.to_dicts(), single.to_dicts(), strict=True):
        chances = {name: mean[name] for name in CLASSES}
        if mean["predicted_synapses"]:
            assert top["transmitter"] == max(chances, key=lambda name: chances[name])
            assert top["probability"] == max(chances.values())
        else:
            assert (top["transmitter"], top["probability"]) == (None, None)
    [(name, chance)] = con.sql(
        f"SELECT transmitter, probability FROM neuron_transmitters({ROOT + 1}) WHERE place = 1"
    ).fetchall()
    assert (name, chance) == single.select("transmitter", "probability").row(0)
    assert single["predicted_synapses"].to_list() == wide["predicted_synapses"].to_list()
    nobody = con.sql(f"SELECT place, probability FROM neuron_transmitters({ROOT + 77_777})").fetchall()
    assert nobody == [(None, None)] * len(CLASSES), "a neuron without a prediction has no likeliest class"
    with pytest.raises(BadArgument, match="empty list"):
        get_transmitter_predictions(con, asked, neuropils=[], update_ids=False)


def test_of_some_neuropils_alone(
    con: duckdb.DuckDBPyConnection, synapses: pa.Table, given_rows: pl.DataFrame
) -> None:
    """Only synapses in a region, or all but those in one; a region that is not there is refused."""
    meshes = neuropils()
    held = meshes.contains(points_nm(synapses))[:, meshes.names.index("lateral_horn")]
    for asked, where in [("lateral_horn", held), ("~lateral_horn", ~held)]:
        row = pl.DataFrame(get_transmitter_predictions(con, ROOT + 1, neuropils=asked)).row(0, named=True)
        mine = outgoing(synapses, given_rows, ROOT + 1, where)
        assert row["predicted_synapses"] == len(mine) > 20
        wanted = np.average(mine["gaba"].to_numpy(), weights=mine["cleft_score"].to_numpy())
        assert row["gaba"] == pytest.approx(wanted)
    with pytest.raises(BadArgument, match="gall"):
        get_transmitter_predictions(con, ROOT + 1, neuropils=["~gall"])


def test_every_neuron_at_once(con: duckdb.DuckDBPyConnection, given_rows: pl.DataFrame) -> None:
    """Without neurons the macro answers for every one with a prediction, as one by one."""
    whole = con.sql("FROM neuron_transmitters()").pl()
    alone = con.sql(f"FROM neuron_transmitters([{ROOT + 3}])").pl()
    order = ["root_id", "transmitter"]
    same = whole.filter(pl.col("root_id") == ROOT + 3).sort(order)
    assert same.drop("probability").equals(alone.sort(order).drop("probability"))
    assert same["probability"].to_list() == pytest.approx(alone.sort(order)["probability"].to_list())
    assert whole["root_id"].n_unique() > 20
    assert transmitter_classes(con) == CLASSES


WRITE: dict[str, Callable[[pl.DataFrame, Path], object]] = {
    "parquet": pl.DataFrame.write_parquet,
    "feather": pl.DataFrame.write_ipc,
    "csv": pl.DataFrame.write_csv,
}


@pytest.fixture
def small(tmp_path: Path) -> Warehouse:
    """Return a warehouse of few synapses."""
    warehouse = make_warehouse(tmp_path)
    add_synapses(warehouse, synapse_table(200))
    return warehouse


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Return a warehouse of few synapses into which nothing is imported."""
    warehouse = make_warehouse(tmp_path_factory.mktemp("untouched"))
    add_synapses(warehouse, synapse_table(200))
    return warehouse


@pytest.mark.parametrize("kind", sorted(WRITE))
def test_files_of_every_kind_under_their_own_names(small: Warehouse, tmp_path: Path, kind: str) -> None:
    """Parquet, Feather and CSV bring the same rows; other names are known; columns that are no prediction are told."""
    rows = predictions(synapse_table(200), seed=3).select(
        pl.col("synapse_id").alias("id"),
        pl.col("acetylcholine").alias("ACh"),
        "gaba",
        pl.col("glutamate").alias("glut"),
        pl.col("peptide").alias("ser"),
        pl.col("cleft_score").cast(pl.Float32),
        pl.lit(1.5).alias("x"),
    )
    path = tmp_path / f"nt.{kind}"
    WRITE[kind](rows.sample(fraction=1, shuffle=True, seed=1), path)
    report = import_predictions(small, open_predictions(path))
    assert (report.rows, report.unknown, report.unpredicted, report.dropped) == (len(rows), 0, 0, ("x",))
    with crantdb.connect(small.root) as con:
        found = con.sql("FROM nt_predictions ORDER BY synapse_id").pl()
        assert transmitter_classes(con) == ["acetylcholine", "gaba", "glutamate", "serotonin"]
    wanted = rows.sort("id")
    assert found["synapse_id"].to_list() == wanted["id"].to_list()
    assert found["serotonin"].to_list() == wanted["ser"].to_list()
    assert found["weight"].to_list() == wanted["cleft_score"].to_list()
    assert found["dopamine"].null_count() == len(found)
    table = report.snapshot.main.tables["derived.nt_predictions"]
    assert set(table.drift) >= {"dopamine is absent", "serotonin DOUBLE is new"}
    assert [checked.finding for checked in verify(small, deep=True) if checked.finding] == []


def test_an_import_replaces_the_one_before(small: Warehouse, tmp_path: Path) -> None:
    """The second import is the table; every other table stays; rows that say nothing are left out and counted."""
    rows = predictions(synapse_table(200))
    rows.write_parquet(tmp_path / "one.parquet")
    first = import_predictions(small, open_predictions(tmp_path / "one.parquet"))
    silent = pl.DataFrame({"synapse_id": [5, 6], "gaba": [None, None]}, schema_overrides={"gaba": pl.Float64})
    strange = pl.DataFrame({"synapse_id": [7, rows["synapse_id"][0]], "gaba": [0.5, 1.0]})
    pl.concat([silent, strange]).write_parquet(tmp_path / "two.parquet")
    second = import_predictions(small, open_predictions(tmp_path / "two.parquet"))
    assert (second.rows, second.unpredicted, second.unknown) == (2, 2, 1)
    others = {name for name in first.snapshot.main.tables if name != "derived.nt_predictions"}
    assert {n: second.snapshot.main.tables[n] for n in others} == {
        n: first.snapshot.main.tables[n] for n in others
    }
    assert [key for key in staged(small) if key.table == "nt_predictions"] == []


GOOD = {"synapse_id": [1000, 1001], "gaba": [0.5, 0.25], "glutamate": [0.25, 0.5]}


@pytest.mark.parametrize(
    ("rows", "error", "said"),
    [
        (GOOD | {"gaba": [1.5, 0]}, ValidationError, "gaba is a probability"),
        (GOOD | {"gaba": [-0.1, 0]}, ValidationError, "gaba is a probability"),
        (GOOD | {"gaba": [float("nan"), 0]}, ValidationError, "gaba is a probability"),
        (GOOD | {"gaba": [None, 0.1]}, ValidationError, "gaba is a probability"),
        (GOOD | {"gaba": [0.9, 0.1]}, ValidationError, "add up"),
        (GOOD | {"synapse_id": [1000, 1000]}, ValidationError, "unique"),
        (GOOD | {"synapse_id": [1000, None]}, ValidationError, "never NULL"),
        (GOOD | {"weight": [1.0, None]}, ValidationError, "weight"),
        (GOOD | {"synapse_id": [1000.0, 1001.0]}, BadFile, "bends ids"),
        (GOOD | {"gaba": ["high", "low"]}, BadFile, "gaba"),
        ({"synapse_id": [1], "height": [3]}, BadFile, "no column of a transmitter"),
        ({"root": [1], "gaba": [0.3]}, BadFile, "synapse_id"),
        (GOOD | {"GABA": [0.1, 0.1]}, BadFile, "one class"),
        ({"synapse_id": [1, 2], "gaba": [0.1, 0.1]}, BadFile, "none of the 2 ids"),
        ({"synapse_id": [1000], "gaba": [None]}, BadFile, "holds no prediction"),
    ],
)
def test_files_that_could_mislead_are_refused(
    untouched: Warehouse, tmp_path: Path, rows: dict[str, list[object]], error: type[Exception], said: str
) -> None:
    """Logits, halves of rows, repeats, bent ids, files of other datasets: refused in words, nothing is committed."""
    frame = pl.DataFrame(rows, strict=False)
    if frame["synapse_id" if "synapse_id" in frame.columns else "root"].dtype == pl.Null:
        frame = frame.with_columns(pl.col("synapse_id").cast(pl.Int64))
    ids = synapse_table(200)["id"].to_pylist()
    if "synapse_id" in frame.columns and frame["synapse_id"].dtype == pl.Int64:
        frame = frame.with_columns(pl.col("synapse_id").replace({1000: ids[0], 1001: ids[1]}))
    frame.write_parquet(tmp_path / "nt.parquet")
    before = current(untouched)
    with pytest.raises(error, match=said):
        import_predictions(untouched, open_predictions(tmp_path / "nt.parquet"))
    assert current(untouched) == before
    assert [key for key in staged(untouched) if key.table == "nt_predictions"] == []


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    """A missing file, one of another kind, and one that is not what its name says are errors that name it."""
    (tmp_path / "a.xlsx").write_bytes(b"x")
    (tmp_path / "a.parquet").write_bytes(b"x")
    (tmp_path / "cut.csv").write_text("synapse_id,gaba\n1,0.5\n2\n")
    for name, said in [
        ("a.xlsx", "by its name"),
        ("none.csv", "does not exist"),
        ("a.parquet", "cannot be read"),
    ]:
        with pytest.raises(BadFile, match=said):
            open_predictions(tmp_path / name)
    with pytest.raises(BadFile, match=r"cut\.csv cannot be read"):
        list(open_predictions(tmp_path / "cut.csv").rows())
    with pytest.raises(BadFile, match="neuron"):
        open_predictions(tmp_path / "cut.csv", id_column="neuron")


def test_without_predictions_it_is_said(untouched: Warehouse) -> None:
    """Asked before anything was imported, it is said how to import."""
    with crantdb.connect(untouched.root) as con:
        with pytest.raises(NoSuchTable, match="crantdb import nt"):
            get_transmitter_predictions(con, ROOT + 1, update_ids=False)
        assert con.sql(f"FROM neuron_transmitters({ROOT + 1})").fetchall() == []


chances = st.floats(0, 1, allow_nan=False)


@given(
    st.lists(st.tuples(st.integers(0, 3), chances, chances, st.integers(0, 3)), min_size=1, max_size=30),
    st.booleans(),
)
def test_collapsing_a_frame(rows: list[tuple[int, float, float, int]], weighted: bool) -> None:
    """Per neuron numpy's average of the rows that say anything; 0 where all weights are 0; single is the largest."""
    frame = pl.DataFrame(
        rows, schema=["pre", "gaba", "acetylcholine", "cleft_score"], orient="row", strict=False
    )
    told = [row for row in rows if row[1] or row[2]]
    if not told:
        with pytest.raises(NoMatches):
            collapse_nt_predictions(frame, weighted=weighted)
        assert len(collapse_nt_predictions(frame, weighted=weighted, id_col="pre", raise_empty=False)) == 0
        return
    found = collapse_nt_predictions(frame, weighted=weighted, id_col="pre")
    assert found["pre"].to_list() == list(dict.fromkeys(row[0] for row in told))
    single = collapse_nt_predictions(frame.to_pandas(), single_pred=True, weighted=weighted, id_col="pre")
    for mean, top in zip(found.to_dicts(), single.to_dicts(), strict=True):
        mine = [row for row in told if row[0] == mean["pre"]]
        weights = [row[3] for row in mine] if weighted else [1] * len(mine)
        for column, name in ((1, "gaba"), (2, "acetylcholine")):
            values = [row[column] for row in mine]
            wanted = np.average(values, weights=weights) if sum(weights) else 0.0
            assert mean[name] == pytest.approx(wanted)
        assert top["probability"] == max(mean["gaba"], mean["acetylcholine"])
    together = collapse_nt_predictions(frame, weighted=False)
    assert together["gaba"][0] == pytest.approx(np.mean([row[1] for row in told]))


def test_collapsing_what_has_no_classes_or_weights() -> None:
    """A frame without classes, or without weights although weighted, is refused."""
    with pytest.raises(BadArgument, match="weight"):
        collapse_nt_predictions(pl.DataFrame({"gaba": [0.5]}))
    with pytest.raises(BadArgument, match="transmitter"):
        collapse_nt_predictions(pl.DataFrame({"pre": [1]}), weighted=False)
    with pytest.raises(BadArgument, match="none"):
        collapse_nt_predictions(pl.DataFrame({"gaba": [0.5]}), weighted=False, classes=["none"])
