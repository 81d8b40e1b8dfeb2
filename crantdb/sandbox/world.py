"""The generated world: a brain, its edits, and the materialization versions that froze it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crantdb.sandbox import chunks, labels, morphology, story
from crantdb.sandbox import synapses as of_synapses
from crantdb.sandbox.brain import Brain
from crantdb.sandbox.given import Datastack, GivenTable, GivenView, Version
from crantdb.sandbox.l2cache import CacheState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crantdb.sandbox.annotations import LiveTable
    from crantdb.sandbox.history import History

# Version 4 expires at a moment without microseconds, on which caveclient's parser stumbles; version 5 never.
_VERSIONS = (
    Version(1, datetime(2026, 1, 20, 7, 8, 45, 353580, UTC), "EXPIRED", valid=False),
    Version(2, datetime(2026, 2, 20, 7, 5, 6, 998049, UTC), "FAILED", valid=False),
    Version(3, datetime(2026, 3, 20, 7, 5, 18, 84051, UTC)),
    Version(4, datetime(2026, 4, 20, 7, 8, 43, 624279, UTC), is_merged=False),
    Version(5, datetime(2026, 5, 20, 7, 8, 32, 879313, UTC)),
    Version(6, datetime(2026, 6, 20, 7, 8, 45, 353580, UTC), "RUNNING", valid=False),
)
_EXPIRES: Mapping[int, datetime | None] = MappingProxyType(
    {
        1: datetime(2026, 2, 19, 7, 8, 45, 353580, UTC),
        2: datetime(2026, 3, 22, 6, 5, 6, 998049, UTC),
        3: datetime(2126, 3, 20, 6, 5, 18, 84051, UTC),
        4: datetime(2126, 1, 1, tzinfo=UTC),
        5: None,
        6: datetime(2026, 7, 20, 7, 8, 45, 353580, UTC),
    }
)
_FIRST_FROZEN, _FIRST_AVAILABLE, _LAST_FROZEN = 2, 3, 5
_ONLY_IN = MappingProxyType({"bound_tags_user": 3})
_CONNECTIONS_SCHEMA = MappingProxyType(
    {
        "pre_pt_root_id": {"type": "integer"},
        "post_pt_root_id": {"type": "integer"},
        "n_syn": {"type": "integer"},
        "sum_size": {"type": "float"},
        "mean_size": {"type": "number"},
        "max_id": {"type": "integer"},
        "any_valid": {"type": "boolean"},
        "txt": {"type": "string"},
    }
)
_NUCLEI_SCHEMA = MappingProxyType(
    {
        "id": {"type": "integer"},
        "volume": {"type": "float"},
        "pt_position": {"type": "SpatialPoint"},
        "bb_start_position": {"type": "SpatialPoint"},
    }
)


@dataclass(frozen=True, slots=True)
class Truth:
    """What is really so in a generated world.

    Attributes:
        brain: the shapes, cut into pieces, and the history of their edits.
        tables: the live annotation tables.
    """

    brain: Brain
    tables: tuple[LiveTable, ...]

    @property
    def history(self) -> History:
        """The segmentation's history: every root of every supervoxel at every moment."""
        return self.brain.history


def generate_world(
    seed: int = 1,
    neurons: int = 60,
    synapses: int = 20_000,
    *,
    edits: int | None = None,
    name: str = "sandbox_ant",
) -> Datastack:
    """Return a generated datastack; the same arguments give the same bytes of every table.

    Args:
        seed: where chance starts.
        neurons: how many neurons, 4 or more; twice as many orphan twigs come with them.
        synapses: rows of the synapse table over all versions, 1,000 or more.
        edits: edits between two versions at the most; by default about one for four neurons.
        name: the datastack's name.
    """
    shape_rng, cut_rng, story_rng, table_rng = (np.random.default_rng([seed, part]) for part in range(4))
    grown = morphology.population(morphology.example_skeletons(), neurons, shape_rng)
    shapes = (*grown, *morphology.twigs(grown, 2 * neurons, shape_rng))
    grid = chunks.Grid()
    pieces = chunks.cut(shapes, grid, cut_rng)
    moments = [_micros(version.time_stamp) for version in _VERSIONS]
    history = story.tell(pieces, grid, story.Plot(neurons, moments, max(1, neurons // 30), edits), story_rng)
    brain = Brain(pieces, shapes, neurons, history)
    noted = moments[_FIRST_FROZEN - 1]
    truth = Truth(brain, _live_tables(brain, synapses, noted, table_rng))
    return Datastack(
        name,
        tuple(_frozen(version, truth) for version in _VERSIONS),
        chunkedgraph=history,
        synapse_table="synapses_v2",
        soma_table="nuclei_v1",
        info={"proofreading_status_table": "proofreading_status", "cell_identification_table": "cell_types"},
        truth=truth,
        l2=CacheState(missing_share=0.01, placeholder_share=0.003, comes_after=1),
    )


def _live_tables(
    brain: Brain, synapses: int, noted_us: int, rng: np.random.Generator
) -> tuple[LiveTable, ...]:
    """Return every live table; proofreaders noted root ids down at the given moment."""
    synapse_table = of_synapses.synapses(brain, synapses, _FIRST_AVAILABLE, rng)
    nuclei = labels.nuclei(brain, rng)
    private = {"read_permission": "PRIVATE", "user_id": "17", "description": "private"}
    return (
        synapse_table,
        nuclei,
        labels.cell_types(brain, rng),
        labels.tags(brain, "bound_tags", 100, rng),
        labels.tags_of_users(brain, rng),
        of_synapses.groups(synapse_table, rng),
        labels.types_of_nuclei(nuclei, rng),
        labels.proofreading(brain, noted_us, rng),
        labels.proofread(brain, noted_us, rng),
        labels.points_at_nuclei(brain, nuclei, rng),
        of_synapses.transmitters(brain, rng),
        of_synapses.validity(synapse_table, rng),
        labels.tags(brain, "private_tags", 50, rng, **private),
        labels.tags(brain, "notice_unicode", 50, rng, notice_text="⚠ vorläufig — 蟻 labels"),
    )


def _micros(moment: datetime) -> int:
    """Return a moment in µs since 1970."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // (datetime.resolution)


def _frozen(version: Version, truth: Truth) -> Version:
    """Return a version with what it froze; those before and after the frozen ones have no tables."""
    version = replace(version, expires_on=_EXPIRES[version.number])
    if not _FIRST_FROZEN <= version.number <= _LAST_FROZEN:
        return version
    at, merged = _micros(version.time_stamp), version.is_merged
    there = [t for t in truth.tables if _ONLY_IN.get(t.name, version.number) == version.number]
    tables = [t.freeze(truth.history, version=version.number, at_us=at, is_merged=merged) for t in there]
    return replace(version, tables=tuple(tables), views=_views(tables) if merged else ())


def _views(tables: Sequence[GivenTable]) -> tuple[GivenView, ...]:
    """Return the views of a version with these tables."""
    rows = {table.name: table.rows for table in tables}
    nuclei = rows["nuclei_v1"].select(
        ["id", "volume", *(f"{name}_position_{axis}" for name in ("pt", "bb_start") for axis in "xyz")]
    )
    return (
        GivenView(
            "connections_view",
            _connections(rows["synapses_v2"]),
            description="pairwise connections",
            notice_text="view notice",
            schema=_CONNECTIONS_SCHEMA,
        ),
        GivenView(
            "nuclei_view",
            nuclei,
            voxel_resolution=(16.0, 16.0, 42.0),
            description="nuclei view w/ points",
            live_compatible=False,
            schema=_NUCLEI_SCHEMA,
        ),
    )


def _connections(synapses: pa.Table) -> pa.Table:
    """Return the pairs of connected neurons with their numbers."""
    pair = ["pre_pt_root_id", "post_pt_root_id"]
    wanted = [("id", "count"), ("size", "sum"), ("size", "mean"), ("id", "max"), ("valid", "any")]
    grouped = synapses.group_by(pair, use_threads=False).aggregate(wanted)
    grouped = grouped.sort_by([(name, "ascending") for name in pair])
    text = pc.binary_join_element_wise(*(grouped[name].cast(pa.string()) for name in pair), "-")
    sums = ["id_count", "size_sum", "size_mean", "id_max", "valid_any"]
    names = [*pair, "n_syn", "sum_size", "mean_size", "max_id", "any_valid", "txt"]
    return grouped.select([*pair, *sums]).append_column("txt", text).rename_columns(names)
