"""Warehouses for the objects of sql/: one without tables, one of two versions with different rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from crantdb.warehouse.arrange import arrange, names_for
from crantdb.warehouse.catalog import connect
from crantdb.warehouse.commit import commit
from crantdb.warehouse.validate import validate
from tests.sql import l2_calls
from tests.warehouse.making import ROOT, add, change, facts, fill, make_warehouse, staging_key, synapse_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb

    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.validate import ValidTable


def add_synapses(warehouse: Warehouse, ids: range, version: int) -> None:
    """Commit synapses as a sync does, in their five forms."""
    staging = fill(warehouse, staging_key("syn", version), [synapse_rows(ids, shift=version)])
    made = arrange(staging, names_for("syn", canonical=True), memory_bytes=2**29)
    forms = (made.main, made.by_post, made.edges, made.edges_by_post, made.ids)
    tables = [(validate(form, rows_expected=form.rows), facts(version)) for form in forms]
    tables += [(valid, facts(version)) for valid in by_synapse(warehouse, ids, version)]
    tables += l2_calls.derived_tables(warehouse, version)
    shared = l2_calls.shared_tables(warehouse) if version == 1 else []
    commit(warehouse, change(warehouse, {}, version, tables=tables, appended=shared))


def by_synapse(warehouse: Warehouse, ids: range, version: int) -> list[ValidTable]:
    """Return the derived tables with a row a synapse: its region, and its transmitters."""
    roots = [ROOT + version + number for number in ids]
    regions = pa.table(
        {
            "synapse_id": pa.array(ids, pa.int64()),
            "region": pa.array(["left" if number % 2 else "other" for number in ids]),
            "pre_root_id": pa.array(roots, pa.int64()),
            "post_root_id": pa.array(roots, pa.int64()),
            "size": pa.array([float(number) for number in ids], pa.float32()),
            "mesh_revision": pa.array(["meshes"] * len(ids)),
        }
    )
    predictions = pa.table(
        {"synapse_id": pa.array(ids, pa.int64())}
        | {name: pa.array([value] * len(ids), pa.float64()) for name, value in TRANSMITTERS.items()}
    )
    return [
        derived_table(warehouse, "synapse_regions", regions, version, key="pre_root_id"),
        derived_table(warehouse, "nt_predictions", predictions, version, key="synapse_id"),
    ]


TRANSMITTERS = {
    "acetylcholine": 0.25,
    "dopamine": None,
    "gaba": 0.5,
    "glutamate": None,
    "octopamine": None,
    "peptide": None,
    "weight": None,
}


def derived_table(warehouse: Warehouse, name: str, rows: pa.Table, version: int, *, key: str) -> ValidTable:
    """Stage and validate a derived table of a version."""
    place = replace(staging_key(name, version, sort_key=key, unique=False), schema="derived")
    return validate(fill(warehouse, place, [rows]).finish(), rows_expected=rows.num_rows)


@pytest.fixture(scope="package")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a connection to a snapshot without a single table."""
    warehouse = make_warehouse(tmp_path_factory.mktemp("empty"))
    add(warehouse, {}, chunkedgraph=None, info={})
    with connect(warehouse.root) as con:
        yield con


@pytest.fixture(scope="package")
def two_versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a warehouse of version 2 in main and version 1 beside: synapses 1 to 9, and 1 to 4."""
    warehouse = make_warehouse(tmp_path_factory.mktemp("two"))
    add_synapses(warehouse, range(1, 5), 1)
    add_synapses(warehouse, range(1, 10), 2)
    return warehouse.root


@pytest.fixture(scope="package")
def two(two_versions: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a connection with version 2 in main (and v2) and version 1 in v1."""
    with connect(two_versions, versions=[1, 2]) as con:
        yield con
