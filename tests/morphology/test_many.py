"""Many neurons at once: the answers of one at a time, in order, failures as asked."""

from __future__ import annotations

import numpy as np
import pytest

from crantdb.errors import BadArgument, NoSkeleton
from crantdb.morphology.many import NeuronL2, skeletonize_many, to_swc_many
from crantdb.morphology.skeleton import Skeleton, skeletonize
from crantdb.morphology.swc import to_swc

from .conftest import CRANTB


def neurons(count: int) -> list[NeuronL2]:
    """Return neurons of one to 60 L2 ids in circles, chains and parts; every seventh has no position at all."""
    out = []
    for at in range(1, count + 1):
        rng = np.random.default_rng(at)
        size = int(rng.integers(1, 60))
        ids = CRANTB.layout.make(2, rng.integers(0, 4, (size, 3)), np.arange(1, size + 1))
        xyz = CRANTB.lower_nm(ids) + rng.integers(0, 8_000, (size, 3))
        if at % 7 == 0:
            xyz[:] = np.nan
        pairs = ids[rng.integers(0, size, (2 * size, 2))]
        out.append(NeuronL2(at, pairs, ids, xyz, rng.integers(1, 900, size), xyz[0] if at % 2 else None))
    return out


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("units", ["nm", "um"])
def test_bytes_of_one_at_a_time(workers: int, units: str) -> None:
    """The text of a batch is to the byte that of each neuron by itself, in the order given, in one process or two."""
    given = neurons(150)
    got = to_swc_many(
        iter(given), grid=CRANTB, workers=workers, failures="give", units=units, provenance={"version": 7}
    )
    assert [root_id for root_id, _ in got] == [each.root_id for each in given]
    for each, (root_id, text) in zip(given, got, strict=True):
        if root_id % 7 == 0:
            assert isinstance(text, NoSkeleton)
            assert f"root id {root_id}: none of the neuron's" in str(text)
            continue
        alone = skeletonize(
            each.edges, each.l2_ids, each.points_nm, each.max_dt_nm, grid=CRANTB, root_at=each.root_at
        )
        assert text == to_swc(alone, root_id=root_id, units=units, provenance={"version": 7})


def test_failures() -> None:
    """A neuron without a skeleton is raised, left out, or given as its error; never an empty stand-in."""
    given = neurons(10)
    with pytest.raises(NoSkeleton, match="root id 7: none"):
        list(skeletonize_many(given, grid=CRANTB))
    left = list(skeletonize_many(given, grid=CRANTB, failures="omit"))
    assert [root_id for root_id, _ in left] == [1, 2, 3, 4, 5, 6, 8, 9, 10]
    whole = dict(skeletonize_many(given, grid=CRANTB, failures="give"))
    assert isinstance(whole[7], NoSkeleton)
    with pytest.raises(BadArgument, match="failures='ignore'"):
        list(skeletonize_many(given, failures="ignore"))  # type: ignore[arg-type]


def test_skeletons_from_other_processes() -> None:
    """Skeletons that other processes made are those of one alone, whole: nodes, members and facts."""
    alone = dict(skeletonize_many(neurons(20), grid=CRANTB, failures="omit"))
    shared = dict(skeletonize_many(neurons(20), grid=CRANTB, failures="omit", workers=2))
    assert list(shared) == list(alone)
    for root_id, theirs in shared.items():
        ours = alone[root_id]
        assert isinstance(theirs, Skeleton)
        assert isinstance(ours, Skeleton)
        assert theirs.facts.as_dict() == ours.facts.as_dict()
        assert theirs.member_node.tolist() == ours.member_node.tolist()
        assert to_swc(theirs) == to_swc(ours)


def test_forests_fail_as_swc() -> None:
    """Parts left apart have no SWC: the batch says for which neuron, and writes the others."""
    got = dict(to_swc_many(neurons(6), grid=CRANTB, heal=False, failures="give"))
    refused = {root_id for root_id, text in got.items() if isinstance(text, NoSkeleton)}
    expected = {
        root_id
        for root_id, skeleton in skeletonize_many(neurons(6), grid=CRANTB, heal=False)
        if not isinstance(skeleton, NoSkeleton) and len(skeleton.roots) > 1
    }
    assert refused == expected
    assert expected


def test_read_as_needed() -> None:
    """The first skeletons come before the last neurons are read."""
    read: list[int] = []

    def source() -> object:
        for each in neurons(300):
            read.append(each.root_id)
            yield each

    next(skeletonize_many(source(), grid=CRANTB, failures="omit"))  # type: ignore[arg-type]
    assert len(read) < 200
