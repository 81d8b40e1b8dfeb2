"""Any JSON in any column: typed without loss, or NULL and noted; never an exception, never a changed number."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from crantdb.errors import BadResponse, NotServed
from crantdb.sources.seatable.catalogue import BaseInfo, ColumnInfo, TableInfo, read_metadata, schema_hash
from crantdb.sources.seatable.findings import UNTYPED, Notes
from crantdb.sources.seatable.idtext import IdText, is_damaged, names_ids, read_ids
from crantdb.sources.seatable.layout import DIGEST, RAW, Layout, physical_names
from crantdb.sources.seatable.literals import Literal, canonical, load
from crantdb.sources.seatable.moments import local_date, local_time, stamp_ms, without_zone
from crantdb.sources.seatable.rowtext import volatile_keys
from crantdb.sources.seatable.store import Store
from crantdb.sources.seatable.types import SYSTEM, column_type

TYPES = (
    "text", "long-text", "number", "checkbox", "date", "duration", "single-select", "multiple-select",
    "collaborator", "creator", "last-modifier", "ctime", "mtime", "image", "file", "link", "link-formula", "formula",
    "auto-number", "rate", "url", "email", "geolocation", "digital-sign", "department-single-select", "hologram",
)  # fmt: skip
RESULTS = ("number", "string", "date", "bool", "array", None)
SETTINGS = st.fixed_dictionaries(
    {
        "result_type": st.sampled_from(RESULTS),
        "array_type": st.sampled_from(("number", "text", "file", None)),
        "format": st.sampled_from((None, "YYYY-MM-DD", "YYYY-MM-DD HH:mm")),
        "options": st.sampled_from(([], [{"id": "1", "name": "one"}, {"id": "2"}])),
    }
)
COLUMNS = st.builds(ColumnInfo, st.just("k1"), st.just("root_id"), st.sampled_from(TYPES), SETTINGS)
LIKELY = st.sampled_from([
    "2030-06-20T00:00:00+02:00", "2030-06-20", "2030-13-45", "1", "#VALUE!", "5.7E+17", "true", "", "\ud83d",
    "0001-01-01T00:00:00+23:59", "9999-12-31 23:59",
    {"row_id": "x", "display_value": [1, "2"]}, {"lat": 1, "lng": "x"}, {"sign_time": "2026-01-01T00:00:00Z"},
    {"name": "f", "size": 1.5}, ["1", 2, None], [{"row_id": None}], 2**70, -0.0, 1e300, 576460752667713300,
])  # fmt: skip
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | LIKELY,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=6,
)


def as_served(value: Any) -> Any:
    """Return a value as the server's JSON is read."""
    return load(json.dumps(value).encode())


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(column=ColumnInfo("k1", "root_id", "link"), cells=["\ud83d"])
@given(column=COLUMNS, cells=st.lists(JSON | LIKELY, min_size=1, max_size=4))
def test_any_json_in_any_column(column: ColumnInfo, cells: list[Any]) -> None:
    """A batch has the type of its column; a cell that is not of it is NULL and noted; the raw JSON is as served."""
    layout = Layout(TableInfo("0000", "t", (column,)))
    notes = Notes()
    rows = [as_served({"_id": f"r{i}", "k1": cell}) for i, cell in enumerate(cells)]
    batch = layout.batch(rows, notes)
    batch.validate(full=True)
    assert batch.schema.field("root_id").type == column_type(column).arrow
    noted = notes.rows_of.get(("k1", UNTYPED), set())
    for row, value, raw in zip(
        rows, batch.column("root_id").to_pylist(), batch.column(RAW).to_pylist(), strict=True
    ):
        assert load(raw.encode()) == row
        if row["_id"] in noted:
            assert value is None
        if row["k1"] is None:
            assert value is None
            assert row["_id"] not in noted
        if value is None and row["_id"] not in noted and row["k1"] not in (None, "", {}, []):
            kinds = {kind for (_, kind), ids in notes.rows_of.items() if row["_id"] in ids}
            assert kinds & {"formula_error"}, "a value that is lost is always noted"


@given(JSON)
def test_canonical_json_keeps_the_value_and_its_literals(value: Any) -> None:
    """What is written reads back the same, is written the same again, whatever the order of keys."""
    read = as_served(value)
    text = canonical(read)
    assert load(text.encode()) == read
    assert canonical(load(text.encode())) == text
    assert json.loads(text) == json.loads(json.dumps(value))


@pytest.mark.parametrize("literal", ["500", "499.99", "-0", "1E400", "576460752667713300", "1.10", "0.1e-7"])
def test_number_literals_survive(literal: str) -> None:
    """A number is kept as it was written, also where no float could hold it."""
    value = load(f"[{literal}]".encode())[0]
    assert type(value) is Literal
    assert canonical([value]) == f"[{literal}]"


@pytest.mark.parametrize("body", [b"NaN", b'{"a": Infinity}', b"\xff", b'"\xe4"', b"", b"<html>", b'{"a": 1'])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    """NaN, bytes that are no UTF-8, pages and cut-off bodies are no JSON."""
    with pytest.raises(ValueError, match=r"."):
        load(body)


def test_a_float_has_no_canonical_form() -> None:
    """A number that has lost its literal is refused instead of written some way."""
    with pytest.raises(TypeError):
        canonical([1.5])


@pytest.mark.parametrize(
    ("text", "ids", "damaged"),
    [
        (None, (), False), ("", (), False), ("0", (), False), (" 5 ", (5,), False),
        ("576460752667713229", (576460752667713229,), False),
        ("5764, 5765;5764 0", (5764, 5765, 5764), False),
        (str(2**63 - 1), (2**63 - 1,), False), (str(2**63), (), False), ("-5", (), False), ("12a", (), False),
        ("5, x", (), False), ("5.76461E+17", (), True), ("5,76E17", (), True), ("576460752667713229.0", (), True),
        ("'576460752667713229", (), True), ("576,460,752,667,713,229", (), True),
        ("576\u00a0460\u00a0752", (), True), ("5764\u00a0", (), True), ("5764,\u00a05765", (), True), ("\u00a0", (), False),
        ("3.5", (), False), ("E5", (), False),
    ],
)  # fmt: skip
def test_ids_in_text(text: str | None, ids: tuple[int, ...], *, damaged: bool) -> None:
    """Ids are read exactly, lists in order; what a spreadsheet damaged gives none and says so; 0 is no id."""
    assert read_ids(text) == IdText(ids, damaged=damaged)
    assert read_ids(text).single == (ids[0] if len(ids) == 1 else None)


@given(st.lists(st.integers(1, 2**63 - 1), min_size=1), st.sampled_from([",", ", ", ";", " ", "\n"]))
def test_lists_of_ids_are_read_back(ids: list[int], between: str) -> None:
    """Any ids, joined any way, come back, duplicates and order kept; a damaged cell never gives an id."""
    text = between.join(map(str, ids))
    found = read_ids(text)
    assert found.ids == (() if is_damaged(text) else tuple(ids))
    assert not read_ids(f"{text}{between}x").ids


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("root_id", True),
        ("supervoxel_id", True),
        ("ID", True),
        ("nucleus_position", True),
        ("side", False),
        ("idea", False),
    ],
)
def test_names_that_say_ids(name: str, *, wanted: bool) -> None:
    """Damage is looked for where ids are said to be."""
    assert names_ids(name) is wanted


@given(
    st.lists(st.sampled_from(["a", "A", "_id", "Row_JSON", "a__k1", "b", "ß", "SS", "__digest"]), max_size=8)
)
def test_physical_names_never_collide(names: list[str]) -> None:
    """Names are unique whatever their case, a name that stands alone is kept, and order makes no difference."""
    columns = [ColumnInfo(f"k{i}", name, "text") for i, name in enumerate(names)]
    made = physical_names(TableInfo("0000", "t", tuple(columns)))
    folded = [name.casefold() for name in (*made.values(), *SYSTEM, RAW, DIGEST)]
    assert len(set(folded)) == len(folded)
    assert made == physical_names(TableInfo("0000", "t", tuple(reversed(columns))))
    counts = [name.casefold() for name in names]
    for column in columns:
        if counts.count(column.name.casefold()) == 1 and column.name in {"a", "A", "b"}:
            assert made[column.key] == column.name


def test_columns_beside_a_column_never_collide() -> None:
    """A column named as a formula's error column keeps its name; the error column gives way."""
    table = TableInfo(
        "0000",
        "t",
        (ColumnInfo("k1", "f", "formula", {"result_type": "number"}), ColumnInfo("k2", "F__error", "text")),
    )
    assert Layout(table).schema.names[len(SYSTEM) :] == ["f", "f__error__k1", "F__error", RAW]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), max_size=6)),
        max_size=8,
    )
)
def test_rows_as_they_come_end_in_order(story: list[tuple[bool, list[tuple[int, int]]]]) -> None:
    """Rows taken in and out in any order end as a dict would have them: the newest `_mtime` wins, then the last."""
    store = Store(Layout(TableInfo("0000", "t", (ColumnInfo("k1", "a", "text"),))), None)
    model: dict[str, tuple[str, str]] = {}
    for step, (drops, items) in enumerate(story):
        ids = {f"r{number:02d}": second for number, second in items}
        if drops:
            store.drop(ids)
            for row_id in ids:
                model.pop(row_id, None)
            continue
        rows = []
        for row_id, second in ids.items():
            mtime = f"2026-01-01T00:00:0{second}.000+00:00"
            rows.append({"_id": row_id, "_mtime": mtime, "k1": f"{step}"})
            if row_id not in model or model[row_id][0] <= mtime:
                model[row_id] = (mtime, f"{step}")
        if rows:
            store.add(rows)
    stored = store.finish()
    got = [row for piece in stored.pieces() for row in piece.to_pylist()]
    assert [(row["_id"], row["a"]) for row in got] == [(key, model[key][1]) for key in sorted(model)]
    assert stored.rows == len(model) == len(store.fingerprints)


def test_volatile_columns_are_found_through_others() -> None:
    """A formula of a formula of now() is volatile; a text that mentions now is not."""
    formula = "formula"
    table = TableInfo(
        "0000",
        "t",
        (
            ColumnInfo("k1", "age", formula, {"formula": "dateDif({d}, NOW ( ))"}),
            ColumnInfo("k2", "older", formula, {"formula": "{age}+1"}),
            ColumnInfo("k3", "oldest", formula, {"formula": "{older}+1"}),
            ColumnInfo("k4", "known", formula, {"formula": "{known_nt}"}),
            ColumnInfo("k5", "now()", "text"),
        ),
    )
    assert volatile_keys(table) == {"k1", "k2", "k3"}


def test_moments_of_every_form() -> None:
    """RFC 3339 with any offset, plain text of old servers, and fractions are read; the local part never moves."""
    assert str(local_date("2030-06-20T00:00:00+02:00")) == "2030-06-20"
    assert str(local_time("2030-06-20 14:30")) == "2030-06-20 14:30:00"
    assert stamp_ms("2021-09-26T10:39:57.067+08:00") == stamp_ms("2021-09-26T02:39:57.067Z") == 1632623997067
    assert stamp_ms("1969-12-31T23:59:59.999Z") == -1
    assert without_zone(["2030-06-20T00:00:00+02:00", {"a": "x+02:00"}]) == [
        "2030-06-20T00:00:00",
        {"a": "x+02:00"},
    ]
    for text in ("2030-06-20X", "20300620", "now", Literal("2030")):
        with pytest.raises(ValueError, match="is not a date"):
            local_date(text)


def test_metadata_of_another_kind() -> None:
    """What is no base's metadata is called that; columns without settings have none; the hash ignores the order."""
    for raw in (
        None,
        {},
        {"tables": [{}]},
        {"tables": [{"_id": "1", "name": "t", "columns": [{"key": "k"}]}]},
    ):
        with pytest.raises(BadResponse, match="metadata of the base 'b' is not"):
            read_metadata(raw, name="b", uuid="u")
    one, two = ({"key": key, "name": key, "type": "text"} for key in ("a", "b"))
    tables = [{"_id": "1", "name": "T", "columns": columns} for columns in ([one, two], [two, one])]
    infos = [read_metadata({"tables": [table], "version": 3}, name="b", uuid="u") for table in tables]
    assert schema_hash(infos[0].tables[0]) == schema_hash(infos[1].tables[0])
    assert infos[0].table("t").id == "1"
    with pytest.raises(BadResponse, match="two columns of one key"):
        read_metadata({"tables": [tables[0] | {"columns": [one, one]}]}, name="b", uuid="u")
    with pytest.raises(NotServed, match="its tables: none"):
        BaseInfo("b", "u", 1, ()).table("x")


def test_an_empty_table_has_its_columns() -> None:
    """No rows, all columns."""
    stored = Store(Layout(TableInfo("0000", "t", (ColumnInfo("k1", "a", "number"),))), None).finish()
    assert (stored.rows, list(stored.pieces()), stored.schema.field("a").type) == (0, [], pa.float64())
