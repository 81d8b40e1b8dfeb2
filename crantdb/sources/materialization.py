"""What a CAVE server says of its materializations: versions and tables, parsed. No network here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from crantdb.errors import BadResponse, VersionUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class MaterializationVersion:
    """A materialization version as the server describes it.

    Attributes:
        number: the version.
        as_of: the moment it froze, UTC; every root id in it is valid then.
        expires_on: when it expires, UTC, or None.
        status: AVAILABLE, RUNNING, FAILED or EXPIRED.
        valid: whether the server counts it among those to query.
        is_merged: whether annotations and segmentation are one table; a split one serves NULL ids as 1.
    """

    number: int
    as_of: datetime
    expires_on: datetime | None
    status: str
    valid: bool
    is_merged: bool

    @property
    def is_available(self) -> bool:
        """Whether it may be touched: asking for any other makes a server remember 'not found' for good."""
        return self.status == "AVAILABLE" and self.valid


def parse_version(raw: Mapping[str, Any]) -> MaterializationVersion:
    """Parse one version's metadata.

    Raises:
        BadResponse: when a field is missing or is not what it should be.
    """
    try:
        expires = raw["expires_on"]
        return MaterializationVersion(
            number=int(raw["version"]),
            as_of=parse_time(raw["time_stamp"]),
            expires_on=None if expires is None else parse_time(expires),
            status=str(raw["status"]),
            valid=bool(raw["valid"]),
            is_merged=bool(raw["is_merged"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        msg = f"the server describes a materialization version as {raw!r}: {type(error).__name__} {error}"
        raise BadResponse(msg) from error


def parse_time(text: str) -> datetime:
    """Parse a server's time: ISO text without zone, UTC; microseconds may be absent.

    caveclient insists on microseconds and fails on `2126-01-01T00:00:00`; servers do send that.
    """
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def choose_version(
    versions: Sequence[MaterializationVersion], wanted: int | None, *, datastack: str
) -> MaterializationVersion:
    """Return the version to mirror: the one wanted, or the newest that is available.

    Raises:
        VersionUnavailable: when the one wanted is unknown, expired, failed or still running, or when none
            is available. The message lists those that are.
    """
    ready = [version for version in versions if version.is_available]
    known = ", ".join(str(version.number) for version in sorted(ready, key=lambda v: v.number)) or "none"
    if wanted is None:
        if ready:
            return max(ready, key=lambda version: version.number)
        msg = f"{datastack} has no materialization version to mirror now (of {len(versions)} known, none is available)"
        raise VersionUnavailable(msg)
    found = next((version for version in versions if version.number == wanted), None)
    if found is None:
        msg = f"{datastack} has no materialization version {wanted}; available: {known}"
        raise VersionUnavailable(msg)
    if not found.is_available:
        msg = f"materialization version {wanted} of {datastack} {_state(found)}; available: {known}"
        raise VersionUnavailable(msg)
    return found


def _state(version: MaterializationVersion) -> str:
    """Say in words why a version is not to be touched."""
    words = {
        "EXPIRED": f"expired on {version.expires_on:%Y-%m-%d}" if version.expires_on else "has expired",
        "FAILED": "failed to materialize",
        "RUNNING": "is still being made: wait until it is available",
    }
    return words.get(version.status, f"has status {version.status}, valid: {version.valid}")


@dataclass(frozen=True, slots=True)
class RemoteTable:
    """A table or view that a version lists.

    Attributes:
        name: its name.
        kind: ``table`` or ``view``.
        metadata: the server's description of it, as served.
        columns: of a view: its columns with the server's types; empty for a table.
    """

    name: str
    kind: str
    metadata: Mapping[str, Any]
    columns: Mapping[str, str]

    @property
    def reference_table(self) -> str | None:
        """The table its `target_id` points into, or None."""
        found = self.metadata.get("reference_table")
        return str(found) if found else None

    def why_unreadable(self) -> str | None:
        """Return why the server can never answer a query on it, or None.

        A notice that does not fit an HTTP header makes every query on its table fail.
        """
        notice = str(self.metadata.get("notice_text") or "")
        try:
            notice.encode("latin-1")
        except UnicodeEncodeError:
            return (
                "its owner's notice holds characters that the server cannot send in a header, so that every query "
                "on it fails; ask the owner to write the notice in plain letters"
            )
        return None


_KEY_ORDER = ("id", "_root_id", "_supervoxel_id", "")


def view_key(columns: Mapping[str, str]) -> str | None:
    """Return the column a view can be cut by: whole numbers, ids first; None when it has none."""
    whole = [name for name, kind in columns.items() if kind == "integer"]
    for ending in _KEY_ORDER:
        for name in whole:
            if name == ending or (ending != "id" and name.endswith(ending)):
                return name
    return None


def key_of(table: RemoteTable) -> str | None:
    """Return the whole-number column that a table's spans are of: `id`; for a view, one of its own or None."""
    return "id" if table.kind == "table" else view_key(table.columns)


_LIMITED = re.compile(r"Limited query to (\d+) rows")


def warned_limit(warning: str) -> int | None:
    """Return the limit that a `Warning` header says an answer was cut at, or None.

    The header reads ``201 - "Limited query to 10000 rows`` (the quote never closes), alone or among others.
    """
    match = _LIMITED.search(warning)
    return int(match[1]) if match else None


def id_columns(names: Sequence[str]) -> list[str]:
    """Return the columns that hold looked-up ids: NULL where the look-up was not done."""
    return [name for name in names if name.endswith(("_root_id", "_supervoxel_id"))]
