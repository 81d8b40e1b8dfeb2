"""A connection shows one snapshot under names that never clash, stays on it, and can be shut in."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import duckdb
import polars as pl
import pytest

from crantdb.errors import CorruptWarehouse, NoSuchSnapshot, NoSuchTable, NotAWarehouse, QueryRefused
from crantdb.schema import declarations
from crantdb.warehouse.catalog import connect, fence, scan
from crantdb.warehouse.reading import check_reads
from crantdb.warehouse.register import register
from crantdb.warehouse.relations import CANONICAL
from crantdb.warehouse.rollback import rollback
from crantdb.warehouse.snapshot import read_snapshot
from tests.warehouse.making import ROOT, add, cells, synapse_rows, tree

if TYPE_CHECKING:
    from pathlib import Path

    from crantdb.warehouse.layout import Warehouse


def column(con: duckdb.DuckDBPyConnection, query: str) -> list[object]:
    """Return the first column of a query's rows."""
    return [row[0] for row in con.sql(query).fetchall()]


def test_an_id_comes_back_exactly(warehouse: Warehouse) -> None:
    """Every value of a table, ids beyond 2^53 and NULLs, comes back from the connection and from `scan` as it went in."""
    rows = cells(range(500))
    add(warehouse, {"cells": rows})
    with connect(warehouse.root) as con:
        assert con.sql("FROM cells ORDER BY id").to_arrow_table().equals(rows)
        assert con.sql("FROM cave.cells ORDER BY id").to_arrow_table().equals(rows)
    assert scan("cells", warehouse.root).sort("id").collect().equals(pl.from_arrow(rows))
    assert scan("cave.cells", warehouse.root).filter(pl.col("pt_root_id") == ROOT + 7).collect().height == 1


def test_names_of_ours_are_never_hidden(warehouse: Warehouse) -> None:
    """Mirrored tables called like a canonical view, or like DuckDB's own tables, keep to their schema; ours stand."""
    theirs = [*sorted(CANONICAL), "EDGES", "duckdb_tables", "sqlite_master", "pg_class"]
    add(warehouse, {name: cells([number]) for number, name in enumerate(theirs)} | {"free": cells([7])})
    with connect(warehouse.root) as con:
        found = dict(con.sql("SELECT name, relation FROM tables").fetchall())
        assert set(found) == {*theirs, "free"}
        for number, name in enumerate(theirs):
            schema, relation = found[name].split(".", 1)
            assert column(con, f'SELECT id FROM "{schema}"."{relation}"') == [number], name
        for name in sorted(CANONICAL & set(con.sql("SHOW TABLES").to_arrow_table()["name"].to_pylist())):
            assert "volume" not in con.sql(f'FROM main."{name}"').columns, name
        assert column(con, "SELECT snapshot FROM snapshot") == [1]
        assert column(con, "SELECT id FROM free") == [7]


def test_names_that_differ_only_in_case_are_told_apart(warehouse: Warehouse) -> None:
    """The one in lower case keeps its name, the others get a hash behind theirs; `tables` says which is which."""
    names = ["Cells", "cells", "CELLS", "Alone"]
    add(warehouse, {name: cells([number]) for number, name in enumerate(names)})
    with connect(warehouse.root) as con:
        relations = dict(con.sql("SELECT name, relation FROM tables").fetchall())
        assert (relations["cells"], relations["Alone"]) == ("cave.cells", "cave.Alone")
        assert len({relation.casefold() for relation in relations.values()}) == 4
        for number, name in enumerate(names):
            assert column(con, f"SELECT id FROM {relations[name]}") == [number]
            assert scan(relations[name], warehouse.root).collect()["id"].to_list() == [number]


def test_names_with_every_sign_work(warehouse: Warehouse) -> None:
    """Quotes, dots, semicolons, comment signs and other scripts in a name neither break nor run anything."""
    names = ['a"b', "a'b", "a.b", "a;b--", "DROP TABLE x; --", "ünï", "蟻", "select", "1", "a b", "%s", "{}"]
    add(warehouse, {name: cells([number]) for number, name in enumerate(names)})
    with connect(warehouse.root) as con:
        for number, name in enumerate(names):
            quoted = name.replace('"', '""')
            assert column(con, f'SELECT id FROM "{quoted}"') == [number]
    assert len(register(warehouse.root)) == 2


def test_a_connection_is_pinned(warehouse: Warehouse) -> None:
    """What is committed later is not seen by a connection; a new one sees it; a number pins to the past."""
    add(warehouse, {"cells": cells(range(3))})
    with connect(warehouse.root) as old:
        add(warehouse, {"cells": cells(range(5))}, 2)
        assert column(old, "SELECT count(*) FROM cells") == [3]
        assert column(old, "SELECT snapshot FROM snapshot") == [1]
        rollback(warehouse, 1)
        assert column(old, "SELECT count(*) FROM snapshots") == [1]
    for number, count in ((1, 3), (2, 5), (3, 3), (None, 3)):
        with connect(warehouse.root, number) as con:
            assert column(con, "SELECT count(*) FROM cells") == [count]
            assert column(con, "SELECT snapshot FROM snapshots WHERE is_current") == [3]


def test_a_reader_is_not_disturbed_by_register(warehouse: Warehouse) -> None:
    """While versions are committed and registered, queries of another thread on one pinned connection never change."""
    add(warehouse, {"cells": cells(range(1000))})
    over = threading.Event()
    seen: set[object] = set()

    def read() -> None:
        with connect(warehouse.root) as con:
            while not over.wait(0.01):
                seen.add(con.sql("SELECT (count(*), sum(id), max(pt_root_id)) FROM cells").fetchall()[0])

    reader = threading.Thread(target=read)
    reader.start()
    for version in (2, 3, 4):
        add(warehouse, {"cells": cells(range(version))}, version)
        register(warehouse.root)
    over.set()
    reader.join()
    assert seen == {((1000, 499_500, ROOT + 999),)}


def test_readers_write_nothing(warehouse: Warehouse) -> None:
    """Connecting, scanning and querying leave the warehouse as it was, to the byte."""
    add(warehouse, {"syn": synapse_rows(range(100)), "cells": cells(range(10))})
    before = tree(warehouse.root)
    with connect(warehouse.root) as con:
        con.sql("SELECT count(*) FROM synapses JOIN cells USING (id)").fetchall()
    scan("synapses", warehouse.root).collect()
    assert tree(warehouse.root) == before


def test_several_versions_stand_side_by_side(warehouse: Warehouse) -> None:
    """Each kept version asked for has its own schemas; the same one twice, or the main one too, is no mistake."""
    for version in (1, 2, 3):
        add(warehouse, {"cells": cells(range(version))}, version)
    with connect(warehouse.root, versions=[1, 2, 2, 3]) as con:
        counts = [
            column(con, f"SELECT count(*) FROM {s}.cells") for s in ("main", "v1", "v2", "v3", "cave_v2")
        ]
        assert counts == [[3], [1], [2], [3], [2]]
    with connect(warehouse.root, version=2, versions=[3]) as con:
        assert column(con, "SELECT version FROM snapshot") == [2]
        assert column(con, "SELECT count(*) FROM v3.cells") == [3]


def test_what_is_not_there_is_said(warehouse: Warehouse, tmp_path: Path) -> None:
    """No warehouse, no snapshot, no such snapshot, version or table: each its own error, with what there is."""
    with pytest.raises(NotAWarehouse):
        connect(tmp_path / "nowhere")
    with pytest.raises(NoSuchSnapshot, match="has no snapshot yet"):
        connect(warehouse.root)
    add(warehouse, {"cells": cells([1])}, 4)
    with pytest.raises(NoSuchSnapshot, match="no snapshot 9"):
        connect(warehouse.root, 9)
    with pytest.raises(NoSuchSnapshot, match="it keeps 4"):
        connect(warehouse.root, version=9)
    with pytest.raises(NoSuchSnapshot, match="it keeps 4"):
        connect(warehouse.root, versions=[9])
    with pytest.raises(NoSuchTable, match=r"no table 'cell'.*cells"):
        scan("cell", warehouse.root)
    with pytest.raises(NoSuchTable, match=r"view.*crantdb\.connect"):
        scan("neurons", warehouse.root)


@pytest.mark.parametrize("harm", ["gone", "cut", "emptied", "overwritten"])
def test_a_damaged_file_is_named_by_the_connection(warehouse: Warehouse, harm: str) -> None:
    """A data file that is gone or no longer Parquet is a CorruptWarehouse that says where and what to do."""
    add(warehouse, {"cells": cells(range(100))})
    [path] = (warehouse.root / "tables").rglob("*.parquet")
    content = path.read_bytes()
    path.unlink()
    left = {"cut": content[:-20], "emptied": b"", "overwritten": bytes(len(content))}
    if harm in left:
        path.write_bytes(left[harm])
    with pytest.raises(CorruptWarehouse, match=r"crantdb verify.*crantdb rollback") as caught:
        connect(warehouse.root)
    assert path.name in str(caught.value)


def fenced(warehouse: Warehouse) -> duckdb.DuckDBPyConnection:
    """Return a connection with its fence up."""
    con = connect(warehouse.root)
    fence(con, warehouse.root, [read_snapshot(warehouse).main])
    return con


@pytest.mark.parametrize(
    "query",
    [
        "COPY (SELECT 1) TO '{out}'",
        "ATTACH '{out}' AS other",
        "SELECT * FROM read_text('{toml}')",
        "SELECT * FROM read_csv('{toml}')",
        "SELECT * FROM glob('{root}/**')",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET allowed_paths = ['{toml}']",
        "RESET lock_configuration",
        "EXPORT DATABASE '{out}'",
        "SELECT * FROM read_parquet('{root}/tables/**/*.parquet')",
    ],
)
def test_the_fence_holds(warehouse: Warehouse, tmp_path: Path, query: str) -> None:
    """A fenced connection opens no file but the snapshot's, loads nothing, and cannot be unfenced."""
    add(warehouse, {"cells": cells(range(3))})
    out = tmp_path / "out"
    with fenced(warehouse) as con:
        with pytest.raises(duckdb.Error):
            con.execute(query.format(out=out, toml=warehouse.config, root=warehouse.root))
        assert column(con, "SELECT count(*) FROM cells") == [3]
    assert not out.exists()


def test_inside_the_fence_only_reading_statements_pass(warehouse: Warehouse) -> None:
    """A COPY onto a data file, which the fence itself lets through, is refused by its kind, EXPLAIN ANALYZE or not."""
    add(warehouse, {"cells": cells(range(3))})
    [path] = (warehouse.root / "tables").rglob("*.parquet")
    before = path.read_bytes()
    copy = f"COPY (SELECT 1) TO '{path}' (USE_TMP_FILE false)"
    with fenced(warehouse) as con:
        for query in (
            copy,
            f"EXPLAIN ANALYZE {copy}",
            f"SELECT 1; {copy}",
            "DROP VIEW cells",
            "SET threads = 1",
        ):
            with pytest.raises(QueryRefused, match="does more than read"):
                check_reads(con, query)
        for query in ("FROM cells", "WITH a AS (FROM cells) FROM a", "EXPLAIN FROM cells", "DESCRIBE cells"):
            check_reads(con, query)
    assert path.read_bytes() == before


def test_every_name_of_ours_is_kept_free(warehouse: Warehouse) -> None:
    """Whatever the catalog makes in `main` of its own is in the list of names that mirrored tables may not take."""
    add(warehouse, {})
    with connect(warehouse.root) as con:
        assert set(con.sql("SHOW TABLES").to_arrow_table()["name"].to_pylist()) <= CANONICAL | set(
            declarations()
        )
