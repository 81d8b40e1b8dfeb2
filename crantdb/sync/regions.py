"""Synapses to regions: each synapse's centre is tested against the meshes once, and the answer becomes a table.

It streams: neither the synapses nor the answer need fit into memory. What was found for the same meshes in any
kept snapshot is taken over by synapse id, so that a new version tests only synapses that are new.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from crantdb.errors import CorruptWarehouse, ValidationError
from crantdb.sync.onto_version import Onto, commit_onto, key_on, version_with_synapses
from crantdb.sync.progress import Silence
from crantdb.warehouse.catalog import connect
from crantdb.warehouse.commit import TableFacts
from crantdb.warehouse.lock import writing
from crantdb.warehouse.manifest import read_manifest
from crantdb.warehouse.memory import promised_bytes
from crantdb.warehouse.relations import files_of, literal
from crantdb.warehouse.staging import Staging, open_staging
from crantdb.warehouse.validate import Constraint, validate
from crantdb.warehouse.whole import stage_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

    from crantdb.morphology.regions import Regions
    from crantdb.sync.progress import Progress
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.staging import StagedTable
    from crantdb.warehouse.state import Snapshot

TABLE = "synapse_regions"
PIECE_ROWS = 1_000_000
"""Synapses a piece: what is in memory at a time, and what a killed run loses at most."""

_DUCKDB_SHARE = 0.5
_POINTS = ("ctr_x_nm", "ctr_y_nm", "ctr_z_nm")
_SYNAPSES = "id, pre_pt_root_id, post_pt_root_id, size, ctr_x_nm, ctr_y_nm, ctr_z_nm"
ORDER = ("pre_root_id", "post_root_id", "synapse_id", "region")
"""The order of the table: of synapses as they are arranged, then of regions. Pieces follow each other in it."""

SCHEMA = pa.schema(
    [
        ("synapse_id", pa.int64()),
        ("region", pa.string()),
        ("pre_root_id", pa.int64()),
        ("post_root_id", pa.int64()),
        ("size", pa.float32()),
        ("mesh_revision", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class RegionsReport:
    """What was done.

    Attributes:
        snapshot: the snapshot that is current now.
        changed: whether this run made it.
        revision: the meshes' digest.
        rows: how many synapses each region has, ``other`` too; in order of regions.
        synapses: how many synapses there are.
        tested: how many were tested now; the others were known.
        open_regions: regions whose surfaces are not closed, with their open edges.
        seconds: how long it took.
    """

    snapshot: Snapshot
    changed: bool
    revision: str
    rows: dict[str, int]
    synapses: int
    tested: int
    open_regions: dict[str, int]
    seconds: float


def sync_regions(
    warehouse: Warehouse,
    regions: Regions,
    *,
    source: str,
    version: int | None = None,
    memory: str | None = None,
    progress: Progress | None = None,
) -> RegionsReport:
    """Find the regions of every synapse of a version, and commit them as `synapse_regions`.

    Interrupted at any moment, it leaves the last snapshot as it was, and a staging from which the same call goes on.

    Args:
        warehouse: where.
        regions: the meshes.
        source: where they came from, for the manifest.
        version: a kept version; by default the main one.
        memory: the memory promise, e.g. ``4GB``.
        progress: hears how it goes.

    Raises:
        NoSuchTable: when the version has no synapses.
        NoSuchSnapshot: when it is not kept.
        WarehouseBusy: when another process writes to the warehouse.
        ValidationError: when the rows break a promise.
        WarehouseError: when the store refuses.
    """
    progress = progress or Silence()
    start, memory_bytes = time.monotonic(), promised_bytes(memory)
    with writing(warehouse, "regions"):
        onto = version_with_synapses(warehouse, version)
        synapses = onto.synapses
        snapshot, tested = onto.parent, 0
        changed = not _is_there(onto, regions)
        if changed:
            run = _Run(warehouse, onto, regions, memory_bytes)
            tested = run.stage(progress)
            facts = run.facts(source)
            progress.say(f"{TABLE}: all {synapses.rows:,} synapses have their regions; joining the pieces")
            valid = validate(
                run.finish(),
                rows_expected=run.staging.rows,
                constraints=[Constraint("region is never NULL", "region IS NOT NULL")],
                exceptions={
                    "pre_root_id is NULL": "pre_root_id IS NULL",
                    "post_root_id is NULL": "post_root_id IS NULL",
                },
            )
            snapshot = commit_onto(warehouse, onto, (valid, facts), "regions")
            run.staging.discard()
            progress.say(f"committed snapshot {snapshot.number}")
    return RegionsReport(
        snapshot=snapshot,
        changed=changed,
        revision=regions.revision,
        rows=_counts(warehouse, snapshot, onto.state.version, regions),
        synapses=synapses.rows,
        tested=tested,
        open_regions={region.name: region.open_edges for region in regions if region.open_edges},
        seconds=time.monotonic() - start,
    )


def _is_there(onto: Onto, regions: Regions) -> bool:
    """Tell whether the version has these very regions already."""
    table = onto.state.tables.get(f"derived.{TABLE}")
    return table is not None and table.source.get("mesh_revision") == regions.revision


class _Run:
    """One pass over the synapses of a snapshot."""

    def __init__(self, warehouse: Warehouse, onto: Onto, regions: Regions, memory_bytes: int) -> None:
        self._warehouse = warehouse
        self._onto = onto
        self._regions = regions
        self._revision = regions.revision
        self._memory = memory_bytes
        self._known = known_files(warehouse, onto.parent, self._revision)
        # Where something is known, rows come from another query: pieces of the one are never taken for the other's.
        origin = f"{self._revision} again" if self._known else self._revision
        key = key_on(onto, TABLE, sort_key="pre_root_id", unique=False, origin=origin)
        self.staging: Staging = open_staging(warehouse, key)

    def stage(self, progress: Progress) -> int:
        """Stage what is not yet staged; return how many synapses were tested.

        Raises:
            ValidationError: when the pieces do not hold every synapse.
        """
        done = {piece.span for piece in self.staging.pieces}
        progress.begin(TABLE, self._onto.synapses.rows, sum(_synapses_in(span) for span in done))
        tested = at = 0
        with connect(self._warehouse.root, self._onto.parent.number, self._onto.state.version) as con:
            for rows in _pieces(self._open(con)):
                span = f"{at}-{at + rows.num_rows}"
                at += rows.num_rows
                if span in done:
                    continue
                table, new = self._found(rows)
                self.staging.add(span, table)
                tested += new
                progress.advance(TABLE, rows.num_rows)
        if at != self._onto.synapses.rows:
            self.staging.discard()
            promise = f"every one of the {self._onto.synapses.rows:,} synapses was met (got {at:,})"
            raise ValidationError(TABLE, promise, abs(self._onto.synapses.rows - at))
        if not self.staging.pieces:
            self.staging.add("0-0", SCHEMA.empty_table())
        progress.end(TABLE)
        return tested

    def finish(self) -> StagedTable:
        """Join the pieces into the files of the table, in its order.

        Raises:
            StorageError: when the disk refuses.
        """
        pieces = sorted(self.staging.pieces, key=lambda piece: _start_of(piece.span))
        read = (
            pq.read_table(self.staging.folder / piece.file, schema=SCHEMA, partitioning=None).sort_by(
                [(name, "ascending") for name in ORDER]
            )
            for piece in pieces
            if piece.file is not None
        )
        key = replace(self.staging.key, origin=f"{self.staging.key.origin} joined")
        return stage_whole(self._warehouse, key, SCHEMA, read, order=ORDER)

    def facts(self, source: str) -> TableFacts:
        """Return what the manifest says of the table."""
        said = {
            "synapse_table": self._onto.synapses.name,
            "mesh_revision": self._revision,
            "mesh_source": source,
            "regions": {region.name: {"open_edges": region.open_edges} for region in self._regions},
        }
        now = datetime.now(UTC)
        return TableFacts("derived", said, now, self._onto.state.as_of, "every synapse was tested")

    def _open(self, con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
        """Start reading the synapses in order of their presynaptic root, with the regions that are known of them."""
        spill = self.staging.folder / "spill"
        con.execute(f"SET memory_limit = '{int(self._memory * _DUCKDB_SHARE / 2**20)}MiB'")
        con.execute(f"SET temp_directory = {literal(str(spill))}")
        if not self._known:
            return con.sql(f"SELECT {_SYNAPSES}, NULL::VARCHAR[] AS known FROM synapses")
        return con.sql(
            f"SELECT {_SYNAPSES}, found.known FROM synapses LEFT JOIN ("
            f" SELECT synapse_id, list(DISTINCT region ORDER BY region) AS known"
            f" FROM read_parquet({literal(self._known)}, hive_partitioning = false) GROUP BY synapse_id"
            f") AS found ON found.synapse_id = id ORDER BY pre_pt_root_id, post_pt_root_id, id"
        )

    def _found(self, rows: pa.Table) -> tuple[pa.Table, int]:
        """Return a piece's rows of the table, and how many of its synapses were tested."""
        known = pc.is_valid(rows["known"])
        fresh = rows.filter(pc.invert(known))
        points = np.column_stack([fresh[name].to_numpy() for name in _POINTS]).astype(np.float64)
        place, region = self._regions.assign(points)
        labels = pa.array(self._regions.labels, pa.string())
        tested = self._shaped(fresh.take(pa.array(place)), labels.take(pa.array(region)))
        before = rows.filter(known)
        listed = before["known"].combine_chunks()
        taken = self._shaped(before.take(pc.list_parent_indices(listed)), pc.list_flatten(listed))
        return pa.concat_tables([tested, taken]), fresh.num_rows

    def _shaped(self, rows: pa.Table, region: pa.Array) -> pa.Table:
        """Return rows in the table's columns."""
        columns = [
            rows["id"],
            region,
            rows["pre_pt_root_id"],
            rows["post_pt_root_id"],
            rows["size"],
            pa.array([self._revision], pa.string()).take(pa.array(np.zeros(rows.num_rows, np.int64))),
        ]
        return pa.table(dict(zip(SCHEMA.names, columns, strict=True))).cast(SCHEMA)


def _pieces(opened: duckdb.DuckDBPyRelation) -> Iterator[pa.Table]:
    """Yield the rows of a query in pieces of `PIECE_ROWS`, the last one smaller, however they come."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in opened.to_arrow_reader(131_072):
        rest = batch
        while count + rest.num_rows >= PIECE_ROWS:
            cut = PIECE_ROWS - count
            yield pa.Table.from_batches([*waiting, rest.slice(0, cut)])
            rest, waiting, count = rest.slice(cut), [], 0
        if rest.num_rows:
            waiting.append(rest)
            count += rest.num_rows
    if waiting:
        yield pa.Table.from_batches(waiting)


def _start_of(span: str) -> int:
    """Return the number of a piece's first synapse."""
    return int(span.split("-", maxsplit=1)[0])


def _synapses_in(span: str) -> int:
    """Return how many synapses a piece stands for."""
    start, end = span.split("-")
    return int(end) - int(start)


def known_files(warehouse: Warehouse, parent: Snapshot, revision: str) -> list[str]:
    """Return the files of the newest table that has regions of the same meshes, in any snapshot; none when there is none."""
    for number in reversed(warehouse.numbers()):
        try:
            snapshot = read_manifest(warehouse.manifest(number))
        except CorruptWarehouse:
            continue
        for state in snapshot.states():
            table = state.tables.get(f"derived.{TABLE}")
            if table is None or table.source.get("mesh_revision") != revision:
                continue
            same = snapshot.datastack == parent.datastack and table.source.get(
                "synapse_table"
            ) == parent.info.get("synapse_table")
            whole = all((warehouse.root / file.path).is_file() for file in table.files)
            if same and whole:
                return files_of(warehouse, table)
    return []


def _counts(
    warehouse: Warehouse, snapshot: Snapshot, version: int | None, regions: Regions
) -> dict[str, int]:
    """Count the synapses of each region."""
    with connect(warehouse.root, snapshot.number, version) as con:
        found = dict(con.sql(f"SELECT region, count(*) FROM {TABLE} GROUP BY region").fetchall())
    return {name: int(found.get(name, 0)) for name in regions.labels}
