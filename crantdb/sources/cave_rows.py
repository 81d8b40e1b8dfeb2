"""The rows of one CAVE table or view: counted and fetched by span, as Arrow, exact."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crantdb.errors import BadResponse, NotServed, ReferenceNotLoaded, ServiceUnavailable, Unreadable
from crantdb.sources.conditions import Condition, filters_of
from crantdb.sources.harvest import Fetched
from crantdb.sources.materialization import id_columns, warned_limit
from crantdb.sources.ranges import Span, gaps

if TYPE_CHECKING:
    from collections.abc import Collection

    from crantdb.sources.classify import Answer
    from crantdb.sources.materialization import RemoteTable
    from crantdb.sources.transport import Transport

_QUERY = {
    "return_pyarrow": "True",
    "arrow_format": "True",
    "split_positions": "True",
    "direct_sql_pandas": "True",
}
_HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "zstd"}
_NOT_LOOKED_UP = 1
"""What a split version serves for a NULL id."""


def decode_arrow(answer: Answer) -> Fetched:
    """Return the rows of a query's answer, and the limit it was cut at.

    Raises:
        ServiceUnavailable: when the body is no whole Arrow stream: it was cut short on the way.
        BadResponse: when an id came as anything but int64.
    """
    try:
        rows = pa.ipc.open_stream(pa.BufferReader(answer.body)).read_all()
    except (pa.ArrowException, OSError) as error:
        msg = f"{answer.url} sent {len(answer.body):,} bytes that are no whole Arrow stream: {error}"
        raise ServiceUnavailable(msg, url=answer.url, status=answer.status) from error
    bent = [f.name for f in rows.schema if _is_id(f.name) and not pa.types.is_int64(f.type)]
    if bent:
        kinds = ", ".join(f"{name} as {rows.schema.field(name).type}" for name in bent)
        msg = f"{answer.url} sent ids that are not int64 ({kinds}); they may be bent, so nothing was taken"
        raise BadResponse(msg, url=answer.url, status=answer.status)
    return Fetched(_microseconds(rows.replace_schema_metadata(None)), warned_limit(answer.header("warning")))


def _is_id(name: str) -> bool:
    """Tell whether a column holds ids of annotations, supervoxels or roots."""
    return name in {"id", "target_id", "valid_id", "superceded_id"} or bool(id_columns([name]))


def _microseconds(rows: pa.Table) -> pa.Table:
    """Return times in microseconds, which is all that the server's database holds."""
    schema = pa.schema(
        pa.field(f.name, pa.timestamp("us", f.type.tz)) if pa.types.is_timestamp(f.type) else f
        for f in rows.schema
    )
    return rows if schema.equals(rows.schema) else rows.cast(schema)


@dataclass(frozen=True, slots=True)
class CaveRows:
    """Counts and fetches the rows of a table or view of one version.

    Attributes:
        transport: asks.
        query_url: the address of its queries.
        target_url: the address of queries on the table it refers to, or None.
        table: what the server says of it.
        key: the whole-number column that spans are of, or None for a view without one.
        is_merged: False for a split version, whose NULL ids come as 1.
        also: what else must hold of the rows; none for all of the table.
    """

    transport: Transport
    query_url: str
    target_url: str | None
    table: RemoteTable
    key: str | None
    is_merged: bool
    also: tuple[Condition, ...] = ()

    @property
    def name(self) -> str:
        """The table's name."""
        return self.table.name

    def count(self, span: Span) -> int:
        """Return how many rows a span holds, as the server counts them.

        Raises:
            SourceError: as `Transport.json`.
        """
        rows = self._ask(self._filters(span), count=True).rows
        if rows.num_rows != 1 or "count" not in rows.column_names:
            msg = f"{self.query_url} counted {self.name} with {rows.num_rows} rows of {rows.column_names}"
            raise BadResponse(msg, url=self.query_url)
        return int(rows["count"][0].as_py())

    def fetch(self, span: Span) -> Fetched:
        """Return the rows of a span, NULL ids restored.

        Raises:
            BadResponse: when a row lies outside the span, or comes twice.
            Unreadable: when a view that cannot be cut holds more rows than the server gives at once.
            SourceError: as `Transport.json`.
        """
        fetched = self._ask(self._filters(span))
        if self.key is None:
            return self._whole(fetched)
        if fetched.limit is not None and fetched.rows.num_rows >= fetched.limit and not span.is_single:
            return fetched
        if not span.nulls:
            self._check_inside(fetched.rows, span)
        rows = fetched.rows if self.is_merged else self._with_nulls(fetched.rows, span)
        return Fetched(rows, fetched.limit)

    def _filters(self, span: Span) -> dict[str, Any]:
        """Return the filters of a request for a span."""
        own = () if self.key is None else (Condition(self.key, span),)
        return filters_of(self.name, (*own, *self.also))

    def _ask(self, body: dict[str, Any], *, count: bool = False) -> Fetched:
        """Query, meeting the referred table first where a worker has not."""
        try:
            return self._post(self.query_url, body, count=count)
        except ReferenceNotLoaded:
            if self.target_url is None:
                raise
            return self._ask_after_target(body, count=count)

    def _ask_after_target(self, body: dict[str, Any], *, count: bool) -> Fetched:
        """Query again, each time after a query on the referred table: either may meet any worker."""
        for _ in range(11):
            self._post(str(self.target_url), {"limit": 1})
            try:
                return self._post(self.query_url, body, count=count)
            except ReferenceNotLoaded:
                continue
        self._post(str(self.target_url), {"limit": 1})
        return self._post(self.query_url, body, count=count)

    def _post(self, url: str, body: dict[str, Any], *, count: bool = False) -> Fetched:
        """Make one query."""
        params = _QUERY | ({"count": "True"} if count else {})
        text = json.dumps(body).encode()
        return self.transport.ask(
            "POST", url, decode=decode_arrow, params=params, body=text, headers=_HEADERS
        )

    def _whole(self, fetched: Fetched) -> Fetched:
        """Return the rows of what cannot be cut, unless the server cut them all the same."""
        if fetched.limit is not None and (counted := self.count(Span())) > fetched.rows.num_rows:
            msg = (
                f"{self.name} has {counted:,} rows and no whole-number column to cut it by, and the server gives "
                f"{fetched.limit:,} at once, so that it cannot be read completely. Exclude it in crantdb.toml"
            )
            raise Unreadable(msg, url=self.query_url)
        return Fetched(fetched.rows, None)

    def _check_inside(self, rows: pa.Table, span: Span) -> None:
        """Refuse rows outside the span, and an id that comes twice: the server did not do as it was asked."""
        if self.key not in rows.column_names:
            msg = f"{self.name} came without its column {self.key!r} (it has {', '.join(rows.column_names)})"
            raise BadResponse(msg, url=self.query_url)
        found = pc.min_max(rows[self.key]).as_py()
        if found["min"] is not None and not (span.start <= found["min"] and found["max"] < span.end):
            msg = f"{self.name}: asked for {self.key} in {span}, the server gave {found['min']} to {found['max']}"
            raise BadResponse(msg, url=self.query_url)
        twice = rows.num_rows - pc.count_distinct(rows[self.key], mode="all").as_py()
        if twice and self.table.kind == "table":
            msg = (
                f"{self.name}: of the {rows.num_rows:,} rows the server gave for {span}, {twice:,} repeat the id of "
                f"another, so that as many may be missing. Run the command again; what was staged is kept"
            )
            raise BadResponse(msg, url=self.query_url)

    # --- NULL ids of split versions -------------------------------------------------------------------

    def _with_nulls(self, rows: pa.Table, span: Span) -> pa.Table:
        """Return the rows with NULL where the server's 1 stands for 'not looked up'."""
        for column in id_columns(rows.column_names):
            suspects = pc.sum(pc.equal(rows[column], _NOT_LOOKED_UP)).as_py() or 0
            if suspects:
                rows = self._restore(rows, column, span)
        return rows

    def _restore(self, rows: pa.Table, column: str, span: Span) -> pa.Table:
        """Ask which rows of the span are NULL in a column, and make them so."""
        if self.key != "id":
            msg = f"{self.name} has no id to tell its NULLs by"
            raise NotServed(msg, url=self.query_url)
        filters = filters_of(
            self.name, (Condition(self.key, span), *self.also, Condition(column, Span(nulls=True)))
        )
        found = self._ask(filters | {"select_columns": ["id", column]}).rows
        empty = np.isin(rows["id"].to_numpy(), found["id"].to_numpy())
        served_as_one = pc.equal(rows[column], _NOT_LOOKED_UP).combine_chunks().to_numpy(zero_copy_only=False)
        if found.num_rows != empty.sum() or not served_as_one[empty].all():
            msg = (
                f"{self.name}: the server names {found.num_rows:,} rows of {span} whose {column} is NULL, but "
                f"gave {int((empty & served_as_one).sum()):,} of them as {_NOT_LOOKED_UP}"
            )
            raise BadResponse(msg, url=self.query_url)
        values = pc.if_else(pa.array(empty), pa.scalar(None, pa.int64()), rows[column].combine_chunks())
        return rows.set_column(rows.column_names.index(column), rows.schema.field(column), values)


def spans_left(
    rows: CaveRows, expected: int, done: Collection[Span], chunk_rows: int
) -> list[tuple[Span, int | None]]:
    """Return the spans still to fetch, with their rows where known."""
    if rows.key is None:
        if expected > chunk_rows:
            msg = (
                f"{rows.name} has {expected:,} rows and no whole-number column to cut it by, so that it cannot be "
                f"read completely in requests of {chunk_rows:,} rows. Raise chunk_rows in crantdb.toml to the "
                f"server's limit, or exclude it"
            )
            raise Unreadable(msg)
        return [] if done else [(Span(), expected)]
    if Span() in done:
        return []
    if rows.table.kind == "table":
        return [(span, None) for span in gaps(done)] if done else [(Span(), expected)]
    # A view's key may be NULL: counting such rows among those of an open span would leave them out of every
    # part it is cut into. They are a span of their own, and the lowest one is closed at the lowest key.
    left = [Span(span.start, span.high) for span in gaps(done)]
    if Span(nulls=True) not in done:
        left.append(Span(nulls=True))
    return [(span, None) for span in left]
