"""The dialect: what is answered and how, and what is refused in which words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crantdb.sandbox.seatable import Base, Column, Table, archive_rows
from tests.sandbox.seatable.conftest import READER, WRITER, Asker, asker


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        ("SELECT name FROM people WHERE age > 4", ["Ada", "bob"]),
        ("SELECT name FROM people WHERE age >= 4.5 AND age < 36", ["bob"]),
        ("SELECT name FROM people WHERE age <> 36 AND name IS NOT NULL", ["bob", "Ćiro"]),
        ("SELECT name FROM people WHERE name = 'Ada' OR name = \"bob\"", ["Ada", "bob"]),
        ("select name from people where NOT (name = 'Ada') and name is not null", ["bob", "Ćiro"]),
        ("SELECT name FROM people WHERE name LIKE '%o%'", ["bob", "Ćiro"]),
        ("SELECT name FROM people WHERE name LIKE 'B_b'", []),
        ("SELECT name FROM people WHERE name ILIKE 'B_b'", ["bob"]),
        ("SELECT name FROM people WHERE name IN ('Ada', 'x')", ["Ada"]),
        ("SELECT name FROM people WHERE age IN (36, 4.5)", ["Ada", "bob"]),
        ("SELECT name FROM people WHERE age BETWEEN -2 AND 5", ["bob", "Ćiro"]),
        ("SELECT name FROM people WHERE ok = TRUE", ["Ada"]),
        ("SELECT name FROM people WHERE ok = false", ["bob"]),
        ("SELECT name FROM people WHERE ok IS TRUE", ["Ada"]),
        ("SELECT name FROM people WHERE side = 'left'", ["Ada"]),
        ("SELECT name FROM people WHERE tags HAS ANY OF ('d', 'b, c')", ["Ada", "bob"]),
        ("SELECT name FROM people WHERE tags HAS ALL OF ('a', 'd')", ["Ada"]),
        ("SELECT name FROM people WHERE tags IS EXACTLY ('b, c')", ["bob"]),
        ("SELECT name FROM people WHERE born = '2026-06-20'", ["Ada"]),
        ("SELECT name FROM people WHERE born > '2026-12-24 18:00'", ["bob"]),
        ("SELECT name FROM people WHERE born <= '2026-12-24T17:30:00Z'", ["Ada", "bob"]),
        ("SELECT name FROM people WHERE note LIKE '%long%'", ["Ćiro"]),
        ("SELECT name FROM people WHERE who HAS ANY OF ('a@auth.local')", ["Ćiro"]),
        ("SELECT name FROM people WHERE age + 1 = 37", ["Ada"]),
        ("SELECT name FROM people WHERE age * 2 - 1 > 8 / 2", ["Ada", "bob"]),
        ("SELECT name FROM people WHERE upper(name) = 'ADA'", ["Ada"]),
        ("SELECT name FROM people WHERE if(age > 5, 'old', 'young') = 'old'", ["Ada"]),
        ("SELECT `name` FROM `people` LIMIT 2;", ["Ada", "bob"]),
        ("SELECT name FROM people LIMIT 2 OFFSET 1", ["bob", "Ćiro"]),
        ("SELECT name FROM people LIMIT 1, 2", ["bob", "Ćiro"]),
        ("SELECT name FROM people WHERE name IS NOT NULL ORDER BY age", ["Ćiro", "bob", "Ada"]),
        ("SELECT name FROM people WHERE name IS NOT NULL ORDER BY name DESC", ["Ćiro", "bob", "Ada"]),
        ("SELECT people.name FROM people LIMIT 1", ["Ada"]),
    ],
)
def test_rows_that_a_statement_gives(people_asker: Asker, statement: str, names: list[str]) -> None:
    """Each predicate picks the rows that SeaTable's would."""
    assert [row["name"] for row in people_asker.rows(statement)] == names


@pytest.mark.parametrize(
    ("predicate", "of_null"),
    [
        ("age = 4", False),
        ("age != 4", True),
        ("age < 4", False),
        ("age > 4", False),
        ("age = NULL", False),
        ("name LIKE '%'", False),
        ("name NOT LIKE 'x%'", True),
        ("name = ''", False),
        ("name != ''", True),
        ("name > ''", False),
        ("age IN (1)", False),
        ("age NOT IN (1)", True),
        ("age BETWEEN 0 AND 9", False),
        ("age NOT BETWEEN 0 AND 9", True),
        ("tags HAS ANY OF ('a')", False),
        ("tags HAS NONE OF ('a')", True),
        ("ok IS TRUE", False),
        ("ok IS NOT TRUE", True),
        ("side IS NULL", True),
        ("name IS NULL", True),
        ("side IS NOT NULL", False),
        ("NOT age = 4", True),
    ],
)
def test_what_null_is_counted_among(people_asker: Asker, predicate: str, of_null: bool) -> None:
    """Negated tests are true for NULL, all others false; the empty text and the empty list are NULL."""
    empty = people_asker.rows(
        f"SELECT _id FROM people WHERE ({predicate}) AND _id = 'row3xxxxxxxxxxxxxxxxxx'"
    )
    assert bool(empty) == of_null


def test_an_empty_list_is_null(people_asker: Asker) -> None:
    """A row whose multiple-select is `[]` is found by IS NULL."""
    assert [row["name"] for row in people_asker.rows("SELECT name FROM people WHERE tags IS NULL")] == [
        "Ćiro",
        "",
    ]


def test_aggregates(people_asker: Asker) -> None:
    """NULL is skipped except by COUNT(*); results are named as typed; no row gives a row all the same."""
    [row] = people_asker.rows(
        "SELECT COUNT(*), count(age), SUM(age), MIN(age), MAX(age), AVG(age), COUNT(DISTINCT side) FROM people"
    )
    assert row == {
        "COUNT(*)": 4,
        "count(age)": 3,
        "SUM(age)": 38.5,
        "MIN(age)": -2,
        "MAX(age)": 36,
        "AVG(age)": 38.5 / 3,
        "COUNT(DISTINCT side)": 3,
    }
    assert people_asker.rows("SELECT COUNT(*) AS n, MAX(age) AS top FROM people WHERE age > 99") == [
        {"n": 0, "top": None}
    ]


def test_groups_and_aliases(people_asker: Asker) -> None:
    """Aliases stand in GROUP BY, HAVING and ORDER BY, not in WHERE; an alias may hide its own column."""
    found = people_asker.rows(
        "SELECT ok AS verdict, COUNT(*) AS n FROM people GROUP BY verdict HAVING n >= 1 ORDER BY n DESC, verdict"
    )
    assert found == [{"verdict": None, "n": 2}, {"verdict": False, "n": 1}, {"verdict": True, "n": 1}]
    assert people_asker.rows("SELECT MAX(age) AS age FROM people") == [{"age": 36}]
    assert people_asker.rows("SELECT upper(name) AS name FROM people LIMIT 1") == [{"name": "ADA"}]
    assert people_asker.rows("SELECT name AS age, age AS name FROM people ORDER BY age LIMIT 1") == [
        {"age": "Ada", "name": 36}
    ]
    assert "no such column: n" in people_asker.error("SELECT age AS n FROM people WHERE n > 1")


def test_keys_of_results(people_asker: Asker) -> None:
    """Arithmetic is named with its table, a function as typed; without convert columns come by key."""
    [row] = people_asker.rows("SELECT age + 10, abs(age), name FROM people LIMIT 1", convert_keys=False)
    assert row == {"people.age + 10": 46, "abs(age)": 36, "0000": "Ada"}


def test_distinct(people_asker: Asker) -> None:
    """DISTINCT gives each combination once, every NULL as one."""
    assert people_asker.rows("SELECT DISTINCT ok FROM people") == [{"ok": True}, {"ok": False}, {"ok": None}]


def test_single_selects_sort_as_defined(people_asker: Asker) -> None:
    """Their order is that of the options, not of the alphabet."""
    found = people_asker.rows("SELECT side FROM people WHERE side IS NOT NULL ORDER BY side")
    assert [row["side"] for row in found] == ["right", "left", "middle"]


def test_the_answers_frame(people_asker: Asker) -> None:
    """success, error_message, is_join_stmt, metadata with key, name, type and data of what was selected."""
    found = people_asker.sql("SELECT name, side, COUNT(*) AS n FROM people GROUP BY name, side").json()
    assert (found["success"], found["error_message"], found["is_join_stmt"]) == (True, "", False)
    assert [(c["name"], c["type"]) for c in found["metadata"]] == [
        ("name", "text"),
        ("side", "single-select"),
        ("n", "number"),
    ]
    assert [o["name"] for o in found["metadata"][1]["data"]["options"]] == ["right", "left", "middle"]
    star = people_asker.sql("SELECT * FROM people LIMIT 1", convert_keys=False).json()
    assert {c["key"] for c in star["metadata"]} == set(star["results"][0])
    assert {
        "_id",
        "_ctime",
        "_mtime",
        "_creator",
        "_last_modifier",
        "_archived",
        "_locked",
        "_locked_by",
        "0000",
    } <= set(star["results"][0])


def test_a_join_gives_keys_that_collide(serve: Callable[..., Asker]) -> None:
    """An implicit join says so, ignores convert_keys, and of two equal keys the last one's value stays."""
    left = Table("l", [Column("a"), Column("b")], [{"a": "1", "b": "x"}, {"a": "2", "b": "y"}])
    right = Table("r", [Column("c")], [{"c": "2"}])
    asked = serve(Base("CRANTb", [left, right], api_tokens={WRITER: "rw"}))
    found = asked.sql("SELECT l.a, b, c FROM l, r WHERE l.a = r.c").json()
    key = left.column("b").key
    assert (found["is_join_stmt"], found["results"]) == (True, [{"0000": "2", key: "y"}])


def test_update_and_delete(people_asker: Asker) -> None:
    """They answer null results, move the version a row, and set `_mtime`."""
    base = people_asker.server.bases[0]
    people_asker.server.clock.advance(60)
    found = people_asker.sql("UPDATE people SET age = 5, side = 'left' WHERE name = 'bob'").json()
    assert (found["metadata"], found["results"], base.version) == (None, None, 3)
    assert people_asker.rows("SELECT age, side, _mtime FROM people WHERE name = 'bob'") == [
        {"age": 5, "side": "left", "_mtime": "2026-08-01T12:01:00.000+00:00"}
    ]
    people_asker.sql("DELETE FROM people")
    assert people_asker.rows("SELECT COUNT(*) AS n FROM people") == [{"n": 0}]
    assert base.version == 7


def test_sql_writes_need_permission(people_asker: Asker) -> None:
    """A token that reads gets 403 for UPDATE and DELETE."""
    reading = asker(people_asker.server, READER)
    assert reading.sql("UPDATE people SET age = 1").status_code == 403
    assert reading.rows("SELECT COUNT(*) AS n FROM people WHERE age = 1") == [{"n": 0}]


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("SELECT x FROM people", "no such column: x"),
        ("SELECT `0000` FROM people", "no such column: 0000"),
        ("SELECT Name FROM people", "no such column: Name"),
        ("SELECT name FROM nowhere", "no such table: nowhere"),
        ("SELECT pi FROM people", "no such column: pi"),
        ('SELECT "name" FROM people', "string"),
        ("SELECT name FROM people JOIN other ON 1 = 1", "syntax error"),
        ("SELECT name FROM (SELECT name FROM people)", "syntax error"),
        ("SELECT name FROM people UNION SELECT name FROM people", "syntax error"),
        ("SELECT CASE WHEN age > 1 THEN 1 END FROM people", "syntax error"),
        ("SELECT name FROM people WHERE age IN (SELECT age FROM people)", "syntax error"),
        ("SELECT coalesce(name, 'x') FROM people", "no such function: coalesce"),
        ("SELECT length(name) FROM people", "no such function: length"),
        ("SELECT CAST(age) FROM people", "no such function: CAST"),
        ("SELECT count FROM people", "syntax error"),
        ("UPDATE people SET age = abs(1)", "constants"),
        ("SELECT name FROM people WHERE", "syntax error"),
        ("SELECT name FROM people LIMIT 1.5", "syntax error"),
        ("SELECT name FROM people #", "syntax error"),
        ("DROP TABLE people", "syntax error"),
        ("", "syntax error"),
        ("SELECT name FROM people WHERE age = ?", "question marks"),
    ],
)
def test_what_is_refused(people_asker: Asker, statement: str, words: str) -> None:
    """Everything outside of the dialect is a 400 with the reason, never an empty answer."""
    assert words in people_asker.error(statement)


def test_insert_is_broken_as_on_the_real_server(people_asker: Asker) -> None:
    """INSERT is a 400 that names the base."""
    uuid = people_asker.server.bases[0].uuid
    said = people_asker.error("INSERT INTO people (name) VALUES ('x')")
    assert said == f"base {uuid} not found: insert on non-existent base"


def test_some_types_cannot_be_compared(serve: Callable[..., Asker]) -> None:
    """File, geolocation and signature in WHERE or ORDER BY are 400s; a button is not even selectable."""
    kinds = ("file", "geolocation", "digital-sign", "button")
    columns = [Column("name"), *(Column(kind, kind) for kind in kinds)]
    asked = serve(Base("CRANTb", [Table("t", columns, [{"name": "x"}])], api_tokens={WRITER: "rw"}))
    for kind in kinds[:3]:
        assert kind in asked.error(f"SELECT name FROM t WHERE `{kind}` IS NULL")
        assert kind in asked.error(f"SELECT name FROM t ORDER BY `{kind}`")
    assert "no such column: button" in asked.error("SELECT `button` FROM t")
    assert "button" not in asked.rows("SELECT * FROM t")[0]


def test_odd_names(serve: Callable[..., Asker]) -> None:
    """Spaces, quotes, function words and letters beyond ASCII in backticks; names that differ in case are two."""
    names = ["Count", "count", "the root id", 'say "hi"', "l'id", "größe", "蟻"]
    row = {name: str(at) for at, name in enumerate(names)}
    asked = serve(
        Base("CRANTb", [Table("my table", [Column(n) for n in names], [row])], api_tokens={WRITER: "rw"})
    )
    [found] = asked.rows("SELECT * FROM `my table`")
    assert {name: found[name] for name in names} == row
    picked = ", ".join(f"`{name}`" for name in names)
    assert asked.rows(f"SELECT {picked} FROM `my table` WHERE `the root id` = '2' ORDER BY `蟻`") == [row]


def test_parameters_are_values(people_asker: Asker) -> None:
    """A parameter is never read as SQL, may be of any type, and their number must fit."""
    assert people_asker.rows("SELECT name FROM people WHERE name = ? OR age > ?", "x' OR 'a'='a", 10) == [
        {"name": "Ada"}
    ]
    assert people_asker.rows("SELECT name FROM people WHERE ok = ?", True) == [{"name": "Ada"}]
    assert "parameters" in people_asker.error("SELECT name FROM people WHERE name = ?", "a", "b")


def test_functions_of_dates(people_asker: Asker) -> None:
    """Parts of dates are of the server's zone; dateDif counts whole units in one direction."""
    [row] = people_asker.rows(
        "SELECT year(born) AS y, month(born) AS m, day(born) AS d, isodate(born) AS i, "
        "dateDif('2026-06-01', born, 'D') AS days, dateDif('2026-06-20 00:00', born, 'S') AS s "
        "FROM people WHERE name = 'Ada'"
    )
    assert row == {"y": 2026, "m": 6, "d": 20, "i": "2026-06-20", "days": 19, "s": 0}
    asked = people_asker.rows("SELECT name FROM people WHERE dateDif('2026-08-01 13:59', _mtime, 'S') >= 60")
    assert len(asked) == 4


def test_functions_of_text_and_numbers(people_asker: Asker) -> None:
    """The functions that the clients use."""
    [row] = people_asker.rows(
        "SELECT left(name, 2) AS l, mid(name, 2, 1) AS m, len(name) AS n, concatenate(name, '-', age) AS c, "
        "round(age / 7, 2) AS r, mod(age, 5) AS mo, ifs(age < 1, 'a', age > 1, 'b') AS i, countItems(tags) AS t "
        "FROM people LIMIT 1"
    )
    assert row == {"l": "Ad", "m": "d", "n": 3, "c": "Ada-36", "r": 5.14, "mo": 1, "i": "b", "t": 2}


def test_archived_rows_are_read_unless_left_out(people_asker: Asker) -> None:
    """SQL reads both stores; `server_only` the normal one; `_archived` tells and can be asked for."""
    base = people_asker.server.bases[0]
    first, *_ = base.table("people").rows
    archive_rows(base, "people", [first])
    assert len(people_asker.rows("SELECT _id FROM people")) == 4
    assert len(people_asker.rows("SELECT _id FROM people", server_only=True)) == 3
    assert people_asker.rows("SELECT name FROM people WHERE _archived = true") == [{"name": "Ada"}]
    version = base.version
    people_asker.sql("UPDATE people SET age = 1 WHERE name = 'Ada'")
    assert base.version == version
    assert len(people_asker.ask("GET", "/db-operations/").json()["operations"]) == 1


def test_the_same_answer_comes_in_the_same_order(people_asker: Asker) -> None:
    """Rows in base order without ORDER BY; objects' keys in an order that is not the columns', and stable."""
    first, second = (people_asker.sql("SELECT * FROM people").text for _ in range(2))
    assert first == second


@pytest.mark.parametrize(("form", "expected"), [("[]", []), ("null", None)])
def test_an_empty_result_has_two_forms(serve: Callable[..., Asker], form: str, expected: Any) -> None:
    """A SELECT without hits is `[]` or null, as the server is switched."""
    asked = serve(empty_results=form)
    assert asked.sql("SELECT name FROM people WHERE age > 99").json()["results"] == expected
