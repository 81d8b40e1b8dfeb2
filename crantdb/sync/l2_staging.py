"""The L2 tables on their way: what the warehouse holds, what is staged, and what is left to ask for."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from crantdb.sources.l2_rows import NODE_SCHEMA
from crantdb.warehouse.sorting import sorting
from crantdb.warehouse.staging import Staging, StagingKey, open_staging

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import duckdb
    from numpy.typing import NDArray

    from crantdb.sources.cave import Cave
    from crantdb.sources.l2 import L2Service
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import Snapshot, TableState

MEMBERS, EDGES, NODES, MISSING = "l2_members", "l2_edges", "l2_nodes", "l2_missing"
SUPERVOXELS = "l2_supervoxels"

SCHEMAS: Mapping[str, pa.Schema] = MappingProxyType(
    {
        MEMBERS: pa.schema([("root_id", pa.int64()), ("l2_id", pa.int64())]),
        EDGES: pa.schema([("root_id", pa.int64()), ("l2_a", pa.int64()), ("l2_b", pa.int64())]),
        NODES: NODE_SCHEMA,
        SUPERVOXELS: pa.schema([("supervoxel_id", pa.int64()), ("l2_id", pa.int64())]),
        MISSING: pa.schema(
            [
                ("l2_id", pa.int64()),
                ("first_seen", pa.timestamp("us")),
                ("last_tried", pa.timestamp("us")),
                ("tries", pa.int64()),
            ]
        ),
    }
)
"""The columns of the tables, by name."""

ORDERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        MEMBERS: ("root_id", "l2_id"),
        EDGES: ("root_id", "l2_a", "l2_b"),
        NODES: ("l2_id",),
        SUPERVOXELS: ("supervoxel_id", "l2_id"),
        MISSING: ("l2_id",),
    }
)
"""What each is sorted by; no two rows agree in all of it."""

_STAGED_MISSING = pa.schema([("l2_id", pa.int64())])
_TYPES: Mapping[pa.DataType, str] = MappingProxyType(
    {
        pa.int64(): "BIGINT",
        pa.float64(): "DOUBLE",
        pa.timestamp("us"): "TIMESTAMP",
        pa.list_(pa.float32()): "FLOAT[]",
        pa.list_(pa.int32()): "INTEGER[]",
    }
)


@dataclass(frozen=True, slots=True)
class Held:
    """What the warehouse holds of one chunkedgraph's L2 data.

    Attributes:
        tables: the tables by name, as far as there are any.
        strange: keys of tables that are of another chunkedgraph or cache: they do not fit with these.
    """

    tables: Mapping[str, TableState]
    strange: tuple[str, ...]

    def files(self, warehouse: Warehouse, name: str) -> list[Path]:
        """Return a table's files."""
        table = self.tables.get(name)
        return [] if table is None else [warehouse.root / file.path for file in table.files]


def identity(service: L2Service) -> dict[str, object]:
    """Return what L2 data are facts of: a chunkedgraph and its L2 cache."""
    return {"chunkedgraph": service.table, "l2cache_id": service.cache_id}


def described(service: L2Service) -> dict[str, object]:
    """Return what the manifest says of the L2 tables; the description is what a connection shows of it."""
    words = f"chunkedgraph {service.table}, L2 cache {service.cache_id}"
    return {**identity(service), "description": words}


def held_l2(parent: Snapshot | None, service: L2Service) -> Held:
    """Return what a snapshot holds of a chunkedgraph's L2 data."""
    tables: dict[str, TableState] = {}
    strange: list[str] = []
    for key, table in ({} if parent is None else parent.shared).items():
        if table.schema != "l2":
            continue
        if {name: table.source.get(name) for name in identity(service)} == identity(service):
            tables[table.name] = table
        else:
            strange.append(key)
    return Held(tables, tuple(strange))


class L2Staging:
    """The unfinished state of the tables; one process at a time.

    A killed sync leaves it whole: rows are written before the rows that say that they are done.
    """

    def __init__(self, warehouse: Warehouse, cave: Cave, service: L2Service) -> None:
        self._warehouse = warehouse
        self._tables = {name: open_staging(warehouse, staging_key(cave, service, name)) for name in SCHEMAS}

    def __getitem__(self, name: str) -> Staging:
        return self._tables[name]

    @property
    def keys(self) -> list[StagingKey]:
        """The keys of all stagings."""
        return [staging.key for staging in self._tables.values()]

    def moment(self) -> datetime:
        """Return when this sync began to ask, UTC: noted once, so that a resumed one does not move it."""
        noted = self[MEMBERS].note("asked_at")
        if noted is None:
            noted = datetime.now(UTC).isoformat()
            self[MEMBERS].set_note("asked_at", noted)
        return datetime.fromisoformat(noted)

    def add_graphs(self, span: str, members: pa.Table, edges: pa.Table) -> None:
        """Stage roots with their graphs; the members, written last, say that the roots are done."""
        self[EDGES].add(span, edges)
        self[MEMBERS].add(span, members)

    def add_nodes(self, span: str, known: pa.Table, missing: NDArray[np.int64]) -> None:
        """Stage what the cache knows of L2 ids, and which it does not have."""
        self[MISSING].add(span, pa.table({"l2_id": missing}, schema=_STAGED_MISSING))
        self[NODES].add(span, known)

    @contextlib.contextmanager
    def looking(self, held: Held, memory_bytes: int) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a connection with `held_<table>` and `staged_<table>` of each table."""
        with sorting(self[MEMBERS], memory_bytes) as con:
            for name, schema in SCHEMAS.items():
                waiting = _STAGED_MISSING if name == MISSING else schema
                _view(con, f"held_{name}", held.files(self._warehouse, name), schema)
                _view(con, f"staged_{name}", self[name].files(), waiting)
            yield con


def staging_key(cave: Cave, service: L2Service, name: str) -> StagingKey:
    """Return the key under which an L2 table is staged."""
    return StagingKey(
        server=cave.server,
        datastack=cave.datastack,
        schema="l2",
        table=name,
        version=None,
        as_of="",
        sort_key=ORDERS[name][0],
        unique=False,
        origin=f"{service.table}/{service.cache_id}",
    )


def _view(con: duckdb.DuckDBPyConnection, name: str, files: Sequence[Path], schema: pa.Schema) -> None:
    """Make a view over files; an empty one, with the right columns, over none."""
    if files:
        con.from_parquet([str(file) for file in files], hive_partitioning=False).create_view(name)
        return
    columns = ", ".join(f"NULL::{_TYPES[field.type]} AS {field.name}" for field in schema)
    con.execute(f"CREATE VIEW {name} AS SELECT {columns} WHERE false")


def roots_in(con: duckdb.DuckDBPyConnection, where: str) -> set[int]:
    """Return the roots whose graphs the warehouse holds (``held``) or that are staged (``staged``)."""
    return {root for (root,) in con.execute(f"SELECT DISTINCT root_id FROM {where}_l2_members").fetchall()}


def ids_to_ask(con: duckdb.DuckDBPyConnection) -> NDArray[np.int64]:
    """Return the L2 ids of which nothing is known and that this sync did not ask for yet, ascending."""
    query = """SELECT DISTINCT l2_id FROM (FROM held_l2_members UNION ALL FROM staged_l2_members)
        ANTI JOIN held_l2_nodes USING (l2_id)
        ANTI JOIN staged_l2_nodes USING (l2_id)
        ANTI JOIN staged_l2_missing USING (l2_id)
        ORDER BY l2_id"""
    return np.asarray(con.execute(query).fetchnumpy()["l2_id"], dtype=np.int64)
