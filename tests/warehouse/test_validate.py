"""Rows that break a promise are counted and shown, and never become a valid table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from crantdb.errors import ValidationError
from crantdb.warehouse.state import Column
from crantdb.warehouse.validate import Constraint, validate
from tests.warehouse.making import ROOT, cells, fill, staging_key

if TYPE_CHECKING:
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.staging import StagedTable


def staged(warehouse: Warehouse, rows: pa.Table, sort_key: str | None = "id") -> StagedTable:
    """Return rows as a staged table."""
    return fill(warehouse, staging_key(sort_key=sort_key, unique=sort_key is not None), [rows]).finish()


def test_a_table_that_keeps_its_promises_is_valid(warehouse: Warehouse) -> None:
    """A valid table has its columns in DuckDB's words, its rows, and no exception that was counted zero."""
    table = staged(warehouse, cells(range(1, 15)))
    valid = validate(
        table,
        rows_expected=14,
        constraints=[Constraint("id is positive", "id > 0")],
        exceptions={"tag is NULL": "tag IS NULL", "root is 0": "pt_root_id = 0"},
    )
    types = {"id": "BIGINT", "pt_root_id": "BIGINT", "volume": "FLOAT", "tag": "VARCHAR"}
    assert valid.columns == tuple(Column(*pair) for pair in types.items())
    assert valid.exceptions == {"tag is NULL": 2}
    assert (valid.staged, valid.rows_expected) == (table, 14)


@pytest.mark.parametrize(("expected", "off"), [(11, 1), (8, 2)])
def test_rows_that_do_not_add_up_are_refused(warehouse: Warehouse, expected: int, off: int) -> None:
    """More or fewer rows than the source counted: both numbers are said, and how many they differ by."""
    table = staged(warehouse, cells(range(10)))
    with pytest.raises(ValidationError, match=rf"has the {expected} rows.*got 10") as caught:
        validate(table, rows_expected=expected)
    assert caught.value.count == off
    assert "Nothing was committed" in str(caught.value)


@pytest.mark.parametrize(
    ("holds", "count", "examples"),
    [
        ("id < 100", 20, (100, 101, 102, 103, 104)),
        ("pt_root_id <> 576460752303423491", 1, (3,)),
        ("tag IS NOT NULL AND id < 100", 35, (0, 7, 14, 21, 28)),
        ("NULL::BOOLEAN", 120, (0, 1, 2, 3, 4)),
    ],
)
def test_a_broken_promise_is_counted_with_five_examples(
    warehouse: Warehouse, holds: str, count: int, examples: tuple[int, ...]
) -> None:
    """The table, the promise, how many rows break it (NULL is not true) and five keys of them stand in the error."""
    table = staged(warehouse, cells(range(120)))
    promise = Constraint("the promise", holds)
    with pytest.raises(ValidationError) as caught:
        validate(table, rows_expected=120, constraints=[Constraint("id is there", "id IS NOT NULL"), promise])
    error = caught.value
    assert (error.table, error.constraint, error.count) == ("cells", "the promise", count)
    assert error.examples == examples
    assert all(str(example) in str(error) for example in examples)


def test_a_table_without_a_key_has_no_examples(warehouse: Warehouse) -> None:
    """Without a key there is nothing to name rows by: the count stands alone."""
    table = staged(warehouse, cells(range(3)), sort_key=None)
    with pytest.raises(ValidationError) as caught:
        validate(table, rows_expected=3, constraints=[Constraint("never", "false")])
    assert (caught.value.count, caught.value.examples) == (3, ())


def test_an_id_beyond_2_53_is_compared_exactly(warehouse: Warehouse) -> None:
    """A promise about a root id sees the id itself, not its neighbour as a float."""
    table = staged(warehouse, cells([1, 2]))
    with pytest.raises(ValidationError) as caught:
        validate(table, rows_expected=2, constraints=[Constraint("not it", f"pt_root_id <> {ROOT + 1}")])
    assert caught.value.examples == (1,)


@pytest.mark.parametrize("holds", ["volume BETWEEN 0 AND 100", "isfinite(volume)", "NOT isnan(volume)"])
def test_nan_breaks_a_promise_though_footers_leave_it_out(warehouse: Warehouse, holds: str) -> None:
    """Rows are looked at, not the least and greatest value that a file's footer tells of them, which leave out NaN."""
    rows = cells(range(5))
    at = rows.column_names.index("volume")
    rows = rows.set_column(at, rows.field(at), pa.array([1.0, 2.0, float("nan"), 3.0, 4.0], pa.float32()))
    with pytest.raises(ValidationError) as caught:
        validate(staged(warehouse, rows), rows_expected=5, constraints=[Constraint("volume is sane", holds)])
    assert caught.value.count == 1


def test_an_empty_table_keeps_every_promise(warehouse: Warehouse) -> None:
    """No rows break nothing, and the columns are known all the same."""
    valid = validate(
        staged(warehouse, cells([])),
        rows_expected=0,
        constraints=[Constraint("never", "false")],
        exceptions={"all": "true"},
    )
    assert [column.name for column in valid.columns] == cells([]).column_names
    assert valid.exceptions == {}
