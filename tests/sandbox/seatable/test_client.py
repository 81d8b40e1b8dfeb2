"""seatable_api 4.0.0, unpatched, against every endpoint it wraps that the sandbox serves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import seatable_api
from seatable_api.constants import ColumnTypes
from seatable_api.exception import AuthExpiredError

from crantdb.sandbox.seatable import Base, Column, Fault, SeaTable, Table, add_link_column, set_links
from tests.sandbox.seatable.conftest import READER, TOKEN, WRITER, Asker, opened, people


@pytest.fixture
def client(people_asker: Asker) -> Any:
    """Return the client's base over `people`, with write permission."""
    return opened(people_asker.server)


def ids(base: Base, table: str = "people") -> list[str]:
    """Return the ids of a table's rows."""
    return list(base.table(table).rows)


def test_an_account_logs_in_and_finds_its_bases(people_asker: Asker) -> None:
    """Login and password give the account token, the workspaces name the base, `get_base` opens it."""
    account = seatable_api.Account("annotator@example.org", "swordfish", people_asker.server.url)
    account.auth()
    assert account.token == TOKEN
    account.load_account_info()
    assert account.username == "annotator@auth.local"
    [workspace] = account.list_workspaces()["workspace_list"]
    assert (workspace["id"], [t["name"] for t in workspace["table_list"]]) == (62919, ["CRANTb"])
    base = account.get_base(62919, "CRANTb")
    assert (base.dtable_name, base.use_api_gateway, base.dtable_db_url) == ("CRANTb", True, "")
    assert base.dtable_uuid == people_asker.server.bases[0].uuid


def test_the_pattern_without_auth_works(people_asker: Asker) -> None:
    """The community's way: an account that is only handed its token."""
    account = seatable_api.Account(None, None, people_asker.server.url)
    account.token = TOKEN
    assert len(account.get_base(62919, "CRANTb").list_rows("people")) == 4


def test_a_wrong_password_is_a_400(people_asker: Asker) -> None:
    """The client raises its bare ConnectionError with the server's words."""
    account = seatable_api.Account("annotator@example.org", "no", people_asker.server.url)
    with pytest.raises(ConnectionError) as caught:
        account.auth()
    assert caught.value.args[0] == 400
    assert "Unable to login with provided credentials." in caught.value.args[1]


def test_metadata_has_tables_columns_views_and_version(client: Any) -> None:
    """Tables without rows, columns with keys (the first "0000"), the version as an integer."""
    found = client.get_metadata()
    assert set(found) == {"tables", "version", "format_version", "settings"}
    [table] = found["tables"]
    assert table["columns"][0] == {"key": "0000", "name": "name", "type": "text", "width": 200}
    assert [c["name"] for c in table["columns"]][1:3] == ["age", "side"]
    assert [o["name"] for o in table["columns"][2]["data"]["options"]] == ["right", "left", "middle"]
    assert found["version"] == 2
    assert "rows" not in table


def test_list_rows_pages_and_hides(client: Any) -> None:
    """Base order, `start` and `limit`; a view hides columns and rows, an unknown one hides nothing."""
    assert [row["name"] for row in client.list_rows("people", start=1, limit=2)] == ["bob", "Ćiro"]
    shown = client.list_rows("people", view_name="short")
    assert [row["name"] for row in shown] == ["Ada", "Ćiro", ""]
    assert "note" not in shown[0]
    assert len(client.list_rows("people", view_name="no such view")) == 4


def test_rows_have_every_column_and_names(client: Any) -> None:
    """Every column is there, null where empty; options come by name, long text as markdown."""
    row = client.get_row("people", ids_of(client)[2])
    assert (row["side"], row["tags"], row["note"], row["ok"]) == ("middle", [], "*long*", None)
    assert (row["_archived"], row["_locked"], row["_creator"]) == (False, None, "annotator@auth.local")


def ids_of(client: Any) -> list[str]:
    """Return the ids of `people` as the client lists them."""
    return [row["_id"] for row in client.list_rows("people")]


def test_a_missing_row_says_what_seatable_says(client: Any) -> None:
    """404 with SeaTable's own spelling."""
    with pytest.raises(ConnectionError) as caught:
        client.get_row("people", "x" * 22)
    assert caught.value.args == (404, '{"error_message":"row _id not exits"}')


def test_query_gives_results_and_parameters(client: Any) -> None:
    """`convert=True` gives names, `convert=False` keys and option ids; parameters fill question marks."""
    [row] = client.query("SELECT name, side FROM people WHERE name = ?", parameters=["Ada"])
    assert row == {"name": "Ada", "side": "left"}
    [raw] = client.query("SELECT name, side FROM people WHERE name = 'Ada'", convert=False)
    assert raw["0000"] == "Ada"
    assert raw.keys() != row.keys()
    assert "left" not in raw.values()


def test_rows_are_written(people_asker: Asker, client: Any) -> None:
    """Append, update and delete, singly and in batches, each moving the version."""
    base = people_asker.server.bases[0]
    first = client.append_row("people", {"name": "new", "side": "upside down"})
    assert first["0000"] == "new"
    assert client.get_row("people", first["_id"])["side"] == "upside down"
    client.update_row("people", first["_id"], {"age": 7, "ok": 1})
    row = client.get_row("people", first["_id"])
    assert (row["age"], row["ok"]) == (7, False)
    found = client.batch_append_rows("people", [{"name": "x"}, {"name": "y"}])
    assert found["inserted_row_count"] == 2
    client.batch_update_rows("people", [{"row_id": r["_id"], "row": {"age": 1}} for r in found["row_ids"]])
    client.delete_row("people", first["_id"])
    client.batch_delete_rows("people", [r["_id"] for r in found["row_ids"]])
    assert len(base.table("people").rows) == 4
    assert base.version == 2 + 1 + 1 + 2 + 2 + 1 + 2


def test_a_text_in_a_number_column_is_refused(client: Any) -> None:
    """400; an invalid date becomes null instead."""
    with pytest.raises(ConnectionError) as caught:
        client.append_row("people", {"age": "NA"})
    assert caught.value.args[0] == 400
    row = client.append_row("people", {"born": "yesterday"})["_id"]
    assert client.query("SELECT born FROM people WHERE _id = ?", parameters=[row]) == [{"born": None}]


def test_links_are_written_and_read_in_pages(serve: Callable[..., Asker]) -> None:
    """Links through add, update and remove; query-links gives 10 by default, 100 at the most."""
    base = people()
    base.adopt(Table("papers", [Column("title")], [{"title": f"p{i}"} for i in range(130)]))
    link = add_link_column(base, "people", "read", "papers", other_name="readers")
    server = serve(base).server
    client, [row, *_], papers = opened(server), ids(base), ids(base, "papers")
    client.batch_add_links(link, "people", "papers", {row: papers[:3]})
    client.add_link(link, "people", "papers", row, papers[5])
    client.remove_link(link, "people", "papers", row, papers[0])
    assert [r["row_id"] for r in client.list_rows("people")[0]["read"]] == [papers[1], papers[2], papers[5]]
    assert client.list_rows("papers", start=5, limit=1)[0]["readers"] == [
        {"row_id": row, "display_value": "Ada"}
    ]
    client.update_link(link, "people", "papers", row, papers)
    assert len(client.list_rows("people")[0]["read"]) == 50
    people_id = base.table("people").id
    key = base.table("people").column("read").key
    assert len(client.get_linked_records(people_id, key, [{"row_id": row}])[row]) == 10
    pages = [
        client.get_linked_records(people_id, key, [{"row_id": row, "offset": at, "limit": 1000}])[row]
        for at in (0, 100)
    ]
    assert [len(page) for page in pages] == [100, 30]
    assert [r["row_id"] for page in pages for r in page] == papers
    with pytest.raises(ConnectionError) as caught:
        client.get_linked_records(people_id, link, [{"row_id": row}])
    assert caught.value.args[0] == 400
    assert client.get_column_link_id("people", "read") == link


def test_columns_and_tables_are_changed(people_asker: Asker, client: Any) -> None:
    """Columns are listed, inserted, renamed, retyped and deleted; tables added, renamed and dropped."""
    added = client.insert_column("people", "extra", ColumnTypes.NUMBER)
    client.rename_column("people", added["key"], "more")
    assert client.get_column_by_name("people", "more")["key"] == added["key"]
    client.modify_column_type("people", added["key"], ColumnTypes.TEXT)
    assert client.get_column_by_name("people", "more")["type"] == "text"
    client.add_column_options("people", "side", [{"name": "new side"}])
    options = client.get_column_by_name("people", "side")["data"]["options"]
    assert options[-1]["name"] == "new side"
    client.delete_column("people", added["key"])
    assert client.get_column_by_name("people", "more") is None
    client.add_table("T2", columns=[{"column_name": "a", "column_type": "text"}])
    client.rename_table("T2", "T3")
    assert [t["name"] for t in client.list_tables()] == ["people", "T3"]
    client.delete_table("T3")
    assert [t["name"] for t in client.list_tables()] == ["people"]
    assert client.get_view_by_name("people", "short")["hidden_columns"] == ["note"]
    assert [v["name"] for v in client.list_views("people")["views"]] == ["Default View", "short"]


def test_archived_rows_go_through_the_client(people_asker: Asker, client: Any) -> None:
    """Big-data rows are in SQL, marked, and move no version."""
    base = people_asker.server.bases[0]
    client.big_data_insert_rows("people", [{"name": "old"}])
    assert base.version == 2
    assert client.query("SELECT _archived, name FROM people WHERE name = 'old'") == [
        {"_archived": True, "name": "old"}
    ]


def test_related_users_come_with_names(client: Any) -> None:
    """The base token lists who may be named in collaborator cells."""
    [user] = client.get_related_users()
    assert (user["email"], user["name"]) == ("annotator@auth.local", "Annotator")


def test_a_reading_token_cannot_write(people_asker: Asker) -> None:
    """403 with a word of permission, and nothing has changed."""
    client = opened(people_asker.server, READER)
    with pytest.raises(ConnectionError) as caught:
        client.append_row("people", {"name": "no"})
    assert caught.value.args[0] == 403
    assert "permission" in caught.value.args[1]
    with pytest.raises(ConnectionError):
        client.query("DELETE FROM people")
    assert len(people_asker.server.bases[0].table("people").rows) == 4


def test_a_name_like_an_id_finds_the_table_of_that_id(serve: Callable[..., Asker]) -> None:
    """The client sends a four-letter name as an id too, and the id wins."""
    tables = [
        Table("meta", [Column("a")], [{"a": "by name"}]),
        Table("other", [Column("a")], [{"a": "by id"}], id="meta"),
    ]
    client = opened(serve(Base("CRANTb", tables, api_tokens={WRITER: "rw"})).server)
    assert [row["a"] for row in client.list_rows("meta")] == ["by id"]
    assert client.query("SELECT a FROM meta") == [{"a": "by name"}]


def test_the_clients_failures_are_the_known_ones(people_asker: Asker, client: Any) -> None:
    """An HTML page gives AttributeError, success false a bare Exception, a revoked token ConnectionError 403."""
    server = people_asker.server
    server.fault(Fault("html200", match="/sql"))
    with pytest.raises(AttributeError):
        client.query("SELECT name FROM people")
    server.fault(Fault("success_false", match="/sql", body="out of cheese"))
    with pytest.raises(Exception, match="out of cheese"):
        client.query("SELECT name FROM people")
    server.fault(Fault("revoke_tokens", match="/sql"))
    with pytest.raises(ConnectionError) as caught:
        client.query("SELECT name FROM people")
    assert caught.value.args == (403, '{"error_message":"invalid token"}')
    assert not isinstance(caught.value, AuthExpiredError)


def test_a_temporary_token_dies_before_its_base_token(people_asker: Asker) -> None:
    """After an hour `base.auth()` fails while the base token goes on; after three days that one fails too."""
    server = people_asker.server
    account = seatable_api.Account(None, None, server.url)
    account.token = TOKEN
    base = account.get_base(62919, "CRANTb")
    server.clock.advance(3601)
    with pytest.raises(ConnectionError) as caught:
        base.auth()
    assert caught.value.args == (403, '{"error_msg":"Permission denied."}')
    assert len(base.list_rows("people")) == 4
    server.clock.advance(timedelta(days=3).total_seconds())
    with pytest.raises(ConnectionError):
        base.list_rows("people")


def test_the_client_opens_a_connection_a_call(people_asker: Asker, client: Any) -> None:
    """Three calls, three ports; the log also has the token's label, not the token."""
    for _ in range(3):
        client.get_metadata()
    entries = people_asker.server.log.entries("/metadata/")
    assert len({entry.client_port for entry in entries}) == 3
    assert {entry.token for entry in entries} == {"jwt#2"}


def test_edits_through_the_package_are_seen(serve: Callable[..., Asker]) -> None:
    """A link set in Python comes out of the client."""
    base = people()
    base.adopt(Table("labs", [Column("lab")], [{"lab": "K"}]))
    add_link_column(base, "people", "lab", "labs", other_name="members")
    [row, *_], [lab] = ids(base), ids(base, "labs")
    set_links(base, "people", "lab", {row: [lab]})
    server: SeaTable = serve(base).server
    assert opened(server).query("SELECT lab FROM people LIMIT 1") == [
        {"lab": [{"row_id": lab, "display_value": "K"}]}
    ]
