"""Typed roots that never held their rows' supervoxels are all found, however many and however old they are."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crantdb.sandbox import Datastack, Sandbox
from crantdb.sync.held import moments_in
from crantdb.warehouse.catalog import connect
from tests.ids.bringing import bringing
from tests.ids.chain import chain, micros, moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.ids.bringing import Bringing

ROWS = 700


@pytest.fixture(scope="module")
def stack() -> Datastack:
    """Return one version in the midst of a thousand edits."""
    return chain(seed=5, neurons=8, edits=450, synapses=1_000, versions=1)


@pytest.fixture(scope="module")
def sandbox(stack: Datastack) -> Iterator[Sandbox]:
    """Return a sandbox that serves it."""
    with Sandbox(stack) as running:
        yield running


@pytest.fixture(scope="module")
def brought(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Bringing:
    """Return a warehouse that mirrors it."""
    made = bringing(tmp_path_factory.mktemp("held") / "wh", sandbox, "chain_ant")
    made.version(1)
    return made


def typed(stack: Datastack, count: int) -> list[tuple[int, int, bool]]:
    """Return typed roots that are not current, each born at another moment, with a supervoxel, and whether it was theirs."""
    assert stack.chunkedgraph is not None
    history, rng = stack.chunkedgraph, np.random.default_rng(5)
    at, most = micros(moment(1)), len(history.pieces.supervoxels) / 2
    stale = (root for root in history.roots.values() if not root.is_latest(at))
    old = [root for root in stale if 0 < len(history.leaves(root)) < most]
    by_birth = {root.born_us: root for root in old}
    chosen = [by_birth[born] for born in rng.permutation(sorted(by_birth))[:count].tolist()]
    rows = []
    for turn, root in enumerate(chosen):
        own = history.leaves(root)
        others = np.setdiff1d(history.pieces.supervoxels, own)
        is_own = turn % 3 > 0
        rows.append((root.id, int(rng.choice(own if is_own else others)), is_own))
    return rows


def as_rows(rows: list[tuple[int, int, bool]]) -> list[dict[str, str]]:
    """Return them as SeaTable has them."""
    return [
        {"_id": f"row{number:04d}", "root_id": str(root), "supervoxel_id": str(supervoxel)}
        for number, (root, supervoxel, _) in enumerate(rows)
    ]


def test_every_row_is_held_against_its_supervoxel(
    stack: Datastack, sandbox: Sandbox, brought: Bringing
) -> None:
    """Of 700 roots typed at 700 moments each wrong one is told, no right one is; a second sync asks for what is new."""
    rows = typed(stack, ROWS)
    assert len(rows) == ROWS
    sandbox.log.clear()
    state = brought.annotate(as_rows(rows))
    asked = _looked_up(sandbox)
    with connect(brought.warehouse.root) as con:
        found = con.sql("SELECT findings FROM annotations ORDER BY _id").fetchall()
    assert ["inconsistent_annotations" not in findings for (findings,) in found] == [
        own for _, _, own in rows
    ]
    told = state.main.tables["derived.annotations"].exceptions
    assert told["inconsistent_annotations"] == sum(not own for _, _, own in rows)
    assert not any("not compared" in name for name in told)
    assert 1 < asked < ROWS, asked
    sandbox.log.clear()
    brought.annotate(as_rows(rows))
    assert _looked_up(sandbox) < asked / 10


def _looked_up(sandbox: Sandbox) -> int:
    """Return at how many moments roots were looked up."""
    return sandbox.log.count("roots_binary")


def test_what_cannot_be_compared_is_counted(stack: Datastack, brought: Bringing) -> None:
    """Without a chunkedgraph nobody knows what a root held that stands no more; the manifest says of how many rows."""
    rows = typed(stack, 50)
    known = brought.annotate(as_rows(rows)).main.tables["derived.annotations"].exceptions
    assert not any("not compared" in name for name in known)
    told = brought.annotate(as_rows(rows), asking=False).main.tables["derived.annotations"].exceptions
    assert told["root_id_typed not compared with the supervoxel"] == len(rows)


LIVES = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12)), max_size=8)


@given(lives=LIVES)
def test_no_fewer_moments_meet_all_lives(lives: list[tuple[int, int]]) -> None:
    """Each life is met in its course; there are as many moments as there are lives of which no two meet."""
    born = np.array([start for start, _ in lives], dtype=np.int64)
    until = born + np.array([length for _, length in lives], dtype=np.int64)
    moments = moments_in(born, until)
    assert moments.shape == born.shape
    assert ((born <= moments) & (moments < until)).all()
    apart = 0
    for size in range(1, len(lives) + 1):
        for some in itertools.combinations(sorted(zip(born.tolist(), until.tolist(), strict=True)), size):
            if all(one[1] <= two[0] for one, two in itertools.pairwise(some)):
                apart = size
    assert len(set(moments.tolist())) == apart
