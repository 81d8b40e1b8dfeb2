"""The shapes of the generated brain are those of navis' example neurons."""

from __future__ import annotations

import numpy as np

from crantdb.sandbox.morphology import example_skeletons


def test_examples_are_those_of_navis() -> None:
    """Read without navis, they are what navis reads, to the last bit: positions, radii, parents and somas."""
    import navis  # noqa: PLC0415 (takes seconds to load)

    theirs = navis.example_neurons(kind="skeleton")
    ours = example_skeletons()
    assert len(ours) == len(theirs) == 5
    for own, other in zip(ours, theirs, strict=True):
        nodes, place = other.nodes, {node: at for at, node in enumerate(other.nodes["node_id"].tolist())}
        assert np.array_equal(own.xyz_nm, nodes[["x", "y", "z"]].to_numpy(np.float64) * 8)
        assert np.array_equal(own.radius_nm, nodes["radius"].to_numpy(np.float64) * 8)
        assert own.parent.tolist() == [place.get(parent, -1) for parent in nodes["parent_id"].tolist()]
        assert own.soma == (None if other.soma is None else place[int(np.atleast_1d(other.soma)[0])])
