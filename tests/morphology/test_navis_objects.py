"""Skeletons as navis' objects: neurons, dotprops, the L2 graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import navis
import networkx as nx
import numpy as np
import pytest

from crantdb.errors import BadArgument, NoSkeleton
from crantdb.morphology.navis_objects import navis_dotprops, navis_neuron, networkx_graph
from crantdb.morphology.skeleton import skeletonize
from crantdb.morphology.split import (
    flow_centrality,
    segregation_index,
    split_compartments,
    whole_compartment,
)
from crantdb.morphology.synapses import Attached, attach_synapses

from .conftest import MINNIE, ROOT_ID, SOMA_NM

if TYPE_CHECKING:
    from crantdb.morphology.skeleton import Skeleton

    from .conftest import RealNeuron, Side


@pytest.fixture(scope="module")
def skeleton(real: RealNeuron) -> Skeleton:
    """Return the real neuron's shortest tree, rooted at its soma."""
    return skeletonize(real.edges, real.ids, real.xyz, grid=MINNIE, root_at=SOMA_NM)


def on(skeleton: Skeleton, side: Side) -> Attached:
    """Return synapses attached by their L2 ids."""
    return attach_synapses(skeleton, side.ids, side.xyz_nm, l2_ids=side.l2_ids)


def test_neuron(skeleton: Skeleton, real: RealNeuron) -> None:
    """The TreeNeuron has the nodes, L2 ids, root, soma, units and id; connectors keep synapse ids and positions."""
    neuron = navis_neuron(skeleton, ROOT_ID, pre=on(skeleton, real.pre), post=on(skeleton, real.post))
    assert (neuron.n_nodes, neuron.id, neuron.soma) == (5_830, ROOT_ID, 1)
    assert neuron.cable_length == pytest.approx(skeleton.cable_nm)
    assert neuron.units == navis.config.ureg("1 nanometer")
    assert neuron.root.tolist() == [1]
    assert neuron.nodes.l2_id.to_numpy().dtype == np.int64
    assert neuron.nodes.l2_id.tolist() == skeleton.l2_id.tolist()
    assert len(neuron.presynapses) == 259
    assert len(neuron.postsynapses) == 2_165
    assert neuron.connectors.connector_id.tolist() == [*real.pre.ids.tolist(), *real.post.ids.tolist()]
    xyz = neuron.connectors[["x", "y", "z"]].to_numpy()
    assert (xyz == np.concatenate([real.pre.xyz_nm, real.post.xyz_nm])).all()
    node = neuron.nodes.set_index("node_id").l2_id.loc[neuron.connectors.node_id].to_numpy()
    assert node.tolist() == [*real.pre.l2_ids.tolist(), *real.post.l2_ids.tolist()]


def test_neuron_without_soma(real: RealNeuron) -> None:
    """Without a soma the TreeNeuron has none: navis is not left to guess one by radius."""
    thick = np.full(len(real.ids), 1_400.0)
    neuron = navis_neuron(skeletonize(real.edges, real.ids, real.xyz, thick), ROOT_ID)
    assert neuron.soma is None
    assert not neuron.has_connectors


def test_unattached_synapses_are_left_out(skeleton: Skeleton) -> None:
    """A synapse without a node is no connector."""
    far = attach_synapses(skeleton, [1, 2], [skeleton.xyz_nm[7], [0.0, 0.0, 0.0]])
    neuron = navis_neuron(skeleton, ROOT_ID, post=far)
    assert neuron.connectors.connector_id.tolist() == [1]
    assert neuron.connectors.node_id.tolist() == [8]


def test_flow_as_navis(skeleton: Skeleton, real: RealNeuron) -> None:
    """The flow centrality of every node is navis' own, centrifugal."""
    pre, post = on(skeleton, real.pre), on(skeleton, real.post)
    neuron = navis_neuron(skeleton, ROOT_ID, pre=pre, post=post)
    navis.synapse_flow_centrality(neuron, mode="centrifugal")
    assert flow_centrality(skeleton, pre, post).tolist() == neuron.nodes.synapse_flow_centrality.tolist()


def test_split(skeleton: Skeleton, real: RealNeuron) -> None:
    """Axon and dendrite are those of navis' split; counts and index are what its fragments hold."""
    pre, post = on(skeleton, real.pre), on(skeleton, real.post)
    got = split_compartments(skeleton, pre, post)
    assert (got.label[0], (got.label == 1).sum()) == (1, 1)
    neuron = navis_neuron(skeleton, ROOT_ID, pre=pre, post=post)
    navis.synapse_flow_centrality(neuron, mode="centrifugal")
    fragments = navis.split_axon_dendrite(neuron, cellbodyfiber="soma")
    parts = {part.compartment: part for part in fragments}
    sizes = np.bincount(got.label, minlength=8)
    names = ("axon", "dendrite", "linker", "cellbodyfiber")
    assert [parts[name].n_nodes for name in names] == [
        sizes[2],
        sizes[3],
        sizes[4],
        sizes[7] + 1,  # and the soma
    ]
    axon, dendrite = parts["axon"], parts["dendrite"]
    assert (got.axon_input, got.axon_output) == (len(axon.postsynapses), len(axon.presynapses))
    assert (got.dendrite_input, got.dendrite_output) == (
        len(dendrite.postsynapses),
        len(dendrite.presynapses),
    )
    assert got.segregation_index == pytest.approx(navis.segregation_index(navis.NeuronList([axon, dendrite])))
    assert got.segregation_index > 0.8
    assert int((got.compartment_of(pre) == 2).sum()) == got.axon_output


def test_nothing_to_split_by(skeleton: Skeleton, real: RealNeuron) -> None:
    """With synapses of one direction alone nothing flows: the compartments are unknown, not invented."""
    none = attach_synapses(skeleton, [], np.empty((0, 3)))
    got = split_compartments(skeleton, none, on(skeleton, real.post))
    assert set(got.label.tolist()) == {0, 1}
    assert np.isnan(got.segregation_index)
    assert (got.axon_input, got.axon_output, got.dendrite_input, got.dendrite_output) == (0, 0, 0, 0)


def test_whole_neurons(skeleton: Skeleton, real: RealNeuron) -> None:
    """Sensory neurons are axon as a whole, motor and endocrine ones dendrite; all synapses count there."""
    pre, post = on(skeleton, real.pre), on(skeleton, real.post)
    got = split_compartments(skeleton, pre, post, whole=whole_compartment("sensory", "olfactory"))
    assert (got.axon_input, got.axon_output, got.dendrite_input) == (2_165, 259, 0)
    assert whole_compartment("endocrine", None) == whole_compartment("visceral_circulatory") == "dendrite"
    assert whole_compartment("central", "Motor neuron") == "dendrite"
    assert whole_compartment("ascending_afferent") == "axon"
    assert whole_compartment(None, "kenyon_cell") is None


@pytest.mark.parametrize(
    ("axon", "dendrite", "index"),
    [
        ((0, 10), (10, 0), 1.0),
        ((5, 5), (5, 5), 0.0),
        ((5, 0), (5, 0), float("nan")),
        ((0, 0), (0, 0), float("nan")),
    ],
)
def test_segregation_index(axon: tuple[int, int], dendrite: tuple[int, int], index: float) -> None:
    """Apart is 1, mixed evenly is 0, one direction alone has no index."""
    assert segregation_index(axon, dendrite) == pytest.approx(index, nan_ok=True)


def test_dotprops() -> None:
    """Dotprops have the points and unit axes of those ids that have both; small ones and samples as asked."""
    points = np.arange(30.0).reshape(10, 3)
    axes = np.tile([0.0, 3.0, 4.0], (10, 1))
    axes[3], axes[4], points[5] = np.nan, 0.0, np.nan
    props = navis_dotprops(points, axes, ROOT_ID)
    assert props.points.tolist() == points[[0, 1, 2, 6, 7, 8, 9]].tolist()
    assert props.vect[0].tolist() == pytest.approx([0, 0.6, 0.8])
    assert (props.id, props.k, props.units) == (ROOT_ID, None, navis.config.ureg("1 nanometer"))
    large = navis_dotprops(points, axes, 1, sizes_nm3=np.arange(10) * 1e6, min_size_nm3=7e6)
    assert len(large.points) == 3
    some = [navis_dotprops(points, axes, 1, sample=0.5).points.tolist() for _ in range(2)]
    assert (len(some[0]), some[0]) == (3, some[1])
    with pytest.raises(NoSkeleton, match="none of its 10"):
        navis_dotprops(points, axes * np.nan, 1)
    with pytest.raises(BadArgument, match="sizes_nm3"):
        navis_dotprops(points, axes, 1, min_size_nm3=5)
    with pytest.raises(BadArgument, match="sample=0"):
        navis_dotprops(points, axes, 1, sample=0)


def test_networkx_graph(real: RealNeuron) -> None:
    """The L2 graph in networkx has the ids, positions and lengths; its shortest tree is ours."""
    xyz = real.xyz.copy()
    graph = networkx_graph(real.edges, real.ids, xyz)
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (5_830, 6_635)
    assert graph.nodes[int(real.ids[9])] == dict(zip("xyz", xyz[9], strict=True))
    least = nx.minimum_spanning_tree(graph, weight="length").size(weight="length")
    assert least == pytest.approx(8_331_271.358, abs=0.001)
    xyz[9] = np.nan
    gap = networkx_graph(real.edges, real.ids, xyz)
    assert gap.nodes[int(real.ids[9])] == {}
    assert all("length" not in gap.edges[edge] for edge in gap.edges(int(real.ids[9])))
