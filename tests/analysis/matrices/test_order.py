"""In which order a matrix shows types and neurons: the rules, and that no rule loses or moves a neuron."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crantdb.analysis.matrices.axis import build_axis, label_key, read_annotations
from crantdb.analysis.matrices.nested import NestedMatrix
from crantdb.analysis.matrices.ordering import as_order
from crantdb.analysis.matrices.ranking import leftmost, natural
from crantdb.errors import BadArgument, NotAnId
from tests.analysis.matrices.frames import RING, ROOT, annotated, edge_list

if TYPE_CHECKING:
    from collections.abc import Sequence

order, by = NestedMatrix.order, NestedMatrix.by


def shown(annotations: pl.DataFrame, rule: object = None, ids: Sequence[int] | None = None) -> list[int]:
    """Return the numbers (without ROOT) of an axis in the order shown."""
    read = read_annotations(annotations, "root_id", "cell_type")
    wanted = annotations["root_id"].unique().to_list() if ids is None else [ROOT + number for number in ids]
    return [neuron - ROOT for neuron in build_axis(wanted, read, as_order(rule)).ids]  # type: ignore[arg-type]


def blocks(annotations: pl.DataFrame, rule: object = None) -> list[str]:
    """Return the types of an axis in the order shown."""
    read = read_annotations(annotations, "root_id", "cell_type")
    axis = build_axis(annotations["root_id"].unique().to_list(), read, as_order(rule))  # type: ignore[arg-type]
    return list(axis.boundaries)


TYPES = ["ER", "ER10", "er2", "ER1", "PFN", "5-HT", "EPG/PEG"]


def test_labels_are_ordered_by_letters_then_number() -> None:
    """ER1, er2, ER10, then ER without a number; a label that does not begin with a letter stands by itself."""
    rows = annotated(list(enumerate(TYPES)))
    assert blocks(rows) == ["5-HT", "EPG/PEG", "ER1", "er2", "ER10", "ER", "PFN"]


def test_types_can_be_put_first() -> None:
    """Named types come first; an entry all in capitals takes those that begin with it too, exact ones before."""
    rows = annotated(list(enumerate(TYPES)))
    assert blocks(rows, ["PFN", "ER"]) == ["PFN", "ER", "ER1", "ER10", "5-HT", "EPG/PEG", "er2"]
    assert blocks(rows, ["ER", "ER10"]) == ["ER", "ER1", "ER10", "5-HT", "EPG/PEG", "er2", "PFN"]
    assert blocks(rows, ["er2"]) == ["er2", "5-HT", "EPG/PEG", "ER1", "ER10", "ER", "PFN"]


def test_a_type_that_is_not_there_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """A preferred type that no neuron has changes nothing, and is named in a warning."""
    with caplog.at_level(logging.WARNING, "crantdb"):
        assert blocks(annotated([(1, "A"), (2, "B")]), ["Z", "B"]) == ["B", "A"]
    assert "'Z'" in caplog.text


def test_blocks_by_size() -> None:
    """The largest block comes first; equal ones by label."""
    rows = annotated([(1, "B"), (2, "C"), (3, "C"), (4, "A")])
    assert blocks(rows, order(types="size")) == ["C", "A", "B"]
    assert blocks(rows, order(types=reversed)) == ["C", "B", "A"]


def test_within_a_type_neurons_keep_the_annotations_order() -> None:
    """The order of annotation rows is kept; `id` sorts as numbers; a callable gets the rows of its block."""
    rows = annotated([(30, "A"), (4, "A"), (100, "A")])
    assert shown(rows) == [30, 4, 100]
    assert shown(rows, order(default="id")) == [4, 30, 100]
    assert shown(rows, order(within=lambda part: part["id"].sort(descending=True))) == [100, 30, 4]
    assert shown(rows, order(within={"A": "id"})) == [4, 30, 100]


@settings(max_examples=30)
@given(st.permutations(RING), st.permutations(RING))
def test_the_ring_is_ordered_by_its_columns(first: list[str], second: list[str]) -> None:
    """EPG/PEG stand in the order of their columns around the ellipsoid body, whatever the rows' order; equal ones by row."""
    labels = [*first, *second]
    rows = annotated(
        [(number, "EPG/PEG") for number in range(32)], cell_instance=[f"EPG/PEG_{name} " for name in labels]
    )
    found = [labels[number] for number in shown(rows)]
    assert found == [name for name in RING for _ in range(2)]
    for name in RING:
        same = [number for number in shown(rows) if labels[number] == name]
        assert same == sorted(same)


def test_the_ring_reads_the_subtype_where_the_instance_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The instance counts, else the subtype; R9 is no column; neurons without one stand last, said in a warning."""
    rows = annotated(
        [(1, "EPG/PEG"), (2, "EPG/PEG"), (3, "EPG/PEG"), (4, "EPG/PEG")],
        cell_instance=["EPG_L1", None, "EPG_R9", "EPG_R1"],
        cell_subtype=["EPG_R1", "PEG_L8", None, "PEG_L1"],
    )
    with caplog.at_level(logging.WARNING, "crantdb"):
        assert shown(rows) == [4, 2, 1, 3]
    assert "1 neuron(s)" in caplog.text


def test_the_ring_rule_needs_no_columns() -> None:
    """Without instance and subtype the annotations' order stands, and a rule given for the type is used instead."""
    rows = annotated([(2, "EPG/PEG"), (1, "EPG/PEG")])
    assert shown(rows) == [2, 1]
    assert shown(rows, order(within={"EPG/PEG": "id"})) == [1, 2]
    assert shown(rows, order(default="id")) == [1, 2]


def test_the_leftmost_label_counts() -> None:
    """The leftmost label in a text counts, the longer of two at one place; one that ends in a digit ends a number."""
    assert leftmost("Δ7_L8R1R9", RING) == "L8"
    assert leftmost("EPG_R10", RING) is None
    assert leftmost("EPG_R10_L2", RING) == "L2"
    assert leftmost("ab", ["a", "ab"]) == "ab"
    assert leftmost("R1R1", ["R1"]) == "R1"


def test_by_reads_columns_in_turn() -> None:
    """`by` orders naturally by the first column that says something; without a label last, first, or refused."""
    rows = annotated(
        [(1, "A"), (2, "A"), (3, "A"), (4, "A")],
        one=["x10", None, "X2", None],
        two=["x0", "x1", None, " "],
    )
    assert shown(rows, order(default=by("one", "two"))) == [2, 3, 1, 4]
    assert shown(rows, order(default=by("one", "two", na="first"))) == [4, 2, 3, 1]
    assert shown(rows, order(default=by("one", key=lambda text: -int(text[1:])))) == [1, 3, 2, 4]
    assert shown(rows, order(default=by("one", extract=r"(\d+)", rank=["10", "2"]))) == [1, 3, 2, 4]
    with pytest.raises(BadArgument, match="no label"):
        shown(rows, order(default=by("one", na="raise")))
    with pytest.raises(BadArgument, match="nowhere"):
        shown(rows, order(default=by("nowhere")))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: order(types="ER"),
        lambda: order(types={"ER", "EPG"}),
        lambda: order(types=[1]),
        lambda: order(default="size"),
        lambda: order(within={"ER": ["a"]}),
        lambda: order(default="id", within="id"),
        lambda: as_order("id"),
        lambda: as_order({"sort": "id"}),
        by,
        lambda: by("a", na="middle"),
        lambda: by("a", rank="R1"),
        lambda: by("a", rank=["R1"], key=len),
        lambda: by("a", extract="R1"),
    ],
)
def test_a_rule_that_is_none_is_refused(wrong: object) -> None:
    """A rule that could only be misread is refused when it is made."""
    with pytest.raises(BadArgument):
        wrong()  # type: ignore[operator]


def test_a_callable_may_not_lose_a_neuron() -> None:
    """A callable that leaves a neuron or type out, or invents one, is refused."""
    rows = annotated([(1, "A"), (2, "B")])
    with pytest.raises(BadArgument, match="lacks"):
        shown(rows, order(types=lambda names: names[:1]))
    with pytest.raises(BadArgument, match="lacks"):
        shown(rows, order(default=lambda part: part["id"].to_list() * 2))


def test_the_first_row_with_a_type_counts() -> None:
    """Of several rows of a neuron the first with a type counts; it stands where its first row stands."""
    rows = annotated([(5, None), (7, "A"), (5, "A"), (5, "B"), (6, " ")], cell_instance=list("abcde"))
    assert shown(rows) == [5, 7, 6]
    assert blocks(rows) == ["A"]


def test_neurons_without_a_type_stand_last() -> None:
    """Annotated neurons without a type follow the blocks, then those not annotated, both by number, without a block."""
    rows = annotated([(9, None), (1, "A"), (3, "")])
    assert shown(rows, None, [20, 9, 100, 1, 3]) == [1, 3, 9, 20, 100]
    assert blocks(rows) == ["A"]


@pytest.mark.parametrize(
    "ids", [pl.Series([1.0, 2.0]), pl.Series([1, None]), pl.Series(["1", "x"]), pl.Series([-1, 2])]
)
def test_ids_that_are_none_are_refused(ids: pl.Series) -> None:
    """A float would bend ids and a NULL names nobody: both are refused; so are texts and numbers that are no ids."""
    rows = pl.DataFrame({"root_id": ids, "cell_type": ["A", "B"]})
    with pytest.raises(NotAnId):
        read_annotations(rows, "root_id", "cell_type")


words = st.text(alphabet="ABab12 /", max_size=4)


@given(
    st.lists(st.tuples(st.integers(0, 30), st.one_of(st.none(), words)), min_size=1, max_size=40),
    st.sampled_from(
        [None, order(types="size"), order(default="id"), ["A", "B"], order(within=by("cell_type"))]
    ),
    st.sets(st.integers(0, 40)),
)
def test_an_axis_holds_every_neuron_once(
    rows: list[tuple[int, str | None]], rule: object, more: set[int]
) -> None:
    """Whatever the annotations and the rule: each neuron once, blocks from 0 on without gaps, each of one type."""
    read = read_annotations(annotated(rows), "root_id", "cell_type")
    wanted = {ROOT + number for number, _ in rows} | {ROOT + number for number in more}
    axis = build_axis(wanted, read, as_order(rule))  # type: ignore[arg-type]
    assert sorted(axis.ids) == sorted(wanted)
    at = 0
    for name, (start, end) in axis.boundaries.items():
        assert start == at < end
        assert {axis.types[neuron] for neuron in axis.ids[start:end]} == {name}
        at = end
    assert not set(axis.ids[at:]) & set(axis.types)


@given(st.lists(words.filter(bool), unique=True))
def test_sort_keys_never_clash(labels: list[str]) -> None:
    """Any labels can be compared, by either key."""
    turned = labels[::-1]
    assert sorted(labels, key=label_key) == sorted(turned, key=label_key)
    assert len(sorted(labels, key=natural)) == len(labels)


def test_an_order_can_be_built_step_by_step() -> None:
    """The builder and the call make the same order, and leave the one they began with as it was."""
    begun = order()
    built = begun.types(["B"]).default("id").within("A", "annotation")
    called = order(types=["B"], default="id", within={"A": "annotation"})
    rows = annotated([(3, "A"), (1, "A"), (9, "B"), (8, "B")])
    assert shown(rows, built) == shown(rows, called) == [8, 9, 3, 1]
    assert begun.type_rule == "label"
    assert shown(rows, {"types": ["B"]}) == [9, 8, 3, 1]


def test_an_order_reaches_both_axes() -> None:
    """A square matrix shows both axes in the order asked for."""
    matrix = NestedMatrix.from_connectivity(
        edge_list([(1, 2, 3), (2, 1, 4)]), annotated([(2, "A"), (1, "B")]), order=["B"]
    )
    assert matrix.ordered_neurons == (ROOT + 1, ROOT + 2)
    assert matrix.array.tolist() == [[0, 3], [4, 0]]
