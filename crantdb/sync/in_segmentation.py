"""Positions at which no table has a point: what the segmentation has there, asked for once and kept.

Voxels never change, whatever is edited, so that an answer holds for every version. Nothing here is needed for a
commit: what cannot be asked for stays unresolved, and is said so.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from crantdb.errors import ConfigError, SourceError
from crantdb.sync.making import declare, fill
from crantdb.sync.progress import Steps
from crantdb.sync.roots import put

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from crantdb.sources.segmentation import Places, Segmentation
    from crantdb.sync.coming import Coming, Opened

    Opener = Callable[[], Segmentation]

NOT_LOOKED_UP = "position_not_looked_up"
"""The finding of a row whose position could not be asked for."""

FINDINGS: Mapping[str, str] = MappingProxyType(
    {
        "position_in_background": "in the background, where no cell is",
        "position_outside": "outside of the segmentation",
        NOT_LOOKED_UP: "not looked up",
    }
)
"""Why a position has no supervoxel, as rows say it in `findings`, and in words."""


@dataclass(frozen=True, slots=True)
class Unfound:
    """Rows that only their position could place, and it does not.

    Attributes:
        counted: how many, by finding.
        why: why positions were not looked up; empty when all were.
    """

    counted: Mapping[str, int]
    why: str = ""

    @property
    def message(self) -> str | None:
        """What a person should read: how many and why; None when there is nothing to say."""
        if not self.counted:
            return None
        parts = [f"{count:,} {FINDINGS[name]}" for name, count in self.counted.items()]
        again = f" ({self.why}). The next sync asks again" if NOT_LOOKED_UP in self.counted else ""
        return (
            f"note: {sum(self.counted.values()):,} annotation(s) have a position but no supervoxel there, "
            f"see their findings: {', '.join(parts)}{again}"
        )

    @property
    def completeness(self) -> str:
        """What the manifest says of the table of annotations."""
        left = self.counted.get(NOT_LOOKED_UP, 0)
        return f"derived; {left:,} position(s) not looked up: {self.why}" if left else "derived"


def look_in_segmentation(coming: Coming, there: Opened, opener: Opener | None) -> Unfound:
    """Add to `found_at` what the segmentation has at the other positions of `unplaced`, and make `unfound (_id, finding)`.

    Answers of earlier syncs are taken; new ones are put into `position_supervoxels`.

    Args:
        coming: what the commit is to hold.
        there: its tables, `unplaced` and `found_at` among them.
        opener: opens the segmentation, when it is needed; None when no server is to be asked.

    Raises:
        Interrupted: when asked to stop.
    """
    source = str(coming.info.get("segmentation_source") or "")
    known = there.table("history", "position_supervoxels")
    before = "SELECT * FROM main.position_supervoxels" if known is None else f"SELECT * FROM {known.relation}"
    there.con.execute(_WANTED)
    there.con.execute(
        f"{_ANSWERED} FROM ({before}) AS known WHERE known.segmentation = ? GROUP BY ALL", [source]
    )
    why = _ask(coming, there, source, opener)
    there.con.execute(_FOUND)
    there.con.execute(_UNFOUND)
    counts = dict(there.rows("SELECT finding, count(*) FROM main.unfound GROUP BY ALL"))
    return Unfound({name: int(counts[name]) for name in FINDINGS if name in counts}, why)


def declare_answers(there: Opened) -> None:
    """Make the tables that `look_in_segmentation` fills, empty."""
    declare(there.con, "position_supervoxels")
    there.con.execute("CREATE TABLE main.unfound (_id VARCHAR, finding VARCHAR)")


def _ask(coming: Coming, there: Opened, source: str, opener: Opener | None) -> str:
    """Ask for the positions that no sync has asked for; return why some have no answer."""
    left = there.con.sql(_NEW).fetchnumpy()
    positions: NDArray[np.float64] = np.stack([np.asarray(left[f"{axis}_nm"]) for axis in "xyz"], axis=1)
    if not len(positions):
        return ""
    if opener is None:
        return "no server was to be asked"
    try:
        segmentation = opener()
    except (SourceError, ConfigError) as error:
        return str(error)
    if segmentation.source != source:
        named = source or "none"
        return f"the datastack names another segmentation now, {segmentation.source}, not {named}: sync cave, too"
    steps = Steps(coming.progress, "positions looked up in the segmentation", len(positions))
    places = segmentation.at(positions, steps.done)
    _keep(there, source, positions, places)
    return f"{source}: {places.why}" if places.why else ""


def _keep(there: Opened, source: str, positions: NDArray[np.float64], places: Places) -> None:
    """Add answers to the log and to those that are known."""
    read = places.is_read
    x, y, z = positions[read].T
    answers = {"supervoxel_id": places.supervoxels[read], "is_inside": places.is_inside[read]}
    put(there, "read_places", x_nm=x, y_nm=y, z_nm=z, **answers)
    there.con.execute("CREATE TABLE main.read_from AS SELECT ?::VARCHAR AS segmentation", [source])
    fill(
        there.con,
        "position_supervoxels",
        "SELECT segmentation, x_nm, y_nm, z_nm, CASE WHEN is_inside THEN supervoxel_id END AS supervoxel_id "
        "FROM main.read_places, main.read_from",
    )
    there.con.execute(
        "INSERT INTO main.answered SELECT x_nm, y_nm, z_nm, supervoxel_id FROM main.position_supervoxels"
    )


_WANTED = """
CREATE TABLE main.wanted_places AS
SELECT DISTINCT position_x_nm AS x_nm, position_y_nm AS y_nm, position_z_nm AS z_nm
FROM main.unplaced ANTI JOIN main.found_at USING (_id)
"""

_ANSWERED = """
CREATE TABLE main.answered AS
SELECT known.x_nm, known.y_nm, known.z_nm, max(known.supervoxel_id) AS supervoxel_id
"""

_NEW = "SELECT * FROM main.wanted_places ANTI JOIN main.answered USING (x_nm, y_nm, z_nm) ORDER BY ALL"

_LEFT = """
SELECT unplaced._id, answered.x_nm IS NOT NULL AS is_answered, answered.supervoxel_id
FROM main.unplaced AS unplaced
ANTI JOIN main.found_at AS found ON found._id = unplaced._id
LEFT JOIN main.answered AS answered
    ON answered.x_nm = unplaced.position_x_nm
    AND answered.y_nm = unplaced.position_y_nm
    AND answered.z_nm = unplaced.position_z_nm
"""

_FOUND = f"""
INSERT INTO main.found_at SELECT _id, supervoxel_id, 'segmentation' FROM ({_LEFT}) WHERE supervoxel_id > 0
"""

_UNFOUND = f"""
INSERT INTO main.unfound
SELECT
    _id,
    CASE
        WHEN NOT is_answered THEN 'position_not_looked_up'
        WHEN supervoxel_id IS NULL THEN 'position_outside'
        ELSE 'position_in_background'
    END
FROM ({_LEFT})
"""
