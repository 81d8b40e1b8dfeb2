"""Links: kept from both sides, in their order, through whatever is done to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from crantdb.sandbox.seatable import (
    Base,
    Clock,
    Column,
    Options,
    Table,
    View,
    add_link_column,
    delete_rows,
    set_links,
)
from crantdb.sandbox.seatable.sql.run import Asked, run
from tests.sandbox.seatable.conftest import NOON, READER, WRITER, Asker, people

if TYPE_CHECKING:
    from collections.abc import Callable


def linked() -> Base:
    """Return a base of two tables of six rows, linked by the columns `b` and `a`."""
    tables = [
        Table(name, [Column("name")], [{"name": f"{name}{i}"} for i in range(6)]) for name in ("one", "two")
    ]
    base = Base("CRANTb", tables, api_tokens={WRITER: "rw"}, clock=Clock(NOON))
    add_link_column(base, "one", "b", "two", other_name="a")
    return base


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["one", "two", "delete one", "delete two"]),
        st.integers(0, 5),
        st.lists(st.integers(0, 5), max_size=4),
    ),
    max_size=12,
)


@settings(deadline=None, max_examples=60)
@given(STEPS)
def test_both_sides_agree_after_any_edits(steps: list[tuple[str, int, list[int]]]) -> None:
    """Whatever was linked and deleted, a row stands in another's cell exactly when that one stands in its own."""
    base = linked()
    ids = {name: list(base.table(name).rows) for name in ("one", "two")}
    model: dict[str, list[str]] = {}
    for what, at, others in steps:
        near = what.rsplit(maxsplit=1)[-1]
        far = "two" if near == "one" else "one"
        row = ids[near][at]
        if what.startswith("delete"):
            delete_rows(base, near, [row])
            model = {k: [o for o in v if o != row] for k, v in model.items() if k != row}
        elif row in base.table(near).rows:
            there = [ids[far][o] for o in others if ids[far][o] in base.table(far).rows]
            set_links(base, near, "b" if near == "one" else "a", {row: there})
            if near == "one":
                model[row] = list(dict.fromkeys(there))
            else:
                for k in base.table("one").rows:
                    kept = [o for o in model.get(k, []) if o != row]
                    had = row in model.get(k, [])
                    model[k] = model[k] if had and k in there else [*kept, *([row] if k in there else [])]
    one = run(base, Options(), Asked("SELECT _id, b FROM one", convert=True))["results"]
    two = run(base, Options(), Asked("SELECT _id, a FROM two", convert=True))["results"]
    forward = {row["_id"]: [r["row_id"] for r in row["b"]] for row in one}
    backward = {row["_id"]: [r["row_id"] for r in row["a"]] for row in two}
    assert forward == {row_id: model.get(row_id, []) for row_id in base.table("one").rows}
    pairs = {(a, b) for a, others in forward.items() for b in others}
    assert pairs == {(a, b) for b, others in backward.items() for a in others}


def test_links_touch_no_rows_time(serve: Callable[..., Asker]) -> None:
    """The version moves, `_mtime` does not: an incremental read by time misses it."""
    base = linked()
    asked = serve(base)
    before = asked.rows("SELECT _id, _mtime FROM one")
    base.clock.advance(100)
    version = base.version
    set_links(base, "one", "b", {before[0]["_id"]: base.table("two").rows})
    assert base.version == version + 1
    assert asked.rows("SELECT _id, _mtime FROM one") == before


def test_a_view_sorts(serve: Callable[..., Asker]) -> None:
    """A view's order is its own; SQL and other views keep the base's."""
    base = people()
    base.table("people").views.append(View("by name", sort_key=lambda row: str(row.get("0000")).lower()))
    asked = serve(base)
    found = asked.ask("GET", "/rows/?table_name=people&view_name=by%20name&convert_keys=1").json()["rows"]
    assert [row["name"] for row in found] == ["", "Ada", "bob", "Ćiro"]


def test_files_have_download_links(serve: Callable[..., Asker]) -> None:
    """A file that is there has a link, one that is not is a 400, and a base token is not asked for."""
    base = people()
    base.files["images/a.png"] = b"x"
    server = serve(base).server
    url, headers = f"{server.url}/api/v2.1/dtable/app-download-link/", {"Authorization": f"Token {READER}"}
    found = requests.get(url, params={"path": "/images/a.png"}, headers=headers, timeout=30)
    assert found.json()["download_link"].endswith("/images/a.png")
    assert requests.get(url, params={"path": "/b.png"}, headers=headers, timeout=30).status_code == 400
    assert requests.get(url, params={"path": "/b.png"}, timeout=30).status_code == 403
