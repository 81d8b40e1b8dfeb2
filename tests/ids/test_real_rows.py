"""The 50 rows of CRANTb_meta that are at hand, made annotations: as somebody who knows them would expect."""

# ruff: noqa: ARG002 (a chunkedgraph in which nothing ever happens needs no moments)
from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from crantdb.config import config_text
from crantdb.sources.chunkedgraph import Lineage
from crantdb.sync.annotations import derive
from crantdb.sync.coming import Coming
from crantdb.warehouse.catalog import connect
from crantdb.warehouse.commit import Change, commit
from crantdb.warehouse.layout import create_warehouse
from tests.ids.bringing import seatable_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb
    from numpy.typing import ArrayLike, NDArray

AS_OF = datetime(2025, 9, 20, 7, 5, 18, 84051, tzinfo=UTC)
FETCHED = datetime(2025, 10, 4, tzinfo=UTC)
SHARED_ROOT = 576460752666303418
"""Two rows have it: a Kenyon cell on the right and an olfactory neuron on the left, merged when both were noted."""


@dataclass(frozen=True, slots=True)
class AsTyped:
    """A chunkedgraph in which every supervoxel has the root that its row says, for ever."""

    roots: dict[int, int]

    def roots_of(self, ids: ArrayLike, at: datetime) -> NDArray[np.int64]:
        """Return the roots as typed; a root's is itself."""
        own = set(self.roots.values())
        return np.array([i if i in own else self.roots.get(i, 0) for i in np.asarray(ids).tolist()], np.int64)

    def is_latest(self, roots: ArrayLike, at: datetime) -> NDArray[np.bool_]:
        """Return that every typed root is current."""
        return np.isin(np.asarray(roots), list(self.roots.values()))

    def known(self, ids: ArrayLike) -> NDArray[np.bool_]:
        """Return that typed roots are known."""
        return np.isin(np.asarray(ids), list(self.roots.values()))

    def born_us(self, roots: ArrayLike) -> NDArray[np.int64]:
        """Return a birth long ago."""
        return np.zeros(len(np.asarray(roots)), np.int64)

    def lineage(self, roots: ArrayLike, past: datetime | None, future: datetime) -> Lineage:
        """Return that nothing was ever edited."""
        none = np.empty(0, np.int64)
        return Lineage(none, none, none, none, none)

    def delta_roots(self, past: datetime, future: datetime) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return that nothing was edited."""
        none = np.empty(0, np.int64)
        return none, none


@pytest.fixture(scope="module")
def rows(shared: Path) -> list[dict[str, Any]]:
    """Return the rows as they are printed: lists as text, empty cells as None."""
    with (shared / "data" / "crantb_rows" / "CRANTb_meta_50_rows.csv").open(encoding="utf-8") as file:
        read = [{name: value or None for name, value in row.items()} for row in csv.DictReader(file)]
    made = []
    for row in read:
        number = int(str(row.pop("index")))
        fields: dict[str, Any] = {**row, "proofread": row["proofread"] == "True"}
        for name in ("status", "region"):
            fields[name] = [
                part.strip(" '") for part in str(row[name] or "").strip("[]").split(",") if part.strip(" '")
            ]
        made.append({"_id": f"row{number:04d}", **fields})
    return made


@pytest.fixture(scope="module")
def con(
    rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a warehouse of them, and nothing else."""
    warehouse = create_warehouse(
        tmp_path_factory.mktemp("real") / "wh", config_text("ants", "http://127.0.0.1:1")
    )
    made = [seatable_rows(warehouse, rows, FETCHED)]
    coming = Coming(warehouse, None, "ants", "http://127.0.0.1:1", {}, version=1, as_of=AS_OF, shared=made)
    graph = AsTyped({int(row["supervoxel_id"]): int(row["root_id"]) for row in rows})
    derived = derive(coming, graph)  # type: ignore[arg-type]
    change = Change(
        parent=None,
        operation="sync",
        datastack="ants",
        server="http://127.0.0.1:1",
        info={},
        chunkedgraph=None,
        version=1,
        as_of=AS_OF,
        tables=derived.tables,
        shared=made,
        appended=derived.appended,
    )
    commit(warehouse, change)
    with connect(warehouse.root) as connection:
        yield connection


def test_every_row_has_its_ids_whole(con: duckdb.DuckDBPyConnection, rows: list[dict[str, Any]]) -> None:
    """Roots, supervoxels and nuclei are those printed, to the last digit; an empty list in the place of a nucleus is none."""
    found = con.sql(
        "SELECT root_id, root_id_typed, supervoxel_id, nucleus_id, root_status FROM annotations ORDER BY _id"
    ).fetchall()
    expected = [
        (
            int(row["root_id"]),
            int(row["root_id"]),
            int(row["supervoxel_id"]),
            _whole(row["nucleus_id"]),
            "current",
        )
        for row in rows
    ]
    assert found == expected


def _whole(text: str | None) -> int | None:
    """Return digits as a number, anything else as None."""
    return int(text) if text and text.isdigit() else None


def test_positions_are_in_voxels_and_in_nm(con: duckdb.DuckDBPyConnection) -> None:
    """The first row's anchor [32782, 30214, 1532] is 262.3, 241.7 and 64.3 µm from the origin; empty positions are NULL."""
    [first] = con.sql(
        "SELECT position_x, position_y, position_z, position_x_nm, position_y_nm, position_z_nm FROM annotations LIMIT 1"
    ).fetchall()
    assert first == (32782, 30214, 1532, 262256.0, 241712.0, 64344.0)
    [(anchors, nuclei, roots)] = con.sql(
        "SELECT count(position_x), count(nucleus_position_x), count(root_position_x) FROM annotations"
    ).fetchall()
    assert anchors == 50
    assert 0 < nuclei < roots < 50


def test_lists_and_boxes_are_typed(con: duckdb.DuckDBPyConnection, rows: list[dict[str, Any]]) -> None:
    """Status and region are lists of names, proofread a yes or no; text keeps its words and loses only blanks around it."""
    found = con.sql(
        "SELECT status, region, proofread, cell_class, side, known_nt, proofreader_notes FROM annotations ORDER BY _id"
    ).fetchall()
    assert found[0][:6] == (
        ["DAMAGED", "PARTIALLY_PROOFREAD", "TRACING_ISSUE"],
        ["LH", "AL", "MB"],
        False,
        "olfactory_projection_neuron",
        "left",
        "acetylcholine",
    )
    assert found[0][6] == "PN following mALT; need to finish proofreading to LH"
    assert found[2][5] == "acetylcholine, sNPF"
    assert sum(proofread for _, _, proofread, *_ in found) == sum(row["proofread"] for row in rows)


def test_a_root_of_two_rows_keeps_both(con: duckdb.DuckDBPyConnection, rows: list[dict[str, Any]]) -> None:
    """Two rows of one root are both listed by the one neuron, and both marked; all 50 are somebody's."""
    distinct = {row["root_id"] for row in rows}
    [(neurons, listed)] = con.sql("SELECT count(*), sum(len(annotation_ids)) FROM neurons").fetchall()
    assert (neurons, listed) == (len(distinct), 50)
    [(ids, duplicate, merged)] = con.sql(
        f"SELECT annotation_ids, duplicate_annotations, merged_at_as_of FROM neurons WHERE root_id = {SHARED_ROOT}"
    ).fetchall()
    assert sorted(ids) == ["row0002", "row0006"]
    assert (duplicate, merged) == (True, False)
    marked = con.sql(
        "SELECT count(*) FROM annotations WHERE list_contains(findings, 'duplicate_annotations')"
    ).fetchall()
    assert marked == [(50 - sum(1 for root in distinct if sum(r["root_id"] == root for r in rows) == 1),)]


def test_their_ids_are_mapped(con: duckdb.DuckDBPyConnection, rows: list[dict[str, Any]]) -> None:
    """A row's _id, supervoxel, nucleus and root all lead to its root."""
    row = rows[0]
    asked = [row["_id"], row["supervoxel_id"], row["nucleus_id"], row["root_id"]]
    found = con.sql("SELECT new_id, method FROM ids_at(?)", params=[asked]).fetchall()
    assert found == [
        (int(row["root_id"]), method) for method in ("annotation row", "supervoxel", "nucleus", "identity")
    ]
