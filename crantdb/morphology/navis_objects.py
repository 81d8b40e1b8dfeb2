"""Skeletons as navis' neurons, L2 vectors as its dotprops, and the L2 graph as networkx'. Each is loaded when asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crantdb.errors import BadArgument, NoSkeleton
from crantdb.morphology.graph import clean_graph
from crantdb.morphology.swc import swc_labels

if TYPE_CHECKING:
    import navis
    import networkx as nx
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from crantdb.morphology.synapses import Attached
    from crantdb.morphology.tree import Skeleton

_SEED = 42


def navis_neuron(
    skeleton: Skeleton,
    root_id: int,
    *,
    pre: Attached | None = None,
    post: Attached | None = None,
    labels: ArrayLike | None = None,
) -> navis.TreeNeuron:
    """Return a skeleton as a `navis.TreeNeuron` in nm, node ids 1..n as in its SWC.

    The node table has the L2 id of each node besides (`l2_id`). Connectors keep the server's synapse ids
    (`connector_id`) and exact positions; those without a node are left out.

    Args:
        skeleton: a tree or forest.
        root_id: the neuron's root id: its `id` and `name`.
        pre: its outgoing synapses, attached.
        post: its incoming synapses, attached.
        labels: SWC types by node; default as in `to_swc`.
    """
    import navis  # noqa: PLC0415 (takes seconds to load)
    import pandas as pd  # noqa: PLC0415 (comes with navis)

    count = len(skeleton)
    nodes = pd.DataFrame(
        {
            "node_id": np.arange(1, count + 1),
            "label": swc_labels(skeleton, labels),
            "x": skeleton.xyz_nm[:, 0],
            "y": skeleton.xyz_nm[:, 1],
            "z": skeleton.xyz_nm[:, 2],
            "radius": skeleton.radius_nm,
            "parent_id": np.where(skeleton.parent < 0, -1, skeleton.parent + 1),
            "l2_id": skeleton.l2_id,
        }
    )
    soma = skeleton.soma + 1 if skeleton.soma >= 0 else None
    neuron = navis.TreeNeuron(nodes, units="1 nm", id=root_id, name=str(root_id), soma=soma)
    if pre is not None or post is not None:
        neuron.connectors = _connectors(pre, post)
    return neuron


def _connectors(pre: Attached | None, post: Attached | None) -> pd.DataFrame:
    """Return the table of connectors, outgoing ones first."""
    import pandas as pd  # noqa: PLC0415 (comes with navis)

    tables = []
    for kind, side in (("pre", pre), ("post", post)):
        if side is None:
            continue
        on = np.flatnonzero(side.node >= 0)
        table = pd.DataFrame(
            {
                "connector_id": side.synapse_id[on],
                "node_id": side.node[on] + 1,
                "type": kind,
                "x": side.xyz_nm[on, 0],
                "y": side.xyz_nm[on, 1],
                "z": side.xyz_nm[on, 2],
                "distance_nm": side.distance_nm[on],
                "rule": side.rule[on],
            }
        )
        tables.append(table)
    together = pd.concat(tables, ignore_index=True)
    return together.astype({"type": pd.CategoricalDtype(["pre", "post"])})


def navis_dotprops(
    points_nm: ArrayLike,
    first_axes: ArrayLike,
    root_id: int,
    *,
    sizes_nm3: ArrayLike | None = None,
    min_size_nm3: float = 0.0,
    sample: float = 1.0,
) -> navis.Dotprops:
    """Return L2 ids as a `navis.Dotprops` in nm: a point and a direction each, from the L2 cache's PCA.

    L2 ids without a point or without PCA (small ones have none) are left out.

    Args:
        points_nm: representative positions, (n, 3); NaN where there is none.
        first_axes: first principal axes, (n, 3); NaN where there is none.
        root_id: the neuron's root id.
        sizes_nm3: volumes, (n,); needed with `min_size_nm3`.
        min_size_nm3: smaller L2 ids are left out.
        sample: the share to keep, at least one, drawn without replacement; the same at every call.

    Raises:
        NoSkeleton: when nothing is left.
        BadArgument: for shapes that disagree, sizes wanting, or a share not above 0 and up to 1.
    """
    import navis  # noqa: PLC0415 (takes seconds to load)

    points, vectors = np.asarray(points_nm, dtype=np.float64), np.asarray(first_axes, dtype=np.float64)
    if points.shape != vectors.shape or points.ndim != 2 or not 0 < sample <= 1:
        msg = f"points {points.shape}, axes {vectors.shape}, sample={sample}: give (n, 3) twice and a share"
        raise BadArgument(msg)
    keep = np.isfinite(points).all(axis=1) & np.isfinite(vectors).all(axis=1) & (vectors != 0).any(axis=1)
    if min_size_nm3 > 0:
        keep &= _sizes(sizes_nm3, len(points)) >= min_size_nm3
    chosen = np.flatnonzero(keep)
    if not len(chosen):
        msg = f"root id {root_id}: none of its {len(points)} L2 ids has a position and a direction (large enough)"
        raise NoSkeleton(msg)
    if sample < 1:
        wanted = max(1, int(len(chosen) * sample))
        chosen = np.sort(np.random.default_rng(_SEED).choice(chosen, wanted, replace=False))
    axes = vectors[chosen] / np.sqrt((vectors[chosen] ** 2).sum(axis=1, keepdims=True))
    return navis.Dotprops(points[chosen], k=None, vect=axes, units="1 nm", id=root_id, name=str(root_id))


def _sizes(sizes_nm3: ArrayLike | None, count: int) -> NDArray[np.float64]:
    """Return the volumes, one for each of `count` L2 ids."""
    sizes = np.empty(0) if sizes_nm3 is None else np.asarray(sizes_nm3, dtype=np.float64)
    if sizes.shape != (count,):
        msg = f"min_size_nm3 needs sizes_nm3, one a point: got {sizes.shape} for {count}"
        raise BadArgument(msg)
    return sizes


def networkx_graph(edges: ArrayLike, l2_ids: ArrayLike, points_nm: ArrayLike) -> nx.Graph:
    """Return the L2 graph as networkx' graph: nodes are L2 ids with `x`, `y`, `z` in nm, edges have their `length` in nm.

    Args:
        edges: int64 (e, 2).
        l2_ids: int64 (n,).
        points_nm: float64 (n, 3); a node without position has none of the three, its edges no length.

    Raises:
        NoSkeleton: as `skeletonize`.
        BadArgument: as `skeletonize`.
    """
    import networkx as nx  # noqa: PLC0415 (takes a while to load)

    graph = clean_graph(edges, l2_ids, points_nm)
    ids = graph.ids.tolist()
    out: nx.Graph[Any] = nx.Graph()
    for l2_id, (x, y, z) in zip(ids, graph.xyz.tolist(), strict=True):
        out.add_node(l2_id, **({} if np.isnan(x + y + z) else {"x": x, "y": y, "z": z}))
    rows = zip(graph.low.tolist(), graph.high.tolist(), graph.lengths().tolist(), strict=True)
    for low, high, length in rows:
        out.add_edge(ids[low], ids[high], **({} if np.isnan(length) else {"length": length}))
    return out
