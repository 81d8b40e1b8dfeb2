"""Axon and dendrite by synapse flow centrality: labels, segregation index, counts of synapses by compartment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from crantdb.errors import BadArgument
from crantdb.morphology.navis_objects import navis_neuron
from crantdb.morphology.swc import AXON, DENDRITE, SOMA, UNDEFINED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crantdb.morphology.synapses import Attached
    from crantdb.morphology.tree import Skeleton

PRIMARY_DENDRITE, PRIMARY_NEURITE = 4, 7
_SENSORY = re.compile("sensory|afferent", re.IGNORECASE)
_MOTOR = re.compile("motor|efferent|endocrine|visceral", re.IGNORECASE)

Whole = Literal["axon", "dendrite"]


@dataclass(frozen=True, eq=False)
class Split:
    """The compartments of one neuron.

    Attributes:
        label: uint8 (n,), by node: 0 unknown, 1 soma, 2 axon, 3 dendrite, 4 the stretch between both ("primary
            dendrite"), 7 the stretch from the soma ("primary neurite"): the codes of CRANTb's split files.
        flow: int64 (n,), centrifugal synapse flow centrality.
        segregation_index: 0 (inputs and outputs mixed) to 1 (apart); NaN where it has no meaning.
        axon_input: incoming synapses on the axon.
        axon_output: outgoing synapses on the axon.
        dendrite_input: incoming synapses on the dendrite.
        dendrite_output: outgoing synapses on the dendrite.
    """

    label: NDArray[np.uint8]
    flow: NDArray[np.int64]
    segregation_index: float
    axon_input: int
    axon_output: int
    dendrite_input: int
    dendrite_output: int

    def compartment_of(self, attached: Attached) -> NDArray[np.uint8]:
        """Return the label of each synapse's node, 0 for synapses without one; (s,)."""
        return np.where(attached.node < 0, np.uint8(UNDEFINED), self.label[attached.node])


def whole_compartment(*classes: str | None) -> Whole | None:
    """Return what a neuron of these classes is as a whole, as CRANTb's pipeline takes it.

    Sensory and afferent neurons are axon, motor, efferent, endocrine and visceral ones dendrite; others are split.
    """
    text = " ".join(each for each in classes if each)
    if _SENSORY.search(text):
        return "axon"
    return "dendrite" if _MOTOR.search(text) else None


def split_compartments(
    skeleton: Skeleton, pre: Attached, post: Attached, *, whole: Whole | None = None
) -> Split:
    """Return a neuron's axon and dendrite, by navis' split at the highest centrifugal synapse flow.

    Where there is no flow (synapses of one direction alone, or none) there is nothing to split by: all nodes are
    unknown. Nodes that the split leaves over take the label of their nearest labelled neighbour.

    Args:
        skeleton: one tree, rooted at its soma where that is known.
        pre: its outgoing synapses, attached to it.
        post: its incoming synapses, attached to it.
        whole: label the whole neuron so instead (`whole_compartment` says for which).

    Raises:
        BadArgument: for a forest.
    """
    if len(skeleton.roots) != 1:
        msg = f"{len(skeleton.roots)} parts without a link between them: split one tree (heal=True)"
        raise BadArgument(msg)
    flow = flow_centrality(skeleton, pre, post)
    if whole is not None:
        label = np.full(len(skeleton), AXON if whole == "axon" else DENDRITE, dtype=np.uint8)
    elif flow.any():
        label = _navis_labels(skeleton, pre, post, flow)
    else:
        label = np.full(len(skeleton), UNDEFINED, dtype=np.uint8)
    counts = {
        (code, way): int((label[side.node[side.node >= 0]] == code).sum())
        for code in (AXON, DENDRITE)
        for way, side in (("in", post), ("out", pre))
    }
    if skeleton.soma >= 0:
        label[skeleton.soma] = SOMA
    axon = (counts[AXON, "in"], counts[AXON, "out"])
    dendrite = (counts[DENDRITE, "in"], counts[DENDRITE, "out"])
    return Split(label, flow, segregation_index(axon, dendrite), *axon, *dendrite)


def flow_centrality(skeleton: Skeleton, pre: Attached, post: Attached) -> NDArray[np.int64]:
    """Return the centrifugal synapse flow centrality of each node: paths from inputs above it to outputs at or below.

    A branch point that is no root gets the most that flows through one of its children (Schneider-Mizell et al. 2016, as in navis).
    """
    outputs = _at_or_below(skeleton.parent, pre.node)
    inputs = _at_or_below(skeleton.parent, post.node)
    total = int((post.node >= 0).sum())
    flow = (total - inputs) * outputs
    branch = np.flatnonzero((skeleton.children > 1) & (skeleton.parent >= 0))
    child = np.flatnonzero(skeleton.parent >= 0)
    most = np.zeros_like(flow)
    np.maximum.at(most, skeleton.parent[child], flow[child])
    flow[branch] = most[branch]
    return flow


def _at_or_below(parent: NDArray[np.int64], node: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many of the synapses' nodes lie in the tree below each node, itself included."""
    count = len(parent)
    below = np.bincount(node[node >= 0], minlength=count).astype(np.int64)
    # Each round reaches twice as far down: the sums of the nodes that lie 1, 2, 4, ... links below come up.
    at = parent
    while (at >= 0).any():
        lower = np.flatnonzero(at >= 0)
        come = np.bincount(at[lower], weights=below[lower].astype(np.float64), minlength=count)
        below = below + come.astype(np.int64)
        at = np.where(at < 0, -1, at[at])
    return below


def _navis_labels(
    skeleton: Skeleton, pre: Attached, post: Attached, flow: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Return the labels of navis' split, at the flow that is given."""
    import navis  # noqa: PLC0415 (takes seconds to load)

    neuron = navis_neuron(skeleton, 1, pre=pre, post=post)
    neuron.nodes["synapse_flow_centrality"] = flow
    fiber = "soma" if skeleton.soma >= 0 else False
    done = navis.split_axon_dendrite(
        neuron, metric="synapse_flow_centrality", cellbodyfiber=fiber, reroot_soma=False, label_only=True
    )
    names = done.nodes.set_index("node_id")["compartment"].astype(str)
    codes = {"axon": AXON, "dendrite": DENDRITE, "linker": PRIMARY_DENDRITE, "cellbodyfiber": PRIMARY_NEURITE}
    label: NDArray[np.uint8] = names.map(codes).fillna(UNDEFINED).to_numpy().astype(np.uint8)
    return label


def segregation_index(axon: tuple[int, int], dendrite: tuple[int, int]) -> float:
    """Return how far inputs and outputs are apart: 0 mixed evenly, 1 apart (Schneider-Mizell et al. 2016).

    Args:
        axon: incoming and outgoing synapses on the axon.
        dendrite: the same on the dendrite.

    Returns:
        NaN where there are no synapses or only those of one direction.
    """
    total = sum(axon) + sum(dendrite)
    both = (axon[0] + dendrite[0], axon[1] + dendrite[1])
    if not both[0] or not both[1]:
        return float("nan")
    mixed = sum(sum(part) * _entropy(*part) for part in (axon, dendrite)) / total
    return float(1 - mixed / _entropy(*both))


def _entropy(inputs: int, outputs: int) -> float:
    """Return the entropy of a mixture of two kinds, in nats."""
    total = inputs + outputs
    shares = [part / total for part in (inputs, outputs) if part]
    return float(-sum(share * np.log(share) for share in shares))
