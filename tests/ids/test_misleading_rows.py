"""Annotation rows that mislead: ids of other things in the supervoxel's place, roots alone, cells that are no numbers."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from crantdb.errors import ConfigError, ServiceUnavailable
from crantdb.sandbox import Fault, Sandbox
from crantdb.sync.annotation_columns import Mapped
from crantdb.sync.annotations import Annotated
from crantdb.warehouse.catalog import connect
from crantdb.warehouse.layout import Warehouse
from crantdb.warehouse.snapshot import current
from tests.ids.bringing import Bringing, bringing
from tests.ids.chain import chain, micros, moment
from tests.ids.conftest import VERSIONS, Chain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crantdb.sandbox.history import Root

AT = micros(moment(VERSIONS))
FETCHED = moment(VERSIONS) + timedelta(hours=20)
Row = dict[str, Any]


@pytest.fixture
def brought(mirrored: Chain, tmp_path: Path) -> Iterator[Bringing]:
    """Return a copy of the chain's warehouse, to be annotated."""
    shutil.copytree(mirrored.root, tmp_path / "wh")
    yield Bringing(Warehouse(tmp_path / "wh"), mirrored.brought.cave)
    mirrored.sandbox.faults.clear()


def rows_of(
    brought: Bringing, columns: str, table: str = "annotations", order: str = "_id"
) -> list[tuple[Any, ...]]:
    """Return columns of a table, in order."""
    with connect(brought.warehouse.root) as con:
        return con.sql(f"SELECT {columns} FROM {table} ORDER BY {order}").fetchall()


def exceptions(brought: Bringing, table: str) -> dict[str, int]:
    """Return what the current manifest counts in a derived table."""
    state = current(brought.warehouse)
    assert state is not None
    return dict(state.main.tables[f"derived.{table}"].exceptions)


def later_parts(mirrored: Chain, root: Root) -> set[int]:
    """Return the roots, when the rows were fetched, that hold parts of a root."""
    history = mirrored.truth.history
    found: list[int] = history.roots_at(history.leaves(root), micros(FETCHED)).tolist()
    return set(found)


def test_an_id_of_something_else_is_no_supervoxel(mirrored: Chain, brought: Bringing) -> None:
    """A root or an L2 id in the supervoxel's place never gives a row a root that did not stand at as_of.

    The chunkedgraph answers a root with itself, whatever the moment.
    """
    history = mirrored.truth.history
    gone = next(r for r in history.roots.values() if r.retired_us is not None and r.retired_us <= AT)
    here = next(r for r in history.roots.values() if r.is_latest(AT))
    coming = next(r for r in history.roots.values() if r.born_us > AT)
    others = [int(i) for root in (gone, here, coming) for i in (root.id, *history.l2_leaves(root)[:4])]
    brought.annotate(
        [{"_id": f"{n:03d}", "root_id": "", "supervoxel_id": str(one)} for n, one in enumerate(others)],
        FETCHED,
    )
    rows = rows_of(brought, "root_id, root_status, supervoxel_id")
    assert [supervoxel for *_, supervoxel in rows] == others
    for root, status, supervoxel in rows:
        assert root is None or history.roots[root].is_latest(AT), supervoxel
        assert supervoxel not in {gone.id, here.id, coming.id} or (root, status) == (
            None,
            "supervoxel unknown",
        )


def test_rows_without_a_supervoxel_share_by_what_became_of_their_root(
    mirrored: Chain, brought: Bringing
) -> None:
    """Of two rows of one root, one with a typed root only: one neuron annotated twice, whatever the root's age.

    Typed before an edit that made the root of as_of, at as_of, or after it: the lineage says that it is the same.
    """
    history = mirrored.truth.history
    roots = history.roots.values()
    whole = [r for r in roots if r.is_latest(AT) and _onward(mirrored, r.id) == later_parts(mirrored, r)]
    grown, *others = [
        r for r in whole if len(later_parts(mirrored, r)) == 1 and not r.is_latest(micros(FETCHED))
    ]
    quiet = next(r for r in others if _only(mirrored, r))
    later = next(iter(later_parts(mirrored, grown)))
    rows = [
        {"_id": "a", "root_id": str(later), "supervoxel_id": str(history.leaves(grown)[0])},
        {"_id": "b", "root_id": str(grown.id), "supervoxel_id": ""},
        {"_id": "c", "root_id": str(quiet.id), "supervoxel_id": str(history.leaves(quiet)[0])},
        {"_id": "d", "root_id": str(_only(mirrored, quiet)), "supervoxel_id": ""},
    ]
    brought.annotate(rows, FETCHED)
    found = rows_of(brought, "root_id, root_source, findings")
    twice = ["duplicate_annotations"]
    assert found == [
        (grown.id, "supervoxel", twice),
        (grown.id, "typed root", twice),
        (quiet.id, "supervoxel", twice),
        (quiet.id, "lineage", twice),
    ]


def _only(mirrored: Chain, root: Root) -> int | None:
    """Return a root that was replaced by this one alone, or None."""
    made = {old: edit.new_roots for edit in mirrored.truth.history.operations for old in edit.old_roots}
    return next((old for old in root.former if tuple(made[old]) == (root.id,)), None)


def _onward(mirrored: Chain, root: int) -> set[int]:
    """Return the roots that stood when the rows were fetched and descend from a root."""
    history, fetched = mirrored.truth.history, micros(FETCHED)
    made = {old: edit.new_roots for edit in history.operations for old in edit.old_roots}
    ends, todo = set(), [root]
    while todo:
        node = todo.pop()
        life = history.roots[node]
        if life.retired_us is None or life.retired_us > fetched:
            ends.add(node)
        else:
            todo += made[node]
    return ends


def test_a_row_that_could_be_either_part_is_listed(mirrored: Chain, brought: Bringing) -> None:
    """Two rows of two parts and one of the undivided root: all three are listed as merged at as_of, none as anything else."""
    history = mirrored.truth.history
    split = next(r for r in history.roots.values() if r.is_latest(AT) and len(later_parts(mirrored, r)) > 1)
    parts: dict[int, int] = {}
    leaves = history.leaves(split)
    for leaf, owner in zip(leaves.tolist(), history.roots_at(leaves, micros(FETCHED)).tolist(), strict=True):
        parts.setdefault(owner, leaf)
    (one, at_one), (two, at_two) = list(parts.items())[:2]
    rows = [
        {"_id": "a", "root_id": str(one), "supervoxel_id": str(at_one)},
        {"_id": "b", "root_id": str(two), "supervoxel_id": str(at_two)},
        {"_id": "c", "root_id": str(split.id), "supervoxel_id": ""},
    ]
    brought.annotate(rows, FETCHED)
    assert rows_of(brought, "root_id, findings") == [(split.id, ["merged_at_as_of"])] * 3
    assert rows_of(
        brought, "annotation_count, merged_at_as_of, duplicate_annotations", "neurons", "root_id"
    ) == [(3, True, False)]


PLACES: list[tuple[str, tuple[int, int, int] | None]] = [
    ("32782, 30214, 1532", (32782, 30214, 1532)),
    ("99999999999999999999999, 30214, 1532", None),
    ("(32782, 30214, 1532)", (32782, 30214, 1532)),
    ("32782\u00a0, 30214,\u00a01532", (32782, 30214, 1532)),
    ("32782; 30214; 1532", (32782, 30214, 1532)),
    ("32782, 30214", None),
    ("32,782, 30,214, 1,532", None),
    ("near the soma", None),
    ("", None),
]


def test_a_cell_that_is_no_number_takes_no_sync_down(brought: Bringing) -> None:
    """A position of absurd size, a date that is none: NULL for that cell, counted in the manifest, the others as they are."""
    more = {"date_proofread": "last week", "volume_nm3": "1e400", "l2_nodes": "many"}
    rows: list[Row] = [{"_id": f"{n}", "position": text} for n, (text, _) in enumerate(PLACES)]
    brought.annotate([*rows[:-1], {**rows[-1], **more}], FETCHED)
    found = rows_of(brought, "position_x, position_y, position_z")
    assert [None if None in row else row for row in found] == [place for _, place in PLACES]
    nm = rows_of(brought, "position_x_nm")
    assert nm[0] == (32782 * 8.0,)
    counted = exceptions(brought, "annotations")
    assert counted["position cannot be read"] == 4
    assert counted["date_proofread cannot be read"] == 1
    assert counted["l2_nodes cannot be read"] == 1
    assert "root_position cannot be read" not in counted


def test_tags_and_boxes_of_every_sort(mirrored: Chain, brought: Bringing) -> None:
    """Tags give roots that are whole or none; a box is a yes or no however a lab writes it."""
    root = next(r.id for r in mirrored.truth.history.roots.values() if r.is_latest(AT))
    cases: list[tuple[str | None, str | None, dict[str, int] | None, bool | None]] = [
        (f"l2_{root},split_metrics_{root}", "True", {"l2": root, "split_metrics": root}, True),
        (f" volume_{root} , l2_0", "no", {"volume": root}, False),
        ("l2_12345678901234567890", "x", None, True),
        ("nothing", "maybe", None, None),
        (None, None, None, None),
    ]
    brought.annotate(
        [{"_id": f"{n}", "root_id_processed": tags, "box": box} for n, (tags, box, *_) in enumerate(cases)],
        FETCHED,
    )
    assert [dict(tags) if tags else None for (tags,) in rows_of(brought, "root_id_processed")] == [
        tags for *_, tags, _ in cases
    ]
    brought.annotated = Annotated(mapped=Mapped({"proofread": "box"}))
    brought.annotate([{"_id": f"{n}", "box": box} for n, (_, box, *_) in enumerate(cases)], FETCHED)
    assert [box for (box,) in rows_of(brought, "proofread")] == [box for *_, box in cases]


def test_a_column_that_the_table_does_not_have_is_told(brought: Bringing) -> None:
    """A column of crantdb.toml that the lab's table lacks is an error that names the near ones, not a column of NULLs."""
    brought.annotated = Annotated(mapped=Mapped({"root_id": "pt_rot"}))
    before = current(brought.warehouse)
    with pytest.raises(ConfigError, match=r"annotations.columns.root_id.*'pt_rot'.*did you mean pt_root"):
        brought.annotate([{"_id": "a", "pt_root": "5", "sv": "6"}], FETCHED)
    assert current(brought.warehouse) == before


def test_a_table_that_is_not_mirrored_is_told(brought: Bringing) -> None:
    """A table that crantdb.toml names and nobody mirrors is an error; where none is named and none is like ours, it is said."""
    brought.annotated = Annotated("CRANT_meta", is_said=True)
    with pytest.raises(ConfigError, match=r"annotations.table is 'CRANT_meta'.*did you mean CRANTb_meta"):
        brought.annotate([{"_id": "a"}], FETCHED)
    brought.annotated = Annotated("elsewhere")
    brought.annotate([{"_id": "a"}], FETCHED)
    [said] = brought.said
    assert "none of the mirrored tables (CRANTb_meta) is called elsewhere" in said
    assert "[annotations] table = …" in said


def test_what_cave_got_wrong_stays_counted(tmp_path: Path) -> None:
    """Stale roots in CAVE's columns are counted in every later manifest of the version, also of annotations alone."""
    stack = chain(seed=3, neurons=10, edits=30, synapses=1000, versions=1)
    assert stack.chunkedgraph is not None
    table = stack.versions[0].table("cell_types")
    assert table is not None
    stale = next(r.id for r in stack.chunkedgraph.roots.values() if not r.is_latest(micros(moment(1))))
    roots = [stale, *table.rows["pt_root_id"].to_pylist()[1:]]
    place = table.rows.column_names.index("pt_root_id")
    rows = table.rows.set_column(place, "pt_root_id", pa.array(roots, pa.int64()))
    spoiled = tuple(replace(t, rows=rows) if t.name == "cell_types" else t for t in stack.versions[0].tables)
    with Sandbox(replace(stack, versions=(replace(stack.versions[0], tables=spoiled),))) as sandbox:
        brought = bringing(tmp_path / "wh", sandbox, "chain_ant")
        brought.version(1)
        counted = [exceptions(brought, "root_ids")]
        for turn in range(2):
            brought.annotate([{"_id": f"{turn}", "root_id": "", "supervoxel_id": ""}])
            counted.append(exceptions(brought, "root_ids"))
    assert counted == [{"cell_types.pt_root_id is no root at as_of": 1}] * 3


def test_the_chunkedgraph_down_says_what_stays_as_it_was(mirrored: Chain, brought: Bringing) -> None:
    """The message names the version, and from when the annotations are that stay."""
    supervoxel = int(mirrored.truth.history.pieces.supervoxels[0])
    row = {"_id": "a", "root_id": "", "supervoxel_id": str(supervoxel)}
    brought.annotate([row], FETCHED)
    before = current(brought.warehouse)
    mirrored.sandbox.faults.add(
        Fault("status", match="roots_binary|is_latest|valid_nodes", code=503, times=None)
    )
    with pytest.raises(ServiceUnavailable) as caught:
        brought.annotate([{**row, "supervoxel_id": str(supervoxel + 1)}], FETCHED + timedelta(hours=1))
    assert current(brought.warehouse) == before
    said = str(caught.value)
    assert "Nothing was committed" in said
    assert f"annotations stay as read on {FETCHED:%Y-%m-%d %H:%M} UTC" in said
