"""Warehouses for the objects of sql/: one without tables, one of two versions with different rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crantdb.warehouse.arrange import arrange, names_for
from crantdb.warehouse.catalog import connect
from crantdb.warehouse.commit import commit
from crantdb.warehouse.validate import validate
from tests.warehouse.making import add, change, facts, fill, make_warehouse, staging_key, synapse_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

    from crantdb.warehouse.layout import Warehouse


def add_synapses(warehouse: Warehouse, ids: range, version: int) -> None:
    """Commit synapses as a sync does, in their five forms."""
    staging = fill(warehouse, staging_key("syn", version), [synapse_rows(ids, shift=version)])
    made = arrange(staging, names_for("syn", canonical=True), memory_bytes=2**29)
    forms = (made.main, made.by_post, made.edges, made.edges_by_post, made.ids)
    tables = [(validate(form, rows_expected=form.rows), facts(version)) for form in forms]
    commit(warehouse, change(warehouse, {}, version, tables=tables))


@pytest.fixture(scope="package")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a connection to a snapshot without a single table."""
    warehouse = make_warehouse(tmp_path_factory.mktemp("empty"))
    add(warehouse, {}, chunkedgraph=None, info={})
    with connect(warehouse.root) as con:
        yield con


@pytest.fixture(scope="package")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a connection with version 2 in main (and v2) and version 1 in v1: synapses 1 to 9, and 1 to 4."""
    warehouse = make_warehouse(tmp_path_factory.mktemp("two"))
    add_synapses(warehouse, range(1, 5), 1)
    add_synapses(warehouse, range(1, 10), 2)
    with connect(warehouse.root, versions=[1, 2]) as con:
        yield con
