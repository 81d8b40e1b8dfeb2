"""Do the five forms of a synapse table hold the same synapses? Streamed sums that no order changes; for `verify --deep`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from crantdb.warehouse.edges import EDGES, edges_of
from crantdb.warehouse.relations import files_of, ident
from crantdb.warehouse.rows import key_ranges, rows_sql

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import TableState, VersionState

MEMORY = "1GB"
"""What DuckDB may take: every question here is one pass with a handful of sums."""

_PRE, _POST = "pre_pt_root_id", "post_pt_root_id"


def forms_in(state: VersionState) -> list[tuple[TableState, dict[str, TableState]]]:
    """Return each synapse table of a version with the tables made of it, by the column each is sorted by."""
    result = []
    by_name = {table.name: table for table in state.tables.values() if table.kind != "derived"}
    for name, main in by_name.items():
        made = [t for t in state.tables.values() if t.kind == "derived" and t.source.get("made_from") == name]
        if made:
            result.append((main, {table.sort_order[0]: table for table in made if table.sort_order}))
    return result


def disagreements(
    warehouse: Warehouse, main: TableState, forms: dict[str, TableState]
) -> Iterator[tuple[TableState, str]]:
    """Yield each form that does not hold the synapses of the main one, with what is wrong.

    Args:
        warehouse: where the files lie; they are whole.
        main: the synapse table.
        forms: the tables made of it, as `forms_in` gives them.
    """
    con = duckdb.connect(":memory:")
    con.execute(f"SET memory_limit = '{MEMORY}'")
    con.execute("SET temp_directory = ''")
    try:
        compare = _Comparison(warehouse, con, main)
        checks = ((_POST, compare.rows), ("id", compare.rows), ("pre_root_id", compare.edges))
        for column, check in checks:
            what = check(forms[column]) if column in forms else None
            if what is not None:
                yield forms[column], what
        if {"pre_root_id", "post_root_id"} <= forms.keys():
            what = compare.same(forms["pre_root_id"], forms["post_root_id"])
            if what is not None:
                yield forms["post_root_id"], what
    finally:
        con.close()


class _Comparison:
    """Compares forms with their synapse table on one connection."""

    def __init__(self, warehouse: Warehouse, con: duckdb.DuckDBPyConnection, main: TableState) -> None:
        self._warehouse = warehouse
        self._con = con
        self._main = main

    def rows(self, form: TableState) -> str | None:
        """Compare a form with a row a synapse, in the columns it has."""
        return self.same(self._main, form)

    def same(self, one: TableState, other: TableState) -> str | None:
        """Compare two tables as bags of rows, in the columns of the second."""
        columns = [column.name for column in other.columns]
        first, second = (sums(self._files(table), columns) for table in (one, other))
        if first[0] != second[0]:
            return f"holds {second[0]:,} rows, {one.key} {first[0]:,}"
        return None if first == second else f"holds other rows than {one.key}"

    def edges(self, form: TableState) -> str | None:
        """Compare the edges with those that the synapses make."""
        files = self._files(self._main)
        [(loose,)] = files.aggregate(f"count(*) FILTER (WHERE {_PRE} IS NULL OR {_POST} IS NULL)").fetchall()
        [(counted,)] = self._files(form).aggregate("coalesce(sum(syn_count), 0)::BIGINT").fetchall()
        if counted + loose != self._main.rows:
            return f"counts {counted:,} synapses, {self._main.key} has {self._main.rows - loose:,} with both roots"
        batches = (batch for table in edges_of(self._runs()) for batch in table.to_batches())
        made = self._con.from_arrow(pa.RecordBatchReader.from_batches(EDGES, batches))
        wanted = ["pre_root_id", "post_root_id", "syn_count"]
        if sums(made, wanted) != sums(self._files(form), wanted):
            return f"holds other edges than the synapses of {self._main.key} make"
        return None

    def _files(self, table: TableState) -> duckdb.DuckDBPyRelation:
        """Return a table's rows."""
        return self._con.sql(rows_sql(self._warehouse, table))

    def _runs(self) -> Iterator[pa.Table]:
        """Yield the roots of the synapses in their order."""
        if self._main.layers is not None:
            yield from self._sorted_runs()
            return
        for path in files_of(self._warehouse, self._main):
            content = pq.ParquetFile(path)
            for number in range(content.num_row_groups):
                yield content.read_row_group(number, columns=[_PRE, _POST])

    def _sorted_runs(self) -> Iterator[pa.Table]:
        """Yield the roots of synapses that are kept as layers, in order: a range is sorted at a time."""
        rows = f"({rows_sql(self._warehouse, self._main)}) AS found"
        with self._con.cursor() as beside:  # this is read from within a query of the connection's own
            for condition in key_ranges(beside, rows, _PRE, self._main.rows):
                query = f"SELECT {_PRE}, {_POST} FROM {rows} WHERE {condition} ORDER BY ALL"
                yield beside.sql(query).to_arrow_table()


def sums(rows: duckdb.DuckDBPyRelation, columns: Sequence[str]) -> tuple[int, ...]:
    """Return what tells two bags of rows apart, whatever their order: their number and sums of their hashes."""
    row = f"hash({', '.join(ident(name) for name in columns)})"
    [found] = rows.aggregate(f"count(*), coalesce(sum({row}::HUGEINT), 0), bit_xor({row})").fetchall()
    return tuple(found)
