"""Whose L2 data to mirror."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crantdb.analysis.predicate import Where
from crantdb.errors import NoMatches

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

LEFT_OUT = "DEBRIS|DELETE|GLIA|NOT_A_NEURON"
"""A neuron whose status has one of these words is not mirrored unless asked for, as in CRANTb's nightly job."""


def roots_to_mirror(con: duckdb.DuckDBPyConnection, where: str | None = None) -> NDArray[np.int64]:
    """Return the roots whose L2 data a sync mirrors, ascending.

    Args:
        con: a connection of `crantdb.connect`.
        where: a predicate over `neurons`; None for all annotated neurons whose status does not say that they are
            debris, glia, no neuron, or to be deleted.

    Raises:
        NoMatches: when there is no such neuron.
        QueryRefused: when the text is no predicate.
    """
    if where is not None:
        found = Where(where).get_roots(con)
        said = f"no annotated neuron is as {where!r} says"
    else:
        query = f"""SELECT root_id FROM neurons
            WHERE root_id > 0 AND NOT regexp_matches(coalesce(array_to_string(status, ','), ''), '{LEFT_OUT}')
            ORDER BY root_id"""
        found = np.asarray(con.sql(query).fetchnumpy()["root_id"], dtype=np.int64)
        said = "the warehouse has no annotated neurons"
    if not len(found):
        msg = f'{said}: say whose L2 data to mirror, e.g. crantdb sync l2 ROOT…, -f FILE, or --where "…"'
        raise NoMatches(msg)
    return found
