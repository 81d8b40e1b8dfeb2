"""A chain of versions in which everything happens to a synapse table that can happen between two of them.

Edits change roots in every interval, roots among them that are born and retired within it. Beside that each
version brings something of its own that no edit tells of; `TRANSITIONS` says what.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from crantdb.sandbox import chunks, morphology, story
from crantdb.sandbox import synapses as of_synapses
from crantdb.sandbox.brain import Brain
from crantdb.sandbox.given import Datastack, Version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from crantdb.sandbox.annotations import LiveTable, Points
    from crantdb.sandbox.given import GivenTable
    from crantdb.sandbox.history import History

TABLE = "synapses_v2"
FIRST = datetime(2026, 3, 1, 7, 5, 18, 84051, UTC)
EVERY = timedelta(days=3, hours=1)
LATE, RELOOKED, STALE, UPDATED, REPAIRED, COME, SPLIT, RECREATED, HUGE = 3, 4, 5, 5, 6, 6, 7, 9, 10
_NEW_IDS = 1_500_000

TRANSITIONS: Mapping[int, str] = MappingProxyType(
    {
        LATE: "supervoxels that were NULL or 0 are looked up, and lie in roots that were there before",
        RELOOKED: "a second look-up finds other supervoxels, of roots that were there before",
        STALE: "the server serves some rows with a root of two versions ago; others are superseded by as many new ids",
        REPAIRED: "those roots are right again; many rows come, and some go",
        SPLIT: "the version is split: two columns more, and NULL ids served as 1",
        SPLIT + 1: "merged again",
        RECREATED: "the table is made anew: other ids for the same synapses",
        HUGE: "the neuron with the most synapses gets a twig, and so a new root",
    }
)
"""What each version brings beside edits."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """Which rows (by their place in the live table) something happens to.

    Those looked up again move from the lower half of the roots to the upper one, to the supervoxels in `found`:
    rows that change places cannot be told by any count.
    """

    pending: NDArray[np.int64]
    outside: NDArray[np.int64]
    relooked: NDArray[np.int64]
    found: NDArray[np.int64]
    stale: NDArray[np.int64]
    updated: NDArray[np.int64]


def generate_chain(
    seed: int = 1,
    *,
    versions: int = 10,
    neurons: int = 240,
    synapses: int = 20_000,
    edits: int = 7,
    name: str = "chain_ant",
) -> Datastack:
    """Return a datastack whose versions, all available, hold one synapse table on its way through every transition.

    Args:
        seed: where chance starts.
        versions: how many; up to 10 bring something new.
        neurons: how many neurons; with few, an edit changes a larger share of the rows.
        synapses: rows over all versions, 1,000 or more.
        edits: edits between two versions at the most; 7 are one of every sort.
        name: the datastack's name.
    """
    shape_rng, cut_rng, table_rng, row_rng = (np.random.default_rng([seed, part]) for part in range(4))
    grown = morphology.population(morphology.example_skeletons(), neurons, shape_rng)
    shapes = (*grown, *morphology.twigs(grown, 2 * neurons, shape_rng))
    grid = chunks.Grid()
    pieces = chunks.cut(shapes, grid, cut_rng)
    moments = [FIRST + number * EVERY for number in range(versions)]
    told = story.Plot(neurons, [_micros(moment) for moment in moments], rounds=1, most_edits=edits)
    plain = Brain(pieces, shapes, neurons, story.tell(pieces, grid, told, np.random.default_rng([seed, 4])))
    live = of_synapses.synapses(plain, synapses, COME - 1, table_rng)
    twigs = {HUGE - 1: _busiest(plain, live)} if versions >= HUGE else {}
    history = story.tell(pieces, grid, replace(told, twig_onto=twigs), np.random.default_rng([seed, 4]))
    rows = _chosen(live, history, [_micros(moment) for moment in moments], row_rng)
    frozen = tuple(
        _frozen(number, moment, live, rows, history=history) for number, moment in enumerate(moments, start=1)
    )
    return Datastack(name, frozen, chunkedgraph=history, synapse_table=TABLE)


def _micros(moment: datetime) -> int:
    """Return a moment in µs since 1970."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // datetime.resolution


def _busiest(brain: Brain, live: LiveTable) -> int:
    """Return the neuron with the most outgoing synapses."""
    supervoxels = np.asarray(live.points["pre_pt"].supervoxel)
    pieces = brain.pieces
    place = np.searchsorted(pieces.supervoxels, supervoxels)
    found = pieces.supervoxel_piece[np.minimum(place, len(pieces.supervoxels) - 1)]
    shape = pieces.piece_shape[found][supervoxels > 0]
    return int(np.bincount(shape[shape < brain.neurons]).argmax())


def _chosen(live: LiveTable, history: History, moments_us: list[int], rng: np.random.Generator) -> _Rows:
    """Choose the rows to which something happens; no row twice."""
    pre = live.points["pre_pt"]
    supervoxel = np.asarray(pre.supervoxel)
    bound = np.flatnonzero((supervoxel > 0) & (np.arange(len(supervoxel)) < len(supervoxel) // 2))
    moved = bound
    if len(moments_us) >= STALE:
        then, now = (history.roots_at(supervoxel[bound], moments_us[v - 1]) for v in (STALE - 2, STALE))
        moved = bound[then != now]
    stale = rng.choice(moved, min(12, len(moved)), replace=False)
    rest = rng.permutation(np.setdiff1d(bound, stale))
    share = max(5, len(supervoxel) // 1000)
    late, outside, updated, left = np.split(rest, [share, 2 * share, 3 * share])
    by_root = left[np.argsort(history.roots_at(supervoxel[left], moments_us[0]), kind="stable")]
    step = len(by_root) // (2 * share)
    relooked, found = by_root[: share * step : step], by_root[share * step : 2 * share * step : step]
    return _Rows(late, outside, relooked, supervoxel[found], stale, updated)


def _frozen(number: int, moment: datetime, live: LiveTable, rows: _Rows, *, history: History) -> Version:
    """Return one version."""
    at_us, merged = _micros(moment), number != SPLIT
    table = replace(live, points=dict(live.points) | {"pre_pt": _looked_up(number, live, rows)})
    given = table.freeze(history, version=number, at_us=at_us, is_merged=merged)
    if number == STALE:
        given = _with_stale_roots(given, live, rows, history)
    if number >= UPDATED:
        ids = given.rows["id"].to_numpy()
        given = _renumbered(given, np.where(np.isin(ids, live.ids[rows.updated]), ids + _NEW_IDS, ids))
    if number >= RECREATED:
        given = _renumbered(given, given.rows["id"].to_numpy() + 7)
        given = replace(given, created=FIRST + (RECREATED - 1) * EVERY - timedelta(hours=1))
    return Version(
        number, moment, is_merged=merged, expires_on=moment + timedelta(days=36500), tables=(given,)
    )


def _renumbered(given: GivenTable, ids: NDArray[np.int64]) -> GivenTable:
    """Return a table with other ids."""
    column = given.rows.column_names.index("id")
    return replace(given, rows=given.rows.set_column(column, "id", pa.array(ids)).sort_by("id"))


def _looked_up(number: int, live: LiveTable, rows: _Rows) -> Points:
    """Return the presynaptic points as far as they were looked up by a version."""
    points = live.points["pre_pt"]
    supervoxel = np.array(points.supervoxel)
    pending = np.array(points.is_pending)
    if number < LATE:
        pending[rows.pending] = True
        supervoxel[rows.outside] = 0
    if number >= RELOOKED:
        supervoxel[rows.relooked] = rows.found
    return replace(points, supervoxel=supervoxel, is_pending=pending)


def _with_stale_roots(given: GivenTable, live: LiveTable, rows: _Rows, history: History) -> GivenTable:
    """Return a table some of whose rows have the root of two versions ago."""
    column = given.rows.column_names.index("pre_pt_root_id")
    roots = given.rows["pre_pt_root_id"].to_pylist()
    place = {int(row_id): index for index, row_id in enumerate(given.rows["id"].to_numpy())}
    then = _micros(FIRST + (STALE - 3) * EVERY)
    supervoxels = np.asarray(live.points["pre_pt"].supervoxel)[rows.stale]
    for row_id, root in zip(live.ids[rows.stale], history.roots_at(supervoxels, then), strict=True):
        if int(row_id) in place:
            roots[place[int(row_id)]] = int(root)
    array = pa.array(roots, pa.int64())
    return replace(given, rows=given.rows.set_column(column, "pre_pt_root_id", array))
