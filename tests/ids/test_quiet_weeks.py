"""The history of edits from an older chunkedgraph, which fails for weeks in which nobody edited."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from crantdb.sandbox import Datastack, Fault, Sandbox, chunks, morphology
from crantdb.sandbox.brain import Brain
from crantdb.sandbox.given import Version
from crantdb.warehouse.catalog import connect
from tests.ids.bringing import bringing
from tests.ids.chain import FIRST, edited, live_tables, micros

if TYPE_CHECKING:
    from pathlib import Path

    from crantdb.sandbox.history import History
    from tests.ids.bringing import Bringing

DAYS = (0, 5, 40, 45, 73)
EDITS = (12, 0, 12, 0)
"""Edits between each version and the next: there are weeks of silence before and after the second twelve."""


@pytest.fixture(scope="module")
def stack() -> Datastack:
    """Return five versions, some with weeks between them in which nobody edited."""
    rngs = [np.random.default_rng([9, part]) for part in range(4)]
    grown = morphology.population(morphology.example_skeletons(), 6, rngs[0])
    shapes = (*grown, *morphology.twigs(grown, 12, rngs[0]))
    grid = chunks.Grid()
    pieces = chunks.cut(shapes, grid, rngs[1])
    moments = [FIRST + timedelta(days=day) for day in DAYS]
    history = edited(pieces, grid, [micros(at) for at in moments], EDITS, rngs[2])
    _, *tables = live_tables(Brain(pieces, shapes, 6, history), 1_000, rngs[3])  # no synapses
    versions = []
    for number, at in enumerate(moments, start=1):
        made = (table.freeze(history, version=number, at_us=micros(at), is_merged=True) for table in tables)
        versions.append(Version(number, at, tables=tuple(made)))
    return Datastack("quiet_ant", tuple(versions), chunkedgraph=history, soma_table="nuclei_v1")


def history_of(stack: Datastack) -> History:
    """Return the history behind a datastack."""
    assert stack.chunkedgraph is not None
    return stack.chunkedgraph


def told(brought: Bringing) -> list[tuple[object, ...]]:
    """Return the whole history of a warehouse."""
    with connect(brought.warehouse.root) as con:
        return con.sql("SELECT * FROM root_history ORDER BY ALL").fetchall()


@pytest.mark.parametrize("order", [(1, 4, 5), (5, 2)])
def test_weeks_without_an_edit_are_no_failure(
    stack: Datastack, tmp_path: Path, order: tuple[int, ...]
) -> None:
    """From an old chunkedgraph, which fails for quiet weeks, comes every edit from the first version to the last, and no other."""
    with Sandbox(stack, quiet_500=True) as sandbox:
        brought = bringing(tmp_path / "wh", sandbox, "quiet_ant")
        for number in order:
            brought.version(number)
        assert any(entry.status == 500 for entry in sandbox.log.entries("delta_roots"))
        rows = told(brought)
    first, last = (micros(FIRST + timedelta(days=DAYS[number - 1])) for number in (min(order), max(order)))
    edits = [edit for edit in history_of(stack).operations if first < edit.time_us <= last]
    retired = {root: made for root, event, *_, made in rows if event == "retired"}
    assert retired == {old: sorted(edit.new_roots) for edit in edits for old in edit.old_roots}
    traced = {root: made for root, event, *_, made in rows if event == "born" and made is not None}
    assert traced == {new: sorted(edit.old_roots) for edit in edits for new in edit.new_roots}
    assert len(retired) > 10
    assert sum(event == "covered" for _, event, *_ in rows) == len(order)


@pytest.mark.parametrize("order", [(3, 4), (4, 3)])
def test_a_failure_is_not_taken_for_silence(stack: Datastack, tmp_path: Path, order: tuple[int, int]) -> None:
    """A 500 for a week with edits leaves the history where it was, and the next sync goes on from there."""
    first, second = order
    with Sandbox(stack) as sandbox:
        brought = bringing(tmp_path / "wh", sandbox, "quiet_ant")
        brought.version(first)
        before = told(brought)
        sandbox.faults.add(Fault("status", match="/delta_roots", times=None, code=500))
        brought.version(second)
        assert told(brought) == before
        sandbox.faults.clear()
        brought.version(1 if second < first else 5)
    missed = history_of(stack).operations[EDITS[0] :]
    assert {row[0] for row in told(brought)} >= {root for edit in missed for root in edit.new_roots}
