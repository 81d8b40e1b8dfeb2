"""The materialization engine's queries on the tables, joins and views of a version."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from crantdb.sandbox import encoding, statement
from crantdb.sandbox.columns import served
from crantdb.sandbox.exchange import Response, ServerError
from crantdb.sandbox.materialize import find_datastack, find_table, find_version, find_view
from crantdb.sandbox.query import read_query
from crantdb.sandbox.statement import Shape, Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crantdb.sandbox.exchange import Request
    from crantdb.sandbox.given import Datastack, GivenTable, GivenView, Version
    from crantdb.sandbox.query import Query
    from crantdb.sandbox.site import Site

_OLD_CLIENT = (
    "Response is in pyarrow IPC format. If you encounter a parsing error, please upgrade CAVEClient to >=5.9.0 "
    "with: pip install --upgrade caveclient. To suppress this warning, pass arrow_format=True in your query "
    "parameters."
)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a query endpoint found out before the rows are fetched.

    Attributes:
        query: the body.
        sources: the tables or the view whose columns are served.
        notices: those whose owners' notices go into the Warning headers.
        extra: tables that only filters name.
        doubles: whether floats are served as float64 (views).
    """

    query: Query
    sources: Sequence[Source]
    notices: Sequence[GivenTable | GivenView]
    extra: Sequence[Source] = ()
    doubles: bool = False

    @property
    def resolution(self) -> tuple[float, float, float]:
        """The voxel in which points are served: the one asked for, else that of the last table."""
        asked = self.query.tables
        last = next((s for s in self.sources if asked and s.name == asked[-1][0]), self.sources[0])
        return self.query.resolution or last.resolution


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
        return self._answer(request, _Asked(query, [self._source(version, given)], [given], extra))

    def join(self, request: Request, stack: str, number: int) -> Response:
        """POST …/version/<number>/query: two tables, inner join."""
        found = find_datastack(self._site, stack)
        version = find_version(found, number)
        query = read_query(request, None)
        given = [find_table(found, version, name) for name, _ in query.tables]
        _permit(given)
        self._meet(found, version, given, needs=None)
        # The server walks a Python set of table names: their order has nothing to do with what was asked.
        seed = self._site.options.seed
        walked = sorted(given, key=lambda table: zlib.crc32(f"{seed} {table.name}".encode()))
        return self._answer(request, _Asked(query, [self._source(version, table) for table in walked], given))

    def view(self, request: Request, stack: str, number: int, view: str) -> Response:
        """POST …/views/<view>/query: one view."""
        version = find_version(find_datastack(self._site, stack), number)
        given = find_view(version, view)
        query = read_query(request, view)
        relation, model = self._site.store.relation(given.rows, is_view=True)
        source = Source(given.name, relation, model, given.voxel_resolution)
        return self._answer(request, _Asked(query, [source], [given], doubles=True))

    def _meet(
        self, stack: Datastack, version: Version, given: Sequence[GivenTable], *, needs: str | None
    ) -> None:
        """Let a worker process meet tables; a fresh one cannot map a reference table without its target."""
        names = [table.name for table in given]
        known = self._site.workers.meets(stack.name, version.number, names, needs=needs)
        if self._site.options.foreign_key_500 and not known:
            msg = (
                f"Foreign key associated with column '{names[0]}.target_id' could not find table '{needs}' "
                "with which to generate a foreign key to target column 'id'"
            )
            raise ServerError(msg)

    def _source(self, version: Version, given: GivenTable) -> Source:
        """Return a table of a version as a source of rows."""
        if version.status == "EXPIRED":
            why = f'relation "{given.name}" does not exist\nLINE 2: FROM {given.name} \n             ^\n'
            msg = f"Execution failed on sql 'SELECT {given.name}.id \nFROM {given.name}': {why}"
            raise ServerError(msg)
        relation, model = self._site.store.relation(given.rows)
        columns = served(model, is_merged=version.is_merged)
        return Source(given.name, relation, columns, given.voxel_resolution, is_split=not version.is_merged)

    def _answer(self, request: Request, asked: _Asked) -> Response:
        """Return the rows asked for, with all their headers."""
        if request.query("direct_sql_pandas", "True").lower() == "false":
            msg = "501 Not Implemented: the sandbox does not mangle types as direct_sql_pandas=False does"
            raise ServerError(msg)
        shape = self._shape(request, asked)
        built = statement.build(asked.sources, asked.extra, asked.query, shape)
        batch = _strike(request, encoding.as_served(self._run(built), doubles=asked.doubles))
        as_arrow = request.flag("return_pyarrow")
        if as_arrow:
            response = encoding.arrow_response(request, batch, is_count=shape.count)
        else:
            response = encoding.json_records(request, batch)
        warnings = [f'201 - "Limited query to {shape.limit} rows'] if batch.num_rows == shape.limit else []
        warnings += [] if not as_arrow or request.flag("arrow_format") else [_OLD_CLIENT]
        warnings += _notices(asked.notices)
        return response.with_headers(
            *(("Warning", warning) for warning in warnings if not request.fault("drop_warning")),
            *(("dataframe_resolution", str(float(axis))) for axis in asked.resolution),
            ("column_names", repr(dict(built.column_names))),
        )

    def _shape(self, request: Request, asked: _Asked) -> Shape:
        """Return limit, order and the like for a request."""
        limits = [self._site.options.row_limit, asked.query.limit]
        limits += [struck.rows for struck in [request.fault("row_limit")] if struck]
        limit = min(limit for limit in limits if limit is not None)
        count = request.flag("count") and not asked.query.tables
        percent = self._sampled(request, asked.sources[0])
        return Shape(limit, count=count, order_seed=self._site.order_seed(), sample_percent=percent)

    def _sampled(self, request: Request, source: Source) -> float | None:
        """Return the percentage of blocks that ``random_sample`` takes; merged versions ignore it."""
        wanted = request.query("random_sample")
        if not wanted or not source.is_split:
            return None
        rows = int(self._site.store.fetch(f"SELECT count(*) FROM {source.relation}", [])[0][0].as_py())
        return min(100.0, 100.0 * int(wanted) / max(rows, 1))

    def _run(self, built: statement.Statement) -> pa.Table:
        """Return the rows of a statement; what DuckDB refuses is answered as Postgres would."""
        try:
            return self._site.store.fetch(built.sql, built.parameters)
        except duckdb.Error as error:
            msg = f"Execution failed on sql '{built.sql}': {_in_postgres_words(str(error))}\n"
            raise ServerError(msg) from error


def _in_postgres_words(reason: str) -> str:
    """Return DuckDB's reason in the words of Postgres, where the recordings know them."""
    known = {
        "missing )": "invalid regular expression: parentheses () not balanced",
        "cannot be negative": "LIMIT must not be negative",
        "out of range": "integer out of range",
    }
    return next((words for sign, words in known.items() if sign in reason), reason)


def _notices(noted: Sequence[GivenTable | GivenView]) -> list[str]:
    """Return the owners' notices as they go into headers.

    Raises:
        ServerError: for a notice of several lines: werkzeug refuses such a header.
    """
    notices = [
        f"Table Owner Notice on {table.name}: {table.notice_text}" for table in noted if table.notice_text
    ]
    if any("\n" in notice or "\r" in notice for notice in notices):
        msg = "Header values must not contain newline characters."
        raise ServerError(msg)
    return notices


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
