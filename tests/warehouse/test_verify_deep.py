"""`verify --deep` finds what a checksum cannot: files that were wrong when they were written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crantdb.warehouse.deep import first_disorder
from crantdb.warehouse.manifest import to_json
from crantdb.warehouse.parquet import bounds, write_one
from crantdb.warehouse.snapshot import read_snapshot
from crantdb.warehouse.verify import verify
from tests.warehouse.brain import brain, synapses
from tests.warehouse.making import add, cells

if TYPE_CHECKING:
    from collections.abc import Callable

    from crantdb.warehouse.layout import Warehouse
    from crantdb.warehouse.state import DataFile, TableState


def rewrite(warehouse: Warehouse, key: str, changed: Callable[[pa.Table], pa.Table], *parts: slice) -> None:
    """Write the rows of a table anew as somebody's mistake would have: files and manifest agree, the content is wrong.

    Args:
        warehouse: where; its current snapshot is rewritten in place.
        key: the table's key.
        changed: makes the wrong rows of the right ones.
        parts: how the rows are cut into files; one file of all by default.
    """
    snapshot = read_snapshot(warehouse)
    table = snapshot.main.tables[key]
    rows = changed(
        pa.concat_tables(pq.read_table(warehouse.root / file.path, partitioning=None) for file in table.files)
    )
    pieces = [rows.slice(p.start, p.stop - p.start) for p in parts] or [rows]
    files = tuple(_written(warehouse, table, number, piece) for number, piece in enumerate(pieces))
    wrong = replace(table, files=files, rows=rows.num_rows, rows_expected=rows.num_rows)
    main = replace(snapshot.main, tables=dict(snapshot.main.tables) | {key: wrong})
    warehouse.manifest(snapshot.number).write_bytes(to_json(replace(snapshot, main=main)))


def _written(warehouse: Warehouse, table: TableState, number: int, rows: pa.Table) -> DataFile:
    """Write one file and return what a manifest says of it."""
    path = (warehouse.root / table.files[0].path).with_name(f"wrong-part-{number:05d}.parquet")
    size, digest = write_one(path, rows)
    low, high = bounds(rows[table.sort_key])
    name = path.relative_to(warehouse.root).as_posix()
    return replace(
        table.files[0], path=name, rows=rows.num_rows, bytes=size, sha256=digest, key_min=low, key_max=high
    )


def found(warehouse: Warehouse) -> list[tuple[str, str]]:
    """Return what deep verification finds: the file's name and what is wrong."""
    assert [check.finding for check in verify(warehouse) if check.finding] == []
    return [(c.path.name, c.finding.what) for c in verify(warehouse, deep=True) if c.finding]


def swapped(rows: pa.Table) -> pa.Table:
    """Return rows with the third and fourth swapped."""
    order = list(range(rows.num_rows))
    order[2], order[3] = order[3], order[2]
    return rows.take(order)


def twice(rows: pa.Table) -> pa.Table:
    """Return rows with the second one twice."""
    return pa.concat_tables([rows.slice(0, 2), rows.slice(1)]).combine_chunks()


def same(rows: pa.Table) -> pa.Table:
    """Return rows as they are."""
    return rows


def without_last(rows: pa.Table) -> pa.Table:
    """Return all rows but the last."""
    return rows.slice(0, rows.num_rows - 1)


def bent(column: str) -> Callable[[pa.Table], pa.Table]:
    """Return a change that moves one value of a column to its neighbour's, the order of rows unhurt."""

    def bend(rows: pa.Table) -> pa.Table:
        values = rows[column].to_pylist()
        values[-1] = (values[-1] or 0) + 1
        index = rows.column_names.index(column)
        return rows.set_column(
            index, rows.schema.field(column), pa.array(values, rows.schema.field(column).type)
        )

    return bend


def test_what_was_synced_is_whole(warehouse: Warehouse) -> None:
    """A warehouse with plain tables and synapses in five forms has nothing wrong, and every file is counted once."""
    brain(warehouse, synapses(3000))
    add(warehouse, {"cells": cells(range(100))}, 2)
    brain(warehouse, synapses(0), version=3)
    checks = list(verify(warehouse, deep=True))
    assert [check.finding for check in checks if check.finding] == []
    assert len(checks) == len({check.path for check in checks}) == 3 + 5 + 1 + 5


@pytest.mark.parametrize(
    ("key", "change", "what"),
    [
        ("cave.cells", swapped, "not sorted by id: row 3 "),
        ("cave.cells", twice, "not sorted by id: row 2 "),
        ("cave.syn", swapped, "not sorted by pre_pt_root_id, post_pt_root_id, id: row 3 "),
        ("cave.syn", twice, "not sorted by pre_pt_root_id, post_pt_root_id, id: row 2 "),
        ("derived.synapses_by_post", swapped, "not sorted by post_pt_root_id, pre_pt_root_id, id: row 3 "),
        ("derived.edges", swapped, "not sorted by pre_root_id, post_root_id: row 3 "),
        ("derived.edges", twice, "not sorted by pre_root_id, post_root_id: row 2 "),
        ("derived.edges_by_post", swapped, "not sorted by post_root_id, pre_root_id: row 3 "),
        ("derived.synapse_ids", swapped, "not sorted by id: row 3 "),
    ],
)
def test_rows_out_of_order_are_found(
    warehouse: Warehouse, key: str, change: Callable[[pa.Table], pa.Table], what: str
) -> None:
    """A row out of the stated order, or one that comes twice, is found, with the file, the order and the row."""
    brain(warehouse, synapses(500))
    add(warehouse, {"cells": cells(range(10))}, carried=list(read_snapshot(warehouse).main.tables.values()))
    rewrite(warehouse, key, change)
    [(file, said)] = found(warehouse)
    assert file == "wrong-part-00000.parquet"
    assert what in said
    assert said.endswith(f"({key})")


def test_files_out_of_order_are_found(warehouse: Warehouse) -> None:
    """Files each in order, but not one after the other, are found; cut anywhere in order they are well."""
    brain(warehouse, synapses(500))
    parts = slice(0, 1), slice(1, 300), slice(300, 500)
    rewrite(warehouse, "cave.syn", same, *parts)
    assert found(warehouse) == []
    rewrite(warehouse, "cave.syn", same, parts[0], parts[2], parts[1])
    [(file, said)] = found(warehouse)
    assert file == "wrong-part-00002.parquet"
    assert "does not go on in pre_pt_root_id, post_pt_root_id, id where wrong-part-00001.parquet ends" in said
    rewrite(warehouse, "cave.syn", lambda rows: rows.sort_by([("id", "ascending")]), *parts)
    assert all("is not sorted" in what for _, what in found(warehouse))


@pytest.mark.parametrize(
    ("key", "change", "what"),
    [
        ("derived.synapses_by_post", without_last, "holds 499 rows, cave.syn 500"),
        ("derived.synapses_by_post", bent("ctr_pt_position_x"), "holds other rows than cave.syn"),
        ("derived.synapse_ids", without_last, "holds 499 rows, cave.syn 500"),
        ("derived.synapse_ids", bent("pre_pt_root_id"), "holds other rows than cave.syn"),
        ("derived.edges", without_last, "synapses, cave.syn has"),
        ("derived.edges", bent("syn_count"), "synapses, cave.syn has"),
        ("derived.edges", bent("post_root_id"), "holds other edges than the synapses of cave.syn make"),
        ("derived.edges_by_post", bent("pre_root_id"), "holds other rows than derived.edges"),
        ("derived.edges_by_post", bent("size_sum"), "holds other rows than derived.edges"),
    ],
)
def test_forms_that_disagree_are_found(
    warehouse: Warehouse, key: str, change: Callable[[pa.Table], pa.Table], what: str
) -> None:
    """A form that lost a synapse or holds another one is found, though sorted and summed: with its file and against what."""
    brain(warehouse, synapses(500))
    rewrite(warehouse, key, change)
    said = found(warehouse)
    assert ("wrong-part-00000.parquet", key) in [
        (file, text.rsplit("(", 1)[1].rstrip(")")) for file, text in said
    ]
    assert any(what in text for _, text in said)


def test_one_row_for_another_is_found(warehouse: Warehouse) -> None:
    """A main table with a root moved, the sort kept, disagrees with all of its forms."""
    brain(warehouse, synapses(500))
    rewrite(
        warehouse,
        "cave.syn",
        lambda rows: bent("post_pt_root_id")(rows.sort_by([("id", "ascending")])).sort_by(
            [("pre_pt_root_id", "ascending"), ("post_pt_root_id", "ascending"), ("id", "ascending")]
        ),
    )
    assert {text.rsplit("(", 1)[1] for _, text in found(warehouse)} >= {
        "derived.synapses_by_post)",
        "derived.synapse_ids)",
    }


def test_a_damaged_file_is_named_once(warehouse: Warehouse) -> None:
    """A file whose bytes are damaged is named for that; tables with it are compared with nothing."""
    snapshot = brain(warehouse, synapses(500))
    path = warehouse.root / snapshot.main.tables["derived.edges"].files[0].path
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"X")
    [check] = [check for check in verify(warehouse, deep=True) if check.finding]
    assert check.path == path


@given(
    rows=st.lists(st.tuples(*[st.one_of(st.none(), st.integers(-2, 2))] * 2), max_size=12),
    strict=st.booleans(),
    ordered=st.booleans(),
)
def test_disorder_is_what_python_finds(
    rows: list[tuple[int | None, int | None]], *, strict: bool, ordered: bool
) -> None:
    """The first row out of order is the one that comparing tuples one by one finds, NULL being the highest."""

    def rank(row: tuple[int | None, int | None]) -> list[tuple[bool, int]]:
        return [(value is None, value or 0) for value in row]

    if ordered:
        rows = sorted(rows, key=rank)
    steps = [
        index
        for index in range(1, len(rows))
        if rank(rows[index]) < rank(rows[index - 1]) or (strict and rows[index] == rows[index - 1])
    ]
    table = pa.table({name: pa.array([row[i] for row in rows], pa.int64()) for i, name in enumerate("ab")})
    assert first_disorder(table, strict=strict) == (steps[0] if steps else None)


def test_order_is_checked_across_batches(warehouse: Warehouse) -> None:
    """A row out of order is found wherever it stands, also where one batch of the decoder meets the next."""
    add(warehouse, {"cells": cells(range(140_000))})
    for at in (65_535, 65_536, 131_072, 139_998):
        order = np.arange(140_000)
        order[[at, at + 1]] = order[[at + 1, at]]
        rewrite(warehouse, "cave.cells", lambda rows, order=order: rows.take(pa.array(order)))
        [(_, said)] = found(warehouse)
        assert f"row {at + 1:,} is out of order" in said
        rewrite(warehouse, "cave.cells", lambda rows: rows.take(pc.sort_indices(rows["id"])))
