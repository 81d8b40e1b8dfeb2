"""A table's next version from its last one: the story of a delta, and when there is none to tell."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from crantdb.errors import IncompleteError, NotServed
from crantdb.sources.chunkedgraph import open_chunkedgraph
from crantdb.sources.materialization import id_columns
from crantdb.sources.narrowed import Narrowed
from crantdb.sync.delta.asked import Asked, Unproven
from crantdb.sync.delta.candidate import Candidate
from crantdb.sync.delta.cover import proof_for
from crantdb.sync.delta.passes import Delta, born, counted, retired, sampled
from crantdb.sync.finish import valid_forms, valid_table
from crantdb.warehouse.arrange import ID, POST, PRE, names_for
from crantdb.warehouse.commit import TableFacts
from crantdb.warehouse.files import StagedFile
from crantdb.warehouse.merge import Replaced
from crantdb.warehouse.rearrange import Before, merged_table, rearrange
from crantdb.warehouse.sorting import rows_of, sorting

if TYPE_CHECKING:
    from datetime import datetime

    import duckdb

    from crantdb.sources.cave import Cave
    from crantdb.sources.materialization import MaterializationVersion, RemoteTable
    from crantdb.sync.finish import Forms
    from crantdb.sync.progress import Progress
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.staging import Staging, StagingKey
    from crantdb.warehouse.state import TableState, VersionState
    from crantdb.warehouse.validate import ValidTable

BY_DELTA = "delta (counts + sample)"
"""Counts over full covers of the id and of every root column agree, and so does a hundredth of the rows."""

LARGE_ROWS = 1_000_000
"""A table with roots that is not arranged as synapses is worth a delta from this many rows on."""

MOST_CHANGED = 0.5
"""When more than this share of the rows has new roots, a full fetch asks for less."""


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


@dataclass(frozen=True, slots=True)
class Job:
    """A delta to be made.

    Attributes:
        cave: the datastack.
        warehouse: where.
        version: the version to bring.
        table: the table.
        base: what it builds on.
        forms: which tables are synapse tables, and the memory promise.
    """

    cave: Cave
    warehouse: Warehouse
    version: MaterializationVersion
    table: RemoteTable
    base: Base
    forms: Forms

    @property
    def roots(self) -> tuple[str, ...]:
        """The table's root columns."""
        return tuple(c.name for c in self.base.table.columns if c.name.endswith("_root_id"))


def make_delta(
    job: Job, staging: Staging, fetched_at: datetime, progress: Progress
) -> list[tuple[ValidTable, TableFacts]]:
    """Make a table of the next version.

    Returns:
        The table; for a synapse table also the four made of it.

    Raises:
        Unproven: when it cannot be shown that nothing was missed; the message says where.
        SourceError: when a server does not answer; what was asked so far is kept.
        ValidationError: when the rows break a promise.
        StorageError: when the disk or the memory refuses.
    """
    name = job.table.name
    progress.say(f"{name}: from version {job.base.version}, by what changed since")
    expected = job.cave.expected_rows(job.version, job.table)
    with sorting(staging, job.forms.memory_bytes) as con:
        delta = _passed(job, staging, con, expected)
        replaced, came = _replaced(con, staging, job.roots)
        before = _before(job)
        facts = _facts(job, delta, came, fetched_at)
        if job.base.forms:
            names = names_for(name, canonical=name == job.forms.canonical)
            arranged = rearrange(staging, con, names, before, replaced)
            made = valid_forms(arranged, facts, expected, canonical=name == job.forms.canonical)
        else:
            made = [valid_table(merged_table(staging, con, before, replaced), facts, expected)]
    progress.say(
        f"{name}: {delta.asked.rows_fetched:,} rows fetched of {expected:,}, {came:,} are new or changed; "
        f"counts of {delta.found['ranges compared']:,} ranges agree, and {delta.found['rows compared']:,} rows looked at"
    )
    return made


def _passed(job: Job, staging: Staging, con: duckdb.DuckDBPyConnection, expected: int) -> Delta:
    """Run every pass; return what they found."""
    root = job.warehouse.root
    rows_of(con, [root / file.path for file in job.base.table.files]).create_view("last")
    ids = job.base.forms.get(names_for(job.table.name, canonical=job.table.name == job.forms.canonical).ids)
    narrow = ids if ids is not None and {PRE, POST} >= set(job.roots) else job.base.table
    base = [root / file.path for file in narrow.files]
    candidate = Candidate(con, base, job.roots)
    asked = Asked(Narrowed(job.cave, job.version, job.table), staging, _schema(job))
    proof = proof_for(asked, candidate, job.cave.options.chunk_rows)
    try:
        graph = open_chunkedgraph(job.cave)
    except NotServed as error:
        raise Unproven(str(error)) from error
    delta = Delta(asked, candidate, proof, graph, job.roots, job.base.as_of, job.version.as_of)
    born(delta, most_rows=int(MOST_CHANGED * len(job.roots) * expected))
    retired(delta)
    counted(delta)
    sampled(delta, con, seed=job.version.number)
    total = int(candidate.keys("id").before[-1])
    if total != expected:
        msg = (
            f"{job.table.name}: version {job.version.number} says it has {expected:,} rows, but its counts by id add "
            f"up to {total:,}. The table is broken on the server; leave it out with exclude in crantdb.toml"
        )
        raise IncompleteError(msg, expected=expected, got=total)
    return delta


def _schema(job: Job) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Return the columns of the last version, as they are staged."""
    first = job.warehouse.root / job.base.table.files[0].path
    return pq.read_schema(first).remove_metadata()


def _replaced(
    con: duckdb.DuckDBPyConnection, staging: Staging, roots: tuple[str, ...]
) -> tuple[Replaced, int]:
    """Make the relations of rows that go and come; return them, and how many come."""
    keys = ", ".join(f'"{name}"' for name in ("id", *roots))
    files = staging.files()
    if files:
        columns = ", ".join(f'"{name}"' for name in con.sql("FROM last LIMIT 0").columns)
        rows_of(con, files).create_view("pieces")
        con.execute(f"CREATE TABLE came AS SELECT DISTINCT ON (id) {columns} FROM pieces")
    else:
        con.execute("CREATE TABLE came AS FROM last LIMIT 0")
    con.execute(
        "CREATE TABLE was AS FROM last SEMI JOIN (SELECT id FROM came UNION ALL SELECT id FROM gone) AS known USING (id)"
    )
    con.execute("CREATE TABLE comes AS FROM came EXCEPT FROM was")
    con.execute(
        f"CREATE TABLE goes AS SELECT {keys} FROM was "
        "SEMI JOIN (SELECT id FROM comes UNION ALL SELECT id FROM gone) AS known USING (id)"
    )
    [(count,)] = con.sql("SELECT count(*) FROM comes").fetchall()
    return Replaced(out="goes", into="comes"), int(count)


def _before(job: Job) -> Before:
    """Return the files that the delta builds on."""
    names = names_for(job.table.name, canonical=job.table.name == job.forms.canonical)
    forms = job.base.forms
    return Before(
        _schema(job),
        _files(job.warehouse, job.base.table),
        _files(job.warehouse, forms[names.by_post]) if forms else (),
        _files(job.warehouse, forms[names.ids]) if forms else (),
    )


def _files(warehouse: Warehouse, table: TableState) -> list[StagedFile]:
    """Return a table's files as they lie in the warehouse."""
    return [
        StagedFile(warehouse.root / Path(f.path), f.rows, f.bytes, f.sha256, f.key_min, f.key_max)
        for f in table.files
    ]


def _facts(job: Job, delta: Delta, came: int, fetched_at: datetime) -> TableFacts:
    """Return what the manifest is to say of the table."""
    story = {
        "from_version": job.base.version,
        "since_full": job.base.since_full + 1,
        "rows_fetched": delta.asked.rows_fetched,
        "rows_new_or_changed": came,
        "found": dict(delta.found),
    }
    facts = TableFacts(
        kind=job.table.kind,
        source=dict(job.table.metadata) | {"delta": story},
        fetched_at=fetched_at,
        as_of=job.version.as_of,
        completeness=BY_DELTA,
    )
    return replace(facts, as_of=facts.as_of if id_columns([c.name for c in job.base.table.columns]) else None)
