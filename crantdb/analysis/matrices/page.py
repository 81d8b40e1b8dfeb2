"""How a matrix is to look, what is drawn of it, and where everything stands on the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crantdb.analysis.matrices.lettering import Names, fitting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Look:
    """How a matrix is drawn; see `BlockMatrix.plot`."""

    figsize: tuple[float, float] | None
    neuron_labels: bool
    percentiles: tuple[float, float]
    min_neurons: int
    line_scale: float
    title: str | None
    cmap: str | None
    labels: Mapping[int, str] | None
    log: bool | None


@dataclass(frozen=True, slots=True)
class Panel:
    """What is drawn: the numbers, and what is written along each side.

    Attributes:
        array: the numbers.
        rows: the names along the rows.
        columns: the names along the columns.
        unit: what a number counts.
    """

    array: NDArray[Any]
    rows: Names
    columns: Names
    unit: str


@dataclass(frozen=True, slots=True)
class Page:
    """Where everything stands, in inches.

    Attributes:
        cell: the side of a cell.
        letters: size of the letters along rows and along columns, in points.
        left: what the names of the rows need.
        top: what the names of the columns need, and the title.
        right: what the scale needs.
        body: width and height of the matrix.
    """

    cell: float
    letters: tuple[float, float]
    left: float
    top: float
    right: float
    body: tuple[float, float]

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the whole."""
        return self.left + self.body[0] + self.right, self.top + max(self.body[1], LEAST_BAR) + EDGE


MOST_BODY = 40.0
"""A matrix whose cells have names of their own is no wider and no higher, in inches."""

EDGE, LEAST_BAR, MOST_BAR, BAR = 0.25, 1.8, 5.0, 0.16
"""The margin, the least and the greatest height of the scale, and its width, in inches."""


def page_of(panel: Panel, look: Look) -> Page:
    """Return where everything stands: as large as the content needs, else as large as asked for."""
    rows, columns = panel.array.shape
    longest = max(rows, columns)
    single = panel.rows.single and panel.columns.single
    # Cells with names of their own are as high as letters at least; the others fill a page.
    cell = min(0.62, max(min(0.2, MOST_BODY / longest), 7.5 / longest)) if single else 7.5 / longest
    page = _laid_out(panel, look, cell)
    if look.figsize is None:
        return page
    free = look.figsize[0] - page.left - page.right, look.figsize[1] - page.top - EDGE
    return _laid_out(panel, look, max(0.002, min(free[0] / columns, free[1] / rows)))


def _laid_out(panel: Panel, look: Look, cell: float) -> Page:
    """Return where everything stands for cells of a size in inches."""
    rows, columns = panel.array.shape
    body = columns * cell, rows * cell
    letters = fitting(panel.rows, body[1]), fitting(panel.columns, body[0])
    left = EDGE + 0.35 + panel.rows.inches(letters[0])
    above = panel.columns.inches(letters[1]) if is_upright(panel) else letters[1] * 1.3 / 72
    return Page(cell, letters, left, EDGE + 0.4 + above + (0.4 if look.title else 0), 1.35, body)


def is_upright(panel: Panel) -> bool:
    """Tell whether the names of columns are written upright."""
    return panel.columns.width > 2
