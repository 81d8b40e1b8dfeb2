"""Roots at as_of: each supervoxel that annotations and points carry, looked up in the chunkedgraph.

Supervoxels are near-facts, roots follow from them. One moment for all: what the version says, to the µs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from crantdb.sync.making import declare, fill

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from numpy.typing import NDArray

    from crantdb.sources.chunkedgraph import Chunkedgraph
    from crantdb.sync.coming import Coming, Opened, Readable

SAMPLE = 1_000
"""Roots of synapses that are checked at every sync; `verify --online` checks them all."""

ANNOTATION, NUCLEUS, POINT = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a CAVE table that is bound to a supervoxel."""

    table: Readable
    name: str

    @property
    def supervoxel(self) -> str:
        """The column of its supervoxel, quoted."""
        return f'"{self.name}_supervoxel_id"'

    @property
    def root(self) -> str:
        """The column of its root, quoted."""
        return f'"{self.name}_root_id"'


def is_synapses(table: Readable) -> bool:
    """Tell whether a table's rows lead from one root to another."""
    return {"pre_pt_supervoxel_id", "post_pt_supervoxel_id"} <= set(table.columns)


def bound_points(there: Opened) -> list[Point]:
    """Return the points of CAVE tables that are no synapses."""
    tables = [table for table in there.tables if table.schema == "cave" and not is_synapses(table)]
    return [
        Point(table, column.removesuffix("_supervoxel_id"))
        for table in tables
        for column in table.columns
        if column.endswith("_supervoxel_id")
        and f"{column.removesuffix('_supervoxel_id')}_root_id" in table.columns
    ]


def carried_supervoxels(coming: Coming, there: Opened) -> None:
    """Make `carried (supervoxel_id, rank)`: those of CAVE's points, and those that stood for roots before."""
    there.con.execute("CREATE OR REPLACE TABLE main.carried (supervoxel_id BIGINT, rank BIGINT)")
    soma = coming.info.get("soma_table")
    for point in bound_points(there):
        rank = NUCLEUS if point.table.name == soma else POINT
        there.con.execute(
            f"INSERT INTO main.carried SELECT DISTINCT {point.supervoxel}, {rank} FROM {point.table.relation} "
            f"WHERE {point.supervoxel} > 1"
        )
    anchors = there.table("history", "root_anchors")
    if anchors is not None:
        there.con.execute(
            f"INSERT INTO main.carried SELECT supervoxel_id, min(rank) FROM {anchors.relation} GROUP BY ALL"
        )


def resolve(coming: Coming, there: Opened, graph: Chunkedgraph | None) -> int:
    """Make `root_ids`: the root at as_of of every supervoxel in `carried`.

    Those that the parent resolved for this very version are taken over. Without a chunkedgraph, what CAVE's
    own tables say is all there is.

    Returns:
        How many the chunkedgraph was asked for.

    Raises:
        SourceError: when the chunkedgraph does not answer.
        ValidationError: when a supervoxel would have two roots.
    """
    declare(there.con, "root_ids")
    before = there.table("derived", "root_ids")
    if before is not None and not before.is_new:
        fill(there.con, "root_ids", f"SELECT * FROM {before.relation}")
    asked = "SELECT DISTINCT supervoxel_id FROM main.carried ANTI JOIN main.root_ids USING (supervoxel_id) ORDER BY ALL"
    if graph is None:
        believe_cave(there)
        return 0
    wanted = column(there, asked)
    put(there, "resolved", supervoxel_id=wanted, root_id=_standing(graph, wanted, coming.as_of))
    fill(there.con, "root_ids", "SELECT * FROM resolved")
    return len(wanted)


def _standing(graph: Chunkedgraph, typed: NDArray[np.int64], as_of: datetime) -> NDArray[np.int64]:
    """Return the root at as_of of each id in a supervoxel's place; 0 for what is none.

    The chunkedgraph gives a root itself, of whatever age, and an L2 id that was replaced the root it was replaced in.
    """
    roots = graph.roots_of(typed, as_of)
    roots[roots == typed] = 0
    distinct = np.unique(roots[roots > 0])
    stale = distinct[~graph.is_latest(distinct, as_of)]
    roots[np.isin(roots, stale)] = 0
    return roots


def believe_cave(there: Opened) -> None:
    """Take the roots of supervoxels in `carried` that CAVE's own tables give, points first, then synapses."""
    for point in bound_points(there):
        _believe(there, point.table, point.supervoxel, point.root)
    for table in there.tables:
        if table.schema == "cave" and is_synapses(table):
            for side in ("pre_pt", "post_pt"):
                _believe(there, table, f'"{side}_supervoxel_id"', f'"{side}_root_id"')


def _believe(there: Opened, table: Readable, supervoxel: str, root: str) -> None:
    """Take the roots of wanted supervoxels from a table, where they are not known yet."""
    fill(
        there.con,
        "root_ids",
        f"SELECT {supervoxel} AS supervoxel_id, max({root}) AS root_id FROM {table.relation} "
        f"SEMI JOIN main.carried AS wanted ON wanted.supervoxel_id = {supervoxel} "
        f"ANTI JOIN main.root_ids AS known ON known.supervoxel_id = {supervoxel} WHERE {root} > 1 GROUP BY {supervoxel}",
    )


def check_cave(
    coming: Coming, there: Opened, graph: Chunkedgraph | None, *, everything: bool = False
) -> dict[str, int]:
    """Count the roots in CAVE's own columns that were no roots at as_of, by column.

    What was counted when a table came is taken over for as long as the table is.

    Args:
        coming: what the snapshot will be.
        there: its tables.
        graph: the chunkedgraph; without one there is nothing to check by.
        everything: check all roots of synapses, not a sample.

    Raises:
        SourceError: when the chunkedgraph does not answer.
    """
    if graph is None:
        return {}
    before = {} if everything else _counted_before(coming)
    counted: dict[str, int] = {}
    for name, table, query in _checks(there, everything=everything):
        fresh = everything or table.is_new
        counted[name] = _stale(there, graph, query, coming.as_of) if fresh else before.get(name, 0)
    return counted


def _checks(there: Opened, *, everything: bool) -> Iterator[tuple[str, Readable, str]]:
    """Give what is checked of CAVE's roots: what a stale one is called, its table, and the query of the roots."""
    for point in bound_points(there):
        query = f"SELECT DISTINCT {point.root} FROM {point.table.relation} WHERE {point.root} > 1"
        yield f"{point.table.name}.{point.name}_root_id is no root at as_of", point.table, query
    edges = there.table("derived", "edges")
    if edges is None:
        return
    for side, name in (("pre", "edges"), ("post", "edges_by_post")):
        table = there.table("derived", name) or edges
        query = f"SELECT DISTINCT {side}_root_id AS root FROM {table.relation} WHERE {side}_root_id > 1"
        sampled = query if everything else f"FROM ({query}) ORDER BY hash(root), root LIMIT {SAMPLE}"
        said = "" if everything else f", of a sample of {SAMPLE:,}"
        yield f"synapses' {side}_root_id is no root at as_of{said}", table, sampled


def _counted_before(coming: Coming) -> Mapping[str, int]:
    """Return what the parent's manifest counts of this version."""
    return next((table.exceptions for table in coming.carried if table.key == "derived.root_ids"), {})


def _stale(there: Opened, graph: Chunkedgraph, query: str, as_of: datetime) -> int:
    """Count the roots of a query that were not current."""
    return int((~graph.is_latest(column(there, query), as_of)).sum())


def cells(coming: Coming, there: Opened, backup: str | None) -> None:
    """Make `cell_ids`: the nuclei of the soma table, and of a backup table, with their roots at as_of."""
    declare(there.con, "cell_ids")
    for rank, name in ((1, coming.info.get("soma_table")), (2, backup)):
        table = there.table("cave", None if name is None else str(name))
        point = None if table is None else next((p for p in bound_points(there) if p.table is table), None)
        if table is None or point is None:
            continue
        # A table that refers to nuclei tells of the nucleus, not of its own row.
        cell = "target_id" if "target_id" in table.columns else "id"
        fill(
            there.con,
            "cell_ids",
            f"SELECT {cell} AS cell_id, {point.supervoxel} AS supervoxel_id, coalesce(known.root_id, {point.root}) AS root_id, "
            f"{rank} AS rank, '{str(name).replace(chr(39), chr(39) * 2)}' AS source FROM {table.relation} "
            f"LEFT JOIN main.root_ids AS known ON known.supervoxel_id = {point.supervoxel}",
        )


# --- between DuckDB and arrays ----------------------------------------------------------------------


def column(there: Opened, query: str) -> NDArray[np.int64]:
    """Return the only column of a query, ids without NULL, as int64."""
    found = there.con.sql(query).to_arrow_table().column(0).drop_null()
    values: NDArray[np.int64] = found.to_numpy().astype(np.int64, copy=False)
    return values


def put(there: Opened, table: str, **columns: object) -> None:
    """Make a table of `main` from arrays; a column of texts or lists is made from a list."""
    arrays = {name: pa.array(values) for name, values in columns.items()}
    there.con.register("given", pa.table(arrays))
    there.con.execute(f"CREATE OR REPLACE TABLE main.{table} AS FROM given")
    there.con.unregister("given")
