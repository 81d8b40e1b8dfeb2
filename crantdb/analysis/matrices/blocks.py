"""A matrix between two axes of neurons in blocks: what square and directed nested matrices have in common."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from crantdb.analysis.matrices.labelled import Labelled, frozen, numbers_of
from crantdb.analysis.matrices.page import Look
from crantdb.errors import BadArgument

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import polars as pl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from crantdb.analysis.matrices.axis import Axis

Level: TypeAlias = Literal["neuron", "type_sum", "type_mean"]
LEVELS = ("neuron", "type_sum", "type_mean")


class BlockMatrix:
    """Weights from the neurons of the rows to those of the columns. It cannot be changed.

    Attributes:
        rows: the axis of the sources.
        columns: the axis of the targets.
        weight: what a number counts, for titles and scales, e.g. ``synapses``.
    """

    def __init__(self, values: object, rows: Axis, columns: Axis, *, weight: str = "weight") -> None:
        array = numbers_of(values, (len(rows.ids), len(columns.ids)))
        self.rows = rows
        self.columns = columns
        self.weight = weight
        self._values = frozen(array)
        self._locked = True

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse to change what was built."""
        if self.__dict__.get("_locked", False):
            msg = f"{type(self).__name__}.{name} cannot be set: a nested matrix is read-only. Build another"
            raise AttributeError(msg)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        """Refuse to take away from what was built."""
        msg = f"{type(self).__name__}.{name} cannot be deleted: a nested matrix is read-only"
        raise AttributeError(msg)

    def __repr__(self) -> str:
        rows, columns = self._values.shape
        blocks = len(self.rows.boundaries), len(self.columns.boundaries)
        return f"<{type(self).__name__} {rows} x {columns} neurons, {blocks[0]} x {blocks[1]} types, {self.weight}>"

    @property
    def array(self) -> NDArray[Any]:
        """The weights, shape (sources, targets), read-only."""
        return self._values

    @property
    def matrix(self) -> Labelled:
        """The weights under the root ids of sources and targets."""
        return Labelled(self._values, self.rows.ids, self.columns.ids, "pre_root_id")

    @cached_property
    def sum_type_matrix(self) -> Labelled:
        """The weights of each pair of types, added up; untyped neurons are in none."""
        return self._by_type(self._sums())

    @cached_property
    def mean_type_matrix(self) -> Labelled:
        """The mean weight of each pair of types over all pairs of their neurons, those without a connection too."""
        cells = np.outer(self.rows.sizes(), self.columns.sizes())
        return self._by_type(self._sums() / np.maximum(cells, 1))

    def get_relative_weights(self, by_type: bool = False) -> Labelled:
        """Return each row as shares of its total; a row without any weight stays 0.

        Args:
            by_type: of the summed type matrix instead of single neurons.
        """
        whole = self.sum_type_matrix if by_type else self.matrix
        totals = whole.array.sum(axis=1, keepdims=True, dtype=np.float64)
        shares = whole.array / np.where(totals == 0, 1.0, totals)
        return Labelled(frozen(shares), whole.rows, whole.columns, whole.row_name)

    def at_level(self, level: Level | str) -> Labelled:
        """Return the matrix of a level: ``neuron``, ``type_sum`` or ``type_mean``.

        Raises:
            BadArgument: when there is no such level.
        """
        if level == "neuron":
            return self.matrix
        if level == "type_sum":
            return self.sum_type_matrix
        if level == "type_mean":
            return self.mean_type_matrix
        msg = f"level {level!r} is none of {', '.join(LEVELS)}"
        raise BadArgument(msg)

    def plot(
        self,
        output_path: str | Path | None = None,
        level: Level = "neuron",
        figsize: tuple[float, float] | None = None,
        show_neuron_labels: bool = False,
        *,
        vmin_percentile: float = 0.0,
        vmax_percentile: float = 100.0,
        min_neurons_for_plot: int = 1,
        linewidth_scale: float = 1.0,
        title: str | None = None,
        cmap: str | None = None,
        labels: Mapping[int, str] | None = None,
        log: bool | None = None,
    ) -> tuple[Figure, Axes]:
        """Draw the matrix as a heatmap.

        Args:
            output_path: where to save the picture, a .png, .pdf or .svg; None: it is only returned.
            level: ``neuron``, ``type_sum`` or ``type_mean``.
            figsize: width and height in inches; by default as the content needs.
            show_neuron_labels: at the level of neurons, label each with its id instead of each block with its type.
            vmin_percentile: percentile of the weights above 0 at which colours begin.
            vmax_percentile: percentile at which they end; below 100 it lets middling weights be seen.
            min_neurons_for_plot: types with fewer neurons are left out.
            linewidth_scale: factor for the lines between blocks.
            title: above the picture.
            cmap: a matplotlib colour map.
            labels: what to write for a neuron instead of its id, with `show_neuron_labels`.
            log: colours by the logarithm; by default where the weights span more than three powers of ten.

        Raises:
            BadArgument: when a value is none of those allowed, or nothing is left to draw.
            StorageError: when the picture cannot be written there.
        """
        from crantdb.analysis.matrices.drawing import draw  # noqa: PLC0415 - matplotlib is heavy

        look = Look(
            figsize=figsize,
            neuron_labels=show_neuron_labels,
            percentiles=(vmin_percentile, vmax_percentile),
            min_neurons=min_neurons_for_plot,
            line_scale=linewidth_scale,
            title=title,
            cmap=cmap,
            labels=labels,
            log=log,
        )
        return draw(self, level, look, output_path)

    def edges(self) -> pl.DataFrame:
        """Return the weights that are not zero as rows `pre`, `post`, `weight`."""
        return self.matrix.edges()

    def _sums(self) -> NDArray[Any]:
        """Return the sum of each block."""
        body = self._values[: self.rows.typed_end, : self.columns.typed_end]
        if not body.size:
            return np.zeros((len(self.rows.boundaries), len(self.columns.boundaries)), self._values.dtype)
        by_row: NDArray[Any] = np.add.reduceat(body, self.rows.starts(), axis=0)
        return np.add.reduceat(by_row, self.columns.starts(), axis=1)

    def _by_type(self, values: NDArray[Any]) -> Labelled:
        """Return a matrix of blocks under its types."""
        return Labelled(
            frozen(values), tuple(self.rows.boundaries), tuple(self.columns.boundaries), "pre_type"
        )
