"""Supervoxels of annotations that have only a position: of a point or synapse at that very place, else of its voxel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crantdb.sources.segmentation import GRAPHENE
from crantdb.sync.in_segmentation import Unfound, declare_answers, look_in_segmentation
from crantdb.sync.making import fill
from crantdb.sync.roots import ANNOTATION, believe_cave, bound_points, column, is_synapses, put

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crantdb.sources.chunkedgraph import Chunkedgraph
    from crantdb.sync.coming import Coming, Opened, Readable
    from crantdb.sync.in_segmentation import Opener


def found_at_positions(
    coming: Coming, there: Opened, graph: Chunkedgraph | None, opener: Opener | None
) -> Unfound:
    """Make `found_at (_id, supervoxel_id, source)` of the rows in `typed` without a supervoxel that is in a root.

    Looked for among the points of CAVE's tables, then among both ends of synapses, then in the segmentation. Roots
    of what is found are put into `root_ids`. A row whose position nothing is found at stays unresolved; `unfound`
    says why.

    Args:
        coming: what the commit is to hold.
        there: its tables.
        graph: the chunkedgraph; None for a datastack without one.
        opener: opens the segmentation; None when it is not to be asked.

    Returns:
        How many stay unresolved, and why.

    Raises:
        SourceError: when the chunkedgraph does not answer; the segmentation's failures are no errors.
        Interrupted: when asked to stop.
    """
    there.con.execute("CREATE TABLE main.found_at (_id VARCHAR, supervoxel_id BIGINT, source VARCHAR)")
    declare_answers(there)
    if not there.rows("SELECT 1 FROM duckdb_tables() WHERE table_name = 'typed' AND schema_name = 'main'"):
        return Unfound({})
    there.con.execute(
        "CREATE TABLE main.unplaced AS SELECT _id, position_x_nm, position_y_nm, position_z_nm FROM main.typed "
        "WHERE position_x_nm IS NOT NULL AND NOT EXISTS (FROM main.root_ids AS known "
        "WHERE known.supervoxel_id = typed.supervoxel_id AND known.root_id > 1)"
    )
    for table, name, sizes in _places(there):
        if not there.rows(_LEFT):
            break
        nm = [
            f'unplaced.position_{axis}_nm = place."{name}_position_{axis}" * {size}'
            for axis, size in zip("xyz", sizes, strict=True)
        ]
        supervoxel = f'"{name}_supervoxel_id"'
        there.con.execute(
            f"INSERT INTO main.found_at SELECT unplaced._id, min(place.{supervoxel}), 'position' "
            f"FROM {table.relation} AS place JOIN main.unplaced AS unplaced ON {' AND '.join(nm)} "
            f"WHERE place.{supervoxel} > 1 "
            f"AND unplaced._id NOT IN (SELECT _id FROM main.found_at) GROUP BY unplaced._id"
        )
    unfound = look_in_segmentation(coming, there, opener)
    _resolve_found(coming, there, graph)
    return unfound


_LEFT = "SELECT 1 FROM main.unplaced ANTI JOIN main.found_at USING (_id) LIMIT 1"


def _places(there: Opened) -> Iterator[tuple[Readable, str, tuple[float, float, float]]]:
    """Give each point of CAVE's tables with the size of its voxels in nm: those of annotations, then of synapses."""
    points = [(point.table, point.name) for point in bound_points(there)]
    for table in there.tables:
        if table.schema == "cave" and is_synapses(table):
            points += [(table, side) for side in ("pre_pt", "post_pt")]
    for table, name in points:
        sizes = [table.source.get(f"voxel_resolution_{axis}") for axis in "xyz"]
        if f"{name}_position_x" in table.columns and None not in sizes:
            x, y, z = (float(str(size)) for size in sizes)
            yield table, name, (x, y, z)


def _resolve_found(coming: Coming, there: Opened, graph: Chunkedgraph | None) -> None:
    """Put the roots at as_of of supervoxels that were found into `root_ids`."""
    there.con.execute(
        f"INSERT INTO main.carried SELECT DISTINCT supervoxel_id, {ANNOTATION} FROM main.found_at"
    )
    if graph is None:
        _resolve_without(coming, there)
        return
    wanted = column(
        there,
        "SELECT DISTINCT supervoxel_id FROM main.found_at ANTI JOIN main.root_ids USING (supervoxel_id) ORDER BY ALL",
    )
    put(there, "resolved", supervoxel_id=wanted, root_id=graph.roots_of(wanted, coming.as_of))
    fill(there.con, "root_ids", "SELECT * FROM resolved")


def _resolve_without(coming: Coming, there: Opened) -> None:
    """Put what is found into `root_ids` where no chunkedgraph is asked: by CAVE's tables.

    In a flat segmentation each object is its own root, for ever.
    """
    if not there.rows("SELECT 1 FROM main.found_at LIMIT 1"):
        return
    believe_cave(there)
    if not str(coming.info.get("segmentation_source") or GRAPHENE).startswith(GRAPHENE):
        fill(
            there.con,
            "root_ids",
            "SELECT DISTINCT supervoxel_id, supervoxel_id AS root_id FROM main.found_at "
            "ANTI JOIN main.root_ids USING (supervoxel_id) WHERE source = 'segmentation'",
        )
