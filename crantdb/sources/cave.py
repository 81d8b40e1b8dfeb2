"""A CAVE datastack: discovery, versions, tables, rows. caveclient brings auth and the session.

Endpoints and their quirks: see docs/cave.md. Nothing is ever written to a server.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from packaging.version import InvalidVersion, Version

from crantdb.errors import (
    BadResponse,
    IncompleteError,
    NotServed,
    ServiceUnavailable,
    TooOld,
    TransientError,
    Unreadable,
    VersionUnavailable,
)
from crantdb.sources.cave_rows import CaveRows, spans_left
from crantdb.sources.extract import Extract
from crantdb.sources.harvest import Harvest
from crantdb.sources.materialization import (
    MaterializationVersion,
    RemoteTable,
    choose_version,
    key_of,
    parse_version,
)
from crantdb.sources.ranges import Span
from crantdb.sources.transport import RetryRule, Transport

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    from crantdb.sources.extract import Batch

OLDEST_SERVER = Version("5.13.0")
"""Older materialization engines do not have the Arrow path that keeps types."""

BY_ID = "full (counts + unique ids)"
"""The version's metadata, a counting query and the sum of counted spans agree with the rows, and no id comes twice."""

BY_COUNT = "full (counts)"
"""A counting query and the sum of counted spans agree with the rows; a view has no id to be unique."""


@dataclass(frozen=True, slots=True)
class CaveOptions:
    """How to ask.

    Attributes:
        parallel: requests at a time.
        chunk_rows: rows to ask for at once.
        timeout_s: seconds without a byte before a try is given up.
        rule: how often a transient failure is tried again.
    """

    parallel: int = 2
    chunk_rows: int = 100_000
    timeout_s: float = 120.0
    rule: RetryRule = field(default_factory=RetryRule)


class Cave:
    """One datastack of one CAVE server. Made by `open_cave`.

    Attributes:
        datastack: its name.
        server: the global server's address.
        info: the datastack's info as served.
        transport: asks; set `transport.stop` to interrupt.
    """

    def __init__(
        self, datastack: str, server: str, info: dict[str, Any], transport: Transport, options: CaveOptions
    ) -> None:
        self.datastack = datastack
        self.server = server
        self.info = info
        self.transport = transport
        self._options = options

    # --- addresses ------------------------------------------------------------------------------------

    @property
    def local_server(self) -> str:
        """The address of the server that holds the data."""
        return str(self.info.get("local_server") or self.server).rstrip("/")

    def _engine(self, api: int, *parts: object) -> str:
        """Return an address of the materialization engine for this datastack."""
        path = "/".join(quote(str(part), safe="") for part in (self.datastack, *parts))
        return f"{self.local_server}/materialize/api/v{api}/datastack/{path}"

    def _query_url(self, version: MaterializationVersion, table: RemoteTable) -> str:
        """Return the address of a table's or a view's queries."""
        room = "views" if table.kind == "view" else "table"
        return self._engine(3, "version", version.number, room, table.name, "query")

    # --- discovery ------------------------------------------------------------------------------------

    def engine_version(self) -> str:
        """Return the materialization engine's version.

        Raises:
            TooOld: when it is older than the contract this client knows.
            SourceError: as `Transport.json`.
        """
        url = f"{self.local_server}/materialize/version"
        try:
            text = str(self.transport.json(url))
        except NotServed:
            text = "0 (it does not say)"
        try:
            found = Version(text)
        except InvalidVersion:
            found = Version("0")
        if found < OLDEST_SERVER:
            msg = (
                f"the materialization engine of {self.local_server} is version {text}; crantdb needs {OLDEST_SERVER} "
                f"or newer, which serves Arrow with exact ids. Ask the server's keeper to upgrade it"
            )
            raise TooOld(msg, url=url)
        return text

    def versions(self) -> list[MaterializationVersion]:
        """Return every version the server knows of, expired and failed ones too.

        Raises:
            SourceError: as `Transport.json`; a `BadResponse` when the list is not one.
        """
        url = self._engine(3, "metadata")
        try:
            raw = self.transport.json(url, {"expired": "True"})
        except NotServed as error:
            if "No valid versions" in str(error):
                return []
            raise
        if not isinstance(raw, list):
            msg = f"{url} lists versions as {type(raw).__name__}"
            raise BadResponse(msg, url=url)
        return [parse_version(item) for item in raw]

    def choose_version(self, wanted: int | None) -> MaterializationVersion:
        """Return the version to mirror (see `materialization.choose_version`)."""
        return choose_version(self.versions(), wanted, datastack=self.datastack)

    def check_version(self, version: MaterializationVersion) -> None:
        """Check that a version is still what it was when it was chosen.

        Raises:
            VersionUnavailable: when it has expired, failed or was made anew meanwhile.
            SourceError: as `Transport.json`.
        """
        now = self.choose_version(version.number)
        if now.as_of != version.as_of:
            msg = (
                f"version {version.number} of {self.datastack} was made anew meanwhile: it was of "
                f"{version.as_of.isoformat()}, it is of {now.as_of.isoformat()}"
            )
            raise VersionUnavailable(msg)

    def tables(self, version: MaterializationVersion) -> list[RemoteTable]:
        """Return the tables and views a version lists, by name, with their metadata.

        Raises:
            SourceError: as `Transport.json`.
        """
        names = self._json_or(self._engine(2, "version", version.number, "tables"), [])
        described = self._json_or(self._engine(3, "version", version.number, "tables", "metadata"), [])
        metadata = {str(item["table_name"]): item for item in described if "table_name" in item}
        tables = [RemoteTable(name, "table", metadata.get(name, {}), {}) for name in names]
        return sorted(tables + self._views(version), key=lambda table: (table.kind, table.name))

    def _views(self, version: MaterializationVersion) -> list[RemoteTable]:
        """Return the views of a version."""
        views = self._json_or(self._engine(3, "version", version.number, "views"), {})
        if not views:
            return []
        schemas = self._json_or(self._engine(3, "version", version.number, "views", "schemas"), {})
        return [
            RemoteTable(name, "view", meta, _kinds(schemas.get(name, {}))) for name, meta in views.items()
        ]

    def _json_or(self, url: str, empty: Any) -> Any:  # noqa: ANN401 - JSON is anything
        """Return the JSON behind an address; `empty` where the server says 404 or null for 'none'."""
        try:
            found = self.transport.json(url)
        except NotServed as error:
            if error.status == 404:
                return empty
            raise
        if found is not None and not isinstance(found, type(empty)):
            msg = f"{url} answered with {type(found).__name__} where {type(empty).__name__} was due"
            raise BadResponse(msg, url=url)
        return empty if found is None else found

    def chunkedgraph_name(self) -> str:
        """Return the name of the datastack's chunkedgraph.

        Raises:
            NotServed: when the datastack names none.
        """
        source = str(self.info.get("segmentation_source") or "")
        if not source.startswith("graphene://"):
            msg = f"{self.datastack} has no chunkedgraph (its segmentation source is {source or 'not given'})"
            raise NotServed(msg)
        return source.rstrip("/").rsplit("/", 1)[-1]

    def chunkedgraph_info(self) -> dict[str, Any]:
        """Return the info of the datastack's chunkedgraph: bit layout, chunk size, resolution.

        Raises:
            NotServed: when the datastack names no chunkedgraph.
            SourceError: as `Transport.json`.
        """
        table = self.chunkedgraph_name()
        found = self.transport.json(f"{self.local_server}/segmentation/table/{quote(table, safe='')}/info")
        if not isinstance(found, dict):
            msg = f"the chunkedgraph {table} describes itself as {type(found).__name__}"
            raise BadResponse(msg)
        return found

    def server_clock(self) -> datetime | None:
        """Return the time the server wrote on its last answer, UTC, or None when it wrote none."""
        try:
            return parsedate_to_datetime(self.transport.last_date)
        except (TypeError, ValueError):
            return None

    # --- rows -----------------------------------------------------------------------------------------

    def rows_of(self, version: MaterializationVersion, table: RemoteTable) -> CaveRows:
        """Return what counts and fetches a table's rows."""
        target = table.reference_table
        referred = None if target is None else self._query_url(version, RemoteTable(target, "table", {}, {}))
        key = key_of(table)
        return CaveRows(
            self.transport, self._query_url(version, table), referred, table, key, version.is_merged
        )

    @property
    def options(self) -> CaveOptions:
        """How it asks."""
        return self._options

    def expected_rows(self, version: MaterializationVersion, table: RemoteTable) -> int:
        """Return how many rows a table has: by the version's metadata for a table, by a count for a view.

        Raises:
            Unreadable: when no query on it can be answered.
            SourceError: as `Transport.json`.
        """
        reason = table.why_unreadable()
        if reason is not None:
            raise Unreadable(reason)
        if table.kind == "view":
            return self.rows_of(version, table).count(Span())
        url = self._engine(2, "version", version.number, "table", table.name, "count")
        found = self.transport.json(url)
        if isinstance(found, bool) or not isinstance(found, int):
            msg = f"{url} counts {found!r} rows"
            raise BadResponse(msg, url=url)
        return found

    def extract(
        self, version: MaterializationVersion, table: RemoteTable, done: Collection[Span] = ()
    ) -> Extract:
        """Return a table on its way.

        Args:
            version: an available one.
            table: one of its tables or views.
            done: the spans that were fetched before; they are not asked for again.

        Raises:
            IncompleteError: when the server's own counts disagree.
            Unreadable: when the table cannot be read: private, or broken on the server.
            SourceError: as `Transport.json`.
        """
        with self.naming_expiry(version):
            expected = self._agreed_rows(version, table)
        rows = self.rows_of(version, table)
        spans = spans_left(rows, expected, done, self._options.chunk_rows)
        batches = Harvest(
            rows,
            spans,
            chunk_rows=self._options.chunk_rows,
            parallel=self._options.parallel,
            stop=self.transport.stop,
        ).batches()
        return Extract(self._named(batches, version), expected, BY_ID if table.kind == "table" else BY_COUNT)

    def _agreed_rows(self, version: MaterializationVersion, table: RemoteTable) -> int:
        """Return how many rows a table has; of a table, its metadata and a counting query must agree."""
        expected = self.expected_rows(version, table)
        if table.kind == "table":
            counted = self.rows_of(version, table).count(Span())
            if counted != expected:
                msg = (
                    f"{table.name}: version {version.number} says it has {expected:,} rows, but the server counts "
                    f"{counted:,}. The table is broken on the server; leave it out with exclude in crantdb.toml, "
                    f"or ask the server's keeper"
                )
                raise IncompleteError(msg, expected=expected, got=counted)
        return expected

    def _named(self, batches: Iterator[Batch], version: MaterializationVersion) -> Iterator[Batch]:
        """Pass batches on; when the server stops serving the table, say whether its version expired."""
        with self.naming_expiry(version):
            yield from batches

    @contextlib.contextmanager
    def naming_expiry(self, version: MaterializationVersion) -> Iterator[None]:
        """Raise a failure inside the block as the expiry of the version, where that is what it comes from."""
        try:
            yield
        except (NotServed, BadResponse, ServiceUnavailable, IncompleteError):
            # A server that cannot be asked even this is down: the failure itself says more.
            with contextlib.suppress(TransientError):
                self.check_version(version)
            raise


def _kinds(schema: dict[str, Any]) -> dict[str, str]:
    """Return a view's columns with the server's types."""
    return {name: str(kind.get("type")) for name, kind in schema.items() if isinstance(kind, dict)}
