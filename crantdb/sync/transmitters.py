"""Neurotransmitter predictions from a file into the main version, as `nt_predictions`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from crantdb.errors import BadFile, ValidationError
from crantdb.sources.predictions import CLASSES, PredictionFile, predicted
from crantdb.sync.onto_version import Onto, commit_onto, key_on, version_with_synapses
from crantdb.sync.progress import Silence
from crantdb.warehouse.catalog import connect
from crantdb.warehouse.commit import TableFacts
from crantdb.warehouse.durable import sha256_of
from crantdb.warehouse.lock import writing
from crantdb.warehouse.memory import promised_bytes
from crantdb.warehouse.relations import ident, literal
from crantdb.warehouse.sorting import sorting
from crantdb.warehouse.staging import Staging, StagingKey, clear, open_staging
from crantdb.warehouse.validate import Constraint, ValidTable, validate
from crantdb.warehouse.whole import stage_whole

if TYPE_CHECKING:
    import duckdb

    from crantdb.sync.progress import Progress
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import Snapshot

TABLE = "nt_predictions"
ROUNDING = 0.01
"""How far the probabilities of a synapse may add up beyond 1: classifiers write single floats, rounded."""


@dataclass(frozen=True, slots=True)
class TransmittersReport:
    """What an import of predictions did.

    Attributes:
        snapshot: the snapshot that is current now.
        classes: the classes that the file has.
        rows: the predictions imported.
        unpredicted: rows of the file without any probability, left out.
        unknown: predictions of synapses that the version does not have; they are kept, and counted.
        dropped: columns of the file that are no predictions, left out.
        seconds: how long it took.
    """

    snapshot: Snapshot
    classes: tuple[str, ...]
    rows: int
    unpredicted: int
    unknown: int
    dropped: tuple[str, ...]
    seconds: float


def import_predictions(
    warehouse: Warehouse,
    file: PredictionFile,
    *,
    version: int | None = None,
    memory: str | None = None,
    progress: Progress | None = None,
) -> TransmittersReport:
    """Import predictions in the place of those that a version may have.

    Args:
        warehouse: where to.
        file: the predictions, one row a synapse; each class is a probability.
        version: a kept version; by default the main one.
        memory: the memory promise, e.g. ``4GB``.
        progress: hears how it goes.

    Raises:
        BadFile: when the file cannot be read, holds nothing, or none of its ids is a synapse of the version.
        ValidationError: when an id comes twice or is NULL, a probability is not one, or a row has only some.
        NoSuchTable: when the version has no synapses.
        NoSuchSnapshot: when it is not kept.
        WarehouseError: when the store refuses.
    """
    progress = progress or Silence()
    start, memory_bytes = time.monotonic(), promised_bytes(memory)
    with writing(warehouse, "import nt"):
        onto = version_with_synapses(warehouse, version)
        origin = sha256_of(file.path)
        key = key_on(onto, TABLE, sort_key="synapse_id", unique=False, origin=origin)
        open_staging(warehouse, key).discard()  # of a run that was killed: a file is read whole or not
        pieces = open_staging(warehouse, key)
        ordered = key_on(onto, TABLE, sort_key="synapse_id", unique=True, origin=f"{origin} ordered")
        try:
            read = _stage(pieces, file, progress)
            valid = _valid(warehouse, pieces, file, ordered, memory_bytes=memory_bytes)
            unknown = _unknown(warehouse, onto, valid, file)
            facts = _facts(file, onto, origin, unknown)
            snapshot = commit_onto(warehouse, onto, (valid, facts), "import nt")
        finally:
            clear(warehouse, [key, ordered])
        progress.say(f"committed snapshot {snapshot.number}")
    rows = valid.staged.rows
    return TransmittersReport(
        snapshot, file.classes, rows, read - rows, unknown, file.dropped, time.monotonic() - start
    )


def _stage(pieces: Staging, file: PredictionFile, progress: Progress) -> int:
    """Stage the file's rows in the table's columns; return how many the file has."""
    progress.say(f"{TABLE}: reading {file.path.name}")
    read = 0
    for number, rows in enumerate(file.rows()):
        read += rows.num_rows
        said = predicted(rows, file.classes)
        if said.num_rows or not number:
            pieces.add(str(number), _shaped(said))
    return read


def _shaped(rows: pa.Table) -> pa.Table:
    """Return rows in the declared columns, those that the file lacks as NULL; further classes follow."""
    nothing = pa.nulls(rows.num_rows, pa.float64())
    further = [name for name in rows.column_names if name not in {"synapse_id", "weight", *CLASSES}]
    names = [*CLASSES, "weight", *further]
    columns = {name: rows[name] if name in rows.column_names else nothing for name in names}
    return pa.table({"synapse_id": rows["synapse_id"]} | columns)


def _valid(
    warehouse: Warehouse,
    pieces: Staging,
    file: PredictionFile,
    key: StagingKey,
    *,
    memory_bytes: int,
) -> ValidTable:
    """Return the rows in order of their ids, checked.

    Raises:
        ValidationError: when a promise is broken.
        BadFile: when there is no row.
    """
    if not pieces.rows:
        msg = f"{file.path.name} holds no prediction"
        raise BadFile(msg, path=file.path)
    source = f"read_parquet({literal([str(path) for path in pieces.files()])}, hive_partitioning = false)"
    with sorting(pieces, memory_bytes) as con:
        _check_ids(con, source)
        ordered = con.sql(f"FROM {source} ORDER BY synapse_id")
        batches = (pa.Table.from_batches([batch]) for batch in ordered.to_arrow_reader(131_072))
        staged = stage_whole(warehouse, key, pieces.schema(), batches, order=("synapse_id",))
    return validate(staged, rows_expected=pieces.rows, constraints=_promises(file))


def _check_ids(con: duckdb.DuckDBPyConnection, source: str) -> None:
    """Refuse ids that are NULL or come twice.

    Raises:
        ValidationError: with the count and examples.
    """
    [(missing,)] = con.sql(f"SELECT count(*) FROM {source} WHERE synapse_id IS NULL").fetchall()
    if missing:
        raise ValidationError(TABLE, "synapse_id is never NULL", int(missing))
    twice = f"SELECT synapse_id FROM {source} GROUP BY synapse_id HAVING count(*) > 1"
    [(count,)] = con.sql(f"SELECT count(*) FROM ({twice})").fetchall()
    if count:
        examples = [value for (value,) in con.sql(f"{twice} ORDER BY synapse_id LIMIT 5").fetchall()]
        raise ValidationError(TABLE, "synapse_id is unique", int(count), examples)


def _promises(file: PredictionFile) -> list[Constraint]:
    """Return what must hold for every row."""
    made = [
        Constraint(f"{name} is a probability from 0 to 1", f"{ident(name)} BETWEEN 0 AND 1")
        for name in file.classes
    ]
    total = " + ".join(map(ident, file.classes))
    made.append(
        Constraint("the probabilities of a synapse add up to 1 at the most", f"{total} <= {1 + ROUNDING}")
    )
    if "weight" in file.columns:
        made.append(
            Constraint("weight is never NULL, negative or infinite", "weight >= 0 AND isfinite(weight)")
        )
    return made


def _unknown(warehouse: Warehouse, onto: Onto, valid: ValidTable, file: PredictionFile) -> int:
    """Count the predictions of synapses that the version does not have.

    Raises:
        BadFile: when it has none of them: the file is of another dataset, or its ids are not synapse ids.
    """
    paths = literal([str(part.path) for part in valid.staged.files])
    with connect(warehouse.root, onto.parent.number, onto.state.version) as con:
        [(count, example)] = con.sql(
            f"SELECT count(*), min(synapse_id) FROM read_parquet({paths}, hive_partitioning = false) AS given"
            f" ANTI JOIN synapse_ids AS known ON known.id = given.synapse_id"
        ).fetchall()
    if count == valid.staged.rows:
        msg = (
            f"none of the {count:,} ids of {file.path.name} (e.g. {example}) is a synapse of version "
            f"{onto.state.version}: is it of this dataset, and is {file.columns['synapse_id']} the synapse's id?"
        )
        raise BadFile(msg, path=file.path)
    return int(count)


def _facts(file: PredictionFile, onto: Onto, origin: str, unknown: int) -> TableFacts:
    """Return what the manifest says of the table."""
    lacking = [f"{name} is absent" for name in CLASSES if name not in file.classes]
    further = [f"{name} DOUBLE is new" for name in file.classes if name not in CLASSES]
    said = {
        "synapse_table": onto.synapses.name,
        "file": file.path.name,
        "sha256": origin,
        "columns": dict(file.columns),
        "synapses not in this version": unknown,
    }
    now = datetime.now(UTC)
    return TableFacts(
        "derived", said, now, onto.state.as_of, "every row of the file", drift=(*lacking, *further)
    )
