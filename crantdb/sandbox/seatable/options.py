"""How a SeaTable server behaves: one value for each switch, the defaults those of SeaTable Cloud 6.2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Options:
    """The switches of a server.

    Attributes:
        version: 4.3, 4.4, 5.0, 5.2, 5.3, 6.1 or 6.2: which endpoints there are, and how cells come out.
        tz: the server's zone, in which dates are rendered and literals without a zone are read.
        base_rpm: gateway calls a base may have within 60 s; None for any number.
        web_rpm: calls of ``/api/v2.1/`` within 60 s; None for any number.
        auth_rpm: calls of ``/api2/auth-token/`` within 60 s; None for any number.
        monthly_quota: gateway calls of the team a calendar month; None for any number.
        quota_lag: by how many calls the flag "exceeded" comes late.
        sql_default_limit: rows of a SELECT without LIMIT.
        sql_hard_limit: the most rows of a SELECT; what lies beyond is cut off without a word.
        sql_cost_limit: rows scanned times columns selected that a query may cost; None for any.
        list_rows_max: the most rows of a rows call.
        link_cap: the most linked records in a cell.
        query_links_default: records a row in query-links when none are asked for.
        query_links_max: the most records a row in query-links.
        cell_cap: the most cells of a SQL answer (1,000,000 on some installations); None for any.
        append_max: rows of one append.
        update_max: rows of one update.
        delete_max: rows of one delete.
        base_token_ttl: seconds that a base token (JWT) lives.
        temp_token_ttl: seconds that a temporary API token lives.
        empty_results: what a SELECT without hits has for results: ``[]`` or ``null``.
        id_collation: the order of ``_id``: bytewise, or without regard to case.
        keyset_strings: False answers 400 to ``_id`` compared by order, as a server without it would.
        cleared_text: what a cleared text cell holds: null or the empty string.
        gzip: whether answers are gzipped for clients that take it.
        latency: seconds before each answer.
        seed: where the order of keys in a result's objects starts.
    """

    version: str = "6.2"
    tz: str = "Europe/Berlin"
    base_rpm: int | None = 200
    web_rpm: int | None = 1000
    auth_rpm: int | None = 60
    monthly_quota: int | None = None
    quota_lag: int = 0
    sql_default_limit: int = 100
    sql_hard_limit: int = 10_000
    sql_cost_limit: int | None = None
    list_rows_max: int = 1000
    link_cap: int = 50
    query_links_default: int = 10
    query_links_max: int = 100
    cell_cap: int | None = None
    append_max: int = 1000
    update_max: int = 1000
    delete_max: int = 10_000
    base_token_ttl: float = 3 * 86_400
    temp_token_ttl: float = 3_600
    empty_results: Literal["[]", "null"] = "[]"
    id_collation: Literal["bytes", "ci"] = "bytes"
    keyset_strings: bool = True
    cleared_text: Literal["null", ""] = "null"
    gzip: bool = False
    latency: float = 0.0
    seed: int = 0

    @property
    def zone(self) -> ZoneInfo:
        """The server's zone."""
        return ZoneInfo(self.tz)

    def since(self, version: str) -> bool:
        """Return whether the server is of this version or a later one."""
        return _numbers(self.version) >= _numbers(version)


def _numbers(version: str) -> tuple[int, ...]:
    """Return major and minor number."""
    return tuple(int(part) for part in version.split(".")[:2])
