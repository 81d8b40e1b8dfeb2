"""Any story of commits, conflicts, crashes and rollbacks ends where a plain dict of the same story does."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from crantdb.errors import CommitConflict, NoSuchSnapshot
from crantdb.warehouse.catalog import connect
from crantdb.warehouse.commit import commit
from crantdb.warehouse.rollback import rollback
from crantdb.warehouse.snapshot import current, read_snapshot
from crantdb.warehouse.staging import clear, staged
from crantdb.warehouse.verify import verify
from tests.warehouse.making import cells, change, make_warehouse, rows_of

if TYPE_CHECKING:
    from crantdb.warehouse.commit import Change

Tables = dict[str, tuple[int, ...]]
TABLES = st.dictionaries(
    st.sampled_from(["cells", "Cells", "tags"]),
    st.lists(st.integers(0, 2**60), unique=True, max_size=4).map(sorted).map(tuple),
    max_size=3,
)


class Crash(BaseException):
    """The process ends here, as far as the warehouse can tell."""


class Story(RuleBasedStateMachine):
    """Commits, conflicts, crashes and rollbacks on one warehouse; the model knows each snapshot's main tables."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.warehouse = make_warehouse(Path(self.folder.name))
        self.model: list[tuple[int, Tables]] = []
        self.version = 0

    def teardown(self) -> None:
        """Remove the warehouse, when a reader is given the model's rows, and every file is as its manifest says."""
        if self.model:
            with connect(self.warehouse.root) as con:
                relations = con.sql("SELECT name, relation FROM tables").fetchall()
                found = {
                    name: con.sql(f"FROM {relation} ORDER BY id").to_arrow_table()
                    for name, relation in relations
                }
            assert found == {name: cells(ids) for name, ids in self.model[-1][1].items()}
        assert [item.finding for item in verify(self.warehouse, deep=True) if item.finding] == []
        self.folder.cleanup()

    def _change(self, tables: Tables) -> Change:
        """Return the change that brings the tables as the next version."""
        self.version += 1
        return change(self.warehouse, {name: cells(ids) for name, ids in tables.items()}, self.version)

    def _clear(self) -> None:
        """Clear all staging, as a completed or a discarded sync does."""
        clear(self.warehouse, staged(self.warehouse))

    @initialize(tables=TABLES)
    def first(self, tables: Tables) -> None:
        """Make the first snapshot."""
        self.commit(tables)

    @rule(tables=TABLES)
    def commit(self, tables: Tables) -> None:
        """Commit the next version: it becomes the next snapshot."""
        self._commit(tables)
        self._clear()

    def _commit(self, tables: Tables) -> None:
        """Commit the next version and leave its staging."""
        made = commit(self.warehouse, self._change(tables))
        self.model.append((self.version, tables))
        assert made.number == len(self.model)

    @rule(ours=TABLES, theirs=TABLES)
    def conflict(self, ours: Tables, theirs: Tables) -> None:
        """Let a competitor commit first: it wins, and ours changes nothing."""
        wanted = self._change(ours)
        self._commit(theirs)
        with pytest.raises(CommitConflict):
            commit(self.warehouse, wanted)

    @rule(
        tables=TABLES, step=st.integers(1, 12), name=st.sampled_from(["link", "fsync"]), after=st.booleans()
    )
    def crash(self, tables: Tables, step: int, name: str, after: bool) -> None:
        """End a commit at some call of the disk: either it had happened (its link was made), or nothing had."""
        wanted = self._change(tables)
        real, calls = getattr(os, name), 0

        def crashing(*args: object) -> None:
            nonlocal calls
            calls += 1
            if calls == step and not after:
                raise Crash
            real(*args)
            if calls == step:
                raise Crash

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, name, crashing)
            with contextlib.suppress(Crash):
                commit(self.warehouse, wanted)
        if len(self.warehouse.numbers()) > len(self.model):
            self.model.append((self.version, tables))

    @rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        """Go back to any snapshot: its content becomes the next one's."""
        number = data.draw(st.integers(1, len(self.model)))
        assert rollback(self.warehouse, number).number == len(self.model) + 1
        self.model.append(self.model[number - 1])

    @rule(beyond=st.integers(1, 3))
    def roll_back_to_nothing(self, beyond: int) -> None:
        """A rollback to a number that is not there is refused."""
        with pytest.raises(NoSuchSnapshot):
            rollback(self.warehouse, len(self.model) + beyond)

    @precondition(lambda self: self.model)
    @invariant()
    def the_current_snapshot_has_the_models_rows(self) -> None:
        """The snapshots are numbered without a gap, and the current one opens with exactly the model's rows."""
        assert self.warehouse.numbers() == list(range(1, len(self.model) + 1))
        version, tables = self.model[-1]
        snapshot = current(self.warehouse)
        assert snapshot is not None
        assert snapshot.main.version == version
        assert set(snapshot.main.tables) == {f"cave.{name}" for name in tables}
        for name, ids in tables.items():
            assert rows_of(self.warehouse, name).sort_by("id").equals(cells(ids))

    @precondition(lambda self: self.model)
    @invariant()
    def older_snapshots_are_what_they_were(self) -> None:
        """Every snapshot still says what the model says it was made with."""
        for number, (version, tables) in enumerate(self.model, start=1):
            main = read_snapshot(self.warehouse, number).main
            assert (main.version, {t.name: t.rows for t in main.tables.values()}) == (
                version,
                {name: len(ids) for name, ids in tables.items()},
            )


Story.TestCase.settings = settings(
    max_examples=7,
    stateful_step_count=8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a story is short enough to be read unshrunk
)
TestStory = Story.TestCase
TestStory.__doc__ = __doc__
