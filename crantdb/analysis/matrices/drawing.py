"""A nested matrix as a picture: blocks under the names of their types, colours for weights, a scale beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crantdb.analysis.matrices.lettering import Names, inches_of
from crantdb.analysis.matrices.page import (
    BAR,
    EDGE,
    LEAST_BAR,
    MOST_BAR,
    Look,
    Page,
    Panel,
    is_upright,
    page_of,
)
from crantdb.errors import BadArgument
from crantdb.warehouse.durable import file_asked_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from numpy.typing import NDArray

    from crantdb.analysis.matrices.axis import Axis
    from crantdb.analysis.matrices.blocks import BlockMatrix, Level

FORMATS = (".png", ".pdf", ".svg")
"""The kinds of pictures, by the ending of their names."""

INK, PALE = "#1f2933", "#c3cbd3"
COLOURS = ("#c6dcec", "#9cc3df", "#4f94c4", "#1f5f99", "#0c2c54")
"""From the weakest to the strongest: rising in darkness alone, so that it reads without colour too."""


def draw(
    matrix: BlockMatrix, level: Level, look: Look, output_path: str | Path | None
) -> tuple[Figure, Axes]:
    """Draw a matrix; save it when a path is given.

    Raises:
        BadArgument: when a setting is none of those allowed, or nothing is left to draw.
        StorageError: when the picture cannot be written where it is asked for.
    """
    path = None if output_path is None else Path(output_path)
    if path is not None and path.suffix.lower() not in FORMATS:
        msg = f"{path} is no picture by its name: end it in {', '.join(FORMATS)}"
        raise BadArgument(msg)
    panel = panel_of(matrix, level, look)
    page = page_of(panel, look)
    figure, axes, bar = _canvas(page, look)
    height, width = panel.array.shape
    pooled, together = visible(panel.array)
    picture = axes.imshow(
        np.ma.masked_equal(pooled, 0),
        cmap=_colours(look),
        norm=_scale(panel.array, look),
        aspect="auto",
        interpolation="none",
        extent=(-0.5, -0.5 + together * pooled.shape[1], -0.5 + together * pooled.shape[0], -0.5),
    )
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)
    _decorate(axes, panel, page, look)
    _numbers(axes, panel, picture, page.cell)
    unit = panel.unit if together == 1 else f"{panel.unit} (strongest of {together} x {together} pairs)"
    _scale_bar(bar, picture, unit, np.issubdtype(panel.array.dtype, np.integer))
    if path is not None:
        with file_asked_for(path) as handle:
            figure.savefig(handle, dpi=200, format=path.suffix[1:].lower())
    return figure, axes


MOST_DOTS = 1400
"""A picture has about so many dots a side: of a larger matrix several cells share one."""


def visible(values: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """Return a matrix small enough for the dots of a picture, each of its cells the strongest of n x n; and n.

    Dots that show one cell of many would lose most of the connections of a large matrix.
    """
    together = -(-max(values.shape) // MOST_DOTS)
    if together == 1:
        return values, 1
    starts = [np.arange(0, size, together) for size in values.shape]
    by_row: NDArray[Any] = np.maximum.reduceat(values, starts[0], axis=0)
    return np.maximum.reduceat(by_row, starts[1], axis=1), together


def panel_of(matrix: BlockMatrix, level: Level, look: Look) -> Panel:
    """Return what is to be drawn of a matrix at a level, without the types that have too few neurons.

    Raises:
        BadArgument: when the level is none, or nothing is left.
    """
    whole = matrix.at_level(level)
    units = {"type_sum": f"{matrix.weight}, summed", "type_mean": f"{matrix.weight}, mean of all pairs"}
    rows, columns = (_kept(axis, look.min_neurons) for axis in (matrix.rows, matrix.columns))
    if level == "neuron":
        at = (
            [place for _, places in rows for place in places],
            [place for _, places in columns for place in places],
        )
        names = _neuron_names(matrix.rows, rows, look), _neuron_names(matrix.columns, columns, look)
    else:
        at = _blocks(matrix.rows, rows), _blocks(matrix.columns, columns)
        names = _type_names(rows), _type_names(columns)
    if not at[0] or not at[1]:
        msg = f"nothing to draw of {matrix!r} at level {level!r} with min_neurons_for_plot={look.min_neurons}"
        raise BadArgument(msg)
    return Panel(whole.array[np.ix_(*at)], *names, units.get(level, matrix.weight))


_Kept = list[tuple[str | None, list[int]]]
"""Blocks by type and the places of their neurons; None: the neurons behind the last block."""


def _kept(axis: Axis, least: int) -> _Kept:
    """Return the blocks of an axis that have enough neurons."""
    blocks: _Kept = [
        (name, list(range(start, end)))
        for name, (start, end) in axis.boundaries.items()
        if end - start >= least
    ]
    rest = list(range(axis.typed_end, len(axis.ids)))
    return [*blocks, (None, rest)] if rest else blocks


def _blocks(axis: Axis, kept: _Kept) -> list[int]:
    """Return the places of blocks in the type matrix."""
    order = list(axis.boundaries)
    return [order.index(name) for name, _ in kept if name is not None]


def _neuron_names(axis: Axis, kept: _Kept, look: Look) -> Names:
    """Return what is written along neurons: block names, or the name of each neuron."""
    if not look.neuron_labels:
        return Names([name or "no type" for name, _ in kept], [len(places) for _, places in kept])
    labels = look.labels or {}
    ids = [axis.ids[place] for _, places in kept for place in places]
    return Names(
        [labels.get(neuron, str(neuron)) for neuron in ids], [1] * len(ids), [len(p) for _, p in kept]
    )


def _type_names(kept: _Kept) -> Names:
    """Return what is written along types: the type and how many neurons it has."""
    typed = [(name, len(places)) for name, places in kept if name is not None]
    return Names([f"{name}  ({count})" for name, count in typed], [1] * len(typed))


def _scale(values: NDArray[Any], look: Look) -> Normalize:
    """Return from which weight to which colours run; over weights above 0 alone, which stay the colour of nothing.

    Raises:
        BadArgument: when the percentiles are none.
    """
    from matplotlib.colors import LogNorm, Normalize  # noqa: PLC0415 - matplotlib is heavy

    low, high = look.percentiles
    if not 0 <= low < high <= 100:
        msg = f"vmin_percentile={low} and vmax_percentile={high}: 0 <= vmin < vmax <= 100 is asked for"
        raise BadArgument(msg)
    there = values[values > 0].astype(float)
    if not there.size:
        return Normalize(0, 1)
    least, most = np.percentile(there, [low, high])
    wide = least > 0 and most / least > 1000
    if (wide if look.log is None else look.log) and most > least:
        return LogNorm(least, most, clip=True)
    floor = 0.0 if low == 0 else float(least)
    return Normalize(floor, float(most) if most > floor else floor + 1, clip=True)


def _colours(look: Look) -> Any:  # noqa: ANN401 - a matplotlib colour map
    """Return the colours; nothing is white.

    Raises:
        BadArgument: when matplotlib has no such map.
    """
    from matplotlib import colormaps  # noqa: PLC0415 - matplotlib is heavy
    from matplotlib.colors import LinearSegmentedColormap  # noqa: PLC0415

    if look.cmap is not None and look.cmap not in colormaps:
        msg = f"matplotlib has no colour map {look.cmap!r}, e.g. viridis, magma, Greys"
        raise BadArgument(msg)
    own = LinearSegmentedColormap.from_list("crantdb", COLOURS)
    return (own if look.cmap is None else colormaps[look.cmap]).with_extremes(bad="white")


def _canvas(page: Page, look: Look) -> tuple[Figure, Axes, Axes]:
    """Return an empty figure, the place of the matrix and of its scale. It belongs to no window and needs no closing."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - matplotlib is heavy
    from matplotlib.figure import Figure  # noqa: PLC0415

    width, height = look.figsize or page.size
    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)

    def place(left: float, top: float, size: tuple[float, float]) -> Axes:
        return figure.add_axes(
            (left / width, 1 - (top + size[1]) / height, size[0] / width, size[1] / height)
        )

    axes = place(page.left, page.top, page.body)
    room = height - page.top - EDGE
    bar = place(
        page.left + page.body[0] + 0.2, page.top, (BAR, min(max(page.body[1], LEAST_BAR), MOST_BAR, room))
    )
    return figure, axes, bar


def _decorate(axes: Axes, panel: Panel, page: Page, look: Look) -> None:
    """Write the names, draw the lines between blocks, and say which side is which."""
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    sides = ((panel.rows, axes.yaxis, 1), (panel.columns, axes.xaxis, 0))
    for (names, side, place), size in zip(sides, page.letters, strict=True):
        side.set_ticks(names.middles(), names.shown(size, page.body[place]), fontsize=size)
    axes.tick_params(length=0, colors=INK, pad=5)
    axes.tick_params(axis="x", labelrotation=90 if is_upright(panel) else 0)
    words: dict[str, Any] = {"color": INK, "fontsize": 12}
    inch = axes.get_position().width / page.body[0], axes.get_position().height / page.body[1]
    box = axes.get_position()
    paper = axes.figure
    paper.text(
        0.30 * inch[0],
        (box.y0 + box.y1) / 2,
        "from (presynaptic)",
        rotation=90,
        va="center",
        ha="center",
        **words,
    )
    top = box.y1 + (page.top - EDGE - (0.4 if look.title else 0) - 0.14) * inch[1]
    paper.text((box.x0 + box.x1) / 2, top, "to (postsynaptic)", va="center", ha="center", **words)
    if look.title:
        above = 1 - (EDGE + 0.1) * inch[1]
        paper.text(
            (box.x0 + box.x1) / 2,
            above,
            look.title,
            va="center",
            ha="center",
            color=INK,
            fontsize=16,
            fontweight="bold",
        )
    _lines(axes, panel, look.line_scale)
    for spine in axes.spines.values():
        spine.set_color(INK)
        spine.set_linewidth(0.8)


def _lines(axes: Axes, panel: Panel, scale: float) -> None:
    """Draw the lines between blocks, thinner where there are many."""
    for names, draw_line in ((panel.rows, axes.axhline), (panel.columns, axes.axvline)):
        ends = names.edges()
        width = scale * min(0.8, 12 / max(len(ends), 1))
        colour = PALE if names.single and not names.groups else INK
        for end in ends:
            draw_line(end - 0.5, color=colour, linewidth=width, alpha=0.8)


def _numbers(axes: Axes, panel: Panel, picture: AxesImage, cell: float) -> None:
    """Write the numbers into the cells, where there is room for them."""
    if cell < 0.36 or not panel.rows.single or panel.rows.groups:
        return
    for (row, column), value in np.ndenumerate(panel.array):
        if value:
            red, green, blue, _ = picture.cmap(picture.norm(value))
            dark = 0.30 * red + 0.59 * green + 0.11 * blue < 0.55
            text = f"{value:,}" if isinstance(value, np.integer) else f"{value:.2g}"
            axes.text(
                column,
                row,
                text,
                ha="center",
                va="center",
                color="white" if dark else INK,
                fontsize=min(9, cell * 17),
            )


def _write_unit(bar: Axes, unit: str) -> None:
    """Write beside the scale what it counts, as large as the page allows, and within the page."""
    paper = bar.figure
    width, height = paper.get_figure(root=True).get_size_inches()
    size = min(12.0, (height - EDGE) / inches_of(len(unit), 1.0))
    half = inches_of(len(unit), size) / 2 / height
    box = bar.get_position()
    middle = min(max((box.y0 + box.y1) / 2, half + 0.01), 0.99 - half)
    paper.text(
        box.x1 + 0.78 / width, middle, unit, rotation=90, va="center", ha="center", color=INK, fontsize=size
    )


def _scale_bar(bar: Axes, picture: AxesImage, unit: str, whole: bool) -> None:
    """Draw the scale."""
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter  # noqa: PLC0415 - matplotlib is heavy

    made = bar.figure.colorbar(picture, cax=bar)
    _write_unit(bar, unit)
    bar.tick_params(colors=INK, labelsize=10, length=3)
    if whole and type(picture.norm).__name__ == "Normalize":
        bar.yaxis.set_major_locator(MaxNLocator(7, integer=True))
        bar.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    made.outline.set_edgecolor(INK)
    made.outline.set_linewidth(0.6)
