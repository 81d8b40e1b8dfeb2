"""At which kept version, and at which time, roots were all current: out of the versions held and the history."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from crantdb.analysis.given_ids import id_list
from crantdb.errors import NoMatches, NotAnId
from crantdb.ids import parse_root_id

if TYPE_CHECKING:
    import duckdb


def version_for(con: duckdb.DuckDBPyConnection, of_roots: object) -> int:
    """Return the newest version at which all of some roots were current.

    Args:
        con: a connection of `crantdb.connect`; the versions it holds are considered: `versions=…` adds more.
        of_roots: root ids.

    Raises:
        NoMatches: when there is none; the message says how many were current at each. `versions_for` gives one for each root.
        NotAnId: when one of them is no id.
    """
    table = versions_for(con, of_roots)
    held = held_versions(con)
    counts = {}
    for version, _ in held:
        counts[version] = table.filter(pl.col("versions").list.contains(version)).height
        if counts[version] == table.height:
            return version
    said = ", ".join(f"{count:,} at version {version}" for version, count in counts.items())
    msg = (
        f"of {table.height:,} roots, {said or 'none'} were current: no version has them all. Bring them to one with "
        f"ids_at, or connect with versions=[…] to have more versions considered"
    )
    raise NoMatches(msg)


def versions_for(con: duckdb.DuckDBPyConnection, of_roots: object) -> pl.DataFrame:
    """Return for each root the versions at which it was current.

    Args:
        con: as `version_for`.
        of_roots: root ids.

    Returns:
        One row a distinct root, in the order given: ``root_id``, ``version`` (the newest, NULL for none),
        ``versions`` (all of them, the newest first).

    Raises:
        NotAnId: when one of them is no id.
    """
    roots = _roots(of_roots)
    found: dict[int, list[int]] = {root: [] for root in roots}
    for version, schema in held_versions(con):
        rows = con.execute(f'SELECT root_id FROM "{schema}".standing_roots(?::BIGINT[])', [roots]).fetchall()
        for (root,) in rows:
            found[root].append(version)
    return pl.DataFrame(
        {
            "root_id": roots,
            "version": [found[root][0] if found[root] else None for root in roots],
            "versions": [found[root] for root in roots],
        },
        schema={"root_id": pl.Int64, "version": pl.Int64, "versions": pl.List(pl.Int64)},
    )


def find_common_time(con: duckdb.DuckDBPyConnection, of_roots: object) -> datetime:
    """Return a time, UTC, at which all of some roots were current: the middle of the time they have in common.

    Births and ends are those of `root_history`; a root without an end is current up to where the history reaches,
    one without a birth from the first moment at which the warehouse saw it.

    Raises:
        NoMatches: when they were never all current, or the warehouse never saw one of them; the message names it.
        NotAnId: when one of them is no id.
    """
    rows = con.execute(_LIVES, [_roots(of_roots)]).fetchall()
    strange = [root for root, since, until in rows if since is None or until is None]
    if strange:
        msg = f"nothing is known of the life of {len(strange)} root(s), e.g. {strange[0]}"
        raise NoMatches(msg)
    if not rows:
        msg = "no root was given"
        raise NoMatches(msg)
    last, first = max(rows, key=lambda row: row[1]), min(rows, key=lambda row: row[2])
    if last[1] >= first[2]:
        msg = (
            f"there is no time at which all {len(rows)} roots were current: {last[0]} was born on "
            f"{last[1].isoformat()}Z, when {first[0]} had ended on {first[2].isoformat()}Z"
        )
        raise NoMatches(msg)
    middle: datetime = last[1] + (first[2] - last[1]) / 2
    return middle.replace(tzinfo=UTC)


_LIVES = """
WITH wanted AS (SELECT DISTINCT unnest(?::BIGINT[]) AS root_id),
reach AS (SELECT greatest(max(happened_at), (SELECT max(as_of) FROM snapshot)) AS until FROM root_history WHERE event = 'covered'),
seen AS (
    SELECT root_id, min(seen_at) AS first_seen FROM (
        SELECT root_id, seen_at FROM root_anchors
        UNION ALL
        SELECT found.root_id, here.as_of FROM standing_roots((SELECT list(root_id) FROM wanted)) AS found JOIN snapshot AS here ON true
    ) GROUP BY ALL
)
SELECT
    wanted.root_id,
    coalesce(lives.born_at, seen.first_seen) AS since,
    CASE WHEN lives.retired_at IS NOT NULL THEN lives.retired_at WHEN lives.born_at IS NOT NULL OR seen.first_seen IS NOT NULL THEN coalesce(reach.until, seen.first_seen) END AS until
FROM wanted
LEFT JOIN root_lives AS lives ON lives.root_id = wanted.root_id
LEFT JOIN seen ON seen.root_id = wanted.root_id
LEFT JOIN reach ON true
ORDER BY wanted.root_id
"""


def held_versions(con: duckdb.DuckDBPyConnection) -> list[tuple[int, str]]:
    """Return the versions that a connection holds, each with its schema, by their moments, the newest first."""
    schemas = con.execute(
        "SELECT schema_name FROM duckdb_schemas() WHERE regexp_full_match(schema_name, 'v[0-9]+') OR schema_name = 'main' "
        "ORDER BY schema_name <> 'main', schema_name"
    ).fetchall()
    found: dict[int, tuple[datetime, str]] = {}
    for (schema,) in dict.fromkeys(schemas):
        for version, as_of in con.execute(f'SELECT version, as_of FROM "{schema}".snapshot').fetchall():
            if version is not None:
                found.setdefault(version, (as_of, schema))
    newest_first = sorted(found.items(), key=lambda item: item[1][0], reverse=True)
    return [(version, schema) for version, (_, schema) in newest_first]


def _roots(of_roots: object) -> list[int]:
    """Return roots as distinct integers, in the order given.

    Raises:
        NotAnId: when one of them is no id.
    """
    listed = id_list(of_roots)
    if any(one is None for one in listed):
        msg = "a missing id stands among the roots: leave it out"
        raise NotAnId(msg)
    return list(dict.fromkeys(int(parse_root_id(one)) for one in listed))
