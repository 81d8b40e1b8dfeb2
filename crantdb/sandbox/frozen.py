"""The materialization engine's queries on the tables, joins and views of a version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from crantdb.sandbox import columns, encoding, statement
from crantdb.sandbox.exchange import Response, ServerError
from crantdb.sandbox.materialize import find_datastack, find_table, find_version, find_view
from crantdb.sandbox.query import Query, read_query
from crantdb.sandbox.statement import Shape, Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crantdb.sandbox.exchange import Request
    from crantdb.sandbox.given import Datastack, GivenTable, GivenView, Version
    from crantdb.sandbox.site import Site

_OLD_CLIENT = (
    "Response is in pyarrow IPC format. If you encounter a parsing error, please upgrade CAVEClient to >=5.9.0 "
    "with: pip install --upgrade caveclient. To suppress this warning, pass arrow_format=True in your query "
    "parameters."
)


class Frozen:
    """The query endpoints."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def table(self, request: Request, stack: str, number: int, table: str) -> Response:
        """POST …/table/<table>/query: one table."""
        found = find_datastack(self._site, stack)
        version = find_version(found, number)
        given = find_table(found, version, table)
        query = read_query(request, table)
        _permit([given])
        self._meet(found, version, [given], needs=given.reference_table)
        named = {wanted.table for wanted in query.filters} - {table}
        extra = [self._source(version, find_table(found, version, name)) for name in sorted(named)]
        return self._answer(
            request, [self._source(version, given)], extra=extra, query=query, notices=[given]
        )

    def join(self, request: Request, stack: str, number: int) -> Response:
        """POST …/version/<number>/query: two tables, inner join."""
        found = find_datastack(self._site, stack)
        version = find_version(found, number)
        query = read_query(request, None)
        given = [find_table(found, version, name) for name, _ in query.tables]
        _permit(given)
        self._meet(found, version, given, needs=None)
        # The server walks a Python set of table names: the order has nothing to do with the question.
        walked = sorted(
            given, key=lambda table: hash((self._site.options.seed, len(table.name), table.name[::-1]))
        )
        sources = [self._source(version, table) for table in walked]
        return self._answer(request, sources, extra=[], query=query, notices=given)

    def view(self, request: Request, stack: str, number: int, view: str) -> Response:
        """POST …/views/<view>/query: one view."""
        version = find_version(find_datastack(self._site, stack), number)
        given = find_view(version, view)
        query = read_query(request, view)
        relation, model = self._site.store.relation(given.rows)
        source = Source(given.name, relation, model, given.voxel_resolution)
        return self._answer(request, [source], extra=[], query=query, notices=[given], doubles=True)

    def _meet(
        self, stack: Datastack, version: Version, given: Sequence[GivenTable], *, needs: str | None
    ) -> None:
        names = [table.name for table in given]
        known = self._site.workers.meets(stack.name, version.number, names, needs=needs)
        if self._site.options.foreign_key_500 and not known:
            msg = (
                f"Foreign key associated with column '{names[0]}.target_id' could not find table '{needs}' "
                "with which to generate a foreign key to target column 'id'"
            )
            raise ServerError(msg)

    def _source(self, version: Version, given: GivenTable) -> Source:
        if version.status == "EXPIRED":
            msg = (
                f"Execution failed on sql 'SELECT {given.name}.id': relation \"{given.name}\" does not exist"
            )
            raise ServerError(msg)
        relation, model = self._site.store.relation(given.rows)
        shown = columns.served(model, is_merged=version.is_merged)
        return Source(given.name, relation, shown, given.voxel_resolution, is_split=not version.is_merged)

    def _answer(
        self,
        request: Request,
        sources: Sequence[Source],
        *,
        extra: Sequence[Source],
        query: Query,
        notices: Sequence[GivenTable | GivenView],
        doubles: bool = False,
    ) -> Response:
        shape = self._shape(request, sources[0], query)
        built = statement.build(sources, extra, query, shape)
        batch = _strike(request, encoding.as_served(self._run(built), doubles=doubles))
        as_arrow = request.flag("return_pyarrow")
        response = (encoding.arrow_response if as_arrow else encoding.json_records)(request, batch)
        warnings = [f'201 - "Limited query to {shape.limit} rows'] if batch.num_rows == shape.limit else []
        warnings += [f"Table Owner Notice on {n.name}: {n.notice_text}" for n in notices if n.notice_text]
        warnings += [_OLD_CLIENT] if as_arrow and not request.flag("arrow_format") else []
        if request.fault("drop_warning"):
            warnings = []
        last = next((s for s in sources if query.tables and s.name == query.tables[-1][0]), sources[0])
        return response.with_headers(
            *(("Warning", warning) for warning in warnings),
            *(("dataframe_resolution", str(float(axis))) for axis in query.resolution or last.resolution),
            ("column_names", repr(dict(built.column_names))),
        )

    def _shape(self, request: Request, source: Source, query: Query) -> Shape:
        limit = self._site.options.row_limit
        struck = request.fault("row_limit")
        limit = min(limit, struck.rows) if struck else limit
        limit = limit if query.limit is None else min(limit, query.limit)
        if limit < 0:
            msg = f"Execution failed on sql 'SELECT … LIMIT {limit}': LIMIT must not be negative\n"
            raise ServerError(msg)
        sample = request.query("random_sample")
        percent = None
        if sample and source.is_split:
            rows = self._site.store.fetch(f"SELECT count(*) FROM {source.relation}", [])[0][0].as_py()
            percent = min(100.0, 100.0 * int(sample) / max(rows, 1))
        count = request.flag("count") and not query.tables
        return Shape(limit, count=count, order_seed=self._site.order_seed(), sample_percent=percent)

    def _run(self, built: statement.Statement) -> pa.Table:
        try:
            return self._site.store.fetch(built.sql, built.parameters)
        except duckdb.Error as error:
            reason = str(error).replace("missing )", "parentheses () not balanced")
            msg = f"Execution failed on sql '{built.sql}': {reason}\n"
            raise ServerError(msg) from error


def _permit(tables: Sequence[GivenTable]) -> None:
    """Refuse tables that are not public, as the server does towards somebody else than the owner."""
    for table in tables:
        if table.read_permission == "PUBLIC":
            continue
        why = "The table can only be read by its owner"
        if table.read_permission == "GROUP":
            why = "The table can only be read by its group: you do not share a common group with its owner"
        msg = f"401 Unauthorized: Unauthorized: {why}"
        raise ServerError(msg)


def _strike(request: Request, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows as the faults of the request leave them."""
    if fault := request.fault("rows"):
        batch = batch.slice(0, max(0, batch.num_rows - fault.rows))
    if fault := request.fault("duplicate_rows"):
        kept = max(0, batch.num_rows - fault.rows)
        again = [index % max(kept, 1) for index in range(batch.num_rows - kept)]
        batch = batch.take(pa.array([*range(kept), *again], pa.int64()))
    if (fault := request.fault("wrong_schema")) and fault.column in batch.schema.names:
        index = batch.schema.get_field_index(fault.column)
        as_double = batch.column(index).cast(pa.float64(), safe=False)
        batch = batch.set_column(index, pa.field(fault.column, pa.float64()), as_double)
    return batch
