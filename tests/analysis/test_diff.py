"""What `diff` counts and lists, against the same worked out by hand from both versions' rows in polars."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

import crantdb
from crantdb.cli.main import run
from crantdb.errors import BadArgument, NoSuchSnapshot, NoSuchTable
from crantdb.warehouse.commit import commit
from crantdb.warehouse.expire import Rules, expire
from crantdb.warehouse.staging import clear, staged
from tests.warehouse.brain import finished, synapses
from tests.warehouse.brain import staged as staged_rows
from tests.warehouse.making import ROOT, cells, change, make_warehouse
from tests.warehouse.sharing import mirrored, rows_of, share

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb
    import pyarrow as pa

    from crantdb.warehouse.layout import Warehouse

PAIR = ["pre_pt_root_id", "post_pt_root_id"]


def edited(rows: pa.Table) -> pa.Table:
    """Return synapses of which some changed roots, some another column, some came and some went."""
    random = np.random.default_rng(5)
    frame = pl.from_arrow(rows)
    assert isinstance(frame, pl.DataFrame)
    moved, resized = (pl.Series(random.random(frame.height) < share) for share in (0.05, 0.02))
    frame = frame.with_columns(
        pl.when(moved).then(pl.lit(ROOT + 900)).otherwise(pl.col("pre_pt_root_id")).alias("pre_pt_root_id"),
        pl.when(resized).then(pl.col("size") + 1).otherwise(pl.col("size")).alias("size"),
    )
    stays = pl.Series(random.random(frame.height) > 0.01)
    frame = frame.filter(stays)
    fresh = pl.from_arrow(synapses(30, seed=9, first_id=100_000))
    assert isinstance(fresh, pl.DataFrame)
    both = pl.concat([frame, fresh])
    for name in PAIR:  # one root retires
        both = both.filter((pl.col(name) != ROOT + 3).fill_null(value=True))
    return both.to_arrow().cast(rows.schema)


def commit_version(warehouse: Warehouse, rows: pa.Table, version: int, some: pa.Table) -> None:
    """Commit synapses and cells as a version."""
    tables = finished(staged_rows(warehouse, rows, version=version), version=version)
    made = change(warehouse, {"cells": some}, version)
    commit(warehouse, change(warehouse, {}, version, tables=[*made.tables, *tables]))
    clear(warehouse, staged(warehouse))


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Return a warehouse of two versions, and a third snapshot with a SeaTable table of which a row changed."""
    made = make_warehouse(tmp_path_factory.mktemp("diff"))
    before = synapses(3_000, seed=3)
    commit_version(made, before, 1, cells(range(10)))
    commit_version(made, edited(before), 2, cells(range(2, 14), shift=0))
    share(made, shared=[mirrored(made, "neurons", rows_of(range(5)))])
    share(made, shared=[mirrored(made, "neurons", rows_of([0, 1, 2, 3, 9], note="x"), hours=1)])
    return made


@pytest.fixture
def con(warehouse: Warehouse) -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a connection with both versions."""
    with crantdb.connect(warehouse.root, versions=[1, 2]) as found:
        yield found


@pytest.fixture
def both(warehouse: Warehouse) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the synapses of both versions, through polars alone."""
    first, second = (crantdb.scan("cave.syn", warehouse.root, version=v).collect() for v in (1, 2))
    return first, second


def roots(rows: pl.DataFrame) -> set[int]:
    """Return the roots of synapses."""
    return {root for name in PAIR for root in rows[name].drop_nulls().to_list() if root > 1}


def edges(rows: pl.DataFrame) -> dict[tuple[int, int], tuple[int, float]]:
    """Return counts and sizes of pairs of roots."""
    found = rows.drop_nulls(PAIR).group_by(PAIR).agg(pl.len(), pl.col("size").cast(pl.Float64).sum())
    return {(pre, post): (count, size) for pre, post, count, size in found.rows()}


def counts(found: pl.DataFrame, what: str, table: str = "") -> dict[str, int]:
    """Return the counts of one kind."""
    rows = found.filter((pl.col("what") == what) & (pl.col("table_name") == table))
    return dict(rows.select("change", "rows").rows())


def test_roots_born_and_retired(
    con: duckdb.DuckDBPyConnection, both: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    """Roots that only one version's synapses have."""
    was, became = map(roots, both)
    found = crantdb.changes(con, "roots", 1, 2).fetchall()
    assert {root for root, change in found if change == "born"} == became - was
    assert {root for root, change in found if change == "retired"} == was - became
    assert len(found) == len(was ^ became) > 1
    assert counts(crantdb.diff(con, 1, 2), "roots") == {
        "born": len(became - was),
        "retired": len(was - became),
    }


def test_edges_gained_lost_and_changed(
    con: duckdb.DuckDBPyConnection, both: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    """Pairs that only one version has, or that have another count or size, with both values."""
    was, became = map(edges, both)
    nothing = (None, None)
    wanted = {
        pair: (was.get(pair, nothing), became.get(pair, nothing))
        for pair in was.keys() | became.keys()
        if was.get(pair) != became.get(pair)
    }
    found = crantdb.changes(con, "edges", 1, 2).fetchall()
    assert {(row[0], row[1]): ((row[3], row[5]), (row[4], row[6])) for row in found} == wanted
    kinds = {
        "gained": len(became.keys() - was.keys()),
        "lost": len(was.keys() - became.keys()),
        "changed": sum(1 for pair in was.keys() & became.keys() if was[pair] != became[pair]),
    }
    assert counts(crantdb.diff(con, 1, 2), "edges") == kinds
    assert all(kinds.values())


def test_synapses_reassigned(con: duckdb.DuckDBPyConnection, both: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    """Synapses of both versions with another root on a side, and those that only one has."""
    was, became = ({row[0]: row[1:] for row in rows.select("id", *PAIR).rows()} for rows in both)
    found = {row[0]: row[1:] for row in crantdb.changes(con, "synapses", 1, 2).fetchall()}
    moved = {key for key in was.keys() & became.keys() if was[key] != became[key]}
    assert {key for key, row in found.items() if row[0] == "reassigned"} == moved
    assert {key for key, row in found.items() if row[0] == "added"} == became.keys() - was.keys()
    assert {key for key, row in found.items() if row[0] == "removed"} == was.keys() - became.keys()
    assert all((found[key][1], found[key][3]) == was[key] for key in moved)
    assert all((found[key][2], found[key][4]) == became[key] for key in moved)


def test_rows_of_every_table(con: duckdb.DuckDBPyConnection, both: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    """Rows added, removed and changed in any column, counted for each table and listed for one."""
    was, became = ({row["id"]: row for row in rows.to_dicts()} for rows in both)
    wanted = {
        "added": len(became.keys() - was.keys()),
        "removed": len(was.keys() - became.keys()),
        "changed": sum(1 for key in was.keys() & became.keys() if was[key] != became[key]),
    }
    found = crantdb.diff(con, 1, 2)
    assert counts(found, "rows", "cave.syn") == wanted
    assert counts(found, "rows", "cave.cells") == {"added": 4, "removed": 2}
    listed = crantdb.row_changes(con, "syn", 1, 2)
    assert dict(listed.aggregate("change, count(*)").fetchall()) == wanted
    names = listed.columns[1:]
    for kind, *row in listed.fetchall():
        values = dict(zip(names, row, strict=True))
        there = was if kind == "removed" else became
        assert there[values["id"]] == values


def test_the_other_way_round(con: duckdb.DuckDBPyConnection) -> None:
    """From the later version to the earlier, what was gained is lost, and what changed has changed."""
    forth, back = crantdb.diff(con, 1, "latest"), crantdb.diff(con, "latest", 1)
    swapped = {"born": "retired", "gained": "lost", "added": "removed"}
    swapped |= {value: key for key, value in swapped.items()}
    turned = forth.with_columns(pl.col("change").replace(swapped))
    order = ["what", "table_name", "change"]
    assert turned.sort(order).equals(back.sort(order))
    nothing = crantdb.diff(con, 2, "latest")
    assert nothing["rows"].sum() == 0


def test_layers_differ_like_whole_versions(warehouse: Warehouse, tmp_path_factory: Any) -> None:
    """Between a version kept as layers and a whole one, the same counts as when both were whole."""
    import shutil  # noqa: PLC0415 - only here

    root = tmp_path_factory.mktemp("layers") / "wh"
    shutil.copytree(warehouse.root, root)
    copy = type(warehouse)(root)
    with crantdb.connect(root, versions=[1, 2]) as found:
        before = crantdb.diff(found, 1, 2)
    gone = expire(copy, Rules(9, None, 0, full_versions=1), memory_bytes=2_000_000_000)
    assert gone is not None
    assert gone.layered == (1,)
    with crantdb.connect(root, versions=[1, 2]) as found:
        assert crantdb.diff(found, 1, 2).equals(before)


def test_two_snapshots_of_one_version(warehouse: Warehouse) -> None:
    """Two snapshots may differ in SeaTable's tables alone: then those are what differs."""
    with crantdb.connect(warehouse.root, snapshots=[3, 4]) as found:
        said = crantdb.diff(found, "s3", "s4").filter(pl.col("rows") > 0)
        [row] = found.sql("SELECT count(*) FROM s3.neurons").fetchall()
    assert said.rows() == [
        ("rows", "seatable.neurons", "added", 1),
        ("rows", "seatable.neurons", "removed", 1),
        ("rows", "seatable.neurons", "changed", 4),
    ]
    assert row == (0,)


def test_what_is_not_there_is_said(con: duckdb.DuckDBPyConnection) -> None:
    """A version that the connection does not hold, a kind that is none, a table that neither has."""
    with pytest.raises(NoSuchSnapshot, match="versions=\\[7\\]"):
        crantdb.diff(con, 7)
    with pytest.raises(NoSuchSnapshot, match="'s9'"):
        crantdb.diff(con, "s9")
    with pytest.raises(BadArgument, match="not of 'cells'"):
        crantdb.changes(con, "cells", 1, 2)  # type: ignore[arg-type]
    with pytest.raises(NoSuchTable, match=r"cave\.cells"):
        crantdb.row_changes(con, "nothing", 1, 2)


def test_the_verb_counts_first(warehouse: Warehouse, capsys: pytest.CaptureFixture[str]) -> None:
    """`crantdb diff v1 v2` counts as Python does; --list and --table list; snapshots go by number alone."""

    def said(*args: str) -> Any:
        assert run(["diff", *args, "--warehouse", str(warehouse.root), "--output", "json"]) == 0
        return json.loads(capsys.readouterr().out)

    with crantdb.connect(warehouse.root, versions=[1, 2]) as con:
        assert said("v1", "v2") == crantdb.diff(con, 1, 2).to_dicts()
        edges_found = crantdb.changes(con, "edges", 1, 2).fetchall()
    assert len(said("v1", "v2", "--list", "edges")) == len(edges_found)
    assert {row["change"] for row in said("v1", "v2", "--table", "cells")} == {"added", "removed"}
    between = [row for row in said("3", "4") if row["rows"]]
    assert {row["table_name"] for row in between} == {"seatable.neurons"}
    asked = ["sql", "FROM root_changes('v1', 'main')", "--versions", "1", "--output", "json"]
    assert run([*asked, "--warehouse", str(warehouse.root)]) == 0
    assert {row["change"] for row in json.loads(capsys.readouterr().out)} == {"born", "retired"}
    assert run(["diff", "v1", "v2", "--table", "a", "--table", "b", "--warehouse", str(warehouse.root)]) == 2
    assert run(["diff", "first", "2", "--warehouse", str(warehouse.root)]) == 2
    assert run(["diff", "v1", "v2", "--cells", "--warehouse", str(warehouse.root)]) == 2
