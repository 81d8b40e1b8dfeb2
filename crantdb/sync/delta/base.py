"""What a delta may build on: the last version's files, when they are the table's own and in the order they are merged in."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crantdb.warehouse.arrange import ID, POST, PRE, names_for

if TYPE_CHECKING:
    from datetime import datetime

    from crantdb.sources.materialization import MaterializationVersion, RemoteTable
    from crantdb.sync.finish import Forms
    from crantdb.warehouse.staging import StagingKey
    from crantdb.warehouse.state import TableState, VersionState

LARGE_ROWS = 1_000_000
"""A table with roots that is not arranged as synapses is worth a delta from this many rows on."""


@dataclass(frozen=True, slots=True)
class Base:
    """The version that a delta builds on.

    Attributes:
        version: its number.
        as_of: its moment.
        table: the table in it.
        forms: its further forms by name; empty for a table that has none.
    """

    version: int
    as_of: datetime
    table: TableState
    forms: dict[str, TableState]

    @property
    def since_full(self) -> int:
        """How many versions lie between this one and the last that was fetched in full."""
        return int(self.table.source.get("delta", {}).get("since_full", 0))


@dataclass(frozen=True, slots=True)
class Deltas:
    """What deltas may build on.

    Attributes:
        last: the newest version held.
        full_every: every so many versions one is fetched in full.
    """

    last: VersionState
    full_every: int

    def base_for(self, table: RemoteTable, version: MaterializationVersion, forms: Forms) -> Base | str:
        """Return what a delta of a table may build on, or why it is fetched in full (empty: nothing to say of it)."""
        return _base_for(table, version, self.last, forms, full_every=self.full_every)


def delta_key(key: StagingKey, base: Base) -> StagingKey:
    """Return the key under which a delta is staged, from that of the whole table: never mixed with one on another base."""
    files = "".join(file.sha256 for file in base.table.files)
    digest = hashlib.sha256(files.encode()).hexdigest()[:12]
    return replace(key, origin=f"delta on version {base.version} ({digest})")


def _base_for(
    table: RemoteTable, version: MaterializationVersion, last: VersionState, forms: Forms, *, full_every: int
) -> Base | str:
    """Return what a delta may build on, or why there is none."""
    if last.version is None or last.as_of is None or last.version >= version.number:
        return ""
    state = last.tables.get(f"cave.{table.name}")
    synapses = forms.is_synapses(table.name)
    if state is None or table.kind != "table" or not (synapses or state.rows >= LARGE_ROWS):
        return ""
    if not any(name.endswith("_root_id") for name in (column.name for column in state.columns)):
        return ""
    names = names_for(table.name, canonical=table.name == forms.canonical)
    wanted = (names.by_post, names.ids) if synapses else ()
    found = {name: last.tables.get(f"derived.{name}") for name in wanted}
    forms_of = {
        name: form for name, form in found.items() if form and form.source.get("made_from") == table.name
    }
    base = Base(last.version, last.as_of, state, forms_of)
    return _why_full(base, table, wanted=len(wanted), full_every=full_every) or base


def _why_full(base: Base, table: RemoteTable, *, wanted: int, full_every: int) -> str:
    """Return why a delta may not build on a version, or nothing."""
    before, now = base.table.source.get("created"), table.metadata.get("created")
    layered = any(table.layers is not None for table in (base.table, *base.forms.values()))
    reasons = (
        (len(base.forms) < wanted, "its forms are not all there"),
        (layered, "the last version is kept as layers"),
        (not _is_in_order(base), "the last version is sorted otherwise"),
        (
            any("--exact" in line for line in base.table.drift),
            "the last version was imported with --exact",
        ),
        (base.since_full + 1 >= full_every, f"every {full_every} versions one is"),
        (
            before is None and now is not None,
            "of the last version it is not known when the table was made",
        ),
        (before != now, f"it was made anew on the server ({now}, before: {before})"),
    )
    return next((reason for holds, reason in reasons if holds), "")


def _is_in_order(base: Base) -> bool:
    """Tell whether each file is sorted as it is to be merged: what is arranged as synapses may be told anew any day."""
    if not base.forms:
        return base.table.sort_order == (ID,)
    orders = {form.sort_order for form in base.forms.values()}
    return base.table.sort_order == (PRE, POST, ID) and orders == {(POST, PRE, ID), (ID,)}
