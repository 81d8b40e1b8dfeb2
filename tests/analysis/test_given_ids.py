"""Ids as they are handed to every function of analysis: in any form, exact, or refused with a word on why."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from crantdb.analysis.given_ids import id_list
from crantdb.analysis.mapping import parsed_ids
from crantdb.errors import NotAnId

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = 576460752667713229
IDS = [ROOT, ROOT + 1, ROOT]


@pytest.mark.parametrize(
    "form",
    [
        list,
        tuple,
        iter,
        lambda ids: np.array(ids, np.int64),
        lambda ids: np.array(ids, np.uint64),
        lambda ids: np.array([ids, ids]),
        lambda ids: np.array(ids, object),
        pl.Series,
        lambda ids: pl.Series(ids, dtype=pl.UInt64),
        lambda ids: pl.Series(ids, dtype=pl.Int128),
        pd.Series,
        lambda ids: pd.Series(ids, dtype="Int64"),
        lambda ids: pd.Series(ids).astype("category"),
        pd.Index,
        pa.array,
        lambda ids: pa.chunked_array([ids]),
        lambda ids: [f" {one} " for one in ids],
        lambda ids: [f"{one}".encode() for one in ids],
        lambda ids: pa.array([f"{one}".encode() for one in ids]),
        lambda ids: [bytearray(f"{one}".encode()) for one in ids],
        lambda ids: [pa.scalar(one) for one in ids],
        lambda ids: np.ma.array(ids, mask=False),
    ],
)
def test_every_form_gives_the_same_ids(form: Callable[[list[int]], object]) -> None:
    """To the last digit, each once, in the order given."""
    found = parsed_ids(form(IDS))
    assert found.dtype == np.int64
    assert found.tolist() == IDS[:2]


@pytest.mark.parametrize(
    "one",
    [
        ROOT,
        str(ROOT),
        f"{ROOT}".encode(),
        bytearray(f"{ROOT}".encode()),
        memoryview(f"{ROOT}".encode()),
        pa.scalar(ROOT),
        np.int64(ROOT),
        np.str_(ROOT),
        np.array(ROOT),
    ],
)
def test_one_id_alone(one: object) -> None:
    """A number, text or bytes alone are one id: bytes are no list of the numbers of their letters."""
    assert parsed_ids(one).tolist() == [ROOT]


@pytest.mark.parametrize(
    "missing",
    [
        None,
        [ROOT, None],
        [float("nan")],
        pl.Series([ROOT, None]),
        pl.Series([ROOT, None], dtype=pl.UInt64),
        pd.Series([ROOT, None], dtype="Int64"),
        pd.Series([ROOT, None], dtype="UInt64"),
        pa.array([ROOT, None]),
        pa.array([ROOT, None], pa.uint64()),
        np.ma.array([ROOT, ROOT + 1], mask=[False, True]),
        [ROOT, np.ma.masked],
        pa.scalar(None, pa.int64()),
    ],
)
def test_a_missing_id_is_called_missing(missing: object) -> None:
    """It is refused for what it is; an array of whole numbers with a gap is not taken for one of floats."""
    with pytest.raises(NotAnId, match="missing: leave them out"):
        parsed_ids(missing)


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame({"root_id": [ROOT], "weight": [5]}),
        pl.DataFrame({"root_id": [ROOT]}).lazy(),
        pd.DataFrame({"root_id": [ROOT], "weight": [5]}),
        pa.table({"root_id": [ROOT], "weight": [5]}),
    ],
)
def test_of_a_frame_a_column_is_asked_for(frame: object) -> None:
    """A frame is neither its column names nor all of its numbers."""
    with pytest.raises(NotAnId, match=r"pass the column .* frame\['root_id'\]"):
        parsed_ids(frame)


def test_of_a_relation_too() -> None:
    """A relation of DuckDB's is a frame."""
    with duckdb.connect() as con, pytest.raises(NotAnId, match="pass the column"):
        parsed_ids(con.sql(f"SELECT {ROOT} AS root_id"))


@pytest.mark.parametrize(
    "wrong",
    [
        1.5,
        [ROOT, 1.5],
        np.array([float(ROOT)]),
        pl.Series([1.0]),
        pd.Series([1.0, None]),
        True,
        [True],
        np.array([True]),
        Decimal(ROOT),
        [Decimal(ROOT)],
        pa.array([Decimal(ROOT)]),
        pd.Series(pd.to_datetime(["2026-01-01"])),
        np.array(["2026-01-01"], "M8[ns]"),
        np.array([1], "m8[ns]"),
        datetime(2026, 1, 1, tzinfo=UTC),
        -5,
        np.array([-5]),
        2**63,
        np.array([ROOT, 2**63], np.uint64),
        pl.Series([2**63], dtype=pl.UInt64),
        pa.array([2**63], pa.uint64()),
        pytest.param(10**5000, id="beyond words"),
        [ROOT, -(10**5000)],
        "5.764607526e17",
        f"{ROOT},{ROOT}",
        "",
        "x",
        [[ROOT]],
        object(),
        object,
    ],
)
def test_what_is_no_id_is_refused(wrong: object) -> None:
    """Floats, times, decimals, boxes, numbers beyond int64, text: none becomes a number, none another exception."""
    with pytest.raises(NotAnId):
        parsed_ids(wrong)


@pytest.mark.parametrize(
    ("given", "listed"),
    [
        (np.ma.array([ROOT, 7], mask=[False, True]), [ROOT, None]),
        ([ROOT, np.ma.masked, float("nan"), pd.NA, pd.NaT], [ROOT, None, None, None, None]),
        (["\ud800", ROOT], ["?", str(ROOT)]),
        ([10**5000, None], ["a number of 16,610 bits", None]),
        ([2**63, ROOT], [2**63, ROOT]),
        (b"\xff", ["\ufffd"]),
    ],
)
def test_what_may_be_damaged_keeps_its_place(given: object, listed: list[int | str | None]) -> None:
    """To map a list, what is missing or no id has its own place in it, in a form that a query takes."""
    assert id_list(given) == listed
