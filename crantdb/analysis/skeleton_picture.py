"""Skeletons as a picture: three views of navis, with synapses and somata, in µm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crantdb.errors import BadArgument

if TYPE_CHECKING:
    import navis
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

VIEWS = (("x", "-y"), ("z", "-y"), ("x", "z"))
"""What is drawn: from the front, from the side, from above, as the imagery's axes lie (y points down)."""

_COLOURS = ("#1b1b1e", "#1f6f8b", "#a2572a", "#5b7f2b", "#7a4988", "#8c6d1f", "#4a6fa5", "#9c3848")
_OUT, _IN = "#d1495b", "#00798c"
_NAMED = 8
_WIDE, _TALL = 10.0, 8.0
"""Inches that the three views have at the most."""
_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500)


def draw_skeletons(neurons: navis.NeuronList, *, title: str = "", lw: float = 0.7) -> Figure:
    """Return a figure of three views of neurons, each with its connectors, if it has some.

    Args:
        neurons: skeletons in nm, at least one.
        title: above the picture; default: the root ids.
        lw: width of the neurites in points.

    Raises:
        BadArgument: without a neuron.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - matplotlib is heavy
    from matplotlib.figure import Figure  # noqa: PLC0415

    if not len(neurons):
        msg = "no neuron to draw: give at least one with a skeleton"
        raise BadArgument(msg)
    shown = [_in_um(neuron) for neuron in neurons]
    low, high = _bounds(shown)
    size = np.maximum(high - low, 1.0)
    wide, tall = size[0] + size[2], size[1] + size[2]
    inches = min(_WIDE / wide, _TALL / tall)
    figure = Figure(
        figsize=(max(6.5, wide * inches) + 1.4, max(3.0, tall * inches) + 1.4), layout="constrained"
    )
    FigureCanvasAgg(figure)
    places: dict[str, Axes] = figure.subplot_mosaic(
        [["front", "side"], ["top", "words"]],
        width_ratios=[size[0], size[2]],
        height_ratios=[size[1], size[2]],
    )
    for name, view in zip(("front", "side", "top"), VIEWS, strict=True):
        _draw(places[name], shown, view, lw=lw)
    _bar(places["front"], float(size[0]))
    _words(places["words"], neurons)
    figure.suptitle(title or _named(neurons), fontsize=10)
    return figure


def _in_um(neuron: navis.TreeNeuron) -> navis.TreeNeuron:
    """Return a neuron in µm, the kinds of its connectors as text, as navis draws them."""
    scaled = neuron / 1000
    if scaled.has_connectors:
        scaled.connectors["type"] = scaled.connectors["type"].astype(str)
    return scaled


def _bounds(neurons: list[navis.TreeNeuron]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lowest and highest x, y, z of all nodes."""
    tables = [neuron.nodes[["x", "y", "z"]].to_numpy(np.float64) for neuron in neurons]
    return np.min([t.min(axis=0) for t in tables], axis=0), np.max([t.max(axis=0) for t in tables], axis=0)


def _draw(ax: Axes, neurons: list[navis.TreeNeuron], view: tuple[str, str], *, lw: float) -> None:
    """Draw one view."""
    import navis  # noqa: PLC0415 (takes seconds to load)

    few = [_COLOURS[index % len(_COLOURS)] for index in range(len(neurons))]
    navis.plot2d(
        navis.NeuronList(neurons),
        method="2d",
        view=view,
        ax=ax,
        color=few,
        linewidth=lw,
        soma=True,
        connectors=any(neuron.has_connectors for neuron in neurons),
        cn_layout={"pre": {"color": _OUT}, "post": {"color": _IN}},
        cn_size=2.5,
        cn_alpha=0.75,
        autoscale=True,
    )
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_axis_on()
    ax.grid(visible=False)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.tick_params(labelsize=7, colors="#555555")
    ax.set_xlabel(f"{view[0].lstrip('-')} (µm)", fontsize=8)
    ax.set_ylabel(f"{view[1].lstrip('-')} (µm)", fontsize=8)


def _bar(ax: Axes, width: float) -> None:
    """Draw a bar of a round length."""
    from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar  # noqa: PLC0415 - matplotlib is heavy

    length = next((step for step in reversed(_STEPS) if step <= width / 4), _STEPS[0])
    words = {"size": 8}
    ax.add_artist(
        AnchoredSizeBar(
            ax.transData, length, f"{length} µm", "lower left", pad=0.6, frameon=False, fontproperties=words
        )
    )


def _words(ax: Axes, neurons: navis.NeuronList) -> None:
    """Say what is seen: each neuron with its nodes and cable, and how many synapses there are."""
    from matplotlib.lines import Line2D  # noqa: PLC0415 - matplotlib is heavy

    ax.set_axis_off()
    lines = []
    for index, neuron in enumerate(neurons[:_NAMED]):
        said = f"{neuron.id}: {neuron.n_nodes:,} nodes, {neuron.cable_length / 1e3:,.0f} µm of L2 cable"
        lines.append(Line2D([], [], color=_COLOURS[index % len(_COLOURS)], lw=2, label=said))
    if len(neurons) > _NAMED:
        lines.append(Line2D([], [], alpha=0, label=f"and {len(neurons) - _NAMED:,} more neurons"))
    for kind, colour, said in (("pre", _OUT, "outgoing"), ("post", _IN, "incoming")):
        count = sum(int((n.connectors["type"] == kind).sum()) for n in neurons if n.has_connectors)
        if count:
            dot = Line2D([], [], marker="o", ls="", ms=4, color=colour, label=f"{count:,} {said} synapses")
            lines.append(dot)
    ax.legend(handles=lines, loc="upper left", fontsize=7, frameon=False)


def _named(neurons: navis.NeuronList) -> str:
    """Return the root ids for a title."""
    names = [str(neuron.id) for neuron in neurons]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
