"""Annotations at as_of: typed, each with its root, and neurons made of them; committed with the tables they are from."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC
from types import MappingProxyType
from typing import TYPE_CHECKING

from crantdb.errors import BadResponse, NotServed, SourceError, ValidationError
from crantdb.sync import annotation_rules as rules
from crantdb.sync.anchors import anchors
from crantdb.sync.annotation_cells import annotation_table, read_typed
from crantdb.sync.annotation_columns import Mapped
from crantdb.sync.coming import opened
from crantdb.sync.making import fill, staged
from crantdb.sync.positions import found_at_positions
from crantdb.sync.root_history import Events, append, edits_since
from crantdb.sync.root_overlaps import overlaps
from crantdb.sync.roots import carried_supervoxels, cells, check_cave, resolve
from crantdb.sync.typed_later import typed_later
from crantdb.sync.typed_roots import look_at_typed_roots, roots_later

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crantdb.sources.chunkedgraph import Chunkedgraph
    from crantdb.sync.coming import Coming, Made, Opened, Readable
    from crantdb.sync.in_segmentation import Opener

DEFAULT_TABLE = "CRANTb_meta"

MOST_FILES = 16
"""A log of so many files is written anew, as one."""

LOGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "root_history": ("happened_at", "event", "root_id"),
        "root_anchors": ("root_id", "supervoxel_id"),
        "root_overlaps": ("one_version", "two_version", "one_root_id", "two_root_id"),
        "position_supervoxels": ("segmentation", "x_nm", "y_nm", "z_nm"),
    }
)
"""The logs that a sync appends to, and what each is sorted by."""


@dataclass(frozen=True, slots=True)
class Annotated:
    """Which SeaTable table is the lab's annotations, and how it is read.

    Attributes:
        table: its name.
        is_said: whether the lab says so, and it must be there.
        mapped: which of its columns means what, and its voxels.
        backup_cells: a CAVE table of cells to look in where the soma table has none.
    """

    table: str = DEFAULT_TABLE
    mapped: Mapped = field(default_factory=Mapped)
    backup_cells: str | None = None
    is_said: bool = False

    def recorded(self) -> dict[str, object]:
        """Return what a manifest keeps of it, so that a later sync sees whether it has changed."""
        return {
            "table": self.table,
            "columns": dict(self.mapped.columns),
            "voxel_nm": [float(size) for size in self.mapped.voxel_nm],
            "backup_cells": self.backup_cells,
        }


@dataclass(slots=True)
class Derived:
    """What was made for a commit.

    Attributes:
        tables: tables of the version.
        appended: rows for the logs.
        replaced: logs written anew, with all their rows.
        messages: what the user should read.
    """

    tables: list[Made] = field(default_factory=list)
    appended: list[Made] = field(default_factory=list)
    replaced: list[Made] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


def derive(
    coming: Coming,
    graph: Chunkedgraph | None,
    annotated: Annotated | None = None,
    *,
    opener: Opener | None = None,
) -> Derived:
    """Make what a commit holds beside its mirrored tables; every root in it is of the version's moment.

    The tables are `annotations`, `neurons`, `root_ids` and `cell_ids`; the logs `root_history`, `root_anchors`,
    `root_overlaps` and `position_supervoxels` gain rows.

    Args:
        coming: what the commit is to hold.
        graph: the datastack's chunkedgraph; None for a datastack without one.
        annotated: how the lab's annotations are read.
        opener: opens the segmentation, for positions that no table has a point at; None when it is not to be asked.

    Raises:
        ConfigError: when crantdb.toml names a table or a column for annotations that is not there.
        SourceError: when the chunkedgraph does not answer: nothing can be committed, and the message says so.
        ValidationError: when an annotation would be lost, or a declared constraint breaks.
        StorageError: when the disk refuses.
    """
    annotated = annotated or Annotated()
    result = Derived()
    with opened(coming) as there:
        there.con.execute("SET TimeZone = 'UTC'")
        table, notes = annotation_table(there, annotated.table, is_said=annotated.is_said)
        result.messages += notes
        try:
            _make(coming, there, graph, annotated, result, table=table, opener=opener)
        except SourceError as error:
            stale = "annotations and root ids" if table is not None else "root ids"
            msg = (
                f"the {stale} of version {coming.version} need the chunkedgraph, which could not be asked: {error}. "
                f"Nothing was committed{_left_as_is(coming, annotated.table)}; what was fetched is kept: run the command again"
            )
            error.args = (msg,)
            raise
    return result


def _left_as_is(coming: Coming, table: str) -> str:
    """Say what the warehouse goes on with: its version, and from when its annotations are."""
    if coming.parent is None:
        return ""
    version = coming.parent.main.version
    read = [
        f", and annotations stay as read on {known.fetched_at:%Y-%m-%d %H:%M} UTC"
        for known in coming.parent.shared.values()
        if (known.schema, known.name) == ("seatable", table)
    ]
    return (f": the warehouse stays at version {version}" if version is not None else "") + "".join(read[:1])


def _make(
    coming: Coming,
    there: Opened,
    graph: Chunkedgraph | None,
    annotated: Annotated,
    result: Derived,
    *,
    table: Readable | None,
    opener: Opener | None,
) -> None:
    """Make every table, in the order in which they need each other."""
    carried_supervoxels(coming, there)
    unread = read_typed(there, table, annotated.mapped)
    asked = resolve(coming, there, graph)
    unfound = found_at_positions(coming, there, graph, opener)
    wrong = check_cave(coming, there, graph)
    cells(coming, there, annotated.backup_cells)
    events = Events()
    _annotations(coming, there, graph, table, events)
    how = "not resolved: the datastack has no chunkedgraph"
    if graph is not None:
        how = f"roots_binary at as_of, {asked:,} supervoxels asked for by this sync"
        _history(coming, there, graph, events, result)
    result.tables += [
        staged(
            coming,
            there,
            "root_ids",
            order=("supervoxel_id",),
            key="supervoxel_id",
            completeness=how,
            exceptions=wrong,
            source={"annotations": annotated.recorded()},
        ),
        staged(
            coming,
            there,
            "cell_ids",
            order=("cell_id", "rank", "source"),
            key="cell_id",
            completeness="derived",
        ),
    ]
    if table is not None:
        result.tables += [
            staged(
                coming,
                there,
                "annotations",
                order=("_id",),
                completeness=unfound.completeness,
                exceptions=_counted(there) | unread,
            ),
            staged(coming, there, "neurons", order=("root_id",), key="root_id", completeness="derived"),
        ]
        result.messages += [] if unfound.message is None else [unfound.message]
    anchors(coming, there, graph)
    overlaps(coming, there)
    append(there, events)
    for log, order in LOGS.items():
        _logged(coming, there, log, order, result)


def _logged(coming: Coming, there: Opened, log: str, order: tuple[str, ...], result: Derived) -> None:
    """Add a log's new rows to what was made: behind its files, or, when those are many, as a whole with all its rows."""
    if not there.rows(f"SELECT 1 FROM main.{log} LIMIT 1"):
        return
    known = there.table("history", log)
    if known is not None and known.files >= MOST_FILES:
        fill(there.con, log, f"SELECT * FROM {known.relation}")
        result.replaced.append(staged(coming, there, log, order=order, completeness="log", log=True))
    else:
        result.appended.append(staged(coming, there, log, order=order, completeness="log", log=True))


def _annotations(
    coming: Coming, there: Opened, graph: Chunkedgraph | None, table: Readable | None, events: Events
) -> None:
    """Make `annotations` and `neurons`.

    Raises:
        ValidationError: when a row of the SeaTable, or an annotation with a root, would be lost.
    """
    if table is None:
        return
    there.con.execute(rules.PLACED)
    typed_by = max(table.fetched_at.astimezone(UTC), coming.as_of)
    look_at_typed_roots(coming, there, graph, events, typed_by=typed_by)
    roots_later(there, graph, typed_by)
    there.con.execute(rules.ANNOTATED)
    typed_later(there, graph, typed_by)
    fill(there.con, "annotations", rules.ANNOTATIONS)
    fill(there.con, "neurons", rules.NEURONS)
    counts = "SELECT (SELECT count(*) FROM main.typed), (SELECT count(*) FROM main.annotations)"
    rooted = (
        "SELECT (SELECT count(*) FROM main.annotations WHERE root_id IS NOT NULL), "
        "(SELECT coalesce(sum(annotation_count), 0)::BIGINT FROM main.neurons)"
    )
    for name, query in (("annotations", counts), ("neurons", rooted)):
        [(due, made)] = there.rows(query)
        if due != made:
            raise ValidationError(name, f"loses none of {due:,} annotations (has {made:,})", abs(due - made))


def _counted(there: Opened) -> dict[str, int]:
    """Count what is the matter with annotations: their statuses but for current, and their findings."""
    statuses = there.rows(
        "SELECT 'root_status is ' || root_status, count(*) FROM main.annotations "
        "WHERE root_status <> 'current' GROUP BY ALL ORDER BY ALL"
    )
    findings = there.rows(
        "SELECT finding, count(*) FROM (SELECT unnest(findings) AS finding FROM main.annotations) GROUP BY ALL ORDER BY ALL"
    )
    unplaced = there.rows("SELECT 'root_id is NULL', count(*) FROM main.annotations WHERE root_id IS NULL")
    uncompared = there.rows(
        "SELECT 'root_id_typed not compared with the supervoxel', count(*) FROM main.annotated AS annotated "
        "JOIN main.typed_roots AS facts ON facts.root_id = annotated.root_id_typed "
        "ANTI JOIN main.held AS held ON held.typed_root_id = annotated.root_id_typed "
        "AND held.supervoxel_id = annotated.supervoxel_id_used "
        "WHERE facts.is_known AND NOT facts.is_latest AND annotated.supervoxel_id_used IS NOT NULL HAVING count(*) > 0"
    )
    return {str(name): int(count) for name, count in (*statuses, *findings, *unplaced, *uncompared)}


def _history(coming: Coming, there: Opened, graph: Chunkedgraph, events: Events, result: Derived) -> None:
    """Note all edits since the last version; a server that cannot list them is no reason to commit nothing."""
    try:
        edits_since(coming, there, graph, events)
    except (BadResponse, NotServed) as error:
        result.messages.append(f"note: the history of roots was not continued: {error}")
