"""Who a neuron is: its annotation, its counts, its strongest partners, in one page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crantdb.analysis.answers import call
from crantdb.analysis.chosen import chosen
from crantdb.errors import BadArgument, NoMatches

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

LEVELS = (
    *("flow", "super_class", "cell_class", "cell_type", "cell_subtype", "cell_instance"),
    *("hemilineage", "side", "nerve", "tract", "known_nt"),
)
"""The levels of annotation at which neurons have a label."""

_WHO = (
    *(
        "super_class",
        "cell_class",
        "cell_type",
        "cell_subtype",
        "cell_instance",
        "side",
        "hemilineage",
        "flow",
    ),
    *("region", "nerve", "tract", "known_nt", "proofread", "status", "root_status", "annotation_count"),
)
_DOUBTS = ("duplicate_annotations", "inconsistent_annotations", "merged_at_as_of")
_FINDINGS = f"nullif(list_filter([{', '.join(f'if({name}, {name!r}, NULL)' for name in _DOUBTS)}], lambda one: one IS NOT NULL), [])"
"""What makes the annotation of a root doubtful: those of the columns that are true; NULL when none is."""


@dataclass(frozen=True, slots=True)
class NeuronPage:
    """What a snapshot says of one neuron.

    Attributes:
        ids: its root id at as_of, shape (1,).
        facts: who it is, by name: root id, version, annotation (None where none is typed), what makes it doubtful
            (`findings`), counts.
        partners: its strongest partners: direction, partner, weight, share, cell_class, cell_type, side, proofread.
    """

    ids: NDArray[np.int64]
    facts: Mapping[str, object]
    partners: pl.DataFrame


def level_argument(level: str) -> str:
    """Return a level of annotation as an argument of a macro.

    Raises:
        BadArgument: when there is no such level.
    """
    if level not in LEVELS:
        msg = f"no level of annotation is called {level!r}; there are {', '.join(LEVELS)}"
        raise BadArgument(msg)
    return f"'{level}'"


def neuron_page(con: duckdb.DuckDBPyConnection, root: int | str, top: int = 5) -> NeuronPage:
    """Return what the snapshot says of one neuron.

    Args:
        con: a connection of `crantdb.connect`.
        root: its id, as a number or text of digits; of another moment, it is mapped first.
        top: how many partners of each direction.

    Raises:
        NotAnId: for what is no id.
        NoMatches: when the snapshot has neither a synapse nor an annotation of it.

    Warns:
        IdsMapped: when the id is not a root of the snapshot's moment.
    """
    ids = chosen(con, root)
    counts = call(con, "synapse_counts", [ids]).pl().row(0, named=True)
    known = con.sql(
        f"SELECT {', '.join(_WHO)}, {_FINDINGS} AS findings FROM neurons WHERE root_id = ?",
        params=ids.tolist(),
    ).pl()
    [(version, as_of)] = con.execute("SELECT version, as_of FROM snapshot").fetchall()
    if not known.height and not any(value for name, value in counts.items() if name != "root_id"):
        msg = (
            f"version {version} has neither a synapse nor an annotation of {root}. Is it an id of another moment, or "
            f"of a supervoxel?"
        )
        raise NoMatches(msg)
    who = known.row(0, named=True) if known.height else {}
    facts = {"root_id": counts.pop("root_id"), "version": version, "as_of": as_of} | who | counts
    facts |= _measured(con, ids)
    columns = "direction, partner, weight, share, cell_class, cell_type, side, proofread"
    strongest = (
        "QUALIFY row_number() OVER (PARTITION BY direction ORDER BY weight DESC, partner) <= "
        f"{int(top)} ORDER BY direction, weight DESC, partner"
    )
    partners = call(con, "partners", [ids], select=f"SELECT {columns}", behind=strongest).pl()
    return NeuronPage(ids, facts, partners)


_METRICS = """SELECT l2_count AS l2_chunks, missing AS l2_missing, cable_mst_nm / 1e3 AS cable_mst_um,
        cable_teasar_nm / 1e3 AS cable_teasar_um, branch_points, tips, volume_nm3 / 1e9 AS volume_um3,
        soma_radius_nm
    FROM neuron_metrics WHERE root_id = ?"""


def _measured(con: duckdb.DuckDBPyConnection, ids: NDArray[np.int64]) -> dict[str, object]:
    """Return what a neuron's L2 data measure; nothing where they are not mirrored for this version."""
    found = con.sql(_METRICS, params=ids.tolist()).pl()
    return found.row(0, named=True) if found.height else {}
