"""Versions of the very second, and the very millisecond, of an edit: each lands on its side of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from crantdb.analysis.idmap import ids_at
from crantdb.sandbox import Datastack, Sandbox, chunks, morphology
from crantdb.sandbox.brain import Brain
from crantdb.sandbox.given import Version
from crantdb.warehouse.catalog import connect
from crantdb.warehouse.snapshot import current
from tests.ids.bringing import bringing
from tests.ids.chain import SYNAPSES, edited, live_tables, micros, moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crantdb.sandbox.history import Operation
    from tests.ids.bringing import Bringing

BEFORE, AFTER = 7, 8
"""The version 949 µs before the edit, and the one 51 µs after it: the chunkedgraph keeps milliseconds."""


@pytest.fixture(scope="module")
def edit_and_stack() -> tuple[Operation, Datastack]:
    """Return a split, and a datastack whose two versions lie on either side of it, within the same second."""
    rngs = [np.random.default_rng([11, part]) for part in range(4)]
    grown = morphology.population(morphology.example_skeletons(), 10, rngs[0])
    grid = chunks.Grid()
    pieces = chunks.cut(grown, grid, rngs[1])
    history = edited(pieces, grid, [micros(moment(number)) for number in range(3)], [40, 40], rngs[2])
    edit = next(edit for edit in history.operations[20:] if edit.kind == "split")
    tables = live_tables(Brain(pieces, grown, 10, history), 500, rngs[3])
    versions = []
    for number, shift_us in ((BEFORE, -949), (AFTER, 51)):
        at_us = edit.time_us + shift_us
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)
        frozen = tuple(t.freeze(history, version=number, at_us=at_us, is_merged=True) for t in tables)
        versions.append(Version(number, at, tables=frozen))
    stack = Datastack(
        "second_ant", tuple(versions), chunkedgraph=history, synapse_table=SYNAPSES, soma_table="nuclei_v1"
    )
    assert versions[1].time_stamp - versions[0].time_stamp == timedelta(milliseconds=1)
    return edit, stack


@pytest.fixture(scope="module")
def brought(
    edit_and_stack: tuple[Operation, Datastack], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bringing]:
    """Return a warehouse of both versions and of rows typed before and after the edit."""
    edit, stack = edit_and_stack
    history = stack.chunkedgraph
    assert history is not None
    [old] = edit.old_roots
    rows = [
        {
            "_id": f"{typed}-{new}",
            "root_id": str(typed),
            "supervoxel_id": str(history.leaves(history.roots[new])[0]),
        }
        for new in edit.new_roots
        for typed in (old, new)
    ]
    with Sandbox(stack) as sandbox:
        made = bringing(tmp_path_factory.mktemp("second") / "wh", sandbox, "second_ant")
        made.version(BEFORE)
        made.annotate(rows)
        made.version(AFTER)
        yield made


def test_typed_roots_and_their_rows_lie_on_the_right_side(
    brought: Bringing, edit_and_stack: tuple[Operation, Datastack]
) -> None:
    """Before the edit the new roots are newer than as_of and all rows in the old one; after it each is in its part."""
    edit, _ = edit_and_stack
    [old] = edit.old_roots
    expected = {
        BEFORE: {"new": "newer than as_of", "old": "current"},
        AFTER: {"new": "current", "old": "older than as_of"},
    }
    for version, statuses in expected.items():
        with connect(brought.warehouse.root, version=version) as con:
            rows = con.sql("SELECT _id, root_id, root_status FROM annotations").fetchall()
            [(as_of,)] = con.sql("SELECT as_of FROM snapshot").fetchall()
        assert micros(as_of.replace(tzinfo=UTC)) == edit.time_us + (51 if version == AFTER else -949)
        for row_id, root, status in rows:
            typed, new = map(int, row_id.split("-"))
            assert root == (new if version == AFTER else old)
            assert status == statuses["old" if typed == old else "new"]
        assert len(rows) == 2 * len(edit.new_roots)


def test_the_mapping_lies_on_the_right_side(
    brought: Bringing, edit_and_stack: tuple[Operation, Datastack]
) -> None:
    """Old and new roots are each themselves at their version, and no root at the other, a millisecond away."""
    edit, stack = edit_and_stack
    with connect(brought.warehouse.root, versions=[BEFORE]) as con:
        for version, here in ((BEFORE, edit.old_roots), (AFTER, edit.new_roots)):
            rows = ids_at(con, [*edit.old_roots, *edit.new_roots], materialization=version)
            assert isinstance(rows, pl.DataFrame)
            unchanged = rows.filter(pl.col("kind") == "unchanged")
            assert set(unchanged.get_column("old_id")) == set(here)
            assert set(rows.get_column("new_id").drop_nulls()) <= set(here)
        lives = dict(con.sql("SELECT root_id, (born_at, retired_at) FROM root_lives").fetchall())
    [old] = edit.old_roots
    assert micros(lives[old][1].replace(tzinfo=UTC)) == edit.time_us
    assert {micros(lives[new][0].replace(tzinfo=UTC)) for new in edit.new_roots} == {edit.time_us}
    state = current(brought.warehouse)
    assert state is not None
    assert state.main.tables["derived.root_ids"].exceptions == {}
    assert stack.versions[0].time_stamp < stack.versions[1].time_stamp
