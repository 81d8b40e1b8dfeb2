"""Every macro of regions and transmitters in every kept version: the stock shell, Python and polars agree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

import crantdb
from crantdb.analysis.matrices.nested import NestedMatrix
from crantdb.analysis.transmitters import get_transmitter_predictions
from crantdb.morphology.regions import Region, Regions
from crantdb.sources.predictions import open_predictions
from crantdb.sync.regions import sync_regions
from crantdb.sync.transmitters import import_predictions
from crantdb.warehouse.register import register
from tests.analysis.making import add_brain, synapses_of_edges
from tests.analysis.stock_shell import answers_of_the_shell
from tests.morphology.shapes import box
from tests.sql.test_synapse_access import digest
from tests.warehouse.making import ROOT, make_warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb
    import pyarrow as pa

ASKED = [ROOT + 3, ROOT + 4, ROOT + 17]
_LIST = f"[{', '.join(map(str, ASKED))}]"
_KEPT = "min_synapses := 2, keep_autapses := true, keep_root_zero := true"

CALLS = {
    "region_list": "region_list(['left', 'right', 'left'])",
    "region_adjacency": f"region_adjacency({_LIST}, {_LIST})",
    "region_adjacency, whole": f"region_adjacency({_KEPT})",
    "region_adjacency, of some": f"region_adjacency(of_post := {_LIST}, in_regions := 'left', min_size := 300)",
    "region_connectivity": f"region_connectivity({_LIST})",
    "region_connectivity, one way": f"region_connectivity({ASKED[0]}, ['left', 'other'], upstream := false)",
    "region_connectivity, whole": f"region_connectivity({_KEPT})",
    "region_synapse_counts": f"region_synapse_counts({_LIST})",
    "region_synapse_counts, whole": "region_synapse_counts(min_size := 500)",
    "neuron_transmitters": f"neuron_transmitters({_LIST})",
    "neuron_transmitters, plain": f"neuron_transmitters({_LIST}, weighted := false, in_regions := 'left')",
    "neuron_transmitters, whole": "neuron_transmitters(outside_regions := ['left'], keep_autapses := true)",
}
"""Each macro, called in one or several ways."""


def edges(seed: int) -> list[tuple[int, int, int]]:
    """Return some hundred edges among thirty neurons, autapses and root 0 among them."""
    random = np.random.default_rng(seed)
    pairs = sorted({(int(a), int(b)) for a, b in random.integers(0, 30, (400, 2))})
    roots = [0, *(ROOT + number for number in range(1, 30))]
    counts = random.integers(1, 9, len(pairs))
    return [(roots[a], roots[b], int(n)) for (a, b), n in zip(pairs, counts, strict=True)]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a warehouse of two versions with regions and predictions that differ, registered for other programs."""
    folder = tmp_path_factory.mktemp("regions")
    warehouse = make_warehouse(folder)
    half, whole = 200_000.0, 400_000.0
    regions = Regions(
        [
            Region("left", (box((0, 0, 0), (half, whole, 3e6)),)),
            Region("right", (box((half - 50_000, 0, 0), (whole - 50_000, whole, 3e6)),)),
        ]
    )
    for version in (1, 2):
        synapses = synapses_of_edges(edges(version), seed=version, unresolved=7)
        neurons = [{"root_id": ROOT + n, "cell_type": f"type {n % (2 + version)}"} for n in range(1, 25)]
        add_brain(warehouse, synapses, neurons, version=version)
        sync_regions(warehouse, regions, source="boxes")
        random = np.random.default_rng(version)
        # Parts of 64: sums of them are exact in any order.
        gaba = random.integers(0, 33, synapses.num_rows) / 64
        rows = {
            "id": synapses["id"].to_numpy(),
            "gaba": gaba,
            "glutamate": random.permutation(gaba),
            "weight": 1.0,
        }
        pl.DataFrame(rows).write_parquet(folder / f"{version}.parquet")
        import_predictions(warehouse, open_predictions(folder / f"{version}.parquet"))
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


@pytest.mark.parametrize("name", [name for name in CALLS if name != "region_list"])
def test_versions_differ(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """A version's schema answers of its own rows: the same as main where it is main, otherwise where it is not."""
    told = {
        schema: digest(con.sql(f"FROM {schema}.{CALLS[name]}").to_arrow_table())
        for schema in ("main", "v1", "v2")
    }
    assert told["main"] == told["v2"] != told["v1"]


@pytest.mark.parametrize("version", [1, 2])
def test_polars_reads_the_same_tables(con: duckdb.DuckDBPyConnection, two: Path, version: int) -> None:
    """Both tables are scans: polars reads the same rows, and counts the same pairs by region."""
    for table in ("synapse_regions", "nt_predictions"):
        scanned = crantdb.scan(table, two, version=version).collect().to_arrow()
        assert digest(scanned.cast(con.sql(f"FROM v{version}.{table}").to_arrow_table().schema)) == digest(
            con.sql(f"FROM v{version}.{table}").to_arrow_table()
        )
    pairs = (
        crantdb.scan("synapse_regions", two, version=version)
        .filter(
            pl.col("pre_root_id").is_not_null(),
            pl.col("pre_root_id") != pl.col("post_root_id"),
            pl.col("pre_root_id") != 0,
            pl.col("post_root_id") != 0,
        )
        .group_by("region", "pre_root_id", "post_root_id")
        .len()
        .collect()
    )
    asked = con.sql(f"SELECT region, pre, post, weight FROM v{version}.region_adjacency()").fetchall()
    assert set(asked) == set(pairs.rows())


def test_python_asks_the_version_it_is_told_to(con: duckdb.DuckDBPyConnection) -> None:
    """Matrices and transmitters of an older version are of its neurons, types and rows."""
    old, new = (NestedMatrix.by_region(con, materialization=version) for version in (1, 2))
    assert len(old.left.type_boundaries) == 3
    assert len(new.left.type_boundaries) == 4
    one, two_ = (
        pl.DataFrame(get_transmitter_predictions(con, ASKED, materialization=version, update_ids=False))
        for version in (1, 2)
    )
    assert one["gaba"].to_list() != two_["gaba"].to_list()
    query = f"SELECT probability FROM v1.neuron_transmitters({_LIST}) WHERE transmitter = 'gaba'"
    assert sorted(one["gaba"].to_list()) == sorted(value for (value,) in con.sql(query).fetchall())
