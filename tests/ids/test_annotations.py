"""Annotations that are fresher than the materialization: typed, each at as_of, none lost, whatever was typed."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from crantdb.errors import ServiceUnavailable
from crantdb.sandbox import Datastack, Fault, Sandbox
from crantdb.warehouse.catalog import connect
from crantdb.warehouse.layout import Warehouse
from crantdb.warehouse.snapshot import current
from tests.ids.bringing import Bringing, bringing
from tests.ids.chain import Truth, chain, micros, moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from crantdb.sandbox.history import History

Row = dict[str, Any]


@pytest.fixture(scope="module")
def stack() -> Datastack:
    """Return three versions, edited between and after."""
    return chain(seed=3, neurons=10, edits=60, synapses=2000, versions=3)


@pytest.fixture(scope="module")
def truth(stack: Datastack) -> Truth:
    """Return their truth."""
    assert stack.chunkedgraph is not None
    return Truth(stack.chunkedgraph)


@pytest.fixture(scope="module")
def served(stack: Datastack) -> Iterator[Sandbox]:
    """Return a sandbox that serves them."""
    with Sandbox(stack) as running:
        yield running


@pytest.fixture
def sandbox(served: Sandbox) -> Iterator[Sandbox]:
    """Return the sandbox, without a fault and with an empty log."""
    served.log.clear()
    yield served
    served.faults.clear()


@pytest.fixture(scope="module")
def template(served: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Bringing:
    """Return a warehouse that mirrors version 2, to be copied."""
    made = bringing(tmp_path_factory.mktemp("template") / "wh", served, "chain_ant")
    made.version(2)
    return made


@pytest.fixture
def brought(sandbox: Sandbox, template: Bringing, tmp_path: Path) -> Bringing:
    """Return a warehouse that mirrors version 2 of what the sandbox serves."""
    assert template.cave.server == sandbox.url
    shutil.copytree(template.warehouse.root, tmp_path / "wh")
    return Bringing(Warehouse(tmp_path / "wh"), template.cave)


def rows_of(brought: Bringing, query: str, version: int | None = None) -> list[tuple[Any, ...]]:
    """Return a query's rows."""
    with connect(brought.warehouse.root, version=version) as con:
        return con.sql(query).fetchall()


def as_rows(pairs: Sequence[tuple[int, int]], **more: Any) -> list[Row]:
    """Return rows of supervoxels with the roots typed for them, as text as SeaTable has it."""
    made = datetime(2026, 1, 5, tzinfo=UTC)
    return [
        {
            "_id": f"row{number:04d}",
            "root_id": str(root or ""),
            "supervoxel_id": str(supervoxel or ""),
            "_mtime": made,
            **more,
        }
        for number, (supervoxel, root) in enumerate(pairs)
    ]


def some_supervoxels(history: History, count: int, seed: int = 0) -> list[int]:
    """Return supervoxels of objects that edits touched."""
    edited = sorted({piece for edit in history.operations for piece in edit.pieces})
    own = history.pieces.supervoxels[np.isin(history.pieces.supervoxel_piece, edited)]
    found: list[int] = np.random.default_rng(seed).choice(own, count, replace=False).tolist()
    return found


def expected_status(history: History, root: int, as_of: datetime) -> str:
    """Return what a typed root is at a moment, by the truth."""
    life = history.roots[root]
    if life.is_latest(micros(as_of)):
        return "current"
    return "newer than as_of" if life.born_us > micros(as_of) else "older than as_of"


def test_five_states_of_a_seatable_between_two_versions(brought: Bringing, truth: Truth) -> None:
    """Rows typed before and after the version have their roots of its moment and true statuses; none is lost.

    Roots born later are healthy, and the next version brings all rows to its own moment.
    """
    history = truth.history
    supervoxels = some_supervoxels(history, 60)
    as_of = moment(2)
    seen = Counter[str]()
    for turn in range(5):
        fetched = as_of + timedelta(hours=1 + 4 * turn)
        typed_at = [as_of + timedelta(hours=float(h)) for h in np.linspace(-30, 1 + 4 * turn, 60 - 5 * turn)]
        pairs = [
            (supervoxel, int(history.roots_at([supervoxel], micros(at))[0]))
            for supervoxel, at in zip(supervoxels, typed_at, strict=False)
        ]
        brought.annotate(as_rows(pairs), fetched)
        rows = rows_of(
            brought,
            "SELECT root_id, root_id_typed, root_status, supervoxel_id, findings, root_source FROM annotations ORDER BY _id",
        )
        assert len(rows) == len(pairs)
        for (root, typed, status, supervoxel, findings, source), pair in zip(rows, pairs, strict=True):
            assert (supervoxel, typed) == pair
            assert (root, source) == (truth.root(supervoxel, 2), "supervoxel")
            assert status == expected_status(history, typed, as_of)
            assert "inconsistent_annotations" not in findings
            seen[status] += 1
        check_sharing(
            [(root, supervoxel, found) for root, _, _, supervoxel, found, _ in rows], history, fetched
        )
        [(listed, total)] = rows_of(
            brought, "SELECT sum(len(annotation_ids)), sum(annotation_count) FROM neurons"
        )
        assert listed == total == len(pairs)
    assert min(seen[status] for status in ("current", "newer than as_of", "older than as_of")) > 10
    brought.version(3)
    rows = rows_of(brought, "SELECT root_id, supervoxel_id FROM annotations")
    assert len(rows) == len(pairs)
    assert all(root == truth.root(supervoxel, 3) for root, supervoxel in rows)
    assert rows_of(brought, "SELECT DISTINCT as_of FROM snapshot") == [(moment(3).replace(tzinfo=None),)]


def check_sharing(rows: Sequence[tuple[Any, ...]], history: History, fetched: datetime) -> None:
    """Check that rows which share a root are told apart: parted since, or one neuron annotated twice."""
    supervoxels = [supervoxel for _, supervoxel, _ in rows]
    later = dict(zip(supervoxels, history.roots_at(supervoxels, micros(fetched)).tolist(), strict=True))
    for root, supervoxel, findings in rows:
        sharing = [later[other] for owner, other, _ in rows if owner == root]
        assert ("merged_at_as_of" in findings) == (len(set(sharing)) > 1)
        assert ("duplicate_annotations" in findings) == (sharing.count(later[supervoxel]) > 1)


def test_what_was_typed_wrong_is_told(brought: Bringing, truth: Truth) -> None:
    """Whatever stands in the place of an id, the row stays, with what is the matter with it.

    Text that is no id, ids of other things, roots that never held the supervoxel, supervoxels that are none.
    """
    history = truth.history
    one, two = some_supervoxels(history, 2)
    own = truth.root(one, 2)
    standing = (root.id for root in history.roots.values() if root.is_latest(micros(moment(2))))
    other = next(root for root in standing if root not in {own, truth.root(two, 2)})
    cases: list[tuple[Row, tuple[int | None, str, set[str]]]] = [
        ({"root_id": str(own), "supervoxel_id": str(one)}, (own, "current", set())),
        ({"root_id": "5.764607526e17", "supervoxel_id": str(one)}, (own, "not an id", {"damaged_id"})),
        ({"root_id": "see notes", "supervoxel_id": str(one)}, (own, "not an id", {"damaged_id"})),
        ({"root_id": "1", "supervoxel_id": str(one)}, (own, "not an id", {"damaged_id"})),
        ({"root_id": str(one), "supervoxel_id": str(one)}, (own, "not an id", set())),
        ({"root_id": "576460752999999999", "supervoxel_id": str(one)}, (own, "not an id", set())),
        ({"root_id": str(other), "supervoxel_id": str(one)}, (own, "current", {"inconsistent_annotations"})),
        ({"root_id": f"\u00a0{own} ", "supervoxel_id": f" {one}\n"}, (own, "current", set())),
        ({"root_id": "", "supervoxel_id": str(two)}, (truth.root(two, 2), "current", set())),
        ({"root_id": "0", "supervoxel_id": "0"}, (None, "no supervoxel", set())),
        ({"root_id": None, "supervoxel_id": None}, (None, "no supervoxel", set())),
        ({"root_id": "", "supervoxel_id": "72057594037927941"}, (None, "supervoxel unknown", set())),
        ({"root_id": str(other), "supervoxel_id": ""}, (other, "current", set())),
    ]
    brought.annotate([{"_id": f"row{n:02d}", **row} for n, (row, _) in enumerate(cases)])
    rows = rows_of(brought, "SELECT root_id, root_status, findings FROM annotations ORDER BY _id")
    sharing = {"merged_at_as_of", "duplicate_annotations"}
    found = [(root, status, set(findings) - sharing) for root, status, findings in rows]
    assert found == [wanted for _, wanted in cases]
    assert rows_of(brought, "SELECT sum(annotation_count) FROM neurons") == [(10,)]
    assert rows_of(brought, "SELECT _id FROM inconsistent_annotations") == [("row06",)]
    state = current(brought.warehouse)
    assert state is not None
    counted = state.main.tables["derived.annotations"].exceptions
    assert counted["root_status is not an id"] == 5
    assert counted["inconsistent_annotations"] == 1
    assert counted["root_id is NULL"] == 3


def test_a_typed_root_without_a_supervoxel_is_followed_by_lineage(brought: Bringing, truth: Truth) -> None:
    """A root typed before a merge, its row without a supervoxel, is the merged root; one that was split is retired."""
    history, at = truth.history, micros(moment(2))
    retired = [r for r in history.roots.values() if r.retired_us is not None and r.retired_us <= at]
    whole = next(r.id for r in retired if len(truth.shares(r.id, 2)) == 1 and _ends(history, r.id, at) == 1)
    split = next(r.id for r in retired if _ends(history, r.id, at) > 1)
    brought.annotate(as_rows([(0, whole), (0, split)]))
    rows = rows_of(brought, "SELECT root_id, root_status, root_source FROM annotations ORDER BY _id")
    assert rows == [
        (next(iter(truth.shares(whole, 2))), "older than as_of", "lineage"),
        (None, "retired", None),
    ]


def _ends(history: History, root: int, at_us: int) -> int:
    """Return how many roots stood at a moment that descend from a root."""
    ends, todo, seen = set(), [root], set()
    made = {old: edit.new_roots for edit in history.operations for old in edit.old_roots}
    while todo:
        node = todo.pop()
        if node in seen:
            continue
        seen.add(node)
        life = history.roots[node]
        if life.retired_us is None or life.retired_us > at_us:
            ends.add(node)
        else:
            todo += made[node]
    return len(ends)


def test_a_position_finds_the_supervoxel_of_a_point_there(brought: Bringing, truth: Truth) -> None:
    """A row with a position only takes the supervoxel of a point at that very voxel; elsewhere it stays unresolved."""
    [(x, y, z, supervoxel)] = rows_of(
        brought,
        "SELECT pt_position_x, pt_position_y, pt_position_z, pt_supervoxel_id FROM cave.cell_types "
        "WHERE pt_supervoxel_id > 1 ORDER BY id LIMIT 1",
    )
    [(sx, sy, sz, at_synapse)] = rows_of(
        brought,
        "SELECT pre_pt_position_x, pre_pt_position_y, pre_pt_position_z, pre_pt_supervoxel_id FROM cave.synapses_v2 "
        "WHERE pre_pt_supervoxel_id > 1 ORDER BY id LIMIT 1",
    )
    places = [f"{x}, {y}, {z}", f"[{sx}, {sy}, {sz}]", "1, 1, 1", "1, 2"]
    brought.annotate([{"_id": f"row{n}", "position": place} for n, place in enumerate(places)])
    rows = rows_of(
        brought,
        "SELECT root_id, root_source, supervoxel_id_used, position_x_nm FROM annotations ORDER BY _id",
    )
    assert rows == [
        (truth.root(supervoxel, 2), "position", supervoxel, x * 8.0),
        (truth.root(at_synapse, 2), "position", at_synapse, sx * 8.0),
        (None, None, None, 8.0),
        (None, None, None, None),
    ]


def test_of_several_annotations_one_speaks_and_all_are_listed(brought: Bringing, truth: Truth) -> None:
    """The columns of a neuron are one row's: proofread before others, then the one last changed; none is mixed in."""
    one = some_supervoxels(truth.history, 1)[0]
    root = truth.root(one, 2)
    day = datetime(2026, 1, 5, tzinfo=UTC)
    base = {"root_id": str(root), "supervoxel_id": str(one)}
    rows = [
        {
            "_id": "a",
            **base,
            "_mtime": day + timedelta(3),
            "cell_type": "new",
            "side": "left",
            "proofread": False,
        },
        {"_id": "b", **base, "_mtime": day, "cell_type": "checked", "side": None, "proofread": True},
        {"_id": "c", **base, "_mtime": day, "cell_type": "old", "proofread": None},
    ]
    brought.annotate(rows)
    found = rows_of(
        brought,
        "SELECT root_id, _id, annotation_ids, cell_type, side, duplicate_annotations, merged_at_as_of FROM neurons",
    )
    assert found == [(root, "b", ["b", "a", "c"], "checked", None, True, False)]


def test_the_chunkedgraph_down_commits_nothing(sandbox: Sandbox, brought: Bringing, truth: Truth) -> None:
    """Without the chunkedgraph there would be two moments in one snapshot: nothing is committed, and it is said."""
    before = current(brought.warehouse)
    sandbox.faults.add(Fault("status", match="roots_binary|valid_nodes", code=503, times=None))
    one = some_supervoxels(truth.history, 1)[0]
    with pytest.raises(
        ServiceUnavailable, match="annotations and root ids of version 2 need the chunkedgraph"
    ):
        brought.annotate(as_rows([(one, truth.root(one, 2))]))
    assert current(brought.warehouse) == before


def test_caves_own_roots_are_checked(stack: Datastack, truth: Truth, tmp_path: Path) -> None:
    """Roots in CAVE's columns that the chunkedgraph says were not current are counted in the manifest."""
    history = truth.history
    table = stack.versions[1].table("cell_types")
    assert table is not None
    roots = table.rows["pt_root_id"].to_pylist()
    stale = next(root.id for root in history.roots.values() if not root.is_latest(micros(moment(2))))
    roots[:3] = [stale] * 3
    place = table.rows.column_names.index("pt_root_id")
    rows = table.rows.set_column(place, "pt_root_id", pa.array(roots, pa.int64()))
    spoiled = tuple(replace(t, rows=rows) if t.name == "cell_types" else t for t in stack.versions[1].tables)
    version = replace(stack.versions[1], tables=spoiled)
    with Sandbox(replace(stack, versions=(version,))) as other:
        state = bringing(tmp_path / "spoiled", other, "chain_ant").version(2).main.tables["derived.root_ids"]
    assert state.exceptions == {"cell_types.pt_root_id is no root at as_of": 1}
    assert "roots_binary at as_of" in state.completeness


def test_a_second_sync_of_a_version_asks_for_new_supervoxels_only(
    sandbox: Sandbox, brought: Bringing, truth: Truth
) -> None:
    """What was resolved for this version is taken over: a new row costs a request for its own supervoxel."""
    one, two = some_supervoxels(truth.history, 2)
    brought.annotate(as_rows([(one, truth.root(one, 2))]))
    sandbox.log.clear()
    brought.annotate(as_rows([(one, truth.root(one, 2)), (two, truth.root(two, 2))]))
    [(count,)] = rows_of(brought, "SELECT count(*) FROM root_ids")
    state = current(brought.warehouse)
    assert state is not None
    assert "1 supervoxels asked for" in state.main.tables["derived.root_ids"].completeness
    assert count > 50


@pytest.mark.parametrize("shift_us", [-1, 0, 1])
def test_an_edit_in_the_microsecond_of_the_version(truth: Truth, shift_us: int) -> None:
    """The truth itself is to the µs: what the client's tests ask of the server is asked of the right moment."""
    edit = truth.history.operations[-1]
    supervoxel = int(truth.history.leaves(truth.history.roots[edit.new_roots[0]])[0])
    root = int(truth.history.roots_at([supervoxel], edit.time_us + shift_us)[0])
    assert (root in edit.new_roots) == (shift_us >= 0)


def test_logs_of_many_files_are_written_as_one(
    brought: Bringing, truth: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past so many files a log is one file again, with every row that it had and the new ones."""
    monkeypatch.setattr("crantdb.sync.annotations.MOST_FILES", 3)
    seen = []
    for turn in range(5):
        some = some_supervoxels(truth.history, 3 + 3 * turn, seed=turn)
        brought.annotate(as_rows([(supervoxel, truth.root(supervoxel, 2)) for supervoxel in some]))
        state = current(brought.warehouse)
        assert state is not None
        log = state.shared["history.root_anchors"]
        [(rows, distinct)] = rows_of(
            brought, "SELECT count(*), count(DISTINCT (root_id, supervoxel_id)) FROM root_anchors"
        )
        assert rows == distinct == log.rows
        seen.append((len(log.files), rows))
    assert [files for files, _ in seen] == [2, 3, 1, 2, 3]
    assert [rows for _, rows in seen] == sorted({rows for _, rows in seen})
