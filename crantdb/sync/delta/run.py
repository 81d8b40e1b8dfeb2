"""A table's next version from its last one: the story of a delta, and when there is none to tell."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from crantdb.errors import IncompleteError, NotServed
from crantdb.sources.chunkedgraph import open_chunkedgraph
from crantdb.sources.materialization import id_columns
from crantdb.sources.narrowed import Narrowed
from crantdb.sync.delta.asked import Asked, Unproven
from crantdb.sync.delta.candidate import Candidate
from crantdb.sync.delta.cover import IDS_AT_ONCE, proof_for
from crantdb.sync.delta.passes import Delta, born, counted, retired, sampled, served_stale
from crantdb.sync.edits import edits_in
from crantdb.sync.finish import valid_forms, valid_table
from crantdb.warehouse.agreement import sums
from crantdb.warehouse.arrange import POST, PRE, names_for
from crantdb.warehouse.commit import TableFacts
from crantdb.warehouse.files import StagedFile
from crantdb.warehouse.merge import Replaced
from crantdb.warehouse.rearrange import Before, merged_table, rearrange
from crantdb.warehouse.sorting import rows_of, sorting

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import duckdb
    import numpy as np
    from numpy.typing import NDArray

    from crantdb.sources.cave import Cave
    from crantdb.sources.chunkedgraph import Chunkedgraph
    from crantdb.sources.materialization import MaterializationVersion, RemoteTable
    from crantdb.sync.delta.base import Base
    from crantdb.sync.finish import Forms
    from crantdb.sync.progress import Progress
    from crantdb.warehouse.arrange import SynapseNames
    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.staging import StagedTable, Staging
    from crantdb.warehouse.state import TableState
    from crantdb.warehouse.validate import ValidTable

BY_DELTA = "delta (counts + sample)"
"""Counts over full covers of the id and of every root column agree, and so does a hundredth of the rows."""

MOST_CHANGED = 0.5
"""When more than this share of the rows has new roots, a full fetch asks for less."""

MOST_FETCHED = 1.5
"""So many times the table's rows are fetched at the most: a row may come twice or three times, by pre, post and id."""


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

    @property
    def names(self) -> SynapseNames:
        """What the forms of the table are called, if it has any."""
        return names_for(self.table.name, canonical=self.table.name == self.forms.canonical)

    def paths(self, table: TableState) -> list[Path]:
        """Return where a table's files lie."""
        return [self.warehouse.root / file.path for file in table.files]


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
        delta, unseen = _passed(job, staging, con, expected, progress)
        replaced, came = _replaced(con, staging, job.roots, unseen)
        progress.say(f"{name}: {came:,} rows are new or changed; writing the files that they lie in")
        before = _before(job)
        facts = _facts(job, delta, came, fetched_at)
        if job.base.forms:
            arranged = rearrange(staging, con, job.names, before, replaced)
            _check_written(con, delta, (arranged.main, arranged.by_post, arranged.ids))
            made = valid_forms(arranged, facts, expected, canonical=name == job.forms.canonical)
        else:
            table = merged_table(staging, con, before, replaced)
            _check_written(con, delta, (table,))
            made = [valid_table(table, facts, expected)]
    progress.say(
        f"{name}: {delta.asked.rows_fetched:,} rows fetched of {expected:,}, {came:,} are new or changed; "
        f"counts of {delta.found['ranges compared']:,} ranges agree, and {delta.found['rows compared']:,} rows looked at"
    )
    return made


def _passed(
    job: Job, staging: Staging, con: duckdb.DuckDBPyConnection, expected: int, progress: Progress
) -> tuple[Delta, NDArray[np.int64]]:
    """Run every pass; return what they found, and the ids of rows of the sample that must be as they were."""
    rows_of(con, job.paths(job.base.table)).create_view("last")
    candidate = _candidate(job, con)
    asked = Asked(
        Narrowed(job.cave, job.version, job.table),
        staging,
        _schema(job),
        job.roots,
        progress=progress,
        most_rows=int(MOST_FETCHED * expected) + IDS_AT_ONCE,
    )
    proof = proof_for(asked, candidate, job.cave.options.chunk_rows)
    graph = _graph(job)
    delta = Delta(asked, candidate, proof, graph, job.roots, job.base.as_of, job.version.as_of)
    born(delta, most_rows=int(MOST_CHANGED * len(job.roots) * expected))
    retired(delta)
    served_stale(delta)
    counted(delta)
    unseen = sampled(delta, seed=job.version.number)
    total = candidate.total()
    if total != expected:
        msg = (
            f"{job.table.name}: version {job.version.number} says it has {expected:,} rows, but its counts by id add "
            f"up to {total:,}. The table is broken on the server; leave it out with exclude in crantdb.toml"
        )
        raise IncompleteError(msg, expected=expected, got=total)
    return delta, unseen


def _graph(job: Job) -> Chunkedgraph:
    """Return the chunkedgraph, which must be there: one that is down is an error, one that is not served none.

    Raises:
        Unproven: when the datastack names none, or the server does not know the one it names.
        SourceError: when it does not answer.
    """
    try:
        graph = open_chunkedgraph(job.cave)
        edits_in(graph, job.version.as_of - timedelta(seconds=1), job.version.as_of)
    except NotServed as error:
        raise Unproven(str(error)) from error
    return graph


def _candidate(job: Job, con: duckdb.DuckDBPyConnection) -> Candidate:
    """Return the candidate for a next version; each column is read from the files that are sorted by it."""
    main = job.paths(job.base.table)
    if not job.base.forms:
        return Candidate(con, main, job.roots)
    ids, by_post = (job.paths(job.base.forms[name]) for name in (job.names.ids, job.names.by_post))
    if {PRE, POST} >= set(job.roots):
        return Candidate(con, ids, job.roots, {PRE: main, POST: by_post})
    return Candidate(con, main, job.roots)  # the other forms lack the further roots


def _check_written(con: duckdb.DuckDBPyConnection, delta: Delta, tables: Sequence[StagedTable]) -> None:
    """Check that files hold the rows that were counted: as many, with the same ids and roots."""
    counted: dict[tuple[str, ...], tuple[int, ...]] = {}
    for table in tables:
        columns = tuple(name for name in ("id", *delta.roots) if name in table.arrow.names)
        if columns not in counted:
            counted[columns] = sums(delta.candidate.rows(), columns)
        if sums(rows_of(con, [file.path for file in table.files]), columns) != counted[columns]:
            msg = f"what was written of {table.key.table} is not what was counted"
            raise Unproven(msg)


def _schema(job: Job) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Return the columns of the last version, as they are staged."""
    first = job.warehouse.root / job.base.table.files[0].path
    return pq.read_schema(first).remove_metadata()


def _replaced(
    con: duckdb.DuckDBPyConnection, staging: Staging, roots: tuple[str, ...], unseen: NDArray[np.int64]
) -> tuple[Replaced, int]:
    """Make the relations of rows that go and come; return them, and how many come.

    Raises:
        Unproven: when a row of the sample differs that nothing else told of: then others may too.
    """
    keys = ", ".join(f'"{name}"' for name in ("id", *roots))
    files = staging.files()
    if files:
        columns = ", ".join(f'"{name}"' for name in con.sql("FROM last LIMIT 0").columns)
        rows_of(con, files).create_view("pieces")
        con.execute(f"CREATE TABLE came AS SELECT DISTINCT ON (id) {columns} FROM pieces")
    else:
        con.execute("CREATE TABLE came AS FROM last LIMIT 0")
    con.execute("CREATE VIEW away AS SELECT id FROM gone ANTI JOIN came USING (id)")
    con.execute(
        "CREATE TABLE was AS FROM last SEMI JOIN (SELECT id FROM came UNION ALL SELECT id FROM away) AS known USING (id)"
    )
    con.execute("CREATE TABLE comes AS FROM came EXCEPT FROM was")
    con.execute(
        f"CREATE TABLE goes AS SELECT {keys} FROM was "
        "SEMI JOIN (SELECT id FROM comes UNION ALL SELECT id FROM away) AS known USING (id)"
    )
    con.register("unseen", {"id": unseen})
    wrong = con.sql("SELECT id FROM comes SEMI JOIN unseen USING (id) ORDER BY id").fetchall()
    con.unregister("unseen")
    if wrong:
        examples = ", ".join(str(row[0]) for row in wrong[:5])
        msg = f"{len(wrong):,} rows of the sample differ where no count does (e.g. id {examples})"
        raise Unproven(msg)
    [(count,)] = con.sql("SELECT count(*) FROM comes").fetchall()
    return Replaced(out="goes", into="comes"), int(count)


def _before(job: Job) -> Before:
    """Return the files that the delta builds on."""
    names, forms = job.names, job.base.forms
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
