"""The next version as far as it is known: the last one's ids and roots, and the rows fetched since.

A table may have more ids than fit into memory: what is asked of all of them is streamed, what is asked of a range
reads the files that are sorted by its column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crantdb.sources.ranges import HIGHEST, LOWEST, Span
from crantdb.sync.delta.keys import cut, keys_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import duckdb
    import pyarrow as pa
    from numpy.typing import NDArray

    from crantdb.sync.delta.keys import Counted, Keys

AT_ONCE = 1 << 20
"""Values that are in memory together while all are streamed."""

MOST_GAPS = 64
"""Gaps between ids whose edges are told; of a table with more, the widest."""

LEAST_GAP = 1_000
"""Ids that a gap has room for, for its edges to be told: rows that were deleted leave narrow ones everywhere."""

Within = tuple[str, Span]
"""A column and the span its value lies in: to ask of some rows only."""


class Candidate:
    """Ids and roots of the next version, as far as they are known.

    Args:
        con: holds what is known, within the memory promise.
        base: files of the last version with `id` and the roots, each id once.
        roots: the root columns.
        by: the same rows in files that are sorted by a column, where there are such.
    """

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        base: Sequence[Path],
        roots: Sequence[str],
        by: Mapping[str, Sequence[Path]] | None = None,
    ) -> None:
        self._con = con
        self._columns = ("id", *roots)
        chosen = ", ".join(f'"{name}"' for name in self._columns)
        con.execute("CREATE TABLE fetched (" + ", ".join(f'"{name}" BIGINT' for name in self._columns) + ")")
        con.execute("CREATE TABLE gone (id BIGINT)")
        con.execute("CREATE VIEW known AS SELECT id FROM fetched UNION ALL SELECT id FROM gone")
        for column in self._columns:
            files = (by or {}).get(column, base)
            rows = con.from_parquet([str(path) for path in files], hive_partitioning=False)
            rows.create_view(f"base by {column}")
            con.execute(
                f'CREATE VIEW {_view(column)} AS SELECT {chosen} FROM "base by {column}" ANTI JOIN known USING (id) '
                f"UNION ALL SELECT {chosen} FROM fetched"
            )

    def edges(self) -> list[int]:
        """Return where ids of the last version begin and end: at its lowest and highest, and at its widest gaps; ascending.

        New ids come where there were none. Between two edges there are either ids of the last version, or none.
        """
        found, last, first = np.empty((0, 2), np.int64), np.empty(0, np.int64), 0
        for batch in self._con.sql('SELECT id FROM "base by id" ORDER BY id').to_arrow_reader(AT_ONCE):
            ids = np.concatenate([last, _int64(batch["id"])])
            gaps = np.stack([ids[:-1] + 1, ids[1:]], axis=1)
            found = widest(np.concatenate([found, gaps]), most=MOST_GAPS, least=LEAST_GAP)
            first = first if last.size else int(ids[0])
            last = ids[-1:]
        if not last.size:
            return []
        behind = [int(last[0]) + 1] if int(last[0]) < HIGHEST else []
        return sorted({first, *found.ravel().tolist(), *behind} - {LOWEST})

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

    def rows(self) -> duckdb.DuckDBPyRelation:
        """Return every row: its id and roots."""
        return self._con.sql(f"FROM {_view('id')}")

    def total(self) -> int:
        """Return how many rows there are."""
        [(count,)] = self._con.sql(f"SELECT count(*) FROM {_view('id')}").fetchall()
        return int(count)

    def values(self, column: str, within: Sequence[Within] = ()) -> Iterator[Counted]:
        """Yield the values of a column, with how many rows have each; ascending, in batches, without NULL."""
        where = _condition([*within, (column, Span())])
        if column == "id":
            query = f"SELECT id AS value, 1 AS n FROM {_source(column, within)} WHERE {where} ORDER BY 1"
        else:
            query = (
                f'SELECT "{column}" AS value, count(*) AS n FROM {_source(column, within)} WHERE {where} '
                "GROUP BY 1 ORDER BY 1"
            )
        for batch in self._con.sql(query).to_arrow_reader(AT_ONCE):
            yield _int64(batch["value"]), _int64(batch["n"])

    def keys(self, column: str, span: Span, within: Sequence[Within] = ()) -> Keys:
        """Return the values that lie in a span, with how many rows have each: of few rows, or of few values."""
        if span.nulls:
            nothing = np.empty(0, np.int64)
            return keys_of(nothing, nothing, self.counts(column, [span], within)[0])
        found = [(np.empty(0, np.int64),) * 2, *self.values(column, [*within, (column, span)])]
        values, counts = (np.concatenate(part) for part in zip(*found, strict=True))
        return keys_of(values, counts, 0)

    def ranges(self, column: str, span: Span, rows: int, within: Sequence[Within] = ()) -> list[Span]:
        """Cut a span into ranges of at most so many rows (see `keys.cut`)."""
        return cut(self.values(column, [*within, (column, span)]), span, rows)

    def counts(self, column: str, spans: Sequence[Span], within: Sequence[Within] = ()) -> list[int]:
        """Return how many rows lie in each of some spans, which ascend and adjoin, but for that of NULL."""
        plain = [span for span in spans if not span.nulls]
        found = np.zeros(len(plain), np.int64)
        starts = np.array([span.start for span in plain], np.int64)
        if plain:
            hull = (column, Span(plain[0].low, plain[-1].high))
            where = _condition([*within, hull])
            query = f'SELECT "{column}" AS value FROM {_source(column, [*within, hull])} WHERE {where}'
            for batch in self._con.sql(query).to_arrow_reader(AT_ONCE):
                place = np.searchsorted(starts, _int64(batch["value"]), side="right") - 1
                found += np.bincount(place, minlength=len(plain))
        left = iter(found.tolist())
        return [self._nulls(column, within) if span.nulls else next(left) for span in spans]

    def _nulls(self, column: str, within: Sequence[Within]) -> int:
        """Return how many rows have no value in a column."""
        where = _condition([*within, (column, Span(nulls=True))])
        [(count,)] = self._con.sql(f"SELECT count(*) FROM {_source(column, within)} WHERE {where}").fetchall()
        return int(count)

    def ids_where(self, within: Sequence[Within]) -> NDArray[np.int64]:
        """Return the ids of rows whose values lie in the spans, ascending."""
        source = _source(within[0][0], within)
        return self._ids(f"SELECT id FROM {source} WHERE {_condition(within)} ORDER BY id")

    def ids_among(self, column: str, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the ids, not fetched yet, of rows whose value is one of those given, ascending."""
        self._con.register("wanted", {"value": values})
        found = self._ids(
            f'SELECT id FROM {_view(column)} SEMI JOIN wanted ON "{column}" = value '
            "ANTI JOIN fetched USING (id) ORDER BY id"
        )
        self._con.unregister("wanted")
        return found

    def rows_among(self, column: str, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many rows have each of some values, which ascend."""
        self._con.register("wanted", {"value": values})
        found = self._con.sql(
            f'SELECT wanted.value, count(id) AS n FROM wanted LEFT JOIN {_view(column)} ON "{column}" = wanted.value '
            "GROUP BY 1 ORDER BY 1"
        ).fetchnumpy()["n"]
        self._con.unregister("wanted")
        return np.asarray(found, np.int64)

    def unfetched(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those ids that were not fetched, ascending."""
        self._con.register("wanted", {"id": ids})
        found = self._ids("SELECT id FROM wanted ANTI JOIN fetched USING (id) ORDER BY id")
        self._con.unregister("wanted")
        return found

    def _ids(self, query: str) -> NDArray[np.int64]:
        """Return the ids that a query gives."""
        return np.asarray(self._con.sql(query).fetchnumpy()["id"], np.int64)


def widest(gaps: NDArray[np.int64], *, most: int, least: int) -> NDArray[np.int64]:
    """Return the widest of some gaps, each from its first id to behind its last.

    Args:
        gaps: shape (n, 2).
        most: how many at the most.
        least: ids that each has room for at the least, 1 or more.
    """
    widths = gaps[:, 1].view(np.uint64) - gaps[:, 0].view(np.uint64)  # a gap may be wider than an int64
    wide = np.flatnonzero(widths >= np.uint64(least))
    return gaps[wide[np.argsort(widths[wide], kind="stable")[::-1][:most]]]


def _view(column: str) -> str:
    """Return the name of the rows as files sorted by a column give them."""
    return f'"candidate by {column}"'


def _source(column: str, within: Sequence[Within]) -> str:
    """Return where to read rows: by the first column that narrows them, else by the one that is asked for."""
    return _view(within[0][0] if within else column)


def _condition(within: Sequence[Within]) -> str:
    """Return what holds of values that lie in the spans, as SQL."""
    parts: list[str] = []
    for column, span in within:
        if span.nulls:
            parts.append(f'"{column}" IS NULL')
            continue
        parts.append(f'"{column}" IS NOT NULL')
        parts += [f'"{column}" >= {span.low}'] if span.low is not None else []
        parts += [f'"{column}" < {span.high}'] if span.high is not None else []
    return " AND ".join(parts)


def _int64(column: pa.Array) -> NDArray[np.int64]:
    """Return whole numbers."""
    return np.asarray(column, np.int64)
