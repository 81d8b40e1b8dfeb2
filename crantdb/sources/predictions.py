"""Files of neurotransmitter predictions: Parquet, Feather (Arrow) or CSV, one row a synapse. No network here."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from crantdb.errors import BadFile
from crantdb.sources.dumps import input_file
from crantdb.sources.exports import BATCH_ROWS, export_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

CLASSES = ("acetylcholine", "dopamine", "gaba", "glutamate", "octopamine", "peptide")
"""The classes of CRANTb's classifier; a file may lack some."""

OTHER_CLASSES = ("histamine", "nitric_oxide", "serotonin", "tyramine")
"""Classes of other classifiers, taken where a file has them."""

ALSO_CALLED: Mapping[str, str] = MappingProxyType(
    {
        "ach": "acetylcholine",
        "da": "dopamine",
        "glut": "glutamate",
        "oct": "octopamine",
        "ser": "serotonin",
        "tyr": "tyramine",
        "his": "histamine",
        "neuropeptide": "peptide",
        "peptides": "peptide",
    }
)
_IDS = ("synapse_id", "id", "connector_id")
_WEIGHTS = ("weight", "cleft_score", "cleft_scores")
_ENDINGS = (".parquet", ".pq", ".feather", ".arrow", ".ipc", ".csv")


@dataclass(frozen=True, slots=True)
class PredictionFile:
    """A file of predictions.

    Attributes:
        path: where.
        columns: the file's column behind each of ours: `synapse_id`, classes, `weight` where it has one.
        dropped: its other columns, which are not read.
    """

    path: Path
    columns: Mapping[str, str]
    dropped: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that the file has."""
        return tuple(name for name in self.columns if name not in {"synapse_id", "weight"})

    def rows(self) -> Iterator[pa.Table]:
        """Yield the rows: `synapse_id`, classes and `weight` as the file has them, ids never through a float.

        Raises:
            BadFile: when the file cannot be read, or a column is not of its type.
        """
        read = (
            _csv_rows(self)
            if self.path.suffix == ".csv"
            else export_rows(input_file(self.path, self.path.name))
        )
        for table in read:
            yield pa.table({ours: self._cast(ours, table[theirs]) for ours, theirs in self.columns.items()})

    def _cast(self, ours: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return a column in its type."""
        wanted = pa.int64() if ours == "synapse_id" else pa.float64()
        if ours == "synapse_id" and pa.types.is_floating(values.type):
            msg = f"{self.path.name}: {self.columns[ours]} holds {values.type}, which bends ids. Write it as int64"
            raise BadFile(msg, path=self.path)
        try:
            made = values.cast(wanted)
        except pa.ArrowException as error:
            msg = f"{self.path.name}: {self.columns[ours]} cannot be read as {wanted}: {error}"
            raise BadFile(msg, path=self.path) from error
        if ours == "synapse_id":
            return made
        # pandas writes what is unknown as NaN.
        return pc.if_else(pc.fill_null(pc.is_nan(made), fill_value=False), pa.scalar(None, wanted), made)


def open_predictions(path: Path, *, id_column: str | None = None) -> PredictionFile:
    """Open a file of predictions.

    Args:
        path: a Parquet, Feather (Arrow) or CSV file with a header.
        id_column: its column of synapse ids; by default ``synapse_id``, ``id`` or ``connector_id``.

    Raises:
        BadFile: when it is none of these, or has no ids or no class that is known.
    """
    if path.suffix not in _ENDINGS:
        msg = f"{path.name} is no file of predictions by its name: it should end in {', '.join(_ENDINGS)}"
        raise BadFile(msg, path=path)
    if not path.is_file():
        msg = f"{path} does not exist"
        raise BadFile(msg, path=path)
    names = _names(path)
    ids = _column(path, names, (id_column,) if id_column else _IDS)
    weight = next((name for name in _WEIGHTS if name in names), None)
    found: dict[str, str] = {}
    for name in names:
        ours = ALSO_CALLED.get(name.strip().lower(), name.strip().lower())
        if ours in CLASSES + OTHER_CLASSES and name != ids:
            if ours in found:
                msg = f"{path.name} has both {found[ours]} and {name}, which are one class"
                raise BadFile(msg, path=path)
            found[ours] = name
    if not found:
        known = ", ".join(CLASSES + OTHER_CLASSES)
        msg = f"{path.name} has no column of a transmitter ({known}); it has {', '.join(names[:12])}"
        raise BadFile(msg, path=path)
    columns = {"synapse_id": ids, **dict(sorted(found.items()))}
    if weight is not None and weight != ids:
        columns["weight"] = weight
    dropped = tuple(name for name in names if name not in columns.values())
    return PredictionFile(path, MappingProxyType(columns), dropped)


def _column(path: Path, names: Sequence[str], wanted: Sequence[str]) -> str:
    """Return the first of some columns that a file has."""
    for name in wanted:
        if name in names:
            return name
    msg = f"{path.name} has no column {' or '.join(wanted)}; it has {', '.join(names[:12])}. Say which with --id-column"
    raise BadFile(msg, path=path)


def _names(path: Path) -> list[str]:
    """Return a file's columns."""
    if path.suffix != ".csv":
        return list(next(iter(export_rows(input_file(path, path.name)))).column_names)
    with path.open(encoding="utf-8-sig") as lines:
        return [name.strip().strip('"') for name in lines.readline().rstrip("\r\n").split(",")]


def _csv_rows(file: PredictionFile) -> Iterator[pa.Table]:
    """Yield a CSV file's rows, its columns in their types from the text on."""
    names = _names(file.path)
    ids = file.columns["synapse_id"]
    types = {name: pa.int64() if name == ids else pa.float64() for name in file.columns.values()}
    try:
        reader = pacsv.open_csv(
            file.path,
            read_options=pacsv.ReadOptions(column_names=names, skip_rows=1, block_size=1 << 24),
            convert_options=pacsv.ConvertOptions(
                column_types=types, include_columns=list(types), null_values=["", "NaN", "nan", "NA", "NULL"]
            ),
        )
        yield pa.schema(types.items()).empty_table()
        for batch in reader:
            for start in range(0, batch.num_rows, BATCH_ROWS):
                yield pa.Table.from_batches([batch.slice(start, BATCH_ROWS)])
    except (pa.ArrowException, OSError) as error:
        if "Empty CSV file" in str(error):
            return
        msg = f"{file.path.name} cannot be read: {str(error).splitlines()[0]}"
        raise BadFile(msg, path=file.path) from error


def predicted(rows: pa.Table, classes: Sequence[str]) -> pa.Table:
    """Return the rows that say anything: those whose classes are not all NULL."""
    said = None
    for name in classes:
        here = pc.is_valid(rows[name])
        said = here if said is None else pc.or_(said, here)
    return rows.filter(said)
