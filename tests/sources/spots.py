"""A datastack whose segmentation is background but for single voxels, each with a supervoxel of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from crantdb.sandbox import Datastack, Version
from crantdb.sandbox.chunks import Grid, cut
from crantdb.sandbox.editing import Editor
from crantdb.sandbox.morphology import Skeleton

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

NAME = "spotted_ant"
VOXEL_NM = np.array([16.0, 16.0, 42.0])
FIRST = np.array([1024, 1024, 0])
LAST = np.array([1024 + 65_536 - 1, 1024 + 65_536 - 1, 16_383])


def spotted(voxels: Sequence[Sequence[int]]) -> tuple[Datastack, NDArray[np.int64]]:
    """Return a datastack without tables, and the supervoxel of each voxel."""
    corners = np.array(voxels, dtype=np.int64) * VOXEL_NM
    shapes = [Skeleton(corner[None], np.array([0.5]), np.array([-1])) for corner in corners]
    pieces = cut(shapes, Grid(), np.random.default_rng(0))
    history = Editor(pieces, pieces.edges, Grid()).history()
    version = Version(1, datetime(2026, 3, 1, 12, tzinfo=UTC))
    return Datastack(NAME, (version,), chunkedgraph=history), pieces.node_supervoxel
