"""The five forms of a synapse table hold the same synapses, each in its own order."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crantdb.errors import StorageError, ValidationError
from crantdb.warehouse.arrange import Arranged, arrange, names_for
from crantdb.warehouse.catalog import connect
from crantdb.warehouse.commit import commit
from crantdb.warehouse.edges import BARE
from tests.warehouse.brain import MEMORY, brain, finished, staged, synapses
from tests.warehouse.making import ROOT, cells, change, child, make_warehouse

if TYPE_CHECKING:
    from pathlib import Path

    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.staging import StagedTable

PRE, POST = "pre_pt_root_id", "post_pt_root_id"
NAMES = names_for("syn", canonical=True)
FORMS = ("main", "by_post", "edges", "edges_by_post", "ids")


def arranged(warehouse: Warehouse, rows: pa.Table, *, pieces: int = 3, memory: int = MEMORY) -> Arranged:
    """Stage rows and arrange them."""
    return arrange(staged(warehouse, rows, pieces=pieces), NAMES, memory_bytes=memory)


def content(table: StagedTable) -> pl.DataFrame:
    """Return a staged table's rows, as they lie in its files."""
    parts = [pq.read_table(file.path) for file in table.files]
    assert [part.num_rows for part in parts] == [file.rows for file in table.files]
    frame = pl.from_arrow(pa.concat_tables(parts))
    assert isinstance(frame, pl.DataFrame)
    return frame


def frame_of(rows: pa.Table) -> pl.DataFrame:
    """Return rows as a polars frame, which keeps NULLs beside whole numbers."""
    frame = pl.from_arrow(rows)
    assert isinstance(frame, pl.DataFrame)
    return frame


def check(made: Arranged, rows: pa.Table) -> None:
    """Check all five forms against the rows, as polars sorts and counts them."""
    truth = frame_of(rows)

    def ordered(columns: list[str], *by: str) -> pl.DataFrame:
        return truth.select(columns).sort(by, nulls_last=True)

    assert content(made.main).equals(ordered(truth.columns, PRE, POST, "id"))
    by_post = content(made.by_post)
    assert by_post.equals(ordered(by_post.columns, POST, PRE, "id"))
    assert content(made.ids).equals(ordered(["id", PRE, POST], "id"))
    counts = (
        truth.drop_nulls([PRE, POST])
        .group_by(pl.col(PRE).alias("pre_root_id"), pl.col(POST).alias("post_root_id"))
        .agg(
            pl.len().cast(pl.Int64).alias("syn_count"),
            pl.col("size").cast(pl.Float64).sum().alias("size_sum"),
        )
    )
    assert content(made.edges).equals(counts.sort("pre_root_id", "post_root_id"))
    assert content(made.edges_by_post).equals(counts.sort("post_root_id", "pre_root_id"))


@pytest.mark.parametrize(
    "rows",
    [
        synapses(4000, roots=40),
        synapses(3000, roots=5, seed=1, first_id=2**53 - 3000),
        synapses(3000, roots=3000, seed=2, first_id=2**60),
        synapses(1),
        synapses(0),
    ],
    ids=["a small brain", "ids across 2^53", "ids beyond 2^53", "one row", "no rows"],
)
def test_five_forms_of_one_table(warehouse: Warehouse, rows: pa.Table) -> None:
    """Every form holds every row it should, exactly, in its order; NULL roots are last, and in no edge."""
    check(arranged(warehouse, rows), rows)


def test_all_roots_null(warehouse: Warehouse) -> None:
    """A table whose roots were not looked up yet is kept whole, and has no edge."""
    rows = synapses(100)
    for name in (PRE, POST):
        rows = rows.set_column(rows.column_names.index(name), name, pa.nulls(100, pa.int64()))
    made = arranged(warehouse, rows)
    check(made, rows)
    assert made.edges.rows == 0


def test_one_root_with_most_of_the_synapses(warehouse: Warehouse) -> None:
    """Root 0 with more synapses than two row groups, and one pair with as many, are arranged like any other."""
    count = 300_000
    rows = synapses(count, roots=30)
    mostly = np.arange(count) % 10 > 0
    for name in (PRE, POST):
        values = np.where(mostly, 0, ROOT + np.arange(count) % 7)
        rows = rows.set_column(rows.column_names.index(name), name, pa.array(values, pa.int64()))
    made = arranged(warehouse, rows, pieces=4)
    check(made, rows)
    assert made.edges.rows == 8
    assert content(made.edges)["syn_count"].to_list()[0] == count * 9 // 10


@given(seed=st.integers(0, 10**6), pieces=st.integers(1, 9), count=st.integers(0, 200))
@settings(max_examples=8, deadline=None)
def test_pieces_do_not_show(
    tmp_path_factory: pytest.TempPathFactory, seed: int, pieces: int, count: int
) -> None:
    """However rows were cut into pieces, and when they came, the five forms are the same to the byte."""
    rows = synapses(count, seed=seed, roots=8)
    sums = []
    for cut in (1, pieces):
        made = arranged(make_warehouse(tmp_path_factory.mktemp("wh")), rows, pieces=cut)
        sums.append([[file.sha256 for file in getattr(made, form).files] for form in FORMS])
    assert sums[0] == sums[1]


def test_row_groups_hold_narrow_key_ranges(warehouse: Warehouse) -> None:
    """In each form the row groups follow one another in the first column of the order, so that a lookup reads few."""
    rows = synapses(400_000, roots=20_000)
    made = arranged(warehouse, rows)
    for form in ("main", "by_post", "ids"):
        table = getattr(made, form)
        [file] = table.files
        footer = pq.ParquetFile(file.path).metadata
        at = table.arrow.names.index(table.order[0])
        stats = [footer.row_group(i).column(at).statistics for i in range(footer.num_row_groups)]
        assert len(stats) == 4
        ends = [(one.min, one.max) for one in stats if one.has_min_max]
        assert all(before[1] <= after[0] for before, after in pairwise(ends))


def test_edges_are_stored_for_reading_from_end_to_end(warehouse: Warehouse) -> None:
    """Roots and counts of edges stand delta-encoded without a codec over it; only their sums of sizes have one."""
    made = arranged(warehouse, synapses(20_000, roots=500))
    group = pq.ParquetFile(made.edges.files[0].path).metadata.row_group(0)
    columns = {group.column(at).path_in_schema: group.column(at) for at in range(group.num_columns)}
    assert {name: column.compression for name, column in columns.items()} == {
        "pre_root_id": "UNCOMPRESSED",
        "post_root_id": "UNCOMPRESSED",
        "syn_count": "UNCOMPRESSED",
        "size_sum": "ZSTD",
    }
    assert all("DELTA_BINARY_PACKED" in columns[name].encodings for name in BARE)


# --- names -------------------------------------------------------------------------------------------


def test_a_second_synapse_table_has_its_own_forms(warehouse: Warehouse) -> None:
    """A further synapse table is arranged under its own names, beside the canonical one, and both can be asked."""
    first, second = synapses(300), synapses(200, seed=9, roots=5)
    made = finished(staged(warehouse, first), others=["syn2"])
    made += finished(staged(warehouse, second, table="syn2"), others=["syn2"])
    snapshot = commit(warehouse, change(warehouse, {}, tables=made))
    assert {key for key in snapshot.main.tables if key.startswith("derived.")} == {
        *(f"derived.{name}" for name in ("synapses_by_post", "edges", "edges_by_post", "synapse_ids")),
        *(f"derived.syn2_{name}" for name in ("by_post", "edges", "edges_by_post", "ids")),
    }
    con = connect(warehouse.root)
    for name, rows in (("edges", first), ("syn2_edges", second)):
        pairs = Counter(zip(rows[PRE].to_pylist(), rows[POST].to_pylist(), strict=True))
        truth = {(*pair, n) for pair, n in pairs.items() if None not in pair}
        assert set(con.sql(f"SELECT pre_root_id, post_root_id, syn_count FROM {name}").fetchall()) == truth
    assert con.sql("SELECT count(*) FROM syn2_by_post").fetchall() == [(200,)]


def test_a_table_without_sizes(warehouse: Warehouse) -> None:
    """A server that gives no sizes gives edges without sums; the columns it lacks are NULL in the views."""
    rows = synapses(300).drop_columns(["size", "ctr_pt_position_x", "score"])
    brain(warehouse, rows)
    con = connect(warehouse.root)
    assert con.sql("SELECT count(*), count(size_sum), sum(syn_count) > 0 FROM edges").fetchall()[0][1:] == (
        0,
        True,
    )
    for view in ("synapses", "synapses_by_post"):
        [found] = con.sql(
            f"SELECT count(*), count(size), count(ctr_x_nm), count(ctr_y_nm) FROM {view}"
        ).fetchall()
        assert found == (300, 0, 0, 300)


# --- bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", [PRE, POST])
def test_a_table_without_roots_is_no_synapse_table(warehouse: Warehouse, column: str) -> None:
    """Without a root column it cannot be arranged, and the error names the column."""
    with pytest.raises(ValidationError, match=column):
        arranged(warehouse, synapses(10).drop_columns([column]))


def test_a_table_of_something_else_is_no_synapse_table(warehouse: Warehouse) -> None:
    """A table named as synapses in crantdb.toml that holds none is refused with all that it lacks."""
    with pytest.raises(ValidationError, match=f"{PRE}, {POST}"):
        arranged(warehouse, cells(range(10)))


@pytest.mark.parametrize("pieces", [1, 2])
def test_an_id_that_comes_twice_is_refused(warehouse: Warehouse, pieces: int) -> None:
    """A synapse that is there twice, in one piece or in two, is refused with its id."""
    rows = synapses(10)
    twice = rows.slice(4, 1)
    rows = pa.concat_tables([rows.slice(0, 5), twice, rows.slice(5)]).combine_chunks()
    with pytest.raises(ValidationError, match=f"id is unique.*{twice['id'][0].as_py()}"):
        arranged(warehouse, rows, pieces=pieces)


def test_an_id_that_is_null_is_refused(warehouse: Warehouse) -> None:
    """A synapse without an id is refused."""
    rows = synapses(10)
    ids = [None, *rows["id"].to_pylist()[1:]]
    rows = rows.set_column(0, "id", pa.array(ids, pa.int64()))
    with pytest.raises(ValidationError, match="id is never NULL"):
        arranged(warehouse, rows)


def test_memory_that_does_not_suffice_is_a_stated_failure(warehouse: Warehouse) -> None:
    """When DuckDB runs out of what it was given, the error says so and how to give it more; the pieces are kept."""
    rows = synapses(200_000)
    staging = staged(warehouse, rows)
    with pytest.raises(StorageError, match=r"cannot be sorted in 0\.0 GB.*--memory"):
        arrange(staging, NAMES, memory_bytes=2_000_000)
    made = arrange(staging, NAMES, memory_bytes=MEMORY)
    assert made.main.rows == 200_000


SPILL = """
import resource, sys, threading
from pathlib import Path
from crantdb.warehouse.arrange import arrange, names_for
from tests.warehouse.brain import staged, synapses
from tests.warehouse.making import make_warehouse

staging = staged(make_warehouse(Path(sys.argv[1])), synapses(600_000))
if len(sys.argv) > 2:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
spill = staging.folder / "spill"
spilled, done = threading.Event(), threading.Event()


def watch():
    while not done.wait(0.005):
        if spill.is_dir() and any(spill.iterdir()):
            spilled.set()


threading.Thread(target=watch, daemon=True).start()
try:
    made = arrange(staging, names_for("syn", canonical=True), memory_bytes=100_000_000)
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
print(made.main.rows, spilled.is_set())
"""


def test_the_sort_spills_into_the_staging(tmp_path: Path) -> None:
    """A table larger than the memory given is sorted all the same, and what spills lies beside its pieces."""
    done = child(SPILL, tmp_path)
    assert (done.stdout, done.stderr) == ("600000 True\n", "")
    assert [path.name for path in tmp_path.iterdir()] == ["wh"]


def test_a_disk_that_is_full_during_the_sort_is_a_stated_failure(tmp_path: Path) -> None:
    """When the disk refuses what spills, the error says so, not that memory is short, and names the place."""
    done = child(SPILL, tmp_path, 8_000_000)
    assert done.returncode == 1
    assert "StorageError: syn cannot be sorted: the disk refused" in done.stderr
    assert str(tmp_path / "wh/staging") in done.stderr
