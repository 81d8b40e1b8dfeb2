"""An id stays the id it is: parsed, packed into bits, taken apart, in Python as in SQL."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crantdb.assets import sql_texts
from crantdb.errors import NotAnId
from crantdb.ids import MAX_ID, BitLayout, parse_id, parse_root_id
from crantdb.schema import declarations

CRANTB = BitLayout(8, {1: 10, 2: 10, 3: 5, 4: 4, 5: 3, 6: 2, 7: 1, 8: 1})
MICRONS = BitLayout(8, {1: 8, 2: 8, 3: 7, 4: 6, 5: 5, 6: 4, 7: 3, 8: 2, 9: 1, 10: 1})
LAYOUTS = {"CRANTb": CRANTB, "MICrONS-like": MICRONS}


@st.composite
def parts(draw: st.DrawFn, layout: BitLayout) -> tuple[int, list[list[int]], list[int]]:
    """Draw a layer, chunk coordinates and segment numbers that fit a layout."""
    layer = draw(st.sampled_from(sorted(layout.spatial_bits)))
    axis = st.integers(0, (1 << layout.spatial_bits[layer]) - 1)
    segment = st.integers(0, (1 << layout.segment_bits(layer)) - 1)
    pairs = draw(st.lists(st.tuples(axis, axis, axis, segment), min_size=1, max_size=8))
    return layer, [list(pair[:3]) for pair in pairs], [pair[3] for pair in pairs]


@given(st.integers(0, MAX_ID), st.sampled_from([int, np.int64, str, "  {} ".format]))
def test_an_id_survives_every_form_it_comes_in(value: int, form: object) -> None:
    """An int, a numpy integer and digits (with blanks around) give back exactly the same id, as a Python int."""
    assert callable(form)
    parsed = parse_id(form(value))
    assert (parsed, type(parsed)) == (value, int)


@given(st.one_of(st.floats(), st.booleans(), st.floats().map(np.float64), st.booleans().map(np.bool_)))
def test_floats_and_bools_are_no_ids(value: object) -> None:
    """A float (whole or not) or a bool is refused, with its type in the message."""
    with pytest.raises(NotAnId, match=re.escape(type(value).__name__)):
        parse_id(value)


@given(st.one_of(st.integers(max_value=-1), st.integers(min_value=MAX_ID + 1)))
def test_numbers_outside_int64_are_no_ids(value: int) -> None:
    """A negative number and one beyond int64 are refused as int and as text."""
    for form in (value, str(value)):
        with pytest.raises(NotAnId, match=re.escape(str(value))):
            parse_id(form)


@given(st.text().filter(lambda text: re.fullmatch(r"\s*[0-9]+\s*", text) is None))
def test_text_that_is_not_digits_is_no_id(text: str) -> None:
    """Signs, points, exponents, underscores, other scripts' digits and the empty text are refused."""
    with pytest.raises(NotAnId):
        parse_id(text)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"7",
        [7],
        Decimal(7),
        Fraction(7),
        7j,
        "7.0",
        "7e3",
        "1_000",
        "+7",
        "-0",
        "\N{ARABIC-INDIC DIGIT SEVEN}",
        "",
        np.uint64(2**63),
    ],
)
def test_what_only_looks_like_an_id_is_refused(value: object) -> None:
    """Nothing is converted that is not a whole number or its plain digits."""
    with pytest.raises(NotAnId):
        parse_id(value)


def test_a_root_id_is_not_the_background() -> None:
    """0 stands for 'outside the segmentation' and is no root id; 1 is not refused here."""
    with pytest.raises(NotAnId, match="0 is not a root id"):
        parse_root_id("0")
    assert parse_root_id(MAX_ID) == MAX_ID


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@given(data=st.data())
def test_bits_are_packed_and_taken_apart_alike(layout: BitLayout, data: st.DataObject) -> None:
    """`make` then `layer`, `chunk` and the lowest bits give back what went in, for every layer."""
    layer, chunks, segments = data.draw(parts(layout))
    ids = layout.make(layer, chunks, segments)
    assert ids.dtype == np.int64
    assert (ids >= 0).all()
    assert (layout.layer(ids) == layer).all()
    assert layout.chunk(ids, layer).tolist() == chunks
    assert (ids & ((1 << layout.segment_bits(layer)) - 1)).tolist() == segments


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@settings(max_examples=30)
@given(data=st.data())
def test_sql_takes_ids_apart_as_python_does(layout: BitLayout, data: st.DataObject) -> None:
    """The macro id_chunk gives the layer, chunk and segment that `BitLayout` does, in the order asked."""
    layer, chunks, segments = data.draw(parts(layout))
    ids = layout.make(layer, chunks, segments).tolist()
    with duckdb.connect(":memory:") as con:
        con.execute(declarations()["id_layout"])
        rows = [[n, 8, bits, layout.segment_bits(n)] for n, bits in layout.spatial_bits.items()]
        con.executemany("INSERT INTO id_layout VALUES (?, ?, ?, ?)", rows)
        con.execute(sql_texts("sql", "functions")["whole_id"])
        con.execute(sql_texts("sql", "macros")["id_chunk"])
        got = con.execute(f"FROM id_chunk({ids})").fetchall()
    expected = zip(ids, chunks, segments, strict=True)
    assert got == [(id_, layer, *chunk, segment) for id_, chunk, segment in expected]


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_what_does_not_fit_its_bits_is_refused(layout: BitLayout) -> None:
    """A coordinate or a segment one too large, or negative, is refused instead of spilling into its neighbour."""
    for layer, bits in layout.spatial_bits.items():
        for axis in range(3):
            for wrong in (1 << bits, -1):
                chunk = [0, 0, 0]
                chunk[axis] = wrong
                with pytest.raises(NotAnId, match=f"layer {layer}"):
                    layout.make(layer, chunk, 1)
        for wrong in (1 << layout.segment_bits(layer), -1):
            with pytest.raises(NotAnId, match=f"layer {layer}"):
                layout.make(layer, [0, 0, 0], wrong)


@pytest.mark.parametrize("values", [[576460752303423567.0], [True], [1.0, 2], np.array([2**63], np.uint64)])
def test_an_array_that_is_not_whole_is_taken_for_no_ids(values: object) -> None:
    """Floats, bools and numbers beyond int64 in an array are refused, not bent to a neighbour's id."""
    for ask in (CRANTB.layer, lambda ids: CRANTB.chunk(ids, 1), lambda ids: CRANTB.make(1, [0, 0, 0], ids)):
        with pytest.raises(NotAnId):
            ask(values)


def test_no_ids_are_no_ids() -> None:
    """An empty list is an empty array of ids, with no dtype to complain of."""
    assert CRANTB.layer([]).tolist() == []
    assert CRANTB.chunk([], 1).shape == (0, 3)


def test_a_layout_is_read_from_the_chunkedgraphs_info() -> None:
    """`from_info` reads both fields as the server serves them (layers as text), and says so when they lack."""
    graph = {
        "n_bits_for_layer_id": 8,
        "spatial_bit_masks": {str(k): v for k, v in MICRONS.spatial_bits.items()},
    }
    assert BitLayout.from_info({"graph": graph}) == MICRONS
    for info in ({}, {"graph": None}, {"graph": {}}):
        with pytest.raises(KeyError):
            BitLayout.from_info(info)
