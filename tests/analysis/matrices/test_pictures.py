"""Pictures: what is drawn is what the matrix holds, nothing is cut off or written over, and files are pictures."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from crantdb.analysis.matrices.collection import All, NeuropilCollection
from crantdb.analysis.matrices.directed import DirectedNestedMatrix
from crantdb.analysis.matrices.drawing import MOST_DOTS, visible
from crantdb.analysis.matrices.nested import NestedMatrix
from crantdb.errors import BadArgument, StorageError
from tests.analysis.matrices.frames import ROOT, annotated, edge_list

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

NAMES = ["ER1", "ER2", "EPG/PEG", "a_type_with_a_rather_long_name", "PFN"]
SIZES = [3, 5, 16, 1, 7]


@pytest.fixture(scope="module")
def matrix() -> NestedMatrix:
    """Return a matrix of five types, two neurons without one, and some connections."""
    random = np.random.default_rng(7)
    rows = [(len(NAMES) * 100 * t + n, NAMES[t]) for t, size in enumerate(SIZES) for n in range(size)]
    ids = [number for number, _ in rows] + [9001, 9002]
    edges = [(a, b, int(w)) for a in ids for b in ids if (w := random.poisson(0.7) * random.integers(1, 9))]
    return NestedMatrix.from_connectivity(
        edge_list(edges), annotated(rows), annotation_scope="all", weight="synapses"
    )


def written(figure: Figure) -> list[Text]:
    """Return the texts of a figure that can be seen."""
    from matplotlib.text import Text as Kind  # noqa: PLC0415 - heavy

    return [text for text in figure.findobj(Kind) if text.get_text().strip() and text.get_visible()]


def names_along(axes: Axes) -> tuple[list[str], list[str]]:
    """Return the names along rows and columns."""
    return [t.get_text() for t in axes.get_yticklabels()], [t.get_text() for t in axes.get_xticklabels()]


@pytest.mark.parametrize("level", ["neuron", "type_sum", "type_mean"])
@pytest.mark.parametrize("size", [None, (7.0, 6.0), (12.0, 4.0)])
def test_nothing_is_cut_off(matrix: NestedMatrix, level: str, size: tuple[float, float] | None) -> None:
    """Every text lies within the page, whatever its size, and no name of a side lies on its neighbour."""
    figure, axes = matrix.plot(level=level, figsize=size, title="A title")  # type: ignore[arg-type]
    figure.canvas.draw()
    page = figure.bbox
    for text in written(figure):
        box = text.get_window_extent()
        assert box.x0 >= page.x0 - 1, text
        assert box.x1 <= page.x1 + 1, text
        assert box.y0 >= page.y0 - 1, text
        assert box.y1 <= page.y1 + 1, text
    for labels in (axes.get_yticklabels(), axes.get_xticklabels()):
        boxes = [label.get_window_extent() for label in labels if label.get_text()]
        assert boxes
        assert not any(one.overlaps(two) for one, two in pairwise(boxes))


def test_the_picture_shows_the_matrix(matrix: NestedMatrix) -> None:
    """At each level the picture's numbers are the matrix's, a zero is blank, and names stand in their order."""
    for level, whole in [("neuron", matrix.array), ("type_mean", matrix.mean_type_matrix.array)]:
        _, axes = matrix.plot(level=level)  # type: ignore[arg-type]
        drawn = axes.images[0].get_array()
        assert np.array_equal(np.ma.filled(drawn, 0), whole)
        assert np.array_equal(np.ma.getmaskarray(drawn), whole == 0)
    _, axes = matrix.plot(level="type_sum")
    wanted = [f"{n}  ({end - start})" for n, (start, end) in matrix.type_boundaries.items()]
    assert names_along(axes) == (wanted, wanted)
    _, axes = matrix.plot()
    assert names_along(axes)[0][-1] == "no type"


def test_neurons_can_be_named(matrix: NestedMatrix) -> None:
    """Each neuron bears its id, or the name that it is given."""
    first = matrix.ordered_neurons[0]
    _, axes = matrix.plot(show_neuron_labels=True, figsize=(20, 18), labels={first: "the first"})
    rows, _ = names_along(axes)
    assert rows[:2] == ["the first", str(matrix.ordered_neurons[1])]


def test_small_types_can_be_left_out(matrix: NestedMatrix) -> None:
    """Types with too few neurons are not drawn; with nothing left it is said."""
    _, axes = matrix.plot(level="type_sum", min_neurons_for_plot=6)
    assert [name.split()[0] for name in names_along(axes)[0]] == ["EPG/PEG", "PFN"]
    typed = NestedMatrix.from_connectivity(edge_list([(1, 2, 1)]), annotated([(1, "A"), (2, "A")]))
    with pytest.raises(BadArgument, match="nothing to draw"):
        typed.plot(min_neurons_for_plot=3)


def test_colours_end_where_they_are_told_to(matrix: NestedMatrix) -> None:
    """Percentiles are of the weights above 0; the scale is logarithmic only where the weights need it, or when asked."""
    above = matrix.array[matrix.array > 0]
    _, axes = matrix.plot(vmin_percentile=10, vmax_percentile=90)
    norm = axes.images[0].norm
    assert (norm.vmin, norm.vmax) == (np.percentile(above, 10), np.percentile(above, 90))
    assert matrix.plot()[1].images[0].norm.vmin == 0
    assert type(matrix.plot(log=True)[1].images[0].norm).__name__ == "LogNorm"
    wide = NestedMatrix.from_connectivity(
        edge_list([(1, 2, 1), (2, 1, 5000)]), annotated([(1, "A"), (2, "A")])
    )
    assert type(wide.plot()[1].images[0].norm).__name__ == "LogNorm"
    for wrong in [{"vmax_percentile": 0}, {"vmin_percentile": -1}, {"cmap": "mud"}, {"level": "class"}]:
        with pytest.raises(BadArgument):
            matrix.plot(**wrong)  # type: ignore[arg-type]


def test_no_connection_of_a_large_matrix_is_lost() -> None:
    """Where cells share a dot the dot shows the strongest: every connection is in the picture."""
    values = np.zeros((MOST_DOTS * 2 + 5, 40), np.int64)
    random = np.random.default_rng(0)
    at = random.integers(0, values.shape[0], 200), random.integers(0, 40, 200)
    values[at] = random.integers(1, 99, 200)
    small, together = visible(values)
    assert together == 3
    assert max(small.shape) <= MOST_DOTS
    for row, column in zip(*at, strict=True):
        assert small[row // 3, column // 3] >= values[row, column]
    assert small.max() == values.max()
    same, once = visible(values[:100])
    assert once == 1
    assert same is not None
    assert same.shape == (100, 40)


@pytest.mark.parametrize("ending", [".png", ".pdf", ".svg"])
def test_a_picture_is_saved(matrix: NestedMatrix, tmp_path: Path, ending: str) -> None:
    """The file is of the kind that its name says; folders on the way are made; no window stays open."""
    from matplotlib import pyplot as plt  # noqa: PLC0415 - heavy

    path = tmp_path / "new" / f"picture{ending}"
    matrix.plot(path, level="type_mean")
    beginning = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}[ending]
    assert path.read_bytes().startswith(beginning)
    assert plt.get_fignums() == []


def test_a_name_that_is_no_pictures_is_refused(matrix: NestedMatrix, tmp_path: Path) -> None:
    """An ending that is no picture's, or none, and a path that is a folder are stated failures; nothing is written."""
    for name in ("picture", "picture.xyz", "picture.png.gz"):
        with pytest.raises(BadArgument, match=r"end it in \.png"):
            matrix.plot(tmp_path / name)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(StorageError, match="cannot write"):
        matrix.plot(tmp_path / "folder.png", level="type_sum")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]
    matrix.plot(tmp_path / "PICTURE.PNG", level="type_sum")
    assert (tmp_path / "PICTURE.PNG").read_bytes().startswith(b"\x89PNG")


def test_a_matrix_of_nothing_but_zeros_is_drawn(tmp_path: Path) -> None:
    """Neurons without a connection among them make a blank picture, not an error; so does a single pair."""
    blank = DirectedNestedMatrix([[0]], [1], [2])
    blank.plot(tmp_path / "blank.png")
    DirectedNestedMatrix([[3]], [1], [2]).plot(tmp_path / "one.png")
    assert (tmp_path / "one.png").stat().st_size > 1000


def test_a_collection_draws_its_regions(matrix: NestedMatrix, tmp_path: Path) -> None:
    """One region is drawn by name, all but some with `All.minus`; what is not there is said."""
    regions = NeuropilCollection({"fan_shaped_body": matrix, "noduli": matrix, "other": matrix})
    figure, _ = regions.plot("fan_shaped_body", level="type_sum")
    assert "fan shaped body" in [text.get_text() for text in written(figure)]
    made = regions.plot(All.minus("other"), level="type_sum", output_path=tmp_path)
    assert list(made) == ["fan_shaped_body", "noduli"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fan_shaped_body.png", "noduli.png"]
    assert regions.noduli is matrix
    assert "noduli" in dir(regions)
    for wrong in ("gall", All.minus("gall")):
        with pytest.raises(BadArgument, match="gall"):
            regions.plot(wrong)
    with pytest.raises(AttributeError, match="regions are"):
        regions.gall  # noqa: B018 - reading it is what is tested


def test_ids_in_names_are_whole(matrix: NestedMatrix) -> None:
    """An id is written with all its digits, never as a rounded number."""
    _, axes = matrix.plot(show_neuron_labels=True, figsize=(20, 18))
    assert str(ROOT + 9001) in names_along(axes)[1]


def test_a_large_matrix_with_names_stays_a_picture() -> None:
    """Four hundred named neurons make a page of bounded size; names that would not fit are left out, never overwritten."""
    rows = annotated([(number, "A") for number in range(400)])
    large = NestedMatrix.from_connectivity(edge_list([(n, (n * 7) % 400, 1) for n in range(400)]), rows)
    figure, axes = large.plot(show_neuron_labels=True)
    assert max(figure.get_size_inches()) < 45
    shown = [label for label in axes.get_yticklabels() if label.get_text()]
    assert 100 < len(shown) <= 400
