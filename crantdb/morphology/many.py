"""Many neurons at once: skeletons and SWC, in as many processes as asked for; failures are told, never stubs."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from crantdb.errors import BadArgument, NoSkeleton
from crantdb.morphology.skeleton import skeletonize
from crantdb.morphology.swc import header, rows_text, swc_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from crantdb.morphology.chunkgrid import ChunkGrid
    from crantdb.morphology.swc import Units
    from crantdb.morphology.tree import Skeleton

Failures = Literal["raise", "omit", "give"]

_BATCH = 64


@dataclass(frozen=True, slots=True, eq=False)
class NeuronL2:
    """What is known of one neuron.

    Attributes:
        root_id: its root id.
        edges: int64 (e, 2), its L2 graph.
        l2_ids: int64 (n,), all its L2 ids.
        points_nm: float64 (n, 3), NaN where the L2 cache has nothing.
        max_dt_nm: float64 (n,), or None.
        root_at: a position for the root in nm, (3,), or None.
    """

    root_id: int
    edges: ArrayLike
    l2_ids: ArrayLike
    points_nm: ArrayLike
    max_dt_nm: ArrayLike | None = None
    root_at: ArrayLike | None = None


def skeletonize_many(
    neurons: Iterable[NeuronL2],
    *,
    grid: ChunkGrid | None = None,
    workers: int = 1,
    failures: Failures = "raise",
    **options: Any,  # noqa: ANN401 (those of skeletonize, which checks them)
) -> Iterator[tuple[int, Skeleton | NoSkeleton]]:
    """Yield each neuron's root id and skeleton, in the order given.

    Args:
        neurons: read as they are needed, so that they need not all be in memory.
        grid: where chunks lie.
        workers: processes to share the work; 1: this one alone. A script that asks for more must be importable
            (``if __name__ == "__main__":``).
        failures: what to do with a neuron that has no skeleton: ``raise``, ``omit`` it, or ``give`` the
            `NoSkeleton` in its place.
        options: as `skeletonize` takes them.

    Raises:
        NoSkeleton: for the first neuron without one, where asked to.
        BadArgument: for options that `skeletonize` refuses, or an unknown way with failures.
    """
    yield from _each(_skeletons, neurons, (grid, options), workers=workers, failures=failures)


def to_swc_many(
    neurons: Iterable[NeuronL2],
    *,
    grid: ChunkGrid | None = None,
    workers: int = 1,
    failures: Failures = "raise",
    units: Units = "nm",
    provenance: Mapping[str, Any] | None = None,
    **options: Any,  # noqa: ANN401 (those of skeletonize, which checks them)
) -> list[tuple[int, bytes | NoSkeleton]]:
    """Return each neuron's root id and SWC, in the order given; the bytes are those of `to_swc`.

    Args:
        neurons: as for `skeletonize_many`.
        grid: where chunks lie.
        workers: processes to share the work.
        failures: as for `skeletonize_many`.
        units: as for `to_swc`.
        provenance: as for `to_swc`, the same for all.
        options: as `skeletonize` takes them.

    Raises:
        NoSkeleton: for the first neuron without one (a forest is one, too), where asked to.
        BadArgument: as `skeletonize` and `to_swc`.
    """
    given = (grid, options, units, dict(provenance or {}))
    return list(_each(_texts, neurons, given, workers=workers, failures=failures))


def _each(
    work: Callable[..., list[tuple[int, Any]]],
    neurons: Iterable[NeuronL2],
    given: tuple[Any, ...],
    *,
    workers: int,
    failures: Failures,
) -> Iterator[tuple[int, Any]]:
    """Yield the outcomes of batches of neurons, in order, failures treated as asked."""
    if failures not in get_args(Failures):
        msg = f"failures={failures!r}: choose of {get_args(Failures)}"
        raise BadArgument(msg)
    batches = _batches(neurons)
    made = (
        (work(batch, *given) for batch in batches) if workers <= 1 else _spread(work, batches, given, workers)
    )
    for batch in made:
        for root_id, outcome in batch:
            if isinstance(outcome, NoSkeleton):
                if failures == "raise":
                    raise outcome
                if failures == "omit":
                    continue
            yield root_id, outcome


def _batches(neurons: Iterable[NeuronL2]) -> Iterator[list[NeuronL2]]:
    """Yield the neurons in batches."""
    source = iter(neurons)
    while batch := list(islice(source, _BATCH)):
        yield batch


def _spread(
    work: Callable[..., list[tuple[int, Any]]],
    batches: Iterator[list[NeuronL2]],
    given: tuple[Any, ...],
    workers: int,
) -> Iterator[list[tuple[int, Any]]]:
    """Yield the outcomes of batches that other processes work on, a few ahead of what is asked for."""
    import multiprocessing  # noqa: PLC0415 (only where processes are asked for)
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415 (as above)

    # Spawned, not forked: polars and Arrow keep threads, which a fork would lose.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        waiting = deque(pool.submit(work, batch, *given) for batch in islice(batches, 2 * workers))
        try:
            while waiting:
                outcome = waiting.popleft().result()
                waiting.extend(pool.submit(work, batch, *given) for batch in islice(batches, 1))
                yield outcome
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _skeletons(
    batch: Sequence[NeuronL2], grid: ChunkGrid | None, options: Mapping[str, Any]
) -> list[tuple[int, Skeleton | NoSkeleton]]:
    """Return the skeletons of a batch."""
    return [(neuron.root_id, _skeleton(neuron, grid, options)) for neuron in batch]


def _skeleton(neuron: NeuronL2, grid: ChunkGrid | None, options: Mapping[str, Any]) -> Skeleton | NoSkeleton:
    """Return a neuron's skeleton, or why it has none."""
    try:
        return skeletonize(
            neuron.edges,
            neuron.l2_ids,
            neuron.points_nm,
            neuron.max_dt_nm,
            grid=grid,
            root_at=neuron.root_at,
            **options,
        )
    except NoSkeleton as error:
        return NoSkeleton(f"root id {neuron.root_id}: {error}")


def _texts(
    batch: Sequence[NeuronL2],
    grid: ChunkGrid | None,
    options: Mapping[str, Any],
    units: Units,
    provenance: Mapping[str, Any],
) -> list[tuple[int, bytes | NoSkeleton]]:
    """Return the SWC of a batch: all rows written at once, then cut apart."""
    out: list[tuple[int, bytes | NoSkeleton]] = []
    heads: list[bytes] = []
    columns: list[tuple[NDArray[np.int64], ...]] = []
    for root_id, skeleton in _skeletons(batch, grid, options):
        outcome: bytes | NoSkeleton = b""
        try:
            if isinstance(skeleton, NoSkeleton):
                raise skeleton
            columns.append(swc_columns(skeleton))
            heads.append(header(skeleton, root_id=root_id, units=units, provenance=provenance))
        except NoSkeleton as error:
            outcome = error
        out.append((root_id, outcome))
    bodies = zip(heads, _bodies(columns, units), strict=True)
    return [
        (root_id, outcome if isinstance(outcome, NoSkeleton) else b"".join(next(bodies)))
        for root_id, outcome in out
    ]


def _bodies(columns: Sequence[tuple[NDArray[np.int64], ...]], units: Units) -> list[bytes]:
    """Return the rows of several neurons as text."""
    if not columns:
        return []
    text = rows_text([np.concatenate(column) for column in zip(*columns, strict=True)], units)
    ends = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == ord("\n")) + 1
    last = ends[np.cumsum([len(each[0]) for each in columns]) - 1].tolist()
    return [text[start:end] for start, end in zip([0, *last], last, strict=False)]
