"""The synapses of neurons on their skeletons: read for many at once, each on its own neuron's side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from crantdb.analysis.answers import Materialization, schema_of
from crantdb.errors import BadArgument
from crantdb.morphology.navis_objects import navis_neuron
from crantdb.morphology.store import grid_of
from crantdb.morphology.synapses import MAX_DISTANCE_NM, Attached
from crantdb.morphology.synapses import attach_synapses as attach
from crantdb.morphology.tree import Facts, Skeleton

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb
    import navis
    from numpy.typing import NDArray

    from crantdb.morphology.chunkgrid import ChunkGrid


@dataclass(frozen=True, slots=True)
class SynapseChoice:
    """Which synapses are attached.

    Attributes:
        pre: outgoing ones.
        post: incoming ones.
        threshold: the fewest synapses of a pair of neurons.
        min_size: the least size, as the server gives sizes; None for all.
        clean: whether autapses and synapses with root 0 or an unknown one are left out.
        max_distance_nm: a synapse in a chunk without an L2 id of the neuron is attached to the nearest node only
            if that is nearer than this.
    """

    pre: bool = True
    post: bool = True
    threshold: int = 1
    min_size: float | None = None
    clean: bool = True
    max_distance_nm: float = MAX_DISTANCE_NM


@dataclass(frozen=True, slots=True)
class Sides:
    """A neuron's outgoing and incoming synapses, attached."""

    pre: Attached
    post: Attached


_SIDES = (("pre", "synapses", "post"), ("post", "synapses_by_post", "pre"))
SYNAPSE_ROWS = pl.Schema(
    {
        "root_id": pl.Int64,
        "side": pl.String,
        "id": pl.Int64,
        "partner": pl.Int64,
        "supervoxel_id": pl.Int64,
        "l2_id": pl.Int64,
        "size": pl.Float64,
        "x_nm": pl.Float64,
        "y_nm": pl.Float64,
        "z_nm": pl.Float64,
    }
)
"""The columns of `read_synapses`."""


def read_synapses(
    con: duckdb.DuckDBPyConnection,
    roots: Sequence[int] | NDArray[np.int64],
    choice: SynapseChoice | None = None,
    *,
    schema: str = "main",
) -> pl.DataFrame:
    """Return the synapses of neurons, one row a neuron and side: `SYNAPSE_ROWS`, positions on the neuron's side.

    Args:
        con: a connection of `crantdb.connect`.
        roots: root ids at the snapshot's moment.
        choice: which synapses.
        schema: the schema of the version.
    """
    asked = choice or SynapseChoice()
    wanted = np.unique(np.asarray(roots, dtype=np.int64)).tolist()
    queries = [
        _side_query(side, relation, other, schema, asked)
        for side, relation, other in _SIDES
        if getattr(asked, side) and wanted
    ]
    if not queries:
        return pl.DataFrame(schema=SYNAPSE_ROWS)
    together = " UNION ALL ".join(queries) + " ORDER BY root_id, side, id"
    found = con.sql(together, params={"roots": wanted}).to_arrow_table()
    return pl.DataFrame(found, schema_overrides=SYNAPSE_ROWS)


def _side_query(side: str, relation: str, other: str, schema: str, choice: SynapseChoice) -> str:
    """Return the query for one side's synapses."""
    conditions = ["partner NOT IN (0, root_id)"] if choice.clean else []
    if choice.min_size is not None:
        conditions.append(f"size >= {float(choice.min_size)!r}")
    kept = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    often = f"QUALIFY count(*) OVER (PARTITION BY root_id, partner) >= {int(choice.threshold)}"
    return f"""(SELECT root_id, '{side}' AS side, id, partner, supervoxel_id, coalesce(placed.l2_id, 0) AS l2_id,
            size, x_nm, y_nm, z_nm FROM (
            SELECT {side}_pt_root_id AS root_id, id, coalesce({other}_pt_root_id, 0) AS partner,
                coalesce({side}_pt_supervoxel_id, 0) AS supervoxel_id, size::DOUBLE AS size,
                {side}_x_nm AS x_nm, {side}_y_nm AS y_nm, {side}_z_nm AS z_nm
            FROM "{schema}".{relation}
            WHERE {side}_pt_root_id IN (SELECT unnest($roots::BIGINT[]))
                AND {side}_pt_root_id BETWEEN list_min($roots::BIGINT[]) AND list_max($roots::BIGINT[])
        ) LEFT JOIN (
            SELECT member.root_id, known.supervoxel_id, min(known.l2_id) AS l2_id
            FROM "{schema}".l2_supervoxels AS known
            JOIN "{schema}".l2_members AS member ON member.l2_id = known.l2_id
            WHERE member.root_id IN (SELECT unnest($roots::BIGINT[]))
            GROUP BY member.root_id, known.supervoxel_id
        ) AS placed USING (root_id, supervoxel_id) {kept} {often if choice.threshold > 1 else ""})"""


def attach_rows(
    skeleton: Skeleton, rows: pl.DataFrame, root: int, grid: ChunkGrid | None, choice: SynapseChoice
) -> Sides:
    """Return one neuron's synapses on its skeleton.

    Args:
        skeleton: the neuron's.
        rows: of `read_synapses`; those of other neurons are passed over.
        root: its root id.
        grid: where chunks lie; None: synapses go to the nearest L2 id of all.
        choice: how far the nearest may be.
    """
    own = rows.filter(pl.col("root_id") == root)
    made = {}
    for side, *_ in _SIDES:
        part = own.filter(pl.col("side") == side)
        made[side] = attach(
            skeleton,
            part["id"].to_numpy(),
            part.select("x_nm", "y_nm", "z_nm").to_numpy(),
            l2_ids=part["l2_id"].to_numpy(),
            supervoxel_ids=None if grid is None else part["supervoxel_id"].to_numpy(),
            grid=grid,
            max_distance_nm=choice.max_distance_nm,
        )
    return Sides(made["pre"], made["post"])


def attach_synapses(
    con: duckdb.DuckDBPyConnection,
    neurons: navis.TreeNeuron | navis.NeuronList,
    choice: SynapseChoice | None = None,
    *,
    materialization: Materialization = "latest",
) -> navis.TreeNeuron | navis.NeuronList:
    """Return copies of neurons with their synapses as connectors; what they had before is replaced.

    A connector keeps CAVE's synapse id (`connector_id`) and its exact position in nm; `rule` says how its node was
    found (`crantdb.morphology.synapses.Rule`) and `distance_nm` how far the L2 id's position is.

    Args:
        con: a connection of `crantdb.connect`.
        neurons: with root ids of the snapshot's moment as `id`, in nm. Where their nodes have an `l2_id`, as those
            of `get_l2_skeletons` have, a synapse goes to an L2 id of its own chunk; else to the nearest node.
        choice: which synapses.
        materialization: whose.

    Raises:
        BadArgument: for a neuron whose id is no root id.
        NoSuchSnapshot: when the connection does not hold that version.
    """
    import navis  # noqa: PLC0415 (takes seconds to load)

    schema = schema_of(con, materialization)
    asked = choice or SynapseChoice()
    several = neurons if isinstance(neurons, navis.NeuronList) else navis.NeuronList(neurons)
    roots = [_root_of(neuron) for neuron in several]
    rows = read_synapses(con, roots, asked, schema=schema)
    grid = grid_of(con, schema=schema)
    made = []
    for root, neuron in zip(roots, several, strict=True):
        knows = "l2_id" in neuron.nodes.columns
        skeleton = _skeleton_of(neuron)
        sides = attach_rows(skeleton, rows, root, grid if knows else None, asked)
        connectors = navis_neuron(skeleton, root, pre=sides.pre, post=sides.post).connectors
        connectors["node_id"] = neuron.nodes["node_id"].to_numpy()[connectors["node_id"] - 1]
        copy = neuron.copy()
        copy.connectors = connectors
        made.append(copy)
    return navis.NeuronList(made) if isinstance(neurons, navis.NeuronList) else made[0]


def _root_of(neuron: navis.TreeNeuron) -> int:
    """Return a neuron's root id."""
    try:
        return int(str(neuron.id))
    except ValueError:
        msg = f"the id of a neuron is its root id, not {neuron.id!r}: set neuron.id"
        raise BadArgument(msg) from None


def _skeleton_of(neuron: navis.TreeNeuron) -> Skeleton:
    """Return navis' neuron as far as synapses are attached to it: nodes in their order, and their L2 ids."""
    nodes = neuron.nodes
    count = len(nodes)
    own = nodes["l2_id"].to_numpy(np.int64) if "l2_id" in nodes.columns else np.arange(1, count + 1)
    xyz = nodes[["x", "y", "z"]].to_numpy(np.float64)
    order = np.argsort(own, kind="stable")
    return Skeleton(
        l2_id=own,
        xyz_nm=xyz,
        radius_nm=np.ones(count),
        parent=np.full(count, -1, dtype=np.int64),
        flags=np.zeros(count, dtype=np.uint8),
        member_l2=own[order],
        member_node=order.astype(np.int64),
        member_xyz_nm=xyz[order],
        soma=-1,
        facts=Facts("given", "given"),
    )
