"""SWC in: other writers' files, and every kind of dirt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import navis
import numpy as np
import pytest

from crantdb.errors import BadSwc
from crantdb.morphology.swc_reading import read_swc

if TYPE_CHECKING:
    from pathlib import Path


def test_flywire_files(shared: Path) -> None:
    """The 20 published FlyWire L2 skeletons, which navis wrote children before parents, read as navis reads them."""
    paths = sorted((shared / "data" / "flywire_l2_swc").glob("*.swc"))
    assert len(paths) == 20
    for path in paths:
        tree, theirs = read_swc(path.read_bytes()), navis.read_swc(path)
        assert len(tree) == theirs.n_nodes
        assert (tree.parent < np.arange(len(tree))).all()
        assert len(tree.roots) == len(np.atleast_1d(theirs.root))
        assert tree.cable_nm == pytest.approx(theirs.cable_length, rel=1e-5)
        assert tree.meta["id"] == path.stem
        above = np.where(tree.parent < 0, -1, tree.node_id[tree.parent])
        got = dict(zip(tree.node_id.tolist(), above.tolist(), strict=True))
        expected = zip(theirs.nodes.node_id.tolist(), theirs.nodes.parent_id.tolist(), strict=True)
        assert got == dict(expected)


@pytest.mark.parametrize(
    "text",
    [
        "1 1 0 0 0 5 -1\n2 3 10 0 0 1 1\n3 3 20 0 0 1 2\n",
        "# a comment\r\n1 1 0 0 0 5 -1\r\n2 3 10 0 0 1 1\r\n3 3 20 0 0 1 2",
        "\ufeff1\t1\t0\t0\t0\t5\t-1\n2\t3\t10\t0\t0\t1\t1\n3\t3\t20\t0\t0\t1\t2\n",
        "  1 1 0 0 0 5 -1\n2 3 10 0 0 1 1 # a twig\n\n3 3 20 0 0 1 2\n",
        "3 3 20 0 0 1 2\n2 3 10 0 0 1 1\n1 1 0 0 0 5 -1\n",
        "1.0 1.0 0 0 0 5 -1.0\n2.0 3.0 1e1 0 0 1 1.0\n3.0 3.0 20.0 0 0 1 2.0\n",
        "1 1 0 0 0 5 -1 9\n2 3 10 0 0 1 1 9\n3 3 20 0 0 1 2 9\n",
        '# Meta: {"units": "1 micrometer"}\n1 1 0 0 0 .005 -1\n2 3 .01 0 0 .001 1\n3 3 .02 0 0 .001 2\n',
    ],
    ids=["plain", "crlf", "bom-tabs", "blanks", "backwards", "decimals", "eighth column", "um"],
)
def test_dialects(text: str) -> None:
    """One small tree in the dialects that are about: read the same, as text and as bytes."""
    for given in (text, text.encode()):
        tree = read_swc(given)
        assert tree.node_id.tolist() == [1, 2, 3]
        assert tree.parent.tolist() == [-1, 0, 1]
        assert tree.label.tolist() == [1, 3, 3]
        assert tree.xyz_nm[:, 0].tolist() == pytest.approx([0, 10, 20])
        assert tree.radius_nm.tolist() == pytest.approx([5, 1, 1])


def test_long_ids() -> None:
    """L2 ids as node ids stay whole: they are not read through a float."""
    big = 161157481672737748
    tree = read_swc(f"{big} 1 0 0 0 1 -1\n{big + 1} 3 1 0 0 1 {big}\n")
    assert tree.node_id.tolist() == [big, big + 1]
    assert tree.parent.tolist() == [-1, 0]


def test_zero_based_ids_and_parts() -> None:
    """Ids from 0 on and several roots are taken; so is a pipeline's stub for a failure."""
    tree = read_swc("0 0 0 0 0 1 -1\n1 0 5 0 0 1 0\n7 0 9 9 9 1 -1\n")
    assert tree.roots.tolist() == [0, 2]
    assert len(read_swc("1 1 0 0 0 0 -1\n")) == 1


def test_units_given() -> None:
    """Units that the caller gives count more than the header; others than nm and µm are refused."""
    assert read_swc("1 1 2 0 0 1 -1\n", units="um").xyz_nm[0, 0] == 2_000
    with pytest.raises(BadSwc, match="8 nm"):
        read_swc('# Meta: {"units": "8 nm"}\n1 1 2 0 0 1 -1\n')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no rows"),
        ("# only words\n", "no rows"),
        ("1 1 0 0 0 1\n", "not seven numbers"),
        ("1 1 0 0 x 1 -1\n", "not seven numbers"),
        ("1 1 0 0 0 1 -1\n1 3 1 0 0 1 -1\n", r"1 id\(s\) stand twice, e.g. 1"),
        ("1 1 0 0 0 1 -1\n2 3 1 0 0 1 5\n", r"not there, e.g. 5 of node 2"),
        ("1 1 0 0 0 1 0\n", r"not there, e.g. 0 of node 1"),
        ("1 1 0 0 0 1 1\n", "circle"),
        ("1 1 0 0 0 1 -1\n2 3 1 0 0 1 3\n3 3 1 0 0 1 2\n", "circle"),
        ("1 1 nan 0 0 1 -1\n", "finite position, e.g. id 1"),
        ("1.5 1 0 0 0 1 -1\n", "whole numbers"),
        ("99999999999999999999 1 0 0 0 1 -1\n", "whole numbers"),
    ],
)
def test_refused(text: str, message: str) -> None:
    """What is no neuron is refused in words, with an id: repeated ids, lost parents, circles, NaN."""
    with pytest.raises(BadSwc, match=message):
        read_swc(text)


def test_a_long_path_backwards() -> None:
    """A path of 20,000 nodes written from the tip to the root comes parents first."""
    count = 20_000
    rows = [f"{at} 3 {at} 0 0 1 {at - 1 if at > 1 else -1}" for at in range(count, 0, -1)]
    tree = read_swc("\n".join(rows))
    assert tree.node_id.tolist() == list(range(1, count + 1))
    assert tree.parent.tolist() == list(range(-1, count - 1))
