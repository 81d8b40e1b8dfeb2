"""What the sandbox serves, as values: tables, views, versions and datastacks handed to it ready made.

The generated world hands over its tables in the same form, so a test that gives three rows and the whole
generated brain go through the same server.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from crantdb.errors import ConfigError
from crantdb.sandbox.l2cache import CacheState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from crantdb.sandbox.history import History
    from crantdb.sandbox.world import Truth

Resolution = tuple[float, float, float]
IMAGERY: Resolution = (8.0, 8.0, 42.0)


@dataclass(frozen=True, slots=True)
class GivenTable:
    """One annotation table of a version, its rows as a merged version serves them.

    Attributes:
        name: the table's name.
        rows: ``id`` (int64, unique), ``valid`` (true for all when absent), then the value columns in the
            order in which they are served. A point is three columns ``<name>_position_x``, ``_y``, ``_z``
            in voxels (integers, or floats, which are rounded half to even when served), with
            ``<name>_supervoxel_id`` and ``<name>_root_id`` behind it where it is bound. NULL stays NULL.
            ``created`` and ``superceded_id``, when present, are only served by split versions.
        schema_type: the annotation schema's name.
        voxel_resolution: nm a voxel of the table's points.
        reference_table: the table that ``target_id`` points into, or None.
        read_permission: PUBLIC, GROUP or PRIVATE; only a PUBLIC table answers queries.
        notice_text: sent in a Warning header with every query.
        description: free text.
        user_id: the owner, as text.
        created: when the table was made, with a time zone; None for a time before every version.
    """

    name: str
    rows: pa.Table
    schema_type: str = "synapse"
    voxel_resolution: Resolution = IMAGERY
    reference_table: str | None = None
    read_permission: str = "PUBLIC"
    notice_text: str | None = None
    description: str = ""
    user_id: str = "0"
    created: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse rows without ids.

        Raises:
            ConfigError: when there is no column ``id``.
        """
        if "id" not in self.rows.column_names:
            msg = f"table {self.name} has no column 'id': every CAVE table has one; add it, int64 and unique"
            raise ConfigError(msg)


@dataclass(frozen=True, slots=True)
class GivenView:
    """One view of a version.

    Attributes:
        name: the view's name.
        rows: its columns as served; floats stay float64, as views serve them.
        voxel_resolution: nm a voxel of the view's points.
        description: free text.
        notice_text: sent in a Warning header with every query.
        live_compatible: a flag of the view's metadata.
        schema: column → ``{"type": …}`` as ``views/schemas`` serves it.
    """

    name: str
    rows: pa.Table
    voxel_resolution: Resolution = IMAGERY
    description: str = ""
    notice_text: str | None = None
    live_compatible: bool = True
    schema: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Version:
    """One materialization version.

    Attributes:
        number: the version.
        time_stamp: the moment it stands for, with a time zone.
        status: AVAILABLE, RUNNING, FAILED or EXPIRED.
        valid: whether it is listed; an expired, failed or running version is not.
        is_merged: False for a split version (NULL ids are served as 1).
        expires_on: when it will be dropped, with a time zone, or None.
        tables: its tables. An EXPIRED version that still has some answers as a dropped database does.
        views: its views.
    """

    number: int
    time_stamp: datetime
    status: str = "AVAILABLE"
    valid: bool = True
    is_merged: bool = True
    expires_on: datetime | None = None
    tables: tuple[GivenTable, ...] = ()
    views: tuple[GivenView, ...] = ()

    @property
    def listed(self) -> bool:
        """Whether the server lists its tables."""
        return self.valid and self.status == "AVAILABLE"

    def table(self, name: str) -> GivenTable | None:
        """Return the table of that name, or None."""
        return next((table for table in self.tables if table.name == name), None)

    def view(self, name: str) -> GivenView | None:
        """Return the view of that name, or None."""
        return next((view for view in self.views if view.name == name), None)


@dataclass(frozen=True, slots=True)
class Datastack:
    """Everything the sandbox serves under one datastack name.

    Attributes:
        name: the datastack's name.
        versions: its materialization versions.
        chunkedgraph: the segmentation's history, or None when no chunkedgraph is served.
        pcg_table: the chunkedgraph's name.
        aligned_volume: the aligned volume's name.
        synapse_table: the name in the datastack info, or None.
        soma_table: the name in the datastack info, or None.
        info: fields of the datastack info that replace the usual ones.
        truth: the generated world behind it, or None when the tables were given.
        l2: what the L2 cache has of the chunkedgraph.
    """

    name: str
    versions: tuple[Version, ...]
    chunkedgraph: History | None = None
    pcg_table: str = "sandbox_pcg"
    aligned_volume: str = "sandbox_av"
    synapse_table: str | None = None
    soma_table: str | None = None
    info: Mapping[str, Any] = field(default_factory=dict)
    truth: Truth | None = None
    l2: CacheState = field(default_factory=CacheState)

    def version(self, number: int) -> Version | None:
        """Return the version of that number, or None."""
        return next((version for version in self.versions if version.number == number), None)


def datastack_from_tables(
    tables: Sequence[GivenTable],
    *,
    name: str = "given",
    version: int = 1,
    synapse_table: str | None = None,
    time_stamp: datetime = datetime(2026, 3, 1, 12, 0, 0, 84051, tzinfo=UTC),
    is_merged: bool = True,
) -> Datastack:
    """Return a datastack of one available version that holds the tables.

    Args:
        tables: what the version serves.
        name: the datastack's name.
        version: the version's number.
        synapse_table: the synapse table named in the datastack info; when None, the first table with a
            synapse schema, if any.
        time_stamp: the version's moment.
        is_merged: False for a split version.
    """
    synapses = (table.name for table in tables if table.schema_type in {"synapse", "fly_nt_synapse"})
    only = Version(version, time_stamp, is_merged=is_merged, tables=tuple(tables))
    return Datastack(name, (only,), synapse_table=synapse_table or next(synapses, None))


def tables_from_folder(folder: Path) -> tuple[GivenTable, ...]:
    """Return one table for every ``*.parquet`` and ``*.csv`` file of a folder, named after the file.

    The schema type is guessed from the columns; a CSV's empty cells are NULL in numeric columns and
    empty strings in text columns.

    Raises:
        ConfigError: when the folder holds no such file, or a file has no ``id`` column.
    """
    files = sorted(path for path in folder.glob("*") if path.suffix in {".parquet", ".csv"})
    if not files:
        msg = f"no *.parquet or *.csv in {folder}: put one file per table there, named after the table"
        raise ConfigError(msg)
    return tuple(_read_table(path) for path in files)


def _read_table(path: Path) -> GivenTable:
    """Return a file's table."""
    rows = pa.parquet.read_table(path) if path.suffix == ".parquet" else pa.csv.read_csv(path)
    return GivenTable(path.stem, rows, schema_type=_guess_schema(set(rows.column_names)))


def _guess_schema(columns: set[str]) -> str:
    """Return the schema type whose telling column is there, or ``bound_tag``."""
    telling = {
        "ctr_pt_position_x": "synapse",
        "connection_score": "fly_nt_synapse",
        "volume": "nucleus_detection",
        "classification_system": "cell_type_local",
        "pre_pt_root_id": "synapse",
    }
    return next((schema for column, schema in telling.items() if column in columns), "bound_tag")
