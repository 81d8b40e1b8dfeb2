"""A matrix with a label for each row and column, which nobody can change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from crantdb.errors import BadArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, slots=True)
class Labelled:
    """A read-only matrix under labels: root ids (int) or cell types (text).

    Attributes:
        array: the numbers, shape (rows, columns); not writeable.
        rows: the label of each row.
        columns: the label of each column.
        row_name: what the rows are, e.g. ``pre_root_id``: the name of the label column in frames.
    """

    array: NDArray[Any]
    rows: tuple[int | str, ...]
    columns: tuple[int | str, ...]
    row_name: str

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows and columns."""
        return len(self.rows), len(self.columns)

    def __getitem__(self, labels: tuple[int | str, int | str]) -> int | float:
        """Return the number at a row's and a column's label.

        Raises:
            KeyError: when there is no such label.
        """
        row, column = labels
        try:
            value = self.array[self.rows.index(row), self.columns.index(column)]
        except ValueError as error:
            raise KeyError(labels) from error
        return value.item()  # type: ignore[no-any-return]  # a number of numpy's

    def polars(self) -> pl.DataFrame:
        """Return a polars frame: the row labels under `row_name`, then a column for each column label (as text)."""
        columns = {str(label): self.array[:, index] for index, label in enumerate(self.columns)}
        rows = pl.Series(self.row_name, list(self.rows), dtype=_label_type(self.rows))
        return pl.DataFrame([rows, *(pl.Series(name, values) for name, values in columns.items())])

    def pandas(self) -> pd.DataFrame:
        """Return a pandas frame indexed by the labels, ids as int64; a copy that may be changed."""
        import pandas as pd  # noqa: PLC0415 - heavy, and only those who ask for pandas need it

        index = pd.Index(list(self.rows), name=self.row_name, dtype=_pandas_type(self.rows))
        return pd.DataFrame(
            self.array.copy(),
            index=index,
            columns=pd.Index(list(self.columns), dtype=_pandas_type(self.columns)),
        )

    def edges(self) -> pl.DataFrame:
        """Return the long form, one row a number that is not zero: `pre`, `post`, `weight`, row by row."""
        row, column = np.nonzero(self.array)
        return pl.DataFrame(
            {
                "pre": pl.Series(
                    np.array(self.rows, dtype=object)[row].tolist(), dtype=_label_type(self.rows)
                ),
                "post": pl.Series(
                    np.array(self.columns, dtype=object)[column].tolist(), dtype=_label_type(self.columns)
                ),
                "weight": self.array[row, column],
            }
        )


def _label_type(labels: Sequence[int | str]) -> type[pl.Int64 | pl.String]:
    """Return the polars type of labels."""
    return pl.String if any(isinstance(label, str) for label in labels) else pl.Int64


def _pandas_type(labels: Sequence[int | str]) -> str:
    """Return the pandas type of labels."""
    return "object" if _label_type(labels) is pl.String else "int64"


def frozen(values: NDArray[Any]) -> NDArray[Any]:
    """Return a copy of an array that cannot be written to: a view, whose flag cannot be turned back."""
    copy = np.array(values, copy=True, order="C")
    copy.setflags(write=False)
    return copy.view()


def numbers_of(values: object, shape: tuple[int, int]) -> NDArray[Any]:
    """Return a matrix given as an array, a frame without label column, or nested lists, as an array of numbers.

    Raises:
        BadArgument: when it is of another shape or of no numbers.
    """
    if isinstance(values, Labelled):
        values = values.array
    array = np.asarray(values)
    if array.shape != shape or not np.issubdtype(array.dtype, np.number):
        msg = f"the matrix has shape {array.shape} of {array.dtype}; its axes have {shape[0]} and {shape[1]} neurons"
        raise BadArgument(msg)
    return array
