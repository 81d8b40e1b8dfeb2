"""The shapes of the generated brain: navis' example neurons, turned, mirrored and moved, and stray twigs."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# The middle of the generated brain, far enough from the origin that every turned neuron lies on the grid.
CENTRE_NM = np.array([320_000.0, 320_000.0, 320_000.0])
_HEMIBRAIN_NM = 8.0
_SCATTER_NM = 12_000.0
_SOMA = 1  # the label of a soma's node in SWC


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
    """Return navis' example neurons (hemibrain, Scheffer et al. 2020), read from its installed files.

    Without navis itself, which takes seconds to load.

    Raises:
        FileNotFoundError: when the installed navis has no such files.
    """
    files = sorted(_installed("navis").glob("data/swc/*.swc"))
    if not files:
        msg = "the installed navis has no example neurons in data/swc. Reinstall: pip install --force-reinstall navis"
        raise FileNotFoundError(msg)
    return tuple(_from_swc(file) for file in files)


def _installed(package: str) -> Path:
    """Return the folder of an installed package, which is not imported."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        msg = f"{package} is not installed: pip install {package}"
        raise FileNotFoundError(msg)
    return Path(found.origin).parent


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


def _from_swc(path: Path) -> Skeleton:
    """Return the neuron of an SWC file, in units of 8 nm, as a skeleton in nm."""
    nodes = np.loadtxt(path, comments="#", ndmin=2)
    ids, label, parents = (nodes[:, column].astype(np.int64) for column in (0, 1, 6))
    order = np.argsort(ids)
    place = np.minimum(np.searchsorted(ids[order], parents), len(ids) - 1)
    parent = np.where(ids[order][place] == parents, order[place], -1)
    measures = (
        nodes[:, 2:6].astype(np.float32).astype(np.float64) * _HEMIBRAIN_NM
    )  # single, as navis has them
    somas = np.flatnonzero(label == _SOMA)
    return Skeleton(measures[:, :3], measures[:, 3], parent, int(somas[0]) if len(somas) else None)


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
