"""Whom a macro is asked for: NULL as it is written stands for all, what a query found nothing for stands for none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import duckdb

KEPT = "keep_autapses := true"
CALLS = {
    "adjacency, pre": f"adjacency({{}}, {KEPT})",
    "adjacency, post": f"adjacency(of_post := {{}}, {KEPT})",
    "connectivity": f"connectivity({{}}, {KEPT})",
    "synapses_between, pre": f"synapses_between({{}}, {KEPT})",
    "synapses_between, post": f"synapses_between(of_post := {{}}, {KEPT})",
    "region_adjacency, pre": f"region_adjacency({{}}, {KEPT})",
    "region_adjacency, post": f"region_adjacency(of_post := {{}}, {KEPT})",
    "region_connectivity": f"region_connectivity({{}}, {KEPT})",
    "region_synapse_counts": f"region_synapse_counts({{}}, {KEPT})",
    "neuron_transmitters": f"neuron_transmitters({{}}, {KEPT})",
    "synapse_counts": f"synapse_counts({{}}, {KEPT})",
}
"""Macros that take a list of neurons, of which NULL is all."""

REGIONS = {
    "region_adjacency": f"region_adjacency(in_regions := {{}}, {KEPT})",
    "region_connectivity": f"region_connectivity(in_regions := {{}}, {KEPT})",
    "region_synapse_counts": f"region_synapse_counts(in_regions := {{}}, {KEPT})",
    "neuron_transmitters": f"neuron_transmitters(in_regions := {{}}, {KEPT})",
}
"""The same of regions."""

NOBODY = (
    "(SELECT list(root_id) FROM neurons WHERE cell_class = 'a typing error')",
    "(SELECT list(root_id::VARCHAR) FROM neurons WHERE false)",
    "(SELECT any_value(root_id) FROM neurons WHERE false)",
    "NULL::BIGINT[]",
    "[]",
    "[NULL]",
)
NO_REGION = ("(SELECT list(region) FROM synapse_regions WHERE false)", "NULL::VARCHAR", "[]")


def count(con: duckdb.DuckDBPyConnection, call: str, *params: object) -> int:
    """Return how many rows a call gives."""
    [(rows,)] = con.sql(f"SELECT count(*) FROM {call}", params=list(params)).fetchall()
    return int(rows)


@pytest.mark.parametrize("asked", NOBODY)
@pytest.mark.parametrize("name", CALLS)
def test_who_is_not_found_is_not_everybody(two: duckdb.DuckDBPyConnection, name: str, asked: str) -> None:
    """A query for neurons that finds none asks for none, though its list is NULL."""
    assert count(two, CALLS[name].format("NULL")) > 0
    assert count(two, CALLS[name].format(asked)) == 0


@pytest.mark.parametrize("asked", NO_REGION)
@pytest.mark.parametrize("name", REGIONS)
def test_a_region_that_is_not_found_is_not_every_region(
    two: duckdb.DuckDBPyConnection, name: str, asked: str
) -> None:
    """So with regions."""
    assert count(two, REGIONS[name].format("NULL")) > 0
    assert count(two, REGIONS[name].format(asked)) == 0


@pytest.mark.parametrize("name", CALLS)
def test_null_as_it_is_written_is_everybody(two: duckdb.DuckDBPyConnection, name: str) -> None:
    """NULL, an argument left out, and None from Python ask for all alike."""
    left_out = CALLS[name].replace("of_post := {}, ", "").replace("{}, ", "")
    everybody = count(two, left_out)
    assert count(two, CALLS[name].format("NULL")) == everybody > 0
    assert count(two, CALLS[name].format("?"), None) == everybody
    assert count(two, CALLS[name].format("?"), []) == 0
