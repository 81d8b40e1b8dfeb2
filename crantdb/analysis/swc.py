"""SWC of neurons into a folder or a zip: made from the mirror, what is up to date left alone, failures told."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import polars as pl

from crantdb.analysis.attached import SynapseChoice, attach_rows, read_synapses
from crantdb.analysis.skeletons import SkeletonOptions, l2_of, skeletons_of
from crantdb.errors import NoSkeleton
from crantdb.morphology.many import to_swc_many
from crantdb.morphology.split import split_compartments, whole_compartment
from crantdb.morphology.store import grid_of, known_counts, mirrored, soma_points
from crantdb.morphology.swc import to_swc
from crantdb.morphology.swc_files import Report, open_target, stamped, up_to_date, write_files
from crantdb.morphology.synapses import Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import duckdb
    from numpy.typing import ArrayLike, NDArray

    from crantdb.morphology.many import NeuronL2
    from crantdb.morphology.swc import Units
    from crantdb.morphology.swc_files import Target
    from crantdb.morphology.tree import Skeleton

NEURONS_AT_ONCE = 1024
"""Neurons made between two looks at the disk."""

PER_WORKER = 4096
"""As many for each process, where there are several: starting them takes seconds."""

ATTACHED = pl.Schema(
    {
        "root_id": pl.Int64,
        "synapse_id": pl.Int64,
        "side": pl.String,
        "partner": pl.Int64,
        "size": pl.Float64,
        "x_nm": pl.Float64,
        "y_nm": pl.Float64,
        "z_nm": pl.Float64,
        "node_id": pl.Int64,
        "l2_id": pl.Int64,
        "rule": pl.String,
        "distance_nm": pl.Float64,
        "compartment": pl.Int64,
    }
)
"""The columns of the synapses beside SWC files: `node_id` as in the SWC, NULL for a synapse without a node;
`rule` how the node was found; `compartment` in the codes of SWC (0 unknown, 1 soma, 2 axon, 3 dendrite, 4 the
stretch between both, 7 the stretch from the soma)."""


@dataclass(frozen=True, slots=True)
class SwcWish:
    """What SWC files are to be like.

    Attributes:
        options: how skeletons are made.
        units: ``nm``, whole and lossless, or ``um`` with three decimals.
        synapses: which synapses to write beside them; None for none.
        workers: processes to share the work.
    """

    options: SkeletonOptions = field(default_factory=SkeletonOptions)
    units: Units = "nm"
    synapses: SynapseChoice | None = None
    workers: int = 1


def write_swc(
    con: duckdb.DuckDBPyConnection,
    roots: ArrayLike,
    path: Path | str,
    wish: SwcWish | None = None,
    *,
    schema: str = "main",
    done: Callable[[int], None] = lambda _: None,
) -> Report:
    """Write the SWC of neurons, one file each, named by root id.

    A file whose stamp says that it was made of the same L2 data in the same way is left alone unread. With
    synapses, a table of them is written beside: ``synapses.parquet`` in the folder, ``<name>.synapses.parquet``
    beside a zip.

    Args:
        con: a connection of `crantdb.connect`.
        roots: root ids of any moment.
        path: a folder, or a zip when it ends so; made when missing.
        wish: what the files are to be like.
        schema: the schema of the version whose annotations, nuclei and synapses count.
        done: hears how many neurons were done.

    Returns:
        What became of each neuron. One without a skeleton has no file and a reason: never a stub.

    Raises:
        StorageError: when the disk refuses.
        BadArgument: for a wish that cannot be met.
    """
    asked = wish or SwcWish()
    wanted = np.unique(np.asarray(roots, dtype=np.int64))
    report = Report()
    there = mirrored(con, wanted, schema=schema)
    points = soma_points(con, there, schema=schema) if asked.options.reroot else {}
    made = _Making(con, schema, asked, provenance_of(con, schema), points)
    lost = np.setdiff1d(wanted, there)
    if len(lost):
        reasons = skeletons_of(con, lost, schema=schema)
        report.failed |= {root: str(reason) for root, reason in reasons}
    with open_target(path) as target:
        if asked.synapses is None:
            before = [root for root in there.tolist() if target.head(root) is not None]
            report.kept += sorted(up_to_date(target, made.stamps(before)))
        done(len(lost) + len(report.kept))
        left = np.setdiff1d(there, report.kept)
        if asked.synapses is None:
            _write_plain(made, target, left, report=report, done=done)
        else:
            _write_attached(made, target, left, _beside(Path(path)), report=report, done=done)
    return report


def _write_plain(
    made: _Making,
    target: Target,
    roots: NDArray[np.int64],
    *,
    report: Report,
    done: Callable[[int], None],
) -> None:
    """Write neurons without synapses, many at once."""
    for part in _parts(roots, PER_WORKER * made.wish.workers if made.wish.workers > 1 else NEURONS_AT_ONCE):
        write_files(target, made.texts(part), report=report)
        done(len(part))


def _write_attached(
    made: _Making,
    target: Target,
    roots: NDArray[np.int64],
    beside: Path,
    *,
    report: Report,
    done: Callable[[int], None],
) -> None:
    """Write neurons, and their synapses in a table beside them."""
    frames = [pl.DataFrame(schema=ATTACHED)]
    for part in _parts(roots, NEURONS_AT_ONCE):
        skeletons: dict[int, Skeleton] = {}
        asked = made.wish.options
        for root, skeleton in skeletons_of(made.con, part, asked, schema=made.schema, root_at=made.points):
            if isinstance(skeleton, NoSkeleton):
                report.failed[root] = str(skeleton)
            else:
                skeletons[root] = skeleton
        write_files(target, made.files(skeletons), report=report)
        frames += made.attached({root: s for root, s in skeletons.items() if root not in report.failed})
        done(len(part))
    partial = beside.with_name(f".{beside.name}.{uuid4().hex[:12]}.partial")
    try:
        pl.concat(frames).write_parquet(partial)
        partial.replace(beside)
    finally:
        partial.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    """Return where the table of synapses goes."""
    return (
        path.with_suffix(".synapses.parquet") if path.suffix.lower() == ".zip" else path / "synapses.parquet"
    )


def _parts(roots: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    """Yield roots in parts."""
    for start in range(0, len(roots), size):
        yield roots[start : start + size]


@dataclass(frozen=True, slots=True)
class _Making:
    """What files are made with."""

    con: duckdb.DuckDBPyConnection
    schema: str
    wish: SwcWish
    provenance: dict[str, Any]
    points: dict[int, NDArray[np.float64]]

    def stamps(self, roots: list[int]) -> dict[int, str]:
        """Return of each root a checksum of all that its file would be made of now."""
        counts = known_counts(self.con, roots, schema=self.schema)
        return {root: self.stamp(root, *known) for root, known in counts.items()}

    def stamp(self, root: int, l2_ids: int, known: int) -> str:
        """Return a checksum of all that a root's file is made of; L2 data are facts, so counting them is enough."""
        how = json.dumps([asdict(self.wish.options), self.wish.units, self.provenance], sort_keys=True)
        at = self.points[root].tolist() if root in self.points else None
        return hashlib.sha256(repr((how, root, l2_ids, known, at)).encode()).hexdigest()[:24]

    def texts(self, roots: NDArray[np.int64]) -> Iterator[tuple[int, bytes | NoSkeleton]]:
        """Yield the stamped SWC of roots that are mirrored."""
        options, stamps = self.wish.options, dict[int, str]()

        def counted() -> Iterator[NeuronL2]:
            for neuron in l2_of(self.con, roots, options, schema=self.schema, root_at=self.points):
                known = int(np.isfinite(np.asarray(neuron.points_nm)[:, 0]).sum())
                stamps[neuron.root_id] = self.stamp(neuron.root_id, len(np.asarray(neuron.l2_ids)), known)
                yield neuron

        made = to_swc_many(
            counted(),
            grid=grid_of(self.con, schema=self.schema),
            workers=self.wish.workers,
            failures="give",
            units=self.wish.units,
            provenance=self.provenance,
            **options.given(),
        )
        for root, text in made:
            yield root, text if isinstance(text, NoSkeleton) else stamped(text, stamps[root])

    def files(self, skeletons: dict[int, Skeleton]) -> Iterator[tuple[int, bytes | NoSkeleton]]:
        """Yield the SWC of skeletons."""
        for root, skeleton in skeletons.items():
            try:
                yield root, to_swc(skeleton, root_id=root, units=self.wish.units, provenance=self.provenance)
            except NoSkeleton as error:
                yield root, error

    def attached(self, skeletons: dict[int, Skeleton]) -> list[pl.DataFrame]:
        """Return the synapses of neurons with their nodes and compartments."""
        choice = self.wish.synapses or SynapseChoice()
        rows = read_synapses(self.con, list(skeletons), choice, schema=self.schema)
        grid = grid_of(self.con, schema=self.schema)
        query = f'SELECT root_id, super_class, cell_class, flow FROM "{self.schema}".neurons'
        whole = {root: whole_compartment(*names) for root, *names in self.con.sql(query).fetchall()}
        frames = []
        for root, skeleton in skeletons.items():
            own = rows.filter(pl.col("root_id") == root)
            sides = attach_rows(skeleton, own, root, grid, choice)
            split = split_compartments(skeleton, sides.pre, sides.post, whole=whole.get(root))
            for name, side in (("pre", sides.pre), ("post", sides.post)):
                nodes = pl.Series("node_id", side.node + 1)
                frame = (
                    own.filter(pl.col("side") == name)
                    .rename({"id": "synapse_id"})
                    .with_columns(
                        nodes.set(nodes == 0, None),
                        pl.Series("l2_id", side.l2_id),
                        pl.Series("rule", [Rule(code).name.lower() for code in side.rule], dtype=pl.String),
                        pl.Series("distance_nm", side.distance_nm).fill_nan(None),
                        pl.Series("compartment", split.compartment_of(side).astype(np.int64)),
                    )
                )
                frames.append(frame.select(ATTACHED.names()))
        return frames


def provenance_of(con: duckdb.DuckDBPyConnection, schema: str = "main") -> dict[str, Any]:
    """Return what an SWC's header says of where it comes from: nothing that changes from version to version.

    Args:
        con: a connection of `crantdb.connect`.
        schema: the schema of the version.
    """
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - slow, and seldom asked for

    try:
        tool = version("crantdb")
    except PackageNotFoundError:
        tool = "0+uninstalled"
    [(datastack,)] = con.sql(f'SELECT datastack FROM "{schema}".snapshot').fetchall()
    query = f"""SELECT description FROM "{schema}".tables WHERE name = 'l2_nodes' AND kind = 'log'"""
    said = [words for (words,) in con.sql(query).fetchall() if words]
    return {"crantdb": tool, "datastack": datastack, **({"l2": said[0]} if said else {})}
