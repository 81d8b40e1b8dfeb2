"""The order that a table's key asks of its rows: made within a piece, and checked from piece to piece. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crantdb.errors import ValidationError


@dataclass(frozen=True, slots=True)
class RowOrder:
    """The order of a table's rows.

    Attributes:
        table: the table's name, for what is said of it.
        key: the whole-number column that the rows are sorted by, or None for a table without a key.
        unique: whether no two rows share the key.
    """

    table: str
    key: str | None
    unique: bool

    def made(self, rows: pa.Table) -> pa.Table:
        """Return rows in the one order that their content gives: by key, and where keys repeat by every other column.

        Raises:
            ValidationError: when the key is NULL in a row although it must be unique.
        """
        if self.unique and self.key is not None and (missing := rows[self.key].null_count):
            raise ValidationError(self.table, f"{self.key} is never NULL", missing)
        names = [self.key] if self.key else []
        if not self.unique:
            names += sorted(name for name in rows.column_names if name != self.key)
        if not rows.num_rows:
            return rows.combine_chunks()
        order = pc.sort_indices(_sortable(rows.select(names)), [(name, "ascending") for name in names])
        return rows.take(order).combine_chunks()

    def checked(self, rows: pa.Table, last: int | None) -> int | None:
        """Check that keys rise from piece to piece (strictly when unique).

        Args:
            rows: a piece's, in order.
            last: the last key of the pieces before it; None when there is none.

        Returns:
            The last key so far.

        Raises:
            ValidationError: when they do not, with the count and up to five of the keys.
        """
        if self.key is None or rows.num_rows == rows[self.key].null_count:
            return last
        values = rows[self.key].drop_null().to_numpy()
        joined = values if last is None else np.concatenate([np.array([last], values.dtype), values])
        before, after = joined[:-1], joined[1:]  # compared, not subtracted: a step may be wider than an int64
        wrong = np.flatnonzero(after <= before if self.unique else after < before)
        if wrong.size:
            promise = "is unique" if self.unique else "does not overlap between pieces"
            shown = [int(joined[place]) for place in wrong[:5]]
            raise ValidationError(self.table, f"{self.key} {promise}", int(wrong.size), shown)
        return int(values[-1])


def _sortable(rows: pa.Table) -> pa.Table:
    """Return rows with lists and the like, which Arrow does not sort, as text (a view may hold some)."""
    for index, field in enumerate(rows.schema):
        if pa.types.is_nested(field.type) or pa.types.is_dictionary(field.type):
            texts = [None if value is None else repr(value) for value in rows[index].to_pylist()]
            rows = rows.set_column(index, field.name, pa.array(texts, pa.string()))
    return rows
