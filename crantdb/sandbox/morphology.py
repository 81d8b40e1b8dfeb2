"""The shapes of the generated brain: navis' example neurons, turned, mirrored and moved, and stray twigs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# The middle of the generated brain, far enough from the origin that every turned neuron lies on the grid.
CENTRE_NM = np.array([320_000.0, 320_000.0, 320_000.0])
_HEMIBRAIN_NM = 8.0
_SCATTER_NM = 12_000.0


@dataclass(frozen=True, slots=True)
class Skeleton:
    """One neuron's or fragment's tree.

    Attributes:
        xyz_nm: positions of the nodes, shape (n, 3).
        radius_nm: radius at each node, shape (n,).
        parent: index of each node's parent, -1 for a root; shape (n,).
        soma: index of the soma's node, or None.
    """

    xyz_nm: NDArray[np.float64]
    radius_nm: NDArray[np.float64]
    parent: NDArray[np.int64]
    soma: int | None = None


def example_skeletons() -> tuple[Skeleton, ...]:
    """Return navis' example neurons (hemibrain, Scheffer et al. 2020), read from its installed files."""
    import navis  # noqa: PLC0415 (takes seconds to load, and only the generated world needs it)

    return tuple(_from_navis(neuron) for neuron in navis.example_neurons(kind="skeleton"))


def population(examples: Sequence[Skeleton], count: int, rng: np.random.Generator) -> tuple[Skeleton, ...]:
    """Return `count` neurons: the examples in turn, each turned, perhaps mirrored, and moved."""
    return tuple(_placed(examples[index % len(examples)], rng) for index in range(count))


def twigs(neurons: Sequence[Skeleton], count: int, rng: np.random.Generator) -> tuple[Skeleton, ...]:
    """Return `count` short unbranched fragments, copied from neurons and moved a little to the side."""
    out = []
    for _ in range(count):
        neuron = neurons[int(rng.integers(len(neurons)))]
        path = _path_to_root(neuron, int(rng.integers(len(neuron.parent))), int(rng.integers(4, 40)))
        moved = neuron.xyz_nm[path] + rng.normal(0, 600, 3)
        out.append(Skeleton(moved, neuron.radius_nm[path], np.arange(-1, len(path) - 1)))
    return tuple(out)


def _from_navis(neuron: object) -> Skeleton:
    """Return a navis neuron, in units of 8 nm, as a skeleton in nm."""
    nodes = neuron.nodes  # type: ignore[attr-defined]
    ids = nodes["node_id"].to_numpy(np.int64)
    parents = nodes["parent_id"].to_numpy(np.int64)
    order = np.argsort(ids)
    place = np.minimum(np.searchsorted(ids[order], parents), len(ids) - 1)
    parent = np.where(ids[order][place] == parents, order[place], -1)
    xyz = nodes[["x", "y", "z"]].to_numpy(np.float64) * _HEMIBRAIN_NM
    radius = nodes["radius"].to_numpy(np.float64) * _HEMIBRAIN_NM
    soma = neuron.soma  # type: ignore[attr-defined]
    found = None if soma is None else int(np.flatnonzero(ids == int(np.atleast_1d(soma)[0]))[0])
    return Skeleton(xyz, radius, parent, found)


def _placed(example: Skeleton, rng: np.random.Generator) -> Skeleton:
    """Return an example turned, perhaps mirrored, and moved."""
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))  # orthogonal: a rotation, or one with a mirror
    middle = (example.xyz_nm.min(axis=0) + example.xyz_nm.max(axis=0)) / 2
    shift = CENTRE_NM + rng.normal(0, _SCATTER_NM, 3)
    # On a 1/16 nm lattice the last bits of a matrix product, which differ between machines, are gone.
    moved = np.round(((example.xyz_nm - middle) @ turn.T + shift) * 16) / 16
    return Skeleton(moved, example.radius_nm, example.parent, example.soma)


def _path_to_root(neuron: Skeleton, node: int, most: int) -> NDArray[np.int64]:
    """Return up to `most` nodes from a node towards its root."""
    path = [node]
    while len(path) < most and neuron.parent[path[-1]] >= 0:
        path.append(int(neuron.parent[path[-1]]))
    return np.array(path, dtype=np.int64)
