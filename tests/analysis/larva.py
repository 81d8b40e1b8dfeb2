"""The connectome of the Drosophila larva from its raw text, with pandas and networkx: what the tests compare with.

Nothing of crantdb is imported here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import networkx as nx
import pandas as pd

if TYPE_CHECKING:
    from pathlib import Path

BASE = 576460752303423488
"""Added to the larva's skeleton ids: roots beyond 2^53, which a float could not tell apart."""


@dataclass(frozen=True)
class Larva:
    """A brain as its text says.

    Attributes:
        edges: `pre`, `post`, `weight`, every line of the edge list, autapses among them.
        neurons: `root_id`, `cell_class`, `cell_type`, `side`, every line of the table of neurons.
    """

    edges: pd.DataFrame
    neurons: pd.DataFrame

    @property
    def clean(self) -> pd.DataFrame:
        """The edges without autapses."""
        return self.edges[self.edges["pre"] != self.edges["post"]]

    def graph(self, threshold: int = 1) -> nx.DiGraph:
        """Return the edges of at least so many synapses, without autapses, as a graph."""
        kept = self.clean[self.clean["weight"] >= threshold]
        graph = nx.DiGraph()
        graph.add_weighted_edges_from(kept.itertuples(index=False, name=None))
        return graph


def read_larva(folder: Path) -> Larva:
    """Read the edge list ("pre post weight") and the table of neurons."""
    lines = [line.split() for line in (folder / "G_edgelist.txt").read_text().splitlines()]
    edges = pd.DataFrame(
        {
            "pre": [BASE + int(line[0]) for line in lines],
            "post": [BASE + int(line[1]) for line in lines],
            "weight": [int(float(line[2])) for line in lines],
        }
    )
    raw = pd.read_csv(folder / "neurons.csv", dtype=str, keep_default_na=False)
    sides = {"L": "left", "R": "right"}
    neurons = pd.DataFrame(
        {
            "root_id": [BASE + int(value) for value in raw["skeleton_id"]],
            "cell_class": raw["class1"],
            "cell_type": raw["merge_class"],
            "side": [sides.get(value) for value in raw["hemisphere"]],
        }
    )
    return Larva(edges, neurons)
