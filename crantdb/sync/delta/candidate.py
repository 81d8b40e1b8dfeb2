"""The next version as far as it is known: the last one's ids and roots, and the rows fetched since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import duckdb
    import pyarrow as pa
    from numpy.typing import NDArray

    from crantdb.sources.ranges import Span


@dataclass(frozen=True, slots=True)
class Keys:
    """The values of a column, and how many rows have each.

    Attributes:
        values: int64, ascending, each once; NULL is not among them.
        before: rows with a lower value, int64, one longer than `values`.
        nulls: rows without one.
    """

    values: NDArray[np.int64]
    before: NDArray[np.int64]
    nulls: int

    def count(self, span: Span) -> int:
        """Return how many rows lie in a span."""
        if span.nulls:
            return self.nulls
        return int(self.before[self._place(span.end)] - self.before[self._place(span.start)])

    def middle(self, span: Span) -> int | None:
        """Return where to cut a span so that about as many rows lie below as above; None when it holds one value or NULL."""
        if span.nulls:
            return None
        first, end = self._place(span.start), self._place(span.end)
        half = (int(self.before[first]) + int(self.before[end])) // 2
        at = int(np.searchsorted(self.before, half, side="right")) - 1
        at = min(max(at, first + 1), end - 1)
        if end - first >= 2:
            return int(self.values[at])
        return None

    def _place(self, value: int) -> int:
        """Return how many values are lower."""
        if value > np.iinfo(np.int64).max:
            return len(self.values)
        return int(np.searchsorted(self.values, value))


def keys_of(values: NDArray[np.int64], counts: NDArray[np.int64], nulls: int) -> Keys:
    """Return keys from values, ascending, and the rows that have each."""
    return Keys(values, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), nulls)


class Candidate:
    """Ids and roots of the next version, as far as they are known.

    Args:
        con: holds what is known, within the memory promise.
        base: files of the last version with `id` and the roots, each id once.
        roots: the root columns.

    Attributes:
        highest: the highest id of the last version; None when it had no row.
    """

    highest: int | None

    def __init__(self, con: duckdb.DuckDBPyConnection, base: Sequence[Path], roots: Sequence[str]) -> None:
        self._con = con
        self._columns = ("id", *roots)
        con.from_parquet([str(path) for path in base], hive_partitioning=False).create_view("base")
        con.execute("CREATE TABLE fetched (" + ", ".join(f'"{name}" BIGINT' for name in self._columns) + ")")
        con.execute("CREATE TABLE gone (id BIGINT)")
        [(self.highest,)] = con.sql("SELECT max(id) FROM base").fetchall()
        chosen = ", ".join(f'"{name}"' for name in self._columns)
        con.execute(
            f"CREATE VIEW candidate AS SELECT {chosen} FROM base "
            f"ANTI JOIN (SELECT id FROM fetched UNION ALL SELECT id FROM gone) AS known USING (id) "
            f"UNION ALL SELECT {chosen} FROM fetched"
        )

    def put(self, rows: pa.Table) -> None:
        """Know rows of the next version."""
        self._con.register("incoming", rows.select(list(self._columns)))
        self._con.execute("INSERT INTO fetched FROM incoming ANTI JOIN fetched USING (id)")
        self._con.unregister("incoming")

    def drop(self, ids: NDArray[np.int64]) -> None:
        """Know ids that the next version does not have."""
        self._con.register("incoming", {"id": ids})
        self._con.execute("INSERT INTO gone SELECT id FROM incoming ANTI JOIN gone USING (id)")
        self._con.unregister("incoming")

    def keys(self, column: str) -> Keys:
        """Return the values of a column, with how many rows have each."""
        found = self._con.sql(
            f'SELECT "{column}" AS value, count(*) AS n FROM candidate WHERE "{column}" IS NOT NULL GROUP BY 1 ORDER BY 1'
        ).fetchnumpy()
        [(nulls,)] = self._con.sql(f'SELECT count(*) FROM candidate WHERE "{column}" IS NULL').fetchall()
        return keys_of(np.asarray(found["value"], np.int64), np.asarray(found["n"], np.int64), nulls)

    def ids_where(self, column: str, span: Span) -> NDArray[np.int64]:
        """Return the ids of rows whose value lies in a span, ascending."""
        if span.nulls:
            condition = f'"{column}" IS NULL'
        else:
            parts = [f'"{column}" >= {span.low}'] if span.low is not None else []
            parts += [f'"{column}" < {span.high}'] if span.high is not None else []
            condition = " AND ".join(parts) or f'"{column}" IS NOT NULL'
        return self._ids(f"SELECT id FROM candidate WHERE {condition} ORDER BY id")

    def ids_among(self, column: str, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the ids, not fetched yet, of rows whose value is one of those given, ascending."""
        self._con.register("wanted", {"value": values})
        found = self._ids(
            f'SELECT id FROM candidate SEMI JOIN wanted ON "{column}" = value ANTI JOIN fetched USING (id) ORDER BY id'
        )
        self._con.unregister("wanted")
        return found

    def unfetched(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those ids that were not fetched, ascending."""
        self._con.register("wanted", {"id": ids})
        found = self._ids("SELECT id FROM wanted ANTI JOIN fetched USING (id) ORDER BY id")
        self._con.unregister("wanted")
        return found

    def _ids(self, query: str) -> NDArray[np.int64]:
        """Return the ids that a query gives."""
        return np.asarray(self._con.sql(query).fetchnumpy()["id"], np.int64)
