"""Matrices of a real brain out of a warehouse, against pandas on its raw text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from crantdb.analysis.matrices.directed import DirectedNestedMatrix
from crantdb.analysis.matrices.nested import NestedMatrix
from crantdb.errors import BadArgument

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

    from tests.analysis.larva import Larva


def by_class(larva: Larva) -> pd.DataFrame:
    """Return the clean edges with the class of both ends."""
    known = larva.neurons.drop_duplicates("root_id").set_index("root_id")["cell_class"]
    edges = larva.clean.groupby(["pre", "post"], as_index=False)["weight"].sum()
    return edges.assign(pre_class=edges["pre"].map(known), post_class=edges["post"].map(known))


def test_the_whole_brain_in_one_call(con: duckdb.DuckDBPyConnection, larva: Larva) -> None:
    """Class by class the sums are those that pandas makes of the raw text; the means divide by all pairs of cells."""
    matrix = NestedMatrix.from_connection(con, cell_type_column="cell_class")
    edges = by_class(larva)
    wanted = edges.groupby(["pre_class", "post_class"])["weight"].sum()
    assert matrix.array.sum() == wanted.sum()
    sizes = larva.neurons["cell_class"].value_counts()
    summed, mean = matrix.sum_type_matrix.pandas(), matrix.mean_type_matrix.pandas()
    assert {name: end - start for name, (start, end) in matrix.type_boundaries.items()} == sizes.to_dict()
    for (pre, post), weight in wanted.items():
        assert summed.loc[pre, post] == weight
        assert mean.loc[pre, post] == pytest.approx(weight / (sizes[pre] * sizes[post]))
    assert np.count_nonzero(matrix.sum_type_matrix.array) == len(wanted)


@pytest.mark.parametrize("threshold", [1, 3])
@pytest.mark.parametrize("scope", ["selected", "all"])
@pytest.mark.parametrize(("mode", "end"), [("relative_outgoing", "pre"), ("relative_incoming", "post")])
def test_two_classes_with_relative_weights(
    con: duckdb.DuckDBPyConnection, larva: Larva, *, mode: str, end: str, scope: str, threshold: int
) -> None:
    """Kenyon cells onto output neurons, as shares of what is shown or of all that a cell gives or gets: pandas' own."""
    asked: dict[str, Any] = {
        "source_types": ["KC"],
        "target_types": ["MBON"],
        "cell_type_column": "cell_class",
    }
    asked |= {"threshold": threshold}
    edges = by_class(larva)
    edges = edges[edges["weight"] >= threshold]
    between = edges[(edges["pre_class"] == "KC") & (edges["post_class"] == "MBON")]
    assert len(between) > 1000
    total = (between if scope == "selected" else edges).groupby(end)["weight"].sum()
    counted = DirectedNestedMatrix.from_connection(con, **asked)
    share = DirectedNestedMatrix.from_connection(con, weight_mode=mode, normalization_scope=scope, **asked)
    order = ["pre", "post"]
    wanted = between.assign(share=between["weight"] / between[end].map(total)).sort_values(order)
    found = counted.edges().sort(order).rows()
    assert found == list(wanted[[*order, "weight"]].itertuples(index=False, name=None))
    shares = share.edges().sort(order)
    assert shares.select(order).rows() == list(wanted[order].itertuples(index=False, name=None))
    assert np.allclose(shares["weight"].to_numpy(), wanted["share"].to_numpy(), rtol=1e-12, atol=0)


def test_thresholds_and_neurons_by_id(con: duckdb.DuckDBPyConnection, larva: Larva) -> None:
    """Pairs below the threshold are 0; a neuron named without a connection left is shown all the same."""
    strong = larva.clean.sort_values("weight", ascending=False).head(40)
    ids = sorted({*strong["pre"], *strong["post"]})
    matrix = NestedMatrix.from_connection(con, neurons=ids, threshold=10**6)
    assert sorted(matrix.ordered_neurons) == ids
    assert not matrix.array.any()
    kept = NestedMatrix.from_connection(con, neurons=ids, threshold=20)
    wanted = larva.clean[larva.clean["pre"].isin(ids) & larva.clean["post"].isin(ids)]
    assert kept.array.sum() == wanted.loc[wanted["weight"] >= 20, "weight"].sum()


def test_what_is_not_there_is_named(con: duckdb.DuckDBPyConnection) -> None:
    """An unknown type, column, mode or region is an error that says what there is."""
    for asked, said in [
        ({"types": ["XYZ"], "cell_type_column": "cell_class"}, "'XYZ'"),
        ({"cell_type_column": "kind"}, "cell_class"),
        ({"weight_mode": "sum"}, "relative_outgoing"),
    ]:
        with pytest.raises(BadArgument, match=said):
            NestedMatrix.from_connection(con, **asked)
