"""From a fully staged table to valid ones: joined and checked; a synapse table in its five forms."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import duckdb

from crantdb.errors import ValidationError
from crantdb.schema import declared_columns
from crantdb.sources.materialization import id_columns
from crantdb.warehouse.arrange import Arranged, arrange, names_for
from crantdb.warehouse.validate import Constraint, ValidTable, total_of, validate

if TYPE_CHECKING:
    from collections.abc import Collection

    from crantdb.warehouse.commit import TableFacts
    from crantdb.warehouse.staging import StagedTable, Staging
    from crantdb.warehouse.state import Column


@dataclass(frozen=True, slots=True)
class Forms:
    """Which tables are synapse tables, and how much memory arranging them may take.

    Attributes:
        canonical: the datastack's synapse table, or None.
        others: further tables to arrange alike.
        memory_bytes: the memory promise.
    """

    canonical: str | None
    others: Collection[str]
    memory_bytes: int

    def is_synapses(self, table: str) -> bool:
        """Tell whether a table is to be arranged as synapses."""
        return table == self.canonical or table in self.others


def finish(
    staging: Staging, facts: TableFacts, *, expected_rows: int, forms: Forms
) -> list[tuple[ValidTable, TableFacts]]:
    """Join a staged table, check it, and return it with what the source says of it.

    Raises:
        ValidationError: when the rows break a promise.
        StorageError: when the disk or the memory refuses.
    """
    name = staging.key.table
    if facts.kind == "table" and forms.is_synapses(name):
        names = names_for(name, canonical=name == forms.canonical)
        arranged = arrange(staging, names, memory_bytes=forms.memory_bytes)
        return valid_forms(arranged, facts, expected_rows, canonical=name == forms.canonical)
    return [valid_table(staging.finish(), facts, expected_rows)]


def valid_table(staged: StagedTable, facts: TableFacts, expected_rows: int) -> tuple[ValidTable, TableFacts]:
    """Check a table of one form.

    Raises:
        ValidationError: when the rows break a promise.
    """
    valid = validate(
        staged,
        rows_expected=expected_rows,
        constraints=constraints_of(staged, facts.kind),
        exceptions=exceptions_of(staged),
    )
    return valid, facts


_WITHOUT_EDGE = "a root is NULL: in no edge"


def valid_forms(
    arranged: Arranged, facts: TableFacts, expected_rows: int, *, canonical: bool
) -> list[tuple[ValidTable, TableFacts]]:
    """Check a synapse table in its five forms: each must account for every row.

    Raises:
        ValidationError: when one does not.
    """
    with contextlib.closing(duckdb.connect(":memory:")) as con:
        main = _valid_main(arranged.main, facts.kind, expected_rows, con)
        _check_edges(arranged, expected_rows - main.exceptions.get(_WITHOUT_EDGE, 0), con)
        derived = [
            validate(arranged.by_post, rows_expected=expected_rows, con=con),
            validate(arranged.edges, rows_expected=arranged.edges.rows, con=con),
            validate(arranged.edges_by_post, rows_expected=arranged.edges.rows, con=con),
            validate(arranged.ids, rows_expected=expected_rows, con=con),
        ]
    drift = (*facts.drift, *(drift_of(main.columns) if canonical else ()))
    made = replace(facts, kind="derived", source=_voxels(facts) | {"made_from": arranged.main.key.table})
    return [(main, replace(facts, drift=drift)), *((valid, made) for valid in derived)]


def _valid_main(
    staged: StagedTable, kind: str, expected_rows: int, con: duckdb.DuckDBPyConnection
) -> ValidTable:
    """Check the synapse table itself."""
    loose = {_WITHOUT_EDGE: '"pre_pt_root_id" IS NULL OR "post_pt_root_id" IS NULL'}
    return validate(
        staged,
        rows_expected=expected_rows,
        constraints=constraints_of(staged, kind),
        exceptions=exceptions_of(staged) | loose,
        con=con,
    )


def _check_edges(arranged: Arranged, linked: int, con: duckdb.DuckDBPyConnection) -> None:
    """Check that both tables of edges count every synapse with both roots."""
    for edges in (arranged.edges, arranged.edges_by_post):
        counted = total_of(edges, "syn_count", con)
        if counted != linked:
            promise = f"the synapses of all edges add up to the {linked:,} with both roots (got {counted:,})"
            raise ValidationError(edges.key.table, promise, abs(linked - counted))


def _voxels(facts: TableFacts) -> dict[str, object]:
    """Return what a derived table keeps of its source's description: the unit of its positions."""
    return {key: value for key, value in facts.source.items() if key.startswith("voxel_resolution_")}


def constraints_of(staged: StagedTable, kind: str) -> list[Constraint]:
    """Return what must hold for every row of a CAVE table; nothing is known of a view's rows."""
    if kind != "table":
        return []
    promises = [Constraint("id is never NULL", '"id" IS NOT NULL')]
    if "valid" in staged.arrow.names:
        promises.append(Constraint("valid is true (the server gives no other rows)", '"valid"'))
    if "target_id" in staged.arrow.names:
        promises.append(Constraint("target_id is never NULL", '"target_id" IS NOT NULL'))
    return promises


def exceptions_of(staged: StagedTable) -> dict[str, str]:
    """Return what is counted: looked-up ids that are none."""
    conditions: dict[str, str] = {}
    for column in id_columns(staged.arrow.names):
        conditions[f"{column} is NULL"] = f'"{column}" IS NULL'
        conditions[f"{column} is 0"] = f'"{column}" = 0'
        conditions[f"{column} is 1"] = f'"{column}" = 1'
    return conditions


def drift_of(columns: tuple[Column, ...]) -> tuple[str, ...]:
    """Say how the datastack's synapse table differs from the declared one."""
    wanted = declared_columns("synapse_source")["synapse_source"]
    declared = {c.name: c.type for c in wanted if not c.name.startswith("voxel_")}
    found = {column.name: column.type for column in columns}
    absent = [f"{name} is absent" for name in declared if name not in found]
    retyped = [
        f"{n} is {found[n]}, not {kind}" for n, kind in declared.items() if n in found and found[n] != kind
    ]
    further = [
        f"{name} {kind} is new" for name, kind in found.items() if name not in declared and name != "valid"
    ]
    return (*absent, *retyped, *further)
