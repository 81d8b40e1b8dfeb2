"""Connectivity at scale: the questions of crantpy's page, its way in pandas, and polars' best, in the same run.

    python -m benchmarks.connectivity --scale 20m

crantpy's way is written out as its `get_synapses`, `get_adjacency` and `get_connectivity` go about it, on a frame of
all synapses in memory, which stands in for the server and is not timed: rows of the neurons, pairs counted and
thresholded, autapses and root 0 dropped, pairs counted again, then a matrix filled cell by cell. Left out, in its
favour: the query itself, the mapping of ids over the network, and the conversion of positions to pixels.
polars' best is a scan of our `edges` with its filters pushed down.
Each question is put to all in turn, several times over; printed is the least time of each, and the ratio.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl

from benchmarks.machine import SCALES, machine
from benchmarks.synapses import AS_OF, VOXELS, Question, ask, stage
from crantdb.analysis.adjacency import get_adjacency, sparse_adjacency
from crantdb.analysis.answers import call
from crantdb.analysis.connectivity import get_connectivity, get_synapse_counts
from crantdb.sync.finish import Forms, finish
from crantdb.warehouse.catalog import connect, scan
from crantdb.warehouse.commit import Change, TableFacts, commit
from crantdb.warehouse.layout import create_warehouse
from crantdb.warehouse.memory import parse_bytes

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

PAIR = ["pre_pt_root_id", "post_pt_root_id"]


def build(folder: Path, rows: int, memory: str) -> tuple[Path, Path]:
    """Make a warehouse of generated synapses; return its folder, and a file of the same rows unsorted."""
    start = time.perf_counter()
    warehouse = create_warehouse(folder / "warehouse", "")
    unsorted = folder / "unsorted.parquet"
    staging = stage(warehouse, unsorted, rows)
    facts = TableFacts("table", VOXELS, AS_OF, AS_OF, "generated")
    made = finish(staging, facts, expected_rows=rows, forms=Forms("synapses_v2", (), parse_bytes(memory)))
    info = {"synapse_table": "synapses_v2"}
    commit(warehouse, Change(None, "bench", "bench", "http://bench", info, None, 1, AS_OF, made))
    staging.discard()
    print(
        f"a warehouse of {rows:,} generated synapses in {time.perf_counter() - start:.0f} s (not timed below)"
    )
    return warehouse.root, unsorted


def all_synapses(unsorted: Path) -> pd.DataFrame:
    """Return all synapses as a frame in memory: what crantpy's server has."""
    start = time.perf_counter()
    # NULLs go before pandas comes: beside a NULL it would make floats of the ids.
    frame = pl.read_parquet(unsorted, columns=["id", *PAIR, "size"]).drop_nulls(PAIR).to_pandas()
    print(f"pandas: a frame of {len(frame):,} rows in {time.perf_counter() - start:.1f} s (not timed below)")
    return frame


# --- crantpy's way -----------------------------------------------------------------------------------


def their_synapses(frame: pd.DataFrame, pre: list[int] | None, post: list[int] | None) -> pd.DataFrame:
    """Return the synapses of neurons by the steps of crantpy's `get_synapses`, with its defaults."""
    wanted = np.ones(len(frame), bool)
    for column, ids in zip(PAIR, (pre, post), strict=True):
        if ids is not None:
            wanted &= frame[column].isin(ids).to_numpy()
    found = frame[wanted]
    counts = found.groupby(PAIR).size()
    strong = counts[counts >= 1].index
    indexed = found.set_index(PAIR)
    found = indexed.loc[indexed.index.isin(strong)].reset_index()
    found = found[found[PAIR[0]] != found[PAIR[1]]]
    return found[(found[PAIR[0]] != 0) & (found[PAIR[1]] != 0)]


def their_adjacency(frame: pd.DataFrame, ids: list[int]) -> pd.DataFrame:
    """Return a matrix by the steps of crantpy's `get_adjacency`: pairs counted, cells set one by one."""
    found = their_synapses(frame, ids, ids)
    matrix = pd.DataFrame(
        0, index=sorted(set(found[PAIR[0]])), columns=sorted(set(found[PAIR[1]])), dtype=int
    )
    counts = found.groupby(PAIR).size().reset_index(name="count")
    for _, row in counts.iterrows():
        if row[PAIR[0]] in matrix.index and row[PAIR[1]] in matrix.columns:
            matrix.loc[row[PAIR[0]], row[PAIR[1]]] = row["count"]
    return matrix


def their_connectivity(frame: pd.DataFrame, ids: list[int] | None, threshold: int) -> pd.DataFrame:
    """Return an edge list by the steps of crantpy's `get_connectivity`: both ways, each synapse once, counted."""
    parts = (
        [their_synapses(frame, None, None)]
        if ids is None
        else [their_synapses(frame, None, ids), their_synapses(frame, ids, None)]
    )
    found = pd.concat(parts, ignore_index=True).drop_duplicates("id")
    counts = found.groupby(PAIR).size().reset_index(name="weight")
    counts = counts[counts["weight"] >= threshold].sort_values("weight", ascending=False)
    return counts.rename(columns={PAIR[0]: "pre", PAIR[1]: "post"})


# --- the questions -----------------------------------------------------------------------------------


def chosen(con: duckdb.DuckDBPyConnection, count: int) -> dict[str, NDArray[np.int64]]:
    """Return so many roots in two ways: those that tell most, and evenly spread over all that tell something."""
    query = "SELECT pre_root_id AS root FROM edges WHERE pre_root_id > 0 GROUP BY 1 ORDER BY {}"
    busy = con.sql(query.format("sum(syn_count) DESC, 1")).fetchnumpy()["root"][:count]
    every = con.sql(query.format("1")).fetchnumpy()["root"]
    places = np.linspace(0, len(every) - 1, min(count, len(every))).astype(int)
    return {"the busiest": np.asarray(busy, np.int64), "evenly spread": np.asarray(every[places], np.int64)}


def cells(matrix: pd.DataFrame) -> int:
    """Return how many cells of a matrix are not zero."""
    return int(np.count_nonzero(matrix.to_numpy()))


def their_matrix(con: duckdb.DuckDBPyConnection, ids: NDArray[np.int64]) -> pd.DataFrame:
    """Return our matrix in crantpy's shape."""
    found: Any = get_adjacency(con, ids, ids, like="crantpy")
    return found


def questions(root: Path, unsorted: Path, *, neurons: int) -> list[Question]:
    """Return the questions, each to every contestant."""
    con, frame = connect(root), all_synapses(unsorted)
    groups = chosen(con, neurons)
    ids = groups["evenly spread"]
    one = ids[len(ids) // 2 : len(ids) // 2 + 1]
    edges = scan("edges", root).rename({"pre_root_id": "pre", "post_root_id": "post", "syn_count": "weight"})
    kept = edges.filter((pl.col("pre") != pl.col("post")) & (pl.col("pre") != 0) & (pl.col("post") != 0))
    strong = (
        kept.filter(pl.col("weight") >= 5).select("pre", "post", "weight").sort("weight", descending=True)
    )
    return [
        *(_adjacency(con, frame, kept, group, name) for name, group in groups.items()),
        Question(
            "whole-brain edge list, 5 synapses or more, strongest first",
            lambda: len(get_connectivity(con, threshold=5)),
            {
                "polars, our edges": lambda: strong.collect().height,
                "crantpy's way": lambda: len(their_connectivity(frame, None, 5)),
            },
        ),
        Question(
            "partners of one neuron, both ways",
            lambda: len(get_connectivity(con, one)),
            {
                "polars, our edges": lambda: kept.filter(
                    (pl.col("pre") == one[0]) | (pl.col("post") == one[0])
                ).collect().height,
                "crantpy's way": lambda: len(their_connectivity(frame, one.tolist(), 1)),
            },
        ),
        *_ours_alone(con, ids, one),
    ]  # fmt: skip


def _adjacency(
    con: duckdb.DuckDBPyConnection, frame: pd.DataFrame, kept: pl.LazyFrame, ids: NDArray[np.int64], name: str
) -> Question:
    """Return the question for the matrix of some neurons; the brain's, as crantpy's frame, is in memory already."""
    whole = sparse_adjacency(con)
    known = ids.tolist()
    among = kept.filter(pl.col("pre").is_in(known) & pl.col("post").is_in(known)).select(
        "pre", "post", "weight"
    )
    return Question(
        f"adjacency of {len(ids):,} neurons, {name} (ours: long form; scipy and dense: ids are mapped first)",
        lambda: call(con, "adjacency", [ids, ids], select="SELECT pre, post, weight").pl().height,
        {
            "crantdb, scipy": lambda: sparse_adjacency(con, ids, ids).matrix.nnz,
            "crantdb, of the brain's matrix in memory": lambda: whole.among(ids, ids).matrix.nnz,
            "crantdb, dense": lambda: cells(their_matrix(con, ids)),
            "polars, our edges": lambda: among.collect().height,
            "crantpy's way": lambda: cells(their_adjacency(frame, known)),
        },
    )


def _ours_alone(
    con: duckdb.DuckDBPyConnection, ids: NDArray[np.int64], one: NDArray[np.int64]
) -> list[Question]:
    """Return what is asked of us only: what each macro costs."""
    root, some = int(one[0]), ids[:: max(1, len(ids) // 100)]
    calls = {
        "synapses of one neuron": f"synapses_of({root})",
        "partners of one neuron, annotated": f"partners({root})",
        "connections of one neuron by synapses of size 200 or more": f"connectivity({root}, min_size := 200)",
        "ways of at most 2 hops between two neurons": f"paths({root}, {int(ids[0])}, min_synapses := 3)",
        "ways of at most 3 hops between two neurons": f"paths({root}, {int(ids[0])}, max_hops := 3, min_synapses := 5)",
        "pairs that talk both ways, 5 synapses or more": "reciprocal(min_synapses := 5)",
        "the connectome in one row": "connectome_stats()",
    }
    asked = [
        Question(name, lambda text=text: con.sql(f"FROM {text}").pl().height, {})
        for name, text in calls.items()
    ]
    counts = Question(f"counts of {len(ids):,} neurons", lambda: len(get_synapse_counts(con, ids)), {})
    shared = Question(
        f"partners that {len(some)} neurons share",
        lambda: call(con, "shared_partners", [some]).pl().height,
        {},
    )
    return [*asked, counts, shared]


def main() -> None:
    """Run the measurements."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scale", choices=SCALES, default="1m")
    parser.add_argument("--memory", default="8GB")
    parser.add_argument("--folder", type=Path, help="where the files go (default: a temporary folder)")
    parser.add_argument("--neurons", type=int, default=5000)
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        root, unsorted = build(Path(place), SCALES[options.scale], options.memory)
        for question in questions(root, unsorted, neurons=options.neurons):
            ask(question, options.times)


if __name__ == "__main__":
    main()
