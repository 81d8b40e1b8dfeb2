"""What is known of a version to import beside its files: from the server, from the warehouse, or as given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from crantdb.errors import ConfigError, TimeMismatch
from crantdb.warehouse.snapshot import current, state_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from crantdb.config import Config
    from crantdb.sources.cave import Cave
    from crantdb.sources.dumps import TableDump
    from crantdb.sources.materialization import MaterializationVersion
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import Snapshot


@dataclass(frozen=True, slots=True)
class ImportWish:
    """What was asked for.

    Attributes:
        version: the materialization version that the files are of.
        as_of: its moment, UTC; None to look it up.
        tables: tables by name; None for all that the files hold.
        drop: tables of the snapshot that a new version need not bring.
        exact: keep doubles as doubles.
        voxel_resolution: nm a voxel of the tables' points, x, y, z; None to ask the server.
        schema_type: the tables' annotation schema; None to ask the server.
    """

    version: int
    as_of: datetime | None = None
    tables: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    exact: bool = False
    voxel_resolution: tuple[float, float, float] | None = None
    schema_type: str | None = None


def check_merged(told: MaterializationVersion | None) -> None:
    """Refuse a split version: its dumps hold annotations without root ids.

    Raises:
        ConfigError: when the server says that it is one.
    """
    if told is not None and not told.is_merged:
        msg = (
            f"version {told.number} is a split one: a dump of it holds no root ids. "
            f"Mirror it with crantdb sync --version {told.number}, or import a merged version"
        )
        raise ConfigError(msg)


def moment_of(
    warehouse: Warehouse, wish: ImportWish, told: MaterializationVersion | None, *, config: Config
) -> datetime:
    """Return the version's moment: as given, else as the server says, else as the warehouse has it.

    Raises:
        ConfigError: when nobody says it.
        TimeMismatch: when it was given, and the server or the warehouse says another.
    """
    known = _kept_moment(warehouse, wish.version) if told is None else told.as_of
    where = "this warehouse has it" if told is None else f"{config.server} says it is"
    if wish.as_of is None and known is None:
        msg = (
            f"the moment of version {wish.version} is not known: neither the server nor this warehouse says it. "
            f"Give it with --as-of, to the microsecond, e.g. --as-of 2026-03-01T12:00:00.084051"
        )
        raise ConfigError(msg)
    if wish.as_of is not None and known is not None and wish.as_of != known:
        msg = (
            f"--as-of says that version {wish.version} is of {wish.as_of.isoformat()}, but {where} of "
            f"{known.isoformat()}. Leave --as-of out to take that, or check which version the files are of"
        )
        raise TimeMismatch(msg)
    return wish.as_of or cast("datetime", known)


def _kept_moment(warehouse: Warehouse, version: int) -> datetime | None:
    """Return the moment of a version that the current snapshot keeps, or None."""
    parent = current(warehouse)
    if parent is None or version not in parent.versions:
        return None
    return state_for(warehouse, parent, version).as_of


def info_of(
    cave: Cave | None, parent: Snapshot | None, wish: ImportWish, chosen: Sequence[TableDump]
) -> Mapping[str, Any]:
    """Return the datastack's info: as served now, else as served before, else what the flags say of it."""
    if cave is not None:
        return cave.info
    if parent is not None:
        return parent.info
    if len(chosen) == 1 and "synapse" in (wish.schema_type or ""):
        return {"synapse_table": chosen[0].table, "said_by": "crantdb import --schema-type"}
    return {}


def source_of(table: str, metadata: Mapping[str, Any], wish: ImportWish) -> dict[str, Any]:
    """Return a table's metadata: as served, and what was given where the server does not say.

    Raises:
        ConfigError: when what was given is not what the server says.
    """
    given: dict[str, Any] = {} if wish.schema_type is None else {"schema_type": wish.schema_type}
    if wish.voxel_resolution is not None:
        given |= {
            f"voxel_resolution_{axis}": size for axis, size in zip("xyz", wish.voxel_resolution, strict=True)
        }
    for name, value in given.items():
        served = metadata.get(name)
        if served is not None and served != value:
            msg = f"{table}: {name} was given as {value}, but the server says {served}. Leave it out to take that"
            raise ConfigError(msg)
    return {**metadata, **given}
