"""The sandbox's database: every served table in DuckDB, in memory, loaded when first asked for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import duckdb

from crantdb.sandbox import columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa


class Store:
    """Tables in DuckDB, one for each distinct `pa.Table` served; safe to use from many threads."""

    def __init__(self) -> None:
        self._connection = duckdb.connect(":memory:")
        self._lock = threading.Lock()
        self._loaded: dict[int, tuple[str, pa.Table, tuple[columns.Column, ...]]] = {}
        self._made = 0

    def relation(self, rows: pa.Table, *, is_view: bool = False) -> tuple[str, tuple[columns.Column, ...]]:
        """Return the quoted name under which the rows stand in DuckDB, and the model's columns."""
        with self._lock:
            if id(rows) not in self._loaded:
                self._loaded[id(rows)] = self._load(rows, is_view=is_view)
            name, _, model = self._loaded[id(rows)]
        return name, model

    def fetch(self, sql: str, parameters: Sequence[object]) -> pa.Table:
        """Return a query's result.

        Raises:
            duckdb.Error: when DuckDB refuses the query.
        """
        with self._connection.cursor() as cursor:
            return cursor.sql(sql, params=list(parameters)).to_arrow_table()

    def keep_only(self, rows: Iterable[pa.Table]) -> None:
        """Drop every loaded table but these."""
        kept = {id(table) for table in rows}
        with self._lock:
            for key in [key for key in self._loaded if key not in kept]:
                name, _, _ = self._loaded.pop(key)
                self._connection.execute(f"DROP TABLE {name}")

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._connection.close()

    def _load(self, rows: pa.Table, *, is_view: bool) -> tuple[str, pa.Table, tuple[columns.Column, ...]]:
        """Copy rows into DuckDB; the `pa.Table` is kept so that its `id` stays its own."""
        self._made += 1
        name = f'"rows_{self._made}"'
        ready = columns.stored(rows, is_view=is_view)
        self._connection.register("incoming", ready)
        self._connection.execute(f"CREATE TABLE {name} AS FROM incoming")
        self._connection.unregister("incoming")
        return name, rows, columns.model(ready.schema)
