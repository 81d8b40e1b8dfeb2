"""What roots of two kept versions share, by the supervoxels and the ids of synapses: written once, for `ids_at`.

Only roots that one of the two versions has are compared: a root of both is the same object at both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crantdb.sync.making import declare, fill

if TYPE_CHECKING:
    from crantdb.sync.coming import Coming, Opened, Readable

_SIDES = (("pre", "edges", "pre_pt"), ("post", "edges_by_post", "post_pt"))


def overlaps(coming: Coming, there: Opened) -> list[int]:
    """Make `root_overlaps`: what the roots of the coming version share with those of each other kept one.

    Returns:
        The versions it was compared with; none when its synapses were here before.
    """
    declare(there.con, "root_overlaps")
    name = str(coming.info.get("synapse_table"))
    mine = there.table("cave", name)
    if mine is None or not mine.is_new:
        return []
    _distinct_roots(there, name, "roots_now", None)
    compared = []
    for version in sorted(there.kept):
        if there.table("cave", name, version=version) is not None:
            _distinct_roots(there, name, "roots_then", version)
            _compare(coming, there, name, version)
            compared.append(version)
    return compared


def _distinct_roots(there: Opened, synapses: str, target: str, version: int | None) -> None:
    """Make a table of the roots that have synapses in a version: of its edges, which an old one may no longer have."""
    parts = []
    for side, table, point in _SIDES:
        place, column = there.table("derived", table, version=version), f"{side}_root_id"
        if place is None:
            place, column = there.table("cave", synapses, version=version), f"{point}_root_id"
        if place is not None:
            parts.append(f"SELECT {column} AS root_id FROM {place.relation} WHERE {column} > 1")
    there.con.execute(f"CREATE OR REPLACE TABLE main.{target} AS {' UNION '.join(parts)}")


def _compare(coming: Coming, there: Opened, synapses: str, version: int) -> None:
    """Add what the roots of the coming and another version share."""
    _ends(there, synapses, "ends_now", version=None, only="roots_now", but="roots_then")
    _ends(there, synapses, "ends_then", version=version, only="roots_then", but="roots_now")
    older, newer = ("then", "now") if version < coming.version else ("now", "then")
    one, two = min(version, coming.version), max(version, coming.version)
    fill(
        there.con,
        "root_overlaps",
        f"""
        WITH by_id AS (
            SELECT one.root_id AS one_root_id, two.root_id AS two_root_id, count(*) AS synapses
            FROM main.ends_{older} AS one JOIN main.ends_{newer} AS two USING (id, side)
            GROUP BY ALL
        ),
        by_supervoxel AS (
            SELECT one.root_id AS one_root_id, two.root_id AS two_root_id, count(*) AS supervoxels
            FROM (SELECT DISTINCT supervoxel_id, root_id FROM main.ends_{older} WHERE supervoxel_id > 1) AS one
            JOIN (SELECT DISTINCT supervoxel_id, root_id FROM main.ends_{newer} WHERE supervoxel_id > 1) AS two
                USING (supervoxel_id)
            GROUP BY ALL
        )
        SELECT
            {one} AS one_version, one_root_id, {two} AS two_version, two_root_id,
            coalesce(supervoxels, 0) AS supervoxels, coalesce(synapses, 0) AS synapses
        FROM by_id FULL JOIN by_supervoxel USING (one_root_id, two_root_id)
        """,
    )


def _ends(there: Opened, synapses: str, target: str, *, version: int | None, only: str, but: str) -> None:
    """Make a table of the ends of synapses in roots that only one of two versions has: id, side, supervoxel, root."""
    main = there.table("cave", synapses, version=version)
    if main is None:
        return
    changed = f"(SELECT root_id FROM main.{only} EXCEPT SELECT root_id FROM main.{but})"
    parts = [
        f"SELECT id, '{side}' AS side, {point}_supervoxel_id AS supervoxel_id, {point}_root_id AS root_id "
        f"FROM {_sorted_by(there, side, main, version).relation} "
        f"SEMI JOIN {changed} AS changed ON changed.root_id = {point}_root_id"
        for side, _, point in _SIDES
    ]
    there.con.execute(f"CREATE OR REPLACE TABLE main.{target} AS {' UNION ALL '.join(parts)}")


def _sorted_by(there: Opened, side: str, main: Readable, version: int | None) -> Readable:
    """Return the form of the synapses in which the roots of a side stand together."""
    if side == "pre":
        return main
    return there.table("derived", "synapses_by_post", version=version) or main
