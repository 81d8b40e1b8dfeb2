"""Every macro of connectivity in every kept version: the stock shell, Python and, where it is a scan, polars agree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

import crantdb
from crantdb.errors import BadArgument, NoSuchSnapshot
from crantdb.warehouse.register import register
from tests.analysis.making import add_brain, synapses_of_edges
from tests.analysis.stock_shell import answers_of_the_shell
from tests.sql.test_synapse_access import digest
from tests.warehouse.making import ROOT, make_warehouse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import duckdb
    import pyarrow as pa

ASKED = [ROOT + 3, ROOT + 4, ROOT + 17]
_LIST = f"[{', '.join(map(str, ASKED))}]"
_RULES = ", min_synapses := 2, keep_autapses := true"

CALLS = {
    "root_list": f"root_list({_LIST})",
    "downstream": f"downstream({_LIST})",
    "downstream, kept": f"downstream({_LIST}, min_synapses := 2, keep_autapses := true, keep_root_zero := true)",
    "downstream, sized": f"downstream({_LIST}, min_synapses := 2, min_size := 300)",
    "upstream": f"upstream({_LIST})",
    "upstream, sized": f"upstream({ASKED[0]}, min_size := 300)",
    "adjacency": f"adjacency({_LIST}, {_LIST}{_RULES})",
    "adjacency, whole": "adjacency()",
    "adjacency, sized": f"adjacency(of_post := {_LIST}, min_size := 500)",
    "connectivity": f"connectivity({_LIST})",
    "connectivity, whole": "connectivity(min_synapses := 3)",
    "synapses_of": f"synapses_of({_LIST})",
    "synapses_of, sized": f"synapses_of({_LIST}, upstream := false, min_synapses := 2, min_size := 300)",
    "synapses_between": f"synapses_between({_LIST}{_RULES})",
    "synapse_counts": f"synapse_counts({_LIST})",
    "synapse_counts, whole": "synapse_counts(min_synapses := 2)",
    "partners": f"partners({_LIST})",
    "shared_partners": f"shared_partners({_LIST})",
    "reciprocal": "reciprocal()",
    "paths": f"paths({ASKED[0]}, {_LIST}, max_hops := 3, min_synapses := 4)",
    "connectome_stats": "connectome_stats()",
    "neuron_labels": "neuron_labels('cell_type')",
    "type_counts": "type_counts('cell_class')",
    "type_connectivity": "type_connectivity('cell_type', keep_untyped := true)",
}
"""Each macro, called in one or several ways."""

VERSIONS = {"main": 2, "v2": 2, "v1": 1}


def edges(seed: int) -> list[tuple[int, int, int]]:
    """Return some hundred edges among thirty neurons, autapses and root 0 among them."""
    random = np.random.default_rng(seed)
    pairs = {(int(a), int(b)) for a, b in random.integers(0, 30, (400, 2))}
    roots = [0, *(ROOT + number for number in range(1, 30))]
    return [
        (roots[a], roots[b], int(n))
        for (a, b), n in zip(sorted(pairs), random.integers(1, 9, len(pairs)), strict=False)
    ]


def neurons(seed: int) -> list[dict[str, object]]:
    """Return annotations of most of them, which differ by version."""
    return [
        {
            "root_id": ROOT + number,
            "cell_class": "even" if (number + seed) % 2 == 0 else "odd",
            "cell_type": None if number % 5 == 0 else f"type {(number * seed) % 4}",
            "side": "left" if number % 3 else "right",
            "proofread": number % 4 == 0,
            "status": ["NA"] if number % 2 else None,
        }
        for number in range(1, 25)
    ]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a warehouse of two versions whose rows differ, registered for other programs."""
    warehouse = make_warehouse(tmp_path_factory.mktemp("two"))
    for version in (1, 2):
        add_brain(
            warehouse,
            synapses_of_edges(edges(version), seed=version, unresolved=7),
            neurons(version),
            version=version,
        )
    register(warehouse.root)
    return warehouse.root


@pytest.fixture(scope="module")
def con(two: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Connect to both versions."""
    with crantdb.connect(two, versions=[1, 2]) as made:
        yield made


@pytest.fixture(scope="module")
def shell(two: Path) -> dict[tuple[str, str], pa.Table]:
    """Return every call in every version as the stock DuckDB shell answers it."""
    return answers_of_the_shell(two, CALLS)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("schema", ["main", "v1"])
def test_the_shell_and_python_agree(
    con: duckdb.DuckDBPyConnection, shell: dict[tuple[str, str], pa.Table], schema: str, name: str
) -> None:
    """The stock shell and Python give the same rows of every macro, in main and in the other version's schema."""
    python = con.sql(f"FROM {schema}.{CALLS[name]}").to_arrow_table()
    assert python.num_rows
    assert digest(python) == digest(shell[schema, name])


@pytest.mark.parametrize("name", CALLS)
def test_versions_do_not_mix(con: duckdb.DuckDBPyConnection, two: Path, name: str) -> None:
    """A version's schema gives what a connection to that version alone gives in main, and the other version something else."""
    found = {schema: digest(con.sql(f"FROM {schema}.{CALLS[name]}").to_arrow_table()) for schema in VERSIONS}
    with crantdb.connect(two, version=1) as alone:
        assert found["v1"] == digest(alone.sql(f"FROM {CALLS[name]}").to_arrow_table())
    assert found["main"] == found["v2"]
    assert (found["v1"] == found["v2"]) == (name == "root_list")


def scanned(two: Path, version: int, threshold: int = 1) -> pl.LazyFrame:
    """Return the connections of a version as polars scans them."""
    kept = crantdb.scan("edges", two, version=version).filter(
        (pl.col("pre_root_id") != pl.col("post_root_id"))
        & (pl.col("pre_root_id") != 0)
        & (pl.col("post_root_id") != 0)
        & (pl.col("syn_count") >= threshold)
    )
    return kept.select(pre="pre_root_id", post="post_root_id", weight="syn_count", size_sum="size_sum")


POLARS: dict[str, Callable[[Path, int], pl.LazyFrame]] = {
    "downstream": lambda two, v: scanned(two, v).filter(pl.col("pre").is_in(ASKED)),
    "upstream": lambda two, v: scanned(two, v).filter(pl.col("post").is_in(ASKED)),
    "adjacency, whole": scanned,
    "connectivity": lambda two, v: scanned(two, v).filter(pl.col("pre").is_in(ASKED) | pl.col("post").is_in(ASKED)),
    "connectivity, whole": lambda two, v: scanned(two, v, 3),
    "upstream, sized": lambda two, v: (
        crantdb.scan("synapses_by_post", two, version=v)
        .filter(
            (pl.col("post_pt_root_id") == ASKED[0])
            & (pl.col("size") >= 300)
            & ~pl.col("pre_pt_root_id").is_in([0, ASKED[0]])
        )
        .group_by(pre="pre_pt_root_id", post="post_pt_root_id")
        .agg(pl.len().cast(pl.Int64).alias("weight"), pl.col("size").cast(pl.Float64).sum().alias("size_sum"))
    ),
    "neuron_labels": lambda two, v: crantdb.scan("neurons", two, version=v).select("root_id", label="cell_type"),
    "synapses_of, sized": lambda two, v: (
        crantdb.scan("synapses", two, version=v)
        .filter(pl.col("pre_pt_root_id").is_in(ASKED) & (pl.col("size") >= 300) & (pl.col("post_pt_root_id") != 0))
        .filter(pl.col("pre_pt_root_id") != pl.col("post_pt_root_id"))
        .filter(pl.len().over("pre_pt_root_id", "post_pt_root_id") >= 2)
        .select(
            "id", "pre_pt_root_id", "post_pt_root_id", "post_pt_supervoxel_id", "size",
            "post_x_nm", "post_y_nm", "post_z_nm", "ctr_x_nm", "ctr_y_nm", "ctr_z_nm",
        )
    ),
}  # fmt: skip
"""The same questions to polars, for macros that are a scan."""


@pytest.mark.parametrize("name", POLARS)
@pytest.mark.parametrize("version", [1, 2])
def test_polars_agrees(con: duckdb.DuckDBPyConnection, two: Path, version: int, name: str) -> None:
    """Polars on the same files gives the rows of the macro, in every kept version, sizes and positions included."""
    mine = POLARS[name](two, version).collect()
    found = con.sql(f"FROM v{version}.{CALLS[name]}").to_arrow_table()
    assert digest(mine.to_arrow()) == digest(found)


def test_functions_ask_the_version_that_is_named(con: duckdb.DuckDBPyConnection, two: Path) -> None:
    """materialization=1 gives that version's rows; one that the connection does not hold, or `live`, is refused."""
    for version in (1, 2):
        found = crantdb.get_connectivity(con, ASKED, materialization=version)
        assert isinstance(found, pl.DataFrame)
        truth = POLARS["connectivity"](two, version).select("pre", "post", "weight").collect()
        assert sorted(found.rows()) == sorted(truth.rows())
    with pytest.raises(NoSuchSnapshot, match=r"versions=\[9\]"):
        crantdb.get_adjacency(con, ASKED, materialization=9)
    with pytest.raises(BadArgument, match="live"):
        crantdb.get_synapses(con, ASKED, materialization="live")  # type: ignore[arg-type]
