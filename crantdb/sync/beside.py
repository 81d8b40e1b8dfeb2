"""What a commit holds beside what was fetched: annotations, neurons and root ids at the version's moment, in the same step."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import duckdb

from crantdb.errors import ConfigError, NotServed
from crantdb.sources.chunkedgraph import open_chunkedgraph
from crantdb.sources.segmentation import open_segmentation
from crantdb.sync.annotation_columns import FIELDS, Mapped
from crantdb.sync.annotations import DEFAULT_TABLE, Annotated, derive
from crantdb.sync.coming import Coming
from crantdb.warehouse.commit import check_not_overtaken

if TYPE_CHECKING:
    from collections.abc import Callable

    from crantdb.config import Config
    from crantdb.sources.cave import Cave
    from crantdb.sources.chunkedgraph import Chunkedgraph
    from crantdb.sync.progress import Progress
    from crantdb.warehouse.commit import Change
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import Snapshot

_ANNOTATING = frozenset({"derived.annotations", "derived.neurons"})


@dataclass(frozen=True, slots=True)
class Deriving:
    """What it takes to make what stands beside the mirrored tables.

    Attributes:
        warehouse: where.
        config: its configuration.
        open_cave: opens the datastack, when its chunkedgraph is needed; gives None when that is not to be asked.
        memory_bytes: the memory promise.
        progress: hears how it goes.
    """

    warehouse: Warehouse
    config: Config
    open_cave: Callable[[], Cave | None]
    memory_bytes: int
    progress: Progress

    def complete(self, change: Change) -> Change:
        """Return a change with the tables and log rows that are made of it.

        Nothing is made while there is no version. An older one that is added beside the main one has its own too.

        Raises:
            SourceError: when the chunkedgraph does not answer.
            CommitConflict: when another commit came between.
            ValidationError: when an annotation would be lost, or a declared constraint breaks.
            StorageError: when the disk refuses.
        """
        if change.version is None or change.as_of is None:
            return change
        self.progress.say(
            f"looking up roots at version {change.version}, as of {change.as_of:%Y-%m-%d %H:%M:%S} UTC, "
            f"and comparing them with those of other versions"
        )
        try:
            cave = self._asked(change)
            made = derive(
                self._coming(change),
                None if cave is None else _chunkedgraph(cave),
                self.annotated(),
                opener=None if cave is None else lambda: open_segmentation(cave),
            )
        except (
            duckdb.IOException
        ):  # staged files are gone: where the LOCK does not hold, another sync took them up
            check_not_overtaken(self.warehouse, change.parent)
            raise
        for message in made.messages:
            self.progress.say(message)
        fresh = {valid.staged.key.table for valid, _ in made.tables}
        return replace(
            change,
            tables=[*change.tables, *made.tables],
            # Without a table that annotates neurons, what an earlier one said of them is no longer so.
            carried=[
                table for table in change.carried if table.key not in _ANNOTATING or table.name in fresh
            ],
            appended=[*change.appended, *made.appended],
            shared=[*change.shared, *made.replaced],
        )

    def reads_otherwise(self, parent: Snapshot | None, version: int | None) -> bool:
        """Tell whether crantdb.toml has annotations read otherwise than those of a snapshot's main version were.

        Args:
            parent: the snapshot, or None.
            version: the version that is synced; None when CAVE is not.

        Raises:
            ConfigError: when it maps a column that `annotations` does not have.
        """
        wanted = self.annotated().recorded()
        made = None if parent is None else parent.main.tables.get("derived.root_ids")
        if parent is None or made is None or version not in {None, parent.main.version}:
            return False
        return bool(made.source.get("annotations", Annotated().recorded()) != wanted)

    def _coming(self, change: Change) -> Coming:
        """Return the snapshot that a change would make."""
        assert change.version is not None  # noqa: S101 - `complete` looked
        assert change.as_of is not None  # noqa: S101 - `complete` looked
        parent = change.parent
        if parent is not None and change.dropped:
            kept = {key: table for key, table in parent.shared.items() if key not in change.dropped}
            parent = replace(parent, shared=kept)
        return Coming(
            warehouse=self.warehouse,
            parent=parent,
            datastack=change.datastack,
            server=change.server,
            info=change.info,
            version=change.version,
            as_of=change.as_of,
            fresh=change.tables,
            carried=change.carried,
            shared=change.shared,
            memory_bytes=self.memory_bytes,
            progress=self.progress,
        )

    def annotated(self) -> Annotated:
        """Return which table is the lab's annotations, as crantdb.toml says: else the only one mirrored, else CRANTb's.

        Raises:
            ConfigError: when it maps a column that `annotations` does not have.
        """
        said = self.config.annotations
        for name in said.columns:
            if name not in FIELDS:
                near = difflib.get_close_matches(name, FIELDS, n=3)
                hint = f" (did you mean {' or '.join(near)}?)" if near else f": it has {', '.join(FIELDS)}"
                msg = f"crantdb.toml maps annotations.columns.{name}, a column that annotations do not have{hint}"
                raise ConfigError(msg)
        named = None if self.config.seatable is None else self.config.seatable.tables
        only = named[0] if named is not None and len(named) == 1 else DEFAULT_TABLE
        mapped = Mapped(said.columns, said.voxel_nm)
        return Annotated(said.table or only, mapped, said.backup_cells, is_said=said.table is not None)

    def _asked(self, change: Change) -> Cave | None:
        """Return the datastack whose chunkedgraph is to be asked; None when none is.

        Nor where it does not say what it is, as long as there are no annotations, whose roots only it knows.
        """
        parent = {} if change.parent is None else change.parent.shared
        theirs = [*parent, *(valid.staged.key.schema for valid, _ in change.shared)]
        if change.chunkedgraph is None and not any(key.startswith("seatable") for key in theirs):
            return None
        return self.open_cave()


def _chunkedgraph(cave: Cave) -> Chunkedgraph | None:
    """Return a datastack's chunkedgraph; None when it has none."""
    try:
        return open_chunkedgraph(cave)
    except NotServed:
        return None
