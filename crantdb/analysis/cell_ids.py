"""Ids of cells (nuclei), which outlast edits, and the roots that they are in at a version's moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from crantdb.analysis.answers import Materialization, schema_of
from crantdb.analysis.given_ids import id_list
from crantdb.analysis.idmap import ids_at
from crantdb.ids import id_or_none

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

MISSING = -1


def cell_id_to_root_id(
    con: duckdb.DuckDBPyConnection, cell_ids: object, *, materialization: Materialization = "latest"
) -> NDArray[np.int64]:
    """Return the root at a version's moment of each cell, shape (n,), in the order given; -1 for what has none.

    Cells are looked up in the datastack's soma table, then in the backup table of crantdb.toml. What is no id, such as
    the -1 of a root without a cell, has none either.

    Raises:
        NotAnId, NoSuchSnapshot, BadArgument: as `ids_at`.
    """
    query = (
        f'SELECT cell_id, arg_min(root_id, rank) AS root_id FROM "{schema_of(con, materialization)}".cell_ids '
        "WHERE root_id > 1 GROUP BY ALL"
    )
    known = dict(con.execute(query).fetchall())
    return np.array([known.get(id_or_none(one), MISSING) for one in id_list(cell_ids)], np.int64)


def root_id_to_cell_id(
    con: duckdb.DuckDBPyConnection, root_ids: object, *, materialization: Materialization = "latest"
) -> NDArray[np.int64]:
    """Return the cell in each root, shape (n,), in the order given; -1 for a root without one, or with several.

    Roots of any age, of several ages too, are brought to the version's moment first.

    Raises:
        NotAnId, NoSuchSnapshot, BadArgument: as `ids_at`.
    """
    rows = ids_at(con, root_ids, materialization=materialization)
    assert isinstance(rows, pl.DataFrame)  # noqa: S101 - asked for as polars
    query = (
        f'WITH here AS (FROM "{schema_of(con, materialization)}".cell_ids WHERE root_id > 1 '
        "QUALIFY rank = min(rank) OVER (PARTITION BY root_id)) "
        "SELECT root_id, any_value(cell_id) FROM here GROUP BY ALL HAVING count(DISTINCT cell_id) = 1"
    )
    known = dict(con.execute(query).fetchall())
    return np.array([known.get(root, MISSING) for root in rows.get_column("new_id").to_list()], np.int64)
