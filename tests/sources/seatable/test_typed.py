"""Cells of every type come out as they are, what cannot be typed is kept and noted, and names never collide."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from crantdb.sandbox.seatable import Base, Clock, Column, Table, archive_rows, delete_option, set_links
from crantdb.sources.seatable.catalogue import columns_table, options_table
from tests.sources.seatable.serving import BORN, neurons, read, rows_of, served, table_of, with_links

EVERYTHING: tuple[tuple[Column, Any, pa.DataType, Any], ...] = (
    (Column("text"), "a, b", pa.string(), "a, b"),
    (Column("long", "long-text"), "# head", pa.large_string(), "# head"),
    (Column("number", "number"), 499.99, pa.float64(), 499.99),
    (Column("percent", "number", {"format": "percent"}), 5, pa.float64(), 5.0),
    (Column("tick", "checkbox"), True, pa.bool_(), True),
    (Column("day", "date", {"format": "YYYY-MM-DD"}), "2030-06-20", pa.date32(), date(2030, 6, 20)),
    (Column("winter", "date", {"format": "YYYY-MM-DD"}), "2030-01-01", pa.date32(), date(2030, 1, 1)),
    (
        Column("when", "date", {"format": "YYYY-MM-DD HH:mm"}),
        "2030-06-20 14:30",
        pa.timestamp("s"),
        datetime(2030, 6, 20, 14, 30),  # noqa: DTZ001 - local time, without a zone
    ),
    (Column("took", "duration"), 5430, pa.float64(), 5430.0),
    (Column("side", "single-select", options=["left", "right"]), "left", pa.string(), "left"),
    (
        Column("status", "multiple-select", options=["A, B", "C"]),
        ["C", "A, B"],
        pa.list_(pa.string()),
        ["C", "A, B"],
    ),
    (Column("who", "collaborator"), ["x@auth.local"], pa.list_(pa.string()), ["x@auth.local"]),
    (Column("made by", "creator"), None, pa.string(), "annotator@auth.local"),
    (Column("changed", "mtime"), None, pa.timestamp("ms", "UTC"), BORN),
    (Column("pictures", "image"), ["https://x/1.png"], pa.list_(pa.string()), ["https://x/1.png"]),
    (Column("nr", "auto-number"), "row-0001", pa.string(), "row-0001"),
    (Column("stars", "rate"), 8, pa.int64(), 8),
    (Column("address", "url"), "https://x", pa.string(), "https://x"),
    (Column("mail", "email"), "N <a@b>", pa.string(), "N <a@b>"),
    (Column("team", "department-single-select"), 9, pa.int64(), 9),
    (
        Column("sum", "formula", {"result_type": "number", "formula": "{number}*2"}),
        3.9000000000000004,
        pa.float64(),
        3.9000000000000004,
    ),
    (Column("said", "formula", {"result_type": "string"}), "yes", pa.string(), "yes"),
    (Column("is", "formula", {"result_type": "bool"}), True, pa.bool_(), True),
    (Column("counted", "link-formula", {"result_type": "number"}), 3, pa.float64(), 3.0),
    (
        Column("looked", "link-formula", {"result_type": "array", "array_type": "number"}),
        [1.1, 1.2],
        pa.list_(pa.float64()),
        [1.1, 1.2],
    ),
    (
        Column("words", "link-formula", {"result_type": "array", "array_type": "text"}),
        ["a", "b"],
        pa.list_(pa.string()),
        ["a", "b"],
    ),
    (
        Column("odd", "link-formula", {"result_type": "array", "array_type": "file"}),
        [{"b": 1}],
        pa.string(),
        '[{"b":1}]',
    ),
    (Column("new", "hologram"), {"z": 1.50, "a": [True]}, pa.string(), '{"a":[true],"z":1.5}'),
)

FILE = {"name": "f", "size": 12, "type": "file", "url": "https://x/f", "upload_time": "2026-01-01T00:00:00Z"}
PLACE = {"lat": 1.5, "lng": -2.0, "country_region": None, "province": None, "city": None}
STRUCTS: tuple[tuple[Column, Any, Any], ...] = (
    (Column("files", "file"), [FILE], [FILE]),
    (Column("place", "geolocation"), {"lat": 1.5, "lng": -2}, PLACE | {"district": None, "detail": None}),
    (
        Column("signed", "digital-sign"),
        {"username": "x", "sign_image_url": "u", "sign_time": "2026-01-01T01:00:00+01:00"},
        {"username": "x", "sign_image_url": "u", "sign_time": datetime(2026, 1, 1, tzinfo=UTC)},
    ),
)


def base_of(columns: list[Column], rows: list[dict[str, Any]], name: str = "t") -> Base:
    """Return a base of one table."""
    return Base("CRANTb", [Table(name, columns, rows)], clock=Clock(BORN))


def test_every_type_has_its_value() -> None:
    """Each column type comes out as its Arrow type, and a NULL beside it as NULL."""
    given = {column.name: cell for column, cell, _, _ in EVERYTHING if cell is not None}
    given |= {column.name: cell for column, cell, _ in STRUCTS}
    columns = [row[0] for row in EVERYTHING] + [row[0] for row in STRUCTS] + [Column("press", "button")]
    base = base_of(columns, [given, {}])
    for column, cell, _, _ in EVERYTHING:
        if column.type in {"formula", "link-formula", "hologram", "auto-number"} and cell is not None:
            next(iter(base.table("t").rows.values()))[column.key] = cell
    with served(base) as server:
        result = read(server)
    table, rows = table_of(result, "t"), rows_of(result, "t")
    full = next(row for row in rows if row["text"])
    bare = next(row for row in rows if not row["text"])
    for column, _, arrow, wanted in EVERYTHING:
        assert table.schema.field(column.name).type == arrow, column.name
        assert full[column.name] == wanted, column.name
        if column.type not in {"creator", "mtime"}:
            assert bare[column.name] is None, column.name
    for column, _, wanted in STRUCTS:
        assert full[column.name] == wanted, column.name
        assert bare[column.name] is None, column.name
    assert "press" not in table.schema.names
    assert "press" in columns_table([table.info])["column_name"].to_pylist()
    assert [(finding.column, finding.kind) for finding in table.findings] == [("new", "unknown_type")]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Shanghai", "America/Los_Angeles"])
def test_a_date_is_the_date_that_people_see(zone: str) -> None:
    """Days of clock changes, midnights and any zone of the server: the local date, and the instant beside a time."""
    days = ["2026-03-29", "2026-10-25", "2026-01-01", "2026-12-31", "2024-02-29"]
    times = [
        "2026-03-29 03:00",
        "2026-10-25 02:30",
        "2026-01-01 00:00",
        "2026-12-31 23:59",
        "2024-02-29 12:00",
    ]
    columns = [
        Column("day", "date", {"format": "YYYY-MM-DD"}),
        Column("time", "date", {"format": "M/D/YYYY HH:mm"}),
    ]
    base = base_of(columns, [{"day": day, "time": time} for day, time in zip(days, times, strict=True)])
    with served(base, tz=zone) as server:
        rows = rows_of(read(server), "t")
    assert {str(row["day"]) for row in rows} == set(days)
    assert {row["time"].isoformat(" ", "minutes") for row in rows} == set(times)
    for row in rows:
        raw = json.loads(row["row_json"])
        assert row["time__instant"] == datetime.fromisoformat(raw[base.table("t").column("time").key])


def test_numbers_that_were_ids_are_marked_and_never_integers() -> None:
    """An id in a number column was rounded by the server: float64, marked, and noted with the column's name."""
    ids = [576460752667713229 + i for i in range(3)]
    base = base_of(
        [Column("root_id", "number"), Column("size", "number")], [{"root_id": i, "size": 500} for i in ids]
    )
    with served(base) as server:
        table = table_of(read(server), "t")
        raw = [row["row_json"] for piece in table.pieces() for row in piece.to_pylist()]
    field = table.schema.field("root_id")
    assert field.type == pa.float64()
    assert field.metadata[b"seatable.lossy_int"] == b"true"
    assert b"seatable.lossy_int" not in table.schema.field("size").metadata
    assert [(finding.column, finding.kind, finding.count) for finding in table.findings] == [
        ("root_id", "number_holds_ids", 3)
    ]
    assert all("576460752667713300" in text and ":500," in text for text in raw)
    assert "no id can be read" in str(table.findings[0])


def test_damaged_ids_in_text_are_noted() -> None:
    """Text ids stay text; those a spreadsheet has changed are counted, with rows to look at."""
    cells = [
        "576460752667713229",
        "0",
        "",
        "5.76461E+17",
        "576460752667713229.0",
        "5764, 5765",
        "576,460,752,667,713,229",
    ]
    base = base_of(
        [Column("root_id"), Column("notes")], [{"root_id": cell, "notes": "5.7E+17"} for cell in cells]
    )
    with served(base) as server:
        result = read(server)
    assert sorted(row["root_id"] or "" for row in rows_of(result, "t")) == sorted(cells)
    (finding,) = table_of(result, "t").findings
    assert (finding.column, finding.kind, finding.count, len(finding.rows)) == ("root_id", "damaged_id", 3, 3)


def test_formula_errors_and_orphan_options() -> None:
    """An error is NULL with its words beside it; an option that was deleted shows its id; both are noted."""
    columns = [
        Column("f", "formula", {"result_type": "number"}),
        Column("side", "single-select", options=["left", "right"]),
        Column("tags", "multiple-select", options=["x", "y"]),
    ]
    base = base_of(columns, [{"side": "left", "tags": ["x", "y"]}, {"side": "right", "tags": ["y"]}])
    table = base.table("t")
    first, second = list(table.rows.values())
    first[table.column("f").key], second[table.column("f").key] = "#VALUE!", 2.5
    left, x = (table.column(name).data["options"][0]["id"] for name in ("side", "tags"))
    delete_option(base, "t", "side", "left")
    delete_option(base, "t", "tags", "x")
    with served(base) as server:
        result = read(server)
    rows = {row["_id"]: row for row in rows_of(result, "t")}
    assert (rows[first["_id"]]["f"], rows[first["_id"]]["f__error"]) == (None, "#VALUE!")
    assert (rows[second["_id"]]["f"], rows[second["_id"]]["f__error"]) == (2.5, None)
    assert (rows[first["_id"]]["side"], rows[first["_id"]]["tags"]) == (left, [x, "y"])
    noted = {(finding.column, finding.kind): finding.rows for finding in table_of(result, "t").findings}
    assert noted == dict.fromkeys(
        (("f", "formula_error"), ("side", "orphan_option"), ("tags", "orphan_option")), (first["_id"],)
    )


@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 100, 101, 333])
def test_links_are_complete(count: int) -> None:
    """Cells cut off at fifty are completed: cell and edge table hold every link, in the order of linking."""
    base = neurons(3)
    others = with_links(base, max(count, 1))[:count]
    first = next(iter(base.table("neurons").rows))
    set_links(base, "neurons", "types", {first: others[::-1]})
    with served(base) as server:
        result = read(server)
        if count < 50:
            assert not server.log.count("query-links")
    row = next(row for row in rows_of(result, "neurons") if row["_id"] == first)
    assert [item["row_id"] for item in row["types"] or ()] == others[::-1]
    edges = pa.Table.from_batches(table_of(result, "neurons").links()).to_pylist() if count else []
    assert [edge["other_row_id"] for edge in edges] == others[::-1]
    assert [edge["ord"] for edge in edges] == list(range(count))
    assert {edge["row_id"] for edge in edges} == ({first} if count else set())
    assert {(edge["table_id"], edge["other_table_id"]) for edge in edges} == (
        {(base.table("neurons").id, base.table("types").id)} if count else set()
    )
    assert [json.loads(edge["display_value_json"]) for edge in edges[:1]] == (
        [f"type {count - 1}"] if count else []
    )
    back = [edge for piece in table_of(result, "types").links() for edge in piece.to_pylist()]
    assert {edge["row_id"] for edge in back} == set(others)
    assert {edge["other_row_id"] for edge in back} == ({first} if count else set())


def test_empty_text_and_null_are_two_things() -> None:
    """A cleared cell that is an empty text stays one."""
    base = base_of([Column("a")], [{"a": ""}, {"a": None}, {"a": "x"}])
    with served(base) as server:
        assert {row["a"] for row in rows_of(read(server), "t")} == {"", None, "x"}


def test_tables_and_columns_of_any_name() -> None:
    """A table named as another's id, blanks, quotes, umlauts, function names, names that differ only by case."""
    names = ["Count", "now()", 'a "b"', "it's", "größe ✓", "Root_ID", "root_id", "row_json", "x y"]
    columns = [Column(name) for name in names]
    cells = {name: f"cell of {name}" for name in names}
    hazard = Table("meta", [Column("a")], [{"a": "by name"}], id="wxyz")
    other = Table("other one", [Column("a")], [{"a": "by id"}], id="meta")
    odd = Table("größe 'of' \"it\" + Count", columns, [cells])
    base = Base(
        "CRANTb", [hazard, other, odd, Table("META", [Column("a")], [{"a": "loud"}])], clock=Clock(BORN)
    )
    with served(base) as server:
        result = read(server)
        assert [row["a"] for row in rows_of(read(server, "meta"), "meta")] == ["by name"]
    assert [table.info.name for table in result.tables.values()] == [table.name for table in base.tables]
    assert [row["a"] for row in rows_of(result, "meta")] == ["by name"]
    assert [row["a"] for row in rows_of(result, "other one")] == ["by id"]
    assert [row["a"] for row in rows_of(result, "META")] == ["loud"]
    table = table_of(result, odd.name)
    assert len({name.casefold() for name in table.schema.names}) == len(table.schema.names)
    (row,) = rows_of(result, odd.name)
    for column in odd.columns:
        collides = column.name.casefold() in {"root_id", "row_json"}
        name = f"{column.name}__{column.key}" if collides else column.name
        assert row[name] == cells[column.name], name


def test_archived_rows_are_rows_too() -> None:
    """Archived rows are there, marked; the class says that the version does not cover them."""
    base = neurons(500)
    gone = list(base.table("neurons").rows)[100:140]
    archive_rows(base, "neurons", gone)
    with served(base) as server:
        result = read(server, page_rows=100)
    rows = rows_of(result, "neurons")
    assert len(rows) == 500
    assert {row["_id"] for row in rows if row["_archived"]} == set(gone)
    assert str(result.consistency) == (
        f"atomic({base.version}); the version does not cover the 40 archived rows"
    )


def test_options_are_in_the_catalogue() -> None:
    """The catalogue gives each option its id, name and place; cells hold names, raw cells ids."""
    base = neurons(3)
    with served(base) as server:
        result = read(server)
    options = options_table([table_of(result, "neurons").info]).to_pylist()
    assert [(option["ord"], option["option_name"]) for option in options] == [
        (0, "left"),
        (1, "right"),
        (2, "medial"),
    ]
    names = {option["option_id"]: option["option_name"] for option in options}
    key = base.table("neurons").column("side").key
    for row in rows_of(result, "neurons"):
        assert names[json.loads(row["row_json"])[key]] == row["side"]
