"""An annotated neuron is found at every kept version, whether that came before or after the annotation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from crantdb.analysis.idmap import ids_at
from crantdb.sandbox import Datastack, Sandbox
from crantdb.warehouse.catalog import connect
from tests.ids.bringing import bringing
from tests.ids.chain import Truth, chain, micros, moment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSIONS = (1, 2)


@pytest.fixture(scope="module")
def stack() -> Datastack:
    """Return two versions."""
    return chain(seed=4, neurons=8, edits=60, synapses=1_000, versions=2)


@pytest.fixture(scope="module")
def sandbox(stack: Datastack) -> Iterator[Sandbox]:
    """Return a sandbox that serves them."""
    with Sandbox(stack) as running:
        yield running


@pytest.mark.parametrize("order", [(1, 2, "annotate"), (2, "annotate", 1)])
def test_a_typed_root_is_found_at_every_version(
    stack: Datastack, sandbox: Sandbox, tmp_path: Path, order: tuple[int | str, ...]
) -> None:
    """Roots typed at any moment, each with a supervoxel that no table had: at each version they are its root, for certain."""
    assert stack.chunkedgraph is not None
    truth, history = Truth(stack.chunkedgraph), stack.chunkedgraph
    supervoxels = np.random.default_rng(4).choice(history.pieces.supervoxels, 40, replace=False)
    days = [0.6, 1.2, 1.5, 1.9, 2.3]
    pairs = []
    for turn, supervoxel in enumerate(supervoxels.tolist()):
        typed_at = micros(moment(1)) + int((days[turn % 5] - 1) * 86_400e6)
        pairs.append((int(history.roots_at([supervoxel], typed_at)[0]), supervoxel))
    brought = bringing(tmp_path / "wh", sandbox, "chain_ant")
    for step in order:
        if isinstance(step, int):
            brought.version(step)
        else:
            brought.annotate(
                [
                    {"_id": f"row{n:02d}", "root_id": str(root), "supervoxel_id": str(supervoxel)}
                    for n, (root, supervoxel) in enumerate(pairs)
                ]
            )
    checked = 0
    with connect(brought.warehouse.root, versions=VERSIONS) as con:
        for version in VERSIONS:
            anchored: dict[int, set[int]] = {}
            for root in {root for root, _ in pairs}:
                held = np.intersect1d(history.leaves(history.roots[root]), supervoxels).tolist()
                anchored[root] = {truth.root(supervoxel, version) for supervoxel in held}
            for row in ids_at(con, list(anchored), materialization=version).iter_rows(named=True):
                ends = anchored[row["old_id"]]
                if len(ends) == 1:
                    assert (row["new_id"], row["confidence"]) == (min(ends), 1.0), (version, row)
                    checked += row["method"] == "anchor supervoxel"
                # Of several annotated neurons that were one root then, none is the root's for certain.
                elif row["method"] == "anchor supervoxel":
                    assert row["new_id"] in ends
            for row in ids_at(con, [s for _, s in pairs], materialization=version).iter_rows(named=True):
                assert row["new_id"] == truth.root(row["old_id"], version), row
                assert row["method"] == "supervoxel"
    assert checked > 30
