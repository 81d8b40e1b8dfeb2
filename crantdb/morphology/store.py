"""L2 data of many neurons out of a warehouse's connection, as the arrays that skeletons are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crantdb.ids import BitLayout
from crantdb.morphology.chunkgrid import ChunkGrid
from crantdb.morphology.many import NeuronL2

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb
    import pyarrow as pa
    from numpy.typing import NDArray

NEURONS_AT_ONCE = 256
"""Neurons of one query: enough that looking into the files costs little a neuron, few enough for little memory."""


@dataclass(frozen=True, eq=False, slots=True)
class L2Neuron:
    """The L2 data of one root.

    Attributes:
        root_id: the root id.
        l2_ids: int64 (n,), ascending; at least one.
        edges: int64 (e, 2), pairs of them; none for a single one.
        points_nm: float64 (n, 3), their representative points; NaN where the L2 cache had none.
        max_dt_nm: float64 (n,), their largest distance to the boundary; NaN likewise.
        size_nm3: float64 (n,), their volumes; NaN likewise.
        area_nm2: float64 (n,), their surfaces; NaN likewise.
    """

    root_id: int
    l2_ids: NDArray[np.int64]
    edges: NDArray[np.int64]
    points_nm: NDArray[np.float64]
    max_dt_nm: NDArray[np.float64]
    size_nm3: NDArray[np.float64]
    area_nm2: NDArray[np.float64]

    def given(self, root_at: NDArray[np.float64] | None = None) -> NeuronL2:
        """Return it as `skeletonize_many` takes it.

        Args:
            root_at: a position for the root in nm, (3,), e.g. the nucleus; or None.
        """
        return NeuronL2(self.root_id, self.edges, self.l2_ids, self.points_nm, self.max_dt_nm, root_at)

    @property
    def missing(self) -> int:
        """How many of its L2 ids the L2 cache did not have."""
        return int(np.isnan(self.size_nm3).sum())


_VALUES = ("x_nm", "y_nm", "z_nm", "max_dt_nm", "size_nm3", "area_nm2")


def read_l2(
    con: duckdb.DuckDBPyConnection,
    roots: Sequence[int] | NDArray[np.int64],
    *,
    schema: str = "main",
    at_once: int = NEURONS_AT_ONCE,
) -> Iterator[L2Neuron]:
    """Yield the L2 data of those of the roots that are mirrored, by ascending root id, each once.

    Args:
        con: where `l2_members`, `l2_edges` and `l2_nodes` stand, e.g. of `crantdb.connect`.
        roots: root ids.
        schema: the schema they stand in.
        at_once: neurons of one query.
    """
    wanted = np.unique(np.asarray(roots, dtype=np.int64))
    for start in range(0, len(wanted), at_once):
        yield from _read_some(con, wanted[start : start + at_once], schema)


def mirrored(
    con: duckdb.DuckDBPyConnection, roots: Sequence[int] | NDArray[np.int64], *, schema: str = "main"
) -> NDArray[np.int64]:
    """Return those of the roots whose L2 data are mirrored, ascending."""
    wanted = np.unique(np.asarray(roots, dtype=np.int64))
    if not len(wanted):
        return wanted
    query = f'SELECT DISTINCT root_id FROM "{schema}".l2_members {_AMONG} ORDER BY root_id'
    found = con.execute(query, {"roots": wanted.tolist()}).fetchnumpy()["root_id"]
    return np.asarray(found, dtype=np.int64)


def known_counts(
    con: duckdb.DuckDBPyConnection, roots: Sequence[int] | NDArray[np.int64], *, schema: str = "main"
) -> dict[int, tuple[int, int]]:
    """Return of each of the roots that is mirrored how many L2 ids it has, and of how many the cache knows something.

    Both only ever grow together with what is known: as long as they stay, so does the root's skeleton.
    """
    wanted = np.unique(np.asarray(roots, dtype=np.int64))
    if not len(wanted):
        return {}
    query = f"""SELECT of.root_id, count(*), count(node.l2_id)
        FROM (SELECT * FROM "{schema}".l2_members {_AMONG}) AS of
        LEFT JOIN "{schema}".l2_nodes AS node ON node.l2_id = of.l2_id GROUP BY of.root_id"""
    rows = con.execute(query, {"roots": wanted.tolist()}).fetchall()
    return {root: (ids, known) for root, ids, known in rows}


_AMONG = (
    "SEMI JOIN (SELECT unnest($roots::BIGINT[]) AS root_id) USING (root_id) "
    "WHERE root_id BETWEEN list_min($roots::BIGINT[]) AND list_max($roots::BIGINT[])"
)
"""Only the roots asked for; the bounds let files sorted by root be skipped by their statistics."""


def grid_of(con: duckdb.DuckDBPyConnection, *, schema: str = "main") -> ChunkGrid | None:
    """Return the chunkedgraph's grid of chunks; None where the warehouse does not know its info.

    Args:
        con: a connection of `crantdb.connect`.
        schema: the schema of the version.
    """
    rows = con.execute(f'FROM "{schema}".chunk_grid').fetchall()
    bits = con.execute(f'SELECT layer, layer_bits, spatial_bits FROM "{schema}".id_layout').fetchall()
    if not rows or not bits:
        return None
    [row] = rows
    layout = BitLayout(bits[0][1], {layer: spatial for layer, _, spatial in bits})
    return ChunkGrid(layout, (row[0], row[1], row[2]), (row[3], row[4], row[5]))


def soma_points(
    con: duckdb.DuckDBPyConnection, roots: Sequence[int] | NDArray[np.int64], *, schema: str = "main"
) -> dict[int, NDArray[np.float64]]:
    """Return where the nuclei of roots are, in nm, for those where it is known and there is only one.

    The annotation's own nucleus position counts first, then the one row of the version's nucleus table.

    Args:
        con: a connection of `crantdb.connect`.
        roots: root ids.
        schema: the schema of the version.
    """
    values = {"roots": np.unique(np.asarray(roots, dtype=np.int64)).tolist()}
    tables = con.sql(
        f"""SELECT relation, voxel_resolution FROM "{schema}".tables
        WHERE schema_type = 'nucleus_detection' AND status = 'mirrored' AND voxel_resolution IS NOT NULL"""
    ).fetchall()
    asked = [_nuclei(relation, voxel) for relation, voxel in tables[:1]]
    axes = [f"nucleus_position_{axis}_nm" for axis in "xyz"]
    asked.append(f'SELECT root_id, {", ".join(axes)} FROM "{schema}".neurons')
    found: dict[int, NDArray[np.float64]] = {}
    for query in asked if values["roots"] else ():
        rows = con.sql(
            f"SELECT * FROM ({query}) AS one(root_id, x, y, z) {_AMONG} AND x + y + z IS NOT NULL",
            params=values,
        )
        found |= {root: np.array(point) for root, *point in rows.fetchall()}
    return found


def _nuclei(relation: str, voxel_nm: Sequence[float]) -> str:
    """Return the query for the position of each root's nucleus, of the roots that have one alone."""
    name = ".".join(f'"{part}"' for part in relation.split(".", 1))
    axes = [
        f"any_value(pt_position_{axis} * {size}::DOUBLE)" for axis, size in zip("xyz", voxel_nm, strict=True)
    ]
    return f"SELECT pt_root_id, {', '.join(axes)} FROM {name} GROUP BY pt_root_id HAVING count(*) = 1"


def _read_some(con: duckdb.DuckDBPyConnection, wanted: NDArray[np.int64], schema: str) -> Iterator[L2Neuron]:
    """Read some neurons with two queries and split the rows by root."""
    values = {"roots": wanted.tolist()}
    members = con.sql(
        f"""SELECT of.root_id, of.l2_id, {", ".join(f"node.{name}::DOUBLE AS {name}" for name in _VALUES)}
        FROM (SELECT * FROM "{schema}".l2_members {_AMONG}) AS of
        LEFT JOIN "{schema}".l2_nodes AS node ON node.l2_id = of.l2_id
        ORDER BY of.root_id, of.l2_id""",
        params=values,
    ).to_arrow_table()
    edges = con.sql(
        f'SELECT root_id, l2_a, l2_b FROM "{schema}".l2_edges {_AMONG} ORDER BY root_id, l2_a, l2_b',
        params=values,
    ).to_arrow_table()
    roots, starts = np.unique(_whole(members["root_id"]), return_index=True)
    ends = np.append(starts[1:], members.num_rows)
    edge_roots = _whole(edges["root_id"])
    low, high = (np.searchsorted(edge_roots, roots, side=side) for side in ("left", "right"))
    l2_ids = _whole(members["l2_id"])
    pairs = np.stack([_whole(edges["l2_a"]), _whole(edges["l2_b"])], axis=1)
    known = np.stack([_float(members[name]) for name in _VALUES], axis=1)
    for index, root in enumerate(roots.tolist()):
        rows = slice(starts[index], ends[index])
        yield L2Neuron(
            root_id=root,
            l2_ids=l2_ids[rows],
            edges=pairs[low[index] : high[index]],
            points_nm=known[rows, :3],
            max_dt_nm=known[rows, 3],
            size_nm3=known[rows, 4],
            area_nm2=known[rows, 5],
        )


def _whole(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return a column of ids, none of them NULL."""
    return np.asarray(column.to_numpy(), dtype=np.int64)


def _float(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return a column of doubles, NULL as NaN."""
    return np.asarray(column.to_numpy(), dtype=np.float64)
