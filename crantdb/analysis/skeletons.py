"""Skeletons of neurons from the mirrored L2 data: as navis' neurons, with their synapses, and in compartments.

The functions take a connection of `crantdb.connect` first. Nothing here asks a server: of a root whose L2 data
are not mirrored they say so (`crantdb sync l2` mirrors them).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from crantdb.analysis.attached import SynapseChoice, attach_rows, read_synapses
from crantdb.analysis.chosen import Neurons, chosen_at
from crantdb.errors import NoSkeleton
from crantdb.morphology.many import skeletonize_many
from crantdb.morphology.navis_objects import navis_neuron
from crantdb.morphology.split import split_compartments, whole_compartment
from crantdb.morphology.store import grid_of, mirrored, read_l2, soma_points

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import duckdb
    import navis
    from numpy.typing import ArrayLike, NDArray

    from crantdb.analysis.answers import Materialization
    from crantdb.analysis.attached import Sides
    from crantdb.morphology.many import NeuronL2
    from crantdb.morphology.skeleton import Method
    from crantdb.morphology.tree import Skeleton


@dataclass(frozen=True, slots=True)
class SkeletonOptions:
    """How skeletons are made.

    Attributes:
        method: ``mst``, the shortest tree; ``teasar`` as CAVE's skeleton service; ``bfs`` as crantpy and fafbseg.
        missing: L2 ids that the cache lacks: ``interpolate`` among their neighbours, or ``drop``.
        heal: link parts that the L2 graph leaves apart.
        reroot: root at the nucleus where the warehouse knows it; else the rules of `skeletonize` without it.
        prune_nm: take off end twigs shorter than this; 0: none.
    """

    method: Method = "mst"
    missing: Literal["interpolate", "drop"] = "interpolate"
    heal: bool = True
    reroot: bool = True
    prune_nm: float = 0.0

    def given(self) -> dict[str, Any]:
        """Return them as `skeletonize` takes them."""
        return {name: getattr(self, name) for name in ("method", "missing", "heal", "prune_nm")}


_DEFAULT = SkeletonOptions()


def skeletons_of(
    con: duckdb.DuckDBPyConnection,
    roots: ArrayLike,
    options: SkeletonOptions = _DEFAULT,
    *,
    schema: str = "main",
    workers: int = 1,
    root_at: Mapping[int, ArrayLike] | None = None,
) -> Iterator[tuple[int, Skeleton | NoSkeleton]]:
    """Yield each root once, ascending, with its skeleton or the reason why there is none.

    Args:
        con: a connection of `crantdb.connect`.
        roots: root ids of any moment, (n,).
        options: how.
        schema: the schema of the version whose annotations and nuclei say where somata are.
        workers: processes to share the work.
        root_at: positions in nm by root, in the place of the nuclei.

    Raises:
        BadArgument: for options that there are not.
    """
    wanted = np.unique(np.asarray(roots, dtype=np.int64))
    for root in np.setdiff1d(wanted, mirrored(con, wanted, schema=schema)).tolist():
        yield root, NoSkeleton(_not_mirrored(root))
    yield from skeletonize_many(
        l2_of(con, wanted, options, schema=schema, root_at=root_at),
        workers=workers,
        failures="give",
        grid=grid_of(con, schema=schema),
        **options.given(),
    )


def l2_of(
    con: duckdb.DuckDBPyConnection,
    roots: NDArray[np.int64],
    options: SkeletonOptions = _DEFAULT,
    *,
    schema: str = "main",
    root_at: Mapping[int, ArrayLike] | None = None,
) -> Iterator[NeuronL2]:
    """Yield the L2 data of those roots that are mirrored, ascending, as skeletons are made of them."""
    points: dict[int, NDArray[np.float64]] = {}
    if options.reroot and root_at is None:
        points = soma_points(con, roots, schema=schema)
    points |= {int(root): np.asarray(at, dtype=np.float64) for root, at in (root_at or {}).items()}
    for neuron in read_l2(con, roots, schema=schema):
        yield neuron.given(points.get(neuron.root_id))


def _not_mirrored(root: int) -> str:
    """Return the words for a root without L2 data."""
    return f"root id {root}: its L2 data are not mirrored; `crantdb sync l2 {root}` mirrors them"


def get_l2_skeleton(
    con: duckdb.DuckDBPyConnection,
    neuron: int | str,
    options: SkeletonOptions = _DEFAULT,
    *,
    root_at: ArrayLike | None = None,
    attach_synapses: bool = False,
    materialization: Materialization = "latest",
    update_ids: bool = True,
) -> navis.TreeNeuron:
    """Return the skeleton of one neuron.

    Args:
        con: a connection of `crantdb.connect`.
        neuron: its root id.
        options: how.
        root_at: a position in nm, (3,): the node nearest to it becomes the root. Default: the nucleus, if known.
        attach_synapses: whether connectors are attached (see `attach_synapses`).
        materialization: whose synapses and nuclei.
        update_ids: whether the id is first mapped to the snapshot's moment.

    Returns:
        In nm; its `id` is the root id, `soma` the soma's node if there is one; the nodes have their `l2_id`.

    Raises:
        NoSkeleton: when its L2 data are not mirrored, or nothing is known of them.
        NotAnId: for what is no id.

    Warns:
        IdsMapped: when the id is not a root of the snapshot's moment.
    """
    roots, schema = chosen_at(con, neuron, materialization, update_ids=update_ids)
    at = None if root_at is None else {int(roots[0]): root_at}
    [(root, skeleton)] = skeletons_of(con, roots[:1], options, schema=schema, root_at=at)
    if isinstance(skeleton, NoSkeleton):
        raise skeleton
    [made] = _as_neurons(con, {root: skeleton}, schema, attach=attach_synapses)
    return made


def get_l2_skeletons(
    con: duckdb.DuckDBPyConnection,
    neurons: Neurons,
    options: SkeletonOptions = _DEFAULT,
    *,
    omit_failures: bool = False,
    attach_synapses: bool = False,
    workers: int = 1,
    materialization: Materialization = "latest",
    update_ids: bool = True,
) -> navis.NeuronList:
    """Return the skeletons of neurons, in the order given, each once.

    Args:
        con: a connection of `crantdb.connect`.
        neurons: ids, criteria or a predicate.
        options: how.
        omit_failures: leave out neurons without a skeleton; else the first of them is an error. Never a stub.
        attach_synapses: whether connectors are attached.
        workers: processes to share the work; worth it from some thousand neurons on.
        materialization: whose annotations, synapses and nuclei.
        update_ids: whether ids are first mapped to the snapshot's moment.

    Raises:
        NoSkeleton: for the first neuron without one, unless they are to be omitted.
        NotAnId, NoMatches, QueryRefused: for neurons that are none.

    Warns:
        IdsMapped: when ids are not roots of the snapshot's moment.
    """
    import navis  # noqa: PLC0415 (takes seconds to load)

    roots, schema = chosen_at(con, neurons, materialization, update_ids=update_ids)
    found: dict[int, Skeleton] = {}
    for root, skeleton in skeletons_of(con, roots, options, schema=schema, workers=workers):
        if not isinstance(skeleton, NoSkeleton):
            found[root] = skeleton
        elif not omit_failures:
            raise skeleton
    ordered = {root: found[root] for root in roots.tolist() if root in found}
    return navis.NeuronList(_as_neurons(con, ordered, schema, attach=attach_synapses))


def _as_neurons(
    con: duckdb.DuckDBPyConnection, skeletons: Mapping[int, Skeleton], schema: str, *, attach: bool
) -> list[navis.TreeNeuron]:
    """Return skeletons as navis' neurons, in order, with their synapses if asked for."""
    if not attach:
        return [navis_neuron(skeleton, root) for root, skeleton in skeletons.items()]
    sides = synapses_on(con, skeletons, schema=schema)
    return [
        navis_neuron(skeleton, root, pre=sides[root].pre, post=sides[root].post)
        for root, skeleton in skeletons.items()
    ]


def synapses_on(
    con: duckdb.DuckDBPyConnection,
    skeletons: Mapping[int, Skeleton],
    choice: SynapseChoice | None = None,
    *,
    schema: str = "main",
) -> dict[int, Sides]:
    """Return the synapses of neurons attached to their skeletons, by root.

    Args:
        con: a connection of `crantdb.connect`.
        skeletons: by root id.
        choice: which synapses; by default all but autapses and those with root 0.
        schema: the schema of the version.
    """
    asked = choice or SynapseChoice()
    rows = read_synapses(con, list(skeletons), asked, schema=schema)
    grid = grid_of(con, schema=schema)
    return {root: attach_rows(skeleton, rows, root, grid, asked) for root, skeleton in skeletons.items()}


COMPARTMENTS = pl.Schema(
    {
        "root_id": pl.Int64,
        "axon_input": pl.Int64,
        "axon_output": pl.Int64,
        "dendrite_input": pl.Int64,
        "dendrite_output": pl.Int64,
        "segregation_index": pl.Float64,
    }
)
"""The columns of `get_compartments`, named as CRANTb's annotations name them."""


def get_compartments(
    con: duckdb.DuckDBPyConnection,
    neurons: Neurons,
    choice: SynapseChoice | None = None,
    *,
    materialization: Materialization = "latest",
    update_ids: bool = True,
) -> pl.DataFrame:
    """Return how many synapses neurons have on axon and dendrite, split by synapse flow centrality.

    Sensory neurons count as axon, motor neurons as dendrite, as in CRANTb's pipeline; a neuron with synapses of
    one direction alone is not split, and its counts are 0.

    Args:
        con: a connection of `crantdb.connect`.
        neurons: ids, criteria or a predicate.
        choice: which synapses count.
        materialization: whose.
        update_ids: whether ids are first mapped to the snapshot's moment.

    Returns:
        One row a neuron with a skeleton, in the order given: `COMPARTMENTS`; `segregation_index` NULL where it has
        no meaning.

    Raises:
        NotAnId, NoMatches, QueryRefused: for neurons that are none.
    """
    roots, schema = chosen_at(con, neurons, materialization, update_ids=update_ids)
    made = {
        root: skeleton
        for root, skeleton in skeletons_of(con, roots, schema=schema)
        if not isinstance(skeleton, NoSkeleton)
    }
    sides = synapses_on(con, made, choice, schema=schema)
    classes = con.sql(f'SELECT root_id, super_class, cell_class, flow FROM "{schema}".neurons').fetchall()
    whole = {root: whole_compartment(*names) for root, *names in classes}
    rows = []
    for root in [root for root in roots.tolist() if root in made]:
        split = split_compartments(made[root], sides[root].pre, sides[root].post, whole=whole.get(root))
        counts = {name: getattr(split, name) for name in COMPARTMENTS.names()[1:-1]}
        index = None if np.isnan(split.segregation_index) else split.segregation_index
        rows.append({"root_id": root, **counts, "segregation_index": index})
    return pl.DataFrame(rows, schema=COMPARTMENTS)
