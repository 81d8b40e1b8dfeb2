"""Which roots edits replaced and made between two moments, as a chunkedgraph lists them: asked for in this way only.

An older chunkedgraph fails where nothing was edited, as it fails when it is ill. What it did not answer is told
beside what it did, so that whoever asks can hold it against what else is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

import numpy as np

from crantdb.errors import BadResponse, ServiceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from numpy.typing import NDArray

    from crantdb.sources.chunkedgraph import Chunkedgraph
    from crantdb.sync.progress import Steps

WINDOW = timedelta(days=7)
"""Edits are asked for in windows of this length at the most."""


@dataclass(frozen=True, slots=True)
class Edits:
    """The roots of a time's edits; a root that was made and replaced in it is in both lists.

    Attributes:
        old: the roots replaced, ascending.
        new: the roots made, ascending.
        unanswered: windows (after, up to) for which the server failed: one without an edit, if it is an old one.
    """

    old: NDArray[np.int64]
    new: NDArray[np.int64]
    unanswered: tuple[tuple[datetime, datetime], ...] = ()


def edits_between(
    graph: Chunkedgraph, begin: datetime, end: datetime, steps: Callable[[int], Steps] | None = None
) -> Edits:
    """Return the roots replaced and those made after one moment, up to and including another, window by window.

    Args:
        graph: the chunkedgraph.
        begin: with a time zone.
        end: with a time zone.
        steps: gives, for a number of windows, what hears how far it is.

    Raises:
        SourceError: as `edits_in`.
    """
    starts = [begin]
    while starts[-1] + WINDOW < end:
        starts.append(starts[-1] + WINDOW)
    heard = None if steps is None else steps(len(starts))
    parts = []
    for start, until in zip(starts, [*starts[1:], end], strict=True):
        parts.append(edits_in(graph, start, until))
        if heard is not None:
            heard.done()
    return Edits(
        np.unique(np.concatenate([part.old for part in parts])),
        np.unique(np.concatenate([part.new for part in parts])),
        tuple(window for part in parts for window in part.unanswered),
    )


def edits_in(graph: Chunkedgraph, begin: datetime, end: datetime) -> Edits:
    """Return the roots replaced and those made in one window; none of one for which the server fails with a 500.

    Such an answer says what went wrong inside the server, or nothing at all; the words differ by its age.

    Raises:
        SourceError: as `Chunkedgraph.delta_roots`, any other failure.
    """
    try:
        return Edits(*graph.delta_roots(begin, end))
    except (BadResponse, ServiceUnavailable) as error:
        if error.status != HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        nothing = np.empty(0, np.int64)
        return Edits(nothing, nothing, ((begin, end),))
