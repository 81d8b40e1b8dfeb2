"""The verbs of crantpy, fafbseg and CAVEclient for ids, by their names, over a snapshot.

Theirs mean now. Ours mean the moment of a materialization version: `materialization` names it, and results that
are frames have it in `version` and `as_of`.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from crantdb.analysis.answers import Materialization, Output, framed, schema_of
from crantdb.analysis.given_ids import id_list
from crantdb.analysis.idmap import ids_at, ids_at_all
from crantdb.errors import BadArgument, NoMatches
from crantdb.ids import id_or_none, parse_root_id

if TYPE_CHECKING:
    import duckdb
    import networkx as nx
    import pandas as pd
    from numpy.typing import NDArray

    from crantdb.analysis.idmap import Online


def update_ids(
    con: duckdb.DuckDBPyConnection,
    x: object,
    supervoxels: object = None,
    *,
    materialization: Materialization = "latest",
    online: Online | None = None,
    output: Output = "polars",
) -> pl.DataFrame | pd.DataFrame:
    """Return the current ids of neurons: crantpy's `update_ids`, at a stated moment.

    Args:
        con: a connection of `crantdb.connect`.
        x: root ids, or a frame (polars or pandas) with a column ``root_id`` and perhaps ``supervoxel_id``.
        supervoxels: a supervoxel of each id, which then decides where the id is not current; NULL or 0 for none.
        materialization: as `ids_at`.
        online: as `ids_at`.
        output: ``polars`` or ``pandas``.

    Returns:
        One row an input, in input order: ``old_id``, ``new_id`` (NULL, not the old id, when nothing decides),
        ``confidence``, ``changed``, then ``method``, ``kind``, ``version``, ``as_of``.

    Raises:
        BadArgument: when there are not as many supervoxels as ids, or a frame has no column ``root_id``.
        NotAnId, NoSuchSnapshot: as `ids_at`.
    """
    if hasattr(x, "columns"):
        x, supervoxels = _columns(x, supervoxels)
    ids = id_list(x)
    rows = ids_at(con, ids, materialization=materialization, online=online)
    assert isinstance(rows, pl.DataFrame)  # noqa: S101 - asked for as polars
    if supervoxels is not None:
        rows = _by_supervoxels(con, rows, id_list(supervoxels), materialization)
    first = ["old_id", "new_id", "confidence", "changed", "method", "kind"]
    return framed(rows.select(*first, "version", "as_of"), output)


def _columns(frame: object, supervoxels: object) -> tuple[object, object]:
    """Return the ids of a frame, and its supervoxels unless others are given."""
    names = list(frame.columns)  # type: ignore[attr-defined]
    if "root_id" not in names:
        msg = f"the frame has no column root_id (it has {', '.join(map(str, names[:8]))}): pass the ids themselves"
        raise BadArgument(msg)
    if supervoxels is None and "supervoxel_id" in names:
        supervoxels = frame["supervoxel_id"]  # type: ignore[index]
    return frame["root_id"], supervoxels  # type: ignore[index]


def _by_supervoxels(
    con: duckdb.DuckDBPyConnection,
    rows: pl.DataFrame,
    supervoxels: list[int] | list[int | None] | list[str | None],
    materialization: Materialization,
) -> pl.DataFrame:
    """Return a mapping in which given supervoxels decide, where an id is not current and its supervoxel is known."""
    if len(supervoxels) != rows.height:
        msg = f"{rows.height:,} ids came with {len(supervoxels):,} supervoxels: give one for each id, or none at all"
        raise BadArgument(msg)
    told = ids_at(con, supervoxels, materialization=materialization)
    assert isinstance(told, pl.DataFrame)  # noqa: S101 - asked for as polars
    decides = (told.get_column("method") == "supervoxel") & (rows.get_column("kind") != "unchanged")
    return rows.with_columns(
        decides.fill_null(value=False).alias("decides"), told.get_column("new_id").alias("told")
    ).select(
        "old_id",
        new_id=pl.when("decides").then("told").otherwise("new_id"),
        method=pl.when("decides").then(pl.lit("given supervoxel")).otherwise("method"),
        confidence=pl.when("decides").then(1.0).otherwise("confidence"),
        changed=pl.when("decides").then(True).otherwise("changed"),
        kind=pl.when(pl.col("decides") & pl.col("kind").is_in(["unknown", "retired"]))
        .then(pl.lit("edited"))
        .otherwise("kind"),
        version="version",
        as_of="as_of",
    )


def is_latest_roots(
    con: duckdb.DuckDBPyConnection, x: object, *, materialization: Materialization = "latest"
) -> NDArray[np.bool_]:
    """Return whether each id was a current root at a version's moment, as far as the warehouse knows; shape (n,).

    0 and what is no id are not.

    Raises:
        NotAnId, NoSuchSnapshot, BadArgument: as `ids_at`.
    """
    rows = ids_at(con, x, materialization=materialization)
    assert isinstance(rows, pl.DataFrame)  # noqa: S101 - asked for as polars
    return (rows.get_column("method") == "identity").fill_null(value=False).to_numpy()


def get_latest_roots(
    con: duckdb.DuckDBPyConnection, root_id: object, *, materialization: Materialization = "latest"
) -> NDArray[np.int64]:
    """Return every root at a version's moment that holds a part of one root, ascending, shape (n,).

    By lineage where the history reaches, else by all that the warehouse knows; none when that is nothing.

    Raises:
        NotAnId, NoSuchSnapshot, BadArgument: as `ids_at`.
    """
    parts = _parts(con, root_id, materialization)
    lineage = parts.filter(pl.col("method") == "lineage")
    chosen = lineage if lineage.height else parts
    return np.unique(chosen.get_column("new_id").to_numpy()).astype(np.int64)


def suggest_latest_roots(
    con: duckdb.DuckDBPyConnection,
    root_id: object,
    *,
    return_all: bool = False,
    return_fraction_overlap: bool = False,
    materialization: Materialization = "latest",
) -> int | NDArray[np.int64] | tuple[int, float] | tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the root at a version's moment that has most of another root, as CAVEclient's function of that name.

    Args:
        con: a connection of `crantdb.connect`.
        root_id: one root id of any age.
        return_all: return all roots that have a part, the largest part first.
        return_fraction_overlap: return their shares too: of L2 chunks where both are mirrored, else of the
            supervoxels of synapses.
        materialization: as `ids_at`.

    Raises:
        NoMatches: when nothing tells of any.
        NotAnId, NoSuchSnapshot, BadArgument: as `ids_at`.
    """
    parts = _parts(con, root_id, materialization).filter(pl.col("fraction").is_not_null())
    for method in (
        "identity",
        "shared L2 chunks",
        "supervoxels of synapses",
        "shared synapses",
        "lineage",
        "anchor supervoxel",
    ):
        told = parts.filter(pl.col("method") == method).sort("fraction", descending=True)
        if told.height:
            break
    else:
        msg = f"nothing in the warehouse tells what became of {root_id}: `crantdb ids --online` asks the chunkedgraph"
        raise NoMatches(msg)
    roots = told.get_column("new_id").to_numpy().astype(np.int64)
    shares = told.get_column("fraction").to_numpy().astype(np.float64)
    if return_all:
        return (roots, shares) if return_fraction_overlap else roots
    return (int(roots[0]), float(shares[0])) if return_fraction_overlap else int(roots[0])


def _parts(con: duckdb.DuckDBPyConnection, root_id: object, materialization: Materialization) -> pl.DataFrame:
    """Return all that is known of what one root became."""
    rows = ids_at_all(con, [int(parse_root_id(root_id))], materialization=materialization)
    assert isinstance(rows, pl.DataFrame)  # noqa: S101 - asked for as polars
    return rows.filter(pl.col("new_id").is_not_null())


def supervoxels_to_roots(
    con: duckdb.DuckDBPyConnection, ids: object, *, materialization: Materialization = "latest"
) -> NDArray[np.int64]:
    """Return the root at a version's moment of each supervoxel or L2 id, shape (n,); 0 for what is not mirrored.

    Raises:
        NotAnId, NoSuchSnapshot, BadArgument: as `ids_at`.
    """
    rows = ids_at(con, ids, materialization=materialization)
    assert isinstance(rows, pl.DataFrame)  # noqa: S101 - asked for as polars
    told = pl.col("method").is_in(["supervoxel", "L2 chunk"]).fill_null(value=False)
    roots = rows.select(pl.when(told).then("new_id").otherwise(0).fill_null(0)).to_series()
    return roots.to_numpy().astype(np.int64)


def roots_to_supervoxels(
    con: duckdb.DuckDBPyConnection, neurons: object, *, materialization: Materialization = "latest"
) -> dict[int, NDArray[np.int64]]:
    """Return the supervoxels of roots that are mirrored: those of annotations, points and synapses, not all of a root's.

    Args:
        con: a connection of `crantdb.connect`.
        neurons: root ids at the version's moment.
        materialization: as `ids_at`.

    Returns:
        By root, in the order given: its supervoxels, ascending; none for a root that has none.

    Raises:
        NotAnId, NoSuchSnapshot, BadArgument: as `ids_at`.
    """
    schema = schema_of(con, materialization)
    roots = [int(parse_root_id(one)) for one in id_list(neurons)]
    rows = con.sql(_SUPERVOXELS.format(schema=schema), params=[roots]).pl()
    found = {root: part.get_column("supervoxel_id").to_numpy() for (root,), part in rows.group_by("root_id")}
    return {root: np.sort(found.get(root, np.empty(0, dtype=np.int64))) for root in roots}


_SUPERVOXELS = """
WITH wanted AS MATERIALIZED (SELECT DISTINCT unnest(?::BIGINT[]) AS root_id)
SELECT root_id, supervoxel_id FROM "{schema}".root_ids SEMI JOIN wanted USING (root_id)
UNION
SELECT pre.pre_pt_root_id, pre.pre_pt_supervoxel_id
FROM "{schema}".synapses AS pre SEMI JOIN wanted ON wanted.root_id = pre.pre_pt_root_id
WHERE pre.pre_pt_supervoxel_id > 1
UNION
SELECT post.post_pt_root_id, post.post_pt_supervoxel_id
FROM "{schema}".synapses_by_post AS post SEMI JOIN wanted ON wanted.root_id = post.post_pt_root_id
WHERE post.post_pt_supervoxel_id > 1
"""


def get_lineage_graph(con: duckdb.DuckDBPyConnection, root_id: object) -> nx.DiGraph:
    """Return all ancestors and descendants of a root that `root_history` knows, as a networkx graph, old to new.

    A node has ``timestamp`` (its birth, UTC; None when not known) and ``operation_id`` (the edit that made it). The
    graph has ``since`` and ``until``: all edits between the two are known, and few others; None when none are.

    Raises:
        NotAnId: when it is no root id.
    """
    import networkx as nx  # noqa: PLC0415 - heavy, and only here

    root = int(parse_root_id(root_id))
    [reach] = con.execute(_REACH).fetchall()
    since, until = (None if at is None else at.replace(tzinfo=UTC) for at in reach)
    graph = nx.DiGraph(since=since, until=until)
    graph.add_node(root)
    graph.add_edges_from(con.execute(_RELATIVES, [root, root]).fetchall())
    lives = con.execute(
        "SELECT root_id, born_at, retired_by FROM root_lives SEMI JOIN (SELECT unnest(?::BIGINT[]) AS root_id) USING (root_id)",
        [list(graph)],
    ).fetchall()
    nx.set_node_attributes(graph, None, "timestamp")
    nx.set_node_attributes(graph, None, "operation_id")
    for node, born, edit in lives:
        graph.nodes[node]["timestamp"] = None if born is None else born.replace(tzinfo=UTC)
        for made in graph.successors(node):
            graph.nodes[made]["operation_id"] = edit
    return graph


_REACH = "SELECT min(since), max(happened_at) FROM root_history WHERE event = 'covered'"

_RELATIVES = """
WITH RECURSIVE
links AS MATERIALIZED (SELECT DISTINCT before_root_id, after_root_id FROM root_links),
later AS (
    SELECT before_root_id, after_root_id FROM links WHERE before_root_id = ?
    UNION
    SELECT links.before_root_id, links.after_root_id FROM links JOIN later ON links.before_root_id = later.after_root_id
),
earlier AS (
    SELECT before_root_id, after_root_id FROM links WHERE after_root_id = ?
    UNION
    SELECT links.before_root_id, links.after_root_id FROM links JOIN earlier ON links.after_root_id = earlier.before_root_id
)
FROM later UNION FROM earlier ORDER BY ALL
"""


def is_valid_root(con: duckdb.DuckDBPyConnection, x: object) -> NDArray[np.bool_]:
    """Return whether each id has the layer of roots in its bits, shape (n,): whether it may be a root of any age.

    Raises:
        NotAnId: as `ids_at`.
        NoMatches: when the snapshot does not know how the chunkedgraph packs ids.
    """
    return _has_layer(con, x, "max")


def is_valid_supervoxel(con: duckdb.DuckDBPyConnection, x: object) -> NDArray[np.bool_]:
    """Return whether each id has the layer of supervoxels in its bits, shape (n,).

    Raises:
        NotAnId, NoMatches: as `is_valid_root`.
    """
    return _has_layer(con, x, "min")


def _has_layer(con: duckdb.DuckDBPyConnection, x: object, which: str) -> NDArray[np.bool_]:
    """Return whether each id has the highest or the lowest layer."""
    [(layer, bits)] = con.execute(f"SELECT {which}(layer), any_value(layer_bits) FROM id_layout").fetchall()
    if layer is None:
        msg = "the snapshot does not know how ids are packed: the chunkedgraph's info did not come (see `crantdb tables`)"
        raise NoMatches(msg)
    whole = [id_or_none(one) or 0 for one in id_list(x)]
    return np.array([one > 0 and one >> (64 - bits) == layer for one in whole], dtype=bool)
